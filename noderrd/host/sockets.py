"""Options of the sockets that carry feeds and orders, each read back: what the kernel did not take is told, never assumed.

(tcp(7), socket(7), ip(7); kernel Documentation/networking/napi.rst for busy polling.) An option that needs a capability or a newer kernel is told in
the result's `refused` and costs nothing else: the socket works. What may be chosen is `[socket.orders]` and `[socket.feeds]` of noderrd.toml.
"""

import contextlib
import dataclasses
import fcntl
import json
import re
import socket
import struct
import sys
import termios
from dataclasses import field
from pathlib import Path

SO_INCOMING_CPU, SO_PREFER_BUSY_POLL, SO_BUSY_POLL = 49, 69, 46
TCP_NOTSENT_LOWAT, TCP_FASTOPEN_CONNECT = 25, 30
FORCED = {socket.SO_RCVBUF: 33, socket.SO_SNDBUF: 32}  # SO_RCVBUFFORCE, SO_SNDBUFFORCE: beyond the host's limit
NAME_BYTES = 16  # TCP_CA_NAME_MAX
TCP_INFO_SIZE, BYTES_ACKED_AT = 136, 120
MOST_BUFFER = 1 << 30

Value = int | str
Option = tuple[str, int, int, Value]  # name, level, number, value


def _service(value: int) -> str:
    return "a multiple of 4 (the two bits below are ECN's)" if value % 4 else ""


def _control(text: str) -> str:
    return "" if re.fullmatch(r"[a-z0-9_]{0,15}", text) else "the name of a congestion control"


@dataclasses.dataclass(frozen=True)
class OrderOptions:
    """What an order session's connection is asked for. A buffer of 0, a keep-alive after 0 s, an empty name: as the kernel has it."""

    nodelay: bool = True  # an order leaves at once, not when the one before was acknowledged
    quickack: bool = True
    busy_poll_us: int = field(default=50, metadata={"low": 0, "high": 1_000_000})  # a read spins on the card so long
    prefer_busy_poll: bool = True  # and the card's interrupt for this flow stays away meanwhile
    incoming_cpu: bool = True  # the flow is taken in on the lane's core
    priority: int = field(default=6, metadata={"low": 0, "high": 6})  # 6 is the highest that needs no capability
    tos: int = field(default=46 << 2, metadata={"low": 0, "high": 252, "check": _service})  # DSCP EF (RFC 3246)
    user_timeout_ms: int = field(default=10_000, metadata={"low": 0, "high": 3_600_000})  # unacknowledged for so long: the connection is dead
    keepalive_idle_s: int = field(default=5, metadata={"low": 0, "high": 32767})
    keepalive_interval_s: int = field(default=1, metadata={"low": 1, "high": 32767})
    keepalive_count: int = field(default=5, metadata={"low": 1, "high": 127})
    notsent_lowat: int = field(default=16_384, metadata={"low": 1, "high": MOST_BUFFER})  # what waits in the kernel cannot be taken back
    receive_buffer: int = field(default=0, metadata={"low": 0, "high": MOST_BUFFER})
    send_buffer: int = field(default=0, metadata={"low": 0, "high": MOST_BUFFER})
    fast_open: bool = False  # the login travels with the SYN (RFC 7413), where the venue has it too
    congestion: str = field(default="", metadata={"check": _control})


@dataclasses.dataclass(frozen=True)
class FeedOptions:
    """What a feed line's socket is asked for."""

    busy_poll_us: int = field(default=50, metadata={"low": 0, "high": 1_000_000})
    prefer_busy_poll: bool = True
    incoming_cpu: bool = True
    priority: int = field(default=0, metadata={"low": 0, "high": 6})  # of what the socket sends, which is nothing but membership reports
    receive_buffer: int = field(default=8 << 20, metadata={"low": 0, "high": MOST_BUFFER})  # a burst waits here while the lane is away


@dataclasses.dataclass(frozen=True)
class SocketOptions:
    """`[socket]` of noderrd.toml."""

    orders: OrderOptions = field(default_factory=OrderOptions)
    feeds: FeedOptions = field(default_factory=FeedOptions)


@dataclasses.dataclass(frozen=True)
class Result:
    """What the kernel says now by option, and why it did not take the others."""

    now: dict[str, Value]
    refused: dict[str, str]


def order(line: socket.socket, options: OrderOptions, core: int = -1) -> Result:
    """Set up an order session's TCP socket before it is connected; `core` is the one that reads it, -1 for any."""
    tcp, it = socket.IPPROTO_TCP, options
    wanted: list[Option] = [
        ("TCP_NODELAY", tcp, socket.TCP_NODELAY, int(it.nodelay)),
        ("TCP_QUICKACK", tcp, socket.TCP_QUICKACK, int(it.quickack)),
        ("TCP_USER_TIMEOUT", tcp, socket.TCP_USER_TIMEOUT, it.user_timeout_ms),
        ("TCP_NOTSENT_LOWAT", tcp, TCP_NOTSENT_LOWAT, it.notsent_lowat),
        ("SO_KEEPALIVE", socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(it.keepalive_idle_s > 0)),
    ]
    if it.keepalive_idle_s:
        wanted += [
            ("TCP_KEEPIDLE", tcp, socket.TCP_KEEPIDLE, it.keepalive_idle_s),
            ("TCP_KEEPINTVL", tcp, socket.TCP_KEEPINTVL, it.keepalive_interval_s),
            ("TCP_KEEPCNT", tcp, socket.TCP_KEEPCNT, it.keepalive_count),
        ]
    # The type of service sets a priority of its own, so it goes first.
    wanted += [("IP_TOS", socket.IPPROTO_IP, socket.IP_TOS, it.tos), ("SO_PRIORITY", socket.SOL_SOCKET, socket.SO_PRIORITY, it.priority)]
    if it.fast_open:
        wanted.append(("TCP_FASTOPEN_CONNECT", tcp, TCP_FASTOPEN_CONNECT, 1))
    if it.congestion:
        wanted.append(("TCP_CONGESTION", tcp, socket.TCP_CONGESTION, it.congestion))
    return _set(line, [*wanted, *_buffers(it.receive_buffer, it.send_buffer), *_polled(it, core)])


def feed(line: socket.socket, options: FeedOptions, core: int = -1) -> Result:
    """Set up a feed's UDP socket."""
    priority = ("SO_PRIORITY", socket.SOL_SOCKET, socket.SO_PRIORITY, options.priority)
    return _set(line, [priority, *_buffers(options.receive_buffer, 0), *_polled(options, core)])


def taken_and_given(line: socket.socket) -> tuple[int, int]:
    """Count the bytes that programs have read from a connection that was opened here, and written to it. Raises OSError.

    From tcp_info (linux/tcp.h: bytes_acked, bytes_received) and what is still in the queues (tcp(7): SIOCINQ, SIOCOUTQ); the SYN counts as a byte.
    """
    acked, received = struct.unpack_from("=QQ", line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE), BYTES_ACKED_AT)
    queued = [int.from_bytes(fcntl.ioctl(line, which, bytes(4)), sys.byteorder) for which in (termios.FIONREAD, termios.TIOCOUTQ)]
    return received - queued[0], acked - 1 + queued[1]


def tell(file: str, name: str, result: Result) -> None:
    """Write what became of a socket into a file of JSON, beside the others there, whole or not at all; nowhere for ""."""
    if not file:
        return
    path = Path(file)
    part = path.with_suffix(".part")
    with contextlib.suppress(OSError):  # it is only shown: a full disk ends no lane
        part.write_text(json.dumps(told(file) | {name: dataclasses.asdict(result)}))
        part.replace(path)


def told(file: str) -> dict[str, dict[str, dict[str, Value]]]:
    """Give what `tell` wrote: `now` and `refused` by the socket's name; {} where there is nothing to be read."""
    try:
        found = json.loads(Path(file).read_text()) if file else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _buffers(receive: int, send: int) -> list[Option]:
    found: list[Option] = []
    if receive:
        found.append(("SO_RCVBUF", socket.SOL_SOCKET, socket.SO_RCVBUF, receive))
    if send:
        found.append(("SO_SNDBUF", socket.SOL_SOCKET, socket.SO_SNDBUF, send))
    return found


def _polled(options: OrderOptions | FeedOptions, core: int) -> list[Option]:
    """Have a read spin on the card, and the card's interrupt for this flow stay away meanwhile."""
    found: list[Option] = [("SO_BUSY_POLL", socket.SOL_SOCKET, SO_BUSY_POLL, options.busy_poll_us)]
    if options.prefer_busy_poll:
        found.append(("SO_PREFER_BUSY_POLL", socket.SOL_SOCKET, SO_PREFER_BUSY_POLL, 1))
    if options.incoming_cpu and core >= 0:
        found.append(("SO_INCOMING_CPU", socket.SOL_SOCKET, SO_INCOMING_CPU, core))
    return found


def _set(line: socket.socket, options: list[Option]) -> Result:
    now: dict[str, Value] = {}
    refused: dict[str, str] = {}
    for name, level, number, value in options:
        try:
            _ask(line, level, number, value)
            now[name] = _answer(line, level, number, value)
        except OSError as error:
            refused[name] = error.strerror or str(error)
            continue
        if now[name] != value:
            refused[name] = f"asked for {value}, the kernel says {now[name]}"
    return Result(now, refused)


def _ask(line: socket.socket, level: int, number: int, value: Value) -> None:
    """Set one option; a buffer beyond the host's limit where that is allowed."""
    if isinstance(value, str):
        line.setsockopt(level, number, value.encode())
        return
    if level == socket.SOL_SOCKET and number in FORCED:
        try:
            line.setsockopt(level, FORCED[number], value)
        except PermissionError:
            line.setsockopt(level, number, value)
        return
    line.setsockopt(level, number, value)


def _answer(line: socket.socket, level: int, number: int, value: Value) -> Value:
    """Read one option back; of a buffer the kernel counts its own overhead in and doubles."""
    if isinstance(value, str):
        return line.getsockopt(level, number, NAME_BYTES).split(b"\0")[0].decode()
    found = line.getsockopt(level, number)
    return found // 2 if level == socket.SOL_SOCKET and number in FORCED else found
