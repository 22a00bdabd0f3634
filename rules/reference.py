"""The reference of the language's names, written from the catalogue: docs/rules-reference.md is this text, and a test holds it to it."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from core.feature import DESCRIPTIONS
from rules import catalog
from rules.units import UNITS, Quantity, describe, show, unit_name


def reference() -> str:
    """Give the whole page, in Markdown."""
    parts = [
        "# Rules: the names",
        "Written by `noderrctl rules reference` from what the checker knows; docs/rules.md explains the language.",
        "## Blocks",
        *(part for kind, spec in catalog.BLOCKS.items() for part in _block(kind, spec)),
        "## Scenarios",
        "Blocks of `*.scenario` files, which `noderrctl rules test` runs.",
        *(part for kind, spec in catalog.SCENARIO.items() for part in _block(kind, spec)),
        "## Metrics",
        "`together`: what a metric is when its labels select several series: their sum, the greatest or least, or all values as one series.",
        "`by`: the labels that a running node measures it by. Scenarios know all labels, back-tests those that are on record.",
        _table(("metric", "unit", "labels", "by", "range", "together", "meaning"), (_metric(name, one) for name, one in catalog.METRICS.items())),
        "## Functions",
        "Each takes one metric and a window: `p99(ack) over 10s`. `max` and `min` of several values take no window.",
        _table(("function", "gives"), ((f"`{name}`", one.meaning) for name, one in catalog.FUNCTIONS.items())),
        "## States",
        "`book[symbol = GOOG] is stale`. It holds if it holds for any that the labels select; `is not` is its negation.",
        _table(("subject", "labels", "states"), ((f"`{name}`", ", ".join(labels), ", ".join(s)) for name, (s, labels) in catalog.STATES.items())),
        "## Actions",
        _table(("action", "what it does"), ((f"`{_action(name, one)}`", one.meaning) for name, one in catalog.ACTIONS.items())),
        f"Parts that `circuit_break` takes out of service: {', '.join(catalog.PARTS)}; nothing does so yet with {' and '.join(catalog.IDLE_PARTS)}.",
        "A scope is `node`, `venue NAME`, `symbol NAME` or `strategy NAME`; a name alone is a strategy's.",
        "## Faults",
        _table(("fault", "parameters", "what it does"), ((f"`{n}`", _params(one), one.meaning) for n, one in catalog.FAULTS.items())),
        "## Features",
        "Inputs of models, in the order that a model without `features` takes them.",
        _table(("feature", "what it is"), ((f"`{feature.name.lower()}`", said) for feature, said in DESCRIPTIONS.items())),
        "## Units",
        _table(("unit", "of", "is"), ((f"`{unit}`", describe(d), _worth(unit, d)) for unit, (d, _) in UNITS.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _block(kind: str, spec: catalog.BlockSpec) -> list[str]:
    idle = "" if spec.active else " Checked and kept; nothing acts on it yet."
    rows = (
        (f"`{name}`", _value(name, one), _must(one), one.meaning + _binds(one) + ("" if one.active else " (kept, not acted on yet)"))
        for name, one in spec.fields.items()
    )
    return [f"### {kind}", f"`{kind} {spec.head}".rstrip() + f"`: {spec.meaning}.{idle}", _table(("field", "value", "", "meaning"), rows)]


def _must(one: catalog.FieldSpec) -> str:
    return ", ".join(word for word, holds in (("required", one.required), ("may repeat", one.many)) if holds)


def _binds(one: catalog.FieldSpec) -> str:
    """Say what holds of several values, where it is not the least, and where a field may stand."""
    said = {"least": "", "most": "the greatest binds", "narrowest": "the narrowest block's holds"}[one.binds]
    where = f"in risk {', '.join(one.scopes)}" if one.scopes else ""
    return "".join(f"; {part}" for part in (said, where) if part)


def _value(name: str, one: catalog.FieldSpec) -> str:
    """Show how a field is written."""
    if one.choices:
        return " or ".join(f"`{word}`" for word in one.choices)
    if one.shape in {"AMOUNT", "DEADLINE", "MOMENT", "CHARGES"}:
        wanted = " or ".join(dict.fromkeys(describe(d) for d in one.dimensions))
        within = "within " if one.shape == "DEADLINE" else ""
        moment = "`Sun 03:00 Etc/UTC`, or " if one.shape == "MOMENT" else ""
        also = f", `then {' | '.join(one.then)}`" if one.then else ""
        return f"{moment}{within}{wanted}{_range(one.low, one.high, one.dimensions[0])}{also}"
    return {
        "TEXT": '`"text"`',
        "TARGET": "`" + " ".join(['"text"', *(f'{option} "{looks}"' for option, looks in one.options.items())]) + "`",
        "NAMES": "`A, B`",
        "SHARES": "`name number, ...`",
        "SETTINGS": "`name = value, ...`",
        "CONDITION": "condition, `for 5s`",
        "GUARD": "`when` condition",
        "ACTIONS": "`action, ...`",
        "DATES": "`2026-12-25, ...`" + ("" if name == "except" else " `09:30-13:00 Europe/Zurich`"),
        "FAULT": "`fault { name value ... }`",
        "TIER": "`NAME when condition weight 1`, `NAME otherwise weight 1`",
        "GIVEN": "`spread = 3 ticks every 1s from 2s to 8s`, `orders rising 5/s`, `book is stale`",
        "TRIAL": "`buy 5 shares GOOG for 1 USD on NSDQ by quotes at 2s is denied max_position`",
        "EXPECTATION": "`ALERT is [not] firing at 5s`",
    }[one.shape]


def _range(low: Fraction | None, high: Fraction | None, dimension: tuple[tuple[str, int], ...]) -> str:
    ends = [show(Quantity(end, dimension)) if end is not None else "" for end in (low, high)]
    return f", {ends[0] or 'any'} to {ends[1]}" if ends[1] else f", from {ends[0]}" if ends[0] else ""


def _metric(name: str, one: catalog.MetricSpec) -> tuple[str, ...]:
    bound = _range(one.low, one.high, one.dimension).removeprefix(", ")
    by = "none" if one.by == () else ", ".join(one.by or ()) if one.by is not None or not one.labels else "all"
    meaning = one.meaning + ("" if one.active else " (no node measures it yet)")
    return f"`{name}`", unit_name(one.dimension) or "number", ", ".join(one.labels), by, bound, one.together, meaning


def _action(name: str, one: catalog.ActionSpec) -> str:
    argument = f"[({one.argument[:-1]})]" if one.argument.endswith("?") else f"({one.argument})" if one.argument else ""
    return name + argument + (" [for DURATION]" if one.lasts else "")


def _params(one: catalog.FaultSpec) -> str:
    params: Mapping[str, tuple[tuple[str, int], ...] | None] = one.params
    return ", ".join(
        f"`{name}` {'name' if kind is None else describe(kind)}{' (optional)' * (name in one.optional)}" for name, kind in params.items()
    )


def _worth(unit: str, dimension: tuple[tuple[str, int], ...]) -> str:
    return show(Quantity(UNITS[unit][1], dimension)) if unit not in {"tick", "share", "contract"} else f"1 {unit}s"
