"""A node's files for tests, and a lane that is only its shared memory: `Obeying` carries commands out as a lane's cold side does."""

import dataclasses
import os
from pathlib import Path

import trio

from core.codes import Command, Halt, OrdStatus, Scope, Session, Writer
from core.layout import NO_LIMIT
from noderrd import config as configuration
from noderrd import logs
from noderrd.control import node as nodes
from noderrd.control.alerting import Alerting
from noderrd.control.node import Node
from noderrd.control.policy import Versions
from noderrd.control.server import Peer
from noderrd.control.verbs import Verbs
from noderrd.control.watch import Watch

CONFIG = """\
[node]
name = "test"
state = "state"
two_person = {two_person}

[rules]
paths = ["rules.d/*.rules"]

[lane]
orders = 1024
levels = 16

[venue.NSDQ]
itch_a = "127.0.0.1:1"
ouch = "127.0.0.1:2"
user = "TEST"
password = "secret"

[venue.EDGE]
itch_a = "127.0.0.1:3"
ouch = "127.0.0.1:4"
user = "TEST"
password = "secret"
armed = true

[[instrument]]
symbol = "AAPL"
venue = "NSDQ"
tick = "0.01"

[[instrument]]
symbol = "AAPL"
venue = "EDGE"
tick = "0.01"

[[instrument]]
symbol = "MSFT"
venue = "EDGE"
tick = "0.05"
reference = "410.00"
"""
POLICY = """\
risk default {
  max_position      1_000 shares
  price_collar      5%
  max_order_value   250_000 USD
}

risk symbol MSFT {
  max_position      300 shares
}

venue EDGE {
  fee  -25 mils maker, 29 mils taker
}

strategy quotes {
  file     "strategies/quotes.py"
  symbols  AAPL, MSFT
  set      half_spread = 2 ticks, clip = 50 shares
}
"""
PEER = Peer(os.getpid(), 1000, 1000)
OTHER = Peer(os.getpid(), 1001, 1001)


def write(folder: Path, policy: str = POLICY, *, two_person: bool = True, config: str = CONFIG) -> Path:
    """Write a node's files; gives the path of its noderrd.toml."""
    (folder / "rules.d").mkdir(exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    (folder / "rules.d" / "10-test.rules").write_text(policy)
    path = folder / "noderrd.toml"
    path.write_text(config.format(two_person=str(two_person).lower()))
    return path


def node_of(path: Path) -> Node:
    """Give a node that is not run: its state is there, no process is."""
    config = configuration.read(path)
    versions = Versions(config.node.state / "rules", lambda: 1)
    loaded = versions.at_start(config.rules_paths())
    spec = nodes.spec_of(config, loaded, nodes.last_spec(config))
    return Node(config, [], loaded, spec, versions, logs.get("test"))


async def until(done, seconds=60.0):
    """Wait until it is so; fails after `seconds`, which only end a hang."""
    with trio.fail_after(seconds):
        while not done():  # noqa: ASYNC110 - other processes tell nobody
            await trio.sleep(0.01)


def verbs(node):
    """Give what can be asked of a node."""
    watch = Watch(node, node.log)
    return Verbs(node, watch, Alerting(node, watch, node.log))


def remove(node: Node) -> None:
    """Leave nothing in /dev/shm."""
    for path in (node.lane.spec.shared, node.lane.spec.stop):
        Path(path).unlink(missing_ok=True)


@dataclasses.dataclass
class Obeying:
    """Answers the ring of a node's lane; `seen` lists (verb, scope, index). `refuse`: verbs that it refuses."""

    node: Node
    seen: list[tuple[Command, Scope, int]] = dataclasses.field(default_factory=list)
    refuse: set[Command] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        self.node.lane.shared.control[0]["guard_ns"] = NO_LIMIT  # a guard that never sleeps
        self.node.lane.shared.control[0]["writer_state"] = Writer.WRITING

    async def run(self) -> None:
        """Obey until cancelled."""
        shared = self.node.lane.shared
        control = shared.control[0]
        shared.control[0]["ready"] = 1
        while True:
            while control["command_tail"] < control["command_head"]:
                row = shared.commands[int(control["command_tail"]) % len(shared.commands)]
                verb, scope, index = Command(int(row["verb"])), Scope(int(row["scope"])), int(row["index"])
                self.seen.append((verb, scope, index))
                row["status"], row["acted"], row["failed"] = self.obey(verb, scope), 1, 0
                control["command_tail"] += 1
            control["drill_done"] = control["drill_asked"]  # as the guard does
            await trio.sleep(0.001)

    def obey(self, verb: Command, scope: Scope) -> int:
        """Carry one command out on the node's word; 0, or not."""
        control = self.node.lane.shared.control[0]
        if verb in self.refuse:
            return 1
        if scope == Scope.NODE and verb in {Command.RESUME, Command.RELEASE}:
            control["halt_node"] = Halt.NONE
        if verb == Command.LOAD:
            self.node.lane.shared.staged[0]["loaded"] = 1
        if verb in {Command.KILL, Command.CANCEL_ALL}:
            self.node.lane.shared.lane[0]["n_live"] = 0
        return 0


__all__ = ["CONFIG", "OTHER", "PEER", "POLICY", "Obeying", "OrdStatus", "Session", "node_of", "remove", "until", "verbs", "write"]
