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
TRADES = 1 << 15  # trades of clients that can still be broken
TRADE = np.dtype(
    [
        ("match", "i8"),
        ("qty", "i8"),
        ("px", "i8"),
        ("taker_ref", "i8"),
        ("maker_ref", "i8"),
        ("inst", "i4"),
        ("side", "i4"),  # of the taker
        ("taker", "i4"),  # -1: nobody
        ("maker", "i4"),
        ("auction", "i4"),
    ],
    align=True,
)
DESK = np.dtype(
    [
        ("msg", MESSAGE, (1,)),
        ("maker_mils", "i8"),
        ("taker_mils", "i8"),
        ("cross_mils", "i8"),
        ("tracking", "i8"),
        ("n_trades", "i8"),
        ("ids", "u1", (2, 16)),  # ClOrdIDs for the trade that is being broken
        ("trades", TRADE, (TRADES,)),
    ],
    align=True,
)


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
def add(
    out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, inst: int, ts_ns: int, ref: int, side: int, qty: int, px: int,
    firm: int,
) -> None:  # fmt: skip
    """Add Order (ITCH 5.0 section 1.3.1), with attribution (1.3.2) when a firm is given."""
    begin(desk, securities, itch.A if firm == 0 else itch.F, inst, ts_ns)
    msg = desk[0]["msg"]
    msg[0]["ref"] = ref
    msg[0]["side"] = side
    msg[0]["qty"] = qty
    msg[0]["px"] = px
    msg[0]["stock"] = securities[inst]["stock"]
    msg[0]["text"] = firm
    publish(out, feed, msg)


@kernel
def named(orders: np.ndarray, slot: int) -> int:
    """Give the firm that an order on the book is displayed with; 0: none."""
    return orders[slot]["firm"] if orders[slot]["display"] == ouch.ATTRIBUTABLE and orders[slot]["user"] >= 0 else i64(0)


@kernel
def added(out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Add Order for what now rests."""
    add(
        out, feed, desk, securities, i64(event["inst"]), event["ts_ns"], event["ref"], i64(event["side"]), event["shown"], event["px"],
        event["firm"],
    )  # fmt: skip


@kernel
def standing(out: np.ndarray, blocks: np.ndarray, desk: np.ndarray, securities: np.ndarray, orders: np.ndarray, slot: int, ts_ns: int) -> None:
    """Add Order for an order that stands already."""
    order = orders[slot]
    add(out, blocks, desk, securities, i64(order["inst"]), ts_ns, order["ref"], i64(order["side"]), order["shown"], order["px"], named(orders, slot))


@kernel
def hold(holdings: np.ndarray, user: int, inst: int, side: int, qty: int, px: int, mils: int) -> None:
    """Count an execution of a user; a negative quantity takes a broken one out again."""
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
    h["fills"] += 1 if qty > 0 else -1


@kernel
def remember(
    desk: np.ndarray, match: int, inst: int, side: int, qty: int, px: int, taker: int, taker_ref: int, maker: int, maker_ref: int,
    auction: int,
) -> None:  # fmt: skip
    """Keep a trade of clients, so that it can be broken: the last TRADES of them."""
    trade = desk[0]["trades"][desk[0]["n_trades"] % TRADES]
    desk[0]["n_trades"] += 1
    trade["match"] = match
    trade["inst"] = inst
    trade["side"] = side
    trade["qty"] = qty
    trade["px"] = px
    trade["taker"] = taker
    trade["taker_ref"] = taker_ref
    trade["maker"] = maker
    trade["maker_ref"] = maker_ref
    trade["auction"] = auction


@kernel
def executed(
    out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, holdings: np.ndarray, event: Any
) -> None:
    """Order Executed, or Trade when the resting order was not displayed: on the feed, and for both clients."""
    inst, side, qty, px, match = i64(event["inst"]), i64(event["side"]), event["qty"], event["px"], event["match"]
    user, other = i64(event["user"]), i64(event["other"])
    dark = event["dark"] != 0
    begin(desk, securities, itch.P if dark else itch.E, inst, event["ts_ns"])
    msg = desk[0]["msg"]
    msg[0]["ref"] = 0 if dark else event["other_ref"]  # a Trade names no order, and its side is always B (section 1.5.1)
    msg[0]["side"] = Side.BUY
    msg[0]["qty"] = qty
    msg[0]["px"] = px
    msg[0]["stock"] = securities[inst]["stock"]
    msg[0]["match"] = match
    publish(out, feed, msg)
    if user >= 0:
        at = out[0]["private_size"] + 4
        close(out, private, user, ouch.put_executed(private, at, event["ts_ns"], event["user_ref"], qty, px, ouch.REMOVED, match))
        hold(holdings, user, inst, side, qty, px, desk[0]["taker_mils"])
    if other >= 0:
        at = out[0]["private_size"] + 4
        flag = ouch.ADDED_DARK if dark else ouch.ADDED
        close(out, private, other, ouch.put_executed(private, at, event["ts_ns"], event["other_user_ref"], qty, px, flag, match))
        hold(holdings, other, inst, 1 - side, qty, px, desk[0]["maker_mils"])
        holdings[other, inst]["maker_qty"] += qty
    if user >= 0 or other >= 0:
        remember(desk, match, inst, side, qty, px, user, event["user_ref"], other, event["other_user_ref"], 0)


@kernel
def crossed(
    out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, holdings: np.ndarray, event: Any
) -> None:  # fmt: skip
    """An order's part in an auction: Order Executed With Price, not printable, for what was displayed (the cross is printed once, by Cross Trade)."""
    inst, user, side = i64(event["inst"]), i64(event["user"]), i64(event["side"])
    if event["shown"] > 0:
        begin(desk, securities, itch.C, inst, event["ts_ns"])
        msg = desk[0]["msg"]
        msg[0]["ref"] = event["ref"]
        msg[0]["qty"] = event["shown"]
        msg[0]["match"] = event["match"]
        msg[0]["code"] = ouch.NO
        msg[0]["px"] = event["px"]
        publish(out, feed, msg)
    if user >= 0:
        at = out[0]["private_size"] + 4
        qty, px, match = event["qty"], event["px"], event["match"]
        close(out, private, user, ouch.put_executed(private, at, event["ts_ns"], event["user_ref"], qty, px, i64(event["reason"]), match))
        hold(holdings, user, inst, side, qty, px, desk[0]["cross_mils"])
        remember(desk, match, inst, side, qty, px, user, event["user_ref"], matching.NOBODY, 0, 1)


@kernel
def broken(out: np.ndarray, private: np.ndarray, desk: np.ndarray, holdings: np.ndarray, k: int, ts_ns: int) -> None:
    """Broken Trade for both clients of a kept trade; `ids` are the orders' ClOrdIDs, the taker's first."""
    trade = desk[0]["trades"][k]
    auction = trade["auction"] != 0
    for n in range(2):
        user = i64(trade["taker"] if n == 0 else trade["maker"])
        if user >= 0:
            ref = trade["taker_ref"] if n == 0 else trade["maker_ref"]
            at = out[0]["private_size"] + 4
            size = ouch.put_broken(private, at, ts_ns, ref, trade["match"], ouch.BROKEN_SUPERVISORY, desk[0]["ids"][n])
            close(out, private, user, size)
            mils = desk[0]["cross_mils"] if auction else desk[0]["taker_mils"] if n == 0 else desk[0]["maker_mils"]
            side = i64(trade["side"]) if n == 0 else 1 - i64(trade["side"])
            hold(holdings, user, i64(trade["inst"]), side, -trade["qty"], trade["px"], mils)
    trade["match"] = 0  # once is enough


@kernel
def taken_off(out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Order Cancel or Order Delete, if what was taken off was displayed."""
    if event["rested"] == 0 or event["shown"] == 0:
        return
    begin(desk, securities, itch.D if event["left"] == 0 else itch.X, i64(event["inst"]), event["ts_ns"])
    msg = desk[0]["msg"]
    msg[0]["ref"] = event["ref"]
    msg[0]["qty"] = event["shown"]
    publish(out, feed, msg)


@kernel
def canceled(out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """The feed's word, and the client's Order Canceled or AIQ Canceled."""
    taken_off(out, feed, desk, securities, event)
    if event["user"] < 0:
        return
    at = out[0]["private_size"] + 4
    if event["kind"] == matching.SELF_MATCH:
        flag = ouch.ADDED if event["rested"] != 0 else ouch.REMOVED
        size = ouch.put_aiq_canceled(
            private, at, event["ts_ns"], event["user_ref"], event["qty"], event["prevented"], event["px"], flag, i64(event["reason"])
        )
    else:
        size = ouch.put_canceled(private, at, event["ts_ns"], event["user_ref"], event["qty"], i64(event["reason"]))
    close(out, private, i64(event["user"]), size)


@kernel
def moved(out: np.ndarray, feed: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """Order Replace when an order moved as a quote, displayed before and after; else Order Delete of what was, and Add Order of what is."""
    was, shown = event["prevented"] > 0, event["shown"] if event["rested"] != 0 else i64(0)
    if was:
        begin(desk, securities, itch.U if shown > 0 else itch.D, i64(event["inst"]), event["ts_ns"])
        msg = desk[0]["msg"]
        msg[0]["ref"] = event["old_ref"]
        msg[0]["new_ref"] = event["ref"]
        msg[0]["qty"] = shown
        msg[0]["px"] = event["px"]
        publish(out, feed, msg)
    elif shown > 0:
        added(out, feed, desk, securities, event)


@kernel
def answer_order(out: np.ndarray, private: np.ndarray, event: Any) -> None:
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
        private, at + head, i64(event["side_char"]), event["qty"], event["stock"], event["px"], i64(event["tif"]),
        i64(event["display"]), event["ref"], i64(event["capacity"]), i64(event["sweep"]), i64(event["cross"]), i64(event["state"]),
        event["cl_ord_id"], event["options"], i64(event["options_size"]),
    )  # fmt: skip
    close(out, private, i64(event["user"]), head + size)


@kernel
def rejected(out: np.ndarray, private: np.ndarray, event: Any) -> None:
    """Rejected, for the client."""
    at = out[0]["private_size"] + 4
    size = ouch.put_rejected(private, at, event["ts_ns"], event["user_ref"], i64(event["reason"]), event["cl_ord_id"])
    close(out, private, i64(event["user"]), size)


@kernel
def answered(out: np.ndarray, feed: np.ndarray, private: np.ndarray, desk: np.ndarray, securities: np.ndarray, event: Any) -> None:
    """What is said seldom, for the client and the feed."""
    kind, ts_ns, ref = event["kind"], event["ts_ns"], event["user_ref"]
    at = out[0]["private_size"] + 4
    if kind == matching.RESTATED:
        added(out, feed, desk, securities, event)
        size = ouch.put_restated(private, at, ts_ns, ref, ouch.REFRESHED, event["shown"], event["ref"])
    elif kind == matching.REPRICED:
        event["rested"] = 1
        moved(out, feed, desk, securities, event)
        display = ouch.VISIBLE if event["shown"] > 0 else ouch.HIDDEN
        size = ouch.put_priority_update(private, at, ts_ns, ref, event["px"], display, event["ref"])
    elif kind == matching.MODIFIED:
        event["rested"] = 1
        taken_off(out, feed, desk, securities, event)
        size = ouch.put_modified(private, at, ts_ns, ref, i64(event["side_char"]), event["qty"])
    elif kind == matching.CANCEL_REFUSED:
        size = ouch.put_cancel_answer(private, at, ouch.CANCEL_REJECT, ts_ns, ref)
    elif kind == matching.CANCEL_PENDING:
        size = ouch.put_cancel_answer(private, at, ouch.CANCEL_PENDING, ts_ns, ref)
    else:
        answer = ouch.MASS_CANCEL_RESPONSE
        if kind == matching.DISABLED:
            answer = ouch.DISABLE_RESPONSE
        elif kind == matching.ENABLED:
            answer = ouch.ENABLE_RESPONSE
        size = ouch.put_answer(private, at, answer, ts_ns, ref, event["firm"], event["stock"])
    if event["user"] >= 0:
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
        elif kind == matching.CANCELED or kind == matching.SELF_MATCH:
            canceled(out, feed, private, desk, securities, event)
        elif kind == matching.REPLACED:
            answer_order(out, private, event)
            moved(out, feed, desk, securities, event)
        elif kind == matching.ACCEPTED:
            answer_order(out, private, event)
        elif kind == matching.CROSSED:
            crossed(out, feed, private, desk, securities, holdings, event)
        elif kind == matching.REJECTED:
            rejected(out, private, event)
        else:
            answered(out, feed, private, desk, securities, event)
    market[0]["n_events"] = 0


@kernel
def room(market: np.ndarray, events: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray) -> bool:
    """Tell whether a step that fills the rest of `events` can still be told: 48 bytes on the feed and 132 to clients each, at most."""
    n = events.shape[0]
    return out[0]["feed_size"] + n * 48 <= feed.shape[0] and out[0]["private_size"] + n * 132 <= private.shape[0] and market[0]["n_events"] == 0
