"""How far the venues are: what a TCP connection, a TLS handshake and an application's answer take, now and for real.

The application ping asks a venue's retransmission server for one message (MoldUDP64 1.00, section 3), with the session that the caller knows, else
that of a datagram heard on the feed; it needs no login and changes nothing. Every part that fails is told with its reason; the others count.
"""

import dataclasses
import ipaddress
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable

from noderrd.config import Venue
from noderrd.feeds import multicast

CONNECT_S, HEAR_S, ANSWER_S = 3.0, 2.5, 1.0
Heard = tuple[bytes, int]
HEADER = struct.Struct("!10sQH")  # session, sequence number, count


@dataclasses.dataclass(frozen=True)
class Probe:
    """A venue's distances in ns, None where the part does not apply or failed every time; `failed` says why, by part.

    `sent` counts the tries of all parts, `lost` those that were not answered.
    """

    venue: str
    tcp_ns: int | None
    tls_ns: int | None
    ping_ns: int | None
    failed: dict[str, str]
    sent: int = 0
    lost: int = 0

    @property
    def distance_ns(self) -> int | None:
        """How far it is: the application's answer where there is one, else a connection."""
        return self.tcp_ns if self.ping_ns is None else self.ping_ns


def probe(name: str, venue: Venue, tries: int = 5, tls: bool = False, heard: Heard | None = None) -> Probe:
    """Probe one venue: the least of `tries` for each part, since what is wanted is the distance and not the queue. Raises nothing.

    `heard` is the feed's session and next sequence number; without it the feed is listened to.
    """
    parts: dict[str, Callable[[], int]] = {"tcp": lambda: connect(venue.ouch)}
    failed: dict[str, str] = {}
    if tls or venue.tls:
        parts["tls"] = lambda: handshake(venue.tls or venue.ouch)
    if venue.rerequest:
        try:
            what = heard or hear(venue)
            parts["ping"] = lambda: ask(venue, what)
        except (OSError, ValueError) as error:
            failed["ping"] = _words(error)
    found: dict[str, int] = {}
    lost = 0
    for part, once in parts.items():
        times: list[int] = []
        why = ""
        for _ in range(tries):
            try:
                times.append(once())
            except OSError as error:
                lost, why = lost + 1, _words(error)
        if times:
            found[part] = min(times)
        else:
            failed[part] = why
    return Probe(name, found.get("tcp"), found.get("tls"), found.get("ping"), failed, tries * len(parts), lost)


def _words(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def connect(address: str) -> int:
    """Time a TCP connection. Raises OSError."""
    where = multicast.split(address)
    began = time.perf_counter_ns()
    with socket.create_connection(where, CONNECT_S):
        return time.perf_counter_ns() - began


def handshake(address: str, context: ssl.SSLContext | None = None) -> int:
    """Time a TLS handshake on a connection that is up. Raises OSError (ssl.SSLError is one)."""
    host, port = multicast.split(address)
    with socket.create_connection((host, port), CONNECT_S) as line:
        began = time.perf_counter_ns()
        with (context or ssl.create_default_context()).wrap_socket(line, server_hostname=host):
            return time.perf_counter_ns() - began


def ask(venue: Venue, heard: Heard) -> int:
    """Time a retransmission request to the first of the venue's servers. Raises OSError, TimeoutError when it is silent."""
    session, seq = heard
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(ANSWER_S)
        line.connect(multicast.split(venue.rerequest.split(",")[0].strip()))
        began = time.perf_counter_ns()
        line.send(HEADER.pack(session, max(1, seq - 1), 1))
        line.recv(1 << 16)
        return time.perf_counter_ns() - began


def hear(venue: Venue) -> Heard:
    """Give session and sequence number of a datagram of the feed; heartbeats come every second. Raises TimeoutError, ValueError.

    A unicast feed is not listened to: the kernel gives each datagram to one socket, and a lane's books would have gaps meanwhile.
    """
    if not ipaddress.ip_address(multicast.split(venue.itch_a)[0]).is_multicast:
        message = f"{venue.itch_a} is no multicast group: only the node may listen to it"
        raise ValueError(message)
    with multicast.open_line(venue.itch_a, venue.interface) as line:
        if not select.select([line], [], [], HEAR_S)[0]:
            message = f"nothing heard on {venue.itch_a} in {HEAR_S} s"
            raise TimeoutError(message)
        data = line.recv(1 << 16)
    if len(data) < HEADER.size:
        message = f"{venue.itch_a} does not speak MoldUDP64"
        raise ValueError(message)
    session, seq, _ = HEADER.unpack_from(data)
    return session, seq
