"""What follows from alerts: each of the policy's alerts watched once a second, and its actions carried out.

`log`, `halt`, `cancel_all` and `flatten` are done when an alert fires, `notify` then and when it is resolved. `circuit_break(router)` holds new
orders of the node back for its time, `circuit_break(strategies)` those of every strategy: a halt with a reason of its own, which ends by itself, also
when the daemon was started anew meanwhile, and never a person's halt or kill. What the node does not have (`model`, `mesh`) is said in the log.
"""

import time
from collections.abc import Collection
from typing import Any

import trio

from core.codes import Command, Halt, Scope
from noderrd import config as configuration
from noderrd.alerts import targets
from noderrd.alerts.live import Measures
from noderrd.alerts.outbox import Outbox
from noderrd.alerts.watcher import Watcher, message
from noderrd.control import lanes
from noderrd.control.circuits import Circuits
from noderrd.control.node import Node
from noderrd.control.watch import Watch
from rules import alert as machine
from rules import model

STEP_S = 1.0  # scenarios are stepped like that, too (rules.rehearse)


class Alerting:
    """Runs beside a node."""

    def __init__(self, node: Node, watch: Watch, log: Any) -> None:
        self._node, self._watch, self._log = node, watch, log
        self.watcher = Watcher(node.folder / "alerts", log)
        self._measures = Measures(watch.counts, watch.orders.figures)
        self._circuits = Circuits(node, log)

    def read(self, leaf: Any, now_ns: int) -> float:
        """Give what a leaf of a condition is worth now."""
        return self._measures.read(leaf, now_ns)

    async def run(self) -> None:
        """Watch until cancelled; a new policy is taken up between two looks."""
        async with trio.open_nursery() as acting:
            while True:
                taken = self._node.loaded
                if taken.policy is not None:
                    self.watcher.watch(taken.policy)
                notifies = taken.policy.notifies if taken.policy is not None else ()
                ways = {it.name: targets.of(it, configuration.credential) for it in notifies}
                outbox = Outbox(self._node.folder / "alerts" / "outbox", ways, time.time_ns, self._log)
                async with trio.open_nursery() as sending:
                    sending.start_soon(outbox.run)
                    resend = {it.name for it in notifies if it.how == "alertmanager"}
                    while self._node.loaded is taken:
                        self.look(outbox, resend, acting)
                        await trio.sleep(STEP_S)
                    sending.cancel_scope.cancel()

    def look(self, outbox: Outbox, resend: Collection[str], acting: trio.Nursery) -> None:
        """Measure, evaluate, and start what follows."""
        node, now_ns = self._node, time.time_ns()
        pids = {worker.name: worker.pid for worker in (node.worker, node.writer)}
        for view in self._watch.views():
            self._measures.take(view, node.state, pids, now_ns)
        for alert, moved in self.watcher.step(self.read, now_ns):
            for action in alert.actions:
                self._act(alert, moved, action, acting)
        self._tell(outbox, resend, now_ns)
        self._circuits.turn(now_ns)

    def _tell(self, outbox: Outbox, resend: Collection[str], now_ns: int) -> None:
        """Put on disk what targets have to be told. One that is away is not told again what waits for it already."""
        kept = []
        for notice in self.watcher.notices(resend, now_ns):
            if notice.repeats and outbox.waiting(notice.target):
                continue
            if outbox.put(notice.target, self.watcher.message(notice, self._node.config.node.name, now_ns)):
                kept.append(notice)
        self.watcher.told(kept, now_ns)

    def _act(self, alert: model.Alert, moved: machine.Transition, action: model.Action, acting: trio.Nursery) -> None:
        if action.name in {"notify", "webhook"}:
            return  # told by what the target knows: noderrd.alerts.notices
        if action.name == "log":
            tell = self._log.warning if moved.state == machine.FIRING else self._log.info
            tell("alert", **message(alert, moved, self._node.config.node.name))
        elif moved.state == machine.FIRING and action.name == "circuit_break":
            if not self._circuits.open(action.arguments[0], moved.at_ns + action.for_ns):
                self._log.warning("nothing to break", alert=alert.name, part=action.arguments[0])
        elif moved.state == machine.FIRING:
            acting.start_soon(self._obey, alert.name, action)

    async def _obey(self, alert: str, action: model.Action) -> None:
        """Do what changes how the node trades."""
        self._log.warning("alert acts", alert=alert, action=action.name, arguments=list(action.arguments))
        try:
            if action.name == "halt":
                strategies = self._node.names()["strategy"]
                scope = Scope.STRATEGY if action.arguments else Scope.NODE
                index = strategies.index(action.arguments[0]) if action.arguments else 0
                self._node.lane.halt(scope, index, Halt.OPERATOR)
                await self._node.lane.command(Command.HALT, scope, index)
            else:
                await self._node.lane.command(Command.CANCEL_ALL if action.name == "cancel_all" else Command.FLATTEN)
        except (lanes.NoAnswer, ValueError) as why:
            self._log.error("alert could not act", alert=alert, action=action.name, reason=str(why))
