"""Latency of the last so many seconds: differences of the lane's ever-growing counts.

A copy of what grew is kept for every tick of the clock; a window is the counts now minus the counts then. That is an interval histogram without a
second buffer in the lane: nothing is reset, so several readers with several windows do not disturb one another, and no value is lost or counted
twice between two of them.
"""

from collections import deque

import numpy as np

from core.layout import BUCKETS, STAGES

SECOND = 1_000_000_000


class Windows:
    """Keeps the growth of int64[STAGES, BUCKETS] for `keep_ns`, a step at a time. A lane that counts from 0 again begins anew."""

    def __init__(self, keep_ns: int = 3600 * SECOND) -> None:
        self._keep_ns = keep_ns
        self._last = np.zeros((STAGES, BUCKETS), np.int64)
        self._steps: deque[tuple[int, np.ndarray, np.ndarray]] = deque()  # time, flat index, growth

    def take(self, now_ns: int, counts: np.ndarray) -> None:
        """Take what the lane has counted by now."""
        now = counts.copy()
        grown = (now - self._last).ravel()
        if (grown < 0).any():
            self._steps.clear()
            grown = now.ravel()
        self._last = now
        index = np.flatnonzero(grown)
        self._steps.append((now_ns, index.astype(np.int32), grown[index]))
        while self._steps and self._steps[0][0] <= now_ns - self._keep_ns:
            self._steps.popleft()

    def over(self, window_ns: int, now_ns: int) -> np.ndarray:
        """Give int64[STAGES, BUCKETS]: what was counted in the window that ends at `now_ns`, to the precision of the steps."""
        found = np.zeros(STAGES * BUCKETS, np.int64)
        for at_ns, index, grown in reversed(self._steps):
            if at_ns <= now_ns - window_ns:
                break
            found[index] += grown  # an index stands once in a step
        return found.reshape(STAGES, BUCKETS)

    def total(self) -> np.ndarray:
        """Give all that the lane has counted, as last taken."""
        return self._last
