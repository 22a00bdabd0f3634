"""SoupBinTCP 3.00: how sequenced messages travel over TCP (Nasdaq, version 3.00 of 22 February 2017).

A packet is a two-byte big-endian length of what follows, a type byte and a payload. Here are the types and the packets that a client and
a server build outside the hot loop, as bytes; who is silent for SILENCE_NS is dead.
"""

import numpy as np

from core.integer import i64
from core.jit import kernel

DEBUG = 43  # +
LOGIN_ACCEPTED = 65  # A
LOGIN_REJECTED = 74  # J
SEQUENCED = 83  # S
SERVER_HEARTBEAT = 72  # H
END_OF_SESSION = 90  # Z
LOGIN_REQUEST = 76  # L
UNSEQUENCED = 85  # U
CLIENT_HEARTBEAT = 82  # R
LOGOUT_REQUEST = 79  # O

NOT_AUTHORIZED = b"A"  # reject code: user or password wrong
NO_SESSION = b"S"  # reject code: the requested session or sequence number is not to be had

USER, PASSWORD, SESSION, NUMBER = 6, 10, 10, 20  # field lengths, section 2.2.1
LOGIN_SIZE = 1 + USER + PASSWORD + SESSION + NUMBER
HEARTBEAT_NS = 1_000_000_000
SILENCE_NS = 15_000_000_000


def frame(packet: bytes) -> bytes:
    """Put the length before a packet (type byte and payload)."""
    return len(packet).to_bytes(2, "big") + packet


HEARTBEAT_OF_CLIENT = frame(b"R")
HEARTBEAT_OF_SERVER = frame(b"H")
END = frame(b"Z")
LOGOUT = frame(b"O")


def login_request(user: str, password: str, session: str = "", number: int = 1) -> bytes:
    """Build a framed Login Request (section 2.2.1); `session` blank: the current one; `number` 0: from the newest message on.

    Raises ValueError when a field is too long or not ASCII.
    """
    fields = ((user, USER, "user"), (password, PASSWORD, "password"), (session, SESSION, "session"))
    for text, size, name in fields:
        if len(text) > size or not text.isascii():
            message = f"{name}: at most {size} ASCII characters"
            raise ValueError(message)
    packet = f"L{user:<{USER}}{password:<{PASSWORD}}{session:>{SESSION}}{number:>{NUMBER}}"
    return frame(packet.encode("ascii"))


def login_accepted(session: str, number: int) -> bytes:
    """Build a framed Login Accepted (section 2.2.2): the session and the number of the next sequenced message."""
    return frame(f"A{session:>{SESSION}}{number:>{NUMBER}}".encode("ascii"))


def login_rejected(code: bytes) -> bytes:
    """Build a framed Login Rejected (section 2.2.3)."""
    return frame(b"J" + code)


def read_login(packet: bytes) -> tuple[str, str, str, int] | None:
    """Read a Login Request (type byte and payload) as user, password, session and number; None when it is malformed."""
    if len(packet) != LOGIN_SIZE or packet[0] != LOGIN_REQUEST or not packet.isascii():
        return None
    text = packet.decode("ascii")
    user, password, session, number = text[1:7].strip(), text[7:17].strip(), text[17:27].strip(), text[27:47].strip()
    if not number.isdigit():
        return None
    return user, password, session, int(number)


@kernel
def number(buf: np.ndarray, start: int, size: int) -> int:
    """Read a space-padded ASCII number of up to 18 digits; -1 when it is none."""
    value = i64(0)
    digits = 0
    for k in range(size):
        c = i64(buf[start + k])
        if c == 32 and digits == 0:
            continue
        if c < 48 or c > 57 or digits == 18:
            return -1
        value = value * 10 + (c - 48)
        digits += 1
    return value if digits > 0 else i64(-1)
