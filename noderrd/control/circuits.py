"""What alerts have taken out of service, or let only reduce: noderrd.alerts.circuit as halt words, raised and lowered by single stores.

A file makes it outlive the daemon, as the words do. A person's halt, a kill and what the lane halted by itself stay as they are; a circuit that is
open when they are lifted is raised again.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from core.codes import Halt, Scope
from noderrd import durable
from noderrd.alerts import circuit
from noderrd.control.node import Node
from rules.model import Action

FILE = "circuits.json"
PARTS = ("router", "strategies")
WORDS = {circuit.OPEN: Halt.CIRCUIT_BREAK, circuit.REDUCED: Halt.REDUCE_ONLY, circuit.HALF_OPEN: Halt.HALF_OPEN}  # the hardest first
OURS = frozenset((Halt.NONE, *WORDS.values()))
Standing = Callable[[str], tuple[bool, bool | None]]
Place = tuple[Scope, int]


class Circuits:
    """All of a node. `changes` gathers what has become of them, for the journal: (place, words)."""

    def __init__(self, node: Node, log: Any) -> None:
        self._node, self._log, self._path = node, log, node.folder / FILE
        self.changes: list[tuple[Place, str]] = []
        self._all: dict[tuple[str, str], circuit.Circuit] = {}
        try:
            for said in json.loads(self._path.read_text()):
                it = circuit.Circuit(**said)
                self._all[it.part, it.alert] = it
        except FileNotFoundError:
            return
        except (ValueError, AttributeError, TypeError) as why:
            log.error("circuits are closed: their state cannot be read", reason=str(why))

    def places(self, part: str) -> list[Place]:
        """Give the places of a part as the rules write it; [] when the node has none."""
        kind, name = Action("circuit_break", (part,), 0).scope
        names = self._node.names()
        if kind == "node":
            return [(Scope.NODE, 0)]
        if kind == "strategies":
            return [(Scope.STRATEGY, k) for k in range(len(names["strategy"]))]
        return [(Scope[kind.upper()], names[kind].index(name))] if name in names.get(kind, ()) else []

    def open(self, part: str, alert: str, for_ns: int, why: str, now_ns: int) -> bool:
        """Take a part out of service for a time; False when the node has no such part. Raises OSError."""
        return bool(self.places(part)) and self._put(circuit.opened(part, alert, for_ns, why, now_ns))

    def reduce(self, part: str, alert: str, why: str, now_ns: int) -> bool:
        """Let only what reduces a position pass until a person resumes; False when the node has no such part. Raises OSError."""
        return bool(self.places(part)) and self._put(circuit.reduced(part, alert, why, now_ns))

    def turn(self, now_ns: int, standing: Standing) -> None:
        """Do what is due; `standing` gives whether an alert fires, and whether its condition holds. Raises OSError."""
        before = dict(self._all)
        for key, it in before.items():
            fires, holds = standing(it.alert)
            after = circuit.turn(it, now_ns, fires=fires, holds=holds)
            if after is None:
                del self._all[key]
            elif after != it:
                self._all[key] = after
                self._say(after)
        if before != self._all:
            self._write()
        self.apply()

    def close(self, part: str, by: str, reason: str, now_ns: int) -> int:
        """Close every circuit of a part, whichever alert opened it: how many there were. Raises OSError."""
        found = [it for it in self._all.values() if it.part == part and it.state in {circuit.OPEN, circuit.HALF_OPEN}]
        for it in found:
            self._put(circuit.closed(it, by, reason, now_ns))
        return len(found)

    def blocking(self, place: Place) -> list[circuit.Circuit]:
        """Give the circuits that hold a place back by themselves."""
        broken = {circuit.OPEN, circuit.HALF_OPEN}
        return [it for it in self._all.values() if it.state in broken and place in self.places(it.part)]

    def resumed(self, place: Place) -> None:
        """A person lets a place open positions again. Raises OSError."""
        found = [key for key, it in self._all.items() if it.state == circuit.REDUCED and self.places(it.part) == [place]]
        for key in found:
            del self._all[key]
        if found:
            self._write()
            self.apply()

    def state(self, part: str, alert: str) -> str:
        """Give where a part stands for an alert."""
        it = self._all.get((part, alert))
        return it.state if it is not None else circuit.CLOSED

    def rows(self) -> list[dict[str, Any]]:
        """Give a line for each, as far as it holds something back or a person closed it."""
        return [
            {"part": it.part, "state": it.state, "since": it.since_ns, "until": it.until_ns, "alert": it.alert, "why": it.why, "closed_by": it.by}
            for it in self._all.values()
            if it.state != circuit.CLOSED or it.by
        ]

    def apply(self) -> None:
        """Set the words of every place to what the hardest circuit there wants, where they are ours to set."""
        wanted: dict[Place, Halt] = {}
        for state, word in reversed(WORDS.items()):
            wanted |= {place: word for it in self._all.values() if it.state == state for place in self.places(it.part)}
        names = self._node.names()
        for scope in Scope:
            for k in range(len(names[scope.name.lower()]) if scope != Scope.NODE else 1):
                self._node.lane.turn_words(scope, k, OURS, wanted.get((scope, k), Halt.NONE))

    def _put(self, it: circuit.Circuit) -> bool:
        self._all[it.part, it.alert] = it
        self.apply()  # first what protects, then what is remembered
        self._write()
        self._say(it)
        return True

    def _say(self, it: circuit.Circuit) -> None:
        tell = self._log.info if it.state == circuit.CLOSED else self._log.warning
        tell("circuit", part=it.part, state=it.state, alert=it.alert, until=it.until_ns, why=it.why, by=it.by)
        words = f"{it.part} {it.state}: {f'by {it.by}: ' if it.by else f'alert {it.alert}: '}{it.why}"
        self.changes += [(place, words) for place in self.places(it.part)[:1]]

    def _write(self) -> None:
        durable.write(self._path, json.dumps([dataclasses.asdict(it) for it in self._all.values()]))
