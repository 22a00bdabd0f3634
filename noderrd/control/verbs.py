"""What can be asked and ordered of a node: a method do_VERB for each verb of the control socket."""

import contextlib
import dataclasses
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from datetime import time as time_of_day
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trio

from core.codes import Command, Halt, Scope, Session
from noderrd.control import answers, days, drills, feeds, gate, lanes, policy
from noderrd.control.alerting import Alerting
from noderrd.control.explain import Explainer
from noderrd.control.latches import Arm, Kill
from noderrd.control.node import Node, Unfit
from noderrd.control.server import Answer, Peer, Refused
from noderrd.control.watch import Watch
from noderrd.host import seen, sockets
from rules import model

REFUSED = 77  # EX_NOPERM of sysexits.h: policy says no
USAGE = 64
SECOND = 1_000_000_000
LONGEST_CONFIRM_S = 3600
LONGEST_REASON = 60  # characters: what is journaled, with who said it
ORDER_ID = re.compile(r"[0-9A-F]{14}")
LONGEST_WINDOW_S = 3600
LONGEST_SILENCE_S = 30 * 86400
LARGEST_ADJUSTMENT = 1_000_000_000  # shares
CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?")
LONGEST_ARMED = timedelta(days=7)


class Verbs:
    """Answers for one node."""

    def __init__(self, node: Node, watch: Watch, alerting: Alerting) -> None:
        self._node, self._watch, self._alerting = node, watch, alerting

    async def handle(self, verb: str, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Answer one question. Raises Refused."""
        found = getattr(self, "do_" + verb.replace("-", "_"), None) if verb.replace("-", "").isalpha() else None
        if found is None:
            message = f"this daemon knows no {verb!r}"
            raise Refused(message, USAGE)
        do: Callable[[dict[str, Any], Peer], Awaitable[Answer]] = found
        try:
            return await do(arguments, peer)
        except (lanes.NoAnswer, Unfit, policy.NoVersion, OSError) as why:
            raise Refused(str(why)) from why

    @property
    def _lanes(self) -> list[lanes.Lane]:
        return [self._node.lane]

    # What can be asked.

    async def do_status(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """What runs, what is connected, what is halted."""
        node = self._node
        venues = answers.venues(self._lanes)
        for row in venues:
            score = self._watch.scores.now.get(row["name"])
            row["score"] = score.value if score is not None else None
            row["execution"], row["one_way_ns"] = self._watch.execution(row["name"]), self._watch.one_way(row["name"])
            if it := self._watch.probes.latest.get(row["name"]):
                row["probe"] = {"tcp_ns": it.tcp_ns, "tls_ns": it.tls_ns, "ping_ns": it.ping_ns, "failed": it.failed}
        modes = {row["mode"] for row in venues}
        return {
            "version": version("noderrd"),
            "name": node.config.node.name,
            "state": node.state,
            "mode": modes.pop() if len(modes) == 1 else "mixed",
            "policy": node.version.version,
            "paths": {"state": str(node.folder), "logs": str(node.folder / "logs"), "journal": str(node.folder / "journal")},
            "processes": [{"name": w.name, "pid": w.pid, "state": w.state, "restarts": w.restarts} for w in node.workers],
            "venues": venues,
            "halts": answers.halts(self._lanes),
            "circuits": self._alerting.circuits.rows(),
            "clock": dataclasses.asdict(self._watch.clock),
            "host": [
                {"lane": lane.spec.name, **seen.of(lane.pid, lane.spec.shared), "sockets": sockets.told(lane.spec.options)} for lane in self._lanes
            ],
        }

    async def do_venues(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """How good each venue is, and what that is made of."""
        return {"venues": [{"venue": name, **dataclasses.asdict(score)} for name, score in self._watch.scores.now.items()]}

    async def do_books(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every book."""
        depth = arguments.get("depth", 0)
        return answers.books(self._lanes, str(arguments.get("symbol", "")), str(arguments.get("venue", "")), depth if isinstance(depth, int) else 0)

    async def do_positions(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every position."""
        return answers.positions(self._lanes)

    async def do_orders(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every order that is remembered."""
        return answers.orders(self._lanes, open_only=bool(arguments.get("open")))

    async def do_latency(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Percentiles by stage, of all or of the last `interval_s` seconds; with `paths` of single orders, by venue and class of symbol."""
        if arguments.get("paths"):
            return answers.paths(self._watch.orders.paths.counts)
        seconds = arguments.get("interval_s", 0)
        if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WINDOW_S:
            message = f"--interval: at most {LONGEST_WINDOW_S} s"
            raise Refused(message, USAGE)
        found = self._watch.counts(int(seconds * SECOND)) if seconds else answers.counts(self._lanes)
        if arguments.get("log"):
            now_ns = time.time_ns()
            return {"log": answers.log(found, now_ns - int(seconds * SECOND) if seconds else self._watch.began_ns, now_ns)}
        return answers.latency(found)

    async def do_slow(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Orders that were slow from tick to trade, and why."""
        return self._watch.slow.answer()

    async def do_counters(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """The lane's counters."""
        return answers.counters(self._lanes)

    async def do_feeds(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every line of every feed."""
        return feeds.lines(self._lanes)

    async def do_instruments(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every instrument."""
        return feeds.instruments(self._lanes)

    async def do_reconcile(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """What a person has to look into."""
        return {"differences": self._node.differences()}

    async def do_accept(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Take a person's word that an order nobody knows of is over, or that a halted venue may trade again; it is journaled with its reason."""
        what, reason = str(arguments.get("what", "")), _reason(arguments)
        venues, symbols = self._node.names()["venue"], self._node.names()["symbol"]
        named = what in venues
        if not named and what not in symbols and not ORDER_ID.fullmatch(what):
            message = f"{what!r} is neither an order's number (noderrctl reconcile shows them) nor a venue ({', '.join(venues)}) nor a symbol"
            raise Refused(message, USAGE)
        self._say("ACCEPT", peer, what=what, reason=reason)
        if what in symbols:
            return await self._accept_symbol(what, f"{peer.name}: {reason}")
        ref = 0 if named else int(what, 16)
        done = await self._node.lane.command(
            Command.ACCEPT, Scope.VENUE if named else Scope.NODE, venues.index(what) if named else 0, ref, f"{peer.name}: {reason}"
        )
        if done.status != 0 or done.acted == 0:
            message = f"nothing about {what} is in doubt"
            raise Refused(message)
        for it in self._node.comparisons:
            if it.venue == what:
                it.accept("")
        return {"acted": done.acted, "failed": 0, "differences": self._node.differences()}

    async def _accept_symbol(self, symbol: str, text: str) -> Answer:
        """Take it that a symbol's orders and executions are as they are here, whatever else was said, and that it may trade again."""
        differs = any(one.symbol == symbol for it in self._node.comparisons for one in it.differences)
        words = [self._node.lane.shared.halt_symbol[k] for k, it in enumerate(self._node.lane.spec.instruments) if it.symbol == symbol]
        if not differs and Halt.RECONCILE not in words:
            message = f"nothing about {symbol} is in doubt"
            raise Refused(message)
        done = await self._node.lane.command(Command.ACCEPT, Scope.SYMBOL, self._node.names()["symbol"].index(symbol), 0, text)
        for it in self._node.comparisons:
            it.accept(symbol)
        return {"acted": done.acted, "failed": 0, "differences": self._node.differences()}

    # Alerts.

    async def do_alerts(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Alerts that are pending, fire or were resolved; with `history` every change."""
        watcher = self._alerting.watcher
        return {"alerts": watcher.history() if arguments.get("history") else watcher.rows()}

    async def do_silence(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Tell nobody of an alert for some seconds; 0 ends a silence."""
        seconds = arguments.get("seconds", 0)
        if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_SILENCE_S:
            message = f"a silence is {LONGEST_SILENCE_S // 86400} days at most"
            raise Refused(message, USAGE)
        until_ns = time.time_ns() + int(seconds * SECOND) if seconds else 0
        self._say("SILENCE", peer, alert=arguments.get("alert"), seconds=seconds)
        with _known("alert"):
            self._alerting.watcher.silence(str(arguments.get("alert")), until_ns, peer.name)
        return {"acted": 1, "failed": 0}

    async def do_acknowledge(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Note who sees to an alert."""
        self._say("ACKNOWLEDGE", peer, alert=arguments.get("alert"))
        with _known("alert"):
            self._alerting.watcher.acknowledge(str(arguments.get("alert")), peer.name)
        return {"acted": 1, "failed": 0}

    async def do_explain(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Why a rule is or is not true now, with the values."""
        node = self._node
        if node.loaded.policy is None:
            message = "there is no policy"
            raise Refused(message)
        try:
            explainer = Explainer(node.loaded.policy, node.lane, self._alerting.watcher, self._alerting.read, time.time_ns())
            return explainer.explain(str(arguments.get("rule")))
        except KeyError as why:
            raise Refused(str(why.args[0])) from why

    async def do_circuits(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """What alerts hold back: since when, why, until when."""
        return {"circuits": self._alerting.circuits.rows()}

    async def do_close(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Close a circuit before its time, for a reason, which is journaled."""
        part = str(arguments.get("part", ""))
        reason = _reason(arguments)
        self._say("CLOSE", peer, part=part, reason=reason)
        closed = await self._alerting.close(part, peer.name, reason)
        if not closed:
            there = ", ".join(row["part"] for row in self._alerting.circuits.rows()) or "none"
            message = f"no circuit of {part!r} is open (there are: {there})"
            raise Refused(message)
        return {"acted": closed, "failed": 0, "circuits": self._alerting.circuits.rows()}

    # What can be ordered of a scope.

    def _scope(self, arguments: dict[str, Any]) -> tuple[Scope, int, str]:
        """Read strategy, symbol, venue: at most one; gives its name too. Raises Refused."""
        known = self._node.names()
        given = [key for key in known if arguments.get(key)]
        if len(given) > 1:
            message = "one of strategy, symbol, venue"
            raise Refused(message, USAGE)
        if not given:
            return Scope.NODE, 0, ""
        name = arguments[given[0]]
        if name not in known[given[0]]:
            message = f"no {given[0]} {name!r} (there are: {', '.join(known[given[0]])})"
            raise Refused(message)
        return Scope[given[0].upper()], known[given[0]].index(name), str(name)

    def _say(self, verb: str, peer: Peer, **more: Any) -> None:
        self._node.log.info("ordered", verb=verb, by=peer.name, pid=peer.pid, **more)

    async def _command(self, verb: Command, scope: Scope, index: int) -> Answer:
        done = await self._node.lane.command(verb, scope, index)
        if done.status != 0:
            message = "the lane refused it; its log says why"
            raise Refused(message, REFUSED)
        return {"acted": done.acted, "failed": done.failed}

    async def _order(self, verb: Command, arguments: dict[str, Any], peer: Peer) -> Answer:
        scope, index, name = self._scope(arguments)
        self._say(verb.name, peer, scope=scope.name, name=name)
        return await self._command(verb, scope, index)

    async def do_halt(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """No new orders in a scope; the word is raised before the lane is asked, so that it holds also while the lane is away."""
        scope, index, _ = self._scope(arguments)
        self._node.lane.halt(scope, index, Halt.OPERATOR)
        return await self._order(Command.HALT, arguments, peer)

    async def do_resume(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """New orders again, unless a kill, a circuit, or a session that the venue refused is in the way: that one a person has to settle."""
        scope, index, name = self._scope(arguments)
        self._refuse_killed({("node", ""), (scope.name.lower(), name)})
        if scope == Scope.VENUE and self._node.lane.shared.venues[index]["session_state"] == Session.REFUSED:
            message = f"{name} refused our session: noderrctl reconcile --accept {name} --reason ... begins it anew"
            raise Refused(message, REFUSED)
        for it in self._alerting.circuits.blocking((scope, index)):
            message = f"the circuit of {it.part} is {it.state} for alert {it.alert}: noderrctl close '{it.part}' --reason TEXT"
            raise Refused(message, REFUSED)
        self._alerting.circuits.resumed((scope, index))
        return await self._order(Command.RESUME, arguments, peer)

    async def do_cancel_all(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel every open order of a scope."""
        return await self._order(Command.CANCEL_ALL, arguments, peer)

    async def do_flatten(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel, then close every position of a scope."""
        return await self._order(Command.FLATTEN, arguments, peer)

    # Kill and release.

    def _refuse_killed(self, scopes: set[tuple[str, str]]) -> None:
        for key in scopes & set(self._node.latches.kills):
            kill = self._node.latches.kills[key]
            message = f"{f'{kill.scope} {kill.name}'.strip()} was killed by {kill.who}: release it first"
            raise Refused(message, REFUSED)

    async def do_kill(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """No new orders until somebody else releases it, also after restarts, and cancel what is open."""
        scope, index, name = self._scope(arguments)
        self._say("KILL", peer, scope=scope.name, name=name)
        self._node.latch(Kill(scope.name.lower(), name, peer.uid, peer.name, time.time_ns()))
        return await self._command(Command.KILL, scope, index)

    async def do_release(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Lift a kill; not by the one who killed, where two persons are asked for."""
        scope, index, name = self._scope(arguments)
        kill = self._node.latches.kills.get((scope.name.lower(), name))
        if kill is None:
            message = "nothing was killed there"
            raise Refused(message)
        if self._node.config.node.two_person and kill.uid == peer.uid:
            message = f"{kill.who} killed it: another person has to release it ([node] two_person)"
            raise Refused(message, REFUSED)
        self._say("RELEASE", peer, scope=scope.name, name=name, killed_by=kill.who)
        done = await self._command(Command.RELEASE, scope, index)
        self._node.latches.release(scope.name.lower(), name)
        return done

    async def do_drill(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Prove guard, cancel-on-disconnect and kill switch on the running node, for real."""
        self._refuse_killed({("node", "")})
        self._say("DRILL", peer, open_orders=self._node.lane.open_orders())
        return {"checks": await drills.drill(self._node, peer.name)}

    # Positions and days.

    async def do_adjust(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Change a position by a person's word, which is journaled with its reason."""
        reason, qty = _reason(arguments), arguments.get("qty")
        if not isinstance(qty, int) or not 0 < abs(qty) <= LARGEST_ADJUSTMENT:
            message = f"QTY: a whole number of shares to add, negative to take away, at most {LARGEST_ADJUSTMENT}"
            raise Refused(message, USAGE)
        index = self._position(arguments)
        spec = self._node.lane.spec
        it = spec.instruments[index % len(spec.instruments)]
        named = {"symbol": it.symbol, "venue": spec.venues[it.venue].name, "strategy": spec.strategies[index // len(spec.instruments)].name}
        self._say("ADJUST", peer, qty=qty, reason=reason, **named)
        done = await self._node.lane.command(Command.ADJUST, Scope.NODE, index, qty, "\0" * 8 + f"{peer.name}: {reason}")
        if done.status != 0:
            message = f"nobody knows a price of {it.symbol}: it has no book, no trade and no reference"
            raise Refused(message)
        return {"acted": done.acted, "failed": 0, **named, "qty": qty, "position": int(self._node.lane.shared.positions[index]["position"])}

    def _position(self, arguments: dict[str, Any]) -> int:
        """Find the one position that is meant: of those held, else of those that could be. Raises Refused."""
        shared, spec = self._node.lane.shared, self._node.lane.spec
        n = len(spec.instruments)
        wanted = {key: str(arguments.get(key) or "") for key in ("symbol", "venue", "strategy")}
        fits = [
            s * n + k
            for s, strategy in enumerate(spec.strategies)
            for k, it in enumerate(spec.instruments)
            if it.symbol == wanted["symbol"] and wanted["venue"] in {"", spec.venues[it.venue].name} and wanted["strategy"] in {"", strategy.name}
        ]
        held = [index for index in fits if shared.positions[index]["position"]]
        trades = [index for index in fits if wanted["symbol"] in spec.strategies[index // n].symbols]
        found = next((some for some in (held, trades, fits) if some), [])
        if len(found) != 1:
            known = [f"--venue {spec.venues[spec.instruments[k % n].venue].name} --strategy {spec.strategies[k // n].name}" for k in found]
            message = f"which one: {'; '.join(known)}" if known else f"no strategy can hold {wanted['symbol'] or 'that'} there"
            raise Refused(message, USAGE)
        return found[0]

    async def do_days(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Days that were ended, the newest last."""
        return {"days": days.told(self._node.folder)}

    async def do_end_day(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """End a day now."""
        self._say("END DAY", peer)
        return {"day": await days.end(self._node, time.time_ns(), peer.name)}

    # Modes.

    async def do_arm(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Send a venue's orders for real until a time; without `confirmed` only tell what that would be."""
        venue = self._venue(arguments)
        self._refuse_killed({("node", ""), ("venue", venue)})
        if not self._node.guarded():
            message = "there is no guard: nothing is armed without it"
            raise Refused(message, 77)
        self._refuse_unready(venue)
        until_ns = moment(str(arguments.get("until", "")), datetime.now().astimezone())
        ends = datetime.fromtimestamp(until_ns / SECOND).astimezone().isoformat(timespec="seconds")
        if not arguments.get("confirmed"):
            return {"venue": venue, "until": until_ns, "confirm": f"orders for {venue} will be sent to {self._address(venue)} until {ends}"}
        self._say("ARM", peer, venue=venue, until=ends)
        await self._node.arm(Arm(venue, True, until_ns, peer.name, time.time_ns()))
        return {"acted": 1, "failed": 0, "venue": venue, "until": until_ns}

    def _refuse_unready(self, venue: str) -> None:
        """Say no with every line of the gate that fails. Raises Refused."""
        node = self._node
        last = node.latches.arms.get(venue)
        armed_ns = last.at_ns if last is not None and last.armed else 0
        clock_ns = node.config.telemetry.clock_error_us * 1_000
        found = gate.failures(node.lane, venue, node.folder, node.config.node.positions, armed_ns, clock_ns)
        found += [line for it in node.comparisons if it.venue == venue for line in gate.drop_copy(it)]
        if found:
            raise Refused(f"{venue} is not armed: " + "; ".join(found), REFUSED)

    async def do_disarm(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Send nothing more to a venue, or to any, and cancel what is open there."""
        named = [self._venue(arguments)] if arguments.get("venue") else self._node.names()["venue"]
        self._say("DISARM", peer, venues=named)
        for venue in named:
            await self._node.arm(Arm(venue, False, 0, peer.name, time.time_ns()))
        return {"acted": len(named), "failed": 0}

    def _venue(self, arguments: dict[str, Any]) -> str:
        names = self._node.names()["venue"]
        if arguments.get("venue") not in names:
            message = f"no venue {arguments.get('venue')!r} (there are: {', '.join(names)})"
            raise Refused(message)
        return str(arguments["venue"])

    def _address(self, venue: str) -> str:
        return next(v.ouch for v in self._node.lane.spec.venues if v.name == venue)

    # The node.

    async def do_pause(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Strategies are not called; feeds, acks and fills go on."""
        return await self._order(Command.PAUSE, {}, peer)

    async def do_continue(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Strategies are called again."""
        return await self._order(Command.CONTINUE, {}, peer)

    async def do_stop(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Cancel, wait for the acks, end; answers when all has ended."""
        self._say("STOP", peer)
        before = self._node.lane.open_orders()
        self._node.stopping.set()
        await self._node.stopped.wait()
        return {"acted": max(before - self._node.still_open, 0), "failed": self._node.still_open}

    # Policy.

    async def do_reload(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Read the policy's files again."""
        self._say("RELOAD", peer)
        loaded = await self._node.reload(peer.name)
        return {"acted": 1, "failed": 0, "version": self._node.version.version, "inactive": _inactive(loaded)}

    async def do_rules(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """The tools of noderrctl rules that need a running node."""
        tools = {"apply": self._apply, "confirm": self._confirm, "undo": self._undo, "history": self._history, "show": self._show}
        verb = arguments.get("verb")
        if verb not in tools:
            message = f"rules {verb!r}: there are {', '.join(tools)}"
            raise Refused(message, USAGE)
        return await tools[str(verb)](arguments, peer)

    async def _apply(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Put files into force, those named or those configured; after `confirm_s` the ones before come back, unless confirmed."""
        seconds = arguments.get("confirm_s", 0)
        if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_CONFIRM_S:
            message = f"--confirm: 0 to {LONGEST_CONFIRM_S} seconds"
            raise Refused(message, USAGE)
        paths = [Path(path) for path in _texts(arguments.get("paths", []))] or self._node.paths
        loaded = await trio.to_thread.run_sync(policy.from_disk, paths)
        return await self._take(loaded, peer, int(seconds * SECOND))

    async def _take(self, loaded: policy.Loaded, peer: Peer, confirm_ns: int = 0) -> Answer:
        told = ""
        found = loaded.diagnostics
        try:
            await self._node.take(loaded, peer.name, confirm_ns)
        except Unfit as why:
            told, found = str(why), why.found or found
        now = self._node.version
        return {
            "applied": not told,
            "told": told,
            "version": now.version,
            "confirm_by": now.until_ns,
            "diagnostics": [one.as_dict() for one in found],
            "inactive": [] if told else _inactive(loaded),
        }

    async def _confirm(self, _arguments: dict[str, Any], peer: Peer) -> Answer:
        """Keep the policy that is on trial."""
        self._node.confirm()
        self._say("CONFIRM", peer, version=self._node.version.version)
        return {"version": self._node.version.version}

    async def _undo(self, arguments: dict[str, Any], peer: Peer) -> Answer:
        """Go back to a version, or to the last one before that said something else."""
        number = self._version(arguments)
        if not number:
            now = self._node.version
            before = [v.version for v in self._node.versions.history() if v.version < now.version and v.sha256 != now.sha256]
            if not before:
                message = "there is no version before this one"
                raise Refused(message)
            number = before[-1]
        return await self._take(self._node.versions.get(number).load(), peer)

    async def _history(self, _arguments: dict[str, Any], _peer: Peer) -> Answer:
        """Every version that was in force."""
        return {"versions": [dataclasses.asdict(version) for version in self._node.versions.history()]}

    async def _show(self, arguments: dict[str, Any], _peer: Peer) -> Answer:
        """A version's texts, and what of it has no effect yet."""
        number = self._version(arguments)
        loaded = self._node.versions.get(number).load() if number else self._node.loaded
        return {"version": number or self._node.version.version, "sha256": loaded.sha256, "files": loaded.files, "inactive": _inactive(loaded)}

    def _version(self, arguments: dict[str, Any]) -> int:
        number = arguments.get("version", 0)
        if not isinstance(number, int) or number < 0:
            message = "version: a number of `rules history`"
            raise Refused(message, USAGE)
        return number


@contextlib.contextmanager
def _known(what: str) -> Iterator[None]:
    """Say no to a name that is none."""
    try:
        yield
    except KeyError as name:
        message = f"no {what} {name}"
        raise Refused(message) from name


def _reason(arguments: dict[str, Any]) -> str:
    """Read why a person does it. Raises Refused."""
    reason = str(arguments.get("reason", "")).strip()
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        message = f"--reason: 1 to {LONGEST_REASON} characters that say why"
        raise Refused(message, USAGE)
    return reason


def _texts(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        message = "paths: a list of file names"
        raise Refused(message, USAGE)
    return given


def _inactive(loaded: policy.Loaded) -> list[str]:
    return model.inactive(loaded.policy) if loaded.policy is not None else []


def moment(text: str, now: datetime) -> int:
    """Read 16:00, 16:00:30 (today, where the host is) or ISO 8601 with an offset, in ns since the epoch. Raises Refused; for the past, too."""
    try:
        if CLOCK.fullmatch(text):
            clock = time_of_day.fromisoformat(text)
            when = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        else:
            when = datetime.fromisoformat(text)
    except ValueError:
        message = f"until: 16:00, 16:00:30 or 2026-11-25T16:00:00+00:00, not {text!r}"
        raise Refused(message, USAGE) from None
    if when.tzinfo is None:
        message = f"until: {text} does not say in which zone; 16:00 alone is taken as the host's"
        raise Refused(message, USAGE)
    if not now < when < now + LONGEST_ARMED:
        message = f"until: {when.isoformat(timespec='seconds')} is over, or more than {LONGEST_ARMED.days} days away"
        raise Refused(message, USAGE)
    return int(when.timestamp()) * SECOND
