"""`noderrd run`: read everything, refuse with every reason or start, and tell systemd how it goes."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sdnotify
import trio

from noderrd import config as configuration
from noderrd.config import Config
from noderrd.control import days, drills, logbook, policy, server, state
from noderrd.control import node as nodes
from noderrd.control.alerting import Alerting
from noderrd.control.node import Node, Unfit
from noderrd.control.policy import NoVersion, Versions
from noderrd.control.verbs import Verbs
from noderrd.control.watch import Watch
from noderrd.host import service
from noderrd.settings import SettingsError

HELP = "run the node that a noderrd.toml describes"
INTERRUPTED = 130
STATUS_S = 1.0
FOLDERS = ("run", "logs", "journal")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="noderrd.toml")
    parser.add_argument("--rules", type=Path, action="append", default=[], metavar="PATH", help="rules files or folders, in place of those it names")
    parser.add_argument("--check", action="store_true", help="read and compile everything, say what is wrong, start nothing")


def main(args: argparse.Namespace) -> int:
    """0 stopped, or nothing wrong; 1 refused, with every reason; 130 after a second Ctrl-C."""
    try:
        config = configuration.read(args.config)
        given = [path.absolute() for path in args.rules]
        paths = given or config.rules_paths()
        if args.check:
            loaded = policy.from_disk(paths)
        else:
            versions = Versions(config.node.state / "rules", time.time_ns)
            loaded = versions.at_start(paths)
        spec = nodes.spec_of(config, loaded, nodes.last_spec(config))
        state_folder = config.node.state if config.node.state.is_dir() else None  # a service may have no other place that it can write to
        with tempfile.TemporaryDirectory(prefix="noderrd-check-", dir=state_folder) as folder:
            trial = Path(folder) / "spec.json"
            spec.write(trial)
            nodes.inspect(trial)
    except (SettingsError, Unfit, NoVersion, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    if args.check:
        return 0
    try:
        for folder in FOLDERS:
            (config.node.state / folder).mkdir(parents=True, exist_ok=True)
        log = logbook.open_daemon(config.node.state / "logs")
        leave_core(config.lane.core)
        line = server.listen(socket_path(config))
        with line:
            node = Node(config, given, loaded, spec, versions, log)
            return trio.run(_live, node, line, log)
    except (server.Taken, state.Foreign, ValueError, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    finally:
        if "node" in locals():
            socket_path(config).unlink(missing_ok=True)


def socket_path(config: Config) -> Path:
    """Give where the node answers: where systemd has made a folder for it, else in its state folder."""
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    return Path(runtime.split(":", 1)[0]) / "noderrd.sock" if runtime else config.node.state / "noderrd.sock"


def leave_core(core: int) -> None:
    """Keep the daemon, and what it starts, off the lane's core: only the lane goes there, by itself.

    Where one core alone is left, all stays to the scheduler: whoever spins there would keep the journal's writer from its work.
    """
    rest = os.sched_getaffinity(0) - {core}
    if core >= 0 and len(rest) > 1:
        os.sched_setaffinity(0, rest)


async def _live(node: Node, line: Any, log: Any) -> int:
    """Run the node, its socket and its signals until it has stopped."""
    notify = sdnotify.SystemdNotifier()
    service.stay_awake(log)
    async with trio.open_nursery() as nursery:
        code = [0]
        nursery.start_soon(_signals, node, nursery.cancel_scope, code, log)
        watch = Watch(node, log)
        alerting = Alerting(node, watch, log)
        nursery.start_soon(server.serve, line, Verbs(node, watch, alerting).handle, log)
        nursery.start_soon(watch.run)
        nursery.start_soon(alerting.run)
        if node.config.day.end:
            nursery.start_soon(days.run, node, alerting.alarm)
        if node.config.day.drill:
            nursery.start_soon(drills.run, node, alerting.alarm)
        nursery.start_soon(_systemd, node, notify)
        await node.run()
        notify.notify("STOPPING=1")
        await trio.sleep(0.05)  # whoever asked for the stop is still being answered
        nursery.cancel_scope.cancel()
    if node.still_open:
        print(f"{node.still_open} orders stay open", file=sys.stderr)
    return code[0]


async def _signals(node: Node, scope: trio.CancelScope, code: list[int], log: Any) -> None:
    """SIGTERM and SIGINT stop; the second one leaves at once; SIGHUP reads the policy again; SIGUSR1 hands over to the next daemon."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1) as received:
        async for number in received:
            if number == signal.SIGHUP:
                try:
                    await node.reload("SIGHUP")
                except (Unfit, OSError) as why:
                    log.error("policy not reloaded: what ran keeps running", reason=str(why))
            elif number == signal.SIGUSR1:
                log.info("handing over")
                node.hand_over()
            elif node.stopping.is_set():
                log.warning("left at once", open_orders=node.lane.open_orders())
                node.kill()
                code[0] = INTERRUPTED
                scope.cancel()
            else:
                log.info("stopping", signal=signal.Signals(number).name)
                node.stopping.set()


async def _systemd(node: Node, notify: Any) -> None:
    """Tell READY once, STATUS when it changes, and WATCHDOG while this thread turns: lanes are watched by their process, not by it."""
    told = ""
    was_ready = False
    period = float(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
    while True:
        now = node.state
        if now in {"ready", "halted"} and not was_ready:
            notify.notify("READY=1")
            was_ready = True
        if now != told:
            notify.notify(f"STATUS={now}")
            told = now
        notify.notify("WATCHDOG=1")
        await trio.sleep(min(STATUS_S, period) if period else STATUS_S)
