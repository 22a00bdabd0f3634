"""The sockets of a MoldUDP64 feed: a line that listens, and a request line. Non-blocking; handed to the lane by descriptor."""

import ipaddress
import socket
from collections.abc import Sequence

RECEIVE_BUFFER = 8 << 20
IP_ADD_SOURCE_MEMBERSHIP, IP_MULTICAST_ALL, SO_RCVBUFFORCE = 39, 49, 33  # ip(7), socket(7); Python does not name them


def split(address: str) -> tuple[str, int]:
    """Give (host, port) of host:port. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        message = f"an address is host:port, not {address!r}"
        raise ValueError(message)
    return host, int(port)


def sources_of(text: str) -> list[str]:
    """Give the addresses of `10.0.0.1, 10.0.0.2`. Raises ValueError for what is no IPv4 address."""
    return [str(ipaddress.IPv4Address(one.strip())) for one in text.split(",") if one.strip()]


def open_line(address: str, interface: str, sources: Sequence[str] = (), buffer: int = RECEIVE_BUFFER) -> socket.socket:
    """Listen to a multicast group, joined on the interface of that address, or to a unicast address. Raises OSError.

    With `sources` only these senders are joined (IGMPv3, RFC 3376; RFC 4607), so that the network brings no other's datagrams. The group is left when
    the socket is closed. A receive buffer of `buffer` bytes is asked for; `granted` tells what came of it.
    """
    host, port = split(address)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)  # beyond net.core.rmem_max, where we may (CAP_NET_ADMIN)
        except PermissionError:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        line.bind((host, port))
        if ipaddress.ip_address(host).is_multicast:
            group = socket.inet_aton(host) + socket.inet_aton(interface or "0.0.0.0")  # noqa: S104 - the kernel's choice of interface
            for source in sources:
                line.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, group + socket.inet_aton(source))
            if not sources:
                line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            line.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)  # only what was joined here
    except OSError:
        line.close()
        raise
    return line


def granted(line: socket.socket) -> int:
    """Give the bytes that a line's receive buffer holds: the kernel doubles what it grants, for its own bookkeeping (socket(7))."""
    return line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def open_request(address: str) -> socket.socket:
    """Give a UDP socket that speaks with a retransmission server only. Raises OSError."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setblocking(False)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    line.connect(split(address))
    return line
