"""Addresses that nobody else uses: free ports of the loopback interface, and a multicast group."""

import secrets
import socket

from noderrd.feeds import multicast

LOOPBACK = "127.0.0.1"


def free(n: int) -> list[int]:
    """Give `n` ports that are free for TCP and UDP now, all different."""
    held: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < n:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [tcp, udp]
        tcp.bind((LOOPBACK, 0))
        port = tcp.getsockname()[1]
        try:
            udp.bind((LOOPBACK, port))
        except OSError:
            continue
        ports.append(port)
    for one in held:
        one.close()
    return ports


def group() -> str:
    """Give a random group of the administratively scoped block 239.255.0.0/16 (RFC 2365 section 6.1)."""
    return f"239.255.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"


def multicast_works(address: str) -> bool:
    """Tell whether a datagram to that group comes back on the loopback interface."""
    port = free(1)[0]
    try:
        listener = multicast.open_line(f"{address}:{port}", LOOPBACK)
    except OSError:
        return False
    with listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        listener.settimeout(0.5)
        try:
            sender.sendto(b"noderrd", (address, port))
            return listener.recv(64) == b"noderrd"
        except OSError:
            return False
