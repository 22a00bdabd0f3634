"""Packet captures: classic pcap (microseconds, nanoseconds, either byte order) and pcapng, and the UDP and TCP payloads in them.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; link types: tcpdump.org/linktypes. Everything is bounded by the file's own size and by
PACKET_MOST. IP fragments and what is neither UDP nor TCP are passed over; so are IPv6 headers between the first one and these.
"""

import dataclasses
import struct
from collections.abc import Iterator

PACKET_MOST = 1 << 18  # the largest snapshot length that libpcap knows
MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000), b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip
SECTION = b"\x0a\x0d\x0d\x0a"
ENHANCED, OBSOLETE = 6, 2  # types of pcapng blocks
NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
IP4, IP6, VLANS = 0x0800, 0x86DD, (0x8100, 0x88A8, 0x9100)
TCP, UDP = 6, 17
EXTENSIONS = frozenset((0, 43, 60, 135, 139, 140))  # of IPv6, of the usual form: next header, length in eights beyond the first (RFC 6564)
FIRST_FRAGMENT_ONLY = 0x3FFF  # more-fragments bit and fragment offset


class Damaged(ValueError):
    """The capture cannot be read on; `offset` says where it stops being one."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"damaged at offset {offset}: {why}")
        self.offset = offset


@dataclasses.dataclass(frozen=True)
class Packet:
    """What was captured: nanoseconds since the epoch, link type, bytes, and where its record begins in the file."""

    ts_ns: int
    link: int
    data: bytes
    offset: int


@dataclasses.dataclass(frozen=True)
class Segment:
    """A UDP datagram or a TCP segment. `seq` and `flags` are TCP's."""

    ts_ns: int
    protocol: int
    source: tuple[bytes, int]
    target: tuple[bytes, int]
    payload: bytes
    offset: int
    seq: int = 0
    flags: int = 0


def is_capture(content: bytes) -> bool:
    """Tell whether a file begins like a packet capture."""
    return content[:4] in MAGICS or content[:4] == SECTION


def packets(content: bytes) -> Iterator[Packet]:
    """Give the packets of a capture. Raises Damaged, after the packets before the damage."""
    yield from _blocks(content) if content[:4] == SECTION else _records(content)


def _records(content: bytes) -> Iterator[Packet]:
    """Read classic pcap: a file header of 24 bytes, a header of 16 before each packet."""
    if content[:4] not in MAGICS or len(content) < 24:
        raise Damaged(0, "no pcap header")
    order, scale = MAGICS[content[:4]]
    link = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    at = 24
    while at < len(content):
        if at + 16 > len(content):
            raise Damaged(at, "a record's header is cut short")
        seconds, fraction, size, _ = struct.unpack_from(order + "4I", content, at)
        if size > PACKET_MOST or at + 16 + size > len(content):
            raise Damaged(at, f"a record of {size} bytes in a file that ends before it")
        yield Packet(seconds * 1_000_000_000 + fraction * scale, link, content[at + 16 : at + 16 + size], at)
        at += 16 + size


def _blocks(content: bytes) -> Iterator[Packet]:
    """Read pcapng: blocks of type, length, body, length; section headers set the byte order and forget the interfaces."""
    order, interfaces, at = "<", list[tuple[int, int, int]](), 0
    while at < len(content):
        if at + 12 > len(content):
            raise Damaged(at, "a block is cut short")
        if content[at : at + 4] == SECTION:
            order, interfaces = ("<" if content[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"), []
        kind, size = struct.unpack_from(order + "2I", content, at)
        if size < 12 or size % 4 or at + size > len(content):
            raise Damaged(at, f"a block of {size} bytes in a file that ends before it")
        body = content[at + 8 : at + size - 4]
        if kind == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], *_clock(body[8:], order)))
        elif kind in (ENHANCED, OBSOLETE):
            yield _packet(body, order, interfaces, at, kind)
        elif kind == 3 and interfaces:
            yield Packet(0, interfaces[0][0], body[4 : 4 + struct.unpack_from(order + "I", body)[0]] if len(body) >= 4 else b"", at)
        at += size


def _clock(options: bytes, order: str) -> tuple[int, int]:
    """Give an interface's ticks a second (if_tsresol, else a million), and the seconds that its times lack (if_tsoffset)."""
    at, resolution, offset = 0, 1_000_000, 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + "2H", options, at)
        if code == 9 and size == 1 and at + 5 <= len(options):
            value = options[at + 4]
            resolution = int(2 ** min(value & 0x7F, 60)) if value & 0x80 else int(10 ** min(value, 18))
        elif code == 14 and size == 8 and at + 12 <= len(options):
            offset = struct.unpack_from(order + "q", options, at + 4)[0]
        elif code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return resolution, offset


def _packet(body: bytes, order: str, interfaces: list[tuple[int, int, int]], at: int, kind: int) -> Packet:
    """Read an Enhanced Packet Block, or the Packet Block that was before it (interface in 16 bits, then a count of drops)."""
    if len(body) < 20:
        raise Damaged(at, "a packet block is cut short")
    interface, high, low, size, _ = struct.unpack_from(order + "5I", body)
    if kind == OBSOLETE:
        interface = struct.unpack_from(order + "H", body)[0]
    if interface >= len(interfaces) or 20 + size > len(body):
        raise Damaged(at, "a packet block of an interface or a length that is not there")
    link, resolution, offset = interfaces[interface]
    return Packet((high << 32 | low) * 1_000_000_000 // resolution + offset * 1_000_000_000, link, body[20 : 20 + size], at)


def segment(packet: Packet) -> Segment | None:
    """Give the UDP datagram or TCP segment in a packet; None when there is none, or not a whole one."""
    data, link = packet.data, packet.link
    try:
        if link == ETHERNET:
            kind, at = int.from_bytes(data[12:14], "big"), 14
        elif link == SLL:
            kind, at = int.from_bytes(data[14:16], "big"), 16
        elif link == SLL2:
            kind, at = int.from_bytes(data[:2], "big"), 20
        elif link in (NULL, LOOP):
            kind, at = (IP4 if data[4] >> 4 == 4 else IP6), 4
        elif link in (RAW, IPV4, IPV6, 12, 14):
            kind, at = (IP4 if data[0] >> 4 == 4 else IP6), 0
        else:
            return None
        while kind in VLANS:
            kind, at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        if kind == IP4:
            return _ip4(packet, data[at:])
        return _ip6(packet, data[at:]) if kind == IP6 else None
    except (IndexError, struct.error):
        return None


def _ip4(packet: Packet, data: bytes) -> Segment | None:
    """Read IPv4 (RFC 791). A total length of 0 is the card's to fill in: the capture was taken before it did."""
    header, total = (data[0] & 0xF) * 4, int.from_bytes(data[2:4], "big") or len(data)
    if data[0] >> 4 != 4 or header < 20 or total > len(data) or int.from_bytes(data[6:8], "big") & FIRST_FRAGMENT_ONLY:
        return None
    return _transport(packet, data[9], data[12:16], data[16:20], data[header:total])


def _ip6(packet: Packet, data: bytes) -> Segment | None:
    """Read IPv6 (RFC 8200)."""
    size = int.from_bytes(data[4:6], "big")
    if data[0] >> 4 != 6 or 40 + size > len(data):
        return None
    kind, at, end = data[6], 40, 40 + size
    while kind in EXTENSIONS and at + 8 <= end:
        kind, at = data[at], at + 8 + 8 * data[at + 1]
    return _transport(packet, kind, data[8:24], data[24:40], data[at:end]) if at <= end else None


def _transport(packet: Packet, protocol: int, source: bytes, target: bytes, data: bytes) -> Segment | None:
    """Read UDP (RFC 768) or TCP (RFC 9293)."""
    if protocol == UDP:
        from_port, to_port, size, _ = struct.unpack_from(">4H", data)
        if not 8 <= size <= len(data):
            return None
        return Segment(packet.ts_ns, UDP, (source, from_port), (target, to_port), data[8:size], packet.offset)
    if protocol == TCP:
        from_port, to_port, seq, _, offset, flags = struct.unpack_from(">2H2I2B", data)
        header = (offset >> 4) * 4
        if not 20 <= header <= len(data):
            return None
        return Segment(packet.ts_ns, TCP, (source, from_port), (target, to_port), data[header:], packet.offset, seq, flags)
    return None


def header(link: int = ETHERNET) -> bytes:
    """Give the header of a classic pcap with nanoseconds."""
    return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, PACKET_MOST, link)


def record(ts_ns: int, data: bytes) -> bytes:
    """Give a packet's record for such a file."""
    return struct.pack("<4I", ts_ns // 1_000_000_000, ts_ns % 1_000_000_000, len(data), len(data)) + data


def datagram(source: tuple[bytes, int], target: tuple[bytes, int], payload: bytes) -> bytes:
    """Give an IPv4 packet that carries a UDP datagram, as link type RAW captures it. No UDP checksum, which 0 says."""
    total = 28 + len(payload)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 16, UDP, 0, source[0], target[0])
    words = sum(struct.unpack(">10H", head))
    check = ~((words & 0xFFFF) + (words >> 16) + ((words & 0xFFFF) + (words >> 16) >> 16)) & 0xFFFF
    return head[:10] + check.to_bytes(2, "big") + head[12:] + struct.pack(">4H", source[1], target[1], total - 20, 0) + payload
