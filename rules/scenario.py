"""Scenario files: text to what is measured and asked, and what must come of it. rules/rehearse.py runs them.

scenario slow_ticks_are_told {
  policy  "../rules.d/*.rules"
  given   tick_to_trade = 60us every 10ms from 2s to 20s
  order   buy 600 shares GOOG for 175 USD on NSDQ by quotes at 2s is denied max_order_size
  expect  slow_tick is firing at 12s
}
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rules import alert as machine
from rules import calendar, catalog, model, syntax
from rules.decide import UNSAID, Order
from rules.diagnostic import Diagnostic, did_you_mean
from rules.fields import Fields
from rules.include import Reports, text_of
from rules.parse import SCENARIOS, parse
from rules.resolve import Report, Resolver
from rules.span import Source, Span
from rules.units import CURRENCIES, NUMBER, TIME, Dimension, Quantity, describe, product, same

MAX_LENGTH_NS = catalog.DAY
MAX_SAMPLES = 1_000_000  # a scenario
ACTING = "acting"  # what a model is whose score may be acted on
_STATES = (machine.INACTIVE, machine.PENDING, machine.FIRING, machine.RESOLVED, ACTING)
_START = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Given:
    """A series: samples at begin, begin + every, ... below end. `state`: the subject is in that state instead, from begin to end."""

    name: str
    labels: dict[str, str]
    value: float
    slope: float  # a nanosecond
    state: str
    every_ns: int
    begin_ns: int
    end_ns: int  # -1: the scenario's end


@dataclass(frozen=True, slots=True)
class Expectation:
    """An alert is, or is not, in a state at a time."""

    alert: str
    negated: bool
    state: str
    at_ns: int
    span: Span


@dataclass(frozen=True, slots=True)
class Trial:
    """An order at a time, and what must be said of it: the limit that denies it, "" for any, None for passing."""

    order: Order
    at_ns: int
    limit: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, for the policy whose files `policies` name."""

    name: str
    span: Span
    policies: tuple[str, ...]
    start_ns: int
    given: tuple[Given, ...]
    trials: tuple[Trial, ...]
    expectations: tuple[Expectation, ...]

    @property
    def end_ns(self) -> int:
        """When it is over: after everything that it names."""
        ends = [max(g.begin_ns, g.end_ns) for g in self.given] + [t.at_ns for t in self.trials] + [e.at_ns for e in self.expectations]
        return max(ends, default=0)


def read(path: str, content: bytes) -> tuple[list[Scenario], list[Diagnostic], Source]:
    """Read a scenario file. Scenarios with faults are left out; the faults are told."""
    reports = Reports()
    source = Source(path, text_of(path, content, reports))
    parsed = parse(source, SCENARIOS)
    for fault in parsed.diagnostics:
        reports.add(fault.span, fault.severity, fault.code, fault.message, fault.hint)
    faulty = {fault.span.line for fault in parsed.diagnostics}
    lets: dict[str, Quantity | None] = {}
    seen: dict[str, Span] = {}
    found = []
    for statement in parsed.statements:
        before = len(reports.found)
        if isinstance(statement, syntax.Let):
            lets[statement.name.text] = Resolver(lets, _Reader.reporter(source, reports)).constant(statement.value)
        elif isinstance(statement, syntax.Block):
            one = _Reader(statement, lets, (), reports, faulty).scenario(seen)
            if len(reports.found) == before and not any(one.span.line <= line <= _last(statement) for line in faulty):
                found.append(one)
    return found, sorted(reports.found, key=lambda d: (d.span.line, d.span.col)), source


def _last(block: syntax.Block) -> int:
    return block.source.span(block.end - 1, block.end).line


def unknown(scenario: Scenario, policy: model.Policy) -> list[Diagnostic]:
    """Tell of the names in a scenario that its policy lacks."""
    alerts, models = [one.name for one in policy.alerts], [one.name for one in policy.models if one.act is not None]
    found = []
    for expected in scenario.expectations:
        kind, names = ("model with 'act when' called", models) if expected.state == ACTING else ("alert", alerts)
        if expected.alert not in names:
            hint = did_you_mean(expected.alert, names) or f"there are {', '.join(names) or 'none'}"
            found.append(Diagnostic(expected.span, "error", "name", f"the policy has no {kind} '{expected.alert}'", hint))
    return found


class _Reader(Fields):
    """Reads a scenario's fields."""

    @staticmethod
    def reporter(source: Source, reports: Reports) -> Report:
        """Give what a resolver reports to."""

        def report(node: syntax.Node, severity: str, code: str, message: str, hint: str) -> None:
            reports.add(source.span(node.at, node.end), severity, code, message, hint)

        return report

    def scenario(self, seen: dict[str, Span]) -> Scenario:
        """Read all."""
        words = self.block.words
        if len(words) != 1:
            self.fault(self.head, "head", "a scenario begins: scenario NAME")
        name = words[0].text if words else ""
        if name in seen:
            self.fault(self.head, "duplicate", f"scenario '{name}' is declared twice", f"first at {seen[name]}")
        seen.setdefault(name, self.head)
        policies = tuple(field.value.text for field in self._all("policy", syntax.Text))
        given = tuple(g for field in self._all("given", syntax.Given) if (g := self._given(field)) is not None)
        trials = tuple(t for field in self._all("order", syntax.Trial) if (t := self._trial(field)) is not None)
        expectations = tuple(e for field in self._all("expect", syntax.Expectation) if (e := self._expectation(field)) is not None)
        found = Scenario(name, self.head, policies, self._start(), given, trials, expectations)
        samples = sum((max(g.end_ns if g.end_ns >= 0 else found.end_ns, g.begin_ns) - g.begin_ns) // g.every_ns + 1 for g in given)
        if samples > MAX_SAMPLES:
            self.fault(self.head, "bound", f"{samples:_} samples are given: at most {MAX_SAMPLES:_} are allowed")
        return found

    def _start(self) -> int:
        field = self._one("start", syntax.Dates)
        if field is None:
            return int(_START.timestamp()) * catalog.SECOND
        if field.clock is None or field.zone is None or len(field.dates) != 1:
            self.error(field, "time", "'start' wants a date, a time and a zone: start 2026-11-27 09:30 America/New_York")
            return 0
        zone = self._zone(field.zone)
        try:
            (minute, end), day = calendar.clock(field.clock.text), calendar.date(field.dates[0].text)
        except ValueError as fault:
            self.error(field, "time", str(fault))
            return 0
        if end is not None:
            self.error(field.clock, "time", "this wants one time, such as 09:30")
        if zone is None:
            return 0
        return int(dt.datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZoneInfo(zone)).timestamp()) * catalog.SECOND

    def _moment(self, node: syntax.Expression) -> int | None:
        return self._resolver.duration(node, 0, MAX_LENGTH_NS)

    def _given(self, field: syntax.Given) -> Given | None:
        name, every = field.metric.name, self._resolver.duration(field.every, 1, MAX_LENGTH_NS) if field.every is not None else catalog.SECOND
        begin = self._moment(field.begin) if field.begin is not None else 0
        end = self._moment(field.end_at) if field.end_at is not None else -1
        labels = {label.name.text: label.value.text for label in field.metric.labels}
        known = catalog.STATES[name][1] if field.how == "is" and name in catalog.STATES else ()
        value, slope, state = 0.0, 0.0, ""
        if field.how == "is":
            assert isinstance(field.value, syntax.Word)
            state = field.value.text
            if name not in catalog.STATES or state not in catalog.STATES[name][0]:
                choices = catalog.STATES[name][0] if name in catalog.STATES else tuple(catalog.STATES)
                wrong = state if name in catalog.STATES else name
                hint = did_you_mean(wrong, choices) or f"known are {', '.join(choices)}"
                self.error(field.value if name in catalog.STATES else field.metric, "state", f"unknown state or subject '{wrong}'", hint)
                return None
        else:
            assert not isinstance(field.value, syntax.Word)
            metric = catalog.METRICS.get(name)
            if metric is None:
                self.error(field.metric, "name", f"unknown metric '{name}'", did_you_mean(name, catalog.METRICS))
                return None
            known = metric.labels
            rising = field.how == "rising"
            amount = self._measured(field.value, product(metric.dimension, TIME, -1) if rising else metric.dimension)
            if amount is None:
                return None
            value, slope = (0.0, amount) if rising else (amount, 0.0)
        for label in field.metric.labels:
            if label.name.text not in known or not label.equal:
                hint = did_you_mean(label.name.text, known) or f"known are {', '.join(known) or 'none'}"
                self.error(label, "label", f"'{name}' is given by labels that are equal to something and that it has", hint)
                return None
        if begin is None or end is None or every is None:
            return None
        return Given(name, labels, value, slope, state, every, begin, end)

    def _measured(self, node: syntax.Expression, wanted: Dimension) -> float | None:
        found = self._resolver.constant(node)
        if found is None:
            return None
        if not same(found.dimension, wanted):
            self.error(node, "unit", f"this is {describe(wanted)}, found {found}" if wanted != NUMBER else f"this is a plain number, found {found}")
            return None
        return float(found.value)

    def _trial(self, field: syntax.Trial) -> Trial | None:
        quantity, price, at = self._resolver.constant(field.quantity), self._resolver.constant(field.price), self._moment(field.moment)
        if field.side.text not in {"buy", "sell"}:
            self.error(field.side, "name", f"an order is to buy or to sell, not to '{field.side.text}'")
        elif field.verdict.text not in {"passed", "denied"} or (field.verdict.text == "passed" and field.limit is not None):
            self.error(field.verdict, "name", "an order is passed, or denied, or denied and a limit's name")
        elif field.limit is not None and field.limit.text not in catalog.RISK:
            hint = did_you_mean(field.limit.text, catalog.RISK) or f"known are {', '.join(catalog.RISK)}"
            self.error(field.limit, "name", f"unknown limit '{field.limit.text}'", hint)
        elif field.limit is not None and field.limit.text in UNSAID:
            self.error(field.limit, "name", f"a scenario does not say what {field.limit.text} is decided by", "a lane knows it: try it on paper")
        elif quantity is None or price is None or at is None:
            return None
        elif quantity.dimension not in catalog.RISK["max_order_size"].dimensions or quantity.value.denominator != 1 or quantity.value <= 0:
            self.error(field.quantity, "unit", f"an order is for whole shares or contracts, found {quantity}")
        elif price.dimension not in catalog.MONEY or price.value <= 0:
            self.error(field.price, "unit", f"a price is in {', '.join(CURRENCIES)}, found {price}")
        else:
            currency = price.dimension[0][0]
            order = Order(field.side.text, int(quantity.value), field.symbol.text, price.value, field.venue.text, field.strategy.text, currency)
            limit = None if field.verdict.text == "passed" else field.limit.text if field.limit is not None else ""
            return Trial(order, at, limit, self.span(field))
        return None

    def _expectation(self, field: syntax.Expectation) -> Expectation | None:
        at = self._moment(field.moment)
        if field.state.text not in _STATES:
            hint = did_you_mean(field.state.text, _STATES) or f"known are {', '.join(_STATES)}"
            self.error(field.state, "state", f"an alert is never '{field.state.text}'", hint)
            return None
        return Expectation(field.alert.text, field.negated, field.state.text, at, self.span(field)) if at is not None else None
