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
from noderrd.net import bpf, xdp, xdp_ring

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
                assert (value, registers[1], registers[2], registers[3]) == (bpf.REDIRECT_MAP, ("map", 9), 3, bpf.XDP_PASS)
                registers[0] = "redirected"
            elif op == bpf.EXIT:
                return registers[0]
        raise AssertionError("no end")


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        (header("10.77.0.1", 5001, 0), True),
        (header("239.255.3.4", 6001, 9) + bytes(9), True),
        (header("10.77.0.1", 6001, 0), False),  # the port of another address
        (header("10.77.0.2", 5001, 0), False),
        (header("10.77.0.1", 5001, 0, protocol=6), False),
        (header("10.77.0.1", 5001, 0, ethertype=0x86DD), False),
        (header("10.77.0.1", 5001, 0, first=0x46), False),
        (header("10.77.0.1", 5001, 0, fragment=0x2000), False),
        (header("10.77.0.1", 5001, 0, fragment=0x0001), False),
        (header("10.77.0.1", 5001, 0, fragment=0x4000), True),  # may not be fragmented, and is not
        (header("10.77.0.1", 5001, 0)[:-1], False),
        (b"", False),
    ],
)
def test_the_program_takes_the_feed_and_nothing_else(packet, taken):
    assert Machine().run(bpf.program(WANTED, 9), packet) == ("redirected" if taken else bpf.XDP_PASS)


@given(st.binary(max_size=80))
def test_no_packet_makes_it_read_outside(packet):
    assert Machine().run(bpf.program(WANTED, 9), packet) in {bpf.XDP_PASS, "redirected"}


class Ring:
    """The kernel's side of a socket's rings."""

    def __init__(self, begin):
        self.words = np.array([begin, begin, begin], np.int64)  # rx producer, rx consumer, fill producer
        self.state = np.zeros(1, xdp_ring.XSK)
        for k, name in enumerate(("rx_producer", "rx_consumer", "fill_producer")):
            self.state[0][name] = self.words.ctypes.data + 8 * k
        self.state[0]["taken"] = self.state[0]["filled"] = begin
        self.descriptors = np.zeros(xdp_ring.RING, xdp_ring.DESCRIPTOR)
        self.fill = np.zeros(xdp_ring.RING, np.uint64)
        self.umem = np.zeros(xdp_ring.RING * xdp_ring.FRAME, np.uint8)

    def deliver(self, frame, index, headroom):
        at = index * xdp_ring.FRAME + headroom
        self.umem[at : at + len(frame)] = np.frombuffer(frame, np.uint8)
        self.descriptors[int(self.words[0]) & (xdp_ring.RING - 1)] = (at, len(frame), 0)
        self.words[0] = (int(self.words[0]) + 1) & 0xFFFFFFFF

    def take(self, slot, most):
        data, lengths = np.zeros(most * slot, np.uint8), np.zeros(most, np.int64)
        n = RECEIVE(self.state, self.descriptors, self.fill, self.umem, data, lengths, slot, most)
        return [(int(lengths[k]), bytes(data[k * slot : k * slot + min(int(lengths[k]), slot)])) for k in range(n)]


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
    assert got == [(len(p), p) for p in payloads]
    given_back = [int(ring.fill[(begin + k) & (xdp_ring.RING - 1)]) for k in range(len(payloads))]
    assert given_back == [k * xdp_ring.FRAME for k in range(len(payloads))]
    assert [int(w) for w in ring.words] == [(begin + len(payloads)) & 0xFFFFFFFF] * 3


def test_a_payload_larger_than_a_slot_is_cut_and_tells_its_size():
    ring = Ring(0)
    ring.deliver(header("10.77.0.1", 5001, 100) + bytes(range(100)), 0, 0)
    assert ring.take(16, 4) == [(100, bytes(range(16)))]


@pytest.mark.parametrize("length", [0, 7, 109, 65535])
def test_a_length_that_lies_is_not_delivered(length):
    ring = Ring(0)
    frame = bytearray(header("10.77.0.1", 5001, 100) + bytes(100))
    frame[38:40] = struct.pack("!H", length)
    ring.deliver(bytes(frame), 0, 0)
    assert ring.take(512, 4) == []
    assert int(ring.state[0]["short"]) == 1
    assert int(ring.words[2]) == 1  # its frame went back all the same


def test_an_interface_that_is_not_there():
    with pytest.raises(xdp.Unavailable, match="nowhere0"):
        xdp.Socket("nowhere0", WANTED)


SETUP = """
set -e
ip link add eth1 type veth peer name peer1
ip link set eth1 address 02:00:00:00:00:01
ip addr add 10.77.0.1/24 dev eth1
ip link set eth1 up; ip link set peer1 up; ip link set lo up
exec "$@"
"""
INSIDE = """
import socket, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from noderrd.lane import cache
cache.prepare()
import numpy as np
from net.test_xdp import WANTED, RECEIVE, header
from noderrd.net import xdp

def frame(address, port, payload):
    return bytes.fromhex("020000000001020000000002") + (header(address, port, len(payload)) + payload)[12:]

def attached():
    return "xdp" in subprocess.run(["ip", "link", "show", "eth1"], capture_output=True, text=True).stdout

other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("10.77.0.1", 5002))
other.settimeout(10)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("peer1", 0))
assert not attached()
line = xdp.Socket("eth1", WANTED)
assert attached()
data, lengths, got = np.zeros(64 * 2048, np.uint8), np.zeros(64, np.int64), []
total = 5000
for k in range(total):
    wire.send(frame(*WANTED[k % 2], b"%06d" % k))
    if k % 500 == 0:
        wire.send(frame("10.77.0.1", 5002, b"by the usual way"))
    if k % 50 == 49:
        n = RECEIVE(line.state, line.descriptors, line.fill, line.umem, data, lengths, 2048, 64)
        got += [bytes(data[j * 2048 : j * 2048 + lengths[j]]) for j in range(n)]
end = time.monotonic() + 20
while len(got) < total and time.monotonic() < end:
    n = RECEIVE(line.state, line.descriptors, line.fill, line.umem, data, lengths, 2048, 64)
    got += [bytes(data[j * 2048 : j * 2048 + lengths[j]]) for j in range(n)]
assert got == [b"%06d" % k for k in range(total)], (len(got), line.counts())
assert [other.recv(64) for _ in range(10)] == [b"by the usual way"] * 10
line.close()
assert not attached()
wire.send(frame("10.77.0.1", 5002, b"after"))
assert other.recv(64) == b"after"
print(line.mode)
"""


def test_on_a_veth_pair_every_datagram_arrives_and_the_rest_goes_its_way(tmp_path):
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "sh", "-c", SETUP, "sh"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("no unshare or iproute2 here")
    if os.geteuid() != 0 or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("AF_XDP needs root and a network namespace")
    done = subprocess.run(
        [*words, sys.executable, "-P", "-c", INSIDE, Path(__file__).parents[1]], capture_output=True, text=True, timeout=300, check=False
    )
    if "Unavailable" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"zero copy", "driver, copied", "generic, copied"}
