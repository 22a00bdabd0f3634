"""How quiet a core is: spin on the cycle counter and record every gap, as sysjitter and the kernel's osnoise tracer do.

A spinning loop reads the counter every few nanoseconds; when two readings are further apart than the threshold, something else had the core. What it
was is told by the kernel's own counters, after less before: interrupts by source, soft interrupts by kind, involuntary switches, steal.
"""

import contextlib
import dataclasses
import os
import re
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.histogram import BUCKETS, record
from core.jit import entry
from noderrd.lane.syscalls import cycles
from noderrd.telemetry import hdr

ROOT = Path("/")
CHUNK_NS = 100_000_000
SHIFT = 28


@entry
def _spin(counts: np.ndarray, totals: np.ndarray, until: int, threshold: int, mult: int) -> int:
    """Read the counter until it is `until`; totals is [interruptions, lost cycles, most cycles]. Gives the last reading."""
    before = cycles()
    while before < until:
        now = cycles()
        gap = now - before
        if gap > threshold:
            totals[0] += 1
            totals[1] += gap
            totals[2] = max(totals[2], gap)
            record(counts, gap * mult >> SHIFT)
        before = now
    return before


@entry
def _now() -> int:
    """Read the counter."""
    return cycles()


@dataclasses.dataclass(frozen=True)
class Jitter:
    """What a core went through. Times in ns; `histogram` is upper bound of a bucket to count; `causes` is what the kernel counted on that core."""

    cpu: int
    seconds: float
    threshold_ns: int
    interruptions: int
    max_ns: int
    p50_ns: int
    p99_ns: int
    lost_fraction: float
    histogram: dict[str, int]
    causes: dict[str, int]


def measure(cpu: int, seconds: float, threshold_ns: int = 1_000) -> Jitter:
    """Sit on a core. Raises OSError when it is not to be had."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        return _measure(cpu, seconds, threshold_ns)
    finally:
        os.sched_setaffinity(0, allowed)


def _measure(cpu: int, seconds: float, threshold_ns: int) -> Jitter:
    counts, totals = np.zeros(BUCKETS, np.int64), np.zeros(3, np.int64)
    _spin(counts, totals, 0, 1, 1)  # compiled now, not in the measurement
    per_ns = _rate()
    mult = round((1 << SHIFT) / per_ns)
    counts[:], totals[:] = 0, 0
    before, began = causes(cpu), time.monotonic_ns()
    end = began + round(seconds * 1e9)
    while (left := end - time.monotonic_ns()) > 0:  # in chunks, so that Ctrl-C is heard
        _spin(counts, totals, _now() + round(min(left, CHUNK_NS) * per_ns), round(threshold_ns * per_ns), mult)
    took, after = time.monotonic_ns() - began, causes(cpu)
    found = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
    n, histogram = int(totals[0]), hdr.histogram(counts)
    lost = int(totals[1] / per_ns)
    return Jitter(
        cpu,
        round(took / 1e9, 3),
        threshold_ns,
        n,
        int(totals[2] / per_ns),
        int(histogram.get_value_at_percentile(50)),
        int(histogram.get_value_at_percentile(99)),
        round(lost / took, 9),
        _octaves(histogram),
        dict(sorted(found.items(), key=lambda item: -item[1])),
    )


def _rate() -> float:
    """Give cycles of the counter in a nanosecond."""
    first, began = _now(), time.monotonic_ns()
    time.sleep(0.05)
    return float(_now() - first) / (time.monotonic_ns() - began)


def _octaves(histogram: Any) -> dict[str, int]:
    """Give counts by power of two: the least bound in ns that a value does not exceed."""
    found: dict[str, int] = {}
    for item in histogram.get_recorded_iterator():
        bound = str(1 << max(0, int(item.value_iterated_to - 1).bit_length()))
        found[bound] = found.get(bound, 0) + int(item.count_at_value_iterated_to)
    return found


def causes(cpu: int, root: Path = ROOT) -> dict[str, int]:
    """Give what the kernel counted on a core until now.

    `irq:NAME` from /proc/interrupts, `softirq:NAME` from /proc/softirqs, `steal_ticks` from /proc/stat,
    `involuntary_switches` and `minor_faults` of this process, `run_delay_ns` (waiting for the core) from schedstat where the kernel has it.
    """
    found = {**_table(root / "proc/interrupts", cpu, "irq"), **_table(root / "proc/softirqs", cpu, "softirq")}
    for line in (root / "proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{cpu}":
            found["steal_ticks"] = int(words[8])
    used = resource.getrusage(resource.RUSAGE_SELF)
    found["involuntary_switches"], found["minor_faults"] = used.ru_nivcsw, used.ru_minflt
    with contextlib.suppress(OSError, IndexError):
        found["run_delay_ns"] = int((root / "proc/self/schedstat").read_text().split()[1])
    return found


def _table(path: Path, cpu: int, kind: str) -> dict[str, int]:
    """Read a table with a column a processor: its head names those that are online."""
    lines = path.read_text().splitlines()
    heads = lines[0].split()
    if f"CPU{cpu}" not in heads:
        return {}
    column, found = heads.index(f"CPU{cpu}"), {}
    for line in lines[1:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) >= len(heads) and words[column].isdigit():
            what = " ".join(words[len(heads) :]) or name.strip()
            found[f"{kind}:{what if re.fullmatch('[0-9]+', name.strip()) else name.strip()}"] = int(words[column])
    return found
