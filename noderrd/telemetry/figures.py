"""How well a running node trades: the figures of telemetry.trading, kept up as executions come, read from the lane's shared memory.

Sums are kept, not executions; they begin anew at midnight UTC and when the daemon starts. Sharpe and Sortino are of the changes of a strategy's
profit over SAMPLE_NS, annualised by trading.Year. An execution that its venue breaks later stays in these figures; positions and profit lose it.
"""

import dataclasses
import math
from collections import deque
from typing import NamedTuple

import numpy as np

from core.codes import OrdStatus
from core.layout import MAX_STRATEGIES, MONEY, ORDER_SLOTS
from noderrd.telemetry import trading
from noderrd.telemetry.metrics import LaneView

SECOND = 1_000_000_000
DAY_NS = 86_400 * SECOND
HORIZONS_S = (1, 5, 30)
SAMPLE_NS = 10 * SECOND
WAITING = 65_536  # executions whose horizon has not come, a horizon
ENDED = (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED)
Labels = tuple[str, ...]


@dataclasses.dataclass
class Costs:
    """Sums over executions of a strategy at a venue, in the account's currency; `later`: (realised, adverse, value) a horizon."""

    slippage: float = 0.0
    arrived: float = 0.0
    spread: float = 0.0
    value: float = 0.0  # at the mid
    later: list[list[float]] = dataclasses.field(default_factory=lambda: [[0.0, 0.0, 0.0] for _ in HORIZONS_S])


class Waiting(NamedTuple):
    """An execution whose horizon has not come. Prices are those of a share, in the account's currency."""

    ts_ns: int
    inst: int
    key: Labels
    side: int
    px: float
    mid: float
    qty: int


@dataclasses.dataclass
class Shares:
    """Of orders that have ended."""

    ordered: int = 0
    filled: int = 0


class Mids:
    """The middle of a book over the last horizon: what it was at a time, while that is not longer ago."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, float]] = deque()

    def add(self, now_ns: int, mid: float) -> None:
        """Take what it is now."""
        if not self._points or self._points[-1][1] != mid:
            self._points.append((now_ns, mid))
        while len(self._points) > 1 and self._points[1][0] <= now_ns - 2 * HORIZONS_S[-1] * SECOND:
            self._points.popleft()

    def at(self, when_ns: int) -> float:
        """Give the last one at or before a time; NaN before the first."""
        return next((mid for at_ns, mid in reversed(self._points) if at_ns <= when_ns), math.nan)


class Figures:
    """Takes a lane's executions, ended orders and profits; gives figures by strategy and, where an execution has one, venue."""

    def __init__(self) -> None:
        self._seen, self._day = -1, -1
        self._counted = np.zeros(ORDER_SLOTS, np.int64)
        self._mids: dict[int, Mids] = {}
        self._begin()

    def _begin(self) -> None:
        """Begin a day."""
        self.costs: dict[Labels, Costs] = {}  # by strategy, venue
        self.shares: dict[Labels, Shares] = {}  # by strategy, symbol, venue
        self.closing: dict[Labels, trading.Closing] = {}  # by strategy, symbol, venue
        self.turnover: dict[Labels, float] = {}
        self.equity: dict[str, list[float]] = {}  # a sample each SAMPLE_NS
        self.peaks: dict[str, tuple[float, float]] = {}  # highest profit, greatest fall from one
        self.inventory: dict[str, float] = {}
        self._waiting: list[deque[Waiting]] = [deque(maxlen=WAITING) for _ in HORIZONS_S]  # a horizon, oldest first
        self._next_ns = 0

    def take(self, view: LaneView, now_ns: int) -> None:
        """Take what is new since the last time; the first time, nothing from before."""
        control, shared = view.shared.control[0], view.shared
        if now_ns // DAY_NS != self._day:
            self._day = now_ns // DAY_NS
            self._begin()
        head = int(control["fill_head"])
        if self._seen < 0 or head < self._seen:
            self._seen = head
            self._counted = np.where(np.isin(shared.orders["ord_status"], ENDED), shared.orders["cl_ord_id"], 0)
        for inst, row in enumerate(shared.insts["mark"] if len(shared.insts) else ()):
            if row[0] > 0 and row[1] > 0:
                self._mids.setdefault(inst, Mids()).add(now_ns, (int(row[0]) + int(row[1])) / 2 * float(view.spec.instruments[inst].worth))
        for k in range(max(self._seen, head - len(shared.fills)), head):
            self._fill(view, shared.fills[k % len(shared.fills)].copy())
        self._seen = head
        self._horizons(now_ns)
        self._orders(view)
        self._profits(view, now_ns)

    def _fill(self, view: LaneView, row: np.void) -> None:
        n = len(view.spec.instruments)
        strat, inst = int(row["index"]) // n, int(row["index"]) % n
        it = view.spec.instruments[inst]
        strategy = view.spec.strategies[strat].name if strat < len(view.spec.strategies) else ""
        venue = view.spec.venues[it.venue].name
        side, qty = (1 if row["side"] == 0 else -1), int(row["qty"])
        worth = float(it.worth)
        px, fee = int(row["px"]) * worth, int(row["fee"]) * worth
        key = strategy, it.symbol, venue
        self.closing.setdefault(key, trading.Closing()).fill(side, px, qty, fee)
        costs = self.costs.setdefault((strategy, venue), Costs())
        self.turnover[strategy,] = self.turnover.get((strategy,), 0.0) + px * qty
        if row["arrival"] > 0:
            arrival = int(row["arrival"]) / 2 * worth
            costs.slippage += side * (px - arrival) * qty
            costs.arrived += arrival * qty
        if row["mid"] > 0:
            mid = int(row["mid"]) / 2 * worth
            costs.spread += 2 * side * (px - mid) * qty
            costs.value += mid * qty
            for waiting in self._waiting:
                waiting.append(Waiting(int(row["ts_ns"]), inst, (strategy, venue), side, px, mid, qty))

    def _horizons(self, now_ns: int) -> None:
        """Look at the executions whose horizon has come."""
        for h, waiting in enumerate(self._waiting):
            while waiting and waiting[0].ts_ns + HORIZONS_S[h] * SECOND <= now_ns:
                one = waiting.popleft()
                later = self._mids[one.inst].at(one.ts_ns + HORIZONS_S[h] * SECOND) if one.inst in self._mids else math.nan
                if not math.isnan(later):
                    sums = self.costs[one.key].later[h]
                    sums[0] += 2 * one.side * (one.px - later) * one.qty
                    sums[1] += 2 * one.side * (one.mid - later) * one.qty
                    sums[2] += one.mid * one.qty

    def _orders(self, view: LaneView) -> None:
        orders = view.shared.orders
        ended = np.isin(orders["ord_status"], ENDED)
        for slot in np.flatnonzero(ended & (orders["cl_ord_id"] != self._counted)).tolist():
            row = orders[slot].copy()
            self._counted[slot] = row["cl_ord_id"]
            it, strat = view.spec.instruments[int(row["inst"])], int(row["strat"])
            strategy = view.spec.strategies[strat].name if strat < len(view.spec.strategies) else ""
            one = self.shares.setdefault((strategy, it.symbol, view.spec.venues[it.venue].name), Shares())
            one.ordered += int(row["order_qty"])
            one.filled += int(row["cum_qty"])

    def _profits(self, view: LaneView, now_ns: int) -> None:
        n, positions = len(view.spec.instruments), view.shared.positions
        marks = view.shared.insts["mark"].sum(axis=1) / 2
        worths = np.array([float(it.worth) for it in view.spec.instruments])
        for s, strategy in enumerate(view.spec.strategies[:MAX_STRATEGIES]):
            profit = int(view.shared.accounts[s]["profit"]) / MONEY
            peak, fall = self.peaks.get(strategy.name, (profit, 0.0))
            peak = max(peak, profit)
            self.peaks[strategy.name] = peak, max(fall, peak - profit)
            self.inventory[strategy.name] = float((np.abs(positions["position"][s * n : (s + 1) * n]) * marks * worths).sum())
            if now_ns >= self._next_ns:
                self.equity.setdefault(strategy.name, []).append(profit)
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + SAMPLE_NS

    def fill_ratio(self, labels: Labels = ()) -> float:
        """Give filled over ordered shares of ended orders: of a strategy, symbol and venue, or of all."""
        chosen = [one for key, one in self.shares.items() if not labels or key == labels]
        return trading.ratio(sum(one.filled for one in chosen), sum(one.ordered for one in chosen))

    def of_venue(self, venue: str) -> tuple[float, float]:
        """Give the fill ratio and the slippage in bps of a venue, over all strategies."""
        shares = [one for key, one in self.shares.items() if key[2] == venue]
        costs = [one for key, one in self.costs.items() if key[1] == venue]
        filled = trading.ratio(sum(one.filled for one in shares), sum(one.ordered for one in shares))
        return filled, trading.ratio(sum(one.slippage for one in costs) * trading.BPS, sum(one.arrived for one in costs))

    def rows(self) -> dict[str, list[tuple[Labels, float]]]:
        """Give every metric's samples; what nothing defines yet is absent."""
        found: dict[str, list[tuple[Labels, float]]] = {}

        def put(name: str, labels: Labels, value: float) -> None:
            if not math.isnan(value):
                found.setdefault(name, []).append((labels, value))

        for key in self.shares:
            put("noderrd_fill_ratio", key, self.fill_ratio(key))
        for key, it in self.costs.items():
            put("noderrd_slippage_bps", key, trading.ratio(it.slippage * trading.BPS, it.arrived))
            put("noderrd_effective_spread_bps", key, trading.ratio(it.spread * trading.BPS, it.value))
            for (realised, adverse, value), seconds in zip(it.later, HORIZONS_S, strict=True):
                put("noderrd_realised_spread_bps", (*key, f"{seconds}s"), trading.ratio(realised * trading.BPS, value))
                put("noderrd_adverse_selection_bps", (*key, f"{seconds}s"), trading.ratio(adverse * trading.BPS, value))
        for (strategy,), value in self.turnover.items():
            put("noderrd_turnover_value_total", (strategy,), value)
        for strategy, value in self.inventory.items():
            put("noderrd_inventory_value", (strategy,), value)
        for strategy, (_, fall) in self.peaks.items():
            put("noderrd_max_drawdown_value", (strategy,), fall)
        for strategy, samples in self.equity.items():
            curve, periods = np.array(samples), trading.Year().periods(SAMPLE_NS)
            put("noderrd_sharpe_ratio", (strategy,), trading.sharpe(curve, periods))
            put("noderrd_sortino_ratio", (strategy,), trading.sortino(curve, periods))
        for strategy in {key[0] for key in self.closing}:
            each = [one for key, one in self.closing.items() if key[0] == strategy]
            put("noderrd_profit_factor", (strategy,), trading.ratio(sum(one.won for one in each), sum(one.lost for one in each)))
            put("noderrd_hit_ratio", (strategy,), trading.ratio(sum(one.winners for one in each), sum(one.closes for one in each)))
        return found
