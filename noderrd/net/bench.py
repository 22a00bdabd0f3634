"""Round trips and one-way times to a `noderrd echo`, by way of transport and message size; and how much goes through.

One-way times compare two clocks. What both directions' fastest messages say bounds how far the clocks may be apart: the offset is taken in the middle
of that and the bound is given with every one-way figure; a bound wider than the figure says that the figure says nothing (RFC 5905, section 8).
"""

import dataclasses
import json
import socket
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram

from core.histogram import DIGITS, HIGHEST, LOWEST
from noderrd.host import sockets
from noderrd.net import ping_loop
from noderrd.net.message import CONTROL_BYTES, LEAST

KINDS = ("udp", "tcp", "multicast")
QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
WAIT_NS = 500_000_000
ANSWER_S = 10.0
BUFFER = 8 << 20
PASSED_ON = 1_000  # round trips that warm both ends and are not kept


class Unreachable(Exception):
    """The other end cannot be had; the text says what it said or what the network said."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Where the echo is, and by which group it can be reached by multicast."""

    host: str
    port: int
    group: str = ""
    interface: str = ""


@dataclasses.dataclass(frozen=True)
class Result:
    """One way and size. Times in ns; `one_way_ns` is out and back, with `bound_ns` to be added on either side."""

    kind: str
    size: int
    sent: int
    received: int
    lost: int
    reordered: int
    duplicate: int
    rtt_ns: dict[str, int]
    out_ns: dict[str, int]
    back_ns: dict[str, int]
    clock_offset_ns: int
    clock_bound_ns: int
    jitter_ns: int
    messages_per_s: int
    bytes_per_s: int
    throughput_lost: int


class Session:
    """A control connection with an answer. Raises Unreachable."""

    def __init__(self, target: Target, asked: dict[str, Any]) -> None:
        where = f"{target.host}:{target.port}"
        try:
            self.line = socket.create_connection((target.host, target.port), ANSWER_S)
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or error}") from error
        try:
            sockets.order(self.line, sockets.OrderOptions())  # as the lane speaks to a venue
            self.line.sendall(json.dumps(asked).encode() + b"\n")
            said = self.hear()
            if not said.get("ok"):
                raise Unreachable(f"{where}: {said.get('reason', 'refused')}")
            self.port = int(said["port"])
        except (OSError, Unreachable) as error:
            self.line.close()
            raise error if isinstance(error, Unreachable) else Unreachable(f"{where}: {error.strerror or error}") from error

    def hear(self) -> dict[str, Any]:
        """Give the next line. Raises OSError, Unreachable."""
        text = b""
        while not text.endswith(b"\n") and len(text) < CONTROL_BYTES:
            more = self.line.recv(1)
            if not more:
                raise Unreachable("the other end closed the connection")
            text += more
        try:
            said: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise Unreachable("the other end is no noderrd echo") from error
        return said


class Path:
    """Sockets of one way to the echo. Raises Unreachable."""

    def __init__(self, kind: str, target: Target, size: int, *, count: bool = False) -> None:
        self.kind, self._opened = kind, list[socket.socket]()
        try:
            self._open(target, {"do": kind, "size": size, "count": count})
        except (OSError, Unreachable) as error:
            for one in self._opened:
                one.close()
            raise error if isinstance(error, Unreachable) else Unreachable(f"{kind}: {error.strerror or error}") from error

    def _open(self, target: Target, asked: dict[str, Any]) -> None:
        if self.kind == "tcp":
            self.session = Session(target, asked)
            self.out = self.back = self.session.line
        else:
            self.out = self.back = self._datagram()
            asked |= {"port": self.back.getsockname()[1], "group": target.group, "interface": target.interface}
            self.session = Session(target, asked)
            self._opened.append(self.session.line)
            if self.kind == "multicast":
                self.out = self._datagram()
                host, _, port = target.group.rpartition(":")
                if target.interface:
                    self.out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(target.interface))
                self.out.connect((host, int(port)))
            else:
                self.out.connect((target.host, self.session.port))
        self.out.setblocking(False)
        self.back.setblocking(False)

    def _datagram(self) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        one.bind(("", 0))
        self._opened.append(one)
        return one

    @property
    def stream(self) -> int:
        """1 for TCP."""
        return int(self.kind == "tcp")

    def close(self) -> None:
        """End the session."""
        for one in (*self._opened, self.session.line):
            one.close()


def trips(way: Path, size: int, count: int, gap_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Send `count` messages gap_ns apart; gives int64[count, 5] (due, sent, there, back, came: 0 when lost) and the counts of ping_loop."""
    data, inward, timespec = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.uint8), np.zeros(2, np.int64)
    times, counts = np.zeros((count, 5), np.int64), np.zeros(4, np.int64)
    ping_loop.ping(way.out.fileno(), way.back.fileno(), data, inward, size, way.stream, gap_ns, WAIT_NS, times, counts, timespec)
    return times, counts


def measure(kind: str, target: Target, size: int, count: int, gap_ns: int) -> Result:
    """Measure one way and size. Raises Unreachable."""
    way = Path(kind, target, size)
    try:
        trips(way, size, min(PASSED_ON, count), gap_ns)
        times, counts = trips(way, size, count, gap_ns)
    finally:
        way.close()
    came = times[times[:, 4] != 0]
    due, sent, there, back, back_here = came.T if len(came) else np.zeros((5, 0), np.int64)
    offset, bound = clock(there - sent, back_here - back)
    per_s, bytes_per_s, through_lost = throughput(kind, target, size, count)
    return Result(
        kind, size, count, len(came), count - len(came), int(counts[ping_loop.REORDERED]), int(counts[ping_loop.DUPLICATE]),
        percentiles(back_here - due), percentiles(there - sent - offset), percentiles(back_here - back + offset), offset, bound,
        jitter(back_here - sent), per_s, bytes_per_s, through_lost,
    )  # fmt: skip


def clock(out: np.ndarray, back: np.ndarray) -> tuple[int, int]:
    """Give the other clock's offset and its bound, of raw one-way differences: it lies between -min(back) and min(out)."""
    if not len(out):
        return 0, 0
    low, high = -int(back.min()), int(out.min())
    return (low + high) // 2, max(0, (high - low + 1) // 2)


def jitter(trip: np.ndarray) -> int:
    """Give the mean deviation of successive round trips, smoothed as RFC 3550 section 6.4.1 says."""
    value = 0.0
    for difference in np.abs(np.diff(trip)):
        value += (float(difference) - value) / 16
    return round(value)


def percentiles(values: np.ndarray) -> dict[str, int]:
    """Give percentiles of times in ns, by HdrHistogram; a time below 1 ns, which two clocks can make, counts as 1."""
    histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for value in values:
        histogram.record_value(min(max(int(value), LOWEST), HIGHEST))
    return {"n": len(values), **{name: int(histogram.get_value_at_percentile(q)) if len(values) else 0 for name, q in QUANTILES.items()}}


def throughput(kind: str, target: Target, size: int, count: int) -> tuple[int, int, int]:
    """Send as fast as it goes, let the other end count: messages and bytes a second, and how many were lost. Raises Unreachable."""
    way = Path(kind, target, size, count=True)
    try:
        data, timespec = np.zeros(1 << 16, np.uint8), np.zeros(2, np.int64)
        if ping_loop.flood(way.out.fileno(), data, size, count, way.stream, timespec) < 0:
            raise Unreachable(f"{kind}: sending failed")
        way.session.line.settimeout(ANSWER_S)
        if way.stream:
            way.session.line.shutdown(socket.SHUT_WR)
        else:
            socket_wait(way)
            way.session.line.sendall(b'{"do": "end"}\n')
        said = way.session.hear()
    except OSError as error:
        raise Unreachable(f"{kind}: {error.strerror or error}") from error
    finally:
        way.close()
    took = max(1, int(said["last_ns"]) - int(said["first_ns"]))
    counted = int(said["counted"])
    per_s = (counted - 1) * 1_000_000_000 // took if counted > 1 else 0
    return per_s, per_s * size, count - counted


def socket_wait(way: Path) -> None:
    """Let datagrams that are under way arrive before the count is asked for."""
    way.back.settimeout(0.2)
    try:
        way.back.recv(LEAST)
    except OSError:
        way.back.setblocking(False)
