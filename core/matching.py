"""A price-time matching engine for N instruments: continuous trading of limit and market orders.

State is a few arrays that every kernel takes in the same order: market MARKET[1], securities SECURITY[n], sides SIDE[n, 2],
orders RESTING[pool], table int32[2^k], events EVENT[m]. A side's prices are kept sorted, ascending towards the best (bids ascending, asks
descending), because what changes most then moves least; a price points to a level, a level heads a queue of orders in time priority.
Orders that someone may name (`key` is not 0) are found through an open-addressing table.

What happens is written to `events`, in order, and `market["n_events"]` says how many. A kernel that runs out of room answers MORE: take the
events away, set n_events to 0 and call `resume`, until it answers DONE. No kernel looks at a clock: `market["now_ns"]` is the caller's.

Quantities follow OUCH 5.0 (sections 2.2, 2.3): a cancel's quantity is the new intended total of the order, a replace's quantity the total of
the whole chain of replaces; both include what was executed before. A replace always loses priority.
"""

import numpy as np

from core import ouch
from core.codes import Side
from core.integer import i64
from core.jit import kernel

LEVELS = 4096  # prices a side
ANONYMOUS = 16384  # orders without an owner, an instrument
NOBODY = -1  # owner of orders that no client entered
HASH = -7046029254386353131  # 2^64 / golden ratio, as int64

TRADING = 84  # T: trading state of ITCH's Stock Trading Action
HALTED = 72  # H

# What an event tells.
ACCEPTED = 1  # the order is in: user, user_ref, ref, qty, px
ADDED = 2  # qty at px now rests as ref
EXECUTED = 3  # qty at px: taker user/user_ref/ref against maker other/other_user_ref/other_ref
CANCELED = 4  # qty taken off, left remains, `rested`: it was on the book
REPLACED = 5  # ref takes the place of old_ref; `rested`: as a quote on the book, no trade in between
REJECTED = 6  # user_ref was not taken, reason says why

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
        ("state", "i4"),  # TRADING or HALTED
        ("locate", "i4"),
        ("n_anonymous", "i8"),
        ("anonymous", "i4", (ANONYMOUS,)),  # slots of orders without an owner, in no order
    ],
    align=True,
)

LEVEL = np.dtype([("px", "i8"), ("qty", "i8"), ("count", "i4"), ("head", "i4"), ("tail", "i4"), ("next", "i4")], align=True)

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
        ("side_char", "u1"),
        ("tif", "u1"),
        ("display", "u1"),
        ("capacity", "u1"),
        ("sweep", "u1"),
        ("cross", "u1"),
        ("post_only", "u1"),
        ("cl_ord_id", "u1", (16,)),
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
        ("side_char", "u1"),
        ("tif", "u1"),
        ("display", "u1"),
        ("capacity", "u1"),
        ("sweep", "u1"),
        ("cross", "u1"),
        ("post_only", "u1"),
        ("cl_ord_id", "u1", (16,)),
    ],
    align=True,
)


def state(n_insts: int, pool: int, n_events: int = 1024) -> tuple[np.ndarray, ...]:
    """Give the arrays of an empty market, in the order in which every kernel takes them. `pool`: orders alive at a time, a power of two."""
    market, securities, sides = np.zeros(1, MARKET), np.zeros(n_insts, SECURITY), np.zeros((n_insts, 2), SIDE)
    market["next_ref"] = market["next_match"] = 1
    market["taker"] = market["free"] = -1
    sides["free"] = -1
    securities["state"] = TRADING
    securities["locate"] = np.arange(1, n_insts + 1)
    return market, securities, sides, np.zeros(pool, RESTING), np.zeros(2 * pool, np.int32), np.zeros(n_events, EVENT)


@kernel
def key_of(user: int, user_ref: int) -> int:
    """Give the key of a client's order: one a user and UserRefNum."""
    return ((user + 1) << 32) | user_ref


@kernel
def key_of_ref(ref: int) -> int:
    """Give the key of an order named by its reference number (a recording's): never one of key_of's."""
    return -1 - ref


@kernel
def home(table: np.ndarray, key: int) -> int:
    """Give the place where the search for a key begins."""
    return ((key * HASH) >> 20) & (table.shape[0] - 1)


@kernel
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


@kernel
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


@kernel
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
    return level


@kernel
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


@kernel
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
    orders[slot]["live"] = 1
    orders[slot]["level"] = -1
    orders[slot]["next"] = -1
    orders[slot]["prev"] = -1
    return slot


@kernel
def forget(market: np.ndarray, securities: np.ndarray, orders: np.ndarray, table: np.ndarray, slot: int) -> None:
    """Give back the slot of an order that is off the book."""
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
    tail = at["tail"]
    orders[slot]["level"] = level
    orders[slot]["prev"] = tail
    orders[slot]["next"] = -1
    if tail >= 0:
        orders[tail]["next"] = slot
    else:
        at["head"] = slot
    at["tail"] = slot
    at["qty"] += orders[slot]["qty"]
    at["count"] += 1
    return DONE


@kernel
def unlink(sides: np.ndarray, orders: np.ndarray, slot: int) -> None:
    """Take an order off the book, and its price if it was the last."""
    inst, which, level = i64(orders[slot]["inst"]), i64(orders[slot]["side"]), i64(orders[slot]["level"])
    at = sides[inst, which]["levels"][level]
    before, after = orders[slot]["prev"], orders[slot]["next"]
    if before >= 0:
        orders[before]["next"] = after
    else:
        at["head"] = after
    if after >= 0:
        orders[after]["prev"] = before
    else:
        at["tail"] = before
    at["qty"] -= orders[slot]["qty"]
    at["count"] -= 1
    orders[slot]["level"] = -1
    if at["count"] == 0:
        drop_level(sides, inst, which, level)


@kernel
def best(sides: np.ndarray, inst: int, which: int) -> int:
    """Give the best price of a side; -1 when it is empty."""
    n = sides[inst, which]["n"]
    return sides[inst, which]["px"][n - 1] if n > 0 else i64(-1)


@kernel
def crosses(sides: np.ndarray, inst: int, which: int, px: int) -> bool:
    """Tell whether an order of this side and price would trade now."""
    other = best(sides, inst, 1 - which)
    if other < 0:
        return False
    return px >= other if which == Side.BUY else px <= other


@kernel
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
    return e


@kernel
def describe(orders: np.ndarray, events: np.ndarray, e: int, slot: int) -> None:
    """Add to an event what an acceptance echoes."""
    event = events[e]
    order = orders[slot]
    event["side_char"] = order["side_char"]
    event["tif"] = order["tif"]
    event["display"] = order["display"]
    event["capacity"] = order["capacity"]
    event["sweep"] = order["sweep"]
    event["cross"] = order["cross"]
    event["post_only"] = order["post_only"]
    event["state"] = ouch.LIVE
    for k in range(14):
        event["cl_ord_id"][k] = order["cl_ord_id"][k]


@kernel
def trade(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, slot: int) -> int:
    """Let an order take what it can: DONE, or MORE when events are full."""
    inst, which = i64(orders[slot]["inst"]), i64(orders[slot]["side"])
    px = orders[slot]["px"]
    while orders[slot]["qty"] > 0 and crosses(sides, inst, which, px):
        if market[0]["n_events"] + 3 > events.shape[0]:  # this trade, and what ends the order
            return MORE
        s = sides[inst, 1 - which]
        at = s["levels"][i64(s["level"][s["n"] - 1])]
        maker = i64(at["head"])
        qty = min(orders[slot]["qty"], orders[maker]["qty"])
        e = emit(market, orders, events, EXECUTED, slot)
        event = events[e]
        event["qty"] = qty
        event["px"] = at["px"]
        event["match"] = market[0]["next_match"]
        event["other"] = orders[maker]["user"]
        event["other_user_ref"] = orders[maker]["user_ref"]
        event["other_ref"] = orders[maker]["ref"]
        event["left"] = orders[maker]["qty"] - qty
        market[0]["next_match"] += 1
        market[0]["volume"] += qty
        securities[inst]["last_px"] = at["px"]
        orders[slot]["qty"] -= qty
        orders[slot]["executed"] += qty
        orders[maker]["executed"] += qty
        orders[maker]["qty"] -= qty
        at["qty"] -= qty
        if orders[maker]["qty"] == 0:
            unlink(sides, orders, maker)
            forget(market, securities, orders, table, maker)
    return DONE


@kernel
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
    else:
        emit(market, orders, events, ADDED, slot)
    return DONE


@kernel
def resume(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray) -> int:
    """Go on after MORE, with room made in events: DONE or MORE."""
    if market[0]["taker"] < 0:
        return DONE
    return work(market, securities, sides, orders, table, events, market[0]["taker"])


@kernel
def fill_in(orders: np.ndarray, slot: int, request: np.ndarray) -> None:
    """Copy what a request and an order have in common. A market order gets a price that every quote meets."""
    order = orders[slot]
    m = request[0]
    order["tif"] = m["tif"]
    order["display"] = m["display"]
    order["sweep"] = m["sweep"]
    order["post_only"] = m["post_only"]
    order["px"] = m["px"]
    if m["px"] == ouch.MARKET and order["side"] == Side.SELL:
        order["px"] = 0
    for k in range(14):
        order["cl_ord_id"][k] = m["cl_ord_id"][k]


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
    order["executed"] = 0
    order["place"] = -1
    order["ref"] = market[0]["next_ref"]
    fill_in(orders, slot, request)
    if user >= 0:
        order["key"] = key_of(user, m["user_ref"])
        enlist(orders, table, slot)
        e = emit(market, orders, events, ACCEPTED, slot)
        events[e]["px"] = m["px"]
        describe(orders, events, e, slot)
    else:
        n = securities[inst]["n_anonymous"]
        if n == ANONYMOUS:
            forget(market, securities, orders, table, slot)
            return FULL
        order["key"] = 0
        order["place"] = n
        securities[inst]["anonymous"][n] = slot
        securities[inst]["n_anonymous"] = n + 1
    market[0]["next_ref"] += 1
    if order["post_only"] != 0 and crosses(sides, inst, i64(order["side"]), order["px"]):
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_POST_ONLY)
        return DONE
    return work(market, securities, sides, orders, table, events, slot)


@kernel
def cancel(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    slot: int, total: int, reason: int,
) -> int:  # fmt: skip
    """Bring a resting order down to a new intended total, executed shares included; 0 or less than was executed ends it. Never up. DONE."""
    open_qty = orders[slot]["qty"]
    left = min(max(total - orders[slot]["executed"], i64(0)), open_qty)
    if left == open_qty:
        return DONE
    e = emit(market, orders, events, CANCELED, slot)
    events[e]["qty"] = open_qty - left
    events[e]["left"] = left
    events[e]["reason"] = reason
    events[e]["rested"] = 1
    if left == 0:
        unlink(sides, orders, slot)
        forget(market, securities, orders, table, slot)
    else:
        sides[orders[slot]["inst"], orders[slot]["side"]]["levels"][i64(orders[slot]["level"])]["qty"] -= open_qty - left
        orders[slot]["qty"] = left
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
    unlink(sides, orders, slot)
    delist(orders, table, slot)
    old_ref, orig_ref = order["ref"], order["user_ref"]
    order["ref"] = market[0]["next_ref"]
    order["user_ref"] = m["user_ref"]
    order["key"] = key_of(i64(order["user"]), m["user_ref"])
    order["qty"] = left
    market[0]["next_ref"] += 1
    fill_in(orders, slot, request)
    enlist(orders, table, slot)
    inst, which = i64(order["inst"]), i64(order["side"])
    meets = crosses(sides, inst, which, order["px"])
    quote = not meets and order["tif"] != ouch.IOC and m["px"] != ouch.MARKET
    e = emit(market, orders, events, REPLACED, slot)
    events[e]["px"] = m["px"]
    events[e]["orig_ref"] = orig_ref
    events[e]["old_ref"] = old_ref
    describe(orders, events, e, slot)
    if quote and rest(sides, orders, slot) == DONE:
        events[e]["rested"] = 1
        return DONE
    if meets and order["post_only"] != 0:
        cancel_rest(market, securities, orders, table, events, slot, ouch.CANCEL_POST_ONLY)
        return DONE
    return work(market, securities, sides, orders, table, events, slot)


@kernel
def cancel_owned(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    user: int, reason: int,
) -> int:  # fmt: skip
    """Cancel every order of a user: DONE, or MORE when events are full (call it again)."""
    for slot in range(market[0]["high"]):
        if orders[slot]["live"] != 0 and orders[slot]["user"] == user:
            if market[0]["n_events"] == events.shape[0]:
                return MORE
            cancel(market, securities, sides, orders, table, events, slot, 0, reason)
    return DONE


@kernel
def place(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, inst: int, which: int, ref: int,
    qty: int, px: int,
) -> int:  # fmt: skip
    """Put an order of a recording on the book as it was, without matching; it is named by its reference number. DONE or FULL."""
    slot = take_slot(market, orders)
    if slot < 0:
        return FULL
    order = orders[slot]
    order["user"] = NOBODY
    order["place"] = -1
    order["inst"] = inst
    order["side"] = which
    order["ref"] = ref
    order["qty"] = qty
    order["px"] = px
    order["executed"] = 0
    order["key"] = key_of_ref(ref)
    enlist(orders, table, slot)
    if rest(sides, orders, slot) == FULL:
        forget(market, securities, orders, table, slot)
        return FULL
    return DONE


@kernel
def reduce(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, slot: int, qty: int) -> None:
    """Take shares off a resting order of a recording, and the order off the book when none are left."""
    qty = min(qty, orders[slot]["qty"])
    sides[orders[slot]["inst"], orders[slot]["side"]]["levels"][i64(orders[slot]["level"])]["qty"] -= qty
    orders[slot]["qty"] -= qty
    if orders[slot]["qty"] == 0:
        unlink(sides, orders, slot)
        forget(market, securities, orders, table, slot)
