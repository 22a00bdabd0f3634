"""Options of the sockets that carry feeds and orders, each read back: what the kernel did not take is told, never assumed.

(tcp(7), socket(7), ip(7); kernel Documentation/networking/napi.rst for busy polling.) An option that needs a capability or a newer kernel is told in
the result's `refused` and costs nothing else: the socket works.
"""

import dataclasses
import fcntl
import socket
import struct
import sys
import termios

SO_INCOMING_CPU, SO_PREFER_BUSY_POLL, SO_BUSY_POLL, SO_RCVBUFFORCE, SO_SNDBUFFORCE = 49, 69, 46, 33, 32
TCP_NOTSENT_LOWAT, TCP_FASTOPEN_CONNECT = 25, 30
EXPEDITED = 46 << 2  # DSCP EF in the TOS byte (RFC 3246)
PRIORITY = 6  # the highest that needs no capability
BUSY_US = 50
TCP_INFO_SIZE, BYTES_ACKED_AT = 136, 120
DEAD_MS = 10_000  # unacknowledged for this long: the connection is dead

Option = tuple[str, int, int, int]  # name, level, number, value


@dataclasses.dataclass(frozen=True)
class Result:
    """What the kernel says now by option, and why it did not take the others."""

    now: dict[str, int]
    refused: dict[str, str]


def order(line: socket.socket, core: int = -1) -> Result:
    """Set up an order session's TCP socket, before or after it is connected; `core` is the one that reads it."""
    tcp = socket.IPPROTO_TCP
    return _set(
        line,
        [
            ("TCP_NODELAY", tcp, socket.TCP_NODELAY, 1),
            ("TCP_QUICKACK", tcp, socket.TCP_QUICKACK, 1),
            ("TCP_USER_TIMEOUT", tcp, socket.TCP_USER_TIMEOUT, DEAD_MS),
            ("TCP_NOTSENT_LOWAT", tcp, TCP_NOTSENT_LOWAT, 16_384),
            ("SO_KEEPALIVE", socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            ("TCP_KEEPIDLE", tcp, socket.TCP_KEEPIDLE, 5),
            ("TCP_KEEPINTVL", tcp, socket.TCP_KEEPINTVL, 1),
            ("TCP_KEEPCNT", tcp, socket.TCP_KEEPCNT, 5),
            ("IP_TOS", socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED),
            # After the type of service, which sets a priority of its own.
            ("SO_PRIORITY", socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY),
            *_polled(core),
        ],
    )


def feed(line: socket.socket, core: int = -1) -> Result:
    """Set up a feed's UDP socket."""
    return _set(line, [("SO_TIMESTAMPNS", socket.SOL_SOCKET, 35, 1), *_polled(core)])


def taken_and_given(line: socket.socket) -> tuple[int, int]:
    """Count the bytes that programs have read from a connection that was opened here, and written to it. Raises OSError.

    From tcp_info (linux/tcp.h: bytes_acked, bytes_received) and what is still in the queues (tcp(7): SIOCINQ, SIOCOUTQ); the SYN counts as a byte.
    """
    acked, received = struct.unpack_from("=QQ", line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE), BYTES_ACKED_AT)
    queued = [int.from_bytes(fcntl.ioctl(line, which, bytes(4)), sys.byteorder) for which in (termios.FIONREAD, termios.TIOCOUTQ)]
    return received - queued[0], acked - 1 + queued[1]


def congestion(line: socket.socket, name: str) -> str:
    """Choose a congestion control for one connection: "" or why not."""
    try:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        now = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
    except OSError as error:
        return error.strerror or str(error)
    return "" if now == name else f"it is {now}"


def fast_open(line: socket.socket) -> str:
    """Let the first bytes travel with the SYN (RFC 7413); before connect. "" or why not."""
    result = _set(line, [("TCP_FASTOPEN_CONNECT", socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)])
    return result.refused.get("TCP_FASTOPEN_CONNECT", "")


def buffers(line: socket.socket, receive: int, send: int) -> tuple[int, int]:
    """Ask for buffers, beyond the host's limit where that is allowed; gives what was granted (the kernel counts its own overhead in and doubles)."""
    for force, plain, size in ((SO_RCVBUFFORCE, socket.SO_RCVBUF, receive), (SO_SNDBUFFORCE, socket.SO_SNDBUF, send)):
        try:
            line.setsockopt(socket.SOL_SOCKET, force, size)
        except PermissionError:
            line.setsockopt(socket.SOL_SOCKET, plain, size)
    return tuple(line.getsockopt(socket.SOL_SOCKET, plain) // 2 for plain in (socket.SO_RCVBUF, socket.SO_SNDBUF))  # type: ignore[return-value]


def _polled(core: int) -> list[Option]:
    """Have a read spin on the card, and the card's interrupt for this flow stay away meanwhile."""
    found = [("SO_BUSY_POLL", socket.SOL_SOCKET, SO_BUSY_POLL, BUSY_US), ("SO_PREFER_BUSY_POLL", socket.SOL_SOCKET, SO_PREFER_BUSY_POLL, 1)]
    return [*found, ("SO_INCOMING_CPU", socket.SOL_SOCKET, SO_INCOMING_CPU, core)] if core >= 0 else found


def _set(line: socket.socket, options: list[Option]) -> Result:
    now: dict[str, int] = {}
    refused: dict[str, str] = {}
    for name, level, number, value in options:
        try:
            line.setsockopt(level, number, value)
            now[name] = line.getsockopt(level, number)
        except OSError as error:
            refused[name] = error.strerror or str(error)
            continue
        if now[name] != value:
            refused[name] = f"asked for {value}, the kernel says {now[name]}"
    return Result(now, refused)
