"""`noderrd doctor`: what this machine lacks for a node, and what each lack costs. Changes nothing: `noderrctl host apply` mends what it can."""

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from noderrd import config as configuration
from noderrd.host import sockets
from noderrd.host.address import ROOT
from noderrd.host.audits import Finding, findings
from noderrd.host.settings import HostSettings
from noderrd.host.wanted import Machine
from noderrd.rig import ports
from noderrd.settings import SettingsError
from noderrd.telemetry import clock

HELP = "what this machine lacks for a node, and what that costs"
SHM = Path("/dev/shm")  # noqa: S108 - the kernel's own
SHM_LEAST = 256 << 20  # a lane of the usual size has some 90 MiB
DISK_LEAST = 2 << 30
RECEIVE_LEAST = 4 << 20  # a burst of 90 messages on each of some ten lines
CLOCK_BOUND_NS = 1_000_000
CORES_LEAST = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="noderrd.toml: look at its lane's core and interfaces too")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def main(args: argparse.Namespace) -> int:
    """0 when nothing is missing, 2 when something is, 1 when the configuration cannot be read."""
    try:
        config = configuration.read(args.config) if args.config else None
    except SettingsError as why:
        print(why, file=sys.stderr)
        return 1
    lanes = frozenset({config.lane.core} - {-1}) if config else frozenset()
    folder = config.node.state if config else Path(tempfile.gettempdir())
    options = config.sockets.orders if config else sockets.OrderOptions()
    found = [*look(folder, options), *findings(Machine(config.host if config else HostSettings(), lanes, ROOT))]
    if args.json:
        rows = [{"name": it.id, "state": it.state, "found": it.detail, "cost": it.cost if it.state == "warn" else ""} for it in found]
        print(json.dumps({"ok": not any(it.state == "warn" for it in found), "checks": rows}))
    else:
        print("\n".join(lines(found)))
    return 2 if any(it.state == "warn" for it in found) else 0


def lines(found: list[Finding]) -> list[str]:
    """Lay the findings out for a person: what is missing comes with its cost."""
    width = max(len(it.id) for it in found)
    told = []
    for it in found:
        told.append(f"{it.state:<7} {it.id:<{width}}  {it.detail}")
        if it.state == "warn":
            told.append(f"{'':<7} {'':<{width}}  costs: {it.cost}")
    return told


def look(folder: Path, options: sockets.OrderOptions) -> list[Finding]:
    """Look at what every node needs, wherever it runs; `folder` is where its state is, or will be, `options` what its order sessions ask for."""
    return [
        _cores(),
        _multicast(),
        _buffers(),
        _options(options),
        _room("shm", SHM, SHM_LEAST, "a lane's state does not fit: the node does not start"),
        _disk(folder),
        _time(),
    ]


def _judge(name: str, good: bool, detail: str, cost: str) -> Finding:
    return Finding(name, "ok" if good else "warn", detail, cost)


def _cores() -> Finding:
    n = len(os.sched_getaffinity(0))
    return _judge(
        "cores", n >= CORES_LEAST, f"{n} to run on", 'the lane cannot spin on a core of its own: configure idle = "yield", some 50 us a tick'
    )


def _multicast() -> Finding:
    works = ports.multicast_works(ports.group())
    return _judge(
        "multicast", works, "on the loopback interface", "feeds of simulated venues have to be unicast: configure them so; scripts/demo does"
    )


def _buffers() -> Finding:
    """Ask for a large receive buffer as a lane does, and see what the kernel gives (it doubles what it grants: socket(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_LEAST)
        given = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    cost = "bursts are lost while the lane is away, and asked for again; net.core.rmem_max limits it"
    return _judge("buffers", given >= RECEIVE_LEAST, f"{given >> 10} KiB of {RECEIVE_LEAST >> 10} KiB asked for", cost)


def _options(options: sockets.OrderOptions) -> Finding:
    """Set up an order session's socket as a lane does, and see what the kernel took."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        got = sockets.order(probe, options)
    detail = ", ".join(
        [
            *(f"{name} {value}" for name, value in got.now.items() if name not in got.refused),
            *(f"no {name}: {why}" for name, why in got.refused.items()),
        ]
    )
    return _judge("sockets", not got.refused, detail, "orders are sent without these options; busy polling needs CAP_NET_ADMIN")


def _room(name: str, place: Path, least: int, cost: str) -> Finding:
    try:
        free = shutil.disk_usage(place).free
    except OSError as why:
        return Finding(name, "warn", f"{place}: {why.strerror}", cost)
    return _judge(name, free >= least and os.access(place, os.W_OK), f"{free >> 20} MiB free in {place}", cost)


def _disk(folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return _room("disk", there, DISK_LEAST, "the journal fills the disk in hours; then no new orders are sent")


def _time() -> Finding:
    it = clock.read()
    faults = it.faults(CLOCK_BOUND_NS)
    detail = f"{it.source}: within {it.error_ns / 1e6:.3f} ms" if it.synchronised else f"{it.source}: not synchronised"
    return _judge("clock", not faults, detail, "times in the journal cannot be compared with a venue's, nor between hosts")
