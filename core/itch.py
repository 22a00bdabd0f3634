"""Nasdaq TotalView-ITCH 5.0: bytes to MESSAGE and back, every type of the specification (section 1). No transport.

Every message begins with type (1), stock locate (2), tracking number (2) and nanoseconds since midnight (6); offsets below are from the type byte.
`decode` never reads beyond `size` bytes: a length that is not its type's is refused before a field is read.
"""

import numpy as np

from core.bigendian import get_i64, get_u16, get_u32, put_i64, put_u16, put_u32, put_u48
from core.codes import Side
from core.integer import i64, u64
from core.jit import inlined, kernel

# Length by type, in the order of the specification.
LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19,
    "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}  # fmt: skip
LENGTH_OF = np.zeros(256, np.int64)
for _kind, _length in LENGTHS.items():
    LENGTH_OF[ord(_kind)] = _length

OF_ORDER = np.zeros(256, np.int64)  # 1: begins with the reference of an order that the book holds, or will
for _kind in "AFECXDU":
    OF_ORDER[ord(_kind)] = 1

UNKNOWN_TYPE = -1
WRONG_LENGTH = -2
BAD_FIELD = -3

S, R, H, Y, L, V, W, K, J, SMALL_H = 83, 82, 72, 89, 76, 86, 87, 75, 74, 104
A, F, E, C, X, D, U, P, Q, B, I, N, O = 65, 70, 69, 67, 88, 68, 85, 80, 81, 66, 73, 78, 79  # noqa: E741
BUY, SELL = 66, 83  # B, S


def stock(text: str) -> int:
    """Pack a symbol into int64: 8 ASCII bytes, big-endian, space padded. Raises ValueError when it does not fit."""
    packed = text.encode("ascii").ljust(8)
    if len(packed) != 8 or not text.strip():
        message = f"a symbol has 1 to 8 ASCII characters: {text!r}"
        raise ValueError(message)
    return int.from_bytes(packed, "big", signed=True)


def symbol(packed: int) -> str:
    """Give the symbol that `stock` packed."""
    return int(packed).to_bytes(8, "big", signed=True).decode("ascii", "replace").rstrip()


@inlined
def decode(buf: np.ndarray, at: int, size: int, msg: np.ndarray) -> int:
    """Read one message from uint8[...] into MESSAGE[1]: its type, or UNKNOWN_TYPE, WRONG_LENGTH, BAD_FIELD."""
    if size < 1:
        return WRONG_LENGTH
    kind = i64(buf[u64(at)])
    length = LENGTH_OF[u64(kind)]
    if length == 0:
        return UNKNOWN_TYPE
    if size != length:
        return WRONG_LENGTH
    m = msg[0]
    m["kind"] = kind
    m["locate"] = get_u16(buf, at + 1)
    word = get_i64(buf, at + 3)  # tracking number and time stamp in one load
    m["tracking"] = (word >> 48) & 0xFFFF
    m["ts_ns"] = word & 0xFFFFFFFFFFFF
    if kind == A or kind == F or kind == P:
        side = buf[u64(at + 19)]
        if side != BUY and side != SELL:
            return BAD_FIELD
        m["ref"] = get_i64(buf, at + 11)
        m["side"] = Side.BUY if side == BUY else Side.SELL
        m["qty"] = get_u32(buf, at + 20)
        m["stock"] = get_i64(buf, at + 24)
        m["px"] = get_u32(buf, at + 32)
        if kind == F:
            m["text"] = get_u32(buf, at + 36)
        elif kind == P:
            m["match"] = get_i64(buf, at + 36)
    elif kind == D:
        m["ref"] = get_i64(buf, at + 11)
    elif kind == E or kind == C:
        m["ref"] = get_i64(buf, at + 11)
        m["qty"] = get_u32(buf, at + 19)
        m["match"] = get_i64(buf, at + 23)
        if kind == C:
            m["code"] = buf[u64(at + 31)]
            m["px"] = get_u32(buf, at + 32)
    elif kind == X:
        m["ref"] = get_i64(buf, at + 11)
        m["qty"] = get_u32(buf, at + 19)
    elif kind == U:
        m["ref"] = get_i64(buf, at + 11)
        m["new_ref"] = get_i64(buf, at + 19)
        m["qty"] = get_u32(buf, at + 27)
        m["px"] = get_u32(buf, at + 31)
    else:
        decode_rare(buf, at, kind, msg)
    return kind


@kernel
def decode_rare(buf: np.ndarray, at: int, kind: int, msg: np.ndarray) -> None:
    """Read the types that do not touch orders; the length was checked."""
    m = msg[0]
    if kind == S or kind == W:
        m["code"] = buf[at + 11]
    elif kind == B:
        m["match"] = get_i64(buf, at + 11)
    elif kind == V:
        m["px"] = get_i64(buf, at + 11)
        m["px2"] = get_i64(buf, at + 19)
        m["px3"] = get_i64(buf, at + 27)
    elif kind == L:
        m["text"] = get_u32(buf, at + 11)
        m["stock"] = get_i64(buf, at + 15)
        for k in range(3):
            m["attrs"][k] = buf[at + 23 + k]
    elif kind == Q:
        m["qty"] = get_i64(buf, at + 11)
        m["stock"] = get_i64(buf, at + 19)
        m["px"] = get_u32(buf, at + 27)
        m["match"] = get_i64(buf, at + 31)
        m["code"] = buf[at + 39]
    elif kind == I:
        m["qty"] = get_i64(buf, at + 11)
        m["qty2"] = get_i64(buf, at + 19)
        m["code2"] = buf[at + 27]
        m["stock"] = get_i64(buf, at + 28)
        m["px"] = get_u32(buf, at + 36)
        m["px2"] = get_u32(buf, at + 40)
        m["px3"] = get_u32(buf, at + 44)
        m["code"] = buf[at + 48]
        m["attrs"][0] = buf[at + 49]
    else:
        m["stock"] = get_i64(buf, at + 11)
        if kind == R:
            m["lot"] = get_u32(buf, at + 21)
            for k in range(20):
                m["attrs"][k] = buf[at + 19 + k]
        elif kind == H:
            m["code"] = buf[at + 19]
            m["code2"] = buf[at + 20]
            m["text"] = get_u32(buf, at + 21)
        elif kind == SMALL_H:
            m["code2"] = buf[at + 19]
            m["code"] = buf[at + 20]
        elif kind == K:
            m["lot"] = get_u32(buf, at + 19)
            m["code"] = buf[at + 23]
            m["px"] = get_u32(buf, at + 24)
        elif kind == J:
            m["px"] = get_u32(buf, at + 19)
            m["px2"] = get_u32(buf, at + 23)
            m["px3"] = get_u32(buf, at + 27)
            m["lot"] = get_u32(buf, at + 31)
        elif kind == O:
            m["code"] = buf[at + 19]
            m["px"] = get_u32(buf, at + 20)
            m["px2"] = get_u32(buf, at + 24)
            m["px3"] = get_u32(buf, at + 28)
            m["qty"] = get_i64(buf, at + 32)
            m["text"] = get_u32(buf, at + 40)
            m["qty2"] = get_u32(buf, at + 44)
        else:  # Y, N
            m["code"] = buf[at + 19]


@kernel
def encode(msg: np.ndarray, buf: np.ndarray, at: int) -> int:
    """Write MESSAGE[1] as its type is published: the length, or UNKNOWN_TYPE. What `decode` reads comes back byte for byte."""
    m = msg[0]
    kind = i64(m["kind"])
    if kind < 0 or kind > 255 or LENGTH_OF[kind] == 0:
        return UNKNOWN_TYPE
    buf[at] = kind
    put_u16(buf, at + 1, m["locate"])
    put_u16(buf, at + 3, m["tracking"])
    put_u48(buf, at + 5, m["ts_ns"])
    if kind == A or kind == F or kind == P:
        put_i64(buf, at + 11, m["ref"])
        buf[at + 19] = BUY if m["side"] == Side.BUY else SELL
        put_u32(buf, at + 20, m["qty"])
        put_i64(buf, at + 24, m["stock"])
        put_u32(buf, at + 32, m["px"])
        if kind == F:
            put_u32(buf, at + 36, m["text"])
        elif kind == P:
            put_i64(buf, at + 36, m["match"])
    elif kind == D:
        put_i64(buf, at + 11, m["ref"])
    elif kind == E or kind == C:
        put_i64(buf, at + 11, m["ref"])
        put_u32(buf, at + 19, m["qty"])
        put_i64(buf, at + 23, m["match"])
        if kind == C:
            buf[at + 31] = m["code"]
            put_u32(buf, at + 32, m["px"])
    elif kind == X:
        put_i64(buf, at + 11, m["ref"])
        put_u32(buf, at + 19, m["qty"])
    elif kind == U:
        put_i64(buf, at + 11, m["ref"])
        put_i64(buf, at + 19, m["new_ref"])
        put_u32(buf, at + 27, m["qty"])
        put_u32(buf, at + 31, m["px"])
    else:
        encode_rare(msg, buf, at, kind)
    return LENGTH_OF[kind]


@kernel
def encode_rare(msg: np.ndarray, buf: np.ndarray, at: int, kind: int) -> None:
    """Write the types that do not touch orders."""
    m = msg[0]
    if kind == S or kind == W:
        buf[at + 11] = m["code"]
    elif kind == B:
        put_i64(buf, at + 11, m["match"])
    elif kind == V:
        put_i64(buf, at + 11, m["px"])
        put_i64(buf, at + 19, m["px2"])
        put_i64(buf, at + 27, m["px3"])
    elif kind == L:
        put_u32(buf, at + 11, m["text"])
        put_i64(buf, at + 15, m["stock"])
        for k in range(3):
            buf[at + 23 + k] = m["attrs"][k]
    elif kind == Q:
        put_i64(buf, at + 11, m["qty"])
        put_i64(buf, at + 19, m["stock"])
        put_u32(buf, at + 27, m["px"])
        put_i64(buf, at + 31, m["match"])
        buf[at + 39] = m["code"]
    elif kind == I:
        put_i64(buf, at + 11, m["qty"])
        put_i64(buf, at + 19, m["qty2"])
        buf[at + 27] = m["code2"]
        put_i64(buf, at + 28, m["stock"])
        put_u32(buf, at + 36, m["px"])
        put_u32(buf, at + 40, m["px2"])
        put_u32(buf, at + 44, m["px3"])
        buf[at + 48] = m["code"]
        buf[at + 49] = m["attrs"][0]
    else:
        put_i64(buf, at + 11, m["stock"])
        if kind == R:
            for k in range(20):
                buf[at + 19 + k] = m["attrs"][k]
            put_u32(buf, at + 21, m["lot"])
        elif kind == H:
            buf[at + 19] = m["code"]
            buf[at + 20] = m["code2"]
            put_u32(buf, at + 21, m["text"])
        elif kind == SMALL_H:
            buf[at + 19] = m["code2"]
            buf[at + 20] = m["code"]
        elif kind == K:
            put_u32(buf, at + 19, m["lot"])
            buf[at + 23] = m["code"]
            put_u32(buf, at + 24, m["px"])
        elif kind == J:
            put_u32(buf, at + 19, m["px"])
            put_u32(buf, at + 23, m["px2"])
            put_u32(buf, at + 27, m["px3"])
            put_u32(buf, at + 31, m["lot"])
        elif kind == O:
            buf[at + 19] = m["code"]
            put_u32(buf, at + 20, m["px"])
            put_u32(buf, at + 24, m["px2"])
            put_u32(buf, at + 28, m["px3"])
            put_i64(buf, at + 32, m["qty"])
            put_u32(buf, at + 40, m["text"])
            put_u32(buf, at + 44, m["qty2"])
        else:
            buf[at + 19] = m["code"]
