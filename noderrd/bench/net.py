"""A round trip over the loopback interface to `noderrd echo`, beside an echo in C that does nothing but its system calls; the same client times both.

Client and echo have a core each; the two echoes take turns, block by block, and the one whose turn it is not has no session and sleeps in accept.
Latency is counted from when a message was due.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from noderrd.bench import compiler
from noderrd.bench.row import Row
from noderrd.host import cpu
from noderrd.net import bench
from noderrd.net.bench import Target
from noderrd.rig import ports

HELP = "round trips on loopback to noderrd echo beside an echo in C: udp and tcp by size"
NAME = "net"
SIZES = (64, 1024)
BLOCK, SKIPPED, GAP_NS = 1_200, 200, 100_000


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: two rounds. Raises compiler.NoCompiler."""
    allowed = sorted(os.sched_getaffinity(0))
    floor_port = ports.free(1)[0]
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder:
        floor = subprocess.Popen(
            [compiler.build("echo", Path(folder)), str(allowed[-1]), str(floor_port)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        command = [sys.executable, "-P", "-m", "noderrd.main", "echo", "--listen", "127.0.0.1:0"]
        ours = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            os.sched_setaffinity(ours.pid, {allowed[-1]})
            assert ours.stdout is not None
            assert floor.stdout is not None
            port = int(json.loads(ours.stdout.readline())["listen"].rpartition(":")[2])
            floor.stdout.readline()
            os.sched_setaffinity(0, {allowed[0]})
            for pid in (os.getpid(), ours.pid, floor.pid):
                cpu.realtime(pid, children=True)  # where it is allowed: the machine's other work is not the question
            yield from _rows(Target("127.0.0.1", port), Target("127.0.0.1", floor_port), 2 if quick else 12)
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(0, set(allowed))
            for process in (floor, ours):
                process.kill()
                process.communicate()


def _rows(ours: Target, floor: Target, rounds: int) -> Iterator[Row]:
    """Let the two take turns for every kind and size."""
    for kind in ("udp", "tcp"):
        for size in SIZES:
            kept: dict[int, list[np.ndarray]] = {0: [], 1: []}
            for _ in range(rounds):
                for k, target in enumerate((floor, ours)):
                    kept[k].append(_block(kind, target, size))
            lost = rounds * (BLOCK - SKIPPED) - sum(map(len, kept[1]))
            yield Row(NAME, f"{kind}-{size}", "ns", np.concatenate(kept[1]), "C floor", np.concatenate(kept[0]), {"lost": lost})


def _block(kind: str, target: Target, size: int) -> np.ndarray:
    """Give the round trips of one block."""
    way = bench.Path(kind, target, size)
    try:
        times, _ = bench.trips(way, size, BLOCK, GAP_NS)
    finally:
        way.close()
    times = times[SKIPPED:]
    came = times[times[:, 4] != 0]
    return came[:, 4] - came[:, 0]
