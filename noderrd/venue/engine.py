"""The kernels that Python calls: one step of the market each, from what caused it to the messages that tell it.

Every entry takes the whole state in the same order. It answers DONE, or MORE when output is full: take the output away, then call it again (for a
client's request, call `resume`).
"""

# ruff: noqa: ARG001 - every entry takes the whole state, so that there is one way to call them

import numpy as np

from core import matching, ouch
from core.bigendian import get_u16
from core.integer import i64
from core.jit import entry
from noderrd.venue import desk, flow, recording, tell

DONE, MORE = matching.DONE, matching.MORE


@entry
def request(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    asked: np.ndarray, buf: np.ndarray, size: int, user: int, now_ns: int, closed: int,
) -> int:  # fmt: skip
    """Take one OUCH message of a user, the first `size` bytes of buf."""
    market[0]["now_ns"] = max(market[0]["now_ns"], now_ns)
    kind = ouch.decode_in(buf, 0, size, asked)
    done = desk.handle(market, securities, sides, orders, table, events, users, user, asked, kind, closed)
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    if kind == ouch.ACCOUNT_QUERY:
        start = out[0]["private_size"] + 4
        n = ouch.put_account_query_response(private, start, market[0]["now_ns"], users[user]["next_ref"])
        tell.close(out, private, user, n)
    return done


@entry
def resume(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
) -> int:  # fmt: skip
    """Go on with an order whose matching was interrupted."""
    done = matching.resume(market, securities, sides, orders, table, events)
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    return done


@entry
def cancel_owned(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    user: int, reason: int, now_ns: int,
) -> int:  # fmt: skip
    """Cancel all orders of a user."""
    market[0]["now_ns"] = max(market[0]["now_ns"], now_ns)
    done = matching.cancel_owned(market, securities, sides, orders, table, events, user, reason)
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    return done


@entry
def flow_until(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    flows: np.ndarray, until_ns: int, most: int,
) -> int:  # fmt: skip
    """Let the flow's events up to a time happen, at most `most` of them: DONE when none is left, else MORE."""
    for _ in range(most):
        k = flow.due(flows, until_ns)
        if k < 0:
            market[0]["now_ns"] = max(market[0]["now_ns"], until_ns)
            return DONE
        done = flow.one(market, securities, sides, orders, table, events, flows, k)
        tell.tell(market, securities, events, holdings, told, out, feed, private)
        while done == MORE:
            done = matching.resume(market, securities, sides, orders, table, events)
            tell.tell(market, securities, events, holdings, told, out, feed, private)
        if not tell.room(market, events, out, feed, private):
            return MORE
    return MORE


@entry
def first_book(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    flows: np.ndarray, k: int,
) -> int:  # fmt: skip
    """Give an instrument the flow's first book."""
    flow.first_book(market, securities, sides, orders, table, events, flows, k)
    tell.tell(market, securities, events, holdings, told, out, feed, private)
    return DONE


@entry
def next_flow(flows: np.ndarray) -> int:
    """Give the time of the flow's next event; -1 when it is off."""
    k = flow.due(flows, i64(1) << 62)
    return flows[k]["next_ns"] if k >= 0 else i64(-1)


@entry
def replay(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray,
    tape: np.ndarray, state: np.ndarray, known: np.ndarray, until_ns: int, most: int,
) -> int:  # fmt: skip
    """Publish a recording's messages up to a venue time, at most `most`: DONE when none is due, else MORE."""
    return recording.play(market, securities, sides, orders, table, told, out, feed, tape, state, known, until_ns, most)


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
