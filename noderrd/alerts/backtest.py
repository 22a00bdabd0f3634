"""Alerts over the past: the transitions that a node would have seen, by the state machine and once a second, as it does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rules import alert as machine
from rules import calendar, model
from rules.catalog import SECOND
from rules.evaluate import Leaf
from rules.history import History

QUIET_S = 900  # after so long without a record, time is skipped: nobody watched


class Learner(Protocol):
    """Takes rows, and samples by the second."""

    history: History

    def row(self, row: np.void) -> None:
        """Take a row."""

    def second(self, now: int) -> None:
        """Sample what is asked for by the second."""


@dataclass(slots=True)
class Backtest:
    """Steps every alert of a policy over time."""

    policy: model.Policy
    learner: Learner
    transitions: list[machine.Transition] = field(default_factory=list)
    measured: set[Leaf] = field(default_factory=set)
    begin_ns: int = -1
    end_ns: int = -1
    _states: dict[str, machine.State] = field(default_factory=dict)
    _last_row_ns: int = 0

    def run(self, rows: Iterable[tuple[int, np.void]]) -> None:
        """Take rows with their times, oldest first."""
        for now, row in rows:
            if self.begin_ns < 0:
                self.begin_ns = self.end_ns = now - now % SECOND
            for tick in self._ticks(now):
                self._step(tick)
            self._last_row_ns = now
            self.learner.row(row)
        if self.end_ns >= 0:
            self._step(self.end_ns + SECOND)

    def _ticks(self, now: int) -> Iterator[int]:
        """Give the full seconds up to a time."""
        if now - self._last_row_ns > 2 * QUIET_S * SECOND and self._last_row_ns:
            yield from range(self.end_ns + SECOND, self._last_row_ns + QUIET_S * SECOND, SECOND)
            self.end_ns = now - now % SECOND
            return
        yield from range(self.end_ns + SECOND, now + 1, SECOND)

    def _step(self, now: int) -> None:
        self.end_ns = now
        self.learner.second(now)
        quiet = {one.name: one for one in self.policy.calendars if one.kind == "blackout"}
        for alert in self.policy.alerts:
            values = {leaf: self.learner.history.read(leaf, now) for leaf in machine.needs(alert)}
            self.measured |= {leaf for leaf, value in values.items() if value == value}  # noqa: PLR0124 - NaN: missing
            silent = any(calendar.inside(quiet[name], now) for name in alert.blackout)
            state, moved = machine.step(alert, self._states.get(alert.name, machine.State()), values, now, quiet=silent)
            self._states[alert.name] = state
            self.transitions += moved

    def unmeasured(self) -> list[Leaf]:
        """Give what alerts ask for and that was never there."""
        asked = dict.fromkeys(leaf for alert in self.policy.alerts for leaf in machine.needs(alert))
        return [leaf for leaf in asked if leaf not in self.measured]
