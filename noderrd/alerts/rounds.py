"""When alerts are looked at: at fixed times, and never twice to make up for a look that took longer than the time between two. Pure."""

import math


class Rounds:
    """Looks every `period_s` from `now_s` on; `skipped` counts those that the look before left no time for."""

    def __init__(self, period_s: float, now_s: float) -> None:
        self._period_s, self._due_s = period_s, now_s
        self.done = self.skipped = 0

    def wait(self, now_s: float) -> float:
        """A look is over: give how long to wait until the next one, in s; 0 < wait <= period."""
        self.done += 1
        self._due_s += self._period_s
        late = max(math.floor((now_s - self._due_s) / self._period_s) + 1, 0)
        self.skipped += late
        self._due_s += late * self._period_s
        return self._due_s - now_s
