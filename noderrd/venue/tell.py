"""From what happened in the market to the messages that say so: ITCH for all, OUCH for those whose order it was.

The feed's messages are written as MoldUDP64 message blocks (two bytes of length, then the message), so that storing, sending and recording
them is copying. Clients' messages are written as user (two bytes), length (two bytes), message. Positions are counted here, too, because
here every execution passes once.
"""

from typing import Any

import numpy as np

from core import itch, matching, ouch
from core.bigendian import put_u16, put_u32
from core.codes import Side
from core.integer import i64
from core.jit import kernel
from core.layout import MESSAGE

FEED_BYTES = 1 << 18
PRIVATE_BYTES = 1 << 18
SYNTHETIC = 0xFFFE  # tracking number of messages that a recording lacks

OUT = np.dtype([("feed_size", "i8"), ("feed_count", "i8"), ("private_size", "i8"), ("private_count", "i8")], align=True)

# A user's holdings in an instrument: index user, inst. Fees and cash in 1e-4 of the currency; a positive fee is paid.
HOLDING = np.dtype(
    [("position", "i8"), ("bought", "i8"), ("sold", "i8"), ("cash", "i8"), ("fees", "i8"), ("fills", "i8"), ("maker_qty", "i8")], align=True
)
DESK = np.dtype([("msg", MESSAGE, (1,)), ("maker_mils", "i8"), ("taker_mils", "i8"), ("tracking", "i8")], align=True)


@kernel
def publish(out: np.ndarray, feed: np.ndarray, msg: np.ndarray) -> None:
    """Add the message to the feed's blocks."""
    at = out[0]["feed_size"]
    size = itch.encode(msg, feed, at + 2)
    put_u16(feed, at, size)
    out[0]["feed_size"] = at + 2 + size
    out[0]["feed_count"] += 1


@kernel
def begin(desk: np.ndarray, securities: np.ndarray, kind: int, inst: int, ts_ns: int) -> None:
    """Begin a feed message about an instrument."""
    msg = desk[0]["msg"]
    msg[0]["kind"] = kind
    msg[0]["locate"] = securities[inst]["locate"]
    msg[0]["tracking"] = desk[0]["tracking"]
    msg[0]["ts_ns"] = ts_ns


@kernel
def close(out: np.ndarray, private: np.ndarray, user: int, size: int) -> None:
    """End a client's message of `size` bytes that was written four bytes behind the last."""
    at = out[0]["private_size"]
    put_u16(private, at, user)
    put_u16(private, at + 2, size)
    out[0]["private_size"] = at + 4 + size
    out[0]["private_count"] += 1


@kernel
def added(out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Add Order (ITCH 5.0 section 1.3.1)."""
    begin(desk, securities, itch.A, i64(event["inst"]), event["ts_ns"])
    msg = desk[0]["msg"]
    msg[0]["ref"] = event["ref"]
    msg[0]["side"] = event["side"]
    msg[0]["qty"] = event["qty"]
    msg[0]["px"] = event["px"]
    msg[0]["stock"] = securities[event["inst"]]["stock"]
    publish(out, feed, msg)


@kernel
def standing(out: np.ndarray, blocks: np.ndarray, desk: np.ndarray, securities: np.ndarray, orders: np.ndarray, slot: int, ts_ns: int) -> None:
    """Add Order for an order that stands already."""
    inst = i64(orders[slot]["inst"])
    begin(desk, securities, itch.A, inst, ts_ns)
    msg = desk[0]["msg"]
    msg[0]["ref"] = orders[slot]["ref"]
    msg[0]["side"] = orders[slot]["side"]
    msg[0]["qty"] = orders[slot]["qty"]
    msg[0]["px"] = orders[slot]["px"]
    msg[0]["stock"] = securities[inst]["stock"]
    publish(out, blocks, msg)


@kernel
def hold(holdings: np.ndarray, user: int, inst: int, side: int, qty: int, px: int, mils: int) -> None:
    """Count an execution of a user."""
    h = holdings[user, inst]
    if side == Side.BUY:
        h["bought"] += qty
        h["position"] += qty
        h["cash"] -= qty * px
    else:
        h["sold"] += qty
        h["position"] -= qty
        h["cash"] += qty * px
    h["fees"] += qty * mils
    h["fills"] += 1


@kernel
def executed(
    out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, holdings: np.ndarray, event: Any
) -> None:
    """Order Executed: the resting order's on the feed, and both clients'."""
    inst, side, qty, px, match = i64(event["inst"]), i64(event["side"]), event["qty"], event["px"], event["match"]
    begin(desk, securities, itch.E, inst, event["ts_ns"])
    msg = desk[0]["msg"]
    msg[0]["ref"] = event["other_ref"]
    msg[0]["qty"] = qty
    msg[0]["match"] = match
    publish(out, feed, msg)
    if event["user"] >= 0:
        at = out[0]["private_size"] + 4
        close(out, private, i64(event["user"]), ouch.put_executed(private, at, event["ts_ns"], event["user_ref"], qty, px, ouch.REMOVED, match))
        hold(holdings, i64(event["user"]), inst, side, qty, px, desk[0]["taker_mils"])
    if event["other"] >= 0:
        other = i64(event["other"])
        at = out[0]["private_size"] + 4
        close(out, private, other, ouch.put_executed(private, at, event["ts_ns"], event["other_user_ref"], qty, px, ouch.ADDED, match))
        hold(holdings, other, inst, 1 - side, qty, px, desk[0]["maker_mils"])
        holdings[other, inst]["maker_qty"] += qty


@kernel
def canceled(out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Order Cancel or Order Delete, if the order was on the book, and the client's Order Canceled."""
    if event["rested"] != 0:
        begin(desk, securities, itch.D if event["left"] == 0 else itch.X, i64(event["inst"]), event["ts_ns"])
        msg = desk[0]["msg"]
        msg[0]["ref"] = event["ref"]
        msg[0]["qty"] = event["qty"]
        publish(out, feed, msg)
    if event["user"] >= 0:
        at = out[0]["private_size"] + 4
        size = ouch.put_canceled(private, at, event["ts_ns"], event["user_ref"], event["qty"], i64(event["reason"]))
        close(out, private, i64(event["user"]), size)


@kernel
def replaced(out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Order Replace when the new order is a quote, else Order Delete: what it trades and what is left of it follow."""
    begin(desk, securities, itch.U if event["rested"] != 0 else itch.D, i64(event["inst"]), event["ts_ns"])
    msg = desk[0]["msg"]
    msg[0]["ref"] = event["old_ref"]
    msg[0]["new_ref"] = event["ref"]
    msg[0]["qty"] = event["qty"]
    msg[0]["px"] = event["px"]
    publish(out, feed, msg)


@kernel
def answer_order(out: np.ndarray, private: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Order Accepted or Order Replaced for the client."""
    at = out[0]["private_size"] + 4
    if event["kind"] == matching.ACCEPTED:
        ouch.put_head(private, at, ouch.ACCEPTED, event["ts_ns"], event["user_ref"])
        head = 13
    else:
        ouch.put_head(private, at, ouch.REPLACED, event["ts_ns"], event["orig_ref"])
        put_u32(private, at + 13, event["user_ref"])
        head = 17
    size = ouch.put_order(
        private, at + head, i64(event["side_char"]), event["qty"], securities[event["inst"]]["stock"], event["px"], i64(event["tif"]),
        i64(event["display"]), event["ref"], i64(event["capacity"]), i64(event["sweep"]), i64(event["cross"]), i64(event["state"]),
        event["cl_ord_id"], i64(event["post_only"]),
    )  # fmt: skip
    close(out, private, i64(event["user"]), head + size)


@kernel
def rejected(out: np.ndarray, private: np.ndarray, event: Any) -> None:
    """Rejected, for the client."""
    at = out[0]["private_size"] + 4
    size = ouch.put_rejected(private, at, event["ts_ns"], event["user_ref"], i64(event["reason"]), event["cl_ord_id"])
    close(out, private, i64(event["user"]), size)


@kernel
def tell(
    market: np.ndarray, securities: np.ndarray, events: np.ndarray, holdings: np.ndarray, desk: np.ndarray, out: np.ndarray, feed: np.ndarray,
    private: np.ndarray,
) -> None:  # fmt: skip
    """Write the messages of all events and take the events away."""
    for e in range(market[0]["n_events"]):
        event = events[e]
        kind = event["kind"]
        if kind == matching.ADDED:
            added(out, feed, desk, securities, event)
        elif kind == matching.EXECUTED:
            executed(out, feed, private, desk, securities, holdings, event)
        elif kind == matching.CANCELED:
            canceled(out, feed, private, desk, securities, event)
        elif kind == matching.REPLACED:
            answer_order(out, private, securities, event)
            replaced(out, feed, desk, securities, event)
        elif kind == matching.ACCEPTED:
            answer_order(out, private, securities, event)
        elif kind == matching.REJECTED:
            rejected(out, private, event)
    market[0]["n_events"] = 0


@kernel
def room(market: np.ndarray, events: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray) -> bool:
    """Tell whether a step that fills the rest of `events` can still be told: 48 bytes on the feed and 96 to clients each, at most."""
    n = events.shape[0]
    return out[0]["feed_size"] + n * 48 <= feed.shape[0] and out[0]["private_size"] + n * 96 <= private.shape[0] and market[0]["n_events"] == 0
