"""AF_XDP: the program against the kernel's verifier, the rings against a naive twin, and the whole of it on a veth pair."""

import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jit import exposed
from noderrd.lane import bpf, xdp, xdp_ring
from noderrd.lane.syscalls import IOVEC, MMSGHDR, MSG_TRUNC

RECEIVE = exposed(xdp_ring.receive)
WANTED = [("10.77.0.1", 5001), ("239.255.3.4", 6001)]


def header(destination, port, size, *, ethertype=0x0800, first=0x45, protocol=17, fragment=0):
    ethernet = b"\x02" * 12 + struct.pack("!H", ethertype)
    ip = struct.pack("!BBHHHBBH4s4s", first, 0, 28 + size, 1, fragment, 8, protocol, 0, b"\x0a\x09\x09\x09", socket.inet_aton(destination))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    return ethernet + ip + struct.pack("!HHHH", 999, port, 8 + size, 0)


class Machine:
    """A naive interpreter of the instructions that we write: enough to say what the program does with a packet."""

    def run(self, code, packet):
        places = [struct.unpack_from("<BBhi", code, 8 * k) for k in range(len(code) // 8)]
        base, registers, at = 1 << 32, dict.fromkeys(range(7), 0), 0
        registers[1] = "context"
        for _ in range(10_000):
            op, both, offset, value = places[at]
            target, source = both & 15, both >> 4
            at += 1
            if op in (bpf.LOAD4, bpf.LOAD2, bpf.LOAD1):
                size = {bpf.LOAD4: 4, bpf.LOAD2: 2, bpf.LOAD1: 1}[op]
                if registers[source] == "context":
                    registers[target] = {0: base, 4: base + len(packet), 16: 3}[offset]
                else:
                    where = registers[source] - base + offset
                    assert 0 <= where <= len(packet) - size, "read outside the packet"
                    registers[target] = int.from_bytes(packet[where : where + size], "little")
            elif op == bpf.MOV_REG:
                registers[target] = registers[source]
            elif op == bpf.MOV:
                registers[target] = value
            elif op == bpf.ADD:
                registers[target] += value
            elif op == bpf.AND:
                registers[target] &= value & 0xFFFFFFFFFFFFFFFF
            elif op == bpf.JUMP_GREATER_REG:
                at += offset if registers[target] > registers[source] else 0
            elif op == bpf.JUMP_NOT:
                at += offset if registers[target] != value else 0
            elif op == bpf.JUMP32_NOT:
                at += offset if registers[target] & 0xFFFFFFFF != value & 0xFFFFFFFF else 0
            elif op == bpf.JUMP:
                at += offset
            elif op == bpf.LOAD_MAP:
                registers[target], at = ("map", value), at + 1
            elif op == bpf.CALL_HELPER:
                assert (value, registers[1], registers[2], registers[3]) == (bpf.REDIRECT_MAP, ("map", 9), registers[2], bpf.XDP_PASS)
                registers[0] = f"to {registers[2]}"
            elif op == bpf.EXIT:
                return registers[0]
        raise AssertionError("no end")


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        (header("10.77.0.1", 5001, 0), 0),
        (header("239.255.3.4", 6001, 9) + bytes(9), 1),
        (header("10.77.0.1", 6001, 0), None),  # the port of another address
        (header("10.77.0.2", 5001, 0), None),
        (header("10.77.0.1", 5001, 0, protocol=6), None),
        (header("10.77.0.1", 5001, 0, ethertype=0x86DD), None),
        (header("10.77.0.1", 5001, 0, first=0x46), None),
        (header("10.77.0.1", 5001, 0, fragment=0x2000), None),
        (header("10.77.0.1", 5001, 0, fragment=0x0001), None),
        (header("10.77.0.1", 5001, 0, fragment=0x4000), 0),  # may not be fragmented, and is not
        (header("10.77.0.1", 5001, 0)[:-1], None),
        (b"", None),
    ],
)
def test_the_program_takes_the_feed_and_nothing_else(packet, taken):
    assert Machine().run(bpf.program(WANTED, 3, 9), packet) == (bpf.XDP_PASS if taken is None else f"to {taken}")
    assert Machine().run(bpf.program(WANTED, 0, 9), packet) == bpf.XDP_PASS  # it came to queue 3


@given(st.binary(max_size=80))
def test_no_packet_makes_it_read_outside(packet):
    assert Machine().run(bpf.program(WANTED, 3, 9), packet) in {bpf.XDP_PASS, "to 0", "to 1"}


class Ring:
    """The kernel's side of a socket's rings."""

    def __init__(self, begin, ordinary=-1):
        self.words = np.array([begin, begin, begin], np.int64)  # rx producer, rx consumer, fill producer
        self.descriptors = np.zeros(xdp_ring.RING, xdp_ring.DESCRIPTOR)
        self.fill = np.zeros(xdp_ring.RING, np.uint64)
        self.umem = np.zeros(xdp_ring.RING * xdp_ring.FRAME, np.uint8)
        self.rings = np.zeros(2, xdp_ring.XSK)
        self.row = self.rings[1]
        for k, name in enumerate(("rx_producer", "rx_consumer", "fill_producer")):
            self.row[name] = self.words.ctypes.data + 8 * k
        for name in ("descriptors", "fill", "umem"):
            self.row[name] = getattr(self, name).ctypes.data
        self.row["taken"], self.row["socket"] = begin, ordinary

    def deliver(self, frame, index, headroom):
        at = index * xdp_ring.FRAME + headroom
        self.umem[at : at + len(frame)] = np.frombuffer(frame, np.uint8)
        self.descriptors[int(self.words[0]) & (xdp_ring.RING - 1)] = (at, len(frame), 0)
        self.words[0] = (int(self.words[0]) + 1) & 0xFFFFFFFF

    def take(self, slot, most):
        return taken_from(self.rings, 1, slot, most)


def taken_from(rings, r, slot, most):
    """What one call takes: (flags, payload) each."""
    data, headers = np.zeros(most * slot, np.uint8), np.zeros(most, MMSGHDR)
    iovecs = np.array([(data.ctypes.data + k * slot, slot) for k in range(most)], IOVEC)
    headers["iov"], headers["iovlen"] = iovecs.ctypes.data + np.arange(most) * IOVEC.itemsize, 1
    n = RECEIVE(rings, r, headers, data.ctypes.data, slot, most)
    return [(int(headers[k]["flags"]), bytes(data[k * slot : k * slot + int(headers[k]["len"])])) for k in range(n)]


@given(
    st.lists(st.binary(max_size=300), max_size=30),
    st.integers(1, 12),
    st.sampled_from([0, 5, (1 << 32) - 7]),  # the kernel's indexes are 32 bits and wrap
)
def test_rings_give_every_datagram_once_and_every_frame_back(payloads, most, begin):
    ring, got = Ring(begin), []
    for k, payload in enumerate(payloads):
        ring.deliver(header("10.77.0.1", 5001, len(payload)) + payload, k, 256)
    while taken := ring.take(512, most):
        assert len(taken) <= most
        got += taken
    assert got == [(0, p) for p in payloads]
    given_back = [int(ring.fill[(begin + k) & (xdp_ring.RING - 1)]) for k in range(len(payloads))]
    assert given_back == [k * xdp_ring.FRAME for k in range(len(payloads))]
    assert [int(w) for w in ring.words] == [(begin + len(payloads)) & 0xFFFFFFFF] * 3


def test_a_payload_larger_than_a_slot_is_cut_and_says_so():
    ring = Ring(0)
    ring.deliver(header("10.77.0.1", 5001, 100) + bytes(range(100)), 0, 0)
    assert ring.take(16, 4) == [(MSG_TRUNC, bytes(range(16)))]


@pytest.mark.parametrize("length", [0, 7, 109, 65535])
def test_a_length_that_lies_is_not_delivered(length):
    ring = Ring(0)
    frame = bytearray(header("10.77.0.1", 5001, 100) + bytes(100))
    frame[38:40] = struct.pack("!H", length)
    ring.deliver(bytes(frame), 0, 0)
    assert ring.take(512, 4) == []
    assert int(ring.row["short"]) == 1
    assert int(ring.words[2]) == 1  # its frame went back all the same


def test_what_the_program_passed_on_is_found_in_the_ordinary_socket():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        line.bind(("127.0.0.1", 0))
        ring = Ring(0, line.fileno())
        sender.sendto(b"a fragment", line.getsockname())
        assert [taken for _ in range(xdp_ring.LOOK + 1) for taken in ring.take(512, 4)] == [(0, b"a fragment")]


def test_an_interface_that_is_not_there():
    with pytest.raises(xdp.Unavailable, match="nowhere0"):
        xdp.Queue("nowhere0", WANTED)


SETUP = """
set -e
ip link add eth1 type veth peer name peer1
ip link set eth1 address 02:00:00:00:00:01
ip addr add 10.77.0.1/24 dev eth1
ip link set eth1 up; ip link set peer1 up; ip link set lo up
exec "$@"
"""
PREFACE = """
import dataclasses, os, socket, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from noderrd.lane import cache
cache.prepare()
from lane.test_xdp import WANTED, header, taken_from
from noderrd.lane import xdp

def frame(address, port, payload):
    return bytes.fromhex("020000000001020000000002") + (header(address, port, len(payload)) + payload)[12:]

def attached():
    return "xdp" in subprocess.run(["ip", "link", "show", "eth1"], capture_output=True, text=True).stdout

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("peer1", 0))
assert not attached()
"""
LANE = """
from lane.exchange import Exchange
from lane.rig import Desk, Lane
from noderrd.host import seen

def lane(folder):
    # A lane whose exchange sends its feed over the wire.
    folder.mkdir()
    exchange = Exchange()
    ports = exchange.feed.lines

    def raw(datagram, lines="ab"):
        for line in lines:
            wire.send(frame("10.77.0.1", ports["ab".index(line)], datagram))

    exchange.feed.raw = raw
    it = Lane(folder, exchange, idle="spin", receive="af_xdp", core=min(os.sched_getaffinity(0)), huge_pages=True)
    a, b = (f"10.77.0.1:{port}" for port in ports)
    it.spec = dataclasses.replace(it.spec, venues=[dataclasses.replace(it.spec.venues[0], itch_a=a, itch_b=b, interface="10.77.0.1")])
    return it

def by_the_stack():
    # UDP datagrams that came to sockets of this namespace (RFC 4113).
    return int(next(line for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp: ") and line[5].isdigit()).split()[1])

def trades(it, ref):
    desk = Desk(it)
    before = by_the_stack()
    for k in range(100):
        it.exchange.add(1, ref + k, b"B", 10, 990_000)
    it.until(lambda: it.shared.venues[0]["next_seq"] > len(it.exchange.feed.said))
    desk.send()
    row = it.shared.venues[0]
    assert row["received"].min() > 100 and not row["lost"].any()
    return by_the_stack() - before

first = lane(Path(sys.argv[2]) / "first")
first.start()
if "received by recvmmsg" in first.said():
    raise SystemExit("Unavailable: " + first.said())
first.live_book()
assert attached() and trades(first, 1000) == 0, first.said()
seen_now = seen.of(first.process.pid, first.spec.shared)
assert seen_now["cores"] == str(first.spec.core) and seen_now.get("policy", "bind").startswith("bind"), seen_now
print("by rings")
first.kill()
first.start()
first.wait_live()
assert first.said().count("received by AF_XDP") == 2 and trades(first, 2000) == 0, first.said()
print("again")
second = lane(Path(sys.argv[2]) / "second")
second.start()
second.live_book()
assert "received by recvmmsg" in second.said() and trades(second, 1000) > 100, second.said()
second.close()
assert first.stop() == 0 and not attached()
first.close()
print("beside")
"""
QUEUE = """
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("10.77.0.1", 5002))
other.settimeout(10)
line = xdp.Queue("eth1", WANTED)
assert attached()
got, total = [[], []], 5000
def take():
    for r in (0, 1):
        got[r] += [payload for _, payload in taken_from(line.rings, r, 2048, 64)]
for k in range(total):
    wire.send(frame(*WANTED[k % 2], b"%06d" % k))
    if k % 500 == 0:
        wire.send(frame("10.77.0.1", 5002, b"by the usual way"))
    if k % 50 == 49:
        take()
end = time.monotonic() + 20
while sum(map(len, got)) < total and time.monotonic() < end:
    take()
assert got == [[b"%06d" % k for k in range(r, total, 2)] for r in (0, 1)], (got, line.counts())
try:
    xdp.Queue("eth1", WANTED)
    raise SystemExit("two have one queue")
except xdp.Unavailable as why:
    assert "another program" in str(why), why
assert [other.recv(64) for _ in range(10)] == [b"by the usual way"] * 10
line.close()
assert not attached()
wire.send(frame("10.77.0.1", 5002, b"after"))
assert other.recv(64) == b"after"
print(line.mode)
"""


def inside(program, *arguments):
    """Run a program where eth1 and peer1 are; gives what it printed. Skips where there is no such place."""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "sh", "-c", SETUP, "sh"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("no unshare or iproute2 here")
    if os.geteuid() != 0 or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("AF_XDP needs root and a network namespace")
    command = [*words, sys.executable, "-P", "-c", PREFACE + program, Path(__file__).parents[1], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    if "Unavailable" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_on_a_veth_pair_every_datagram_arrives_and_the_rest_goes_its_way():
    assert inside(QUEUE).strip() in {"zero copy", "driver, copied", "generic, copied"}


def test_a_lane_gets_its_books_by_af_xdp(tmp_path):
    assert inside(LANE, tmp_path).split() == ["by", "rings", "again", "beside"]
