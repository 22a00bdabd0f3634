"""Big-endian integers in a byte buffer: what every Nasdaq protocol is made of.

Buffers are uint8[n]; `at` is an offset that the caller has checked. Values come back as int64 or, for 64-bit fields
that may use the top bit, uint64.
"""

import numpy as np

from core.integer import i64
from core.jit import kernel


@kernel
def get_u16(buf: np.ndarray, at: int) -> int:
    """Two bytes."""
    return (i64(buf[at]) << 8) | i64(buf[at + 1])


@kernel
def get_u32(buf: np.ndarray, at: int) -> int:
    """Four bytes."""
    return (i64(buf[at]) << 24) | (i64(buf[at + 1]) << 16) | (i64(buf[at + 2]) << 8) | i64(buf[at + 3])


@kernel
def get_u48(buf: np.ndarray, at: int) -> int:
    """Six bytes: ITCH time stamps, nanoseconds since midnight."""
    return (get_u16(buf, at) << 32) | get_u32(buf, at + 2)


@kernel
def get_i64(buf: np.ndarray, at: int) -> int:
    """Eight bytes as int64 (the top bit becomes the sign)."""
    return (get_u32(buf, at) << 32) | get_u32(buf, at + 4)


@kernel
def put_u16(buf: np.ndarray, at: int, value: int) -> None:
    """Two bytes."""
    buf[at] = (value >> 8) & 0xFF
    buf[at + 1] = value & 0xFF


@kernel
def put_u32(buf: np.ndarray, at: int, value: int) -> None:
    """Four bytes."""
    buf[at] = (value >> 24) & 0xFF
    buf[at + 1] = (value >> 16) & 0xFF
    buf[at + 2] = (value >> 8) & 0xFF
    buf[at + 3] = value & 0xFF


@kernel
def put_u48(buf: np.ndarray, at: int, value: int) -> None:
    """Six bytes."""
    put_u16(buf, at, value >> 32)
    put_u32(buf, at + 2, value)


@kernel
def put_i64(buf: np.ndarray, at: int, value: int) -> None:
    """Eight bytes."""
    put_u32(buf, at, value >> 32)
    put_u32(buf, at + 4, value)
