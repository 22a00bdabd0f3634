"""Orders that were slow from tick to trade, each with its stages and the cause that the kernel's counts speak for.

The lane keeps an order over the bound in a small ring (noderrd/lane/waterfall.py); here the bound is set, the ring is read, and Linux is asked what
happened to the lane's core meanwhile (telemetry.evidence). The bound is configured, or what 99.9 % of the last minute's orders stayed below.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import trio

from core.codes import Stage
from noderrd.telemetry import hdr, waterfall
from noderrd.telemetry.evidence import Collections, Finding, Sampler
from noderrd.telemetry.metrics import LaneView

STEP_S = 0.1
ADAPT_NS = 1_000_000_000
WINDOW_NS = 60_000_000_000
ENOUGH = 1_000  # orders in the window, for a bound that adapts
KEPT = 256


class Slow:
    """`view` and `pid` give the lane; `window(ns)` its latency counts of the last so long; `bound_ns` 0 adapts."""

    def __init__(self, view: Callable[[], LaneView], pid: Callable[[], int], window: Callable[[int], np.ndarray], bound_ns: int = 0) -> None:
        self._view, self._pid, self._window, self._bound_ns = view, pid, window, bound_ns
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._seen, self._adapt_ns, self._watched = 0, 0, 0
        self._sampler: Sampler | None = None
        self._collections = Collections()

    async def run(self) -> None:
        """Look until cancelled."""
        with self._collections:
            while True:
                self.turn(time.time_ns())
                await trio.sleep(STEP_S)

    def turn(self, now_ns: int) -> None:
        """Set the bound, take a sample, and explain the orders that came before it."""
        view = self._view()
        control = view.shared.control[0]
        if now_ns >= self._adapt_ns:
            self._adapt_ns = now_ns + ADAPT_NS
            control["slow_ns"] = self._bound_ns or adapted(self._window(WINDOW_NS)[Stage.TICK_TO_TRADE])
        head = int(control["slow_head"])
        rows, _ = waterfall.drain(view.shared.slow, min(self._seen, head), head)
        self._seen = head
        self._sample()
        self._kept.extend(self._told(view, row) for row in rows)

    def _sample(self) -> None:
        """Take a sample of the lane that runs."""
        pid = self._pid()
        if pid != self._watched:
            self._watched, self._sampler = pid, Sampler(pid, spent=lambda: self._collections.ns) if pid else None
        if self._sampler is not None:
            try:
                self._sampler.take(time.time_ns())
            except (OSError, ValueError, IndexError):  # it has just ended
                self._watched, self._sampler = 0, None

    def _told(self, view: LaneView, row: np.void) -> dict[str, Any]:
        spec, took = view.spec, int(row["cut"][-1])
        began_ns = int(row["rx_ns"]) - int(row["cut"][Stage.KERNEL])
        found = self._sampler.explain(began_ns, took) if self._sampler is not None else Finding("unknown", {})
        inst, strat = int(row["inst"]), int(row["strat"])
        return {
            "cl_ord_id": f"{int(row['cl_ord_id']):014X}", "at": began_ns, "ns": took, "venue": spec.venues[int(row["venue"])].name,
            "symbol": spec.instruments[inst].symbol, "strategy": spec.strategies[strat].name if strat < len(spec.strategies) else "",
            "stages": waterfall.stages(row), "cause": found.cause, "evidence": found.evidence,
        }  # fmt: skip

    def answer(self) -> dict[str, Any]:
        """Give the last KEPT, oldest first, and the bound (ns; 0: none yet)."""
        return {"bound_ns": int(self._view().shared.control[0]["slow_ns"]), "orders": list(self._kept)}


def adapted(counts: np.ndarray) -> int:
    """Give the bound that 99.9 % of int64[BUCKETS] are not above; 0 while there are too few for that."""
    told = hdr.summary(counts)
    return told["p999"] + 1 if told["n"] >= ENOUGH else 0
