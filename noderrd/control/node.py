"""The node's life: its lane and the processes beside it, what they run by, and how all of that ends. What can be asked of it is in `verbs`."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from core.codes import BookState, Command, Counter, Halt, Loss, Scope
from noderrd.config import Config
from noderrd.control import answers, dropcopy, dropline, feeds, lanes, resolve, staging, state
from noderrd.control.denials import Denials
from noderrd.control.latches import Arm, Kill, Latches
from noderrd.control.policy import Loaded, NoVersion, Versions, from_disk
from noderrd.control.supervise import Worker
from noderrd.journal.lock import held
from noderrd.lane import hand
from noderrd.lane.spec import LaneSpec
from rules.diagnostic import Diagnostic, render
from rules.span import Source

NAME = "lane0"
STOP_S = 8.0  # the lane itself waits up to 5 s for the venues' acks
DRAIN_S = 12.0
RESTORE_S = 1800.0  # a day's journal, on a slow machine
INSPECT_S = 300.0  # the first time a strategy is compiled
EVENTS_S = 0.2
HEIR_S = 1.0
HEIR_POLL_S = 0.002
LOAD_S = 10.0
GUARD_NS = 1_000_000_000


class Unfit(Exception):
    """Configuration, policy, strategies and models do not make a node; the text is for a person, all reasons in it."""

    def __init__(self, message: str, found: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.found = list(found)


def shown(found: list[Diagnostic], sources: dict[str, Source]) -> str:
    """Write diagnostics for a person."""
    return "\n".join(render(d, sources) for d in found)


def spec_of(config: Config, loaded: Loaded, last: LaneSpec | None) -> LaneSpec:
    """Give a lane's spec; `last` is what it ran by before. Raises Unfit."""
    if loaded.policy is None:
        raise Unfit(shown(loaded.errors(), loaded.sources), loaded.diagnostics)
    try:
        return resolve.lane_spec(config, loaded.policy, lanes.places(NAME, config.node.state), last)
    except resolve.Unresolved as why:
        raise Unfit(shown(why.found, loaded.sources), [*loaded.diagnostics, *why.found]) from why
    except OSError as why:
        raise Unfit(str(why)) from why


def inspect(path: Path) -> None:
    """Have the spec at `path` tried by a process of its own. Raises Unfit with its reasons."""
    command = [sys.executable, "-P", "-m", "noderrd.lane.inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSPECT_S, start_new_session=True)
    if done.returncode != 0:
        raise Unfit(done.stderr.strip() or f"noderrd.lane.inspect ended with {done.returncode}")


def _is_spare(pid: int, spec: Path) -> bool:
    """Tell whether a process is the spare of the lane with that spec: a number alone may be another's by now."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-3:-1] == [os.fsencode(spec), b"spare"]
    except OSError:
        return False


def restored(spec: Path, journal: Path) -> tuple[str, str]:
    """Make a lane's shared file from its journal, in a process of its own: "restored" or "lost", and what it said."""
    command = [sys.executable, "-P", "-m", "noderrd.journal.recover", "--spec", str(spec), "--dir", str(journal)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RESTORE_S, start_new_session=True)
    except subprocess.TimeoutExpired:
        return "lost", f"no end in {RESTORE_S:.0f} s"
    if done.returncode == 0:
        return "restored", f"{done.stdout.strip()} records"
    return "lost", done.stderr.strip()[-1000:] or f"noderrd.journal.recover ended with {done.returncode}"


def last_spec(config: Config) -> LaneSpec | None:
    """Give what the lane ran by the last time; None at a first start."""
    try:
        return LaneSpec.read(spec_file(config))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spec_file(config: Config) -> Path:
    """Give where the lane reads what it is told."""
    return config.node.state / "run" / f"{NAME}.json"


class Node:
    """One node. `run` starts and watches everything until `stopping` is set. Raises state.Foreign, ValueError, OSError."""

    def __init__(self, config: Config, paths: list[Path], loaded: Loaded, spec: LaneSpec, versions: Versions, log: Any) -> None:
        self.config, self.log = config, log
        self._given = paths  # in place of those that the configuration names
        self.folder = config.node.state
        self.latches = Latches(self.folder)
        self.versions = versions
        self.stopping, self.stopped = trio.Event(), trio.Event()
        self.handing_over = False  # this daemon ends, and what it watches does not
        self.still_open = 0
        self._turn = trio.Lock()  # one change of what the lane runs by after the other
        self._spec_file = spec_file(config)
        last, spec = last_spec(config), _armed(spec, self.latches.arms)
        self.was = state.take_up(spec, self.folder, last)
        self._write_spec(spec)
        self._told = ""  # what a restoration said
        if self.was == "lost":
            self.was, self._told = restored(self._spec_file, self.folder / "journal")
        self.lane = lanes.Lane(spec)
        self._changed = last != spec
        self._stale = False  # a lane that was taken over runs by the last one
        self.comparisons = [dropcopy.Comparison(self.lane, v, self.folder, log) for v, name in enumerate(config.venues) if config.venues[name].drop]
        self.loaded = loaded
        self.version = versions.put(loaded, "start", from_disk(paths).sha256)
        logs = self.folder / "logs"
        module = [sys.executable, "-P", "-m"]
        self.worker = Worker(NAME, [*module, "noderrd.lane", str(self._spec_file)], logs / f"{NAME}.jsonl", log, lambda: self.lane.ready)
        writer = ["noderrd.journal", "--shared", spec.shared, "--spec", str(self._spec_file), "--dir", str(self.folder / "journal"), "--name", NAME]
        writer += ["--raw", str(config.journal.raw), "--keep", str(config.journal.keep)]
        self.writer = Worker("journal", [*module, *writer], logs / "journal.jsonl", log)
        self.spare = Worker(f"{NAME}-spare", [*self.worker.arguments, "spare"], logs / f"{NAME}.jsonl", log, self._spare_waits)
        self.guard = Worker("guard", [*module, "noderrd.guard", "--spec", str(self._spec_file)], logs / "guard.jsonl", log)

    @property
    def paths(self) -> list[Path]:
        """Rules files as they are now: a file that was added to a folder since is one of them."""
        return self._given or self.config.rules_paths()

    @property
    def workers(self) -> list[Worker]:
        """Give what it keeps running."""
        return [self.worker, self.writer, self.guard, *([self.spare] if self.config.lane.spare else [])]

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
        if self.was == "restored":
            self.log.warning("the last run's state was gone (a power loss) and was made anew from the journal", told=self._told)
        if self.was == "lost":
            self.log.error("the last run's state is gone (a power loss): halted until a person has reconciled", reason=self._told)
            self.lane.halt(Scope.NODE, 0, Halt.RECONCILE)
        self.pet()
        for kill in self.latches.kills.values():
            self._raise(kill)
        if self.lane.shared.owned():
            self.worker.adopt(int(self.lane.shared.control[0]["pid"]))
            self._stale = self._changed
            self.log.info("took a running lane over", pid=self.worker.pid)
        if held(self.folder / "journal", NAME):
            self.writer.adopt(int(self.lane.shared.control[0]["writer_pid"]))
            self.log.info("took a running journal writer over", pid=self.writer.pid)
        if self.guarded():
            self.guard.adopt(int(self.lane.shared.control[0]["guard_pid"]))
            self.log.info("took a running guard over", pid=self.guard.pid)
        if (pid := int(self.lane.shared.control[0]["spare_pid"])) and _is_spare(pid, self._spec_file):
            self.spare.adopt(pid)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.keep)
            nursery.start_soon(self.guard.keep)
            nursery.start_soon(self._equip_guard)
            nursery.start_soon(self.worker.keep, self._too_many_crashes, self._heir)
            if self.config.lane.spare:
                nursery.start_soon(self._keep_spare)
            nursery.start_soon(self._tell_events)
            nursery.start_soon(self._see_to)
            nursery.start_soon(self._pet)
            for it in self.comparisons:
                venue = self.config.venues[it.venue]
                nursery.start_soon(dropline.Line(it, venue.drop, venue.drop_user, venue.drop_secret(), self.log).run)
            await self.stopping.wait()
            if self.handing_over:
                self.pet()
                self.log.info("handed over: lane, writer and guard go on, and the next daemon takes them over")
            else:
                await self._wind_down()
            nursery.cancel_scope.cancel()
        self.stopped.set()

    def hand_over(self) -> None:
        """End this daemon and nothing else."""
        self.handing_over = True
        self.stopping.set()

    def pet(self) -> None:
        """Show the guard that the daemon lives, and what the policy wants when it does not. Positions may be opened again while it does."""
        control = self.lane.shared.control[0]
        loss = self.loaded.policy.loss if self.loaded.policy is not None else None
        control["loss_then"] = Loss[loss.then.upper()] if loss is not None else Loss.TRADE_ON
        control["loss_after_ns"] = loss.after_ns if loss is not None else 0
        control["daemon_ns"] = time.time_ns()
        if control["reduce_only"]:
            control["reduce_only"] = 0
            self.log.warning("orders that open positions may go out again: the daemon is back")

    async def _pet(self) -> None:
        while True:
            self.pet()
            await trio.sleep(EVENTS_S)

    def _too_many_crashes(self) -> None:
        self.log.error("the lane crashes again and again: new orders are halted", reason=Halt.LANE_CRASHES.name)
        self.lane.halt(Scope.NODE, 0, Halt.LANE_CRASHES)

    # The spare.

    def _spare_waits(self) -> bool:
        """Tell whether the spare is warm: it sleeps until the lane is gone."""
        return bool(self.spare.pid) and int(self.lane.shared.control[0]["spare_pid"]) == self.spare.pid

    async def _keep_spare(self) -> None:
        """Have a spare from when the lane is up: two that warm up beside each other take twice as long."""
        while not self.lane.ready:  # noqa: ASYNC110 - another process writes it, and tells nobody
            await trio.sleep(EVENTS_S)
        await self.spare.keep()

    async def _heir(self) -> bool:
        """Wait for the spare to take the dead lane's place; False when there is none that could."""
        pid = self.spare.pid
        if not pid or not self._waited_for(pid):
            return False
        with trio.move_on_after(HEIR_S):
            while self.spare.pid == pid:
                if self.lane.pid == pid:
                    self.spare.lend(self.worker)
                    return True
                await trio.sleep(HEIR_POLL_S)
        return False

    def _waited_for(self, pid: int) -> bool:
        """Tell whether a spare waits for the lock, or has it already."""
        control = self.lane.shared.control[0]
        return pid in (int(control["spare_pid"]), int(control["pid"]))

    async def _load(self) -> None:
        """Have the lane load what is new in its spec beside its loop; what cannot be loaded so, or in time, is loaded as it is taken."""
        row = self.lane.shared.staged[0]
        await self.lane.command(Command.LOAD)
        with trio.move_on_after(LOAD_S):
            while int(row["loaded"]) == 0:  # noqa: ASYNC110 - another process writes it, and tells nobody
                await trio.sleep(HEIR_POLL_S)

    def differences(self) -> list[dict[str, Any]]:
        """Give what a person has to look into."""
        return [*answers.differences([self.lane]), *(row for it in self.comparisons for row in it.rows())]

    def guarded(self) -> bool:
        """Tell whether the guard shows itself."""
        return time.time_ns() - int(self.lane.shared.control[0]["guard_ns"]) < GUARD_NS

    async def _equip_guard(self) -> None:
        """Have the lane hand its order sockets to a guard that is new; later ones it hands over as it logs in."""
        known = 0
        while True:
            guard = int(self.lane.shared.control[0]["guard_pid"])
            if guard != known and self.lane.ready:
                try:
                    await self.lane.command(Command.HAND)
                    known = guard
                except lanes.NoAnswer as why:
                    self.log.warning("guard not equipped", reason=str(why))
            await trio.sleep(EVENTS_S)

    async def _wind_down(self) -> None:
        await self.spare.stop(STOP_S)
        await self.guard.stop(STOP_S)
        clean = await self.worker.stop(STOP_S)
        self.still_open = self.lane.open_orders()
        drained = await self.writer.stop(DRAIN_S)
        if self.still_open:
            self.log.warning("orders stay open", n=self.still_open)
        if not clean or not drained:
            self.log.error("had to be killed", lane=not clean, journal=not drained)
        state.keep(self.lane.spec, self.folder)

    def kill(self) -> None:
        """End everything at once; what is open stays open, and the state stays for the next start."""
        self.spare.kill()
        self.guard.kill()
        hand.address(Path(self.lane.spec.shared)).unlink(missing_ok=True)
        self.worker.kill()
        self.writer.kill()
        try:
            state.keep(self.lane.spec, self.folder, sync=False)
        except OSError as why:
            self.log.error("state not kept", reason=str(why))

    async def _see_to(self) -> None:
        """Whenever a lane has come up: what it runs by and what was killed hold there too. And take back a policy that nobody confirmed."""
        epoch = -1
        while True:
            await trio.sleep(EVENTS_S)
            if self.version.back_to and time.time_ns() >= self.version.until_ns:
                await self._take_back()
            now = int(self.lane.shared.control[0]["epoch"])
            if now == epoch or not self.lane.ready:
                continue
            try:
                if self._stale:
                    await self.lane.command(Command.RELOAD)
                    self._stale = False
                for kill in list(self.latches.kills.values()):  # others come while the lane obeys
                    where = self._place(kill)
                    if where is not None:
                        await self.lane.command(Command.KILL, *where)
                epoch = now
            except lanes.NoAnswer as why:
                self.log.error("the lane does not obey", reason=str(why))

    async def _tell_events(self) -> None:
        """Pass the strategies' notes, denials and new halts on to the log."""
        denials = Denials(self.lane, self.log)
        seen, told = int(self.lane.shared.control[0]["note_head"]), answers.halts([self.lane])
        clashes: set[str] = set()
        full = self._count(Counter.BOOK_FULL)
        while True:
            await trio.sleep(EVENTS_S)
            seen = self._notes(seen)
            denials.look()
            now = answers.halts([self.lane])
            for row in now:
                if row not in told:
                    self.log.warning("halted", **row)
            for row in told:
                if row not in now:
                    self.log.info("resumed", **row)
            told = now
            clashes = self._clashes(clashes)
            full = self._full(full)

    def _count(self, counter: Counter) -> int:
        return int(self.lane.shared.control[0]["counters"][counter])

    def _full(self, told: int) -> int:
        """Log when a book could not hold what its venue says, which puts its symbol out of service; gives how many such messages are told."""
        now = self._count(Counter.BOOK_FULL)
        if now > told:
            spec, states = self.lane.spec, self.lane.shared.insts["state"]
            out = [f"{it.symbol} at {spec.venues[it.venue].name}" for k, it in enumerate(spec.instruments) if int(states[k]) & BookState.GAP]
            self.log.error("book full", messages=now - told, out_of_service=out, remedy="[lane] levels, orders")
        return now

    def _clashes(self, told: set[str]) -> set[str]:
        """Log where the venue's directory and the configuration do not agree; gives what is logged."""
        spec, shared = self.lane.spec, self.lane.shared
        now = {
            f"{it.symbol} at {spec.venues[it.venue].name}: {why}" for k, it in enumerate(spec.instruments) if (why := feeds.conflict(shared.insts[k]))
        }
        for one in sorted(now - told):
            self.log.error("conflict", what=one)
        return now

    def _notes(self, seen: int) -> int:
        shared, spec = self.lane.shared, self.lane.spec
        head = int(shared.control[0]["note_head"])
        kept = len(shared.notes)
        if head - seen > kept:
            self.log.warning("notes lost", n=head - seen - kept)
            seen = head - kept
        for k in range(seen, head):
            row = shared.notes[k % kept]
            strategy, product = int(row["strat"]), int(row["product"])
            if strategy < len(spec.strategies) and product < len(spec.products):
                self.log.info(
                    "note", strategy=spec.strategies[strategy].name, symbol=spec.products[product], code=int(row["code"]), value=int(row["value"])
                )
        return head

    # Kills.

    def _place(self, kill: Kill) -> tuple[Scope, int] | None:
        """Give where a kill is in this lane; None when its strategy, symbol or venue is no more."""
        if kill.scope == "node":
            return Scope.NODE, 0
        names = self.names()[kill.scope]
        return (Scope[kill.scope.upper()], names.index(kill.name)) if kill.name in names else None

    def names(self) -> dict[str, list[str]]:
        """Give what a command may be about, by kind; an index into a list is the lane's."""
        spec = self.lane.spec
        return {"strategy": [s.name for s in spec.strategies], "symbol": spec.products, "venue": [v.name for v in spec.venues]}

    def _raise(self, kill: Kill) -> None:
        where = self._place(kill)
        if where is None:
            self.log.warning("killed, and no more here", scope=kill.scope, name=kill.name, by=kill.who)
            return
        self.lane.halt(*where, Halt.KILLED)

    def latch(self, kill: Kill) -> None:
        """Keep a kill on disk and raise its word, at once and in this order. Raises OSError; the word is raised all the same."""
        try:
            self.latches.kill(kill)
        finally:
            self._raise(kill)

    # What the lane runs by.

    def _write_spec(self, spec: LaneSpec) -> None:
        """Write the spec where the lane reads it; it holds passwords, so only its owner may read it."""
        self._spec_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec.write(self._spec_file)

    async def _put(self, spec: LaneSpec, verb: Command) -> None:
        """Have the lane take a spec, or leave all as it was. Raises Unfit."""
        before = self.lane.spec
        self._write_spec(spec)
        why = "the lane refused it; its log says why"
        try:
            if verb == Command.RELOAD:
                await self._load()
            refused = (await self.lane.command(verb)).status != 0
        except lanes.NoAnswer as away:
            refused, why = True, str(away)
        if refused:
            self._write_spec(before)
            raise Unfit(why)
        self.lane.spec = spec
        if verb == Command.RELOAD and self._spare_waits():
            self.spare.renew()  # it would have to load the new code while nobody trades

    async def arm(self, arm: Arm) -> None:
        """Arm or disarm a venue; a disarmed one stays so for the next start, also when the lane does not answer. Raises Unfit, OSError."""
        async with self._turn:
            if not arm.armed:
                self.latches.arm(arm)
            await self._put(_armed(self.lane.spec, {arm.venue: arm}), Command.ARM)
            if arm.armed:
                self.latches.arm(arm)

    async def _take(self, loaded: Loaded) -> None:
        """Have the lane take a policy, all or nothing. Raises Unfit; what runs keeps running then."""
        before = self.lane.spec
        spec = spec_of(self.config, loaded, before)
        spec = dataclasses.replace(spec, venues=_fees(before, spec), instruments=before.instruments)
        if staging.only_tables(before, spec) and await self._stage(spec):
            return
        trial = self._spec_file.with_suffix(".trial")
        spec.write(trial)
        try:
            await trio.to_thread.run_sync(inspect, trial)
        finally:
            trial.unlink(missing_ok=True)
        await self._put(spec, Command.RELOAD)

    async def _stage(self, spec: LaneSpec) -> bool:
        """Have the lane take new tables between two events; False when it must be asked by command, and all is as it was."""
        before = self.lane.spec
        self._write_spec(spec)
        if not await staging.stage(self.lane, spec):
            self._write_spec(before)
            return False
        self.lane.spec = spec
        return True

    async def take(self, loaded: Loaded, who: str, confirm_ns: int = 0) -> None:
        """Put a policy into force; with `confirm_ns` the one before comes back after that time unless `confirm` is called. Raises Unfit, OSError."""
        async with self._turn:
            await self._take(loaded)
            back_to = (self.version.back_to or self.version.version) if confirm_ns else 0
            until_ns = time.time_ns() + confirm_ns if confirm_ns else 0
            self.version = self.versions.put(loaded, who, from_disk(self.paths).sha256, back_to=back_to, until_ns=until_ns)
            self.loaded = loaded
            self.log.info("policy in force", version=self.version.version, sha256=self.version.sha256, by=who, confirm_s=confirm_ns // 10**9)

    async def reload(self, who: str) -> Loaded:
        """Read the configured files again and put them into force. Raises Unfit, OSError."""
        loaded = await trio.to_thread.run_sync(from_disk, self.paths)
        await self.take(loaded, who)
        return loaded

    def confirm(self) -> None:
        """Keep the policy that waits for it. Raises policy.NoVersion, OSError."""
        self.version = self.versions.confirm()

    async def _take_back(self) -> None:
        """Bring the policy back that was in force before the one that nobody confirmed."""
        waiting = self.version
        self.log.warning("policy not confirmed: the one before comes back", version=waiting.version, back_to=waiting.back_to)
        try:
            await self.take(self.versions.get(waiting.back_to).load(), "not confirmed")
        except (Unfit, NoVersion, OSError) as why:
            self.log.error("the policy before does not come back", reason=str(why))
            self.version = dataclasses.replace(waiting, until_ns=time.time_ns() + 10**9)


def _armed(spec: LaneSpec, said: Mapping[str, Arm]) -> LaneSpec:
    """Give a spec with what persons ordered about its venues."""
    venues = [dataclasses.replace(v, armed=said[v.name].armed, until_ns=said[v.name].until_ns) if v.name in said else v for v in spec.venues]
    return dataclasses.replace(spec, venues=venues)


def _fees(before: LaneSpec, after: LaneSpec) -> list[Any]:
    """Give the venues as they are with the fees and hours of the new policy: addresses and users do not change while a node runs."""
    new = {v.name: v for v in after.venues}
    return [
        dataclasses.replace(v, maker_mils=new[v.name].maker_mils, taker_mils=new[v.name].taker_mils, hours=new[v.name].hours) if v.name in new else v
        for v in before.venues
    ]
