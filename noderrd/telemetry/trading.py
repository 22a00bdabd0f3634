"""How well it trades: figures over fills, orders and equity, each defined here once.

Money is in currency units, times are ns, sides are +1 (bought) and -1 (sold). A figure that nothing defines (no fills, no losses, no spread of
returns) is NaN, never 0. Sources: Harris, "Trading and Exchanges" (2003), chapter 21, for slippage and spreads; Huang and Stoll, "Dealer versus
auction markets" (1996), for realised spread and price impact; Sharpe (1994); Sortino and van der Meer (1991).
"""

import dataclasses
import math

import numpy as np

SECOND = 1_000_000_000
BPS = 10_000.0

# An execution. `arrival_mid`: mid when the order was decided on; `mid`: mid just before the execution.
FILL = np.dtype(
    [("ts_ns", "i8"), ("side", "i8"), ("px", "f8"), ("qty", "i8"), ("fee", "f8"), ("arrival_mid", "f8"), ("mid", "f8")],
    align=True,
)


@dataclasses.dataclass(frozen=True)
class Year:
    """What annualises a figure: how many trading days a year has, and how many seconds such a day."""

    days: int = 252
    day_s: float = 23_400.0

    def periods(self, interval_ns: int) -> float:
        """Give how many intervals a year has."""
        return self.days * self.day_s * SECOND / interval_ns


def ratio(over: float, under: float) -> float:
    """Divide; NaN by nothing."""
    return over / under if under else math.nan


def fill_ratio(ordered: np.ndarray, filled: np.ndarray) -> float:
    """Give filled shares over ordered shares, of orders that have ended."""
    return ratio(float(filled.sum()), float(ordered.sum()))


def slippage_bps(fills: np.ndarray) -> float:
    """Give what executions cost against the mid at the decision, weighted by value; positive is a cost. Fees apart."""
    cost = fills["side"] * (fills["px"] - fills["arrival_mid"]) * fills["qty"]
    return ratio(float(cost.sum()) * BPS, float((fills["arrival_mid"] * fills["qty"]).sum()))


def effective_spread_bps(fills: np.ndarray) -> float:
    """Give twice the distance of executions from the mid; negative for a maker, who is paid it."""
    return _spread(fills, fills["px"] - fills["mid"])


def realised_spread_bps(fills: np.ndarray, later_mid: np.ndarray) -> float:
    """Give twice the distance of executions from the mid of a horizon later (`later_mid` float64, one a fill)."""
    return _spread(fills, fills["px"] - later_mid)


def adverse_selection_bps(fills: np.ndarray, later_mid: np.ndarray) -> float:
    """Give how far the mid moved against the fills by the horizon, doubled: realised minus effective spread, as those who were filled see it."""
    return -_spread(fills, later_mid - fills["mid"])


def _spread(fills: np.ndarray, distance: np.ndarray) -> float:
    doubled = 2.0 * fills["side"] * distance * fills["qty"]
    return ratio(float(doubled.sum()) * BPS, float((fills["mid"] * fills["qty"]).sum()))


def at(times: np.ndarray, values: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Give the last value at or before each time; NaN before the first. `times` ascending."""
    k = np.searchsorted(times, when, side="right") - 1
    return np.where(k >= 0, values[np.maximum(k, 0)], math.nan) if len(values) else np.full(len(when), math.nan)


def sampled(times: np.ndarray, equity: np.ndarray, interval_ns: int) -> np.ndarray:
    """Give the equity at every full interval from the first time to the last."""
    if not len(times):
        return np.zeros(0)
    return at(times, equity, np.arange(times[0], times[-1] + 1, interval_ns))


def sharpe(equity: np.ndarray, periods_a_year: float) -> float:
    """Give mean over standard deviation (n - 1) of the changes of equity sampled at equal intervals, annualised. No risk-free rate is taken off."""
    changes = np.diff(equity)
    least = 2
    if len(changes) < least:
        return math.nan
    return ratio(float(changes.mean()) * math.sqrt(periods_a_year), float(changes.std(ddof=1)))


def sortino(equity: np.ndarray, periods_a_year: float) -> float:
    """Give mean over downside deviation (root mean square of the losses, over all changes), annualised; the target is 0."""
    changes = np.diff(equity)
    if not len(changes):
        return math.nan
    return ratio(float(changes.mean()) * math.sqrt(periods_a_year), math.sqrt(float((np.minimum(changes, 0.0) ** 2).mean())))


def max_drawdown(equity: np.ndarray) -> float:
    """Give the largest fall from a peak so far, as a positive amount; the peak begins at the first value."""
    return float((np.maximum.accumulate(equity) - equity).max()) if len(equity) else math.nan


@dataclasses.dataclass
class Closing:
    """A position at average cost, one execution after the other; what was won and lost by closing, fees taken off."""

    position: int = 0
    cost: float = 0.0
    won: float = 0.0
    lost: float = 0.0
    closes: int = 0
    winners: int = 0

    def fill(self, side: int, px: float, qty: int, fee: float) -> float | None:
        """Take an execution; gives its profit when it closed something."""
        profit = None
        closing = min(qty, abs(self.position)) if self.position * side < 0 else 0
        if closing:
            gone = self.cost * closing / abs(self.position)
            profit = -side * (px * closing - gone) - fee
            self.cost -= gone
            self.closes += 1
            self.winners += profit > 0
            self.won += max(profit, 0.0)
            self.lost += max(-profit, 0.0)
        self.cost += px * (qty - closing)
        self.position += side * qty
        return profit


def closed(fills: np.ndarray) -> np.ndarray:
    """Give the profit of every fill that closed something: float64[<= fills]."""
    it = Closing()
    rows = zip(fills["side"].tolist(), fills["px"].tolist(), fills["qty"].tolist(), fills["fee"].tolist(), strict=True)
    found = [it.fill(side, px, qty, fee) for side, px, qty, fee in rows]
    return np.array([profit for profit in found if profit is not None], np.float64)


def profit_factor(profits: np.ndarray) -> float:
    """Give what was won over what was lost."""
    return ratio(float(profits[profits > 0].sum()), -float(profits[profits < 0].sum()))


def hit_ratio(profits: np.ndarray) -> float:
    """Give the share of closing fills that won."""
    return ratio(float((profits > 0).sum()), float(len(profits)))


def turnover(fills: np.ndarray) -> float:
    """Give the value bought and sold."""
    return float((fills["px"] * fills["qty"]).sum())


def inventory(fills: np.ndarray, end_ns: int) -> float:
    """Give the time-weighted mean of |position| from the first fill to `end_ns`."""
    if not len(fills) or end_ns <= fills["ts_ns"][0]:
        return math.nan
    held = np.abs(np.cumsum(fills["side"] * fills["qty"]))
    spans = np.diff(np.append(fills["ts_ns"], end_ns))
    return float((held * spans).sum()) / float(end_ns - fills["ts_ns"][0])
