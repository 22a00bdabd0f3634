"""A price-time matching engine for N instruments: continuous trading of limit and market orders, displayed, hidden and with reserve.

State is a few arrays that every kernel takes in the same order: market MARKET[1], securities SECURITY[n], sides SIDE[n, 2],
orders RESTING[pool], table int32[2^k], events EVENT[m]. A side's prices are kept sorted, ascending towards the best (bids ascending, asks
descending), because what changes most then moves least; a price points to a level, a level heads a queue of orders in time priority.
Orders that someone may name (`key` is not 0) are found through an open-addressing table.

At a price, what is displayed trades before what is not, each in time priority. An order with reserve displays `floor` shares; when they are gone
the next tranche is displayed behind everyone else at that price, under a new reference number. A hidden order with a minimum quantity stands
aside while fewer shares come. Orders for an auction are parked off the book until `core.auction` takes them.

What happens is written to `events`, in order, and `market["n_events"]` says how many. A kernel that runs out of room answers MORE: take the
events away, set n_events to 0 and call `resume`, until it answers DONE. No kernel looks at a clock: `market["now_ns"]` is the caller's.

Quantities follow OUCH 5.0 (sections 2.2, 2.3): a cancel's quantity is the new intended total of the order, a replace's quantity the total of
the whole chain of replaces; both include what was executed before. A replace always loses priority.
"""

import numpy as np

from core import ouch
from core.codes import Side
from core.integer import i64
from core.jit import inlined, kernel

LEVELS = 4096  # prices a side
ANONYMOUS = 16384  # orders without an owner, an instrument
NOBODY = -1  # owner of orders that no client entered
HASH = -7046029254386353131  # 2^64 / golden ratio, as int64

TRADING = 84  # T: trading state of ITCH's Stock Trading Action
HALTED = 72  # H
PAUSED = 80  # P
QUOTATION = 81  # Q: orders are taken and displayed, and wait for the auction

OPTIONS = 64  # bytes of an order's appendage that are kept, to be echoed
FLOOR_ALL = 1 << 40  # `floor` of an order that displays all it has
PARKED = -2  # `level` of an order that waits for an auction
USERS = 256

# What happens when two orders of one account would trade (`MARKET.self_match`, by the incoming order's user).
ALLOW = 0
CANCEL_INCOMING = 78  # N: the newer one
CANCEL_RESTING = 79  # O: the older one
DECREMENT = 68  # D: both lose the smaller quantity

# What an event tells.
ACCEPTED = 1  # the order is in: user, user_ref, ref, qty, px
ADDED = 2  # qty at px now rests as ref
EXECUTED = 3  # qty at px: taker user/user_ref/ref against maker other/other_user_ref/other_ref
CANCELED = 4  # qty taken off, left remains, `rested`: it was on the book
REPLACED = 5  # ref takes the place of old_ref; `rested`: as a quote on the book, no trade in between
REJECTED = 6  # user_ref was not taken, reason says why
MODIFIED = 7  # side_char is new, left is the new open quantity; CANCELED tells the feed
RESTATED = 8  # the next tranche of an order with reserve: `shown` at px rests as ref
SELF_MATCH = 9  # qty taken off, `prevented` at px did not trade; `rested`, `left` as for CANCELED
REPRICED = 10  # an order moved to px as ref, from old_ref, and lost its priority
CROSSED = 11  # an order of an auction: qty at px, `shown` of it displayed, `other` is the kind of auction
MASS_CANCELED = 12  # answer to a request; so are the next two
DISABLED = 13
ENABLED = 14
CANCEL_REFUSED = 15  # it is too late for that
CANCEL_PENDING = 16  # it will be, after the auction

# What a kernel answers.
DONE = 0
MORE = 1  # events are full: take them away and call resume
NO_ORDER = -1  # no such order
FULL = -2  # no room for another order or price

MARKET = np.dtype(
    [
        ("now_ns", "i8"),
        ("next_ref", "i8"),
        ("next_match", "i8"),
        ("n_events", "i8"),
        ("taker", "i8"),  # slot of an order whose matching was interrupted; -1: none
        ("free", "i8"),  # first slot of the list of free ones; -1: take `high`
        ("high", "i8"),  # slots below were used at some time
        ("live", "i8"),
        ("volume", "i8"),
        ("parked", "i8"),  # orders that wait for an auction
        ("timed", "i8"),  # orders that expire by themselves
        ("self_match", "u1", (USERS,)),
        ("account", "i4", (USERS,)),
    ],
    align=True,
)

SECURITY = np.dtype(
    [
        ("stock", "i8"),  # 8 ASCII bytes, big-endian
        ("tick", "i8"),
        ("lot", "i8"),
        ("reference", "i8"),
        ("last_px", "i8"),
        ("state", "i4"),  # TRADING, HALTED, PAUSED or QUOTATION
        ("locate", "i4"),
        ("halt_reason", "i8"),  # 4 ASCII bytes, as published
        ("short_sale", "i4"),  # Reg SHO action: 0 unrestricted; 1, 2 restricted (ASCII)
        ("late", "i4"),  # orders for the coming auction can no longer be changed
        ("lower", "i8"),  # LULD band; 0 none
        ("upper", "i8"),
        ("n_anonymous", "i8"),
        ("n_anonymous_side", "i8", (2,)),
        ("anonymous", "i4", (ANONYMOUS,)),  # slots of orders without an owner, in no order
    ],
    align=True,
)

# What a client said of an order, one ASCII character each. What is only echoed (ClOrdID, the appendage) goes from the request to the event: an order
# without it is two cache lines.
TERMS = [("side_char", "u1"), ("tif", "u1"), ("display", "u1"), ("capacity", "u1"), ("sweep", "u1"), ("cross", "u1"), ("post_only", "u1")]

# `qty`, `count`, `head` and `tail` are of what is displayed, `dark_*` of what is not.
LEVEL = np.dtype(
    [
        ("px", "i8"),
        ("qty", "i8"),
        ("count", "i4"),
        ("head", "i4"),
        ("tail", "i4"),
        ("next", "i4"),
        ("dark_count", "i4"),
        ("dark_head", "i4"),
        ("dark_tail", "i4"),
        ("pad", "i4"),
    ],
    align=True,
)

SIDE = np.dtype(
    [
        ("n", "i8"),  # prices
        ("free", "i8"),  # first free level; -1: take `used`
        ("used", "i8"),
        ("px", "i8", (LEVELS,)),  # ascending towards the best
        ("level", "i4", (LEVELS,)),  # index into levels, by place in px
        ("levels", LEVEL, (LEVELS,)),
    ],
    align=True,
)

RESTING = np.dtype(
    [
        ("key", "i8"),  # in the table; 0: nobody can name it
        ("ref", "i8"),  # order reference number on the feed
        ("px", "i8"),
        ("qty", "i8"),  # open
        ("shown", "i8"),  # displayed, of qty
        ("floor", "i8"),  # most that is displayed; 0: hidden
        ("min_qty", "i8"),
        ("expire_ns", "i8"),  # 0: not by itself
        ("firm", "i8"),  # 4 ASCII bytes
        ("executed", "i8"),  # of the whole chain of replaces
        ("user_ref", "i8"),
        ("next", "i4"),
        ("prev", "i4"),
        ("level", "i4"),  # -1: not on the book
        ("inst", "i4"),
        ("side", "i4"),
        ("user", "i4"),
        ("place", "i4"),  # in SECURITY.anonymous
        ("live", "i4"),
        *TERMS,
        ("pending", "u1"),  # its client wants what an auction leaves of it to be canceled
    ],
    align=True,
)

EVENT = np.dtype(
    [
        ("kind", "i4"),
        ("inst", "i4"),
        ("side", "i4"),
        ("user", "i4"),
        ("other", "i4"),
        ("reason", "i4"),
        ("rested", "i4"),
        ("state", "i4"),
        ("ts_ns", "i8"),
        ("user_ref", "i8"),
        ("orig_ref", "i8"),  # REPLACED: UserRefNum before
        ("other_user_ref", "i8"),
        ("ref", "i8"),
        ("old_ref", "i8"),
        ("other_ref", "i8"),
        ("qty", "i8"),
        ("left", "i8"),
        ("px", "i8"),
        ("match", "i8"),
        ("shown", "i8"),  # what the feed learns of qty
        ("prevented", "i8"),
        ("firm", "i8"),
        ("stock", "i8"),
        ("dark", "i4"),  # EXECUTED: the resting order was not displayed
        ("maker_side", "i4"),
        *TERMS,
        ("options_size", "u1"),
        ("cl_ord_id", "u1", (16,)),
        ("options", "u1", (OPTIONS,)),
    ],
    align=True,
)


def state(n_insts: int, pool: int, n_events: int = 1024) -> tuple[np.ndarray, ...]:
    """Give the arrays of an empty market, in the order in which every kernel takes them. `pool`: orders alive at a time, a power of two."""
    market, securities, sides = np.zeros(1, MARKET), np.zeros(n_insts, SECURITY), np.zeros((n_insts, 2), SIDE)
    market["next_ref"] = market["next_match"] = 1
    market["taker"] = market["free"] = -1
    sides["free"] = -1
    securities["state"], securities["halt_reason"], securities["short_sale"] = TRADING, 0x20202020, 48
    securities["locate"] = np.arange(1, n_insts + 1)
    return market, securities, sides, np.zeros(pool, RESTING), np.zeros(2 * pool, np.int32), np.zeros(n_events, EVENT)


@inlined
def key_of(user: int, user_ref: int) -> int:
    """Give the key of a client's order: one a user and UserRefNum."""
    return ((user + 1) << 32) | user_ref


@kernel
def key_of_ref(ref: int) -> int:
    """Give the key of an order named by its reference number (a recording's): never one of key_of's."""
    return -1 - ref


@inlined
def home(table: np.ndarray, key: int) -> int:
    """Give the place where the search for a key begins."""
    return ((key * HASH) >> 20) & (table.shape[0] - 1)


@inlined
def find(orders: np.ndarray, table: np.ndarray, key: int) -> int:
    """Give the slot of the live order with this key, or NO_ORDER."""
    mask = table.shape[0] - 1
    k = home(table, key)
    while table[k] != 0:
        slot = i64(table[k]) - 1
        if orders[slot]["key"] == key:
            return slot
        k = (k + 1) & mask
    return NO_ORDER


@inlined
def enlist(orders: np.ndarray, table: np.ndarray, slot: int) -> None:
    """Make an order findable by its key."""
    mask = table.shape[0] - 1
    k = home(table, orders[slot]["key"])
    while table[k] != 0:
        k = (k + 1) & mask
    table[k] = slot + 1


@kernel
def delist(orders: np.ndarray, table: np.ndarray, slot: int) -> None:
    """Take an order out of the table and move up those whom it had pushed on (Knuth, volume 3, algorithm 6.4R)."""
    mask = table.shape[0] - 1
    hole = home(table, orders[slot]["key"])
    while i64(table[hole]) != slot + 1:
        hole = (hole + 1) & mask
    k = (hole + 1) & mask
    while table[k] != 0:
        want = home(table, orders[i64(table[k]) - 1]["key"])
        if ((k - want) & mask) >= ((k - hole) & mask):
            table[hole] = table[k]
            hole = k
        k = (k + 1) & mask
    table[hole] = 0


@kernel
def rank(side: np.ndarray, inst: int, which: int, px: int) -> int:
    """Give how many prices of a side are worse than px: its place, or where it would be put."""
    s = side[inst, which]
    sign = 1 if which == Side.BUY else -1
    want = sign * px
    high = s["n"]
    for _ in range(4):  # most changes are near the best
        if high == 0 or sign * s["px"][high - 1] < want:
            return high
        high -= 1
    low = i64(0)
    while low < high:
        middle = (low + high) >> 1
        if sign * s["px"][middle] < want:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def level_at(sides: np.ndarray, inst: int, which: int, px: int) -> int:
    """Give the level of a price, made if it is new; FULL when there is no room for another."""
    s = sides[inst, which]
    k = rank(sides, inst, which, px)
    n = s["n"]
    if k < n and s["px"][k] == px:
        return i64(s["level"][k])
    if n == LEVELS:
        return FULL
    level = s["free"]
    if level >= 0:
        s["free"] = s["levels"][level]["next"]
    else:
        level = s["used"]
        s["used"] = level + 1
    for j in range(n, k, -1):
        s["px"][j] = s["px"][j - 1]
        s["level"][j] = s["level"][j - 1]
    s["px"][k] = px
    s["level"][k] = level
    s["n"] = n + 1
    s["levels"][level]["px"] = px
    s["levels"][level]["qty"] = 0
    s["levels"][level]["count"] = 0
    s["levels"][level]["head"] = -1
    s["levels"][level]["tail"] = -1
    s["levels"][level]["dark_count"] = 0
    s["levels"][level]["dark_head"] = -1
    s["levels"][level]["dark_tail"] = -1
    return level


@inlined
def drop_level(sides: np.ndarray, inst: int, which: int, level: int) -> None:
    """Take an empty price off a side."""
    s = sides[inst, which]
    k = rank(sides, inst, which, s["levels"][level]["px"])
    n = s["n"] - 1
    for j in range(k, n):
        s["px"][j] = s["px"][j + 1]
        s["level"][j] = s["level"][j + 1]
    s["n"] = n
    s["levels"][level]["next"] = s["free"]
    s["free"] = level


@inlined
def take_slot(market: np.ndarray, orders: np.ndarray) -> int:
    """Give a free slot of the pool, or FULL."""
    slot = market[0]["free"]
    if slot >= 0:
        market[0]["free"] = orders[slot]["next"]
    else:
        slot = market[0]["high"]
        if slot == orders.shape[0]:
            return FULL
        market[0]["high"] = slot + 1
    market[0]["live"] += 1
    order = orders[slot]
    order["live"] = 1
    order["level"] = -1
    order["next"] = -1
    order["prev"] = -1
    order["key"] = 0
    order["place"] = -1
    order["user"] = NOBODY
    order["executed"] = 0
    order["shown"] = 0
    order["pending"] = 0
    return slot


@kernel
def forget(market: np.ndarray, securities: np.ndarray, orders: np.ndarray, table: np.ndarray, slot: int) -> None:
    """Give back the slot of an order that is off the book."""
    if orders[slot]["expire_ns"] != 0:
        orders[slot]["expire_ns"] = 0
        market[0]["timed"] -= 1
    if orders[slot]["key"] != 0:
        delist(orders, table, slot)
        orders[slot]["key"] = 0
    elif orders[slot]["place"] >= 0:
        inst = orders[slot]["inst"]
        last = securities[inst]["n_anonymous"] - 1
        moved = securities[inst]["anonymous"][last]
        securities[inst]["anonymous"][orders[slot]["place"]] = moved
        orders[moved]["place"] = orders[slot]["place"]
        securities[inst]["n_anonymous"] = last
        securities[inst]["n_anonymous_side"][orders[slot]["side"]] -= 1
    orders[slot]["live"] = 0
    orders[slot]["next"] = market[0]["free"]
    market[0]["free"] = slot
    market[0]["live"] -= 1


@kernel
def rest(sides: np.ndarray, orders: np.ndarray, slot: int) -> int:
    """Put an order at the end of the queue of its price: DONE or FULL."""
    inst, which = i64(orders[slot]["inst"]), i64(orders[slot]["side"])
    level = level_at(sides, inst, which, orders[slot]["px"])
    if level < 0:
        return FULL
    at = sides[inst, which]["levels"][level]
    shown = min(orders[slot]["floor"], orders[slot]["qty"])
    orders[slot]["shown"] = shown
    orders[slot]["level"] = level
    orders[slot]["next"] = -1
    if shown > 0:
        tail = i64(at["tail"])
        if tail < 0:
            at["head"] = slot
        at["tail"] = slot
        at["qty"] += shown
        at["count"] += 1
    else:
        tail = i64(at["dark_tail"])
        if tail < 0:
            at["dark_head"] = slot
        at["dark_tail"] = slot
        at["dark_count"] += 1
    orders[slot]["prev"] = tail
    if tail >= 0:
        orders[tail]["next"] = slot
    return DONE


@kernel
def unlink(sides: np.ndarray, orders: np.ndarray, slot: int, dark: bool) -> None:
    """Take an order off the book, and its price if it was the last. `dark`: which queue it stands in."""
    inst, which, level = i64(orders[slot]["inst"]), i64(orders[slot]["side"]), i64(orders[slot]["level"])
    at = sides[inst, which]["levels"][level]
    before, after = orders[slot]["prev"], orders[slot]["next"]
    if before >= 0:
        orders[before]["next"] = after
    elif dark:
        at["dark_head"] = after
    else:
        at["head"] = after
    if after >= 0:
        orders[after]["prev"] = before
    elif dark:
        at["dark_tail"] = before
    else:
        at["tail"] = before
    if dark:
        at["dark_count"] -= 1
    else:
        at["qty"] -= orders[slot]["shown"]
        at["count"] -= 1
    orders[slot]["level"] = -1
    if at["count"] == 0 and at["dark_count"] == 0:
        drop_level(sides, inst, which, level)


@kernel
def take_off(market: np.ndarray, sides: np.ndarray, orders: np.ndarray, slot: int) -> None:
    """Take an order off the book, or out of the parking."""
    if orders[slot]["level"] == PARKED:
        market[0]["parked"] -= 1
        orders[slot]["level"] = -1
    else:
        unlink(sides, orders, slot, orders[slot]["shown"] == 0)


@inlined
def best(sides: np.ndarray, inst: int, which: int) -> int:
    """Give the best price of a side; -1 when it is empty."""
    n = sides[inst, which]["n"]
    return sides[inst, which]["px"][n - 1] if n > 0 else i64(-1)


@kernel
def best_shown(sides: np.ndarray, inst: int, which: int) -> int:
    """Give the best displayed price of a side; -1 when nothing is displayed."""
    s = sides[inst, which]
    for k in range(s["n"] - 1, -1, -1):
        if s["levels"][i64(s["level"][k])]["count"] > 0:
            return s["px"][k]
    return i64(-1)


@inlined
def crosses(sides: np.ndarray, inst: int, which: int, px: int) -> bool:
    """Tell whether an order of this side and price would trade now."""
    other = best(sides, inst, 1 - which)
    if other < 0:
        return False
    return px >= other if which == Side.BUY else px <= other


@inlined
def emit(market: np.ndarray, orders: np.ndarray, events: np.ndarray, kind: int, slot: int) -> int:
    """Begin an event about an order: its index."""
    e = market[0]["n_events"]
    market[0]["n_events"] = e + 1
    event = events[e]
    order = orders[slot]
    event["kind"] = kind
    event["ts_ns"] = market[0]["now_ns"]
    event["inst"] = order["inst"]
    event["side"] = order["side"]
    event["user"] = order["user"]
    event["user_ref"] = order["user_ref"]
    event["ref"] = order["ref"]
    event["qty"] = order["qty"]
    event["px"] = order["px"]
    event["other"] = NOBODY
    event["reason"] = 0
    event["rested"] = 0
    event["left"] = 0
    event["match"] = 0
    event["shown"] = order["shown"]
    event["side_char"] = order["side_char"]
    event["firm"] = order["firm"] if order["display"] == ouch.ATTRIBUTABLE and order["user"] >= 0 else 0
    return e


@inlined
def acknowledge(
    market: np.ndarray, securities: np.ndarray, orders: np.ndarray, events: np.ndarray, kind: int, slot: int, request: np.ndarray
) -> int:  # fmt: skip
    """Begin the event that tells a client of an order as it was taken: its index."""
    e = emit(market, orders, events, kind, slot)
    event = events[e]
    order = orders[slot]
    m = request[0]
    event["px"] = m["px"]
    event["stock"] = securities[order["inst"]]["stock"]
    event["tif"] = order["tif"]
    event["display"] = order["display"]
    event["capacity"] = order["capacity"]
    event["sweep"] = order["sweep"]
    event["cross"] = order["cross"]
    event["post_only"] = order["post_only"]
    event["state"] = ouch.LIVE
    for k in range(14):
        event["cl_ord_id"][k] = m["cl_ord_id"][k]
    event["options_size"] = m["options_size"]
    for k in range(m["options_size"]):
        event["options"][k] = m["options"][k]
    return e


@kernel
def next_maker(sides: np.ndarray, orders: np.ndarray, inst: int, which: int, px: int, qty: int) -> int:
    """Give the slot of the order that one of side `which`, price and quantity trades with next; -1 when there is none."""
    s = sides[inst, 1 - which]
    k = s["n"] - 1
    while k >= 0:
        if (s["px"][k] > px) if which == Side.BUY else (s["px"][k] < px):
            return -1
        at = s["levels"][i64(s["level"][k])]
        if at["head"] >= 0:
            return i64(at["head"])
        slot = i64(at["dark_head"])
        while slot >= 0:
            if min(orders[slot]["min_qty"], orders[slot]["qty"]) <= qty:
                return slot
            slot = i64(orders[slot]["next"])
        k -= 1
    return -1


@kernel
def available(sides: np.ndarray, orders: np.ndarray, inst: int, which: int, px: int, need: int) -> bool:
    """Tell whether an order of side `which` and price could trade `need` shares at once."""
    s = sides[inst, 1 - which]
    for k in range(s["n"] - 1, -1, -1):
        if (s["px"][k] > px) if which == Side.BUY else (s["px"][k] < px):
            return False
        at = s["levels"][i64(s["level"][k])]
        slot = i64(at["head"])
        while slot >= 0 and need > 0:
            need -= orders[slot]["qty"]
            slot = i64(orders[slot]["next"])
        slot = i64(at["dark_head"])
        while slot >= 0 and need > 0:
            if orders[slot]["min_qty"] <= need:
                need -= orders[slot]["qty"]
            slot = i64(orders[slot]["next"])
        if need <= 0:
            return True
    return False


@kernel
def refresh(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int
) -> None:  # fmt: skip
    """Take a fully executed order away, or display the next tranche of one with reserve. A recording's order stays findable, off the book."""
    if orders[slot]["qty"] == 0:
        unlink(sides, orders, slot, orders[slot]["floor"] == 0)
        if orders[slot]["key"] >= 0:
            forget(market, securities, orders, table, slot)
        return
    if orders[slot]["floor"] == 0 or orders[slot]["shown"] > 0:
        return
    unlink(sides, orders, slot, False)
    orders[slot]["ref"] = market[0]["next_ref"]
    market[0]["next_ref"] += 1
    rest(sides, orders, slot)
    emit(market, orders, events, RESTATED, slot)


@kernel
def self_match(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int, maker: int,
    how: int,
) -> None:  # fmt: skip
    """Keep two orders of one account from trading. What the incoming one loses leaves its `qty`; `work` ends it when nothing is left."""
    px = orders[maker]["px"]
    prevented = min(orders[slot]["qty"], orders[maker]["qty"])
    if how != CANCEL_INCOMING:
        off = orders[maker]["qty"] if how == CANCEL_RESTING else prevented
        shown = orders[maker]["shown"]
        e = emit(market, orders, events, SELF_MATCH, maker)
        events[e]["qty"] = off
        events[e]["prevented"] = prevented
        events[e]["reason"] = how
        events[e]["rested"] = 1
        reduce_to(market, securities, sides, orders, table, maker, orders[maker]["qty"] - off)
        events[e]["left"] = orders[maker]["shown"] if orders[maker]["live"] != 0 else 0
        events[e]["shown"] = shown - events[e]["left"]
    if how != CANCEL_RESTING:
        off = orders[slot]["qty"] if how == CANCEL_INCOMING else prevented
        e = emit(market, orders, events, SELF_MATCH, slot)
        events[e]["qty"] = off
        events[e]["prevented"] = prevented
        events[e]["px"] = px
        events[e]["reason"] = how
        orders[slot]["qty"] -= off


@kernel
def reduce_to(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, slot: int, left: int
) -> None:  # fmt: skip
    """Bring an order on the book, or a parked one, down to `left` open shares without losing its place; 0 ends it. Reserve goes first."""
    if left <= 0:
        take_off(market, sides, orders, slot)
        forget(market, securities, orders, table, slot)
        return
    orders[slot]["qty"] = left
    if orders[slot]["shown"] > left:
        at = sides[orders[slot]["inst"], orders[slot]["side"]]["levels"][i64(orders[slot]["level"])]
        at["qty"] -= orders[slot]["shown"] - left
        orders[slot]["shown"] = left


@kernel
def trade(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int) -> int:
    """Let an order take what it can: DONE, or MORE when events are full."""
    inst, which = i64(orders[slot]["inst"]), i64(orders[slot]["side"])
    px = orders[slot]["px"]
    user = i64(orders[slot]["user"])
    how = i64(market[0]["self_match"][user]) if user >= 0 else i64(ALLOW)
    while orders[slot]["qty"] > 0:
        maker = next_maker(sides, orders, inst, which, px, orders[slot]["qty"])
        if maker < 0:
            break
        if market[0]["n_events"] + 5 > events.shape[0]:  # this trade and its next tranche, and what ends the order
            return MORE
        other = i64(orders[maker]["user"])
        if how != ALLOW and other >= 0 and market[0]["account"][user] == market[0]["account"][other]:
            self_match(market, securities, sides, orders, table, events, slot, maker, how)
            continue
        at = sides[inst, 1 - which]["levels"][i64(orders[maker]["level"])]
        dark = orders[maker]["shown"] == 0
        qty = min(orders[slot]["qty"], orders[maker]["qty"] if dark else orders[maker]["shown"])
        e = emit(market, orders, events, EXECUTED, slot)
        event = events[e]
        event["qty"] = qty
        event["px"] = at["px"]
        event["match"] = market[0]["next_match"]
        event["other"] = other
        event["other_user_ref"] = orders[maker]["user_ref"]
        event["other_ref"] = orders[maker]["ref"]
        event["dark"] = dark
        market[0]["next_match"] += 1
        market[0]["volume"] += qty
        securities[inst]["last_px"] = at["px"]
        orders[slot]["qty"] -= qty
        orders[slot]["executed"] += qty
        orders[maker]["executed"] += qty
        orders[maker]["qty"] -= qty
        if not dark:
            orders[maker]["shown"] -= qty
            at["qty"] -= qty
        if orders[maker]["qty"] == 0 or (not dark and orders[maker]["shown"] == 0):
            refresh(market, securities, sides, orders, table, events, maker)
    return DONE


@inlined
def cancel_rest(
    market: np.ndarray, securities: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int, reason: int
) -> None:
    """End an order that is not on the book with what is left of it."""
    e = emit(market, orders, events, CANCELED, slot)
    events[e]["reason"] = reason
    forget(market, securities, orders, table, slot)


@kernel
def work(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int) -> int:
    """Match an order that is not on the book, then put the rest there or cancel it: DONE or MORE."""
    if securities[orders[slot]["inst"]]["state"] == TRADING:
        if trade(market, securities, sides, orders, table, events, slot) == MORE:
            market[0]["taker"] = slot
            return MORE
        market[0]["taker"] = -1
    if orders[slot]["qty"] == 0:
        forget(market, securities, orders, table, slot)
    elif orders[slot]["tif"] == ouch.IOC:
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_IOC)
    elif orders[slot]["px"] == ouch.MARKET or orders[slot]["px"] == 0:
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_COLLAR)
    elif rest(sides, orders, slot) == FULL:
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_SUPERVISORY)
    elif orders[slot]["shown"] > 0:
        emit(market, orders, events, ADDED, slot)
    return DONE


@inlined
def start(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int) -> int:
    """Do with an order that was just taken what its instructions say: park it, cancel it, or `work` it. DONE or MORE."""
    order = orders[slot]
    inst, which = i64(order["inst"]), i64(order["side"])
    if order["cross"] != ouch.CONTINUOUS:
        order["level"] = PARKED
        market[0]["parked"] += 1
        return DONE
    if order["post_only"] != 0 and securities[inst]["state"] == TRADING and crosses(sides, inst, which, order["px"]):
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_POST_ONLY)
        return DONE
    if order["min_qty"] > 0 and not available(sides, orders, inst, which, order["px"], min(order["min_qty"], order["qty"])):
        if order["tif"] == ouch.IOC:
            cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_IOC)
        elif rest(sides, orders, slot) == FULL:
            cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_SUPERVISORY)
        return DONE
    return work(market, securities, sides, orders, table, events, slot)


@kernel
def resume(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray) -> int:
    """Go on after MORE, with room made in events: DONE or MORE."""
    if market[0]["taker"] < 0:
        return DONE
    return work(market, securities, sides, orders, table, events, market[0]["taker"])


@inlined
def fill_in(market: np.ndarray, orders: np.ndarray, slot: int, request: np.ndarray) -> None:
    """Copy what a request and an order have in common. A market order gets a price that every quote meets."""
    order = orders[slot]
    m = request[0]
    order["min_qty"] = m["min_qty"]
    order["floor"] = 0 if m["display"] == ouch.HIDDEN else (m["max_floor"] if m["max_floor"] > 0 else FLOOR_ALL)
    order["shown"] = 0
    order["tif"] = m["tif"]
    order["display"] = m["display"]
    order["sweep"] = m["sweep"]
    order["post_only"] = m["post_only"]
    order["px"] = m["px"]
    if m["px"] == ouch.MARKET and order["side"] == Side.SELL:
        order["px"] = 0
    if order["expire_ns"] != 0:
        market[0]["timed"] -= 1
    order["expire_ns"] = 0
    if m["expire_s"] > 0:
        order["expire_ns"] = market[0]["now_ns"] + m["expire_s"] * 1_000_000_000
        market[0]["timed"] += 1


@kernel
def enter(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    inst: int, user: int, request: np.ndarray,
) -> int:  # fmt: skip
    """Take a new order, ouch.OUCH_IN[1] with valid fields: DONE, MORE or FULL. `user` NOBODY: nobody is told but the feed."""
    slot = take_slot(market, orders)
    if slot < 0:
        return FULL
    order = orders[slot]
    m = request[0]
    order["user"] = user
    order["user_ref"] = m["user_ref"]
    order["inst"] = inst
    order["side"] = m["side"]
    order["side_char"] = m["side_char"]
    order["capacity"] = m["capacity"]
    order["cross"] = m["cross"]
    order["qty"] = m["qty"]
    order["ref"] = market[0]["next_ref"]
    order["firm"] = m["firm"]
    fill_in(market, orders, slot, request)
    if user >= 0:
        order["key"] = key_of(user, m["user_ref"])
        enlist(orders, table, slot)
        acknowledge(market, securities, orders, events, ACCEPTED, slot, request)
    else:
        n = securities[inst]["n_anonymous"]
        if n == ANONYMOUS:
            forget(market, securities, orders, table, slot)
            return FULL
        order["place"] = n
        securities[inst]["anonymous"][n] = slot
        securities[inst]["n_anonymous"] = n + 1
        securities[inst]["n_anonymous_side"][order["side"]] += 1
    market[0]["next_ref"] += 1
    return start(market, securities, sides, orders, table, events, slot)


@kernel
def cancel(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    slot: int, total: int, reason: int,
) -> int:  # fmt: skip
    """Bring a resting order down to a new intended total, executed shares included; 0 or less than was executed ends it. Never up. DONE."""
    open_qty, shown = orders[slot]["qty"], orders[slot]["shown"]
    left = min(max(total - orders[slot]["executed"], i64(0)), open_qty)
    if left == open_qty:
        return DONE
    e = emit(market, orders, events, CANCELED, slot)
    events[e]["qty"] = open_qty - left
    events[e]["reason"] = reason
    events[e]["rested"] = 1
    reduce_to(market, securities, sides, orders, table, slot, left)
    events[e]["left"] = min(shown, left)
    events[e]["shown"] = shown - min(shown, left)
    return DONE


@kernel
def modify(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    slot: int, side_char: int, total: int,
) -> int:  # fmt: skip
    """Change the kind of sale, and bring the order down to a new intended total, without losing its place; a total executed already ends it. DONE."""
    open_qty, shown = orders[slot]["qty"], orders[slot]["shown"]
    left = min(total - orders[slot]["executed"], open_qty)
    if left <= 0:
        return cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
    orders[slot]["side_char"] = side_char
    reduce_to(market, securities, sides, orders, table, slot, left)
    e = emit(market, orders, events, MODIFIED, slot)
    events[e]["qty"] = left
    events[e]["left"] = orders[slot]["shown"]
    events[e]["shown"] = shown - orders[slot]["shown"]
    return DONE


@kernel
def replace(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    slot: int, request: np.ndarray,
) -> int:  # fmt: skip
    """Replace a resting order, ouch.OUCH_IN[1] with valid fields: DONE or MORE. A total that was executed already cancels the original."""
    m = request[0]
    order = orders[slot]
    left = m["qty"] - order["executed"]
    if left <= 0:
        return cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
    was_shown = orders[slot]["shown"]
    take_off(market, sides, orders, slot)
    delist(orders, table, slot)
    old_ref, orig_ref = order["ref"], order["user_ref"]
    order["ref"] = market[0]["next_ref"]
    order["user_ref"] = m["user_ref"]
    order["key"] = key_of(i64(order["user"]), m["user_ref"])
    order["qty"] = left
    market[0]["next_ref"] += 1
    fill_in(market, orders, slot, request)
    enlist(orders, table, slot)
    inst, which = i64(order["inst"]), i64(order["side"])
    plain = securities[inst]["state"] == TRADING and crosses(sides, inst, which, order["px"])
    quote = not plain and order["tif"] != ouch.IOC and m["px"] != ouch.MARKET and order["cross"] == ouch.CONTINUOUS
    e = acknowledge(market, securities, orders, events, REPLACED, slot, request)
    events[e]["orig_ref"] = orig_ref
    events[e]["old_ref"] = old_ref
    events[e]["prevented"] = was_shown  # how much of it the feed knew
    if quote and rest(sides, orders, slot) == DONE:
        events[e]["rested"] = 1
        events[e]["shown"] = order["shown"]
        return DONE
    return start(market, securities, sides, orders, table, events, slot)


@kernel
def cancel_where(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    user: int, firm: int, inst: int, tif: int, until_ns: int, reason: int,
) -> int:  # fmt: skip
    """Cancel every client's order that fits: DONE, or MORE when events are full (call it again).

    What is -1 fits all: the user, its firm, an instrument, a time in force; `until_ns` >= 0 takes those that expire by then.
    """
    for slot in range(market[0]["high"]):
        order = orders[slot]
        if order["live"] == 0 or order["user"] < 0 or (user >= 0 and order["user"] != user) or (firm >= 0 and order["firm"] != firm):
            continue
        if (inst >= 0 and order["inst"] != inst) or (tif >= 0 and order["tif"] != tif):
            continue
        if until_ns >= 0 and (order["expire_ns"] == 0 or order["expire_ns"] > until_ns):
            continue
        if market[0]["n_events"] == events.shape[0]:
            return MORE
        cancel(market, securities, sides, orders, table, events, slot, 0, reason)
    return DONE


@kernel
def first_expiry(market: np.ndarray, orders: np.ndarray) -> int:
    """Give when the next order expires; -1 when none does."""
    first = i64(-1)
    if market[0]["timed"] > 0:
        for slot in range(market[0]["high"]):
            when = orders[slot]["expire_ns"]
            if orders[slot]["live"] != 0 and when > 0 and (first < 0 or when < first):
                first = when
    return first


@kernel
def reprice(
    market: np.ndarray, sides: np.ndarray, orders: np.ndarray, events: np.ndarray, slot: int, px: int
) -> None:  # fmt: skip
    """Move an order on the book to another price, where it stands last and nobody is met."""
    e = emit(market, orders, events, REPRICED, slot)
    events[e]["prevented"] = orders[slot]["shown"]
    events[e]["old_ref"] = orders[slot]["ref"]
    unlink(sides, orders, slot, orders[slot]["shown"] == 0)
    orders[slot]["px"] = px
    orders[slot]["ref"] = market[0]["next_ref"]
    market[0]["next_ref"] += 1
    rest(sides, orders, slot)
    events[e]["ref"] = orders[slot]["ref"]
    events[e]["px"] = px
    events[e]["shown"] = orders[slot]["shown"]


@kernel
def cross(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    slot: int, qty: int, px: int, match: int, kind: int,
) -> None:  # fmt: skip
    """Execute `qty` of an order, on the book or parked, in an auction of this kind at its price; what is displayed of it goes first."""
    inst = i64(orders[slot]["inst"])
    shown = min(orders[slot]["shown"], qty)
    e = emit(market, orders, events, CROSSED, slot)
    events[e]["qty"] = qty
    events[e]["px"] = px
    events[e]["match"] = match
    events[e]["shown"] = shown
    events[e]["reason"] = kind
    securities[inst]["last_px"] = px
    orders[slot]["executed"] += qty
    orders[slot]["qty"] -= qty
    if orders[slot]["level"] == PARKED:
        if orders[slot]["qty"] == 0:
            take_off(market, sides, orders, slot)
            forget(market, securities, orders, table, slot)
        return
    if shown > 0:
        orders[slot]["shown"] -= shown
        sides[inst, orders[slot]["side"]]["levels"][i64(orders[slot]["level"])]["qty"] -= shown
    refresh(market, securities, sides, orders, table, events, slot)


@kernel
def place(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, inst: int, which: int, ref: int,
    qty: int, px: int, recorded: int,
) -> int:  # fmt: skip
    """Put an order of a recording on the book, without matching; it is named by its reference number. DONE or FULL.

    `recorded`: how many shares it has in the recording (kept in `user_ref`); where clients took all of them, `qty` 0, it stays off the book.
    """
    slot = take_slot(market, orders)
    if slot < 0:
        return FULL
    order = orders[slot]
    order["inst"] = inst
    order["side"] = which
    order["ref"] = ref
    order["px"] = px
    order["qty"] = qty
    order["user_ref"] = recorded
    order["floor"] = FLOOR_ALL
    order["min_qty"] = 0
    order["cross"] = ouch.CONTINUOUS
    order["key"] = key_of_ref(ref)
    enlist(orders, table, slot)
    if qty > 0 and rest(sides, orders, slot) == FULL:
        forget(market, securities, orders, table, slot)
        return FULL
    return DONE


@kernel
def hit(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    inst: int, which: int, qty: int, px: int,
) -> int:  # fmt: skip
    """Let a recording's aggressor of side `which` trade with the clients' orders that stand before any of the recording's; gives what is left."""
    maker = next_maker(sides, orders, inst, which, px, qty)
    if maker < 0 or orders[maker]["user"] < 0:
        return qty
    slot = take_slot(market, orders)
    if slot < 0:
        return qty
    order = orders[slot]
    order["inst"] = inst
    order["side"] = which
    order["ref"] = 0
    order["px"] = px
    order["display"] = ouch.VISIBLE
    while qty > 0 and maker >= 0 and orders[maker]["user"] >= 0 and market[0]["n_events"] + 3 < events.shape[0]:
        order["qty"] = qty if orders[maker]["shown"] == 0 else min(qty, orders[maker]["shown"])
        order["qty"] = min(order["qty"], orders[maker]["qty"])
        qty -= order["qty"]
        trade(market, securities, sides, orders, table, events, slot)
        maker = next_maker(sides, orders, inst, which, px, qty)
    forget(market, securities, orders, table, slot)
    return qty


@kernel
def lessen(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, slot: int, qty: int
) -> int:  # fmt: skip
    """Take `qty` shares that a recording takes off one of its orders: how many of them were still there. The order ends with the last one."""
    there = min(qty, orders[slot]["qty"])
    orders[slot]["user_ref"] -= qty
    if orders[slot]["user_ref"] <= 0:
        there = orders[slot]["qty"] if qty >= orders[slot]["qty"] else there
        if orders[slot]["level"] >= 0:
            unlink(sides, orders, slot, False)
        forget(market, securities, orders, table, slot)
    elif there > 0:
        if there == orders[slot]["qty"]:
            unlink(sides, orders, slot, False)
            orders[slot]["qty"] = 0
            orders[slot]["shown"] = 0
        else:
            reduce_to(market, securities, sides, orders, table, slot, orders[slot]["qty"] - there)
    return there
