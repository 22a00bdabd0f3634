"""Order-by-order book: ITCH messages to price levels, for many symbols of many venues. The orders lie in one table: core/order_table.py.

Levels of a side are sorted towards the best, which is at index n - 1: most changes happen there and move little.
E and C reduce the order at its own price, U keeps side and symbol and loses priority, P and Q leave the book alone (ITCH 5.0 sections 1.3 to 1.5).
Nothing is dropped silently: what cannot be held or is not known comes back as a code, and the caller takes the symbol out of service.

Indexes are made unsigned where it is hot: numba then has no negative index to provide for. Prices are compared with their bits flipped on the
sell side, which turns their order round without a branch.
"""

import numpy as np

from core import itch, order_table
from core.bigendian import get_i64, get_u16
from core.codes import BookState, Change, Phase, Side
from core.integer import i64, u64
from core.jit import inlined, kernel
from core.order_table import find, home, insert, remove
from core.prefetch import prefetch

NOT_OURS = -1
UNKNOWN_ORDER = -2
LEVELS_FULL = -3
TABLE_FULL = order_table.FULL
DUPLICATE = order_table.DUPLICATE  # a reference that is in the book already: like an unknown one, it is not the book that we know
REFERENCE_TOO_LARGE = -6  # one of 2^60 or more: it has no key in the table
ROUND_LOTS_ONLY = 6  # place of the flag in MESSAGE.attrs
NEAR = 16  # levels compared one by one from the best before halving


@inlined
def level_of(row: np.ndarray, side: int, n: int, price: int) -> int:
    """Give the index of the first level that is at `price` or better: where it stands, or where it belongs."""
    flip = i64(0) if side == Side.BUY else i64(-1)
    wanted = price ^ flip
    k = i64(n)
    stop = max(k - NEAR, i64(0))
    while k > stop:
        if row[u64(k - 1)] ^ flip < wanted:
            return k
        k -= 1
    low, high = i64(0), k
    while low < high:
        middle = (low + high) >> 1
        if row[u64(middle)] ^ flip < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def add_level(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, inst: int, side: int, price: int, shares: int) -> int:
    """Add an order to its level: 0, or LEVELS_FULL with nothing changed."""
    n = i64(insts[u64(inst)]["n"][u64(side)])
    prices, shares_at, orders = px[u64(inst), u64(side)], qty[u64(inst), u64(side)], cnt[u64(inst), u64(side)]
    k = level_of(prices, side, n, price)
    if k < n and prices[u64(k)] == price:
        shares_at[u64(k)] += shares
        orders[u64(k)] += 1
        return 0
    if n >= px.shape[2]:
        return LEVELS_FULL
    if n - k <= NEAR:
        j = n
        while j > k:  # a while loop: LLVM leaves it as it is, and a vector's preparation would cost more than the few steps
            prices[u64(j)] = prices[u64(j - 1)]
            shares_at[u64(j)] = shares_at[u64(j - 1)]
            orders[u64(j)] = orders[u64(j - 1)]
            j -= 1
    else:  # one array after the other, so that each is a block move
        for j in range(n, k, -1):
            prices[u64(j)] = prices[u64(j - 1)]
        for j in range(n, k, -1):
            shares_at[u64(j)] = shares_at[u64(j - 1)]
        for j in range(n, k, -1):
            orders[u64(j)] = orders[u64(j - 1)]
    prices[u64(k)] = price
    shares_at[u64(k)] = shares
    orders[u64(k)] = 1
    insts[u64(inst)]["n"][u64(side)] = n + 1
    return 0


@inlined
def take_level(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, inst: int, side: int, price: int, shares: int, gone: int) -> None:
    """Take shares, and `gone` orders, off a level that is known to be there; an empty one is removed."""
    n = i64(insts[u64(inst)]["n"][u64(side)])
    prices, shares_at, orders = px[u64(inst), u64(side)], qty[u64(inst), u64(side)], cnt[u64(inst), u64(side)]
    k = level_of(prices, side, n, price)
    left = orders[u64(k)] - gone
    if left > 0:
        shares_at[u64(k)] -= shares
        orders[u64(k)] = left
        return
    last = n - 1
    if last - k <= NEAR:
        j = k
        while j < last:
            prices[u64(j)] = prices[u64(j + 1)]
            shares_at[u64(j)] = shares_at[u64(j + 1)]
            orders[u64(j)] = orders[u64(j + 1)]
            j += 1
    else:
        for j in range(k, last):
            prices[u64(j)] = prices[u64(j + 1)]
        for j in range(k, last):
            shares_at[u64(j)] = shares_at[u64(j + 1)]
        for j in range(k, last):
            orders[u64(j)] = orders[u64(j + 1)]
    insts[u64(inst)]["n"][u64(side)] = last


@inlined
def note(changed: np.ndarray, what: int, side: int, price: int, shares: int, ref: int) -> None:
    """Say what happened to the book."""
    changed[0]["what"] = what
    changed[0]["side"] = side
    changed[0]["px"] = price
    changed[0]["qty"] = shares
    changed[0]["ref"] = ref


@inlined
def trade(insts: np.ndarray, changed: np.ndarray, inst: int, price: int, shares: int, aggressor: int) -> None:
    """Say that shares changed hands."""
    changed[0]["what"] = changed[0]["what"] | Change.TRADE
    changed[0]["trade_px"] = price
    changed[0]["trade_qty"] = shares
    changed[0]["trade_side"] = aggressor
    insts[u64(inst)]["last_px"] = price
    insts[u64(inst)]["last_qty"] = shares
    insts[u64(inst)]["last_side"] = aggressor
    insts[u64(inst)]["volume"] += shares


@inlined
def cross(insts: np.ndarray, px: np.ndarray, inst: int) -> None:
    """Set or clear CROSSED; during an auction a book may cross."""
    bids, asks = insts[u64(inst)]["n"][0], insts[u64(inst)]["n"][1]
    crossed = bids > 0 and asks > 0 and px[u64(inst), u64(0), u64(bids - 1)] >= px[u64(inst), u64(1), u64(asks - 1)]
    if crossed and not insts[u64(inst)]["state"] & BookState.AUCTION:
        insts[u64(inst)]["state"] = insts[u64(inst)]["state"] | BookState.CROSSED
    else:
        insts[u64(inst)]["state"] &= ~BookState.CROSSED


TRADING, QUOTATION_ONLY, HALTED = 84, 81, 72  # T, Q, H


@kernel
def judge(insts: np.ndarray, inst: int) -> None:
    """Set HALTED and AUCTION by all that was published of a symbol: one halt does not lift another."""
    row = insts[u64(inst)]
    state = i64(row["state"]) & ~(i64(BookState.HALTED) | BookState.AUCTION)
    trading = row["trading"]
    if (trading != TRADING and trading != QUOTATION_ONLY) or row["operational"] == HALTED:
        state |= BookState.HALTED
    if trading == QUOTATION_ONLY or row["collar"][0] != 0:
        state |= BookState.AUCTION
    row["state"] = state


@kernel
def published(msg: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray, changed: np.ndarray, inst: int) -> None:
    """Take what a venue says of a symbol and not of an order (section 1.2): its directory, trading state, halts, short sale test, auction collar."""
    m = msg[0]
    kind = m["kind"]
    row = insts[u64(inst)]
    if kind == itch.R:
        bind(msg, venue, locates, insts)
        return
    if kind == itch.H:  # Stock Trading Action; an auction under a collar is over with it
        row["trading"] = m["code"]
        for k in range(3):
            row["collar"][k] = 0
    elif kind == itch.SMALL_H:  # Operational Halt
        row["operational"] = m["code"]
    elif kind == itch.Y:  # Reg SHO Short Sale Price Test Restricted Indicator
        row["short_sale"] = m["code"]
    elif kind == itch.J:  # LULD Auction Collar: a paused symbol's reopening auction goes on
        row["collar"][0] = m["px"]
        row["collar"][1] = m["px2"]
        row["collar"][2] = m["px3"]
    else:
        return
    judge(insts, inst)
    changed[0]["what"] = Change.STATUS


@kernel
def break_off(insts: np.ndarray, inst: int) -> None:
    """Halt a symbol because the market-wide circuit breaker was reached (section 1.2.5.2): its next Stock Trading Action tells when it goes on."""
    insts[u64(inst)]["trading"] = HALTED
    judge(insts, inst)


@kernel
def phase_after(phase: int, code: int) -> int:
    """Give a venue's trading phase after a System Event (section 1.1): what is not one leaves it as it was."""
    after = i64(phase)
    if code == 79:  # O
        after = Phase.START_OF_MESSAGES
    elif code == 83:  # S
        after = Phase.START_OF_SYSTEM_HOURS
    elif code == 81:  # Q
        after = Phase.START_OF_MARKET_HOURS
    elif code == 77:  # M
        after = Phase.END_OF_MARKET_HOURS
    elif code == 69:  # E
        after = Phase.END_OF_SYSTEM_HOURS
    elif code == 67:  # C
        after = Phase.END_OF_MESSAGES
    return after


@kernel
def bind(msg: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray) -> int:
    """Take a Stock Directory (section 1.2.1): a symbol of ours gets its locate code, and the venue's lot where only round lots are taken."""
    for inst in range(insts.shape[0]):
        if insts[u64(inst)]["venue"] == venue and insts[u64(inst)]["stock"] == msg[0]["stock"]:
            locates[venue, msg[0]["locate"]] = inst
            row = insts[u64(inst)]
            row["locate"] = msg[0]["locate"]
            for k in range(20):
                row["directory"][k] = msg[0]["attrs"][k]
            row["round_lot"] = msg[0]["lot"]
            only = msg[0]["attrs"][ROUND_LOTS_ONLY] == 89  # Y
            if only and msg[0]["lot"] > 0 and row["own_lot"] % msg[0]["lot"] != 0:
                row["lot"] = msg[0]["lot"]
            else:
                row["lot"] = row["own_lot"]
            return inst
    return NOT_OURS


@inlined
def ahead(
    buf: np.ndarray, at: int, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    head: np.ndarray, table: np.ndarray,
) -> None:  # fmt: skip
    """Ask for the memory that an order's message will need: its slot, its symbol, the best levels. `at` is its type byte.

    For the messages of a datagram before the first of them is applied: their cache misses then overlap. Whole messages of the specification only.
    """
    kind = buf[u64(at)]
    if itch.OF_ORDER[u64(kind)] == 0:
        return
    inst = i64(locates[u64(venue), u64(get_u16(buf, at + 1))])
    if inst < 0:
        return
    key = ((get_i64(buf, at + 11) << 3) | venue) + 1
    prefetch(table.ctypes.data + home(head, key, table.shape[0] - 1) * table.itemsize)
    if kind == itch.U:
        prefetch(table.ctypes.data + home(head, ((get_i64(buf, at + 19) << 3) | venue) + 1, table.shape[0] - 1) * table.itemsize)
    for side in range(2):
        place = ((inst * 2 + side) * px.shape[2] + max(i64(insts[u64(inst)]["n"][u64(side)]) - 1, i64(0))) * 8
        prefetch(px.ctypes.data + place)
        prefetch(qty.ctypes.data + place)
        prefetch(cnt.ctypes.data + place)


@inlined
def apply(
    msg: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray,
    table: np.ndarray, changed: np.ndarray,
) -> int:  # fmt: skip
    """Apply MESSAGE[1] of a venue: the instrument it concerned, or NOT_OURS, UNKNOWN_ORDER, LEVELS_FULL, TABLE_FULL, DUPLICATE, REFERENCE_TOO_LARGE.

    locates int32[venues, 65536]; insts INSTRUMENT[n]; px, qty, cnt int64[n, Side, level]; table ORDER_REF[power of two], head its TABLE_HEAD[1];
    CHANGED[1] tells what was done (what is 0: nothing). On a code below NOT_OURS nothing was changed.
    """
    m = msg[0]
    changed[0]["what"] = 0
    changed[0]["old_ref"] = 0
    kind = m["kind"]
    inst = i64(locates[u64(venue), u64(m["locate"])])
    if inst < 0:
        return bind(msg, venue, locates, insts) if kind == itch.R else NOT_OURS
    insts[u64(inst)]["ts_ns"] = m["ts_ns"]
    if kind == itch.A or kind == itch.F:
        return add(msg, venue, insts, px, qty, cnt, head, table, changed, inst, m["side"], m["ref"])
    if kind == itch.D or kind == itch.X or kind == itch.E or kind == itch.C:
        return reduce(msg, venue, insts, px, qty, cnt, head, table, changed, inst)
    if kind == itch.U:
        return replace(msg, venue, insts, px, qty, cnt, head, table, changed, inst)
    if kind == itch.P:
        trade(insts, changed, inst, m["px"], m["qty"], Side.SELL if m["side"] == Side.BUY else Side.BUY)
    elif kind == itch.Q and m["qty"] > 0:
        trade(insts, changed, inst, m["px"], m["qty"], Side.BUY)
    else:
        published(msg, venue, locates, insts, changed, inst)
    return inst


@inlined
def add(
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray, table: np.ndarray,
    changed: np.ndarray, inst: int, side: int, ref: int,
) -> int:  # fmt: skip
    """Put an order in: A, F."""
    m = msg[0]
    if u64(ref) >> u64(60) != 0:
        return REFERENCE_TOO_LARGE
    key = ((ref << 3) | venue) + 1
    slot = insert(head, table, key, inst, side, m["px"], m["qty"])
    if slot < 0:
        return slot
    code = add_level(insts, px, qty, cnt, inst, side, m["px"], m["qty"])
    if code != 0:
        remove(head, table, slot)
        return code
    note(changed, Change.BOOK, side, m["px"], m["qty"], ref)
    cross(insts, px, inst)
    return inst


@inlined
def reduce(
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray, table: np.ndarray,
    changed: np.ndarray, inst: int,
) -> int:  # fmt: skip
    """Take shares off an order: E, C, X, D."""
    m = msg[0]
    if u64(m["ref"]) >> u64(60) != 0:
        return UNKNOWN_ORDER
    key = ((m["ref"] << 3) | venue) + 1
    slot = find(head, table, key)
    if slot < 0 or table[u64(slot)]["inst"] != inst:
        return UNKNOWN_ORDER
    side, price, held = i64(table[u64(slot)]["side"]), table[u64(slot)]["px"], i64(table[u64(slot)]["qty"])
    shares = held if m["kind"] == itch.D else m["qty"]
    if shares > held:
        return UNKNOWN_ORDER  # more than it has: not the order that we know
    if shares == held:
        remove(head, table, slot)
    else:
        table[u64(slot)]["qty"] = held - shares
    take_level(insts, px, qty, cnt, inst, side, price, shares, 1 if shares == held else 0)
    note(changed, Change.BOOK, side, price, -shares, m["ref"])
    if m["kind"] == itch.E:
        trade(insts, changed, inst, price, shares, 1 - side)
    elif m["kind"] == itch.C and m["code"] == 89:  # Y: printable
        trade(insts, changed, inst, m["px"], shares, 1 - side)
    cross(insts, px, inst)
    return inst


@inlined
def replace(
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray, table: np.ndarray,
    changed: np.ndarray, inst: int,
) -> int:  # fmt: skip
    """Take one order out and put another in at the back of its new level, same side and symbol: U. All of it or nothing.

    The new one goes in first: what can refuse it then does so while the old one stands. Insertion moves nothing, so the old one's slot holds.
    """
    m = msg[0]
    if u64(m["ref"]) >> u64(60) != 0:
        return UNKNOWN_ORDER
    if u64(m["new_ref"]) >> u64(60) != 0:
        return REFERENCE_TOO_LARGE
    slot = find(head, table, ((m["ref"] << 3) | venue) + 1)
    if slot < 0 or table[u64(slot)]["inst"] != inst:
        return UNKNOWN_ORDER
    side, price, held = i64(table[u64(slot)]["side"]), table[u64(slot)]["px"], i64(table[u64(slot)]["qty"])
    key = ((m["new_ref"] << 3) | venue) + 1
    code = insert(head, table, key, inst, side, m["px"], m["qty"])
    if code < 0:
        return code
    if add_level(insts, px, qty, cnt, inst, side, m["px"], m["qty"]) != 0:
        remove(head, table, code)
        return LEVELS_FULL
    remove(head, table, slot)
    take_level(insts, px, qty, cnt, inst, side, price, held, 1)
    changed[0]["old_ref"] = m["ref"]
    changed[0]["old_px"] = price
    changed[0]["old_qty"] = held
    note(changed, Change.BOOK, side, m["px"], m["qty"], m["new_ref"])
    cross(insts, px, inst)
    return inst
