"""Runs scenarios on the state machine and the evaluator that the daemon runs, and notes what they exercise.

A scenario is stepped once a second, as the daemon steps alerts, and at every time that it names. At each step values come first, then alerts
move, then orders are asked for, then expectations are looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from rules import alert as machine
from rules import calendar, catalog, model
from rules.coverage import Coverage, acts
from rules.decide import ACCOUNT, Order, Rates, Standing, decide
from rules.evaluate import MISSING, Leaf, evaluate, leaves, trace, truth
from rules.expression import TRUTH, Expression, Measured, unit_of
from rules.history import History
from rules.scenario import ACTING, Expectation, Given, Scenario, Trial
from rules.span import Span
from rules.units import NUMBER

STEP_NS = catalog.SECOND  # the daemon's


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not come out as expected, and why, in lines."""

    span: Span
    message: str
    why: tuple[str, ...] = ()


@dataclass(slots=True)
class _Series:
    """Where a scenario's series have got to."""

    given: Given
    next_ns: int = field(init=False)
    over: bool = False

    def __post_init__(self) -> None:
        self.next_ns = self.given.begin_ns


def run(policy: model.Policy, scenario: Scenario, coverage: Coverage) -> list[Failure]:
    """Run a scenario; gives what failed. `coverage` notes what was exercised."""
    end = scenario.end_ns
    times = {*range(0, end + 1, STEP_NS), *(t.at_ns for t in scenario.trials), *(e.at_ns for e in scenario.expectations)}
    series = [_Series(given) for given in scenario.given]
    history, rates = History(), Rates()
    states = {one.name: machine.State() for one in policy.alerts}
    values: dict[Leaf, float] = {}
    quiet = {one.name: one for one in policy.calendars if one.kind == "blackout"}
    failures: list[Failure] = []
    for now in sorted(times):
        for one in series:
            _measure(history, one, now, end)
        for alert in policy.alerts:
            values |= {leaf: history.read(leaf, now) for leaf in machine.needs(alert)}
            silent = [name for name in alert.blackout if calendar.inside(quiet[name], scenario.start_ns + now)]
            states[alert.name], moved = machine.step(alert, states[alert.name], values, now, quiet=bool(silent))
            coverage.alert(alert, values, moved, silent)
        for title, act in acts(policy):
            values |= {leaf: history.read(leaf, now) for leaf in leaves(act)}
            coverage.act(title, act, values)
        for trial in scenario.trials:
            if trial.at_ns == now:
                failures += _try(policy, trial, history, rates, now, coverage)
        for expected in scenario.expectations:
            if expected.at_ns == now:
                failures += _look(policy, expected, states, values)
    return failures


def _measure(history: History, series: _Series, now_ns: int, end_ns: int) -> None:
    """Add what a series has to say up to a time."""
    given = series.given
    last = given.end_ns if given.end_ns >= 0 else end_ns + 1
    if given.state:
        history.set_states(given.name, given.labels, [given.state] if given.begin_ns <= now_ns < last else [])
        return
    while series.next_ns <= now_ns and series.next_ns < last:
        history.add(series.next_ns, given.name, given.labels, given.value + given.slope * (series.next_ns - given.begin_ns))
        series.next_ns += given.every_ns
    if now_ns >= last and not series.over:
        history.add(last, given.name, given.labels, MISSING)
        series.over = True


def _standing(history: History, order: Order, strategy: str, now_ns: int) -> Standing:
    labels = (("strategy", True, strategy),) if strategy else ()
    found = {}
    for name in ("position", "open_orders", "daily_loss"):
        spec = catalog.METRICS[name]
        asked = (*labels, ("symbol", True, order.symbol)) if name != "daily_loss" else labels
        value = history.read(Measured(name, asked, spec.dimension, None, None), now_ns)
        found[name] = Fraction(0) if math.isnan(value) else Fraction(value)
    return Standing(int(found["position"]), int(found["open_orders"]), found["daily_loss"])


def _try(policy: model.Policy, trial: Trial, history: History, rates: Rates, now_ns: int, coverage: Coverage) -> list[Failure]:
    order = trial.order
    mid = history.read(Measured("mid", (("symbol", True, order.symbol),), NUMBER, None, None), now_ns)
    own, account = _standing(history, order, order.strategy, now_ns), _standing(history, order, ACCOUNT, now_ns)
    exact = None if math.isnan(mid) else Fraction(mid).limit_denominator(10**8)
    denial = decide(policy, order, own, account, exact, rates, now_ns)
    coverage.order(order, denial)
    if denial is None:
        return [Failure(trial.span, "the order passed")] if trial.limit is not None else []
    if trial.limit is not None and trial.limit in {"", denial.limit}:
        return []
    return [Failure(trial.span, f"the order was {denial}")]


def _look(policy: model.Policy, expected: Expectation, states: dict[str, machine.State], values: dict[Leaf, float]) -> list[Failure]:
    if expected.state == ACTING:
        act = next(act for title, act in acts(policy) if title == f"model {expected.alert}")
        if (truth(evaluate(act, values)) is True) != expected.negated:
            return []
        return [Failure(expected.span, f"{expected.alert} is {'' if expected.negated else 'not '}acting", tuple(traced(act, values)))]
    now = states[expected.alert].state
    if (now == expected.state) != expected.negated:
        return []
    alert = next(one for one in policy.alerts if one.name == expected.alert)
    return [Failure(expected.span, f"{expected.alert} is {now}", tuple(explain(alert, values)))]


def explain(alert: model.Alert, values: Mapping[Leaf, float]) -> list[str]:
    """Write what each part of an alert's condition is worth, inner parts first."""
    return traced(alert.when.when, values)


def traced(e: Expression, values: Mapping[Leaf, float]) -> list[str]:
    """Write what each part of a condition is worth, inner parts first."""
    lines = []
    for step in trace(e, values):
        known = truth(step.value)
        if step.dimension == TRUTH:
            said = "unknown" if known is None else "true" if known else "false"
        else:
            said = "missing" if known is None else f"{step.value:_.10g} {unit_of(step.part)}".rstrip()
        lines.append(f"{step}: {said}")
    return lines
