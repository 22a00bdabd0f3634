"""May this order go out? One pass over flags and limits, a reason code out. Every order and replace passes here; cancels do not.

`verdict` is int64[4]: the limit, the value that broke it, the rule's index for the reader of the denial, and of a sale the shares to be marked short.
Order value is px x shares x multiplier; sums over positions (ACCOUNT) are in 1e-4 of the account's currency.

A limit binds the strategy alone (LIMITS.limit) and, where it is one about sums, all strategies together (LIMITS.account). Positions are judged with
every open, pending and unknown order filled that could make it worse, so a limit that was lowered under a position lets through what brings it back,
and not more: a second order that would flip it counts the first as filled. What only reduces a strategy's position also passes where a limit would
trap it: restricted list, open orders, a broken loss limit. Size, value, collar, rates, halts and kill bind it like any other.

What an order takes (rate tokens, its place in the exposure that lanes share) it takes last, when nothing can refuse it any more.
"""

import numpy as np

from core import exposure, position
from core.codes import BookState, Denial, Halt, Limit, Mode, OrderFlag, Reference, Side
from core.integer import i64
from core.jit import inlined, kernel
from core.layout import EXECUTIONS, MAX_STRATEGIES, NO_LIMIT

NANO = 1_000_000_000
MILLION = 1_000_000
DAY_NS = 86_400 * NANO
QTY_MAX = 1_000_000  # OUCH 5.0: fewer than a million shares
PX_MAX = position.PX_MAX  # OUCH 5.0: the price field's bound is lower; this keeps px x shares far from overflow
KEPT = 4  # one in so many tokens of a rate is kept for cancels
CLOSED = BookState.HALTED | BookState.AUCTION | BookState.CLOSED | BookState.ABSENT


# ---- what a denial tells


@kernel
def refuse(verdict: np.ndarray, limits: np.ndarray, index: int, which: int, value: int) -> None:
    """Say which limit of the strategy was broken, and by what."""
    verdict[0] = limits[index]["limit"][which]
    verdict[1] = value
    verdict[2] = limits[index]["rule"][which]


@kernel
def refuse_account(verdict: np.ndarray, limits: np.ndarray, index: int, which: int, value: int) -> None:
    """Say which limit of all strategies together was broken, and by what."""
    verdict[0] = limits[index]["account"][which]
    verdict[1] = value
    verdict[2] = limits[index]["account_rule"][which]


# ---- flags


@inlined
def flag(value: int, closing: bool, reducing: bool, code: int) -> int:
    """Give the denial of one halt word: a kill binds everyone, a halt all but an operator who closes a position, a softer one nobody who reduces."""
    if value == Halt.KILLED:
        return Denial.KILLED
    soft = value == Halt.REDUCE_ONLY or value == Halt.HALF_OPEN
    if value != 0 and not closing and not (soft and reducing):
        return code
    return Denial.PASS


@inlined
def halted(
    control: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, inst: int, strat: int, closing: bool, reducing: bool
) -> int:  # fmt: skip
    """Flags that stop new orders, from the widest to the narrowest."""
    code = flag(control[0]["halt_node"], closing, reducing, Denial.HALT_NODE)
    if code == Denial.PASS:
        code = flag(control[0]["halt_venue"][insts[inst]["venue"]], closing, reducing, Denial.HALT_VENUE)
    if code == Denial.PASS:
        code = flag(halt_symbol[inst], closing, reducing, Denial.HALT_SYMBOL)
    if code == Denial.PASS:
        code = flag(control[0]["halt_strategy"][strat], closing, reducing, Denial.HALT_STRATEGY)
    return code


@inlined
def armed(venues: np.ndarray, v: int, now_ns: int) -> bool:
    """Tell whether a venue's mode lets orders through: not after it was armed, nor past its time."""
    mode = venues[v]["mode"]
    if mode == Mode.ARMED:
        return now_ns < venues[v]["armed_until_ns"]
    return mode != Mode.OFF


# ---- the order itself


@inlined
def order_value(px: int, qty: int, multiplier: int) -> int:
    """Give px x qty x multiplier, or -1 when it would pass NO_LIMIT. px and qty are in their ranges already."""
    value = px * qty
    if multiplier > 1 and value > NO_LIMIT // multiplier:
        return -1
    return value * max(multiplier, i64(1))


@inlined
def reference(insts: np.ndarray, px: np.ndarray, inst: int, kind: int) -> int:
    """Give the price that the collar is measured from (Reference); 0 is none."""
    bids, asks = insts[inst]["n"][0], insts[inst]["n"][1]
    if kind == Reference.MID and bids > 0 and asks > 0:
        return (px[inst, 0, bids - 1] + px[inst, 1, asks - 1]) // 2
    if kind != Reference.FIXED and insts[inst]["last_px"] > 0:
        return insts[inst]["last_px"]
    return insts[inst]["reference"]


@inlined
def collar(insts: np.ndarray, px: np.ndarray, limits: np.ndarray, inst: int, index: int, order_px: int, verdict: np.ndarray) -> int:
    """The price must lie within so many millionths of the reference."""
    most = limits[index]["limit"][Limit.PRICE_COLLAR]
    if most >= NANO:
        return Denial.PASS
    kind = limits[index]["limit"][Limit.COLLAR_REFERENCE]
    middle = reference(insts, px, inst, i64(Reference.MID) if kind == NO_LIMIT else kind)
    if middle <= 0:
        if limits[index]["limit"][Limit.COLLAR_MISSING] == 1:
            return Denial.PASS
        refuse(verdict, limits, index, Limit.PRICE_COLLAR, 0)
        return Denial.NO_REFERENCE
    away = abs(order_px - middle) * MILLION
    if away > most * middle:
        refuse(verdict, limits, index, Limit.PRICE_COLLAR, away // middle)
        return Denial.PRICE_COLLAR
    return Denial.PASS


@inlined
def tick_at(tables: np.ndarray, insts: np.ndarray, inst: int, order_px: int) -> int:
    """Give the tick of a symbol at a price: its own at every price, or the one of the band that the price lies in."""
    table = insts[inst]["tick_table"]
    if table <= 0:
        return insts[inst]["tick"]
    bands = tables[table - 1]
    k = bands["n"] - 1
    while k > 0 and order_px < bands["px"][k]:
        k -= 1
    return bands["tick"][k]


@inlined
def shape(
    tables: np.ndarray, insts: np.ndarray, limits: np.ndarray, inst: int, index: int, order_px: int, order_qty: int, verdict: np.ndarray
) -> int:
    """Quantity, price, lot, tick, size and value."""
    if order_qty <= 0 or order_qty >= QTY_MAX:
        verdict[0] = QTY_MAX
        verdict[1] = order_qty
        return Denial.BAD_QUANTITY
    if order_px <= 0 or order_px > PX_MAX:
        verdict[0] = PX_MAX
        verdict[1] = order_px
        return Denial.BAD_PRICE
    lot, tick = insts[inst]["lot"], tick_at(tables, insts, inst, order_px)
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
    value = order_value(order_px, order_qty, insts[inst]["multiplier"])
    if value < 0:
        verdict[0] = NO_LIMIT
        verdict[1] = insts[inst]["multiplier"]
        return Denial.OVERFLOW
    if value > limits[index]["limit"][Limit.MAX_ORDER_VALUE]:
        refuse(verdict, limits, index, Limit.MAX_ORDER_VALUE, value)
        return Denial.MAX_ORDER_VALUE
    return Denial.PASS


@inlined
def own_orders(
    lane: np.ndarray, limits: np.ndarray, index: int, strat: int, inst: int, side: int, px: int, qty: int, slot: int, now_ns: int, verdict: np.ndarray
) -> int:
    """An order must not meet one of ours on the other side, whoever's it is, nor repeat one of the strategy's that is still open.

    `slot`: the order that is replaced; -1 for a new one.
    """
    orders = lane[0]["orders"]
    window = limits[index]["limit"][Limit.DUPLICATE_WINDOW]
    for k in range(lane[0]["n_live"]):
        other = lane[0]["live"][k]
        if orders[other]["inst"] != inst or other == slot:
            continue
        theirs = orders[other]["px"]
        if orders[other]["side"] != side:
            if orders[other]["pending_ref"] != 0:  # a replace under way: the worse of both
                theirs = max(theirs, orders[other]["pending_px"]) if side == Side.SELL else min(theirs, orders[other]["pending_px"])
            if (side == Side.BUY and px >= theirs) or (side == Side.SELL and px <= theirs):
                verdict[0] = theirs
                verdict[1] = px
                return Denial.SELF_MATCH
        elif slot < 0 and window < NO_LIMIT and orders[other]["strat"] == strat and theirs == px and orders[other]["order_qty"] == qty:
            age = now_ns - orders[other]["sent_ns"]
            if age < window:
                refuse(verdict, limits, index, Limit.DUPLICATE_WINDOW, age)
                return Denial.DUPLICATE
    return Denial.PASS


# ---- positions


@inlined
def worst(positions: np.ndarray, index: int, side: int) -> int:
    """Give the position towards `side` (sales count up) if every order on that side filled."""
    if side == Side.BUY:
        return positions[index]["position"] + positions[index]["open_buy"]
    return positions[index]["open_sell"] - positions[index]["position"]


@inlined
def reduces(positions: np.ndarray, index: int, side: int, more: int) -> bool:
    """Tell whether `more` shares on `side` only reduce a strategy's position, every order that reduces it already being filled."""
    held = positions[index]["position"]
    if side == Side.BUY:
        return held < 0 and more <= -held - positions[index]["open_buy"]
    return held > 0 and more <= held - positions[index]["open_sell"]


@inlined
def position_limits(
    positions: np.ndarray, limits: np.ndarray, index: int, inst: int, n_insts: int, held: int, side: int, more: int, verdict: np.ndarray
) -> int:
    """Position with open orders at their worst, of the strategy and of all strategies in the instrument."""
    which = i64(Limit.MAX_LONG) if side == Side.BUY else i64(Limit.MAX_SHORT)
    code = i64(Denial.MAX_LONG) if side == Side.BUY else i64(Denial.MAX_SHORT)
    own = worst(positions, index, side) + more
    if own > limits[index]["limit"][Limit.MAX_POSITION]:
        refuse(verdict, limits, index, Limit.MAX_POSITION, own)
        return Denial.MAX_POSITION
    if own > limits[index]["limit"][which]:
        refuse(verdict, limits, index, which, own)
        return code
    if limits[index]["account"][Limit.MAX_POSITION] == NO_LIMIT and limits[index]["account"][which] == NO_LIMIT:
        return Denial.PASS
    together = i64(more)
    for s in range(MAX_STRATEGIES):
        if (held >> s) & 1:
            together += worst(positions, s * n_insts + inst, side)
    if together > limits[index]["account"][Limit.MAX_POSITION]:
        refuse_account(verdict, limits, index, Limit.MAX_POSITION, together)
        return Denial.MAX_POSITION
    if together > limits[index]["account"][which]:
        refuse_account(verdict, limits, index, which, together)
        return code
    return Denial.PASS


@inlined
def open_orders(positions: np.ndarray, limits: np.ndarray, index: int, inst: int, n_insts: int, held: int, more: int, verdict: np.ndarray) -> int:
    """Orders open at once in the instrument, of the strategy and of all, with `more` of them."""
    own = positions[index]["n_open"] + more
    if own > limits[index]["limit"][Limit.MAX_OPEN_ORDERS]:
        refuse(verdict, limits, index, Limit.MAX_OPEN_ORDERS, own)
        return Denial.MAX_OPEN_ORDERS
    if limits[index]["account"][Limit.MAX_OPEN_ORDERS] == NO_LIMIT:
        return Denial.PASS
    together = i64(more)
    for s in range(MAX_STRATEGIES):
        if (held >> s) & 1:
            together += positions[s * n_insts + inst]["n_open"]
    if together > limits[index]["account"][Limit.MAX_OPEN_ORDERS]:
        refuse_account(verdict, limits, index, Limit.MAX_OPEN_ORDERS, together)
        return Denial.MAX_OPEN_ORDERS
    return Denial.PASS


# ---- money


@inlined
def worth(insts: np.ndarray, inst: int, value: int) -> int:
    """Give px x shares in 1e-4 of the account's currency, the multiplier counted; what would overflow stays at NO_LIMIT."""
    num, den = insts[inst]["worth_num"], insts[inst]["worth_den"]
    if num == den:
        return value
    whole = value // den
    if abs(whole) >= NO_LIMIT // num:
        return i64(NO_LIMIT) if whole > 0 else i64(-NO_LIMIT)
    return whole * num + value % den * num // den


@inlined
def money(
    lane: np.ndarray, insts: np.ndarray, positions: np.ndarray, limits: np.ndarray, index: int, inst: int, strat: int, side: int, order_px: int,
    more: int, verdict: np.ndarray,
) -> int:  # fmt: skip
    """Gross and net exposure, leverage and margin, of the strategy and of the account. What raises none of them passes whatever they are.

    The account's are those of all lanes together: what this order would add is asked for first, and settled when all is judged (`check`).
    """
    control, accounts = lane[0]["control"], lane[0]["accounts"]
    new_side = worth(insts, inst, max(worst(positions, index, side) + more, i64(0)) * order_px)
    rise = max(new_side - positions[index]["gross"], i64(0))
    net_rise = worth(insts, inst, more * order_px)
    for who in range(2):
        a = strat if who == 0 else i64(MAX_STRATEGIES)
        bounds = limits[index]["limit"] if who == 0 else limits[index]["account"]
        gross = accounts[a]["gross"] + rise
        net = (accounts[a]["long"] if side == Side.BUY else accounts[a]["short"]) + net_rise
        profit = i64(accounts[a]["profit"])
        if who == 1 and control[0]["n_lanes"] > 1:
            row = control[0]["money_row"]
            exposure.ask(control, row + exposure.GROSS, Side.BUY, rise)
            exposure.ask(control, row + exposure.NET, side, net_rise)
            gross = exposure.total(control, row + exposure.GROSS, Side.BUY)
            net = exposure.total(control, row + exposure.NET, side)
            profit = exposure.total(control, row + exposure.GROSS, Side.SELL)
        if rise > 0 and gross > bounds[Limit.MAX_GROSS_EXPOSURE]:
            return refuse_money(verdict, limits, index, Limit.MAX_GROSS_EXPOSURE, gross, who, Denial.MAX_GROSS_EXPOSURE)
        if net_rise > 0 and net > bounds[Limit.MAX_NET_EXPOSURE] and rise > 0:
            return refuse_money(verdict, limits, index, Limit.MAX_NET_EXPOSURE, net, who, Denial.MAX_NET_EXPOSURE)
        capital = bounds[Limit.CAPITAL]
        if rise > 0 and capital != NO_LIMIT:
            equity = max(capital + profit, i64(0))
            # In floating point: both sides are far above 2^53 only where no limit is near.
            if bounds[Limit.MAX_LEVERAGE] != NO_LIMIT and np.float64(gross) * MILLION > np.float64(equity) * np.float64(bounds[Limit.MAX_LEVERAGE]):
                ratio = i64(min(np.float64(gross) * MILLION / np.float64(max(equity, i64(1))), np.float64(NO_LIMIT)))
                return refuse_money(verdict, limits, index, Limit.MAX_LEVERAGE, ratio, who, Denial.MAX_LEVERAGE)
            if bounds[Limit.MARGIN] != NO_LIMIT and np.float64(gross) * np.float64(bounds[Limit.MARGIN]) > np.float64(equity) * MILLION:
                return refuse_money(verdict, limits, index, Limit.MARGIN, gross, who, Denial.MARGIN)
    return Denial.PASS


@kernel
def refuse_money(verdict: np.ndarray, limits: np.ndarray, index: int, which: int, value: int, who: int, code: int) -> int:
    """Say which limit on money was broken, the strategy's (who 0) or the account's; gives the code."""
    if who == 0:
        refuse(verdict, limits, index, which, value)
    else:
        refuse_account(verdict, limits, index, which, value)
    return code


@inlined
def latched(lane: np.ndarray, strat: int, verdict: np.ndarray) -> int:
    """A loss limit that was broken stays so until a person resumes."""
    accounts = lane[0]["accounts"]
    for who in range(2):
        a = strat if who == 0 else i64(MAX_STRATEGIES)
        if accounts[a]["latched"] != 0:
            verdict[0] = accounts[a]["latched_limit"]
            verdict[1] = accounts[a]["latched_value"]
            verdict[2] = accounts[a]["latched_rule"]
            return i64(accounts[a]["latched"])
    return Denial.PASS


@kernel
def mark_px(insts: np.ndarray, positions: np.ndarray, index: int, inst: int) -> int:
    """Give the price a position is valued at: a long at the bid, a short at the ask, of the book when it was last LIVE.

    A book that never was: the last trade, else what is configured, else what was paid.
    """
    held = positions[index]["position"]
    px = insts[inst]["mark"][0 if held >= 0 else 1]
    if px > 0:
        return px
    if insts[inst]["last_px"] > 0:
        return insts[inst]["last_px"]
    if insts[inst]["reference"] > 0:
        return insts[inst]["reference"]
    return positions[index]["cost"] // abs(held) if held != 0 else i64(0)


@kernel
def look(insts: np.ndarray, px: np.ndarray, inst: int, live: bool) -> None:
    """Take the best prices of a book as marks, when it is LIVE. A side that is empty keeps its old one."""
    if not live:
        return
    for side in range(2):
        n = insts[inst]["n"][side]
        if n > 0:
            insts[inst]["mark"][side] = px[inst, side, n - 1]


@kernel
def broken(account: np.ndarray, a: int, profit: int, day: int, bounds: np.ndarray, rules: np.ndarray) -> int:
    """Latch and give the first loss limit that an account breaks with its profit, `day` of it today; PASS when none, or one is latched already."""
    if account[a]["latched"] != 0:
        return Denial.PASS
    account[a]["peak"] = max(account[a]["peak"], profit)
    loss = -day
    fall = account[a]["peak"] - profit
    code: int = Denial.PASS
    which, value = i64(Limit.MAX_DAILY_LOSS), loss
    if loss > bounds[Limit.MAX_DAILY_LOSS]:
        code = Denial.MAX_DAILY_LOSS
    elif fall > bounds[Limit.MAX_DRAWDOWN]:
        code = Denial.MAX_DRAWDOWN
        which, value = i64(Limit.MAX_DRAWDOWN), fall
    if code != Denial.PASS:
        account[a]["latched"] = code
        account[a]["latched_limit"] = bounds[which]
        account[a]["latched_value"] = value
        account[a]["latched_rule"] = rules[which]
    return code


@kernel
def mark(lane: np.ndarray, insts: np.ndarray, positions: np.ndarray, limits: np.ndarray, strat: int, inst: int) -> int:
    """Value one position anew and carry the difference into its strategy's and the account's sums.

    0, or whose loss limit broke with it: 1 + strategy, or 1 + MAX_STRATEGIES for the account. The caller cancels.
    """
    index = strat * insts.shape[0] + inst
    px = mark_px(insts, positions, index, inst)
    accounts = lane[0]["accounts"]
    long = worth(insts, inst, (positions[index]["position"] + positions[index]["open_buy"]) * px)
    short = worth(insts, inst, (positions[index]["open_sell"] - positions[index]["position"]) * px)
    gross = max(long, short, i64(0))
    profit = worth(insts, inst, position.profit(positions, index, px))
    for who in range(2):
        a = strat if who == 0 else i64(MAX_STRATEGIES)
        accounts[a]["gross"] += gross - positions[index]["gross"]
        accounts[a]["long"] += long - positions[index]["long"]
        accounts[a]["short"] += short - positions[index]["short"]
        accounts[a]["profit"] += profit - positions[index]["profit"]
    positions[index]["gross"] = gross
    positions[index]["long"] = long
    positions[index]["short"] = short
    positions[index]["profit"] = profit
    row = positions[index]
    some = row["position"] != 0 or row["open_buy"] != 0 or row["open_sell"] != 0 or row["n_open"] != 0
    insts[inst]["held"] = (insts[inst]["held"] | (i64(1) << strat)) if some else (insts[inst]["held"] & ~(i64(1) << strat))
    publish(lane)
    total, day = profits(lane, i64(MAX_STRATEGIES))
    if broken(accounts, i64(MAX_STRATEGIES), total, day, limits[index]["account"], limits[index]["account_rule"]) != Denial.PASS:
        return 1 + MAX_STRATEGIES
    total, day = profits(lane, strat)
    if broken(accounts, strat, total, day, limits[index]["limit"], limits[index]["rule"]) != Denial.PASS:
        return 1 + strat
    return 0


@inlined
def publish(lane: np.ndarray) -> None:
    """Tell the other lanes this one's sums of money."""
    control = lane[0]["control"]
    if control[0]["n_lanes"] > 1:
        row, sums = control[0]["money_row"], lane[0]["accounts"][MAX_STRATEGIES]
        exposure.say(control, row + exposure.GROSS, sums["gross"], sums["profit"])
        exposure.say(control, row + exposure.NET, sums["long"], sums["short"])
        exposure.say(control, row + exposure.DAY, sums["profit"] - sums["day_profit"], i64(0))


@inlined
def profits(lane: np.ndarray, a: int) -> tuple[int, int]:
    """Give an account's profit, all of it and the day's; that of all strategies is over all lanes."""
    control, accounts = lane[0]["control"], lane[0]["accounts"]
    if a == MAX_STRATEGIES and control[0]["n_lanes"] > 1:
        row = control[0]["money_row"]
        return exposure.total(control, row + exposure.GROSS, Side.SELL), exposure.total(control, row + exposure.DAY, Side.BUY)
    return i64(accounts[a]["profit"]), i64(accounts[a]["profit"] - accounts[a]["day_profit"])


@kernel
def new_day(lane: np.ndarray, now_ns: int) -> bool:
    """Begin a day when the last one is over (`roll_ns`; a state that was never told begins at midnight UTC): True when it is."""
    control = lane[0]["control"]
    late = now_ns - control[0]["roll_ns"]
    if late < 0:
        return False
    control[0]["roll_ns"] += (late // DAY_NS + 1) * DAY_NS
    roll(lane)
    return True


@kernel
def roll(lane: np.ndarray) -> None:
    """Count every account's loss and its best from here on. What is latched stays latched."""
    for a in range(MAX_STRATEGIES + 1):
        forget(lane, a)


@kernel
def forget(lane: np.ndarray, a: int) -> None:
    """Count an account's loss and its best from its present profit on."""
    accounts = lane[0]["accounts"]
    accounts[a]["day_profit"] = accounts[a]["profit"]
    publish(lane)
    accounts[a]["peak"], _ = profits(lane, a)


# ---- rates


@inlined
def filled_up(tokens: int, since_ns: int, rate: int, now_ns: int) -> int:
    """Give the nano-tokens of a bucket now: `rate` a second, one second's worth held and a quarter more for cancels (Turner 1986)."""
    elapsed = min(max(now_ns - since_ns, i64(0)), i64(2 * NANO))
    return min(tokens + elapsed * rate, (rate + kept(rate)) * NANO)


@inlined
def kept(rate: int) -> int:
    """Tokens that only a cancel may take."""
    return rate // KEPT + 1


@inlined
def allowed(tokens: int, rate: int) -> bool:
    """Tell whether an order may take a token: what is kept for cancels is left."""
    return tokens >= (kept(rate) + 1) * NANO


@kernel
def spend_cancel(lane: np.ndarray, limits: np.ndarray, index: int, strat: int, v: int, now_ns: int) -> None:
    """A cancel takes its tokens, down to none, and is never refused."""
    strategies, venues = lane[0]["strategies"], lane[0]["venues"]
    rate = limits[index]["limit"][Limit.MAX_ORDER_RATE]
    if rate < NANO:
        strategies[strat]["tokens"] = max(filled_up(strategies[strat]["tokens"], strategies[strat]["tokens_ns"], rate, now_ns) - NANO, i64(0))
        strategies[strat]["tokens_ns"] = now_ns
    budget = limits[index]["account"][Limit.MAX_MESSAGE_RATE]
    if budget < NANO:
        venues[v]["message_tokens"] = max(filled_up(venues[v]["message_tokens"], venues[v]["message_ns"], budget, now_ns) - NANO, i64(0))
        venues[v]["message_ns"] = now_ns


@kernel
def executed(lane: np.ndarray, limits: np.ndarray, index: int, strat: int, now_ns: int) -> bool:
    """Count an execution of a strategy: True when it is the last that it may have in the window, and must stop until a person resumes it.

    (Commission Delegated Regulation (EU) 2017/589, article 15(1)(c) and (3): repeated automated execution throttles.)
    """
    n = lane[0]["strategies"][strat]["n_executions"]
    times = lane[0]["executions"]
    times[strat, n % EXECUTIONS] = now_ns
    lane[0]["strategies"][strat]["n_executions"] = n + 1
    most = limits[index]["limit"][Limit.MAX_EXECUTIONS]
    if most > EXECUTIONS or n + 1 < most:
        return False
    return now_ns - times[strat, (n + 1 - most) % EXECUTIONS] < limits[index]["limit"][Limit.EXECUTION_WINDOW]


# ---- short sales


@inlined
def short_sale(
    lane: np.ndarray, insts: np.ndarray, limits: np.ndarray, index: int, inst: int, slot: int, more: int, beyond: int, verdict: np.ndarray
) -> int:
    """Judge a sale of `more` shares that leaves all lanes `beyond` shares short if all sales fill (negative: covered).

    Covered shares are marked long, the others short, against a locate (Regulation SHO, rules 200(g) and 203(b)); an order that is both is split, in
    whole lots. A replace keeps its order's mark, so one that would need the other is refused.
    """
    short = min(max(beyond, i64(0)), more)
    if short == 0:
        return Denial.PASS
    lot = insts[inst]["lot"]
    if (slot >= 0 and lane[0]["orders"][slot]["flags"] & OrderFlag.SHORT == 0) or (short < more and lot > 1 and short % lot != 0):
        verdict[0] = more - short
        verdict[1] = more
        return Denial.CROSSES_ZERO
    if beyond > limits[index]["account"][Limit.LOCATE]:
        refuse_account(verdict, limits, index, Limit.LOCATE, beyond)
        return Denial.NO_LOCATE
    verdict[3] = short
    return Denial.PASS


@inlined
def twice(
    positions: np.ndarray, limits: np.ndarray, index: int, inst: int, n_insts: int, held: int, tokens: int, messages: int, verdict: np.ndarray
) -> int:
    """Judge a sale that goes out as two orders by what is taken an order: a place among the open ones, tokens of the strategy and of the venue."""
    code = open_orders(positions, limits, index, inst, n_insts, held, i64(2), verdict)
    if code != Denial.PASS:
        return code
    rate = limits[index]["limit"][Limit.MAX_ORDER_RATE]
    if rate < NANO and not allowed(tokens - NANO, rate):
        refuse(verdict, limits, index, Limit.MAX_ORDER_RATE, rate + 2)
        return Denial.MAX_ORDER_RATE
    budget = limits[index]["account"][Limit.MAX_MESSAGE_RATE]
    if budget < NANO and not allowed(messages - NANO, budget):
        refuse_account(verdict, limits, index, Limit.MAX_MESSAGE_RATE, budget + 2)
        return Denial.MAX_MESSAGE_RATE
    return Denial.PASS


# ---- the whole


@kernel
def check(
    lane: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray,
    strat: int, inst: int, side: int, order_px: int, order_qty: int, more: int, slot: int, closing: bool, now_ns: int, verdict: np.ndarray,
) -> int:  # fmt: skip
    """Give Denial.PASS or the first reason against an order, and settle what it asked the other lanes for. Arguments as `judge`."""
    code = judge(
        lane, halt_symbol, insts, px, products, positions, limits, strat, inst, side, order_px, order_qty, more, slot, closing, now_ns, verdict
    )
    control = lane[0]["control"]
    if control[0]["n_lanes"] > 1:
        row = control[0]["money_row"]
        exposure.answer(control, row + exposure.GROSS, Side.BUY, code == Denial.PASS)
        exposure.answer(control, row + exposure.NET, side, code == Denial.PASS)
    return code


@inlined
def judge(
    lane: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray,
    strat: int, inst: int, side: int, order_px: int, order_qty: int, more: int, slot: int, closing: bool, now_ns: int, verdict: np.ndarray,
) -> int:  # fmt: skip
    """Give Denial.PASS or the first reason against an order of `order_qty` shares at `order_px`.

    `more`: shares by which it raises what may fill on its side (for a replace: new leaves above what is reserved; they are claimed when it passes).
    `slot`: the order that is replaced; -1 for a new one. `closing`: an operator closes a position; halts and loss limits do not bind then, a kill
    does. REDUCE_ONLY and HALF_OPEN do not bind what only reduces a position.
    """
    control = lane[0]["control"]
    strategies, venues = lane[0]["strategies"], lane[0]["venues"]
    v = insts[inst]["venue"]
    n_insts = insts.shape[0]
    index = strat * n_insts + inst
    verdict[0] = 0
    verdict[1] = 0
    verdict[2] = -1
    verdict[3] = 0
    reducing = reduces(positions, index, side, more)
    code = halted(control, halt_symbol, insts, inst, strat, closing, reducing)
    if code != Denial.PASS:
        return code
    if not armed(venues, v, now_ns):
        verdict[0] = venues[v]["armed_until_ns"]
        verdict[1] = now_ns
        return Denial.NOT_ARMED
    state = insts[inst]["state"] | venues[v]["state"]
    if state != 0:
        verdict[1] = state
        return Denial.NOT_TRADABLE if state & CLOSED else Denial.BOOK_NOT_LIVE
    code = shape(lane[0]["tick_tables"], insts, limits, inst, index, order_px, order_qty, verdict)
    if code != Denial.PASS:
        return code
    code = collar(insts, px, limits, inst, index, order_px, verdict)
    if code != Denial.PASS:
        return code
    if insts[inst]["own_open"] > 0:
        code = own_orders(lane, limits, index, strat, inst, side, order_px, order_qty, slot, now_ns, verdict)
        if code != Denial.PASS:
            return code
    if not (closing or reducing):
        if control[0]["reduce_only"] != 0:
            return Denial.REDUCE_ONLY
        if limits[index]["limit"][Limit.RESTRICTED] == 0:
            refuse(verdict, limits, index, Limit.RESTRICTED, order_qty)
            return Denial.RESTRICTED
        code = latched(lane, strat, verdict)
        if code != Denial.PASS:
            return code
        if slot < 0:
            code = open_orders(positions, limits, index, inst, n_insts, insts[inst]["held"], i64(1), verdict)
            if code != Denial.PASS:
                return code
    if more > 0:
        code = position_limits(positions, limits, index, inst, n_insts, insts[inst]["held"], side, more, verdict)
        if code != Denial.PASS:
            return code
    code = money(lane, insts, positions, limits, index, inst, strat, side, order_px, more, verdict)
    if code != Denial.PASS:
        return code
    least = limits[index]["limit"][Limit.MIN_INTERVAL]
    if least < NO_LIMIT and now_ns - positions[index]["last_order_ns"] < least:
        refuse(verdict, limits, index, Limit.MIN_INTERVAL, now_ns - positions[index]["last_order_ns"])
        return Denial.MIN_INTERVAL
    rate = limits[index]["limit"][Limit.MAX_ORDER_RATE]
    tokens = i64(0)
    if rate < NANO:
        tokens = filled_up(strategies[strat]["tokens"], strategies[strat]["tokens_ns"], rate, now_ns)
        if not allowed(tokens, rate):
            refuse(verdict, limits, index, Limit.MAX_ORDER_RATE, rate + 1)
            return Denial.MAX_ORDER_RATE
    budget = limits[index]["account"][Limit.MAX_MESSAGE_RATE]
    messages = i64(0)
    if budget < NANO:
        messages = filled_up(venues[v]["message_tokens"], venues[v]["message_ns"], budget, now_ns)
        if not allowed(messages, budget):
            refuse_account(verdict, limits, index, Limit.MAX_MESSAGE_RATE, budget + 1)
            return Denial.MAX_MESSAGE_RATE
    orders = i64(1)
    if more > 0:
        row = products[insts[inst]["product"]]["exposure_row"]
        together = exposure.claim(control, row, side, more, limits[index]["account"][Limit.MAX_TOTAL_POSITION])
        if together > limits[index]["account"][Limit.MAX_TOTAL_POSITION]:
            refuse_account(verdict, limits, index, Limit.MAX_TOTAL_POSITION, together)
            return Denial.MAX_TOTAL_POSITION
        if side == Side.SELL:
            code = short_sale(lane, insts, limits, index, inst, slot, more, together, verdict)
            if slot < 0 and 0 < verdict[3] < more:
                orders = i64(2)
                code = twice(positions, limits, index, inst, n_insts, insts[inst]["held"], tokens, messages, verdict)
            if code != Denial.PASS:
                exposure.change(control, row, i64(0), -more)
                return code
    positions[index]["last_order_ns"] = now_ns
    if rate < NANO:
        strategies[strat]["tokens"] = tokens - orders * NANO
        strategies[strat]["tokens_ns"] = now_ns
    if budget < NANO:
        venues[v]["message_tokens"] = messages - orders * NANO
        venues[v]["message_ns"] = now_ns
    return Denial.PASS
