"""Latency counts in HdrHistogram's bucket layout: 1 ns to 60 s at three significant digits.

A row int64[BUCKETS] is what `hdrh.histogram.HdrHistogram(LOWEST, HIGHEST, DIGITS)` holds in its counts, index for index, so that the
control plane hands it over without touching the lane. (HdrHistogram: AbstractHistogram.countsArrayIndex, Gil Tene.)
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.integer import i64
from core.jit import kernel
from core.layout import BUCKETS

__all__ = ["BUCKETS", "DIGITS", "HIGHEST", "LOWEST", "index_of", "record"]

LOWEST = 1
HIGHEST = 60_000_000_000
DIGITS = 3
SUB_BUCKETS = 2048  # smallest power of two that tells 2 x 10^DIGITS apart
HALF = SUB_BUCKETS // 2
HALF_BITS = 10
# layout.BUCKETS is 27 * HALF: 26 doublings of SUB_BUCKETS reach HIGHEST, and the lower half of the first.


@intrinsic
def _leading_zeros(_context: Any, _value: Any) -> Any:
    """Count the leading zero bits of an int64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), build


leading_zeros: Callable[[int], int] = cast("Any", _leading_zeros)


@kernel
def index_of(value: int) -> int:
    """Give the index into the counts for a value in LOWEST..HIGHEST."""
    bucket = 64 - leading_zeros(i64(value) | i64(SUB_BUCKETS - 1)) - (HALF_BITS + 1)
    sub = value >> bucket
    return ((bucket + 1) << HALF_BITS) + sub - HALF


@kernel
def record(row: np.ndarray, value: int) -> None:
    """Count one value in a row int64[BUCKETS]. Below 0 counts as 0 and above HIGHEST as HIGHEST: both ends stay visible."""
    row[index_of(min(max(i64(value), i64(0)), i64(HIGHEST)))] += 1
