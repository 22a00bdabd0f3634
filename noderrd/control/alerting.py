"""What follows from alerts: each of the policy's alerts watched once a second, and its actions carried out.

`log`, `halt`, `reduce_only`, `cancel_all` and `flatten` are done when an alert fires, and so is `circuit_break` (noderrd.control.circuits). A
target is told what it does not know yet (noderrd.alerts.notices). What the node does not have (`model`, `mesh`) is said in the log. A look that
takes longer than a second leaves out those that were due meanwhile, and is counted.
"""

import time
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import trio

from core.codes import Command, Halt
from core.layout import BUCKETS
from noderrd import config as configuration
from noderrd.alerts import circuit, targets
from noderrd.alerts.live import Measures
from noderrd.alerts.outbox import Outbox
from noderrd.alerts.rounds import Rounds
from noderrd.alerts.watcher import Watcher, message
from noderrd.control import lanes
from noderrd.control.circuits import Circuits
from noderrd.control.node import Node
from noderrd.control.watch import Watch
from noderrd.telemetry import hdr
from noderrd.telemetry.own import Figure
from rules import alert as machine
from rules import model

STEP_S = 1.0  # scenarios are stepped like that, too (rules.rehearse)
SLICE_NS = 20_000_000
COMMANDS = {"halt": Command.HALT, "cancel_all": Command.CANCEL_ALL, "flatten": Command.FLATTEN}


class Alerting:
    """Runs beside a node."""

    def __init__(self, node: Node, watch: Watch, log: Any) -> None:
        self._node, self._watch, self._log = node, watch, log
        self.watcher = Watcher(node.folder / "alerts", log)
        self._measures = Measures(watch.counts, watch.orders.figures)
        self.circuits = Circuits(node, log)
        self._rounds = Rounds(STEP_S, 0.0)
        self._took = np.zeros(BUCKETS, np.int64)
        self._outbox: Outbox | None = None
        watch.own.sources.append(self.figures)

    def alarm(self, name: str, said: str, config: str) -> None:
        """Tell everybody whom the policy names of what no condition is about: a drill that failed, a day that did not end clean."""
        policy = self._node.loaded.policy
        now_ns = time.time_ns()
        told = {
            "alert": name, "severity": "critical", "state": machine.FIRING, "value": None, "threshold": None, "since": now_ns, "at": now_ns,
            "rule": config, "node": self._node.config.node.name, "said": said,
        }  # fmt: skip
        self._log.error("alarm", alert=name, said=said)
        for it in policy.notifies if policy is not None and self._outbox is not None else ():
            if self._outbox is not None:
                self._outbox.put(it.name, told)

    def read(self, leaf: Any, now_ns: int) -> float:
        """Give what a leaf of a condition is worth now."""
        return self._measures.read(leaf, now_ns)

    async def run(self) -> None:
        """Watch until cancelled; a new policy is taken up between two looks."""
        self._rounds = Rounds(STEP_S, trio.current_time())
        async with trio.open_nursery() as acting:
            while True:
                taken = self._node.loaded
                if taken.policy is not None:
                    self.watcher.watch(taken.policy)
                    self._measures.watch(taken.policy.alerts)
                notifies = taken.policy.notifies if taken.policy is not None else ()
                ways = {it.name: targets.of(it, configuration.credential) for it in notifies}
                self._outbox = outbox = Outbox(self._node.folder / "alerts" / "outbox", ways, time.time_ns, self._log)
                async with trio.open_nursery() as sending:
                    sending.start_soon(outbox.run)
                    resend = {it.name for it in notifies if it.how == "alertmanager"}
                    while self._node.loaded is taken:
                        began_ns = time.perf_counter_ns()
                        await self.look(outbox, resend, acting)
                        hdr.add(self._took, time.perf_counter_ns() - began_ns)
                        await trio.sleep(self._rounds.wait(trio.current_time()))
                    sending.cancel_scope.cancel()

    async def look(self, outbox: Outbox, resend: Collection[str], acting: trio.Nursery) -> None:
        """Measure, evaluate, and start what follows. Others have their turn after every SLICE_NS."""
        node, now_ns = self._node, time.time_ns()
        pids = {worker.name: worker.pid for worker in (node.worker, node.writer)}
        for view in self._watch.views():
            self._measures.take(view, node.state, pids, now_ns, self._watch.clock)
        began_ns = time.perf_counter_ns()
        for some in self.watcher.each(self.read, now_ns):
            for alert, moved in some:
                for action in alert.actions:
                    self._act(alert, moved, action, acting)
            if time.perf_counter_ns() - began_ns > SLICE_NS:
                await trio.lowlevel.checkpoint()
                began_ns = time.perf_counter_ns()
        self.circuits.turn(now_ns, lambda name: self.watcher.standing(name, self.read, now_ns))
        for (scope, index), words in self.circuits.changes:
            acting.start_soon(self._journal, Command.TELL, scope, index, words)
        self.circuits.changes.clear()
        self._tell(outbox, resend, now_ns)

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
        elif moved.state == machine.FIRING and action.name in {"circuit_break", "reduce_only"}:
            self._soften(alert, moved, action)
        elif moved.state == machine.FIRING:
            acting.start_soon(self._obey, alert.name, action)

    def _soften(self, alert: model.Alert, moved: machine.Transition, action: model.Action) -> None:
        """Take a part out of service, or let it only reduce."""
        why = f"{moved.value:.6g} against {moved.threshold:.6g}"
        if action.name == "circuit_break":
            done = self.circuits.open(action.part, alert.name, action.for_ns, why, moved.at_ns)
        else:
            done = self.circuits.reduce(action.part, alert.name, why, moved.at_ns)
        if not done:
            self._log.warning("alert could not act", alert=alert.name, action=action.name, reason=f"the node has no {action.part}")

    async def _obey(self, alert: str, action: model.Action) -> None:
        """Do what changes how the node trades."""
        self._log.warning("alert acts", alert=alert, action=action.name, arguments=list(action.arguments))
        try:
            for scope, index in self.circuits.places(action.part):
                if action.name == "halt":
                    self._node.lane.halt(scope, index, Halt.OPERATOR)
                await self._node.lane.command(COMMANDS[action.name], scope, index)
        except lanes.NoAnswer as why:
            self._log.error("alert could not act", alert=alert, action=action.name, reason=str(why))

    async def _journal(self, *command: Any) -> None:
        """Have the lane journal what became of a circuit."""
        verb, scope, index, words = command
        try:
            await self._node.lane.command(verb, scope, index, text=words)
        except lanes.NoAnswer as why:
            self._log.error("not journaled", what=words, reason=str(why))

    async def close(self, part: str, by: str, reason: str) -> int:
        """Close a part's circuits by a person's word, which is journaled: how many there were. Raises OSError."""
        closed = self.circuits.close(part, by, reason, time.time_ns())
        changes, self.circuits.changes = self.circuits.changes, []
        for (scope, index), words in changes:
            await self._journal(Command.TELL, scope, index, words)
        return closed

    def figures(self) -> Iterator[Figure]:
        """Give what there is to say of alerts and circuits."""
        for alert, fires in self.watcher.firing():
            yield "noderrd_alert_firing", (alert.name, alert.severity), float(fires)
            for action in alert.actions:
                if action.name == "circuit_break":
                    part = action.part
                    state = self.circuits.state(part, alert.name)
                    yield "noderrd_circuit_open", (part, alert.name), float(state == circuit.OPEN)
                    yield "noderrd_circuit_half_open", (part, alert.name), float(state == circuit.HALF_OPEN)
        yield "noderrd_alert_rounds_total", (), self._rounds.done
        yield "noderrd_alert_rounds_skipped_total", (), self._rounds.skipped
        yield "noderrd_alert_round_seconds", (), self._took
        if self._outbox is not None:
            for target, n in self._outbox.by_target().items():
                yield "noderrd_notifications_waiting", (target,), n
