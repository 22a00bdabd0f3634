"""Lose one message: what the node would say if the last one of a kind had never arrived.

A comparison that cannot fail proves nothing; `--break` feeds it such a snapshot. Lost are: for `book` the last Add Order of a venue's feed
whose order still stands untouched, asked from its retransmission server; for `order` the last Accepted, or Replaced, of an order that is open;
for `position` the last Executed. The last two are found in the node's journal, where every message of an order session lies as it came.
"""

import dataclasses
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from noderrd.demo.compare import Book, Level, Snapshot
from noderrd.feeds.multicast import split

ADD, ATTRIBUTED = b"A", b"F"
WITH_REFERENCE = b"AFECXDU"  # ITCH 5.0 sections 1.3 and 1.4: the reference number is at offset 11
ASK = 30
SEARCHED = 20_000
ANSWER_S = 2.0


class NothingToLose(Exception):
    """There is no such message."""


def blocks(packet: bytes) -> list[bytes]:
    """Give the message blocks of a MoldUDP64 packet."""
    found, at = [], 20
    while at < len(packet):
        (size,) = struct.unpack_from(">H", packet, at)
        found.append(packet[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def backwards(server: str, session: str, last: int) -> Iterator[bytes]:
    """Give a feed's messages from number `last` down to 1, asked from its retransmission server (MoldUDP64 1.00 section 3). Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(ANSWER_S)
        line.connect(split(server))
        while last > 0:
            first = max(last - ASK + 1, 1)
            wanted: dict[int, bytes] = {}
            while len(wanted) < last - first + 1:
                at = first + len(wanted)
                line.send(session.encode().ljust(10) + struct.pack(">QH", at, last - at + 1))
                answer = line.recv(1 << 16)
                numbered = enumerate(blocks(answer), start=struct.unpack_from(">Q", answer, 10)[0])
                wanted |= {k: message for k, message in numbered if first <= k <= last}
            for k in range(last, first - 1, -1):
                yield wanted[k]
            last = first - 1


def lose_book(node: Snapshot, venue: str, server: str, session: str, last: int) -> Snapshot:
    """Give the snapshot as if the venue's last Add Order, of an order that no later message names, had been lost. Raises NothingToLose, OSError."""
    touched: set[bytes] = set()
    for n, message in enumerate(backwards(server, session, last)):
        if n == SEARCHED:
            break
        if message[0] not in WITH_REFERENCE:
            continue
        reference = message[11:19]
        if message[:1] in (ADD, ATTRIBUTED) and reference not in touched:
            return without_order(node, venue, message)
        touched.add(reference)
    reason = f"none of the last messages of {venue} adds an order that still stands untouched"
    raise NothingToLose(reason)


def without_order(node: Snapshot, venue: str, add: bytes) -> Snapshot:
    """Take the order of an Add Order message (ITCH 5.0 section 1.3.1) out of its book."""
    side, shares, stock, px = struct.unpack_from(">cI8sI", add, 19)
    key = (venue, stock.decode("ascii").strip())
    if key not in node.books:
        reason = f"the last Add Order of {venue} is not for a symbol of the node"
        raise NothingToLose(reason)
    book = node.books[key]
    text = f"{px // 10_000}.{px % 10_000:04d}"
    if side == b"B":
        book = Book(less(book.bids, text, shares), book.asks)
    else:
        book = Book(book.bids, less(book.asks, text, shares))
    return dataclasses.replace(node, books={**node.books, key: book})


def less(levels: tuple[Level, ...], px: str, shares: int) -> tuple[Level, ...]:
    """Take one order of `shares` out of the level at `px`; an empty level is gone."""
    after = [(p, qty - shares, n - 1) if p == px else (p, qty, n) for p, qty, n in levels]
    return tuple(level for level in after if level[2] > 0)


@dataclasses.dataclass(frozen=True)
class Received:
    """A sequenced message of an order session, as the journal keeps it."""

    venue: str
    message: bytes


def received(journal: Path, venues: list[str]) -> list[Received]:
    """Read every message of the order sessions from the journal's folder, oldest first."""
    from core.codes import JournalKind
    from noderrd.journal.read import records

    return [
        Received(venues[row["venue"]], bytes(row["data"][: row["size"]]))
        for block in records(journal)
        for row in block[block["kind"] == JournalKind.RECEIVED]
    ]


def lose_order(node: Snapshot, said: list[Received]) -> Snapshot:
    """Give the snapshot as if the last Accepted or Replaced (OUCH 5.0 sections 3.2, 3.3) of an open order had been lost. Raises NothingToLose."""
    for one in reversed(said):
        kind = one.message[:1]
        if kind not in (b"A", b"U"):
            continue
        (ref,) = struct.unpack_from(">I", one.message, 9 if kind == b"A" else 13)
        if (one.venue, ref) in node.orders:
            return dataclasses.replace(node, orders={key: order for key, order in node.orders.items() if key != (one.venue, ref)})
    reason = "no order is open"
    raise NothingToLose(reason)


def lose_position(node: Snapshot, said: list[Received]) -> Snapshot:
    """Give the snapshot as if the last Executed (OUCH 5.0 section 3.6) had been lost. Raises NothingToLose."""
    entered: dict[tuple[str, int], tuple[int, str]] = {}
    last: Received | None = None
    for one in said:
        kind = one.message[:1]
        if kind in (b"A", b"U"):
            at = 9 if kind == b"A" else 13
            ref, side, _, stock = struct.unpack_from(">IcI8s", one.message, at)
            entered[one.venue, ref] = (1 if side == b"B" else -1, stock.decode("ascii").strip())
        elif kind == b"E":
            last = one
    if last is None:
        reason = "there was no fill"
        raise NothingToLose(reason)
    ref, shares = struct.unpack_from(">II", last.message, 9)
    sign, symbol = entered[last.venue, ref]
    key = (last.venue, symbol)
    positions = {**node.positions, key: node.positions.get(key, 0) - sign * shares}
    return dataclasses.replace(node, positions={key: held for key, held in positions.items() if held != 0})
