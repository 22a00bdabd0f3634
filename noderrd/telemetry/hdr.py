"""The lane's latency counts as the `hdrhistogram` package knows them: same buckets, so handing over is copying."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

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


def log(rows: Iterable[tuple[str, HdrHistogram]], begin_ns: int, end_ns: int) -> str:
    """Write histograms of one interval as a log that HdrHistogram's tools read (format 1.3), each under its tag; ns as they are."""
    start, length = begin_ns / 1e9, (end_ns - begin_ns) / 1e9
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {start:.3f} (seconds since epoch), {datetime.fromtimestamp(start, UTC):%a %b %d %H:%M:%S UTC %Y}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    lines += [f"Tag={tag},{start:.3f},{length:.3f},{float(it.get_max_value()):.3f},{it.encode().decode()}" for tag, it in rows]
    return "\n".join(lines) + "\n"


def values() -> np.ndarray:
    """Give the highest value that each bucket counts: int64[BUCKETS], ascending."""
    half, doublings = 1024, 27
    k = np.arange(doublings * half)
    bucket = np.maximum((k >> 10) - 1, 0)
    sub = np.where(k < half, k, (k & (half - 1)) + half)
    return ((sub + 1) << bucket) - 1


VALUES = values()


def add(counts: np.ndarray, ns: int) -> None:
    """Count a value in int64[BUCKETS]; what lies outside of what they hold counts at the end."""
    counts[np.searchsorted(VALUES, min(max(ns, 0), HIGHEST))] += 1


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


def below(counts: np.ndarray, bounds_ns: Sequence[int]) -> list[int]:
    """Give how many values were at or below each bound: what a Prometheus histogram's buckets hold."""
    filled = np.flatnonzero(counts)  # a few hundred of 27,648
    reached = np.concatenate(([0], np.cumsum(counts[filled])))
    found: list[int] = reached[np.searchsorted(VALUES[filled], bounds_ns, side="right")].tolist()
    return found


def total(counts: np.ndarray) -> float:
    """Give the sum of all values, each taken for the highest that its bucket counts."""
    filled = np.flatnonzero(counts)
    return float(counts[filled].astype(float) @ VALUES[filled])
