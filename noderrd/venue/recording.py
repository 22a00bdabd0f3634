"""Replay of a recorded day: an ITCH 5.0 BinaryFILE, published as it was.

A BinaryFILE is a sequence of messages, each behind its length in two bytes: the very blocks of MoldUDP64, so that replaying is copying. The
venue keeps the books of the instruments that its file lists. A recording may begin after the trading action that opened a symbol: one is
then published before the symbol's first order, with tracking number 0xFFFE.
"""

import gzip
from pathlib import Path

import numpy as np

from core import itch, matching
from core.bigendian import get_u16, get_u48
from core.integer import i64
from core.jit import entry, kernel
from core.layout import LOCATES, MESSAGE
from noderrd.venue.tell import SYNTHETIC, publish

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
        ("unread", "i8"),  # blocks whose message is not in the specification: published, not applied
        ("ts_ns", "i8"),  # of the last message
        ("msg", MESSAGE, (1,)),
    ],
    align=True,
)


def read(path: Path) -> np.ndarray:
    """Read a BinaryFILE, gzip by content: uint8[n], cut after its last whole message. Raises OSError, EOFError, ValueError when empty."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    tape = np.frombuffer(data, np.uint8).copy()  # to numba a buffer that may not be written to is of another type
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
def apply(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, state: np.ndarray, inst: int) -> None:
    """Do to our book what the message says (ITCH 5.0 sections 1.3 and 1.4)."""
    msg = state[0]["msg"][0]
    kind = msg["kind"]
    if kind == itch.A or kind == itch.F:
        which, qty, px = i64(msg["side"]), msg["qty"], msg["px"]
        if matching.place(market, securities, sides, orders, table, inst, which, msg["ref"], qty, px) != DONE:
            state[0]["full"] += 1
        return
    slot = matching.find(orders, table, matching.key_of_ref(msg["ref"]))
    if slot < 0:
        state[0]["unknown"] += 1
        return
    if kind == itch.D:
        matching.reduce(market, securities, sides, orders, table, slot, orders[slot]["qty"])
    elif kind == itch.U:
        which = i64(orders[slot]["side"])
        matching.reduce(market, securities, sides, orders, table, slot, orders[slot]["qty"])
        if matching.place(market, securities, sides, orders, table, inst, which, msg["new_ref"], msg["qty"], msg["px"]) != DONE:
            state[0]["full"] += 1
    else:
        if kind == itch.E:
            securities[inst]["last_px"] = orders[slot]["px"]
        matching.reduce(market, securities, sides, orders, table, slot, msg["qty"])


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
def one(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, told: np.ndarray, out: np.ndarray,
    feed: np.ndarray, tape: np.ndarray, state: np.ndarray, known: np.ndarray,
) -> None:  # fmt: skip
    """Publish the next message and apply it to our books."""
    at = state[0]["at"]
    size = get_u16(tape, at)
    msg = state[0]["msg"]
    kind = itch.decode(tape, at + 2, size, msg)
    state[0]["messages"] += 1
    state[0]["at"] = at + 2 + size
    if kind < 0:
        state[0]["unread"] += 1
    else:
        locate = i64(msg[0]["locate"])
        state[0]["ts_ns"] = msg[0]["ts_ns"]
        market[0]["now_ns"] = max(market[0]["now_ns"], msg[0]["ts_ns"])
        if kind == itch.R or ((kind == itch.A or kind == itch.F) and known[locate]["inst"] < 0):
            bind(securities, known, locate, msg[0]["stock"])
        if kind == itch.H:
            known[locate]["state"] = msg[0]["code"]
            if known[locate]["inst"] >= 0:
                securities[known[locate]["inst"]]["state"] = msg[0]["code"]
        elif (kind == itch.A or kind == itch.F) and known[locate]["state"] == 0:
            open_symbol(told, out, feed, state, known)
        inst = i64(known[locate]["inst"])
        if inst >= 0 and kind in (itch.A, itch.F, itch.E, itch.C, itch.X, itch.D, itch.U):
            apply(market, securities, sides, orders, table, state, inst)
    to = out[0]["feed_size"]
    for k in range(2 + size):
        feed[to + k] = tape[at + k]
    out[0]["feed_size"] = to + 2 + size
    out[0]["feed_count"] += 1


@kernel
def play(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, told: np.ndarray, out: np.ndarray,
    feed: np.ndarray, tape: np.ndarray, state: np.ndarray, known: np.ndarray, until_ns: int, most: int,
) -> int:  # fmt: skip
    """Publish messages up to a venue time, at most `most`: DONE when none is due, else MORE."""
    for _ in range(most):
        at = state[0]["at"]
        if at >= tape.shape[0] or get_u48(tape, at + 7) > until_ns:
            return DONE
        if out[0]["feed_size"] + 128 + get_u16(tape, at) > feed.shape[0]:
            return MORE
        one(market, securities, sides, orders, table, told, out, feed, tape, state, known)
    return MORE
