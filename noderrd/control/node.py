"""The node: its lane, its processes, and what can be asked and ordered of it."""

import dataclasses
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trio

from core.codes import Command, Halt, Scope
from noderrd import rulefiles
from noderrd.config import Config
from noderrd.control import answers, lanes, resolve, state
from noderrd.control.server import Answer, Peer, Refused
from noderrd.control.supervise import Worker
from noderrd.journal.lock import held
from noderrd.lane.spec import LaneSpec
from rules import model
from rules.diagnostic import Diagnostic, render
from rules.span import Source

NAME = "lane0"
STOP_S = 8.0  # the lane itself waits up to 5 s for the venues' acks
DRAIN_S = 12.0
INSPECT_S = 300.0  # the first time a strategy is compiled
EVENTS_S = 0.2


class Unfit(Exception):
    """Configuration, policy, strategies and models do not make a node; the text is for a person, all reasons in it."""


def policy(paths: list[Path]) -> model.Policy:
    """Read the policy. Raises Unfit with every error."""
    found, diagnostics, sources = rulefiles.load(paths)
    errors = [d for d in diagnostics if d.severity == "error"]
    if found is None:
        raise Unfit(shown(errors, sources))
    return found


def shown(found: list[Diagnostic], sources: dict[str, Source]) -> str:
    """Write diagnostics for a person."""
    return "\n".join(render(d, sources) for d in found)


def spec_of(config: Config, paths: list[Path], known_rules: list[str]) -> tuple[LaneSpec, model.Policy]:
    """Give a lane's spec and the policy behind it. Raises Unfit."""
    said = policy(paths)
    try:
        return resolve.lane_spec(config, said, lanes.places(NAME, config.node.state), known_rules), said
    except resolve.Unresolved as why:
        raise Unfit(shown(why.found, {})) from why
    except OSError as why:
        raise Unfit(str(why)) from why


def inspect(path: Path) -> None:
    """Have the spec at `path` tried by a process of its own. Raises Unfit with its reasons."""
    command = [sys.executable, "-P", "-m", "noderrd.lane.inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSPECT_S, start_new_session=True)
    if done.returncode != 0:
        raise Unfit(done.stderr.strip() or f"noderrd.lane.inspect ended with {done.returncode}")


class Node:
    """One node. `run` starts and watches everything; verbs are methods named do_VERB."""

    def __init__(self, config: Config, paths: list[Path], spec: LaneSpec, said: model.Policy, log: Any) -> None:
        self.config, self.policy = config, said
        self._paths, self._log = paths, log
        self._folder = config.node.state
        self._spec_file = self._folder / "run" / f"{NAME}.json"
        self._restarting = trio.Lock()
        self.stopping = trio.Event()
        self.stopped = trio.Event()
        self.still_open = 0
        self.was = state.take_up(spec, self._folder)
        self.lane = lanes.Lane(spec)
        logs = self._folder / "logs"
        module = [sys.executable, "-P", "-m"]
        self.worker = Worker(NAME, [*module, "noderrd.lane", str(self._spec_file)], logs / f"{NAME}.jsonl", log, lambda: self.lane.ready)
        writer = ["noderrd.journal", "--shared", spec.shared, "--spec", str(self._spec_file), "--dir", str(self._folder / "journal"), "--name", NAME]
        self.writer = Worker("journal", [*module, *writer], logs / "journal.jsonl", log)

    @property
    def state(self) -> str:
        """How the node is, in one word."""
        if self.stopping.is_set():
            return "stopping"
        if self.worker.state != "ready":
            return "starting"
        return "halted" if int(self.lane.shared.control[0]["halt_node"]) else "ready"

    # Life.

    async def run(self) -> None:
        """Start the lane and the journal's writer, watch them, and end them when `stopping` is set."""
        if self.was == "lost":
            self._log.error("the last run's state is gone (a power loss): halted until a person has reconciled")
            self.lane.halt(Scope.NODE, 0, Halt.RECONCILE)
        if self.lane.shared.owned():
            self.worker.adopt(int(self.lane.shared.control[0]["pid"]))
            self._log.info("took a running lane over", pid=self.worker.pid)
        if held(self._folder / "journal", NAME):
            self.writer.adopt(int(self.lane.shared.control[0]["writer_pid"]))
            self._log.info("took a running journal writer over", pid=self.writer.pid)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.keep)
            nursery.start_soon(self.worker.keep, self._too_many_crashes)
            nursery.start_soon(self._tell_events)
            await self.stopping.wait()
            await self._wind_down()
            nursery.cancel_scope.cancel()
        self.stopped.set()

    def _too_many_crashes(self) -> None:
        self._log.error("the lane crashes again and again: new orders are halted", reason=Halt.LANE_CRASHES.name)
        self.lane.halt(Scope.NODE, 0, Halt.LANE_CRASHES)

    async def _wind_down(self) -> None:
        clean = await self.worker.stop(STOP_S)
        self.still_open = self.lane.open_orders()
        drained = await self.writer.stop(DRAIN_S)
        if self.still_open:
            self._log.warning("orders stay open", n=self.still_open)
        if not clean or not drained:
            self._log.error("had to be killed", lane=not clean, journal=not drained)
        state.keep(self.lane.spec, self._folder)

    def kill(self) -> None:
        """End everything at once; what is open stays open, and the state stays for the next start."""
        self.worker.kill()
        self.writer.kill()
        try:
            state.keep(self.lane.spec, self._folder)
        except OSError as why:
            self._log.error("state not kept", reason=str(why))

    async def _tell_events(self) -> None:
        """Pass the strategies' notes and new halts on to the log."""
        seen, told = int(self.lane.shared.control[0]["note_head"]), answers.halts([self.lane])
        while True:
            await trio.sleep(EVENTS_S)
            seen = self._notes(seen)
            now = answers.halts([self.lane])
            for row in now:
                if row not in told:
                    self._log.warning("halted", **row)
            for row in told:
                if row not in now:
                    self._log.info("resumed", **row)
            told = now

    def _notes(self, seen: int) -> int:
        shared, spec = self.lane.shared, self.lane.spec
        head = int(shared.control[0]["note_head"])
        kept = len(shared.notes)
        if head - seen > kept:
            self._log.warning("notes lost", n=head - seen - kept)
            seen = head - kept
        for k in range(seen, head):
            row = shared.notes[k % kept]
            strategy, product = int(row["strat"]), int(row["product"])
            if strategy < len(spec.strategies) and product < len(spec.products):
                self._log.info(
                    "note", strategy=spec.strategies[strategy].name, symbol=spec.products[product], code=int(row["code"]), value=int(row["value"])
                )
        return head

    # Policy.

    def write_spec(self, spec: LaneSpec) -> None:
        """Write the spec where the lane reads it; it holds passwords, so only its owner may read it."""
        self._spec_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec.write(self._spec_file)

    async def reload(self) -> model.Policy:
        """Read the policy again and have the lane take it, all or nothing. Raises Unfit; what runs keeps running then."""
        async with self._restarting:
            before = self.lane.spec
            spec, said = spec_of(self.config, self._paths, before.rules)
            if (spec.venues, spec.instruments) != (before.venues, before.instruments):
                spec = dataclasses.replace(spec, venues=_fees(before, spec), instruments=before.instruments)
            trial = self._spec_file.with_suffix(".trial")
            spec.write(trial)
            try:
                await trio.to_thread.run_sync(inspect, trial)
            finally:
                trial.unlink(missing_ok=True)
            self.write_spec(spec)
            try:
                done = await self.lane.command(Command.RELOAD)
            except lanes.NoAnswer as why:
                self.write_spec(before)
                raise Unfit(str(why)) from why
            if done.status != 0:
                self.write_spec(before)
                message = "the lane refused it; its log says why"
                raise Unfit(message)
            self.lane.spec, self.policy = spec, said
            return said

    # What can be asked.

    async def handle(self, verb: str, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Answer one question. Raises Refused."""
        found = getattr(self, "do_" + verb.replace("-", "_"), None) if verb.replace("-", "").isalpha() else None
        if found is None:
            message = f"this daemon knows no {verb!r}"
            raise Refused(message, 64)
        do: Callable[[dict[str, Any], Peer], Awaitable[Answer]] = found
        try:
            return await do(arguments, peer)
        except lanes.NoAnswer as why:
            raise Refused(str(why)) from why

    async def do_status(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """What runs, what is connected, what is halted."""
        armed = {venue.armed for venue in self.lane.spec.venues}
        processes = [{"name": w.name, "pid": w.pid, "state": w.state, "restarts": w.restarts} for w in (self.worker, self.writer)]
        return {
            "version": version("noderrd"),
            "name": self.config.node.name,
            "state": self.state,
            "mode": {frozenset({True}): "armed", frozenset({False}): "paper"}.get(frozenset(armed), "mixed"),
            "paths": {"state": str(self._folder), "logs": str(self._folder / "logs"), "journal": str(self._folder / "journal")},
            "processes": processes,
            "venues": answers.venues([self.lane]),
            "halts": answers.halts([self.lane]),
        }

    async def do_books(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every book."""
        depth = arguments.get("depth", 0)
        return answers.books([self.lane], str(arguments.get("symbol", "")), str(arguments.get("venue", "")), depth if isinstance(depth, int) else 0)

    async def do_positions(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every position."""
        return answers.positions([self.lane])

    async def do_orders(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every order that is remembered."""
        return answers.orders([self.lane], open_only=bool(arguments.get("open")))

    async def do_latency(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Percentiles by stage."""
        return answers.latency(answers.counts([self.lane]))

    async def do_counters(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """The lane's counters."""
        return answers.counters([self.lane])

    # What can be ordered.

    def scope(self, arguments: dict[str, Any]) -> tuple[Scope, int]:
        """Read --strategy, --symbol, --venue: at most one. Raises Refused."""
        spec = self.lane.spec
        known = {
            "strategy": (Scope.STRATEGY, [s.name for s in spec.strategies]),
            "symbol": (Scope.SYMBOL, spec.products),
            "venue": (Scope.VENUE, [v.name for v in spec.venues]),
        }
        given = [key for key in known if arguments.get(key)]
        if len(given) > 1:
            message = "one of strategy, symbol, venue"
            raise Refused(message, 64)
        if not given:
            return Scope.NODE, 0
        scope, names = known[given[0]]
        name = arguments[given[0]]
        if name not in names:
            message = f"no {given[0]} {name!r} (there are: {', '.join(names)})"
            raise Refused(message)
        return scope, names.index(name)

    async def _order(self, verb: Command, arguments: dict[str, Any], peer: Peer) -> Answer:
        scope, index = self.scope(arguments)
        self._log.info("ordered", verb=verb.name, scope=scope.name, index=index, by=peer.name, pid=peer.pid)
        done = await self.lane.command(verb, scope, index)
        if done.status != 0:
            message = "the lane refused it; its log says why"
            raise Refused(message)
        return {"acted": done.acted, "failed": done.failed}

    async def do_halt(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """No new orders in a scope; the word is raised before the lane is asked, so that it holds also while the lane is away."""
        scope, index = self.scope(arguments)
        self.lane.halt(scope, index, Halt.OPERATOR)
        return await self._order(Command.HALT, arguments, peer)

    async def do_resume(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """New orders again."""
        return await self._order(Command.RESUME, arguments, peer)

    async def do_cancel_all(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel every open order of a scope."""
        return await self._order(Command.CANCEL_ALL, arguments, peer)

    async def do_flatten(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel, then close every position of a scope."""
        return await self._order(Command.FLATTEN, arguments, peer)

    async def do_pause(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Strategies are not called; feeds, acks and fills go on."""
        return await self._order(Command.PAUSE, arguments, peer)

    async def do_continue(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Strategies are called again."""
        return await self._order(Command.CONTINUE, arguments, peer)

    async def do_reload(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Read the policy again."""
        self._log.info("ordered", verb="RELOAD", by=peer.name, pid=peer.pid)
        try:
            said = await self.reload()
        except Unfit as why:
            raise Refused(str(why)) from why
        return {"acted": 1, "failed": 0, "inactive": model.inactive(said)}

    async def do_stop(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel, wait for the acks, end; answers when all has ended."""
        self._log.info("ordered", verb="STOP", by=peer.name, pid=peer.pid)
        before = self.lane.open_orders()
        self.stopping.set()
        await self.stopped.wait()
        return {"acted": before - self.still_open, "failed": self.still_open}


def _fees(before: LaneSpec, after: LaneSpec) -> list[Any]:
    """Give the venues as they are with the fees of the new policy: addresses and users do not change while a node runs."""
    new = {v.name: v for v in after.venues}
    return [
        dataclasses.replace(v, maker_mils=new[v.name].maker_mils, taker_mils=new[v.name].taker_mils) if v.name in new else v for v in before.venues
    ]
