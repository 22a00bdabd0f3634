"""Order-by-order book: ITCH messages to price levels, for many symbols of many venues in one table.

Levels of a side are sorted towards the best, which is at index n - 1: most changes happen there and move little. Orders lie in one open-addressing
table with linear probing and backward-shift deletion (Knuth, TAOCP volume 3, algorithm 6.4R), so no tombstone ever slows a probe.
E and C reduce the order at its own price, U keeps side and symbol and loses priority, P and Q leave the book alone (ITCH 5.0 sections 1.3 to 1.5).
Nothing is dropped silently: what cannot be held or is not known comes back as a code, and the caller takes the symbol out of service.
"""

import numpy as np

from core import itch
from core.codes import BookState, Change, Phase, Side
from core.integer import i64
from core.jit import inlined, kernel

NOT_OURS = -1
UNKNOWN_ORDER = -2
LEVELS_FULL = -3
TABLE_FULL = -4
DUPLICATE = -5  # a reference that is in the book already: like an unknown one, it is not the book that we know
NEAR = 8  # levels compared one by one from the best before halving


@inlined
def home(key: int, mask: int) -> int:
    """Give the slot a key would like: Fibonacci hashing, its high bits folded in."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return i64(mixed >> np.uint64(32)) & mask


@inlined
def find(table: np.ndarray, key: int) -> int:
    """Give the slot of a key, or -1."""
    mask = table.shape[0] - 1
    slot = home(key, mask)
    while table[slot]["key"] != key:
        if table[slot]["key"] == 0:
            return -1
        slot = (slot + 1) & mask
    return slot


@inlined
def insert(table: np.ndarray, used: np.ndarray, key: int, inst: int, side: int, px: int, qty: int) -> int:
    """Add an order: its slot, TABLE_FULL when 7/8 are taken, or DUPLICATE. `used` is int64[1]."""
    mask = table.shape[0] - 1
    if used[0] * 8 >= table.shape[0] * 7:
        return TABLE_FULL
    slot = home(key, mask)
    while table[slot]["key"] != 0:
        if table[slot]["key"] == key:
            return DUPLICATE
        slot = (slot + 1) & mask
    used[0] += 1
    table[slot]["key"] = key
    table[slot]["inst"] = inst
    table[slot]["side"] = side
    table[slot]["px"] = px
    table[slot]["qty"] = qty
    return slot


@inlined
def remove(table: np.ndarray, used: np.ndarray, slot: int) -> None:
    """Take an order out, and move back what probed past it."""
    mask = table.shape[0] - 1
    used[0] -= 1
    hole = slot
    probe = (slot + 1) & mask
    while table[probe]["key"] != 0:
        wanted = home(table[probe]["key"], mask)
        if ((probe - wanted) & mask) >= ((probe - hole) & mask):
            table[hole] = table[probe]
            hole = probe
        probe = (probe + 1) & mask
    table[hole]["key"] = 0


@inlined
def level_of(px: np.ndarray, inst: int, side: int, n: int, price: int) -> int:
    """Give the index of the first level that is at `price` or better: where it stands, or where it belongs."""
    sign = 1 if side == Side.BUY else -1
    wanted = price * sign
    k = n - 1
    steps = 0
    while k >= 0 and steps < NEAR:
        if px[inst, side, k] * sign < wanted:
            return k + 1
        k -= 1
        steps += 1
    low, high = i64(0), k + 1
    while low < high:
        middle = (low + high) >> 1
        if px[inst, side, middle] * sign < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def add_level(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, inst: int, side: int, price: int, shares: int) -> int:
    """Add an order to its level: 0, or LEVELS_FULL with nothing changed."""
    n = i64(insts[inst]["n"][side])
    k = level_of(px, inst, side, n, price)
    if k < n and px[inst, side, k] == price:
        qty[inst, side, k] += shares
        cnt[inst, side, k] += 1
        return 0
    if n >= px.shape[2]:
        return LEVELS_FULL
    for j in range(n, k, -1):
        px[inst, side, j] = px[inst, side, j - 1]
        qty[inst, side, j] = qty[inst, side, j - 1]
        cnt[inst, side, j] = cnt[inst, side, j - 1]
    px[inst, side, k] = price
    qty[inst, side, k] = shares
    cnt[inst, side, k] = 1
    insts[inst]["n"][side] = n + 1
    return 0


@inlined
def take_level(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, inst: int, side: int, price: int, shares: int, gone: int) -> None:
    """Take shares, and `gone` orders, off a level that is known to be there; an empty one is removed."""
    n = i64(insts[inst]["n"][side])
    k = level_of(px, inst, side, n, price)
    qty[inst, side, k] -= shares
    cnt[inst, side, k] -= gone
    if cnt[inst, side, k] > 0:
        return
    for j in range(k, n - 1):
        px[inst, side, j] = px[inst, side, j + 1]
        qty[inst, side, j] = qty[inst, side, j + 1]
        cnt[inst, side, j] = cnt[inst, side, j + 1]
    insts[inst]["n"][side] = n - 1


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
    insts[inst]["last_px"] = price
    insts[inst]["last_qty"] = shares
    insts[inst]["last_side"] = aggressor
    insts[inst]["volume"] += shares


@inlined
def cross(insts: np.ndarray, px: np.ndarray, inst: int) -> None:
    """Set or clear CROSSED; during an auction a book may cross."""
    bids, asks = insts[inst]["n"][0], insts[inst]["n"][1]
    crossed = bids > 0 and asks > 0 and px[inst, 0, bids - 1] >= px[inst, 1, asks - 1]
    if crossed and not insts[inst]["state"] & BookState.AUCTION:
        insts[inst]["state"] = insts[inst]["state"] | BookState.CROSSED
    else:
        insts[inst]["state"] &= ~BookState.CROSSED


@kernel
def status(insts: np.ndarray, changed: np.ndarray, inst: int, state: int) -> None:
    """Take a Stock Trading Action (section 1.2.2)."""
    insts[inst]["trading"] = state
    insts[inst]["state"] &= ~(i64(BookState.HALTED) | BookState.AUCTION)
    if state == 81:  # Q: quotation only
        insts[inst]["state"] = insts[inst]["state"] | BookState.AUCTION
    elif state != 84:  # not T: trading
        insts[inst]["state"] = insts[inst]["state"] | BookState.HALTED
    changed[0]["what"] = Change.STATUS


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
    """Take a Stock Directory (section 1.2.1): the locate code of a symbol of ours."""
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == venue and insts[inst]["stock"] == msg[0]["stock"]:
            locates[venue, msg[0]["locate"]] = inst
            insts[inst]["locate"] = msg[0]["locate"]
            return inst
    return NOT_OURS


@inlined
def apply(
    msg: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray,
    used: np.ndarray, changed: np.ndarray,
) -> int:  # fmt: skip
    """Apply MESSAGE[1] of a venue: the instrument it concerned, or NOT_OURS, UNKNOWN_ORDER, LEVELS_FULL, TABLE_FULL, DUPLICATE.

    locates int32[venues, 65536]; insts INSTRUMENT[n]; px, qty, cnt int64[n, Side, level]; table ORDER_REF[power of two], `used` int64[1] its fill;
    CHANGED[1] tells what was done (what is 0: nothing). On a code below NOT_OURS nothing was changed.
    """
    m = msg[0]
    changed[0]["what"] = 0
    changed[0]["old_ref"] = 0
    kind = m["kind"]
    inst = i64(locates[venue, m["locate"]])
    if inst < 0:
        return bind(msg, venue, locates, insts) if kind == itch.R else NOT_OURS
    insts[inst]["ts_ns"] = m["ts_ns"]
    if kind == itch.A or kind == itch.F:
        return add(msg, venue, insts, px, qty, cnt, table, used, changed, inst, m["side"], m["ref"])
    if kind == itch.D or kind == itch.X or kind == itch.E or kind == itch.C:
        return reduce(msg, venue, insts, px, qty, cnt, table, used, changed, inst)
    if kind == itch.U:
        return replace(msg, venue, insts, px, qty, cnt, table, used, changed, inst)
    if kind == itch.P:
        trade(insts, changed, inst, m["px"], m["qty"], Side.SELL if m["side"] == Side.BUY else Side.BUY)
    elif kind == itch.Q and m["qty"] > 0:
        trade(insts, changed, inst, m["px"], m["qty"], Side.BUY)
    elif kind == itch.H:
        status(insts, changed, inst, m["code"])
    elif kind == itch.R:
        bind(msg, venue, locates, insts)
    return inst


@inlined
def add(
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray, used: np.ndarray,
    changed: np.ndarray, inst: int, side: int, ref: int,
) -> int:  # fmt: skip
    """Put an order in: A, F and the second half of U."""
    m = msg[0]
    key = ((ref << 3) | venue) + 1
    slot = insert(table, used, key, inst, side, m["px"], m["qty"])
    if slot < 0:
        return slot
    code = add_level(insts, px, qty, cnt, inst, side, m["px"], m["qty"])
    if code != 0:
        remove(table, used, slot)
        return code
    note(changed, Change.BOOK, side, m["px"], m["qty"], ref)
    cross(insts, px, inst)
    return inst


@inlined
def reduce(
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray, used: np.ndarray,
    changed: np.ndarray, inst: int,
) -> int:  # fmt: skip
    """Take shares off an order: E, C, X, D."""
    m = msg[0]
    key = ((m["ref"] << 3) | venue) + 1
    slot = find(table, key)
    if slot < 0 or table[slot]["inst"] != inst:
        return UNKNOWN_ORDER
    side, price, held = i64(table[slot]["side"]), table[slot]["px"], i64(table[slot]["qty"])
    shares = held if m["kind"] == itch.D else m["qty"]
    if shares > held:
        return UNKNOWN_ORDER  # more than it has: not the order that we know
    if shares == held:
        remove(table, used, slot)
    else:
        table[slot]["qty"] = held - shares
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
    msg: np.ndarray, venue: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray, used: np.ndarray,
    changed: np.ndarray, inst: int,
) -> int:  # fmt: skip
    """Take one order out and put another in at the back of its new level, same side and symbol: U. All of it or nothing.

    The new one goes in first: what can refuse it then does so while the old one stands. Insertion moves nothing, so the old one's slot holds.
    """
    m = msg[0]
    slot = find(table, ((m["ref"] << 3) | venue) + 1)
    if slot < 0 or table[slot]["inst"] != inst:
        return UNKNOWN_ORDER
    side, price, held = i64(table[slot]["side"]), table[slot]["px"], i64(table[slot]["qty"])
    key = ((m["new_ref"] << 3) | venue) + 1
    code = insert(table, used, key, inst, side, m["px"], m["qty"])
    if code < 0:
        return code
    if add_level(insts, px, qty, cnt, inst, side, m["px"], m["qty"]) != 0:
        remove(table, used, code)
        return LEVELS_FULL
    remove(table, used, slot)
    take_level(insts, px, qty, cnt, inst, side, price, held, 1)
    changed[0]["old_ref"] = m["ref"]
    changed[0]["old_px"] = price
    changed[0]["old_qty"] = held
    note(changed, Change.BOOK, side, m["px"], m["qty"], m["new_ref"])
    cross(insts, px, inst)
    return inst
