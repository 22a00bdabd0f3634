"""A small exchange in plain Python for the lane's tests: MoldUDP64 lines A and B with retransmission, SoupBinTCP and OUCH 5.0.

It matches nothing: a test says what it answers (`on_enter` and the verbs below), so that it can also misbehave. Written from the published
specifications and apart from core's codecs, which it therefore checks too. Nothing runs by itself: `poll` takes what is there.
"""

import contextlib
import select
import socket
import struct
import time
from dataclasses import dataclass, field

SESSION = b"TEST000001"
OPENING = 34_200 * 10**9


def itch(kind: bytes, locate: int, body: bytes) -> bytes:
    """Head and body of an ITCH 5.0 message; its time stamp is that of the opening."""
    return struct.pack(">cHH6s", kind, locate, 0, OPENING.to_bytes(6, "big")) + body


@dataclass
class Order:
    """What the exchange was asked for. `side` is the OUCH character."""

    ref: int
    side: bytes
    qty: int
    symbol: str
    px: int
    tif: int
    cl_ord_id: str
    post_only: bool
    order_ref: int = 0
    executed: int = 0
    leaves: int = 0


@dataclass
class Tape:
    """Shares and money of every fill that was told, by the exchange's own record."""

    position: int = 0
    cash: int = 0
    fills: dict[int, tuple[bytes, int, int, bytes]] = field(default_factory=dict)

    def fill(self, match: int, side: bytes, qty: int, px: int, liquidity: bytes) -> None:
        sign = 1 if side == b"B" else -1
        self.position += sign * qty
        self.cash -= sign * qty * px
        self.fills[match] = (side, qty, px, liquidity)

    def bust(self, match: int) -> None:
        side, qty, px, _ = self.fills.pop(match)
        sign = 1 if side == b"B" else -1
        self.position -= sign * qty
        self.cash += sign * qty * px


class Feed:
    """One MoldUDP64 channel: what was said, two lines, and who asks again."""

    def __init__(self) -> None:
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rerequest = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rerequest.bind(("127.0.0.1", 0))
        self.rerequest.setblocking(False)
        self.lines = [self._free() for _ in "ab"]
        self.said: list[bytes] = []
        self.asked: list[tuple[int, int]] = []
        self.deaf = False

    @staticmethod
    def _free() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def packet(self, first: int, blocks: list[bytes]) -> bytes:
        return SESSION + struct.pack(">QH", first, len(blocks)) + b"".join(struct.pack(">H", len(b)) + b for b in blocks)

    def raw(self, datagram: bytes, lines: str = "ab") -> None:
        for line in lines:
            self.out.sendto(datagram, ("127.0.0.1", self.lines["ab".index(line)]))

    def say(self, *messages: bytes, lines: str = "ab") -> None:
        """Publish messages in one datagram; `lines` "" loses it on both."""
        first = len(self.said) + 1
        self.said.extend(messages)
        self.raw(self.packet(first, list(messages)), lines)

    def heartbeat(self) -> None:
        self.raw(self.packet(len(self.said) + 1, []))

    def end(self) -> None:
        self.raw(SESSION + struct.pack(">QH", len(self.said) + 1, 0xFFFF))

    def poll(self) -> None:
        while True:
            try:
                data, who = self.rerequest.recvfrom(2048)
            except BlockingIOError:
                return
            first, count = struct.unpack(">QH", data[10:20])
            self.asked.append((first, count))
            if self.deaf:
                continue
            blocks, size = [], 20
            for message in self.said[first - 1 : first - 1 + count]:
                size += 2 + len(message)
                if size > 1400:
                    break
                blocks.append(message)
            if blocks:
                self.rerequest.sendto(self.packet(first, blocks), who)

    def close(self) -> None:
        self.out.close()
        self.rerequest.close()


class Exchange:
    """The venue. `symbols` are listed with locates 1, 2, ...; prices are in 1e-4 USD."""

    def __init__(self, symbols: tuple[str, ...] = ("AAA",), user: str = "USER", password: str = "secret") -> None:
        self.symbols, self.user, self.password = symbols, user, password
        self.feed = Feed()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(4)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.line: socket.socket | None = None
        self._held = b""
        self.session = SESSION
        self.sequenced: list[bytes] = []  # the payloads, from sequence number 1 on
        self.orders: dict[int, Order] = {}
        self.entered: list[Order] = []  # orders and replaces, as they came
        self.requests: list[bytes] = []  # unsequenced payloads as they came
        self.logins: list[tuple[str, str]] = []  # session and number asked for
        self.heartbeats = 0
        self.next_ref = 1
        self.match = 1000
        self.tapes: dict[str, Tape] = {}
        self.silent = False  # says nothing any more: no heartbeats, no answers
        self.refuses_login = b""  # the code to refuse with
        self.behave()
        self._beat = time.monotonic()

    def tape_of(self, symbol: str) -> Tape:
        return self.tapes.setdefault(symbol, Tape())

    def behave(self) -> None:
        """Answer as an exchange does."""
        self.silent, self.refuses_login, self.feed.deaf, self.beats = False, b"", False, True
        self.on_enter = self.accept
        self.on_replace = self.replaced
        self.on_cancel = lambda order: self.canceled(order, order.leaves)
        self.on_query = self.answer_query

    @staticmethod
    def order_of(ref: int, side: bytes, qty: int, symbol: str, px: int) -> Order:
        """An order as if it had come."""
        return Order(ref, side, qty, symbol, px, 0, f"{ref:014X}", post_only=False)

    # ---- market data

    def open_market(self, bid: int = 999_900, ask: int = 1_000_100, size: int = 1000, levels: int = 3) -> None:
        """Say the opening of a day, and books of `levels` a side, a tick of 100 apart."""
        self.feed.say(itch(b"S", 0, b"O"), itch(b"S", 0, b"S"))
        for locate, symbol in enumerate(self.symbols, 1):
            name = symbol.encode().ljust(8)
            self.feed.say(
                itch(b"R", locate, name + b"QN" + struct.pack(">I", 1) + b"NCZ PNN1N" + struct.pack(">I", 0) + b"N"),
                itch(b"H", locate, name + b"T " + b"    "),
            )
        self.feed.say(itch(b"S", 0, b"Q"))
        for locate in range(1, len(self.symbols) + 1):
            for k in range(levels):
                self.add(locate, 100 * locate + 2 * k, b"B", size, bid - 100 * k)
                self.add(locate, 100 * locate + 2 * k + 1, b"S", size, ask + 100 * k)

    def add(self, locate: int, ref: int, side: bytes, qty: int, px: int, lines: str = "ab") -> None:
        name = self.symbols[locate - 1].encode().ljust(8)
        self.feed.say(itch(b"A", locate, struct.pack(">QcI8sI", ref, side, qty, name, px)), lines=lines)

    def delete(self, locate: int, ref: int, lines: str = "ab") -> None:
        self.feed.say(itch(b"D", locate, struct.pack(">Q", ref)), lines=lines)

    def execute(self, locate: int, ref: int, qty: int) -> None:
        self.match += 1
        self.feed.say(itch(b"E", locate, struct.pack(">QIQ", ref, qty, self.match)))

    def print_trade(self, locate: int, side: bytes, qty: int, px: int) -> None:
        """Non-cross trade (P): how a test speaks to the puppet strategy."""
        self.match += 1
        name = self.symbols[locate - 1].encode().ljust(8)
        self.feed.say(itch(b"P", locate, struct.pack(">QcI8sIQ", 0, side, qty, name, px, self.match)))

    def trading(self, locate: int, state: bytes) -> None:
        name = self.symbols[locate - 1].encode().ljust(8)
        self.feed.say(itch(b"H", locate, name + state + b" " + b"    "))

    # ---- order session

    def raw(self, data: bytes) -> None:
        """Put bytes on the session's stream."""
        assert self.line is not None
        with contextlib.suppress(OSError):
            self.line.sendall(data)

    def frame(self, kind: bytes, payload: bytes = b"") -> None:
        self.raw(struct.pack(">H", len(payload) + 1) + kind + payload)

    def tell(self, payload: bytes) -> None:
        """Say a sequenced message; it is kept, also while nobody listens."""
        self.sequenced.append(payload)
        if self.line is not None and not self.silent:
            self.frame(b"S", payload)

    def _body(self, order: Order, state: bytes) -> bytes:
        stock = order.symbol.encode().ljust(8)
        return (
            order.side + struct.pack(">I8sQ", order.leaves, stock, order.px) + str(order.tif).encode() + b"Y"
            + struct.pack(">Q", order.order_ref) + b"PNN" + state + order.cl_ord_id.encode().ljust(14) + b"\0\0"
        )  # fmt: skip

    def accept(self, order: Order, px: int | None = None, qty: int | None = None, state: bytes = b"L") -> None:
        order.px = order.px if px is None else px
        order.leaves = order.qty if qty is None else qty
        order.qty = order.leaves
        order.order_ref = 1_000_000 + order.ref
        self.tell(b"A" + struct.pack(">QI", 0, order.ref) + self._body(order, state))
        if order.tif == 3:
            self.canceled(order, order.leaves, b"I")

    def replaced(self, order: Order, new: Order) -> None:
        del self.orders[order.ref]
        new.executed, new.order_ref = order.executed, 1_000_000 + new.ref
        new.leaves = new.qty - order.executed
        self.orders[new.ref] = new
        self.tell(b"U" + struct.pack(">QII", 0, order.ref, new.ref) + self._body(new, b"L"))

    def canceled(self, order: Order, qty: int, reason: bytes = b"U") -> None:
        order.leaves -= qty
        self.tell(b"C" + struct.pack(">QII", 0, order.ref, qty) + reason)

    def rejected(self, order: Order, reason: int = 5) -> None:
        self.tell(b"J" + struct.pack(">QIH", 0, order.ref, reason) + order.cl_ord_id.encode().ljust(14))

    def fill(self, order: Order, qty: int, px: int | None = None, liquidity: bytes = b"A") -> int:
        """Execute: gives the match number. More than is open is told as it is asked for."""
        price = order.px if px is None else px
        self.match += 1
        order.executed += qty
        order.leaves = max(order.leaves - qty, 0)
        self.tape_of(order.symbol).fill(self.match, b"B" if order.side == b"B" else b"S", qty, price, liquidity)
        self.tell(b"E" + struct.pack(">QIIQ", 0, order.ref, qty, price) + liquidity + struct.pack(">QH", self.match, 0))
        return self.match

    def bust(self, match: int, ref: int = 0) -> None:
        for tape in self.tapes.values():
            if match in tape.fills:
                tape.bust(match)
        self.tell(b"B" + struct.pack(">QIQ", 0, ref, match) + b"E" + b"".ljust(14))

    def answer_query(self) -> None:
        self.tell(b"Q" + struct.pack(">QI", 0, self.next_ref))

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None

    def poll(self) -> None:
        """Take what came on every socket, and say heartbeats."""
        self.feed.poll()
        if self.beats and time.monotonic() - self._beat > 0.5:
            self._beat = time.monotonic()
            if not self.silent:
                self.feed.heartbeat()
                if self.line is not None:
                    self.frame(b"H")
        with contextlib.suppress(BlockingIOError):
            line, _ = self._listener.accept()
            self.hang_up()
            line.settimeout(5)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.line, self._held = line, b""
        if self.line is None:
            return
        if not select.select([self.line], [], [], 0)[0]:
            return
        try:
            got = self.line.recv(1 << 16)
        except OSError:
            got = b""
        if not got:
            self.hang_up()
            return
        self._held += got
        while self.line is not None and len(self._held) >= 2:
            size = int.from_bytes(self._held[:2], "big")
            if len(self._held) < 2 + size:
                return
            packet, self._held = self._held[2 : 2 + size], self._held[2 + size :]
            if not self.silent:
                self._take(packet)

    def _take(self, packet: bytes) -> None:
        kind = packet[:1]
        if kind == b"R":
            self.heartbeats += 1
        elif kind == b"L":
            self._login(packet)
        elif kind == b"O":
            self.hang_up()
        elif kind == b"U":
            self.requests.append(packet[1:])
            self._request(packet[1:])

    def _login(self, packet: bytes) -> None:
        session, number = packet[17:27].decode().strip(), packet[27:47].decode().strip()
        self.logins.append((session, number))
        wrong = packet[1:7].decode().strip() != self.user or packet[7:17].decode().strip() != self.password
        if wrong or self.refuses_login:
            self.frame(b"J", self.refuses_login or b"A")
            self.hang_up()
            return
        first = int(number) or len(self.sequenced) + 1
        self.frame(b"A", self.session.rjust(10) + str(first).rjust(20).encode())
        for payload in self.sequenced[first - 1 :]:
            self.frame(b"S", payload)

    def _request(self, m: bytes) -> None:
        kind = m[:1]
        if kind == b"Q":
            self.on_query()
        elif kind == b"O":
            ref, side, qty, stock, px = struct.unpack(">IcI8sQ", m[1:26])
            order = Order(ref, side, qty, stock.decode().strip(), px, int(m[26:27]), m[31:45].decode().strip(), len(m) > 47)
            if ref < self.next_ref:
                return
            self.next_ref = ref + 1
            self.orders[ref] = order
            self.entered.append(order)
            self.on_enter(order)
        elif kind == b"U":
            orig, ref, qty, px = struct.unpack(">IIIQ", m[1:21])
            order = self.orders.get(orig)
            if order is None or order.leaves == 0 or ref < self.next_ref:
                return
            self.next_ref = ref + 1
            new = Order(ref, order.side, qty, order.symbol, px, int(m[21:22]), m[24:38].decode().strip(), post_only=False)
            self.entered.append(new)
            self.on_replace(order, new)
        elif kind == b"X":
            ref, total = struct.unpack(">II", m[1:9])
            order = self.orders.get(ref)
            if order is None or order.leaves == 0:
                return
            if total == 0:
                self.on_cancel(order)
            elif total < order.leaves + order.executed:
                self.canceled(order, order.leaves + order.executed - total)

    def close(self) -> None:
        self.hang_up()
        self._listener.close()
        self.feed.close()
