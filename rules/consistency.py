"""What only the whole policy can tell.

Limits that contradict or never bind, caps that leave flow nowhere to go, tiers with holes, calendars and blackouts that let nothing happen.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from rules import calendar, catalog, model
from rules.diagnostic import did_you_mean
from rules.expression import Compare, Constant, Expression, Logic, Measured, Not, text
from rules.include import Reports
from rules.units import NUMBER, Quantity, same, show

_SIZES = ("max_order_size", "max_position")
# Of two limits the first is never above what the second lets it be: said above it, it never binds.
_WITHIN = (
    ("max_long", "max_position"), ("max_short", "max_position"), ("max_position", "max_total_position"), ("max_net_exposure", "max_gross_exposure"),
    ("max_daily_loss", "max_drawdown"),
)  # fmt: skip
# What means nothing without another: the second, in the block itself or in risk default.
_NEEDS = (
    ("max_leverage", "capital"), ("margin", "capital"), ("execution_window", "max_executions"), ("collar_reference", "price_collar"),
    ("collar_missing", "price_collar"),
)  # fmt: skip


def check(policy: model.Policy, strategies: Sequence[str], reports: Reports) -> None:
    """Report all that does not fit together. `strategies` are those declared, also if their blocks have faults."""
    _risks(policy, strategies, reports)
    _caps(policy, reports)
    _calendars(policy, reports)
    _targets(policy, reports)
    if policy.reputation is not None:
        _tiers(policy.reputation, reports)


def _risks(policy: model.Policy, strategies: Sequence[str], reports: Reports) -> None:
    default = next((risk for risk in policy.risks if risk.scope == "default"), None)
    for risk in policy.risks:
        if risk.scope == "strategy" and risk.of not in strategies:
            hint = did_you_mean(risk.of, strategies)
            reports.add(risk.span, "warning", "unused", f"there is no strategy '{risk.of}': these limits bind nothing", hint)
        size, position = (risk.limits.get(name) for name in _SIZES)
        if size is not None and position is not None and same(size.quantity.dimension, position.quantity.dimension) and size.value > position.value:
            message = f"an order of {size.quantity} never passes from flat: max_position is {position.quantity}"
            reports.add(size.span, "warning", "contradiction", message, f"see line {position.span.line}")
        for name, other in _WITHIN:
            inner, outer = risk.limits.get(name), risk.limits.get(other)
            if inner is not None and outer is not None and same(inner.quantity.dimension, outer.quantity.dimension) and inner.value > outer.value:
                message = f"{name} of {inner.quantity} never binds: {other} is {outer.quantity}"
                reports.add(inner.span, "warning", "shadow", message, f"see line {outer.span.line}")
        for name, other in _NEEDS:
            if name in risk.limits and not any(other in one.limits for one in (risk, default) if one is not None):
                severity = "error" if other == "capital" else "warning"
                hint = "equity, which it is measured by, is capital and profit" if other == "capital" else ""
                reports.add(risk.limits[name].span, severity, "missing", f"{name} means nothing without {other}", hint)
        if default is not None and risk is not default:
            _narrower(default, risk, reports)


def _narrower(default: model.Risk, risk: model.Risk, reports: Reports) -> None:
    """Compare a narrower block with the default, which binds too."""
    for name, limit in risk.limits.items():
        wide, binds = default.limits.get(name), catalog.RISK[name].binds
        if wide is None or limit.names or binds == "narrowest":
            continue
        if not limit.currency and not same(limit.quantity.dimension, wide.quantity.dimension):
            message = f"{name} is {limit.quantity} here and {wide.quantity} in risk default, and both bind"
            reports.add(limit.span, "error", "contradiction", message, f"see {wide.span}")
        elif limit.currency == wide.currency and (limit.value > wide.value if binds == "least" else limit.value < wide.value):
            message = f"{name} of {limit.quantity} never binds: risk default {'allows' if binds == 'least' else 'wants'} {wide.quantity}"
            reports.add(limit.span, "warning", "shadow", message, f"of all limits that match, the tightest binds; see {wide.span}")


def _caps(policy: model.Policy, reports: Reports) -> None:
    """A policy that names two venues or more, each with a cap, is taken to name all that there are."""
    caps = [venue.cap for venue in policy.venues if venue.cap is not None]
    if len(caps) >= 2 and len(caps) == len(policy.venues) and sum(caps) < 1:
        last = policy.venues[-1]
        total, rest = (show(Quantity(Fraction(x), (("ratio", 1),))) for x in (sum(caps), 1 - sum(caps)))
        reports.add(last.where["cap"], "error", "cap", f"the caps of all venues add up to {total}: {rest} of the flow has nowhere to go")


def _calendars(policy: model.Policy, reports: Reports) -> None:
    known = {one.name: one for one in policy.calendars if one.kind == "blackout"}
    for one in policy.calendars:
        both = [special.date for special in one.specials if special.date in one.left_out]
        if both:
            reports.add(one.where["on"], "error", "calendar", f"{both[0]} is both given times and left out")
    for alert in policy.alerts:
        for name in alert.blackout:
            if name in known and calendar.always(known[name]):
                reports.add(alert.where["blackout"], "error", "never", f"{alert.title} never fires: blackout {name} covers the whole week")
    for chaos in policy.chaos:
        for name in chaos.blackout:
            if name not in known:
                continue
            if calendar.always(known[name]) or (chaos.every.days and calendar.always_inside(chaos.every, known[name])):
                reports.add(chaos.where["every"], "error", "never", f"{chaos.title} never runs: blackout {name} covers every time that it is due")


def _targets(policy: model.Policy, reports: Reports) -> None:
    how = {one.name: one.how for one in policy.notifies}
    for alert in policy.alerts:
        for action in alert.actions:
            if action.name == "webhook" and how.get(action.arguments[0], "webhook") not in {"", "webhook"}:
                message = f"notify {action.arguments[0]} is no webhook"
                reports.add(alert.where["do"], "error", "name", message, f'write notify("{action.arguments[0]}")')


def _tiers(reputation: model.Reputation, reports: Reports) -> None:
    """Try every score that a tier's condition could tell from its neighbours: the constants in it, and a point between each two."""
    edges = {Fraction(0), Fraction(1)}
    for tier in reputation.tiers:
        if tier.when is None:
            continue
        found = list(_edges(tier.when))
        if None in found:
            reports.add(tier.span, "error", "tier", f"a tier compares score with constants, this is {text(tier.when)}")
            return
        edges.update(e for e in found if e is not None and 0 < e < 1)
    ends = sorted(edges)
    points = [ends[0]]
    for low, high in pairwise(ends):
        points += [(low + high) / 2, high]
    rest = [tier for tier in reputation.tiers if tier.when is None]
    for extra in rest[1:]:
        reports.add(extra.span, "error", "tier", "there is more than one 'otherwise'", f"first on line {rest[0].span.line}")
    members = [[tier for tier in reputation.tiers if tier.when is not None and _holds(tier.when, at)] for at in points]
    for pair in dict.fromkeys((group[0].name, group[1].name) for group in members if len(group) > 1):
        inside = [len(group) > 1 and (group[0].name, group[1].name) == pair for group in members]
        span = next(tier.span for tier in reputation.tiers if tier.name == pair[1])
        reports.add(span, "error", "tier", f"tiers '{pair[0]}' and '{pair[1]}' overlap: both have the scores {_ranges(ends, inside)}")
    holes = [not group for group in members]
    if not rest and any(holes):
        reports.add(reputation.span, "error", "tier", f"no tier has the scores {_ranges(ends, holes)}", "add a tier that says 'otherwise'")
    if rest and not any(holes):
        reports.add(rest[0].span, "warning", "never", f"tier '{rest[0].name}' is empty: the other tiers cover every score")


def _edges(e: Expression) -> Iterator[Fraction | None]:
    """Give the constants that score is compared with; None for anything else."""
    if isinstance(e, Logic):
        yield from _edges(e.left)
        yield from _edges(e.right)
    elif isinstance(e, Not):
        yield from _edges(e.operand)
    elif isinstance(e, Compare) and isinstance(e.left, Measured) and isinstance(e.right, Constant):
        yield e.right.quantity.value if e.left.name == "score" and not e.left.labels else None
    elif isinstance(e, Compare) and isinstance(e.left, Constant) and isinstance(e.right, Measured):
        yield e.left.quantity.value if e.right.name == "score" and not e.right.labels else None
    else:
        yield None


def _holds(e: Expression, score: Fraction) -> bool:
    if isinstance(e, Logic):
        return (_holds(e.left, score) and _holds(e.right, score)) if e.sign == "and" else (_holds(e.left, score) or _holds(e.right, score))
    if isinstance(e, Not):
        return not _holds(e.operand, score)
    assert isinstance(e, Compare)
    left, right = (side.quantity.value if isinstance(side, Constant) else score for side in (e.left, e.right))
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "==": left == right, "!=": left != right}[e.sign]


def _ranges(ends: Sequence[Fraction], inside: Sequence[bool]) -> str:
    """Write where `inside` holds: at ends[k] (even places) and between ends[k] and ends[k + 1] (odd places)."""
    runs, k = [], 0
    while k < len(inside):
        if not inside[k]:
            k += 1
            continue
        first = k
        while k + 1 < len(inside) and inside[k + 1]:
            k += 1
        low, high = show(Quantity(ends[first // 2], NUMBER)), show(Quantity(ends[(k + 1) // 2], NUMBER))
        runs.append(
            low if first == k and first % 2 == 0 else f"{'from' if first % 2 == 0 else 'above'} {low} {'to' if k % 2 == 0 else 'to below'} {high}"
        )
        k += 1
    return ", ".join(runs)
