"""What an exchange's record says of one client: its requests, every message it was sent, and what is open and held after them.

The record (noderrd.venue.record) is read and never written, also while the exchange is writing it.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from noderrd.venue.record import BODY, HEAD, MAGIC, Kind


@dataclasses.dataclass
class Open:
    """An order that can still fill."""

    symbol: str
    side: str
    px: int
    leaves_qty: int


@dataclasses.dataclass
class Told:
    """Everything between an exchange and its only client, oldest first; `messages[k]` is sequenced message k + 1 of the client's session."""

    requests: list[bytes] = dataclasses.field(default_factory=list)
    messages: list[bytes] = dataclasses.field(default_factory=list)
    orders: dict[int, Open] = dataclasses.field(default_factory=dict)
    positions: dict[str, int] = dataclasses.field(default_factory=dict)
    fills: int = 0

    @property
    def entered(self) -> int:
        """How many new orders arrived."""
        return sum(request[:1] == b"O" for request in self.requests)


def read(path: Path) -> Told:
    """Read a record up to its last whole entry. Raises OSError, ValueError when it is none."""
    told = Told()
    for kind, payload, private in _entries(path.read_bytes(), path):
        if kind == Kind.REQUEST:
            told.requests.append(payload)
        at = 0
        while at < len(private):
            (size,) = struct.unpack_from(">H", private, at + 2)
            message = private[at + 4 : at + 4 + size]
            told.messages.append(message)
            _apply(told, message)
            at += 4 + size
    return told


def _entries(raw: bytes, path: Path) -> Iterator[tuple[int, bytes, bytes]]:
    if not raw.startswith(MAGIC):
        message = f"{path}: not a venue's record"
        raise ValueError(message)
    at = len(MAGIC)
    while at + HEAD.size <= len(raw):
        size, checksum = HEAD.unpack_from(raw, at)
        body = raw[at + HEAD.size : at + HEAD.size + size]
        if len(body) < size or zlib.crc32(body) != checksum:
            return
        kind, _, _, _, payload, feed, _, private = BODY.unpack_from(body)
        start = BODY.size
        yield kind, body[start : start + payload], body[start + payload + feed : start + payload + feed + private]
        at += HEAD.size + size


def _apply(told: Told, message: bytes) -> None:
    """Follow one message (OUCH 5.0 section 3)."""
    kind = message[:1]
    if kind in b"AU":
        at = 9 if kind == b"A" else 13
        if kind == b"U":
            told.orders.pop(int.from_bytes(message[9:13], "big"), None)
        ref, side, qty, stock, px = struct.unpack_from(">IcI8sQ", message, at)
        if message[at + 38 : at + 39] != b"D":
            told.orders[ref] = Open(stock.decode("ascii").strip(), "buy" if side == b"B" else "sell", px, qty)
    elif kind in b"CE":
        ref, qty = struct.unpack_from(">II", message, 9)
        order = told.orders[ref]
        order.leaves_qty -= qty
        if kind == b"E":
            told.fills += 1
            signed = qty if order.side == "buy" else -qty
            told.positions[order.symbol] = told.positions.get(order.symbol, 0) + signed
        if order.leaves_qty <= 0:
            del told.orders[ref]
