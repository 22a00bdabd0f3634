"""What a core of its own is worth: tick to trade of one node under a stressing neighbour, free and pinned by turns.

The neighbour is a busy process for each core. `free`: lane and neighbour run wherever the scheduler puts them. `pinned`: the lane is bound to its
core and the neighbour kept off it, which is what isolcpus= or a cpuset partition do to everybody else (here by affinity, which needs no right).
Same lane, same sockets, same run; only affinities change between turns. Beside the latencies stand the lane's involuntary switches a second
(/proc/PID/status) and its migrations (/proc/PID/sched), counted over its turns.
"""

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from noderrd.bench.row import Row
from noderrd.bench.tick_to_trade import BLOCK, GAP_NS, Rig, cores

HELP = "tick to trade and switches under a stressing neighbour: free, pinned"
NAME = "isolation"
CASES = ("free", "pinned")
BURN = "while True: pass"


@dataclasses.dataclass
class Turns:
    """What one of the two has gathered."""

    latencies: list[np.ndarray] = dataclasses.field(default_factory=list)
    switches: int = 0
    migrations: int = 0
    seconds: float = 0.0

    def row(self, name: str) -> Row:
        """Give it as a row."""
        per_s = round(self.switches / max(self.seconds, 1e-9))
        more: dict[str, float] = {"involuntary_switches_per_s": per_s, "involuntary_switches": self.switches, "migrations": self.migrations}
        return Row(NAME, name, "ns", np.concatenate(self.latencies), more=more)


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: two turns each. Raises compiler.NoCompiler, process.Failed."""
    everywhere, (_, core) = sorted(os.sched_getaffinity(0)), cores()
    turns = {name: Turns() for name in CASES}
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder:
        rig = Rig(Path(folder), model=False)
        neighbours: list[subprocess.Popen[bytes]] = []
        try:
            rig.start()
            neighbours += [subprocess.Popen([sys.executable, "-c", BURN]) for _ in everywhere]
            for _ in range(2 if quick else 10):
                for name, gathered in turns.items():
                    bound = name == "pinned"
                    place(rig.node.lane_pid(), {core} if bound else set(everywhere))
                    for one in neighbours:
                        place(one.pid, set(everywhere) - {core} if bound else set(everywhere))
                    turn(rig, gathered, Path(folder) / name)
        finally:
            for one in neighbours:
                one.kill()
                one.wait()
            rig.close()
    for name, gathered in turns.items():
        yield gathered.row(name)


def place(pid: int, cpus: set[int]) -> None:
    """Set the affinity of every thread of a process."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)


def turn(rig: Rig, gathered: Turns, stem: Path) -> None:
    """Measure some blocks and what happened to the lane meanwhile."""
    pid = rig.node.lane_pid()
    before, began = happened(pid), time.monotonic()
    node, _, _ = rig.client.measure(f"closed 3 {BLOCK} {GAP_NS}", stem)
    after = happened(pid)
    gathered.latencies.append(node)
    gathered.seconds += time.monotonic() - began
    gathered.switches += after[0] - before[0]
    gathered.migrations += after[1] - before[1]


def happened(pid: int, proc: Path = Path("/proc")) -> tuple[int, int]:
    """Give a process's involuntary switches and migrations so far; 0 migrations where the kernel does not count them."""
    status = (proc / str(pid) / "status").read_text()
    switches = int(re.findall(r"^nonvoluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[0])
    try:
        moved = re.findall(r"nr_migrations\s*:\s*(\d+)", (proc / str(pid) / "sched").read_text())
    except OSError:
        moved = []
    return switches, int(moved[0]) if moved else 0
