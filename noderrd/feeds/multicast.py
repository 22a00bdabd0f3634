"""The sockets of a MoldUDP64 feed: a line that listens, and a request line. Non-blocking; handed to the lane by descriptor."""

import ipaddress
import socket

RECEIVE_BUFFER = 8 << 20


def split(address: str) -> tuple[str, int]:
    """Give (host, port) of host:port. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        message = f"an address is host:port, not {address!r}"
        raise ValueError(message)
    return host, int(port)


def open_line(address: str, interface: str) -> socket.socket:
    """Listen to a multicast group (joined on the interface of that address) or to a unicast address. Raises OSError.

    The receive buffer is asked for at RECEIVE_BUFFER; what the kernel granted is twice what SO_RCVBUF reads back at most, and `doctor` compares it.
    """
    host, port = split(address)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setblocking(False)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, RECEIVE_BUFFER)
    except PermissionError:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    line.bind((host, port))
    if ipaddress.ip_address(host).is_multicast:
        membership = socket.inet_aton(host) + socket.inet_aton(interface or "0.0.0.0")  # noqa: S104 - the kernel's choice of interface
        line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        line.setsockopt(socket.IPPROTO_IP, 49, 0)  # IP_MULTICAST_ALL off: only what was joined here
    return line


def open_request(address: str) -> socket.socket:
    """Give a UDP socket that speaks with a retransmission server only. Raises OSError."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setblocking(False)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    line.connect(split(address))
    return line
