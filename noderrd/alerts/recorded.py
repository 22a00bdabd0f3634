"""What a journal or a recording tells, as the metrics that alerts watch: fed row by row into a history, for `rules backtest`.

A journal tells of own orders what the lane itself knew. Not in it, and therefore missing in a backtest: quantities at the best prices (imbalance),
stages of the path inside the lane, and everything about the host.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.codes import BookState, Command, JournalKind, Scope
from noderrd.journal.decode import Names, data_of, event_of, words
from noderrd.replay import ouch_fields
from rules.catalog import DAY
from rules.history import History

SCORES = slice(16, 28)  # of a TICK's data: three float32
MATCHES = 8192  # executions that a bust can name
EVEN = 1 / 3  # each class of a model that knows nothing


@dataclass(slots=True)
class Order:
    """An own order, as far as a backtest needs it."""

    labels: dict[str, str]
    inst: int
    sign: int
    sent_ns: int
    total: int  # shares asked for, over all replaces
    done: int = 0  # of them, filled
    acked: bool = False


class Journal:
    """Learns from a lane's journal, record by record, oldest first."""

    def __init__(self) -> None:
        self.history = History()
        self._names = Names()
        self._orders: dict[tuple[int, int], Order] = {}  # by venue and UserRefNum
        self._counts: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._cash: dict[tuple[tuple[str, str], ...], float] = {}
        self._held: dict[tuple[tuple[str, str], ...], tuple[int, int]] = {}  # position, instrument
        self._matches: dict[tuple[int, int], tuple[tuple[tuple[str, str], ...], int, float]] = {}  # by venue and match: whose, shares, cash
        self._mid: dict[int, float] = {}
        self._fed: dict[str, int] = {}  # when a venue's feed was last heard
        self._rx: dict[int, int] = {}  # receive time of the datagram that a strategy was called for
        self._starts = 0
        self._day = -1
        self._equity_at_midnight = 0.0

    def row(self, row: np.void) -> None:
        """Take a record."""
        kind, now = int(row["kind"]), int(row["ts_ns"])
        if kind == JournalKind.SPEC:
            self._names.learn(row)
        elif kind == JournalKind.TICK:
            self._tick(row, now)
        elif kind == JournalKind.FEED:
            venue = self._names.venue(int(row["venue"]))
            self._fed[venue] = now
            self.history.add(now, "messages", {"venue": venue}, float(row["ref"]))
        elif kind == JournalKind.CALL:
            self._rx[int(row["strat"])] = int(event_of(row)["rx_ns"])
        elif kind == JournalKind.DENIED:
            self._count("denials", self._labels(row), now)
        elif kind == JournalKind.SENT:
            self._sent(row, now)
        elif kind == JournalKind.RECEIVED:
            self._received(row, now)
        elif kind in {JournalKind.HALT, JournalKind.RESUME}:
            verb, scope = words(row)[:2]
            if scope == Scope.NODE:
                self.history.set_states("node", {}, ["halted" if verb in {Command.HALT, Command.KILL} else "ready"])
        elif kind == JournalKind.START:
            self._starts += 1
            self.history.add(now, "lane_restarts", {}, float(self._starts - 1))
            self._states("ready")
        elif kind == JournalKind.STOP:
            self._states("down")

    def _states(self, state: str) -> None:
        self.history.set_states("lane", {}, [state])
        self.history.set_states("node", {}, ["ready" if state == "ready" else "stopping"])

    def second(self, now: int) -> None:
        """Sample what is asked for by the second: how long feeds have been silent, open orders, positions, profit, and every counter again."""
        for venue, heard in self._fed.items():
            self.history.add(now, "feed_age", {"venue": venue}, float(now - heard))
        for (name, labels), count in self._counts.items():
            self.history.add(now, name, dict(labels), count)
        self.history.add(now, "lane_restarts", {}, float(max(self._starts - 1, 0)))
        total = 0.0
        for labels, (position, inst) in self._held.items():
            worth = self._worth(labels, position, inst)
            total += worth
            self.history.add(now, "position", dict(labels), float(position))
            self.history.add(now, "pnl", dict(labels), worth)
        if now // DAY != self._day:
            self._day, self._equity_at_midnight = now // DAY, total
        if self._held:
            self.history.add(now, "pnl", {}, total - self._equity_at_midnight)
            self.history.add(now, "daily_loss", {}, max(0.0, self._equity_at_midnight - total))
        opened: dict[tuple[tuple[str, str], ...], int] = dict.fromkeys(self._held, 0)
        for order in self._orders.values():
            key = tuple(sorted(order.labels.items()))
            opened[key] = opened.get(key, 0) + 1
        for labels, n in opened.items():
            self.history.add(now, "open_orders", dict(labels), float(n))

    def _worth(self, labels: tuple[tuple[str, str], ...], position: int, inst: int) -> float:
        """Give cash and position of a strategy in an instrument, in the account's currency."""
        return self._cash.get(labels, 0.0) + position * self._mid.get(inst, 0.0) * self._names.times(inst)

    def _labels(self, row: np.void) -> dict[str, str]:
        names = {"strategy": self._names.strategy(int(row["strat"])), "symbol": self._names.symbol(int(row["inst"]))}
        names["venue"] = self._names.venue(int(row["venue"]))
        return {name: value for name, value in names.items() if value}

    def _count(self, name: str, labels: dict[str, str], now: int) -> None:
        key = name, tuple(sorted(labels.items()))
        self._counts[key] = self._counts.get(key, 0.0) + 1
        self.history.add(now, name, labels, self._counts[key])

    def _tick(self, row: np.void, now: int) -> None:
        inst = int(row["inst"])
        bid, ask = words(row)[:2]
        unit, listed = self._names.unit(inst), self._names.spec.get("instruments", [])
        labels = {"symbol": self._names.symbol(inst), "venue": self._names.venue(int(row["venue"]))}
        if bid and ask and inst < len(listed):
            self._mid[inst] = (bid + ask) / 2 / unit
            self.history.add(now, "mid", labels, self._mid[inst])
            self.history.add(now, "spread", labels, (ask - bid) / max(int(listed[inst]["tick"]), 1))
            self.history.set_states("book", labels, ["crossed"] if bid >= ask else ["live"])
        else:
            self.history.add(now, "spread", labels, math.nan)
        scores = np.frombuffer(data_of(row)[SCORES], np.float32)
        if len(scores) == 3 and 0 < scores.sum() < 2:
            self.history.add(now, "uncertainty", {"symbol": labels["symbol"]}, float((1 - scores.max()) / (1 - EVEN)))
            models = [it for it in self._names.spec.get("models", []) if not it["symbols"] or labels["symbol"] in it["symbols"]]
            if models and (move := float(models[-1].get("move", 0.0))):
                self.history.add(now, "edge", {"symbol": labels["symbol"]}, abs(float(scores[2]) - float(scores[0])) * move)

    def _sent(self, row: np.void, now: int) -> None:
        message = ouch_fields.read(data_of(row), from_client=True)
        if message is None or message["Type"] not in {"O", "U"}:
            return
        venue, labels = int(row["venue"]), self._labels(row)
        if message["Type"] == "O":
            sign = 1 if message["Side"] == "B" else -1
            self._orders[venue, message["UserRefNum"]] = Order(labels, int(row["inst"]), sign, now, message["Quantity"])
            self._count("orders", labels, now)
        elif (before := self._orders.pop((venue, message["OrigUserRefNum"]), None)) is not None:
            self._orders[venue, message["UserRefNum"]] = Order(before.labels, before.inst, before.sign, now, message["Quantity"], before.done)
        rx = self._rx.get(int(row["strat"]), 0)
        if rx:
            self.history.add(now, "tick_to_trade", labels, float(max(now - rx, 0)))

    def _received(self, row: np.void, now: int) -> None:
        message: dict[str, Any] | None = ouch_fields.read(data_of(row), from_client=False)
        if message is None or "UserRefNum" not in message:
            return
        venue, ref = int(row["venue"]), message["UserRefNum"]
        kind = message["Type"]
        if kind == "B":
            self._bust(venue, int(message["Match Number"]))
        order = self._orders.get((venue, ref))
        if order is None:
            return
        if kind in {"A", "U", "J"} and not order.acked:
            order.acked = True
            self.history.add(now, "ack", order.labels, float(now - order.sent_ns))
        if kind == "J":
            self._count("rejects", order.labels, now)
        if kind == "E":
            self._fill(order, message, venue, now)
        if kind in {"J", "C"} or order.done >= order.total:
            del self._orders[venue, ref]

    def _fill(self, order: Order, message: dict[str, Any], venue: int, now: int) -> None:
        self._count("fills", order.labels, now)
        self.history.add(now, "fill", order.labels, float(now - order.sent_ns))
        quantity, px = int(message["Quantity"]), float(message["Price"])
        order.done += quantity
        fees = self._names.spec.get("venues", [])
        flag = str(message["Liquidity Flag"])
        mils = int(fees[venue]["maker_mils" if flag == "A" else "taker_mils"]) if venue < len(fees) else 0
        key = tuple(sorted(order.labels.items()))
        cash = -(order.sign * quantity * px + quantity * mils / 10_000) * self._names.times(order.inst)
        self._move(key, order.inst, order.sign * quantity, cash)
        if len(self._matches) >= MATCHES:
            del self._matches[next(iter(self._matches))]
        self._matches[venue, int(message["Match Number"])] = key, order.sign * quantity, cash

    def _move(self, key: tuple[tuple[str, str], ...], inst: int, shares: int, cash: float) -> None:
        position, _ = self._held.get(key, (0, inst))
        self._held[key] = position + shares, inst
        self._cash[key] = self._cash.get(key, 0.0) + cash

    def _bust(self, venue: int, match: int) -> None:
        """Take an execution back; one that is not known changes nothing."""
        if (found := self._matches.pop((venue, match), None)) is not None:
            key, shares, cash = found
            self._move(key, self._held[key][1], -shares, -cash)


class Tops:
    """Learns from best prices of an ITCH recording: rows of noderrd.replay.play.TOP."""

    def __init__(self, symbols: list[str], midnight_ns: int) -> None:
        self.history = History()
        self._symbols, self._midnight = symbols, midnight_ns
        self._last: dict[str, np.void] = {}

    def row(self, row: np.void) -> None:
        """Take a row."""
        self._last[self._symbols[int(row["inst"])]] = row
        self._add(int(row["ts_ns"]) + self._midnight, self._symbols[int(row["inst"])], row)

    def second(self, now: int) -> None:
        """Say again what holds."""
        for symbol, row in self._last.items():
            self._add(now, symbol, row)

    def _add(self, now: int, symbol: str, row: np.void) -> None:
        labels = {"symbol": symbol}
        bid, ask, bids, asks = (int(row[name]) for name in ("bid_px", "ask_px", "bid_qty", "ask_qty"))
        both = bid > 0 and ask > 0
        self.history.add(now, "mid", labels, (bid + ask) / 20_000 if both else math.nan)
        self.history.add(now, "spread", labels, (ask - bid) / 100 if both else math.nan)
        self.history.add(now, "imbalance", labels, (bids - asks) / (bids + asks) if both and bids + asks else math.nan)
        states = [state.name.lower() for state in BookState if int(row["state"]) & state]
        self.history.set_states("book", labels, states or ["live"])
