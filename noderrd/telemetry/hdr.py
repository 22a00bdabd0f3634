"""The lane's latency counts as the `hdrhistogram` package knows them: same buckets, so handing over is copying."""

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram

LOWEST, HIGHEST, DIGITS = 1, 60_000_000_000, 3  # those of core.histogram, whose import would load numba
QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def histogram(counts: np.ndarray) -> HdrHistogram:
    """Give int64[BUCKETS] of the lane as an HdrHistogram of nanoseconds."""
    found = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    filled = np.flatnonzero(counts)
    for k in filled.tolist():
        found.counts[k] = int(counts[k])
    found.total_count = int(counts.sum())
    if len(filled):
        found.min_value = int(found.get_value_from_index(int(filled[0])))
        found.max_value = int(found.get_highest_equivalent_value(found.get_value_from_index(int(filled[-1]))))
    return found


def values() -> np.ndarray:
    """Give the highest value that each bucket counts: int64[BUCKETS], ascending."""
    half, doublings = 1024, 27
    k = np.arange(doublings * half)
    bucket = np.maximum((k >> 10) - 1, 0)
    sub = np.where(k < half, k, (k & (half - 1)) + half)
    return ((sub + 1) << bucket) - 1


VALUES = values()


def summary(counts: np.ndarray) -> dict[str, int]:
    """Give {"n", "p50", "p90", "p99", "p999", "max"} in nanoseconds; all 0 when nothing was counted.

    The value of a quantile is the highest that its bucket counts, as HdrHistogram.get_value_at_percentile gives it.
    """
    total = int(counts.sum())
    if total == 0:
        return dict.fromkeys(("n", *QUANTILES, "max"), 0)
    reached = np.cumsum(counts)
    found = {name: int(VALUES[np.searchsorted(reached, max(int(q / 100 * total + 0.5), 1))]) for name, q in QUANTILES.items()}
    return {"n": total, **found, "max": int(VALUES[np.flatnonzero(counts)[-1]])}


def below(counts: np.ndarray, bounds_ns: Iterable[int]) -> list[int]:
    """Give how many values were at or below each bound: what a Prometheus histogram's buckets hold."""
    reached = np.concatenate(([0], np.cumsum(counts)))
    return [int(reached[np.searchsorted(VALUES, bound, side="right")]) for bound in bounds_ns]
