"""A block as facts: field to text, written in one way only. Two blocks mean the same if and only if their facts are equal."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rules import model
from rules.catalog import DAYS
from rules.expression import text
from rules.units import NUMBER, RATIO, TIME, Quantity, show


def facts(block: model.Block) -> dict[str, str]:
    """Give the facts of a block, by field; entries of a list that are policy by themselves are fields too: `set half_spread`."""
    write: Callable[[Any], dict[str, str]] = _WRITERS[type(block)]
    return {field: said for field, said in write(block).items() if said}


def duration(ns: int) -> str:
    """Write nanoseconds as rules do; nothing for 0."""
    return show(Quantity(Fraction(ns), TIME)) if ns else ""


def condition(found: model.Condition | None) -> str:
    """Write a condition with its `for`."""
    return "" if found is None else text(found.when) + (f" for {duration(found.for_ns)}" if found.for_ns else "")


def _risk(risk: model.Risk) -> dict[str, str]:
    return {name: limit_text(limit) for name, limit in risk.limits.items()}


def limit_text(limit: model.Limit) -> str:
    """Write a limit as rules do."""
    return ", ".join(sorted(limit.names)) or show(limit.quantity) + (f" then {limit.then}" if limit.then else "")


def _venue(venue: model.Venue) -> dict[str, str]:
    found = {f"fee {which}": show(fee) for which, fee in venue.fees.items()}
    found |= {f"weight {name}": show(Quantity(Fraction(weight), NUMBER)) for name, weight in venue.weights.items()}
    return {**found, "cap": show(Quantity(Fraction(venue.cap), RATIO)) if venue.cap is not None else ""}


def _strategy(strategy: model.Strategy) -> dict[str, str]:
    found = {"file": strategy.file, "symbols": ", ".join(sorted(strategy.symbols))}
    found |= {f"set {name}": show(param.quantity) for name, param in strategy.params.items()}
    return {**found, "budget": duration(strategy.budget_ns or 0), "during": ", ".join(sorted(strategy.during))}


def _model(one: model.Model) -> dict[str, str]:
    act = text(one.act) if one.act is not None else ""
    return {"file": one.file, "features": ", ".join(one.features), "symbols": ", ".join(sorted(one.symbols)), "act when": act}


def _notify(notify: model.Notify) -> dict[str, str]:
    return {notify.how: notify.to, **notify.options}


def _alert(alert: model.Alert) -> dict[str, str]:
    return {
        "severity": alert.severity,
        "when": condition(alert.when),
        "until": condition(alert.until),
        "cooldown": duration(alert.cooldown_ns),
        "do": ", ".join(_action(action) for action in alert.actions),
        "blackout": ", ".join(sorted(alert.blackout)),
        "group": alert.group,
        "repeat": duration(alert.repeat_ns),
    }


def _action(action: model.Action) -> str:
    arguments = f"({', '.join(action.arguments)})" if action.arguments else ""
    return action.name + arguments + (f" for {duration(action.for_ns)}" if action.for_ns else "")


def _calendar(calendar: model.Calendar) -> dict[str, str]:
    windows = [f"{_days(w.days)} {clock(w.begin)}-{clock(w.end)} {w.zone}" for w in calendar.windows]
    specials = [f"{s.date} {clock(s.begin)}-{clock(s.end)} {s.zone}" for s in calendar.specials]
    return {"weekly": "; ".join(sorted(windows)), "on": "; ".join(sorted(specials)), "except": ", ".join(sorted(calendar.left_out))}


def _days(days: frozenset[int]) -> str:
    return ", ".join(DAYS[day] for day in sorted(days))


def clock(minute: int) -> str:
    """Write a minute of the day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _chaos(chaos: model.Chaos) -> dict[str, str]:
    every = chaos.every
    return {
        "every": duration(every.interval_ns) or f"{_days(every.days)} {clock(every.minute)} {every.zone}",
        "blackout": ", ".join(sorted(chaos.blackout)),
        "inject": "; ".join(f"{fault.kind} {{ {'  '.join(f'{name} {value}' for name, value in fault.params.items())} }}" for fault in chaos.faults),
        "steady": condition(chaos.steady),
        "recover": f"within {duration(chaos.recover_ns)}",
        "abort when": text(chaos.abort) if chaos.abort is not None else "",
    }


def _reputation(reputation: model.Reputation) -> dict[str, str]:
    found = {"half_life": duration(reputation.half_life_ns)}
    for tier in reputation.tiers:
        when = f"when {text(tier.when)}" if tier.when is not None else "otherwise"
        found[f"tier {tier.name}"] = f"{when} weight {show(Quantity(Fraction(tier.weight), NUMBER))}"
    return found


def _loss(loss: model.Loss) -> dict[str, str]:
    return {"then": loss.then + (f" after {duration(loss.after_ns)}" if loss.after_ns else "")}


_WRITERS: dict[type[model.Block], Callable[[Any], dict[str, str]]] = {
    model.Risk: _risk,
    model.Venue: _venue,
    model.Strategy: _strategy,
    model.Model: _model,
    model.Notify: _notify,
    model.Alert: _alert,
    model.Calendar: _calendar,
    model.Chaos: _chaos,
    model.Reputation: _reputation,
    model.Loss: _loss,
}
