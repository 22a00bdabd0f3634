"""Alerts on a node that runs: the rules' own state machine stepped with live values, silences, and a history; what follows is the caller's.

State survives restarts and reloads: an alert that means the same in the new policy goes on as it was, any other begins anew.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from noderrd import durable
from noderrd.alerts import notices as notifying
from noderrd.alerts.past import Past
from rules import alert as machine
from rules import calendar, model
from rules.evaluate import Leaf, evaluate, headline, leaves, truth
from rules.facts import facts
from rules.rehearse import explain

SHOWN = {machine.PENDING, machine.FIRING, machine.RESOLVED}
Read = Callable[[Leaf, int], float]


@dataclasses.dataclass
class Watched:
    """An alert and where it stands. `value` and `threshold` as last evaluated; NaN when there is none."""

    alert: model.Alert
    state: machine.State = dataclasses.field(default_factory=machine.State)
    value: float = math.nan
    threshold: float = math.nan
    silenced_until_ns: int = 0
    silenced_by: str = ""
    acknowledged_by: str = ""
    told: dict[str, notifying.Told] = dataclasses.field(default_factory=dict)  # by target
    facts: dict[str, str] = dataclasses.field(init=False)  # what it means

    def __post_init__(self) -> None:
        self.facts = facts(self.alert)


class Watcher:
    """All alerts of the policy in force. `folder` keeps alerts.json and what noderrd.alerts.past writes."""

    def __init__(self, folder: Path, log: Any) -> None:
        self._folder, self._log = folder, log
        folder.mkdir(parents=True, exist_ok=True)
        self._watched: dict[str, Watched] = {}
        self._quiet: dict[str, model.Calendar] = {}
        self._kept = self._read()
        self._past = Past(folder)

    def watch(self, policy: model.Policy) -> None:
        """Take a policy."""
        before = self._watched
        self._quiet = {one.name: one for one in policy.calendars if one.kind == "blackout"}
        self._watched = {}
        for alert in policy.alerts:
            old = before.get(alert.name)
            if old is not None and old.facts == facts(alert):
                self._watched[alert.name] = dataclasses.replace(old, alert=alert)
            else:
                self._watched[alert.name] = self._from_disk(alert) if not before else Watched(alert)

    def step(self, read: Read, now_ns: int) -> list[tuple[model.Alert, machine.Transition]]:
        """Evaluate every alert at once: as `each`, and all that it gives."""
        return [one for some in self.each(read, now_ns) for one in some]

    def each(self, read: Read, now_ns: int) -> Iterator[list[tuple[model.Alert, machine.Transition]]]:
        """Evaluate one alert after the other; gives what was pending, fired or was resolved, silenced ones too: a silence stops messages alone."""
        lines = []
        for it in list(self._watched.values()):
            values: Mapping[Leaf, float] = {leaf: read(leaf, now_ns) for leaf in machine.needs(it.alert)}
            it.value, it.threshold = headline(it.alert.when.when, values)
            quiet = any(calendar.inside(self._quiet[name], now_ns) for name in it.alert.blackout if name in self._quiet)
            it.state, moved = machine.step(it.alert, it.state, values, now_ns, quiet=quiet)
            if machine.RESOLVED in {one.state for one in moved}:
                it.acknowledged_by = ""
            lines += [self._line(it, one) for one in moved]
            yield [(it.alert, one) for one in moved]
        if lines:
            self._past.add(lines)
            self._write()

    def standing(self, name: str, read: Read, now_ns: int) -> tuple[bool, bool | None]:
        """Tell whether an alert fires, and whether its condition holds now, None for unknown; one that is no more does neither."""
        it = self._watched.get(name)
        if it is None:
            return False, False
        values = {leaf: read(leaf, now_ns) for leaf in leaves(it.alert.when.when)}
        return it.state.state == machine.FIRING, truth(evaluate(it.alert.when.when, values))

    def firing(self) -> list[tuple[model.Alert, bool]]:
        """Give every alert, and whether it fires."""
        return [(it.alert, it.state.state == machine.FIRING) for it in self._watched.values()]

    def notices(self, resend: Collection[str], now_ns: int) -> list[notifying.Notice]:
        """Give what targets have to be told now; those in `resend` are told again and again."""
        standings = [notifying.Standing(it.alert, it.state, it.told, now_ns < it.silenced_until_ns) for it in self._watched.values()]
        return list(notifying.plan(standings, resend, now_ns))

    def message(self, notice: notifying.Notice, node: str, now_ns: int) -> dict[str, Any]:
        """Give what a notice says: of its gravest alert, and of a group's in `alerts`."""
        said = [
            {
                **message(it.alert, machine.Transition(name, state, it.state.since_ns, it.value, it.threshold), node),
                "at": now_ns, "began": it.state.fired_ns,
            }
            for name, state in notice.states.items()
            for it in (self._watched[name],)
        ]  # fmt: skip
        return {**said[0], "group": notice.group, "alerts": said} if notice.group else said[0]

    def told(self, kept: Collection[notifying.Notice], now_ns: int) -> None:
        """Note that notices are on their way, and lie on disk."""
        for notice in kept:
            for name, state in notice.states.items():
                it = self._watched[name]
                it.told[notice.target] = notifying.Told(it.state.fired_ns, state == machine.RESOLVED, now_ns)
        if kept:
            self._write()

    def rows(self) -> list[dict[str, Any]]:
        """Give a line for each alert that is pending, fires, or was resolved last."""
        return [self._row(it) for it in self._watched.values() if it.state.state in SHOWN]

    def history(self) -> list[dict[str, Any]]:
        """Give the last transitions, oldest first."""
        return self._past.lines()

    def silence(self, name: str, until_ns: int, who: str) -> None:
        """Tell nobody of an alert until a time. Raises KeyError."""
        it = self._watched[name]
        it.silenced_until_ns, it.silenced_by = until_ns, who
        self._write()

    def acknowledge(self, name: str, who: str) -> None:
        """Note who sees to an alert. Raises KeyError."""
        self._watched[name].acknowledged_by = who
        self._write()

    def explain(self, name: str, read: Read, now_ns: int) -> dict[str, Any]:
        """Say why an alert's condition is or is not true now. Raises KeyError."""
        it = self._watched[name]
        values = {leaf: read(leaf, now_ns) for leaf in leaves(it.alert.when.when)}
        value, threshold = headline(it.alert.when.when, values)
        holds = truth(evaluate(it.alert.when.when, values))
        return {
            "rule": _place(it.alert), "value": _number(value), "threshold": _number(threshold), "true": holds, "trace": explain(it.alert, values),
        }  # fmt: skip

    # What is kept.

    def _row(self, it: Watched) -> dict[str, Any]:
        return {
            "alert": it.alert.name, "severity": it.alert.severity, "state": it.state.state, "since": it.state.since_ns, "value": _number(it.value),
            "threshold": _number(it.threshold), "rule": _place(it.alert), "acknowledged_by": it.acknowledged_by,
            "silenced_until": it.silenced_until_ns, "silenced_by": it.silenced_by,
        }  # fmt: skip

    def _line(self, it: Watched, one: machine.Transition) -> dict[str, Any]:
        return {**self._row(it), "state": one.state, "since": one.at_ns, "value": _number(one.value), "threshold": _number(one.threshold)}

    def _write(self) -> None:
        said = {
            name: {
                "facts": it.facts, "state": dataclasses.asdict(it.state), "silenced_until_ns": it.silenced_until_ns,
                "silenced_by": it.silenced_by, "acknowledged_by": it.acknowledged_by,
                "told": {target: dataclasses.asdict(one) for target, one in it.told.items()},
            }
            for name, it in self._watched.items()
        }  # fmt: skip
        durable.write(self._folder / "alerts.json", json.dumps(said))

    def _read(self) -> dict[str, Any]:
        try:
            said = json.loads((self._folder / "alerts.json").read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as why:
            self._log.error("alerts begin anew: their state cannot be read", reason=str(why))
            return {}
        return said if isinstance(said, dict) else {}

    def _from_disk(self, alert: model.Alert) -> Watched:
        kept = self._kept.get(alert.name)
        try:
            if kept is None or kept["facts"] != facts(alert):
                return Watched(alert)
            more = {name: kept[name] for name in ("silenced_until_ns", "silenced_by", "acknowledged_by")}
            told = {target: notifying.Told(**one) for target, one in kept.get("told", {}).items()}
            return Watched(alert, machine.State(**kept["state"]), **more, told=told)
        except (KeyError, TypeError, AttributeError) as why:
            self._log.error("an alert begins anew: its state cannot be read", alert=alert.name, reason=str(why))
            return Watched(alert)


def message(alert: model.Alert, moved: machine.Transition, node: str) -> dict[str, Any]:
    """Give what a target is told."""
    return {
        "alert": alert.name, "severity": alert.severity, "state": moved.state, "value": _number(moved.value), "threshold": _number(moved.threshold),
        "since": moved.at_ns, "at": moved.at_ns, "rule": _place(alert), "node": node,
    }  # fmt: skip


def _place(alert: model.Alert) -> str:
    return f"{alert.span.file}:{alert.span.line}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
