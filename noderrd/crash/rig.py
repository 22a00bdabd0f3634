"""The node under test and its exchanges: started, put under load, killed in parts, and watched until they are whole again.

How the node does is looked up in the lane's shared memory, which costs it nothing; the judge does not rely on it.
"""

import dataclasses
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.codes import Counter, Halt, OrdStatus, Session
from core.codes import Writer as WriterState
from noderrd.crash.exchange import Told, read
from noderrd.demo import plan
from noderrd.demo.run import lane_core
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.rig import ports
from noderrd.rig.node import Node
from noderrd.rig.process import Child, Failed, wait_until
from noderrd.rig.venue import Venue

TARGETS = ("lane", "daemon", "writer", "venue", "all")
RECOVER_S = 120.0  # a machine under load starts a daemon slowly
SETTLE_S = 20.0
PENDING_S = 0.5
# Slow answers, so that a third of all kills and more find something pending; a thin flow, because the exchanges share the machine.
EXCHANGES = tuple(dataclasses.replace(one, flow="zero", rate=150, ack_us=3_000, jitter_us=2_000) for one in plan.EXCHANGES)
WAITS = [OrdStatus.PENDING_NEW, OrdStatus.PENDING_REPLACE, OrdStatus.PENDING_CANCEL]
POLICY = """\
risk default {{
  max_position      100_000 shares
  max_order_size    1_000 shares
  max_order_value   10_000_000 USD
  price_collar      10%
  max_order_rate    10_000/s
  max_open_orders   100
}}

strategy flood {{
  file     "{file}"
  symbols  {symbols}
}}
"""


class BrokenNode(Node):
    """A node with a step left out (noderrd.crash.without)."""

    def __init__(self, state: Path, step: str) -> None:
        self._state = state
        arguments: list[str | Path] = [step, "daemon", "run", "--config", state / "noderrd.toml"]
        self.child = Child("node", "noderrd.crash.without", arguments, state / "logs" / "daemon.jsonl")


class Rig:
    """A context: whatever was started is ended with it."""

    def __init__(self, state: Path, seed: int, *, cod: bool, leave_out: str) -> None:
        self._state, self._seed, self._cod, self._leave_out = state, seed, cod, leave_out
        self._venues: dict[str, Venue] = {}
        self._configs: dict[str, Path] = {}
        self._node: Node | None = None
        self._shared: Shared | None = None

    # Start and end.

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Write every file, start the exchanges and the node, wait until it trades. Raises Failed."""
        for folder in ("rules.d", "logs", "venues", "journal"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        group = ports.group()
        where = plan.places(group if ports.multicast_works(group) else ports.LOOPBACK)
        plan.write_node(self._state, where, *lane_core())
        flood = Path(__file__).with_name("flood.py")
        (self._state / "rules.d" / "crash.rules").write_text(POLICY.format(file=flood, symbols=", ".join(plan.SYMBOLS)))
        for k, exchange in enumerate(EXCHANGES):
            self._configs[exchange.name] = plan.write_venue(self._state / "venues", exchange, where[exchange.name], self._seed + k, cod=self._cod)
            self._start_venue(exchange.name)
        for venue in self._venues.values():
            venue.wait_ready()
        self._start_node()
        self._running().wait_ready()
        self._running().wait_trading(list(self._venues))
        spec = LaneSpec.read(self._state / "run" / "lane0.json")
        self._shared = Shared(Path(spec.shared), spec.sizes())

    def _start_venue(self, name: str) -> None:
        folder = self._state / "venues"
        self._venues[name] = Venue(name, self._configs[name], folder / f"{name}.sock", self._state / "logs" / f"venue-{name}.jsonl")

    def _start_node(self) -> None:
        self._node = BrokenNode(self._state, self._leave_out) if self._leave_out else Node(self._state)

    def _running(self) -> Node:
        assert self._node is not None
        return self._node

    def _lane(self) -> Shared:
        assert self._shared is not None
        return self._shared

    def stop(self) -> None:
        """End the node as an operator would, then the exchanges; what does not end is killed."""
        if self._node is not None:
            left = [self._pid("pid"), self._pid("writer_pid")] if self._shared is not None else []
            self._node.stop()
            for pid in left:
                if pid and _alive(pid):
                    os.kill(pid, signal.SIGKILL)
            self._node = None
        for venue in self._venues.values():
            venue.child.stop()
        self._venues = {}

    # What goes on.

    def _pid(self, field: str) -> int:
        return int(self._lane().control[0][field])

    def counter(self, which: Counter) -> int:
        """Give one of the lane's counters."""
        return int(self._lane().control[0]["counters"][which])

    def open_and_pending(self) -> tuple[int, int]:
        """Count the lane's orders that can fill, and those that wait for an answer."""
        states = self._lane().orders["ord_status"]
        return int(self._lane().lane[0]["n_live"]), int(np.isin(states, WAITS).sum())

    # Kill and recover.

    def kill(self, target: str, chance: random.Random, *, pending: bool) -> tuple[int, int]:
        """SIGKILL; gives how many orders were open and how many were pending then. `pending`: not before some wait for their answer."""
        if pending:
            wait_until(lambda: self.open_and_pending()[1] > 0, PENDING_S)
        if target == "venue":
            name = chance.choice(sorted(self._venues))
            found = self.open_and_pending()
            os.kill(self._venues[name].child.pid, signal.SIGKILL)
            self._venues[name].child.kill()
            self._start_venue(name)
            return found
        pids = {"lane": self._pid("pid"), "daemon": self._running().child.pid, "writer": self._pid("writer_pid")}
        wanted = list(pids) if target == "all" else [target]
        chance.shuffle(wanted)
        found = self.open_and_pending()
        for one in wanted:
            os.kill(pids[one], signal.SIGKILL)
        if "daemon" in wanted:
            self._running().child.kill()
            self._start_node()
        return found

    def recover(self, before: tuple[int, int, int]) -> float:
        """Wait until everything runs, is logged in, and orders go out again: milliseconds. Raises Failed, at once where a person is needed."""
        began = time.monotonic()
        if not wait_until(lambda: self._whole(before) or self._refused(), RECOVER_S) or self._refused():
            raise self._running().child.failed("did not recover")
        return (time.monotonic() - began) * 1000

    def _refused(self) -> bool:
        """Tell whether the lane waits for a person: a venue said what does not fit. It does not go on by itself."""
        return bool((self._lane().control[0]["halt_venue"] == Halt.RECONCILE).any())

    def mark(self) -> tuple[int, int, int]:
        """Give what `recover` compares with: the lane's epoch, its writer, its orders."""
        return self._pid("epoch"), self._pid("writer_pid"), self.counter(Counter.ORDERS)

    def _whole(self, before: tuple[int, int, int]) -> bool:
        control, venues = self._lane().control[0], self._lane().venues
        up = all(venues[v]["session_state"] == Session.UP for v in range(int(control["n_venues"])))
        runs = control["ready"] and _alive(self._pid("pid")) and _alive(self._pid("writer_pid"))
        return bool(up and runs and control["writer_state"] == WriterState.WRITING and self.counter(Counter.ORDERS) > before[2] and self._answers())

    def _answers(self) -> bool:
        try:
            return self._running().trading(list(self._venues))
        except (OSError, ValueError):
            return False

    def operate(self) -> None:
        """Do what an operator does after many crashes in a short time: look, and let the node go on. Raises Failed."""
        for row in self._running().ask("status")["halts"]:
            if row["reason"] == "LANE_CRASHES":
                self._running().ask("resume")

    # The end.

    def settle(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Told]]:
        """Stop the flow and the strategies, wait for the last answers, and give the node's positions, its orders, and the exchanges' records."""
        for venue in self._venues.values():
            venue.ask("flow", on=False)
        node = self._running()
        node.ask("pause")
        wait_until(lambda: self.open_and_pending()[1] == 0 and self._caught_up(), SETTLE_S)
        return node.ask("positions"), node.ask("orders"), self.told()

    def _caught_up(self) -> bool:
        """Whether the lane has taken every message of every exchange."""
        told = self.told()
        return all(int(self._lane().venues[v]["order_seq"]) == len(told[name].messages) + 1 for v, name in enumerate(told))

    def told(self) -> dict[str, Told]:
        """Read the exchanges' records, in the order of the lane's venues."""
        return {one.name: read(self._state / "venues" / f"{one.name}.record") for one in EXCHANGES}


def _alive(pid: int) -> bool:
    """Tell whether a process runs; a dead one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


__all__ = ["TARGETS", "Failed", "Rig"]
