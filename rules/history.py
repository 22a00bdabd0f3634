"""Measured values as they came, and what rules ask of them: the last one, a function over a window, a state. Bounded in series and samples.

Whoever measures adds; time is an argument. NaN says that there is no value from now on. A value older than LOOKBACK_NS is missing. Where
labels select several series, they count together as the catalogue says of their metric; a series that has exactly the labels asked for
counts alone, so that a total may be given beside its parts.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from rules import catalog
from rules.evaluate import FALSE, MISSING, TRUE, Leaf
from rules.expression import Apply, Measured, State

LOOKBACK_NS = 10 * catalog.SECOND
MAX_SERIES = 4096
MAX_SAMPLES = 200_000  # a series
EWMA_WINDOWS = 8  # half-lives that a weighted mean looks back
Labels = tuple[tuple[str, str], ...]  # sorted
_T = TypeVar("_T")
PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(slots=True)
class Series:
    """Samples of one series, oldest first; times never go back."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, now_ns: int, value: float, keep_ns: int) -> None:
        """Append; forget what is too old, in large steps: the newest MAX_SAMPLES at most are kept."""
        self.times.append(max(now_ns, self.times[-1]) if self.times else now_ns)
        self.values.append(value)
        old = bisect_left(self.times, now_ns - keep_ns)
        if old > 1024 or len(self.times) > MAX_SAMPLES:
            cut = max(old, len(self.times) - MAX_SAMPLES // 2)
            del self.times[:cut], self.values[:cut]

    def at(self, now_ns: int) -> float:
        """Give the value at a time."""
        k = bisect_right(self.times, now_ns) - 1
        return self.values[k] if k >= 0 and now_ns - self.times[k] <= LOOKBACK_NS else MISSING

    def between(self, begin_ns: int, end_ns: int) -> list[tuple[int, float]]:
        """Give the samples after `begin_ns` up to `end_ns`."""
        first, last = bisect_right(self.times, begin_ns), bisect_right(self.times, end_ns)
        return list(zip(self.times[first:last], self.values[first:last], strict=True))


class History:
    """All series, and the states of what has states. Keeps `keep_ns` of the past, which may be changed."""

    def __init__(self, keep_ns: int = catalog.DAY) -> None:
        self.keep_ns = keep_ns
        self._series: dict[str, dict[Labels, Series]] = {}
        self._states: dict[str, dict[Labels, frozenset[str]]] = {}
        self._count = 0

    def add(self, now_ns: int, name: str, labels: Mapping[str, str], value: float) -> bool:
        """Take a sample; False when there are too many series to take another."""
        known = self._series.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        if key not in known:
            if self._count >= MAX_SERIES:
                return False
            self._count += 1
            known[key] = Series()
        known[key].add(now_ns, value, self.keep_ns)
        return True

    def set_states(self, subject: str, labels: Mapping[str, str], states: Sequence[str]) -> None:
        """Say in which states a book, a venue, the node or the lane is from now on; none: it is not known."""
        self._states.setdefault(subject, {})[tuple(sorted(labels.items()))] = frozenset(states)

    def read(self, leaf: Leaf, now_ns: int) -> float:
        """Give the value of a leaf; truths are 1 and 0, what is missing is NaN."""
        if isinstance(leaf, State):
            return self._state(leaf)
        metric = leaf if isinstance(leaf, Measured) else leaf.arguments[0]
        assert isinstance(metric, Measured)
        chosen = _chosen(self._series.get(metric.name, {}), metric.labels)
        together = catalog.METRICS[metric.name].together
        if isinstance(leaf, Measured):
            return _together(together, [series.at(now_ns) for series in chosen])
        reach = leaf.window_ns * (EWMA_WINDOWS if leaf.function == "ewma" else 1)
        return over(leaf, _samples(chosen, together, now_ns - reach, now_ns), now_ns)

    def _state(self, leaf: State) -> float:
        known = _chosen(self._states.get(leaf.subject, {}), leaf.labels)
        known = [states for states in known if states]
        if not known:
            return MISSING
        return TRUE if any(leaf.state in states for states in known) != leaf.negated else FALSE


def over(leaf: Apply, samples: Sequence[tuple[int, float]], now_ns: int) -> float:
    """Apply a function to the samples of its window; those that are NaN do not count."""
    pairs = [(t, v) for t, v in samples if not math.isnan(v)]
    function, values = leaf.function, [v for _, v in pairs]
    if function == "absent":
        return FALSE if values else TRUE
    if function == "count":
        return float(len(values))
    if not values:
        return MISSING
    if function in PERCENTILES:
        return sorted(values)[max(math.ceil(PERCENTILES[function] * len(values)), 1) - 1]
    if function in {"rate", "delta"}:
        return _change(function, pairs)
    if function == "ewma":
        weights = [0.5 ** ((now_ns - t) / leaf.window_ns) for t, _ in pairs]
        return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights) if math.fsum(weights) > 0 else MISSING
    return {"avg": math.fsum(values) / len(values), "sum": math.fsum(values), "max": max(values), "min": min(values)}[function]


def _change(function: str, pairs: Sequence[tuple[int, float]]) -> float:
    """Increase a nanosecond (a counter that falls began anew), or last minus first; missing for fewer than two samples."""
    span = pairs[-1][0] - pairs[0][0]
    if len(pairs) < 2 or (function == "rate" and span <= 0):
        return MISSING
    if function == "delta":
        return pairs[-1][1] - pairs[0][1]
    grown = math.fsum(after - before if after >= before else after for (_, before), (_, after) in pairwise(pairs))
    return grown / span


def _chosen(known: Mapping[Labels, _T], asked: tuple[tuple[str, bool, str], ...]) -> list[_T]:
    """Give what labels select; what has exactly them, alone."""
    exact = tuple((name, value) for name, equal, value in asked if equal)
    if exact in known and len(exact) == len(asked):
        return [known[exact]]
    return [one for labels, one in known.items() if all((dict(labels).get(name) == value) == equal for name, equal, value in asked)]


def _together(how: str, values: Sequence[float]) -> float:
    """Make one value of those of several series; missing ones do not count, unless all are."""
    there = [v for v in values if not math.isnan(v)]
    if not there:
        return MISSING
    if how == "all":
        return there[-1]
    return math.fsum(there) if how == "sum" else max(there) if how == "max" else min(there)


def _samples(chosen: Sequence[Series], how: str, begin_ns: int, end_ns: int) -> list[tuple[int, float]]:
    """Make one series of several: all samples, or at every time the values of all together."""
    if len(chosen) == 1:
        return chosen[0].between(begin_ns, end_ns)
    found = sorted(sample for series in chosen for sample in series.between(begin_ns, end_ns))
    if how == "all":
        return found
    times = sorted({t for t, _ in found})
    return [(t, _together(how, [series.at(t) for series in chosen])) for t in times]
