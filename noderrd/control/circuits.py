"""Parts of a node that an alert has taken out of service for a time: a halt word each, raised and lowered by single stores."""

import json
from typing import Any

from core.codes import Halt, Scope
from noderrd import durable
from noderrd.control.node import Node

FILE = "circuits.json"
PARTS = ("router", "strategies")


class Circuits:
    """Which are open, and until when. The file makes that outlive the daemon: words in shared memory do."""

    def __init__(self, node: Node, log: Any) -> None:
        self._node, self._log, self._path = node, log, node.folder / FILE
        self._until: dict[str, int] = {}
        try:
            said = json.loads(self._path.read_text())
            self._until = {part: int(until) for part, until in said.items() if part in PARTS}
        except FileNotFoundError:
            return
        except (ValueError, AttributeError, TypeError) as why:
            log.error("circuits are closed: their state cannot be read", reason=str(why))

    def _places(self, part: str) -> list[tuple[Scope, int]]:
        return [(Scope.NODE, 0)] if part == "router" else [(Scope.STRATEGY, k) for k in range(len(self._node.lane.spec.strategies))]

    def open(self, part: str, until_ns: int) -> bool:
        """Take a part out of service until a time, or for longer than it was; False when the node has no such part. Raises OSError."""
        if part not in PARTS:
            return False
        self._until[part] = max(until_ns, self._until.get(part, 0))
        durable.write(self._path, json.dumps(self._until))
        for place in self._places(part):
            self._node.lane.lift(*place, Halt.NONE, Halt.CIRCUIT_BREAK)
        self._log.warning("circuit open", part=part, until=self._until[part])
        return True

    def turn(self, now_ns: int) -> None:
        """Close what is over, and what nobody knows the end of. Raises OSError."""
        over = [part for part, until in self._until.items() if until <= now_ns]
        for part in over:
            del self._until[part]
            self._log.info("circuit closed", part=part)
        if over:
            durable.write(self._path, json.dumps(self._until))
        for part in PARTS:
            if part not in self._until:
                for place in self._places(part):
                    self._node.lane.lift(*place, Halt.CIRCUIT_BREAK, Halt.NONE)
