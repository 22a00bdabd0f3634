"""The feed: TotalView-ITCH messages in MoldUDP64 packets on two lines, and the server that gives them again.

MoldUDP64 1.00 (Nasdaq): a packet is session (10), sequence number of its first message (8), count (2) and message blocks. A heartbeat has
count 0, the end of a session count 0xFFFF; both carry the next sequence number. A request has the same 20 bytes, its count is how many are
wanted; the answer is one packet with as many as fit, and who wants more asks again.
"""

import ipaddress
import socket
import struct
import time
from typing import Any, Protocol

import numpy as np
import trio

from noderrd.venue import engine
from noderrd.venue.config import Itch, split
from noderrd.venue.exchange import Exchange
from noderrd.venue.record import Effects

HEADER = struct.Struct(">10sQH")
PACKET_MAX = 1_452  # bytes of a packet with its header: what an Ethernet frame carries
END_OF_SESSION = 0xFFFF
HEARTBEAT_S = 1.0
CUTS = 1 << 16  # packets that one cause's messages may need
SEND_BUFFER = 4 << 20


class Line(Protocol):
    """Where packets go."""

    def send(self, packet: bytes) -> None:
        """Send a packet, or lose it: a feed waits for nobody."""
        ...


class UdpLine:
    """A line: a multicast group through one interface, or a unicast address. Raises OSError."""

    def __init__(self, address: str, interface: str) -> None:
        self._address = split(address)
        self.multicast = ipaddress.ip_address(self._address[0]).is_multicast
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self.multicast:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        self.packets = 0
        self.unsent = 0

    def send(self, packet: bytes) -> None:
        """Send a packet; one that the host does not take is counted, and can be asked for again."""
        try:
            self._socket.sendto(packet, self._address)
            self.packets += 1
        except OSError:  # no buffer, or an ICMP answer to an earlier packet: nobody listens there yet
            self.unsent += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def open_lines(itch: Itch, log: Any) -> dict[str, UdpLine]:
    """Open both lines. Raises OSError."""
    lines = {}
    for name, address in (("a", itch.a), ("b", itch.b)):
        line = UdpLine(address, itch.interface)
        lines[name] = line
        how = "multicast" if line.multicast else "unicast"
        log.info("feed line", line=name, address=address, how=how, interface=itch.interface)
    return lines


class Feed:
    """Publishes what the exchange says, and answers who asks again."""

    def __init__(self, exchange: Exchange, lines: dict[str, Line], log: Any) -> None:
        self._exchange, self.lines, self._log = exchange, lines, log
        self._session = exchange.session.encode().ljust(10)
        self._cuts = np.zeros((CUTS, 2), np.int64)
        self._sent_ns = 0
        self.answered = self.refused = 0
        self.ended = False
        self.beats = True
        exchange.feed_listeners.append(self.publish)

    def publish(self, first: int, effects: Effects) -> None:
        """Send messages, numbered from `first`, on both lines."""
        blocks, room = effects.feed, PACKET_MAX - HEADER.size
        if len(blocks) <= room:
            self._send(first, effects.count, blocks)
            return
        n = engine.cut(np.frombuffer(bytearray(blocks), np.uint8), len(blocks), room, self._cuts)
        start = 0
        for end, count in self._cuts[:n].tolist():
            self._send(first, count, blocks[start:end])
            first, start = first + count, end

    def _send(self, first: int, count: int, blocks: bytes) -> None:
        packet = HEADER.pack(self._session, first, count) + blocks
        for line in self.lines.values():
            line.send(packet)
        self._sent_ns = time.monotonic_ns()

    def end(self) -> None:
        """Say that the session is over."""
        self.ended = True
        self._send(self._exchange.record.feed_next, END_OF_SESSION, b"")

    async def heartbeats(self) -> None:
        """Say every second what comes next, if nothing else was said; after the end, that it is over."""
        while True:
            if time.monotonic_ns() - self._sent_ns >= HEARTBEAT_S * 0.9e9:
                if self.ended:
                    self.end()
                elif self.beats:
                    self._send(self._exchange.record.feed_next, 0, b"")
            await trio.sleep(HEARTBEAT_S)

    async def serve(self, address: str, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests for messages, from the first one on; the port is the task's word. Raises OSError when the address is taken."""
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            await door.bind(split(address))
            task_status.started(door.getsockname()[1])
            while True:
                try:
                    request, whom = await door.recvfrom(2048)
                    answer = self.answer(request)
                    if answer:
                        await door.sendto(answer, whom)
                except OSError as error:  # an ICMP answer to what we sent: its asker has gone
                    self._log.info("retransmission not sent", reason=str(error))

    def answer(self, request: bytes) -> bytes:
        """Give the packet that answers a request; empty for what is none, or for messages that there are not."""
        if len(request) != HEADER.size:
            self.refused += 1
            return b""
        session, first, wanted = HEADER.unpack(request)
        blocks, count = b"", 0
        if session == self._session and wanted != END_OF_SESSION:
            blocks, count = self._exchange.record.feed_blocks(first, wanted, PACKET_MAX - HEADER.size)
        if count == 0:
            self.refused += 1
            return b""
        self.answered += 1
        return HEADER.pack(self._session, first, count) + blocks
