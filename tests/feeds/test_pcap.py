"""Packet captures: every form, every damage, and bytes that are none."""

import struct

import pytest
from feeds.captures import SOURCE, TARGET, block, classic, ethernet, ng, tcp, udp
from hypothesis import given, settings
from hypothesis import strategies as st

from noderrd.feeds import pcap

FRAMES = [ethernet(udp(b"one")), ethernet(udp(b"two"), vlans=2), ethernet(tcp(b"three", seq=7))]
FORMS = {
    "microseconds": (classic(FRAMES), 500_000),
    "nanoseconds": (classic(FRAMES, magic=0xA1B23C4D), 500),
    "big-endian": (classic(FRAMES, order=">"), 500_000),
    "pcapng": (ng(FRAMES), 500),
    "pcapng-big-endian": (ng(FRAMES, order=">", resolution=6), 500_000),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form):
    content, fraction = FORMS[form]
    assert pcap.is_capture(content)
    found = [pcap.segment(packet) for packet in pcap.packets(content)]
    assert [one.payload for one in found] == [b"one", b"two", b"three"]
    assert [one.protocol for one in found] == [pcap.UDP, pcap.UDP, pcap.TCP]
    assert [one.ts_ns for one in found] == [(10 + k) * 10**9 + fraction for k in range(3)]
    assert {one.source for one in found} == {SOURCE}
    assert {one.target for one in found} == {TARGET}
    assert found[2].seq == 7


@pytest.mark.parametrize("link", [pcap.RAW, pcap.IPV4])
def test_bare_ip(link):
    content = classic([udp(b"x")], link=link)
    assert [pcap.segment(packet).payload for packet in pcap.packets(content)] == [b"x"]


def test_cooked_and_loopback():
    frames = {pcap.SLL: bytes(14) + b"\x08\x00", pcap.SLL2: b"\x08\x00" + bytes(18), pcap.NULL: b"\x02\0\0\0"}
    for link, head in frames.items():
        content = classic([head + udp(b"x")], link=link)
        assert [pcap.segment(packet).payload for packet in pcap.packets(content)] == [b"x"]


def ip6(payload, extensions=b"", protocol=17):
    body = extensions + payload
    return b"\x60\0\0\0" + len(body).to_bytes(2, "big") + bytes([0 if extensions else protocol, 64]) + bytes(32) + body


@pytest.mark.parametrize("extensions", [b"", b"\x3c\0" + bytes(6) + b"\x11\x01" + bytes(14)])
def test_ip_version_6(extensions):
    """Hop-by-hop options, then destination options, then UDP."""
    datagram = udp(b"six")[20:]
    for link, head in ((pcap.ETHERNET, bytes(12) + b"\x86\xdd"), (pcap.RAW, b""), (pcap.SLL, bytes(14) + b"\x81\0\0\x05\x86\xdd")):
        assert pcap.segment(pcap.Packet(0, link, head + ip6(datagram, extensions), 0)).payload == b"six"
    assert pcap.segment(pcap.Packet(0, pcap.RAW, ip6(datagram, b"\x11\xff" + bytes(6)), 0)) is None  # a length beyond the packet


def test_a_total_length_that_the_card_was_to_fill_in():
    sent = bytearray(udp(b"large"))
    sent[2:4] = b"\0\0"
    assert pcap.segment(pcap.Packet(0, pcap.RAW, bytes(sent), 0)).payload == b"large"


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_interface_s_clock_and_the_block_that_was_before_the_enhanced_one(order):
    offset = struct.pack(order + "HHq", 14, 8, 1000) + struct.pack(order + "HHB3x", 9, 1, 3)
    content = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    content += block(order, 1, struct.pack(order + "HHI", pcap.RAW, 0, 0) + offset + bytes(4))
    content += block(order, 2, struct.pack(order + "HHIIII", 0, 7, 0, 5250, len(udp(b"x")), len(udp(b"x"))) + udp(b"x"))
    (packet,) = pcap.packets(content)
    assert packet.ts_ns == 1_005_250_000_000
    assert pcap.segment(packet).payload == b"x"


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_anywhere_keeps_what_came_before(form):
    content, _ = FORMS[form]
    whole = list(pcap.packets(content))
    ends = [packet.offset for packet in whole[1:]] + [len(content)]
    for cut in range(len(content)):
        kept, damaged = [], None
        try:
            kept.extend(pcap.packets(content[:cut]))
        except pcap.Damaged as error:
            damaged = error.offset
        kept = list(_before(content[:cut])) if damaged is not None else kept
        assert kept == [packet for packet, end in zip(whole, ends, strict=True) if end <= cut]
        assert damaged is None or damaged <= cut


def _before(content):
    try:
        yield from pcap.packets(content)
    except pcap.Damaged:
        return


def test_fragments_and_snapped_packets_are_passed_over():
    ip = bytearray(udp(b"payload"))
    ip[6] = 0x20  # more fragments
    assert pcap.segment(pcap.Packet(0, pcap.ETHERNET, ethernet(bytes(ip)), 0)) is None
    assert pcap.segment(pcap.Packet(0, pcap.ETHERNET, ethernet(udp(b"payload"))[:-3], 0)) is None
    assert pcap.segment(pcap.Packet(0, 147, b"anything", 0)) is None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(FORMS)), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_mutations_are_read_or_refused(form, changes):
    content = bytearray(FORMS[form][0])
    for at, value in changes:
        content[at % len(content)] = value
    for packet in _before(bytes(content)):
        pcap.segment(packet)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([0, 1, 101, 113, 276]))
def test_any_bytes_are_a_segment_or_not(data, link):
    found = pcap.segment(pcap.Packet(0, link, data, 0))
    assert found is None or found.payload in data or found.payload == b""


def test_what_is_written_is_read():
    content = pcap.header(pcap.RAW) + pcap.record(1_700_000_000_123_456_789, udp(b"hello"))
    (packet,) = pcap.packets(content)
    assert packet.ts_ns == 1_700_000_000_123_456_789
    assert pcap.segment(packet).payload == b"hello"
    head = packet.data[:20]
    total = sum(int.from_bytes(head[k : k + 2], "big") for k in range(0, 20, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF  # RFC 1071
