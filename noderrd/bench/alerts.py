"""What a round of the daemon costs that evaluates alerts: all of a policy's, once, on an hour of samples of 60 books and of latencies.

A third of the alerts asks for a book's value over a window, a third for one of a latency, a third compares two values. The reference is the same
policy with a tenth of the alerts. `share_of_period` is p99 over the second between two rounds.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.codes import Stage
from noderrd import logs
from noderrd.alerts.live import Measures
from noderrd.alerts.watcher import Watcher
from noderrd.bench.row import Row, figure
from noderrd.telemetry.figures import Figures
from noderrd.telemetry.windows import Windows
from rules import check, model

HELP = "microseconds to evaluate 1,000 alerts once"
NAME = "alerts"
ALERTS, REFERENCE = 1_000, 100
ROUNDS, QUICK_ROUNDS = 200, 5
SECOND = 1_000_000_000
PAST_S, QUICK_PAST_S = 3_600, 60
SYMBOLS, VENUES = 20, 3
WINDOWS_S = (5, 10, 30, 60, 300, 3_600)
PERIOD_US = 1e6


def policy(n: int) -> model.Policy:
    """Give a policy of so many alerts."""
    lines = []
    for k in range(n):
        book = f"[symbol = S{k % SYMBOLS}, venue = V{k % VENUES}]"
        window = WINDOWS_S[k // 3 % len(WINDOWS_S)]
        when = (
            f"avg(spread{book}) over {window}s > {1 + k % 7} ticks",
            f"p99({list(Stage)[k // 3 % len(Stage)].name.lower()}) over {window}s > {10 + k}us",
            f"mid{book} > {100 + k} USD and imbalance{book} > 0.{k % 9 + 1}",
        )[k % 3]
        lines.append(f"alert a{k} warning {{\n  when {when} for 5s\n  do log\n}}")
    text = "\n".join(lines).encode()
    loaded, found, _ = check.load([f"{NAME}.rules"], lambda _: text, lambda *_: [])
    if loaded is None:
        raise ValueError("\n".join(str(one) for one in found))
    return loaded


class Desk:
    """A watcher of `n` alerts, and a past that was measured."""

    def __init__(self, folder: Path, n: int, past_s: int) -> None:
        self._watcher, self._windows = Watcher(folder, logs.get(NAME)), Windows()
        self._counts = np.zeros((len(Stage), 27_648), np.int64)
        self._measures = Measures(lambda ns: self._windows.over(ns, self._now_ns), Figures())
        made = policy(n)
        self._watcher.watch(made)
        self._measures.watch(made.alerts)
        self._random, self._now_ns = np.random.default_rng(3), 1_800_000_000 * SECOND
        for _ in range(past_s):
            self._second()

    def _second(self) -> None:
        self._now_ns += SECOND
        values = self._random.random((SYMBOLS, VENUES, 3))
        for s in range(SYMBOLS):
            for v in range(VENUES):
                labels = {"symbol": f"S{s}", "venue": f"V{v}"}
                for name, value in zip(("spread", "mid", "imbalance"), values[s, v].tolist(), strict=True):
                    self._measures.history.add(self._now_ns, name, labels, value)
        np.add.at(self._counts, (self._random.integers(0, len(Stage), 200), self._random.integers(0, 12_000, 200)), 1)
        self._windows.take(self._now_ns, self._counts)

    def round(self) -> float:
        """Let a second pass; give what its round took, in us."""
        self._second()
        began = time.perf_counter_ns()
        self._watcher.step(self._measures.read, self._now_ns)
        return (time.perf_counter_ns() - began) / 1_000


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a few rounds, on a minute."""
    past_s = QUICK_PAST_S if quick else PAST_S
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as place:
        many, few = (Desk(Path(place) / str(n), n, past_s) for n in (ALERTS, REFERENCE))
        pairs = [(many.round(), few.round()) for _ in range(QUICK_ROUNDS if quick else ROUNDS)]
    took, reference = np.array(pairs).T
    more = {"alerts": ALERTS, "share_of_period": figure(float(np.percentile(took, 99)) / PERIOD_US)}
    yield Row(NAME, f"round-{ALERTS}", "us", took, f"{REFERENCE} alerts", reference, more)
