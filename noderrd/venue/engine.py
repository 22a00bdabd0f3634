"""The kernels that Python calls: one step of the market each, from what caused it to the messages that tell it.

Two take the whole state, in one order: `step` is what happens by the thousand, `operate` what an operator or an auction does. They answer DONE, or
MORE when output is full: take the output away, then call again (a client's request with RESUME). Few entries with many cases, because each is
compiled with all that it may call.
"""

import numpy as np

from core import matching, ouch
from core.bigendian import get_u16
from core.integer import i64
from core.jit import entry, kernel
from noderrd.venue import desk, flow, hawkes, tell, zero

DONE, MORE = matching.DONE, matching.MORE

# What `step` does.
REQUEST = 1  # size bytes of buf are an OUCH message of a user
RESUME = 2  # go on with it
FLOW = 3  # let the flow's events up to now_ns happen, at most `size` of them
FIRST_BOOK = 4  # give instrument `user` the flow's first book, `size` orders
# What `operate` does, to one order where it is about one.
CANCEL_WHERE = 1  # user, firm, inst, tif, until: as matching.cancel_where; reason in px
REPRICE = 2  # slot to px
CROSS = 3  # qty of slot at px in an auction; `inst` is its kind, `user` its match number
BREAK = 4  # the trade at index slot of DESK.trades
CANCEL_ONE = 5  # slot; reason in px


@kernel
def heed(market: np.ndarray, events: np.ndarray, flows: np.ndarray, own: bool) -> None:
    """Let a flow that has opinions see what was executed."""
    if flows.shape[0] > 0 and flows[0]["kind"] == flow.HAWKES:
        hawkes.react(flows, market, events, own)


@entry
def step(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    flows: np.ndarray, asked: np.ndarray, buf: np.ndarray, what: int, user: int, now_ns: int, size: int, closed: int,
) -> int:  # fmt: skip
    """Do one of the things above: DONE or MORE."""
    done = i64(DONE)
    if what == FLOW or what == FIRST_BOOK:
        for n in range(size):
            k = flow.due(flows, now_ns) if what == FLOW else user
            if k < 0:
                market[0]["now_ns"] = max(market[0]["now_ns"], now_ns)
                return DONE
            calibrated = flows[k]["kind"] == flow.HAWKES
            if what == FLOW and calibrated:
                act = hawkes.event(market, securities, sides, orders, flows, k)
            elif what == FLOW:
                act = zero.event(market, securities, sides, orders, flows, k)
            elif calibrated:
                act = hawkes.first_order(market, securities, flows, k, n)
            else:
                act = zero.first_order(securities, flows, k, n)
            if act == flow.ENTER:
                request = flows[k]["request"]
                done = matching.enter(market, securities, sides, orders, table, events, k, matching.NOBODY, request)
            elif act >= 0:
                done = matching.cancel(market, securities, sides, orders, table, events, act, 0, ouch.CANCEL_USER)
            heed(market, events, flows, True)
            tell.tell(market, securities, events, holdings, told, out, feed, private)
            while done == MORE:
                done = matching.resume(market, securities, sides, orders, table, events)
                heed(market, events, flows, True)
                tell.tell(market, securities, events, holdings, told, out, feed, private)
            if what == FLOW and calibrated:
                hawkes.schedule(flows, k)
            elif what == FLOW:
                zero.schedule(securities, flows, k)
            if not tell.room(market, events, out, feed, private):
                return MORE
        return MORE if what == FLOW else DONE
    market[0]["now_ns"] = max(market[0]["now_ns"], now_ns)
    kind = i64(0)
    if what == REQUEST:
        kind = ouch.decode_in(buf, 0, size, asked)
        done = desk.handle(market, securities, sides, orders, table, events, users, user, asked, kind, closed)
    else:
        done = desk.resume(market, securities, sides, orders, table, events, user, asked)
    heed(market, events, flows, False)
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    if kind == ouch.ACCOUNT_QUERY:
        start = out[0]["private_size"] + 4
        n = ouch.put_account_query_response(private, start, market[0]["now_ns"], users[user]["next_ref"])
        tell.close(out, private, user, n)
    return done


@entry
def operate(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray,  # noqa: ARG001 - the whole state, as `step`
    holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    what: int, now_ns: int, slot: int, qty: int, px: int, user: int, firm: int, inst: int, tif: int, until_ns: int,
) -> int:  # fmt: skip
    """Do one of the things above: DONE or MORE."""
    market[0]["now_ns"] = max(market[0]["now_ns"], now_ns)
    done = i64(DONE)
    if what == CANCEL_WHERE:
        done = matching.cancel_where(market, securities, sides, orders, table, events, user, firm, inst, tif, until_ns, px)
    elif what == REPRICE:
        matching.reprice(market, sides, orders, events, slot, px)
    elif what == CANCEL_ONE:
        matching.cancel(market, securities, sides, orders, table, events, slot, 0, px)
    elif what == CROSS:
        matching.cross(market, securities, sides, orders, table, events, slot, qty, px, user, inst)
    else:
        tell.broken(out, private, told, holdings, slot, market[0]["now_ns"])
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    return done


@entry
def first_expiry(market: np.ndarray, orders: np.ndarray) -> int:
    """Give when the next order expires; -1 when none does."""
    return matching.first_expiry(market, orders)


@entry
def next_flow(flows: np.ndarray) -> int:
    """Give the time of the flow's next event; -1 when it is off."""
    k = flow.due(flows, i64(1) << 62)
    return flows[k]["next_ns"] if k >= 0 else i64(-1)


@entry
def publish(told: np.ndarray, out: np.ndarray, feed: np.ndarray) -> None:
    """Publish the message that Python has filled in `told`."""
    tell.publish(out, feed, told[0]["msg"])


@entry
def standing(
    securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, told: np.ndarray, out: np.ndarray, blocks: np.ndarray, now_ns: int
) -> None:
    """Publish an Add Order for every order on the books, in time priority within a price, into blocks."""
    for inst in range(securities.shape[0]):
        for which in range(2):
            side = sides[inst, which]
            for k in range(side["n"] - 1, -1, -1):
                slot = i64(side["levels"][i64(side["level"][k])]["head"])
                while slot >= 0:
                    tell.standing(out, blocks, told, securities, orders, slot, now_ns)
                    slot = i64(orders[slot]["next"])


@entry
def system_event(out: np.ndarray, private: np.ndarray, user: int, ts_ns: int, event: int) -> None:
    """Tell a user a System Event."""
    tell.close(out, private, user, ouch.put_system_event(private, out[0]["private_size"] + 4, ts_ns, event))


@entry
def cut(blocks: np.ndarray, size: int, limit: int, cuts: np.ndarray) -> int:
    """Cut message blocks into packets of at most `limit` bytes: how many; `cuts` int64[n, 2] holds end and count of messages of each."""
    n, count, at, start = i64(0), i64(0), i64(0), i64(0)
    while at < size:
        end = at + 2 + get_u16(blocks, at)
        if end - start > limit and count > 0:
            cuts[n, 0], cuts[n, 1] = at, count
            n, count, start = n + 1, i64(0), at
        count += 1
        at = end
    if count > 0:
        cuts[n, 0], cuts[n, 1] = at, count
        n += 1
    return n
