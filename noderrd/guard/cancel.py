"""A session of the guard's own at a venue whose lane is gone: log in where the lane left off, cancel what it had open, tell what remains.

SoupBinTCP 3.00 and OUCH 5.0, as bytes: the guard is small. What the venue says meanwhile it will say to the lane again, from the lane's own number.
"""

import contextlib
import dataclasses
import socket
import struct
import time
from collections.abc import Callable, Sequence

CONNECT_S = 1.0
ANSWER_S = 3.0
CANCELED, EXECUTED, ACCEPTED, REPLACED = b"C", b"E", b"A", b"U"
DEAD = b"D"


@dataclasses.dataclass(frozen=True)
class Login:
    """Where and as whom; `session` and `seq` are the next message that the lane expects."""

    host: str
    port: int
    user: str
    password: str
    session: str
    seq: int


class NoSession(Exception):
    """The venue is away, or does not let the guard in; the text says which."""


@dataclasses.dataclass
class Session:
    """A logged-in session. Raises NoSession."""

    line: socket.socket
    held: bytes = b""

    def send(self, packet: bytes) -> None:
        """Send one packet, type first."""
        self.line.sendall(len(packet).to_bytes(2, "big") + packet)

    def packet(self, until_s: float) -> bytes:
        """Give the next packet, type first; b"" when none came in time. Raises NoSession when the venue ends it."""
        while len(self.held) < 2 or len(self.held) < 2 + int.from_bytes(self.held[:2], "big"):
            left = until_s - time.monotonic()
            if left <= 0:
                return b""
            self.line.settimeout(left)
            try:
                more = self.line.recv(1 << 16)
            except TimeoutError:
                return b""
            if not more:
                message = "the venue closed the session"
                raise NoSession(message)
            self.held += more
        size = int.from_bytes(self.held[:2], "big")
        packet, self.held = self.held[2 : 2 + size], self.held[2 + size :]
        return packet


def open_session(login: Login) -> Session:
    """Connect and log in. Raises NoSession."""
    try:
        line = socket.create_connection((login.host, login.port), CONNECT_S)
    except OSError as error:
        message = f"cannot connect: {error}"
        raise NoSession(message) from error
    session = Session(line)
    session.send(f"L{login.user:<6}{login.password:<10}{login.session:>10}{login.seq:>20}".encode("ascii"))
    answer = session.packet(time.monotonic() + CONNECT_S)
    if answer[:1] != b"A":
        line.close()
        message = f"login rejected: {answer[1:2].decode('ascii', 'replace')}" if answer[:1] == b"J" else "no answer to the login"
        raise NoSession(message)
    return session


def cancel(login: Login, refs: Sequence[int], stop: Callable[[], bool]) -> set[int]:
    """Cancel the orders with these UserRefNums; gives those of which the venue did not say that they are over. `stop` ends it early.

    Raises NoSession, OSError.
    """
    session = open_session(login)
    with contextlib.closing(session.line):
        leaves: dict[int, int] = {}
        left = set(refs)
        for ref in refs:
            session.send(b"U" + b"X" + ref.to_bytes(4, "big") + bytes(4))
        session.send(b"U" + b"Q")  # its answer comes behind everything about the cancels
        end = time.monotonic() + ANSWER_S
        while left and not stop() and (packet := session.packet(end)):
            if packet[:1] == b"S" and not _follow(packet[1:], left, leaves):
                break
        session.send(b"O")
    return left


def _follow(message: bytes, left: set[int], leaves: dict[int, int]) -> bool:
    """Take what ends orders out of `left` (OUCH 5.0 section 3); False at the answer to the account query."""
    kind = message[:1]
    if kind == b"Q":
        return False
    if kind in (ACCEPTED, REPLACED):
        at = 9 if kind == ACCEPTED else 13
        ref, qty = int.from_bytes(message[at : at + 4], "big"), int.from_bytes(message[at + 5 : at + 9], "big")
        leaves[ref] = qty
        if kind == REPLACED:
            left.discard(int.from_bytes(message[9:13], "big"))
            left.add(ref)
        if message[at + 38 : at + 39] == DEAD:
            left.discard(ref)
    elif kind in (CANCELED, EXECUTED):
        ref, qty = struct.unpack_from(">II", message, 9)
        leaves[ref] = leaves.get(ref, 0) - qty
        if kind == CANCELED or leaves[ref] == 0:
            left.discard(ref)  # a user's cancel takes all of it
    elif kind == b"J":
        left.discard(int.from_bytes(message[9:13], "big"))
    return True
