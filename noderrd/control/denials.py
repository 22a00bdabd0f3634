"""Denials in the log: the first of a kind at once, then one in REST_S at most, with how many there were, however fast a strategy asks.

A kind is a strategy, a reason and a rule. The lane keeps denials in a ring, and names a rule by its place in a table that only grows: file:line
are those of the rule as it was when the lane decided, also after a reload.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from noderrd.control import answers
from noderrd.control.lanes import Lane

REST_S = 10.0
TOLD = ("cl_ord_id", "strategy", "symbol", "venue", "side", "px", "order_qty")  # of the last one, besides its denial


@dataclass
class _Kind:
    """Denials of a kind: when one was told, how many were not since, and the last of these."""

    told_s: float
    waiting: int = 0
    last: np.void | None = None


class Denials:
    """Tells a log what a lane's risk refuses. `clock` gives seconds that only rise."""

    def __init__(self, lane: Lane, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._lane, self._log, self._clock = lane, log, clock
        self._seen = int(lane.shared.control[0]["denial_head"])
        self._kinds: dict[tuple[int, int, int], _Kind] = {}

    def look(self) -> None:
        """Tell what is new and due."""
        now = self._clock()
        for row in self._new():
            key = (int(row["strat"]), int(row["denial"]), int(row["denial_rule"]))
            kind = self._kinds.setdefault(key, _Kind(-math.inf))
            kind.waiting, kind.last = kind.waiting + 1, row
        for key, kind in list(self._kinds.items()):
            if now - kind.told_s < REST_S:
                continue
            if kind.last is None:
                del self._kinds[key]
                continue
            told = answers.order(self._lane, kind.last)
            self._log.warning("denied", n=kind.waiting, **{name: told[name] for name in TOLD}, **told["denial"])
            kind.told_s, kind.waiting, kind.last = now, 0, None

    def _new(self) -> list[np.void]:
        """Give the denials since the last look; what was overwritten meanwhile is counted in the log."""
        shared, seen = self._lane.shared, self._seen
        kept, head = len(shared.denials), int(shared.control[0]["denial_head"])
        begin = max(seen, head - kept)
        rows = [shared.denials[k % kept].copy() for k in range(begin, head)]
        whole = min(max(begin, int(shared.control[0]["denial_head"]) - kept + 1), head)  # those before it may have been written over while we read
        if whole > seen:
            self._log.warning("denials not told", n=whole - seen)
        self._seen = head
        return rows[whole - begin :]
