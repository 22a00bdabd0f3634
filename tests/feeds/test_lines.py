"""Sockets of a feed against the kernel's own tables: who is joined, what is granted, when datagrams came and which did not fit."""

import contextlib
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from core.codes import Stamp
from core.jit import entry
from core.layout import CONTROL_BYTES, RX_BATCH, VENUE
from noderrd.feeds import drops, multicast
from noderrd.lane import stamp, work
from noderrd.lane.syscalls import recvmmsg
from noderrd.rig import ports

LOOPBACK = "127.0.0.1"
SECOND = 10**9


@entry
def read(venue: np.ndarray, v: int, line: int, headers: np.ndarray, controls: np.ndarray, k: int, taken_ns: int) -> int:
    return stamp.read(venue, v, line, headers, controls, k, taken_ns)


@entry
def receive(fd: int, headers: np.ndarray) -> int:
    return recvmmsg(fd, headers.ctypes.data, RX_BATCH)


@pytest.fixture
def group():
    found = ports.group()
    if not ports.multicast_works(found):
        pytest.skip("no multicast on the loopback interface")
    return found


def members(group):
    """Give /proc/net/mcfilter's lines about a group: (source, included, excluded)."""
    packed = f"0x{int.from_bytes(socket.inet_aton(group), 'big'):08x}"
    rows = (line.split() for line in Path("/proc/net/mcfilter").read_text().splitlines()[1:])
    return [(row[3], int(row[4]), int(row[5])) for row in rows if row[2] == packed]


def sender(source):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind((source, 0))
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
    return out


def came(line, seconds=5.0):
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            found.append(line.recv(100))
            if found[-1] == b"end":
                return found
        time.sleep(0.002)
    raise AssertionError(found)


def test_only_the_sources_that_are_named_are_joined_and_left_with_the_socket(group):
    port = ports.free(1)[0]
    line = multicast.open_line(f"{group}:{port}", LOOPBACK, ["127.0.0.2", "127.0.0.3"])
    try:
        assert sorted(members(group)) == [("0x7f000002", 1, 0), ("0x7f000003", 1, 0)]
        with sender("127.0.0.2") as wanted, sender("127.0.0.9") as other:
            wanted.sendto(b"one", (group, port))
            other.sendto(b"none of ours", (group, port))
            wanted.sendto(b"end", (group, port))
            assert came(line) == [b"one", b"end"]
    finally:
        line.close()
    assert members(group) == []


def test_without_sources_everybody_is_joined(group):
    port = ports.free(1)[0]
    with multicast.open_line(f"{group}:{port}", LOOPBACK) as line, sender("127.0.0.2") as one, sender("127.0.0.9") as other:
        other.sendto(b"one", (group, port))
        one.sendto(b"end", (group, port))
        assert came(line) == [b"one", b"end"]


def test_a_group_cannot_be_joined_where_there_is_no_such_interface(group):
    with pytest.raises(OSError, match="No such device"):
        multicast.open_line(f"{group}:{ports.free(1)[0]}", "203.0.113.7")


def test_the_buffer_is_asked_for_and_read_back():
    for wanted in (1 << 16, 1 << 18):
        with multicast.open_line(f"{LOOPBACK}:{ports.free(1)[0]}", "", buffer=wanted) as line:
            assert multicast.granted(line) == line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
            assert multicast.granted(line) <= wanted


class Line:
    """A line on the loopback interface and a desk to receive on."""

    def __init__(self, buffer=1 << 20):
        self.port = ports.free(1)[0]
        self.socket = multicast.open_line(f"{LOOPBACK}:{self.port}", "", buffer=buffer)
        stamp.ask_for(self.socket)
        self.work, self.venues = work.make(), np.zeros(2, VENUE)
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, n, size=20):
        for _ in range(n):
            self.out.sendto(bytes(size), (LOOPBACK, self.port))

    def take(self):
        """Give the stamps of a batch."""
        desk = self.work[0]
        n = receive(self.socket.fileno(), desk["headers"])
        now = time.time_ns()
        return [read(self.venues, 1, 0, desk["headers"], desk["controls"], k, now) for k in range(max(n, 0))]


@pytest.fixture
def line():
    made = []

    def make(**options):
        made.append(Line(**options))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()
        one.out.close()


def test_the_kernel_says_when_each_datagram_came(line):
    it = line()
    for _ in range(3):  # the places for what is told are made ready again
        before = time.time_ns()
        it.send(RX_BATCH)
        after = time.time_ns()
        stamps = it.take()
        assert len(stamps) == RX_BATCH
        assert stamps == sorted(stamps)
        assert before <= stamps[0] <= stamps[-1] <= after + SECOND
    assert it.venues[1]["stamp"].tolist() == [Stamp.KERNEL, Stamp.LANE]
    assert it.venues[1]["waited_ns"][0] >= 0


def test_what_did_not_fit_is_told_by_the_socket_and_by_the_kernel_s_table(line):
    it = line(buffer=1 << 16)
    it.send(3000, 1000)
    while it.take():
        pass
    it.send(1)
    assert len(it.take()) == 1
    link = str(Path(f"/proc/self/fd/{it.socket.fileno()}").readlink())
    assert 0 < it.venues[1]["kernel_drops"][0] == drops.table()[int(drops.INODE.fullmatch(link)[1])]


def control(*parts):
    """Control messages, each up to the next word (cmsg(3))."""
    said = b""
    for level, kind, data in parts:
        said += struct.pack("QII", 16 + len(data), level, kind) + data + bytes(-len(data) % 8)
    return said


def spec(ns):
    return struct.pack("qq", ns // SECOND, ns % SECOND)


NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("kernel", "card", "expected", "kind"),
    [
        (NOW - 900, NOW - 4_000, NOW - 4_000, Stamp.HARDWARE),
        (NOW - 900, NOW + 37 * SECOND, NOW - 900, Stamp.KERNEL),  # a card on TAI
        (NOW - 900, 0, NOW - 900, Stamp.KERNEL),
        (0, NOW - 4_000, NOW - 4_000, Stamp.HARDWARE),
        (0, 0, 0, Stamp.LANE),
    ],
)
def test_the_card_s_stamp_is_taken_where_it_is_the_time(kernel, card, expected, kind):
    said = control(
        (1, stamp.SO_RXQ_OVFL, struct.pack("I", 2**32 - 1)), (1, stamp.SO_TIMESTAMPING, spec(kernel) + spec(0) + spec(card)), (1, 99, b"odd")
    )
    desk, venues = work.make()[0], np.zeros(2, VENUE)
    desk["controls"][3].view(np.uint8)[: len(said)] = np.frombuffer(said, np.uint8)
    desk["headers"][3]["controllen"] = len(said)
    assert read(venues, 1, 1, desk["headers"], desk["controls"], 3, NOW) == expected
    assert venues[1]["stamp"].tolist() == [Stamp.LANE, kind]
    assert venues[1]["kernel_drops"].tolist() == [0, 2**32 - 1]
    assert desk["headers"][3]["controllen"] == CONTROL_BYTES


@pytest.mark.parametrize("size", range(0, CONTROL_BYTES, 7))
def test_nothing_beyond_what_was_told_is_read(size):
    desk, venues, draw = work.make()[0], np.zeros(2, VENUE), np.random.default_rng(size)
    for _ in range(50):
        desk["controls"][0] = draw.choice([0, 1, 16, 20, 64, -1, -(2**63), stamp.STAMPS, stamp.DROPS], CONTROL_BYTES // 8)
        desk["headers"][0]["controllen"] = size
        read(venues, 1, 0, desk["headers"], desk["controls"], 0, NOW)
        assert desk["headers"][0]["controllen"] == CONTROL_BYTES
