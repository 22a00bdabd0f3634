"""MoldUDP64 1.00 datagrams as bytes, for what works off the hot path: captures, recorders, tests."""

import dataclasses

HEADER = 20
END_OF_SESSION = 0xFFFF


@dataclasses.dataclass(frozen=True)
class Datagram:
    """A downstream packet (section 1): `messages` of `seq`, `seq` + 1, ...; a heartbeat has none, and `end` says that the session is over."""

    session: bytes
    seq: int
    messages: tuple[bytes, ...]
    end: bool = False


def read(data: bytes) -> Datagram | None:
    """Read a datagram; None when its blocks do not fill it exactly."""
    if len(data) < HEADER:
        return None
    session, seq, count = data[:10], int.from_bytes(data[10:18], "big"), int.from_bytes(data[18:20], "big")
    messages, at = [], HEADER
    for _ in range(0 if count == END_OF_SESSION else count):
        size = int.from_bytes(data[at : at + 2], "big")
        if at + 2 + size > len(data) or at + 2 > len(data):
            return None
        messages.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return Datagram(session, seq, tuple(messages), count == END_OF_SESSION) if at == len(data) else None


def write(session: bytes, seq: int, messages: tuple[bytes, ...] = (), *, end: bool = False) -> bytes:
    """Build a datagram; without messages a heartbeat, or the end of the session."""
    head = session.ljust(10) + seq.to_bytes(8, "big") + (END_OF_SESSION if end else len(messages)).to_bytes(2, "big")
    return head + b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def request(session: bytes, seq: int, count: int) -> bytes:
    """Build a request packet (section 3)."""
    return session.ljust(10) + seq.to_bytes(8, "big") + count.to_bytes(2, "big")
