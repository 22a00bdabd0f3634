"""What counting one latency costs the lane: core.histogram.record on values as a lane meets them, amortised over a batch.

The values of a batch are log-normal around 800 ns, drawn beforehand by seed; the reference is the same loop that only adds them up.
"""

import time
from collections.abc import Iterator

import numpy as np

from noderrd.bench.row import Row
from noderrd.lane import cache

HELP = "nanoseconds to count one latency"
NAME = "histogram"
BATCH = 100_000
ROUNDS = 400
QUICK_ROUNDS = 40


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a tenth of the rounds."""
    cache.prepare()
    from core import histogram
    from core.integer import i64
    from core.jit import entry

    @entry
    def count(row: np.ndarray, values: np.ndarray) -> int:
        for k in range(values.shape[0]):
            histogram.record(row, values[k])
        return row[0]

    @entry
    def add(row: np.ndarray, values: np.ndarray) -> int:
        total = i64(0)
        for k in range(values.shape[0]):
            total += values[k] ^ row[k & 1]
        return total

    row = np.zeros(histogram.BUCKETS, np.int64)
    values = np.random.default_rng(7).lognormal(np.log(800), 0.7, BATCH).astype(np.int64)
    samples: dict[str, list[float]] = {"count": [], "add": []}
    for k in range(QUICK_ROUNDS if quick else ROUNDS):
        for name, kernel in (("count", count), ("add", add)):
            began = time.perf_counter_ns()
            kernel(row, values)
            if k >= QUICK_ROUNDS // 10:
                samples[name].append((time.perf_counter_ns() - began) / BATCH)
    yield Row(NAME, "record", "ns", np.array(samples["count"]), "loop that adds", np.array(samples["add"]))
