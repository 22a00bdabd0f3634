"""Messages of rtnetlink(7) as the kernel sent them, kept byte for byte and sent back: the exact way to restore a route or a discipline."""

import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 1, 4, 0x100, 0x400
RTM_NEWROUTE, RTM_NEWQDISC = 24, 36
NLMSG_ERROR = 2
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
ACK_S = 5.0


def body(message: Any) -> bytes:
    """Give what follows the header of a message that pyroute2 received."""
    length = message["header"]["length"]
    return bytes(message.data[message.offset + HEADER.size : message.offset + length])


def attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk attributes: their type and the whole attribute with its padding."""
    at = 0
    while at + ATTRIBUTE.size <= len(raw):
        length, kind = ATTRIBUTE.unpack_from(raw, at)
        if length < ATTRIBUTE.size:
            return
        padded = (length + 3) & ~3
        yield kind & TYPE_MASK, raw[at : at + length].ljust(padded, b"\0")
        at += padded


def without(raw: bytes, fixed: int, *kinds: int) -> bytes:
    """Give a body without some attributes; `fixed` is the length of the part before them."""
    return raw[:fixed] + b"".join(whole for kind, whole in attributes(raw[fixed:]) if kind not in kinds)


def only(raw: bytes, fixed: int, *kinds: int) -> bytes:
    """Give a body with some attributes only."""
    return raw[:fixed] + b"".join(whole for kind, whole in attributes(raw[fixed:]) if kind in kinds)


def send(kind: int, raw: bytes) -> None:
    """Create or replace what a body describes and wait for the kernel's word. Raises OSError."""
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as line:
        line.settimeout(ACK_S)
        line.bind((0, 0))
        line.sendto(HEADER.pack(HEADER.size + len(raw), kind, flags, 1, 0) + raw, (0, 0))
        answer = line.recv(65536)
    _, answered, _, _, _ = HEADER.unpack_from(answer)
    code = struct.unpack_from("=i", answer, HEADER.size)[0] if answered == NLMSG_ERROR else 0
    if code:
        raise OSError(-code, os.strerror(-code))
