"""Replay of a recorded day: ITCH 5.0 as it was recorded (BinaryFILE, or a capture of MoldUDP64), published as it was.

A BinaryFILE is a sequence of messages, each behind its length in two bytes: the very blocks of MoldUDP64, so that replaying is copying. The
venue keeps the books of the instruments that its file lists. A recording may begin after the trading action that opened a symbol: one is
then published before the symbol's first order, with tracking number 0xFFFE.
"""

from pathlib import Path

import numpy as np

from core import itch, matching
from core.bigendian import get_u16, get_u48
from core.integer import i64
from core.jit import entry, kernel
from core.layout import LOCATES, MESSAGE
from noderrd.feeds import recording
from noderrd.venue.tell import SYNTHETIC, publish, room, tell

MORE = matching.MORE
DONE = matching.DONE
SPACES = 0x20202020
EVER = 1 << 62  # later than any message

# `known` holds a row a stock locate: which instrument it is, and whether its trading state was published.
KNOWN = np.dtype([("inst", "i4"), ("state", "i4")], align=True)

TAPE = np.dtype(
    [
        ("at", "i8"),  # offset of the next block
        ("messages", "i8"),
        ("synthetic", "i8"),  # trading actions that the recording lacked
        ("unknown", "i8"),  # messages about orders that are not in our books
        ("full", "i8"),  # orders that did not fit into our books
        ("clamped", "i8"),  # messages that found fewer shares, or clients' orders before theirs
        ("altered", "i8"),  # messages published in their place
        ("phase", "i8"),  # code of the last System Event
        ("unread", "i8"),  # blocks whose message is not in the specification: published, not applied
        ("ts_ns", "i8"),  # of the last message
        ("msg", MESSAGE, (1,)),
    ],
    align=True,
)


def read(path: Path) -> np.ndarray:
    """Read a recording, whatever it lies in, as a BinaryFILE: uint8[n]. Raises OSError; ValueError for one that is damaged, torn or empty."""
    found = recording.read(path)
    if found.damaged_at is not None:
        message = f"{path}: damaged or cut short at offset {found.damaged_at}"
        raise ValueError(message)
    tape = found.data.copy()  # to numba a buffer that may not be written to is of another type
    end = int(whole(tape))
    if end == 0:
        message = f"{path}: no whole message"
        raise ValueError(message)
    return tape[:end]


def first_ns(tape: np.ndarray) -> int:
    """Give the time stamp of the first message."""
    return int.from_bytes(tape[7:13].tobytes(), "big")


def state() -> tuple[np.ndarray, np.ndarray]:
    """Give TAPE[1] and KNOWN[LOCATES] for the start of a recording."""
    known = np.zeros(LOCATES, KNOWN)
    known["inst"] = -1
    return np.zeros(1, TAPE), known


@entry
def whole(tape: np.ndarray) -> int:
    """Give where the last whole block ends; a block of less than an ITCH header ends the recording (BinaryFILE ends with length 0)."""
    at = i64(0)
    n = tape.shape[0]
    while at + 2 <= n:
        size = get_u16(tape, at)
        if size < 11 or at + 2 + size > n:
            break
        at += 2 + size
    return at


@kernel
def alter(told: np.ndarray, out: np.ndarray, feed: np.ndarray, state: np.ndarray, kind: int, ref: int, qty: int, px: int) -> None:
    """Publish what a recorded message has become, for the same symbol at the same time."""
    msg, source = told[0]["msg"], state[0]["msg"]
    msg[0]["kind"] = kind
    msg[0]["locate"] = source[0]["locate"]
    msg[0]["tracking"] = SYNTHETIC
    msg[0]["ts_ns"] = source[0]["ts_ns"]
    msg[0]["stock"] = source[0]["stock"]
    msg[0]["ref"] = ref
    msg[0]["new_ref"] = source[0]["new_ref"]
    msg[0]["side"] = source[0]["side"]
    msg[0]["qty"] = qty
    msg[0]["px"] = px
    msg[0]["match"] = source[0]["match"]
    msg[0]["code"] = source[0]["code"]
    msg[0]["text"] = source[0]["text"]
    publish(out, feed, msg)
    state[0]["altered"] += 1


@kernel
def arrive(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray, state: np.ndarray,
    inst: int, which: int, ref: int, qty: int, px: int, recorded: int,
) -> int:  # fmt: skip
    """Let an order of the recording come: it trades with clients whom it meets, the rest goes on the book: how many shares that is."""
    left = matching.hit(market, securities, sides, orders, table, events, inst, which, qty, px) if qty > 0 else i64(0)
    if left < qty:
        tell(market, securities, events, holdings, told, out, feed, private)
    if matching.place(market, securities, sides, orders, table, inst, which, ref, left, px, recorded) != DONE:
        state[0]["full"] += 1
    return left


@kernel
def apply(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray, state: np.ndarray, inst: int,
) -> bool:  # fmt: skip
    """Do to our book what the message says (ITCH 5.0 sections 1.3 and 1.4). Tells whether it can be published as it is.

    A recorded execution is an aggressor at its price: clients' orders that stand before the recorded one are filled first, and what they took the
    recorded order loses all the same, so that it ends as it did. Shares that clients took from recorded orders are not there for later messages.
    """
    msg = state[0]["msg"][0]
    kind, ref, qty = msg["kind"], msg["ref"], msg["qty"]
    if kind == itch.A or kind == itch.F:
        left = arrive(
            market, securities, sides, orders, table, events, holdings, told, out, feed, private, state, inst, i64(msg["side"]), ref, qty,
            msg["px"], qty,
        )  # fmt: skip
        if left == qty:
            return True
        if left > 0:
            alter(told, out, feed, state, kind, ref, left, msg["px"])
        return False
    slot = matching.find(orders, table, matching.key_of_ref(ref))
    if slot < 0:
        state[0]["unknown"] += 1
        return True
    which, px, there = i64(orders[slot]["side"]), orders[slot]["px"], orders[slot]["qty"]
    taken = orders[slot]["user_ref"] - there  # by clients
    if kind == itch.D:
        matching.lessen(market, securities, sides, orders, table, slot, orders[slot]["user_ref"])
        state[0]["clamped"] += 0 if there > 0 else 1
        return there > 0
    if kind == itch.U:
        matching.lessen(market, securities, sides, orders, table, slot, orders[slot]["user_ref"])
        wanted = max(qty - taken, i64(0))
        left = arrive(
            market, securities, sides, orders, table, events, holdings, told, out, feed, private, state, inst, which, msg["new_ref"], wanted,
            msg["px"], qty,
        )  # fmt: skip
        if taken == 0 and left == qty:
            return True
        state[0]["clamped"] += 1
        if there > 0:
            alter(told, out, feed, state, itch.U if left > 0 else itch.D, ref, left, msg["px"])
        elif left > 0:
            state[0]["msg"][0]["side"] = which
            alter(told, out, feed, state, itch.A, msg["new_ref"], left, msg["px"])
        return False
    left = qty
    if kind != itch.X and there > 0:
        securities[inst]["last_px"] = px
        left = matching.hit(market, securities, sides, orders, table, events, inst, 1 - which, qty, px)
        if left < qty:
            tell(market, securities, events, holdings, told, out, feed, private)
    off = matching.lessen(market, securities, sides, orders, table, slot, qty)
    if off == qty and left == qty:
        return True
    state[0]["clamped"] += 1
    traded = min(left, off)
    if traded > 0:
        alter(told, out, feed, state, kind, ref, traded, msg["px"])
    if off > traded:
        alter(told, out, feed, state, itch.D if off == there else itch.X, ref, off - traded, 0)
    return False


@kernel
def open_symbol(told: np.ndarray, out: np.ndarray, feed: np.ndarray, state: np.ndarray, known: np.ndarray) -> None:
    """Publish the trading action that the recording lacks."""
    source = state[0]["msg"][0]
    msg = told[0]["msg"]
    msg[0]["kind"] = itch.H
    msg[0]["locate"] = source["locate"]
    msg[0]["tracking"] = SYNTHETIC
    msg[0]["ts_ns"] = source["ts_ns"]
    msg[0]["stock"] = source["stock"]
    msg[0]["code"] = matching.TRADING
    msg[0]["code2"] = 32
    msg[0]["text"] = SPACES
    publish(out, feed, msg)
    known[source["locate"]]["state"] = matching.TRADING
    state[0]["synthetic"] += 1


@kernel
def bind(securities: np.ndarray, known: np.ndarray, locate: int, stock: int) -> None:
    """Remember which of our instruments a stock locate is."""
    for k in range(securities.shape[0]):
        if securities[k]["stock"] == stock:
            known[locate]["inst"] = k
            securities[k]["locate"] = locate


@kernel
def note(
    market: np.ndarray, securities: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, state: np.ndarray, known: np.ndarray
) -> int:
    """Learn from a message what is not about an order: the instrument that it is about, -1 for none of ours."""
    msg = state[0]["msg"]
    kind, locate = i64(msg[0]["kind"]), i64(msg[0]["locate"])
    state[0]["ts_ns"] = msg[0]["ts_ns"]
    market[0]["now_ns"] = max(market[0]["now_ns"], msg[0]["ts_ns"])
    if kind == itch.R or ((kind == itch.A or kind == itch.F) and known[locate]["inst"] < 0):
        bind(securities, known, locate, msg[0]["stock"])
    if kind == itch.S:
        state[0]["phase"] = msg[0]["code"]
    inst = i64(known[locate]["inst"])
    if kind == itch.H:
        known[locate]["state"] = msg[0]["code"]
        if inst >= 0:
            securities[inst]["state"] = msg[0]["code"]
            securities[inst]["halt_reason"] = msg[0]["text"]
    elif (kind == itch.A or kind == itch.F) and known[locate]["state"] == 0:
        open_symbol(told, out, feed, state, known)
    return inst


@entry
def play(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    holdings: np.ndarray, told: np.ndarray, out: np.ndarray, feed: np.ndarray, private: np.ndarray, tape: np.ndarray, state: np.ndarray,
    known: np.ndarray, until_ns: int, most: int,
) -> int:  # fmt: skip
    """Publish messages up to a venue time, or what they have become, at most `most`: DONE when none is due, else MORE."""
    for _ in range(most):
        at = state[0]["at"]
        if at >= tape.shape[0] or get_u48(tape, at + 7) > until_ns:
            return DONE
        size = get_u16(tape, at)
        if not room(market, events, out, feed, private) or out[0]["feed_size"] + events.shape[0] * 48 + size > feed.shape[0]:
            return MORE
        kind = itch.decode(tape, at + 2, size, state[0]["msg"])
        state[0]["messages"] += 1
        state[0]["at"] = at + 2 + size
        as_it_is = True
        if kind < 0:
            state[0]["unread"] += 1
        else:
            inst = note(market, securities, told, out, feed, state, known)
            if inst >= 0 and kind in (itch.A, itch.F, itch.E, itch.C, itch.X, itch.D, itch.U):
                as_it_is = apply(market, securities, sides, orders, table, events, holdings, told, out, feed, private, state, inst)
        if as_it_is:
            to = out[0]["feed_size"]
            for k in range(2 + size):
                feed[to + k] = tape[at + k]
            out[0]["feed_size"] = to + 2 + size
            out[0]["feed_count"] += 1
    return MORE
