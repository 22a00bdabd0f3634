"""Why is a rule true now, or not, with the values: alerts, limits, models, calendars, venues, strategies and everything else that policy declares.

A rule is named as it is written (`risk default`, `alert slow_tick`), by its name alone where only one block has it, or by file:line, as a denial
names it.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from core.codes import Halt, Known
from core.feature import Feature
from core.layout import MAX_STRATEGIES, MONEY, NO_LIMIT, SCORES
from noderrd.alerts.watcher import Read, Watcher
from noderrd.control.lanes import Lane
from noderrd.control.resolve import LIMITS
from rules import calendar, model
from rules.diagnostic import did_you_mean
from rules.evaluate import Leaf, evaluate, headline, leaves, truth
from rules.expression import Expression, Measured
from rules.facts import facts, limit_text
from rules.rehearse import traced
from rules.span import Span
from rules.units import figure

SECOND = 1_000_000_000
EVEN = 1 / SCORES
AHEAD_DAYS = 400
Lines = list[str]


class Explainer:
    """Explains the rules of `policy`, which `lane` runs by. `read` gives what a leaf of a condition is worth."""

    def __init__(self, policy: model.Policy, lane: Lane, watcher: Watcher, read: Read, now_ns: int) -> None:
        self._policy, self._lane, self._watcher, self._read, self._now_ns = policy, lane, watcher, read, now_ns
        self._idle = model.inactive(policy)

    def explain(self, name: str) -> dict[str, Any]:
        """Give rule (file:line), value, threshold, true and trace of a rule. Raises KeyError, whose text is for a person."""
        if name in self._policy.lets:
            let = self._policy.lets[name]
            return _said(let.span, [f"{name} = {let.value}"])
        block, field = self._find(name)
        if isinstance(block, model.Alert):
            return self._watcher.explain(block.name, self._read, self._now_ns)
        how: dict[type[model.Block], Callable[[Any], dict[str, Any]]] = {
            model.Risk: self._risk, model.Model: self._model, model.Calendar: self._calendar, model.Venue: self._venue,
            model.Strategy: self._strategy, model.Chaos: self._chaos,
        }  # fmt: skip
        if isinstance(block, model.Risk) and field:
            found = self._limits(block, [field], block.where[field])
        else:
            found = how.get(type(block), self._facts)(block)  # type: ignore[no-untyped-call]
        idle = [f"nothing acts on this yet: {one}" for one in self._idle if one.partition(":")[0] == block.title]
        return {**found, "trace": [*found["trace"], *idle]}

    def _find(self, name: str) -> tuple[model.Block, str]:
        """Find a block, and the field where a line of it was named."""
        blocks = list(self._policy.blocks)
        for block in blocks:
            if block.title == name:
                return block, ""
        file, colon, line = name.rpartition(":")
        if colon and line.isdecimal():
            for block in blocks:
                for field, span in [*block.where.items(), ("", block.span)]:
                    if span.line == int(line) and (span.file == file or span.file.endswith(f"/{file}")):
                        return block, field
        named = [block for block in blocks if name and name in {block.name, block.name.rpartition(" ")[2]}]
        if len(named) > 1:
            named = [block for block in named if isinstance(block, model.Alert)] or named
        if len(named) == 1:
            return named[0], ""
        if named:
            raise KeyError(f"several rules are called {name!r}: {', '.join(block.title for block in named)}")
        hint = did_you_mean(name, [*(block.title for block in blocks), *(block.name for block in blocks), *self._policy.lets])
        raise KeyError(f"no rule {name!r}" + (f"; {hint}" if hint else "; name it as it is written (risk default), or by file:line"))

    # Limits.

    def _risk(self, risk: model.Risk) -> dict[str, Any]:
        return self._limits(risk, list(risk.limits), risk.span)

    def _limits(self, risk: model.Risk, names: Sequence[str], span: Span) -> dict[str, Any]:
        """Say of each limit how far it is used where it binds, and what it denied. Headline: the one that is nearest to its bound."""
        trace, worst, denies = [], (-1.0, math.nan, math.nan), False
        for name in names:
            limit = risk.limits.get(name)
            if limit is None:
                continue
            uses = list(self._uses(risk, name, limit))
            top = max(uses, key=lambda use: use[0], default=None)
            said = f"{name} {limit_text(limit)}"
            if not uses:
                said += ": binds nowhere, others are tighter or nothing that it is about is traded"
            elif top is not None and not math.isnan(top[1]):
                used, value, threshold, where = top
                said += f": {figure(Fraction(value).limit_denominator(10**6))} now, {where}"
                denies = denies or used >= 1
                worst = max(worst, (used, value, threshold), key=lambda one: one[0])
            else:
                said += ": asked of every order"
            trace.append(said + self._denied(limit.span))
            if self._is_latched(limit.span):
                denies = True
                trace.append(f"{name} was broken: no order that opens a position passes until a person resumes")
        known = worst[0] >= 0 or denies
        return _said(span, trace, worst[1], worst[2], denies if known else None)

    def _rule(self, span: Span) -> int:
        place = f"{span.file}:{span.line}"
        return self._lane.spec.rules.index(place) if place in self._lane.spec.rules else -1

    def _denied(self, span: Span) -> str:
        """Count the denials by a limit that the lane remembers."""
        rows, rule = self._lane.shared.denials.copy(), self._rule(span)
        mine = rows[(rows["cl_ord_id"] != 0) & (rows["denial_rule"] == rule)] if rule >= 0 else rows[:0]
        if not mine.size:
            return ""
        last = mine[np.argmax(mine["cl_ord_id"])]
        return f"; denied {mine.size} of late, last at {_when(int(last['last_ns']))}: {int(last['denial_value'])} against {int(last['denial_limit'])}"

    def _is_latched(self, span: Span) -> bool:
        rule, accounts = self._rule(span), self._lane.shared.accounts
        return rule >= 0 and bool(np.any((accounts["latched"] != 0) & (accounts["latched_rule"] == rule)))

    def _uses(self, risk: model.Risk, name: str, limit: model.Limit) -> Iterator[tuple[float, float, float, str]]:
        """Give, wherever a limit is the one that binds: used share, value, threshold (NaN: it is about single orders), and where that is."""
        spec, rule, ours = self._lane.spec, self._rule(limit.span), LIMITS[name][0]
        n = len(spec.instruments)
        for it in spec.limits:
            strategy, inst = spec.strategies[it.strategy].name, spec.instruments[it.instrument]
            for who, table in ((it.strategy, it.limits), (MAX_STRATEGIES, it.account if it.account is not None else it.limits)):
                bound, by = table.get(ours, (NO_LIMIT, -1))
                if by != rule or not risk.matches(strategy, inst.symbol, spec.venues[inst.venue].name):
                    continue
                rows = self._lane.shared.positions[[s * n + it.instrument for s in (range(MAX_STRATEGIES) if who == MAX_STRATEGIES else [who])]]
                value, scale = self._value(ours, rows, who)
                whom = "all strategies" if who == MAX_STRATEGIES else strategy
                where = whom if name in _SUMS else f"{whom} in {inst.symbol} at {spec.venues[inst.venue].name}"
                threshold = bound / scale
                yield (value / threshold if threshold else math.inf if value > 0 else 0.0) if not math.isnan(value) else -1.0, value, threshold, where

    def _value(self, ours: str, rows: np.ndarray, who: int) -> tuple[float, int]:
        """Give how far a limit is used, in the unit of the language, and how many of the lane's units that one is; NaN for what single orders say."""
        buys, sells = int((rows["position"] + rows["open_buy"]).sum()), int((rows["open_sell"] - rows["position"]).sum())
        counted = {"MAX_POSITION": max(buys, sells), "MAX_LONG": buys, "MAX_SHORT": sells, "MAX_OPEN_ORDERS": int(rows["n_open"].sum())}
        if ours in counted:
            return float(counted[ours]), 1
        a = self._lane.shared.accounts[who]
        money = {
            "MAX_GROSS_EXPOSURE": int(a["gross"]), "MAX_NET_EXPOSURE": max(int(a["long"]), int(a["short"])),
            "MAX_DAILY_LOSS": int(a["day_profit"] - a["profit"]), "MAX_DRAWDOWN": int(a["peak"] - a["profit"]),
        }  # fmt: skip
        return (money[ours] / MONEY, MONEY) if ours in money else (math.nan, 1)

    # Models.

    def _model(self, one: model.Model) -> dict[str, Any]:
        """Say of each symbol whether its score may be acted on."""
        spec, shared = self._lane.spec, self._lane.shared
        slot = next((k for k, it in enumerate(spec.models) if it.name == one.name), -1)
        trace: Lines = []
        value, threshold, holds = math.nan, math.nan, False
        for p, symbol in enumerate(spec.products):
            row = shared.products[p].copy()
            if int(row["model"]) != slot:
                continue
            if not row["score_ns"]:
                trace.append(f"{symbol}: no score")
                continue
            scores = ", ".join(f"{float(s):.4g}" for s in row["score"])
            trace.append(f"{symbol}: down, flat, up {scores} at {_when(int(row['score_ns']))}")
            if one.act is None:
                holds = True
                continue
            known = acted_on(row, spec.models[slot].move)
            values: dict[Leaf, float] = {leaf: known[leaf.name] for leaf in leaves(one.act) if isinstance(leaf, Measured)}
            trace += [f"{symbol}: {line}" for line in traced(one.act, values)]
            if math.isnan(value):
                value, threshold = headline(one.act, values)
            holds = holds or truth(evaluate(one.act, values)) is True
        span = one.where.get("act", one.span)
        return _said(span, trace or ["scores nothing here"], value, threshold, holds)

    # Everything else.

    def _calendar(self, one: model.Calendar) -> dict[str, Any]:
        """Say whether it is on now, and until when."""
        inside = calendar.inside(one, self._now_ns)
        trace = [f"{field}: {said}" for field, said in facts(one).items()]
        for zone in sorted({w.zone for w in one.windows} | {s.zone for s in one.specials}):
            there = calendar.local(self._now_ns, zone)
            trace.append(f"it is {there:%a %Y-%m-%d %H:%M} in {zone}")
        change = calendar.next_change(one, self._now_ns, AHEAD_DAYS)
        trace.append(f"{'on' if inside else 'off'} {f'until {_when(change)}' if change else f'for the next {AHEAD_DAYS} days'}")
        return _said(one.span, trace, holds=inside)

    def _venue(self, one: model.Venue) -> dict[str, Any]:
        """Say what it costs, and what share of the flow it had."""
        spec, trace = self._lane.spec, [f"{field}: {said}" for field, said in facts(one).items()]
        v = next((k for k, it in enumerate(spec.venues) if it.name == one.name), -1)
        if v < 0:
            return _said(one.span, [*trace, "this node has no such venue"])
        row = self._lane.shared.venues[v]
        trace.append(f"the lane counts {int(row['maker_mils'])} mils maker, {int(row['taker_mils'])} mils taker")
        orders = self._lane.shared.orders.copy()
        orders = orders[orders["cl_ord_id"] != 0]
        whole = int(orders["order_qty"].sum())
        share = int(orders["order_qty"][orders["venue"] == v].sum()) / whole if whole else math.nan
        trace.append(f"{share:.2%} of the shares of the last {len(orders)} orders went there" if whole else "no orders so far")
        if one.cap is None:
            return _said(one.span, trace)
        return _said(one.where["cap"], trace, share, float(one.cap), share > one.cap if whole else None)

    def _strategy(self, one: model.Strategy) -> dict[str, Any]:
        """Say whether it is called, and why not."""
        spec, trace = self._lane.spec, [f"{field}: {said}" for field, said in facts(one).items()]
        k = next((k for k, it in enumerate(spec.strategies) if it.name == one.name), -1)
        if k < 0:
            return _said(one.span, [*trace, "the lane does not run it"], holds=False)
        control, row = self._lane.shared.control[0], self._lane.shared.strategies[k]
        words = {"node": int(control["halt_node"]), f"strategy {one.name}": int(control["halt_strategy"][k])}
        trace += [f"{scope} is halted: {Halt(why).name}" for scope, why in words.items() if why]
        called = bool(row["address"]) and not row["halted"] and not control["paused"]
        trace.append("it is called" if called else "it is paused" if control["paused"] else "it is not called")
        return _said(one.span, trace, holds=called and not any(words.values()))

    def _chaos(self, one: model.Chaos) -> dict[str, Any]:
        """Say whether what must hold does, and when it would be injected next."""
        trace, value, threshold, holds = self._condition(one.steady.when)
        trace.append(f"due next {_when(calendar.next_time(one.every, self._now_ns))}")
        return _said(one.span, trace, value, threshold, holds)

    def _condition(self, e: Expression) -> tuple[Lines, float, float, bool | None]:
        values: dict[Leaf, float] = {leaf: self._read(leaf, self._now_ns) for leaf in leaves(e)}
        return traced(e, values), *headline(e, values), truth(evaluate(e, values))

    def _facts(self, block: model.Block) -> dict[str, Any]:
        return _said(block.span, [f"{field}: {said}" for field, said in facts(block).items()])


_SUMS = frozenset(("max_gross_exposure", "max_net_exposure", "max_daily_loss", "max_drawdown"))


def acted_on(product: np.void, move: float) -> dict[str, float]:
    """Give what a model's `act when` is about, by name, as noderrd/lane/acting.py computes it; `move` as in LaneSpec."""
    score, row = product["score"].astype(float), product["row"]
    both = row[Feature.BID_VENUES] > 0 and row[Feature.ASK_VENUES] > 0
    found = {
        Known.EDGE: abs(float(score[2] - score[0])) * (move or math.nan),
        Known.UNCERTAINTY: min(max((1 - float(score.max())) / (1 - EVEN), 0.0), 1.0),
        Known.SPREAD: float(row[Feature.SPREAD]) if both else math.nan,
        Known.IMBALANCE: float(row[Feature.IMBALANCE]) if both else math.nan,
    }
    return {known.name.lower(): value for known, value in found.items()}


def _when(ns: int) -> str:
    return dt.datetime.fromtimestamp(ns // SECOND, dt.UTC).isoformat(sep=" ")


def _said(span: Span, trace: Lines, value: float = math.nan, threshold: float = math.nan, holds: bool | None = None) -> dict[str, Any]:
    return {
        "rule": f"{span.file}:{span.line}", "value": None if math.isnan(value) else value, "threshold": None if math.isnan(threshold) else threshold,
        "true": holds, "trace": trace,
    }  # fmt: skip


__all__ = ["Explainer", "acted_on"]
