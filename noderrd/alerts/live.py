"""What alerts watch, on a node that runs: read from the lanes' shared memory once a second, into the history that rules are evaluated on.

Latencies are not sampled: a percentile over a window is that of every single value in it (telemetry.windows). Not measured here, and therefore
missing: `score` of other nodes, and what rules.catalog does not list under `by`.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import psutil

from core.codes import BookState, Counter, Session, Stage
from core.layout import MAX_STRATEGIES, MONEY
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.telemetry import hdr
from noderrd.telemetry.clock import Clock
from noderrd.telemetry.figures import Figures
from noderrd.telemetry.metrics import LaneView
from rules import model
from rules.alert import needs
from rules.evaluate import MISSING, Leaf
from rules.expression import Apply, Measured
from rules.history import EWMA_WINDOWS, LOOKBACK_NS, PERCENTILES, History

COUNTS = {
    "messages": Counter.MESSAGES, "gaps": Counter.GAPS, "orders": Counter.ORDERS, "fills": Counter.FILLS, "rejects": Counter.REJECTED,
    "denials": Counter.DENIALS,
}  # fmt: skip
STAGES = {stage.name.lower(): stage for stage in Stage}
EVEN = 1 / 3  # each class of a model that knows nothing
KEEP_LEAST_NS = 60_000_000_000
LAST_NS = 1_000_000_000  # a latency without a window is the greatest of the last second
SESSIONS = {Session.UP: "up", Session.REPLAYING: "replaying", Session.REFUSED: "refused"}


class Measures:
    """Samples a lane. `window(ns)` gives its latency counts of the last so long, int64[STAGES, BUCKETS]; `figures` how well it trades."""

    def __init__(self, window: Callable[[int], np.ndarray], figures: Figures) -> None:
        self.history = History()
        self._window, self._figures = window, figures
        self._received: dict[str, tuple[int, int]] = {}  # by interface: when, and bytes since its start
        # What this round has found out already: a thousand alerts ask for a few things, and a window of latencies is a copy of all counts.
        self._round_ns, self._known, self._counts = -1, dict[Leaf, float](), dict[int, np.ndarray]()

    def watch(self, alerts: Iterable[model.Alert]) -> None:
        """Keep as much of the past as alerts look back, and no more."""
        windows = [leaf.window_ns * (EWMA_WINDOWS if leaf.function == "ewma" else 1) for a in alerts for leaf in needs(a) if isinstance(leaf, Apply)]
        self.history.keep_ns = max([KEEP_LEAST_NS, *windows]) + LOOKBACK_NS

    def take(self, view: LaneView, node: str, pids: dict[str, int], now_ns: int, clock: Clock | None = None) -> None:
        """Take a sample of everything; `node` is its state, `pids` the processes whose memory is measured, `clock` what is known of the clock."""
        counters = view.shared.control[0]["counters"]
        for name, counter in COUNTS.items():
            self.history.add(now_ns, name, {}, float(counters[counter]))
        self.history.add(now_ns, "lane_restarts", {}, float(view.restarts))
        self.history.set_states("node", {}, [node])
        halted = bool(view.shared.control[0]["halt_node"])
        self.history.set_states("lane", {}, [*(["ready"] if view.up else ["down"]), *(["halted"] if halted else [])])
        for labels in self._figures.shares:
            told = dict(zip(("strategy", "symbol", "venue"), labels, strict=True))
            self.history.add(now_ns, "fill_ratio", told, self._figures.fill_ratio(labels))
        self.history.add(now_ns, "fill_ratio", {}, self._figures.fill_ratio())
        self._venues(view, now_ns)
        self._books(view, now_ns)
        self._money(view, now_ns)
        for name, pid in pids.items():
            self.history.add(now_ns, "memory", {"process": name}, _resident(pid))
        self._interfaces(now_ns)
        if clock is not None:
            known = clock.source != "none"
            self.history.add(now_ns, "clock_offset", {}, float(abs(clock.offset_ns)) if known else MISSING)
            self.history.add(now_ns, "clock_error", {}, float(clock.error_ns) if known else MISSING)
            self.history.set_states("clock", {}, ["kept" if clock.synchronised else "unkept"])

    def _interfaces(self, now_ns: int) -> None:
        """Bytes a nanosecond since the look before; a counter that fell began anew, and is missing once."""
        for name, seen in psutil.net_io_counters(pernic=True).items():
            before_ns, before = self._received.get(name, (now_ns, seen.bytes_recv))
            if now_ns > before_ns and seen.bytes_recv >= before:
                self.history.add(now_ns, "bandwidth", {"interface": name}, (seen.bytes_recv - before) / (now_ns - before_ns))
            self._received[name] = (now_ns, seen.bytes_recv)

    def _venues(self, view: LaneView, now_ns: int) -> None:
        ages = []
        for name, score in view.scores.items():
            self.history.add(now_ns, "venue_score", {"venue": name}, MISSING if score.value is None else score.value)
        for v, venue in enumerate(view.spec.venues):
            row = view.shared.venues[v]
            for line, name in enumerate("ab"):
                self.history.add(now_ns, "lost", {"venue": venue.name, "line": name}, float(row["lost"][line]))
                if row["line_ns"][line]:
                    self.history.add(now_ns, "feed_age", {"venue": venue.name, "line": name}, float(now_ns - int(row["line_ns"][line])))
            if row["feed_ns"]:
                ages.append(float(now_ns - int(row["feed_ns"])))
                self.history.add(now_ns, "feed_age", {"venue": venue.name}, ages[-1])
            halted = ["halted"] if view.shared.control[0]["halt_venue"][v] else []
            self.history.set_states("venue", {"venue": venue.name}, [SESSIONS.get(Session(int(row["session_state"])), "down"), *halted])
        if ages:
            self.history.add(now_ns, "feed_age", {}, max(ages))

    def _books(self, view: LaneView, now_ns: int) -> None:
        shared = view.shared
        for k, it in enumerate(view.spec.instruments):
            labels = {"symbol": it.symbol, "venue": view.spec.venues[it.venue].name}
            bits = int(shared.insts[k]["state"]) | int(shared.venues[it.venue]["state"])
            self.history.set_states("book", labels, [state.name.lower() for state in BookState if bits & state] or ["live"])
            (bid, bid_qty), (ask, ask_qty) = _best(shared, k, 0), _best(shared, k, 1)
            there = bits == 0 and bid > 0 and ask > 0
            self.history.add(now_ns, "spread", labels, (ask - bid) / it.tick if there else MISSING)
            self.history.add(now_ns, "mid", labels, (ask + bid) / 2 / it.unit if there else MISSING)
            self.history.add(now_ns, "imbalance", labels, (bid_qty - ask_qty) / (bid_qty + ask_qty) if there else MISSING)
        for p, symbol in enumerate(view.spec.products):
            if shared.products[p]["score_ns"]:
                scores = shared.products[p]["score"].astype(float)
                move = _move(view.spec, int(shared.products[p]["model"]))
                self.history.add(now_ns, "edge", {"symbol": symbol}, abs(float(scores[2] - scores[0])) * move)
                top = float(scores.max())
                self.history.add(now_ns, "uncertainty", {"symbol": symbol}, min(max((1.0 - top) / (1.0 - EVEN), 0.0), 1.0))

    def _money(self, view: LaneView, now_ns: int) -> None:
        spec, n = view.spec, len(view.spec.instruments)
        for s, strategy in enumerate(spec.strategies):
            self._account(view, s, {"strategy": strategy.name}, now_ns)
            for k, it in enumerate(spec.instruments):
                row = view.shared.positions[s * n + k]
                labels = {"strategy": strategy.name, "symbol": it.symbol, "venue": spec.venues[it.venue].name}
                self.history.add(now_ns, "position", labels, float(row["position"]))
                self.history.add(now_ns, "fills", labels, float(row["fills"]))
                self.history.add(now_ns, "open_orders", labels, float(row["n_open"]))
        self._account(view, MAX_STRATEGIES, {}, now_ns)

    def _account(self, view: LaneView, index: int, labels: dict[str, str], now_ns: int) -> None:
        row = view.shared.accounts[index]
        earned = (int(row["profit"]) - int(row["day_profit"])) / MONEY
        self.history.add(now_ns, "pnl", labels, earned)
        self.history.add(now_ns, "daily_loss", labels, max(-earned, 0.0))

    def read(self, leaf: Leaf, now_ns: int) -> float:
        """Give what a leaf is worth; NaN for what is missing. Within a round (`now_ns`) each is found out once."""
        if now_ns != self._round_ns:
            self._round_ns = now_ns
            self._known.clear()
            self._counts.clear()
        if leaf not in self._known:
            self._known[leaf] = self._found(leaf, now_ns)
        return self._known[leaf]

    def _found(self, leaf: Leaf, now_ns: int) -> float:
        metric = leaf.arguments[0] if isinstance(leaf, Apply) else leaf
        if not isinstance(metric, Measured) or metric.name not in STAGES:
            return self.history.read(leaf, now_ns)
        if metric.labels:
            return MISSING  # those of all orders would be the answer to another question
        window_ns = leaf.window_ns if isinstance(leaf, Apply) else LAST_NS
        if window_ns not in self._counts:
            self._counts[window_ns] = self._window(window_ns)
        return of_counts(self._counts[window_ns][STAGES[metric.name]], leaf.function if isinstance(leaf, Apply) else "max", window_ns)


def of_counts(counts: np.ndarray, function: str, window_ns: int) -> float:
    """Apply a function to values of which it is known how many fell into each bucket of core.histogram."""
    n = int(counts.sum())
    if function in {"count", "absent"}:
        return float(n) if function == "count" else float(n == 0)
    if n == 0:
        return MISSING
    if function in PERCENTILES:
        return float(hdr.VALUES[np.searchsorted(np.cumsum(counts), max(math.ceil(PERCENTILES[function] * n), 1))])
    filled = np.flatnonzero(counts)
    total = float(counts[filled].astype(float) @ hdr.VALUES[filled])
    found = {"max": float(hdr.VALUES[filled[-1]]), "min": float(hdr.VALUES[filled[0]]), "sum": total, "avg": total / n, "rate": n / window_ns}
    return found.get(function, MISSING)


def _best(shared: Shared, inst: int, side: int) -> tuple[int, int]:
    n = int(shared.insts[inst]["n"][side])
    return (int(shared.px[inst, side, n - 1]), int(shared.qty[inst, side, n - 1])) if n > 0 else (0, 0)


def _move(spec: LaneSpec, model: int) -> float:
    """Give by how many ticks the mid moved, on average, when a model's class came true; NaN if its making did not say."""
    return (spec.models[model].move if 0 <= model < len(spec.models) else 0.0) or MISSING


def _resident(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) if pid else MISSING
    except psutil.Error:
        return MISSING
