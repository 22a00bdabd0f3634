"""A venue in this process: real doors on loopback ports, a feed that is kept instead of sent; and a client of its order port."""

import contextlib
import dataclasses
import struct
from decimal import Decimal
from pathlib import Path

import trio

from noderrd import logs
from noderrd.venue import config
from noderrd.venue.admin import Admin
from noderrd.venue.faults import Faults, FaultyLine
from noderrd.venue.feed import Feed
from noderrd.venue.glimpse import Glimpse
from noderrd.venue.orders import Port, drop_seats, order_seats
from noderrd.venue.record import Cause, Kind, Record
from noderrd.venue.service import Service

NOWHERE = "127.0.0.1:0"
opened = []  # connections of clients, closed with the venue


def listing(symbol="TEST", reference="100.00", lot=1):
    return config.Instrument(symbol, Decimal(reference), Decimal("0.01"), lot)


def configuration(**changes):
    """A venue with two users and one symbol, in virtual time, without flow."""
    users = (config.User("ONE", "secret", "A1"), config.User("TWO", "secret", "A2"))
    plain = config.Config(
        "V1", config.Itch(NOWHERE, NOWHERE, NOWHERE), config.Ouch(NOWHERE, users), config.Admin(Path()), (listing(),), seed=7,
        time=config.Time("virtual"),
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


class Kept:
    """A line that keeps its packets."""

    def __init__(self):
        self.packets = []

    def send(self, packet):
        self.packets.append(packet)

    def messages(self):
        """(sequence number, message) of every packet."""
        found = []
        for packet in self.packets:
            _, first, count = struct.unpack_from(">10sQH", packet)
            at = 20
            for k in range(count if count != 0xFFFF else 0):
                (size,) = struct.unpack_from(">H", packet, at)
                found.append((first + k, packet[at + 2 : at + 2 + size]))
                at += 2 + size
            assert count == 0xFFFF or at == len(packet)
        return found


class Venue:
    """The parts of a venue, with the ports they got."""

    def __init__(self, settings, record=None):
        log = logs.get("test")
        self.config, self.record = settings, Record(record)
        try:
            self.service = Service(settings, self.record, log)
        except BaseException:
            self.record.close()
            raise
        self.exchange = self.service.exchange
        self.line = Kept()
        faulty = FaultyLine(self.line, Faults(), [1])
        self.feed = Feed(self.exchange, {"a": faulty}, log)
        self.port = Port(order_seats(settings), self.exchange, self.service.clock, log)
        self.drop = Port(drop_seats(settings, self.exchange), self.exchange, self.service.clock, log)
        self.glimpse = Glimpse(self.exchange, self.port.judge, log)
        self.admin = Admin(self.service, self.feed, self.port, {"a": faulty}, log)
        self.service.on_close += [self.feed.end, self.port.end, self.drop.end]

    def ask(self, do, **arguments):
        """Put a question to the admin socket's other side."""
        return self.admin.ask({"do": do, **arguments})

    def request(self, user, message):
        """Take a client's OUCH message, without a connection; gives what that user is told of it."""
        before = self.record.private_next(user)
        self.exchange.do(Cause(Kind.REQUEST, self.service.clock.now(), user, payload=message))
        return self.record.private_messages(user, before, 1 << 16)

    def messages(self):
        """Every message of the feed, from the first one on."""
        found, first = [], 1
        while first < self.record.feed_next:
            blocks, count = self.record.feed_blocks(first, 1_000, 1 << 16)
            at = 0
            for _ in range(count):
                size = blocks[at] << 8 | blocks[at + 1]
                found.append(blocks[at + 2 : at + 2 + size])
                at += 2 + size
            first += count
        return found

    @contextlib.asynccontextmanager
    async def open(self):
        async with trio.open_nursery() as nursery:
            self.ouch = await nursery.start(self.port.serve, NOWHERE)
            self.copies = await nursery.start(self.drop.serve, NOWHERE)
            self.rerequest = await nursery.start(self.feed.serve, NOWHERE)
            self.snapshots = await nursery.start(self.glimpse.serve, NOWHERE)
            try:
                yield self
            finally:
                while opened:
                    await opened.pop().aclose()
            nursery.cancel_scope.cancel()


class Client:
    """A SoupBinTCP client, written against the specification and not against core.soupbintcp."""

    def __init__(self, stream):
        self.stream, self.held = stream, b""
        self.sequenced, self.other, self.closed = [], [], False

    async def send(self, packet):
        await self.stream.send_all(struct.pack(">H", len(packet)) + packet)

    async def request(self, message):
        await self.send(b"U" + message)

    async def pump(self):
        """Take what comes next; False at the end of the connection."""
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        self.closed = not data
        self.held += data
        while len(self.held) >= 2 and len(self.held) >= 2 + (size := struct.unpack_from(">H", self.held)[0]):
            packet, self.held = self.held[2 : 2 + size], self.held[2 + size :]
            (self.sequenced if packet[:1] == b"S" else self.other).append(packet[1:] if packet[:1] == b"S" else packet)
        return not self.closed

    async def until(self, done, seconds=10.0):
        with trio.fail_after(seconds):
            while not done():
                assert await self.pump(), "the venue closed the connection"

    async def until_closed(self, seconds=10.0):
        with trio.fail_after(seconds):
            while await self.pump():
                pass

    def of(self, kind):
        return [m for m in self.sequenced if m[:1] == kind]


async def connect(port):
    client = Client(await trio.open_tcp_stream("127.0.0.1", port))
    opened.append(client.stream)
    return client


async def login(port, user="ONE", password="secret", session="", number=1):
    client = await connect(port)
    await client.send(b"L" + user.ljust(6).encode() + password.ljust(10).encode() + session.rjust(10).encode() + str(number).rjust(20).encode())
    with trio.fail_after(5):
        while not client.other and await client.pump():
            pass
    return client


def enter(ref, side, qty, px, tif=b"0", stock=b"TEST", display=b"Y", cross=b"N", options=b""):
    """Enter Order, OUCH 5.0 section 2.1; px in 1e-4."""
    body = struct.pack(">cIcI8sQ", b"O", ref, side, qty, stock.ljust(8), px) + tif + display + b"PN" + cross + f"C{ref}".ljust(14).encode()
    return body + struct.pack(">H", len(options)) + options


def replace(old, ref, qty, px, tif=b"0", display=b"Y", options=b""):
    """Replace Order, section 2.2."""
    body = struct.pack(">cIIIQ", b"U", old, ref, qty, px) + tif + display + b"N" + f"C{ref}".ljust(14).encode()
    return body + struct.pack(">H", len(options)) + options


def cancel(ref, qty=0):
    """Cancel Order, section 2.3."""
    return struct.pack(">cII", b"X", ref, qty)


def modify(ref, side, qty):
    """Modify Order, section 2.4."""
    return struct.pack(">cIcI", b"M", ref, side, qty)


def option(tag, form, value):
    """One element of an appendage (appendix A)."""
    data = struct.pack(f">{form}", value)
    return bytes([len(data) + 1, tag]) + data


POST_ONLY = option(12, "c", b"P")


def least(qty):
    """Minimum quantity."""
    return option(3, "I", qty)


def floor(qty):
    """Displayed quantity of an order with reserve."""
    return option(5, "I", qty)
