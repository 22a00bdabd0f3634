"""A day of a node out of its journal: what it sent, got, earned and was refused, and how fast. Nothing is asked of the node."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from core.codes import Denial, JournalKind
from noderrd.alerts import past
from noderrd.alerts.recorded import Journal, Order
from noderrd.journal.decode import words
from noderrd.journal.read import records
from noderrd.telemetry import pathlog
from noderrd.telemetry.trading import FILL
from noderrd.telemetry.waterfall import Key

SECOND = 1_000_000_000
MOST_MIDS = 200_000  # a symbol
LATENCIES = ("tick_to_trade", "ack", "fill")


@dataclasses.dataclass
class Day:
    """What there was between `begin_ns` and `end_ns`. Series are (ns, value)."""

    begin_ns: int
    end_ns: int
    fills: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # FILL's fields, with strategy, symbol, venue, match, times
    equity: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    mids: dict[str, list[tuple[float, float]]] = dataclasses.field(default_factory=dict)  # by symbol: the mean of its venues' mids
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    denials: Counter[str] = dataclasses.field(default_factory=Counter)
    latencies: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {name: [] for name in LATENCIES})
    alerts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    paths: dict[Key, np.ndarray] = dataclasses.field(default_factory=dict)  # by venue and class: int64[stages, BUCKETS]

    def inside(self, at_ns: int) -> bool:
        """Tell whether a time is of this day."""
        return self.begin_ns <= at_ns < self.end_ns

    def table(self, **wanted: str) -> np.ndarray:
        """Give the fills of a venue, a symbol or a strategy as FILL[n], prices as what a share counts in the account's currency."""
        rows = [fill for fill in self.fills if all(fill[key] == value for key, value in wanted.items())]
        found = np.array([tuple(fill[name] for name in FILL.names or ()) for fill in rows], FILL)
        for name in ("px", "mid", "arrival_mid"):
            found[name] *= [fill["times"] for fill in rows]
        return found


class _Reader(Journal):
    """Learns as a backtest does, and keeps what a report shows."""

    def __init__(self, day: Day) -> None:
        super().__init__()
        self._by_venue: dict[str, dict[int, float]] = {}
        self._before = 0.0  # worth of everything a second ago
        self._day_of, self._decided = day, dict[tuple[int, int], float]()  # by venue and UserRefNum: the mid when it was sent
        self._unanswered: set[tuple[int, int]] = set()  # orders and replaces, likewise
        self.history.keep_ns = SECOND  # nobody asks for more

    def row(self, row: np.void) -> None:
        """Take a record."""
        now, kind = int(row["ts_ns"]), int(row["kind"])
        super().row(row)
        if not self._day_of.inside(now):
            return
        if kind == JournalKind.DENIED:
            code = words(row)[0]
            self._day_of.denials[Denial(code).name if code in Denial.__members__.values() else str(code)] += 1
        if kind == JournalKind.TICK and (mid := self._mid.get(int(row["inst"]))) is not None:
            symbol = self._names.symbol(int(row["inst"]))
            of_venues = self._by_venue.setdefault(symbol, {})
            of_venues[int(row["venue"])] = mid
            series = self._day_of.mids.setdefault(symbol, [])
            series.append((float(now), sum(of_venues.values()) / len(of_venues)))
            if len(series) > MOST_MIDS:
                del series[1::2]  # the whole day at half as many points

    def second(self, now: int) -> None:
        """Note what everything is worth."""
        super().second(now)
        total = sum(self._worth(key, position, inst) for key, (position, inst) in self._held.items())
        if self._day_of.inside(now):
            if not self._day_of.equity:
                self._day_of.equity.append((float(now), self._before))
            self._day_of.equity.append((float(now), total))
        self._before = total

    def _count(self, name: str, labels: dict[str, str], now: int) -> None:
        super()._count(name, labels, now)
        if self._day_of.inside(now):
            self._day_of.counts[name] += 1

    def _sent(self, row: np.void, now: int) -> None:
        n, before = len(self._orders), next(reversed(self._orders), None)
        super()._sent(row, now)
        key = next(reversed(self._orders), None)
        if key is not None and key != before:  # an order, or what replaces one
            self._decided[key] = self._mid.get(int(row["inst"]), 0.0)
            self._unanswered.add(key)
        rx = self._rx.get(int(row["strat"]), 0)
        if rx and len(self._orders) > n and self._day_of.inside(now):
            self._day_of.latencies["tick_to_trade"].append(float(max(now - rx, 0)))

    def _received(self, row: np.void, now: int) -> None:
        super()._received(row, now)
        for key in [key for key in self._unanswered if key[0] == int(row["venue"])]:
            order = self._orders.get(key)
            if order is None or order.acked:
                self._unanswered.discard(key)
            if order is not None and order.acked and self._day_of.inside(now):
                self._day_of.latencies["ack"].append(float(now - order.sent_ns))

    def _fill(self, order: Order, message: dict[str, Any], venue: int, now: int) -> None:
        super()._fill(order, message, venue, now)
        if not self._day_of.inside(now):
            return
        self._day_of.latencies["fill"].append(float(now - order.sent_ns))
        listed = self._names.spec.get("venues", [])
        mils = int(listed[venue]["maker_mils" if str(message["Liquidity Flag"]) == "A" else "taker_mils"]) if venue < len(listed) else 0
        px, qty, mid = float(message["Price"]), int(message["Quantity"]), self._mid.get(order.inst, 0.0)
        fill: dict[str, Any] = {
            "ts_ns": now,
            "side": order.sign,
            "px": px,
            "qty": qty,
            "fee": qty * mils / 10_000 * self._names.times(order.inst),
            "mid": mid,
        }
        fill["arrival_mid"] = self._decided.get((venue, message["UserRefNum"]), mid)
        fill |= {"times": self._names.times(order.inst), "match": (venue, int(message["Match Number"]))}
        self._day_of.fills.append({"strategy": "", "symbol": "", "venue": "", **order.labels, **fill})

    def _bust(self, venue: int, match: int) -> None:
        super()._bust(venue, match)
        self._day_of.fills = [fill for fill in self._day_of.fills if fill["match"] != (venue, match)]


def of(on: date) -> Day:
    """Give an empty day (UTC)."""
    begin = datetime.combine(on, datetime.min.time(), UTC)
    return Day(int(begin.timestamp()) * SECOND, int((begin + timedelta(days=1)).timestamp()) * SECOND)


def learn(day: Day, rows: Iterable[np.void]) -> Day:
    """Fill a day from a journal's records, oldest first; what was before it is learnt too."""
    reader, next_ns, now = _Reader(day), 0, 0
    for row in rows:
        now = int(row["ts_ns"])
        if now >= next_ns:
            reader.second(now)
            next_ns = now - now % SECOND + SECOND
        reader.row(row)
    reader.second(now)
    return day


def read(folder: Path, on: date) -> Day:
    """Read a day (UTC) out of a node's state folder. Raises segment.Damaged, OSError."""
    day = learn(of(on), (row for block in records(folder / "journal") for row in block))
    lines = (line for path in past.files(folder / "alerts") for line in past.read(path))
    day.alerts = [line for line in lines if day.inside(int(line.get("since", 0)))]
    day.paths = pathlog.read(pathlog.path(folder, on))
    return day
