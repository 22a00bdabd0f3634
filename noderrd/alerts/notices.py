"""What targets have to be told, and when: grouping, inhibition and repeats, in Alertmanager's words. Pure: time is an argument.

Nothing is sent because something changed, but because a target does not know yet how things are: what a silence, an inhibition or a full outbox
held back is told when they are over, as it is then, and an alert that came and went meanwhile is told to nobody.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rules import model
from rules.alert import FIRING, RESOLVED, State

GROUP_WAIT_NS = 5 * 10**9  # what else a group has to tell goes with the first of it
RESEND_NS = 60 * 10**9  # an Alertmanager takes an alert for over that is not heard of for 5 min; Prometheus' --rules.alert.resend-delay
MOST = 64  # alerts in one message


@dataclass(frozen=True, slots=True)
class Told:
    """What a target knows of an alert: the firing that it was told of (-1: none) and whether that is over; when it was told last, ns."""

    fired_ns: int = -1
    over: bool = True
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as it is, and what each of its targets knows."""

    alert: model.Alert
    state: State
    told: Mapping[str, Told]
    silenced: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A target is to be told of some alerts, the gravest first: `states` gives each name its FIRING or RESOLVED. `group` is "" for a single one."""

    target: str
    group: str
    states: Mapping[str, str]
    repeats: bool  # it says nothing new


def targets(alert: model.Alert) -> tuple[str, ...]:
    """Name whom an alert tells."""
    return tuple(dict.fromkeys(action.arguments[0] for action in alert.actions if action.name in {"notify", "webhook"}))


def inhibited(alert: model.Alert, grave: Collection[str]) -> bool:
    """Say whether an alert is kept quiet by a critical one of its group; `grave` are the groups of which a critical alert fires."""
    return alert.severity != "critical" and alert.group in grave


def due(state: State, told: Told, repeat_ns: int, now_ns: int) -> tuple[str, int] | None:
    """Give what a target has to be told of an alert, and since when; None for nothing. `repeat_ns` 0: never again."""
    if state.state != FIRING:
        return None if told.over else (RESOLVED, state.since_ns)
    if told.fired_ns != state.fired_ns:
        return FIRING, state.since_ns
    return (FIRING, told.at_ns + repeat_ns) if repeat_ns and now_ns - told.at_ns >= repeat_ns else None


def plan(standings: Collection[Standing], resend: Collection[str], now_ns: int) -> Iterator[Notice]:
    """Give what has to be said now. Targets in `resend` are told every RESEND_NS at least of what goes on firing."""
    grave = {one.alert.group for one in standings if one.alert.group and one.alert.severity == "critical" and one.state.state == FIRING}
    waiting: dict[tuple[str, str], list[tuple[Standing, str, int]]] = {}
    for one in standings:
        if one.silenced or inhibited(one.alert, grave):
            continue
        for target in targets(one.alert):
            told = one.told.get(target, Told())
            repeat_ns = min(one.alert.repeat_ns or RESEND_NS, RESEND_NS) if target in resend else one.alert.repeat_ns
            found = due(one.state, told, repeat_ns, now_ns)
            if found is not None:
                waiting.setdefault((target, one.alert.group or f"\0{one.alert.name}"), []).append((one, *found))
    for (target, group), entries in waiting.items():
        wait_ns = 0 if group[0] == "\0" or any(one.alert.severity == "critical" for one, *_ in entries) else GROUP_WAIT_NS
        if now_ns - min(since for *_, since in entries) < wait_ns:
            continue
        entries.sort(key=lambda entry: ("critical", "warning", "info").index(entry[0].alert.severity))
        for k in range(0, len(entries), MOST):
            part = entries[k : k + MOST]
            repeats = all(state == FIRING and one.told.get(target, Told()).fired_ns == one.state.fired_ns for one, state, _ in part)
            yield Notice(target, group if group[0] != "\0" else "", {one.alert.name: state for one, state, _ in part}, repeats)
