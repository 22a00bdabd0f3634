"""An outside reader: tshark dissects what we put on the wire. It knows MoldUDP64, SoupBinTCP and OUCH's older versions, not ITCH 5.0 and OUCH 5.0.

So it judges packets and message blocks, and the framing and login of the order port; messages inside are judged by test_ouch and test_feed.
"""

import shutil
import struct
import subprocess

import pytest
from venue.rig import enter, login

from noderrd.venue import config
from noderrd.venue.record import Cause, Kind

FEED, ORDERS, CLIENT = 26_400, 26_401, 40_000


def ip(payload, protocol):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, b"\x7f\0\0\1", b"\x7f\0\0\2")
    return bytes(12) + b"\x08\0" + header + payload


def udp(payload):
    return ip(struct.pack(">HHHH", FEED, FEED, 8 + len(payload), 0) + payload, 17)


def tcp(source, target, at, payload):
    return ip(struct.pack(">HHIIBBHHH", source, target, at, 0, 0x50, 0x18, 65535, 0, 0) + payload, 6)


def capture(path, frames):
    """Write a pcap file."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for k, frame in enumerate(frames):
        data += struct.pack("<IIII", k, 0, len(frame), len(frame)) + frame
    path.write_bytes(data)


def dissect(path, *fields):
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("no tshark: apt-get install tshark")
    how = ["-d", f"udp.port=={FEED},moldudp64", "-d", f"tcp.port=={ORDERS},soupbintcp", "-o", "ip.check_checksum:FALSE"]
    wanted = [part for field in fields for part in ("-e", field)]
    done = subprocess.run([program, "-n", "-r", path, *how, "-T", "fields", *wanted], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_feed_is_well_formed_to_tshark(make, tmp_path):
    venue = make(flow=config.Flow("zero", rate=400))
    while venue.exchange.do(Cause(Kind.FLOW, 0, 0, 34_201 * 10**9)):
        pass
    venue.feed.end()
    packets = venue.line.packets
    capture(tmp_path / "feed.pcap", map(udp, packets))
    rows = dissect(tmp_path / "feed.pcap", "moldudp64.session", "moldudp64.sequence", "moldudp64.count", "_ws.malformed")
    assert len(rows) == len(packets)
    for packet, (session, sequence, count, malformed) in zip(packets, rows, strict=True):
        _, first, messages = struct.unpack_from(">10sQH", packet)
        assert (session.strip(), malformed) == (venue.exchange.session, "")
        assert int(sequence.split(",")[0]) == first
        assert int(count, 0) == messages


async def test_order_port_is_well_formed_to_tshark(make, tmp_path):
    async with make().open() as venue:
        client = await login(venue.ouch)
        for k in range(1, 20):
            await client.request(enter(k, b"B", 100, 990_000))
        await client.until(lambda: len(client.of(b"A")) == 19)
        said = [*client.other, *(b"S" + m for m in client.sequenced)]
    frames, at = [], 1
    for packet in said:
        framed = struct.pack(">H", len(packet)) + packet
        frames.append(tcp(ORDERS, CLIENT, at, framed))
        at += len(framed)
    capture(tmp_path / "orders.pcap", frames)
    rows = dissect(tmp_path / "orders.pcap", "soupbintcp.packet_type", "soupbintcp.packet_length")
    assert [row[0].strip("'") for row in rows] == [chr(packet[0]) for packet in said]
    assert [int(row[1]) for row in rows] == [len(packet) for packet in said]
