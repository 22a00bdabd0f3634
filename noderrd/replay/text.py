"""Book rows as CSV, written by kernels: a recording of a day has hundreds of thousands, and Python would take longer than the replay.

A row: msg_index,timestamp_ns,symbol,ask_px1,ask_sz1,bid_px1,bid_sz1,... prices in 1e-4, empty fields for empty levels.
"""

import numpy as np

from core.integer import i64
from core.jit import kernel

NUMBER = 20  # digits of an int64 and its sign


def header(depth: int) -> str:
    """Give the heading, with its newline."""
    return "msg_index,timestamp_ns,symbol," + ",".join(f"ask_px{k},ask_sz{k},bid_px{k},bid_sz{k}" for k in range(1, depth + 1)) + "\n"


def row_most(depth: int) -> int:
    """Give the longest that a row can be."""
    return 2 * (NUMBER + 1) + 9 + 4 * depth * (NUMBER + 1) + 1


@kernel
def put_number(text: np.ndarray, at: int, value: int) -> int:
    """Write a decimal number; gives where it ends."""
    if value < 0:
        text[at] = 45
        at += 1
        value = -value
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for k in range(digits):
        text[at + digits - 1 - k] = 48 + value % 10
        value //= 10
    return at + digits


@kernel
def put_level(text: np.ndarray, at: int, px: np.ndarray, qty: np.ndarray, inst: int, side: int, k: int) -> int:
    """Write a price and its shares behind commas; both empty when k < 0."""
    text[at] = 44
    at += 1
    if k >= 0:
        at = put_number(text, at, px[inst, side, k])
    text[at] = 44
    at += 1
    if k >= 0:
        at = put_number(text, at, qty[inst, side, k])
    return at


@kernel
def put_row(text: np.ndarray, at: int, index: int, ts_ns: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, inst: int, depth: int) -> int:
    """Write one row of at most `row_most(depth)` bytes into uint8[...]; gives where it ends."""
    at = put_number(text, at, index)
    text[at] = 44
    at = put_number(text, at + 1, ts_ns)
    text[at] = 44
    at += 1
    for k in range(8):
        byte = (insts[inst]["stock"] >> (56 - 8 * k)) & 0xFF
        if byte != 32:
            text[at] = byte
            at += 1
    bids, asks = i64(insts[inst]["n"][0]), i64(insts[inst]["n"][1])
    for k in range(1, depth + 1):
        at = put_level(text, at, px, qty, inst, 1, asks - k)
        at = put_level(text, at, px, qty, inst, 0, bids - k)
    text[at] = 10
    return at + 1
