"""May this order go out? One pass over flags and limits, a reason code out. Every order and replace passes here; cancels do not.

`verdict` is int64[3]: the limit, the value that broke it and the rule's index, for the reader of the denial. Money is px x shares.
Position limits hold for the strategy and for all strategies of the instrument together, with every open, pending and unknown order
filled that could make it worse.
"""

import numpy as np

from core.codes import Denial, Limit, Side
from core.integer import i64
from core.jit import kernel
from core.layout import MAX_STRATEGIES

NANO = 1_000_000_000
QTY_MAX = 1_000_000  # OUCH 5.0: fewer than a million shares
PX_MAX = 2_147_483_647  # OUCH 5.0: the price field's bound is lower; this keeps px x shares far from overflow


@kernel
def refuse(verdict: np.ndarray, limits: np.ndarray, index: int, which: int, value: int) -> None:
    """Say which limit was broken, and by what."""
    verdict[0] = limits[index]["limit"][which]
    verdict[1] = value
    verdict[2] = limits[index]["rule"][which]


@kernel
def halted(control: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, inst: int, strat: int) -> int:
    """Flags that stop new orders, from the widest to the narrowest."""
    if control[0]["halt_node"] != 0:
        return Denial.HALT_NODE
    if control[0]["halt_venue"][insts[inst]["venue"]] != 0:
        return Denial.HALT_VENUE
    if halt_symbol[inst] != 0:
        return Denial.HALT_SYMBOL
    if control[0]["halt_strategy"][strat] != 0:
        return Denial.HALT_STRATEGY
    return Denial.PASS


@kernel
def reference(insts: np.ndarray, px: np.ndarray, inst: int) -> int:
    """Give the price that the collar is measured from: mid of the book, else last trade, else the configured one; 0 is none."""
    bids, asks = insts[inst]["n"][0], insts[inst]["n"][1]
    if bids > 0 and asks > 0:
        return (px[inst, 0, bids - 1] + px[inst, 1, asks - 1]) // 2
    if insts[inst]["last_px"] > 0:
        return insts[inst]["last_px"]
    return insts[inst]["reference"]


@kernel
def worst_position(positions: np.ndarray, inst: int, n_insts: int, strat: int, side: int, more: int) -> int:
    """Give |position| if every order on `side` filled and `more` shares too: the larger of the strategy's and the account's."""
    own = account = i64(0)
    for s in range(MAX_STRATEGIES):
        k = s * n_insts + inst
        worst = positions[k]["position"] + positions[k]["open_buy"] if side == Side.BUY else positions[k]["open_sell"] - positions[k]["position"]
        account += worst
        if s == strat:
            own = worst
    return max(own, account) + more


@kernel
def take_token(strategies: np.ndarray, strat: int, rate: int, now_ns: int) -> bool:
    """Token bucket of a strategy: `rate` tokens a second, one second's worth held (Turner 1986)."""
    elapsed = min(max(now_ns - strategies[strat]["tokens_ns"], i64(0)), i64(NANO))
    tokens = min(strategies[strat]["tokens"] + elapsed * rate, rate * NANO)
    strategies[strat]["tokens_ns"] = now_ns
    if tokens < NANO:
        strategies[strat]["tokens"] = tokens
        return False
    strategies[strat]["tokens"] = tokens - NANO
    return True


@kernel
def check(
    control: np.ndarray,
    halt_symbol: np.ndarray,
    insts: np.ndarray,
    px: np.ndarray,
    positions: np.ndarray,
    limits: np.ndarray,
    strategies: np.ndarray,
    strat: int,
    inst: int,
    side: int,
    order_px: int,
    order_qty: int,
    more: int,
    is_new: bool,
    closing: bool,
    book_state: int,
    now_ns: int,
    verdict: np.ndarray,
) -> int:
    """Give Denial.PASS or the first reason against an order of `order_qty` shares at `order_px`.

    `closing`: an operator closes a position; halts do not bind then.
    `more`: shares by which it raises what may fill on its side (for a replace: new leaves above what is reserved).
    `book_state`: BookState bits of symbol and channel together.
    """
    n_insts = insts.shape[0]
    index = strat * n_insts + inst
    verdict[0] = 0
    verdict[1] = 0
    verdict[2] = -1
    flag = halted(control, halt_symbol, insts, inst, strat)
    if flag != Denial.PASS and not closing:
        return flag
    if book_state != 0:
        verdict[1] = book_state
        return Denial.BOOK_NOT_LIVE
    if order_qty <= 0 or order_qty >= QTY_MAX:
        verdict[0] = QTY_MAX
        verdict[1] = order_qty
        return Denial.BAD_QUANTITY
    if order_px <= 0 or order_px > PX_MAX:
        verdict[0] = PX_MAX
        verdict[1] = order_px
        return Denial.BAD_PRICE
    lot, tick = insts[inst]["lot"], insts[inst]["tick"]
    if lot > 1 and order_qty % lot != 0:
        verdict[0] = lot
        verdict[1] = order_qty
        return Denial.LOT
    if tick > 1 and order_px % tick != 0:
        verdict[0] = tick
        verdict[1] = order_px
        return Denial.TICK
    if order_qty > limits[index]["limit"][Limit.MAX_ORDER_QTY]:
        refuse(verdict, limits, index, Limit.MAX_ORDER_QTY, order_qty)
        return Denial.MAX_ORDER_QTY
    value = order_px * order_qty * insts[inst]["multiplier"]
    if value > limits[index]["limit"][Limit.MAX_ORDER_VALUE]:
        refuse(verdict, limits, index, Limit.MAX_ORDER_VALUE, value)
        return Denial.MAX_ORDER_VALUE
    middle = reference(insts, px, inst)
    collar = limits[index]["limit"][Limit.PRICE_COLLAR]
    if collar < 1_000_000_000:
        if middle <= 0:
            refuse(verdict, limits, index, Limit.PRICE_COLLAR, 0)
            return Denial.NO_REFERENCE
        away = abs(order_px - middle) * 1_000_000
        if away > collar * middle:
            refuse(verdict, limits, index, Limit.PRICE_COLLAR, away // middle)
            return Denial.PRICE_COLLAR
    worst = worst_position(positions, inst, n_insts, strat, side, more)
    if worst > limits[index]["limit"][Limit.MAX_POSITION]:
        refuse(verdict, limits, index, Limit.MAX_POSITION, worst)
        return Denial.MAX_POSITION
    if is_new and positions[index]["n_open"] >= limits[index]["limit"][Limit.MAX_OPEN_ORDERS]:
        refuse(verdict, limits, index, Limit.MAX_OPEN_ORDERS, positions[index]["n_open"] + 1)
        return Denial.MAX_OPEN_ORDERS
    rate = limits[index]["limit"][Limit.MAX_ORDER_RATE]
    if rate < NANO and not take_token(strategies, strat, rate, now_ns):
        refuse(verdict, limits, index, Limit.MAX_ORDER_RATE, rate + 1)
        return Denial.MAX_ORDER_RATE
    return Denial.PASS
