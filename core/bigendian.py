"""Big-endian integers in a byte buffer: what every Nasdaq protocol is made of.

Buffers are uint8[n]; `at` is an offset that the caller has checked. Values come back as int64, the top bit of eight bytes as the sign.
Offsets are made unsigned: numba then has no negative index to provide for, and LLVM sees that the bytes are one word, loaded and swapped at once.
"""

import numpy as np

from core.integer import i64, u64
from core.jit import inlined


@inlined
def get_u16(buf: np.ndarray, at: int) -> int:
    """Two bytes."""
    k = u64(at)
    return i64(u64(buf[k]) << u64(8) | u64(buf[k + u64(1)]))


@inlined
def get_u32(buf: np.ndarray, at: int) -> int:
    """Four bytes."""
    k = u64(at)
    return i64(u64(buf[k]) << u64(24) | u64(buf[k + u64(1)]) << u64(16) | u64(buf[k + u64(2)]) << u64(8) | u64(buf[k + u64(3)]))


@inlined
def get_u48(buf: np.ndarray, at: int) -> int:
    """Six bytes: ITCH time stamps, nanoseconds since midnight."""
    return (get_u16(buf, at) << 32) | get_u32(buf, at + 2)


@inlined
def get_i64(buf: np.ndarray, at: int) -> int:
    """Eight bytes as int64 (the top bit becomes the sign)."""
    k = u64(at)
    high = u64(buf[k]) << u64(56) | u64(buf[k + u64(1)]) << u64(48) | u64(buf[k + u64(2)]) << u64(40) | u64(buf[k + u64(3)]) << u64(32)
    low = u64(buf[k + u64(4)]) << u64(24) | u64(buf[k + u64(5)]) << u64(16) | u64(buf[k + u64(6)]) << u64(8) | u64(buf[k + u64(7)])
    return i64(high | low)


@inlined
def put_u16(buf: np.ndarray, at: int, value: int) -> None:
    """Two bytes."""
    k = u64(at)
    buf[k] = (value >> 8) & 0xFF
    buf[k + u64(1)] = value & 0xFF


@inlined
def put_u32(buf: np.ndarray, at: int, value: int) -> None:
    """Four bytes."""
    k = u64(at)
    buf[k] = (value >> 24) & 0xFF
    buf[k + u64(1)] = (value >> 16) & 0xFF
    buf[k + u64(2)] = (value >> 8) & 0xFF
    buf[k + u64(3)] = value & 0xFF


@inlined
def put_u48(buf: np.ndarray, at: int, value: int) -> None:
    """Six bytes."""
    put_u16(buf, at, value >> 32)
    put_u32(buf, at + 2, value)


@inlined
def put_i64(buf: np.ndarray, at: int, value: int) -> None:
    """Eight bytes."""
    put_u32(buf, at, value >> 32)
    put_u32(buf, at + 4, value)
