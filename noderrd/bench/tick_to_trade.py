"""From a tick on the wire to an order on the wire: the product beside a floor in C, same sockets, same sizes, same cores.

One client program (client.c) plays the exchange for both and times both, from before its sendto to after the recv that brought the order. The floor
(floor.c) makes the lane's system calls and nothing else. They take turns on one core within a run, block by block, the other one stopped by signal,
so that whatever else the machine does meets both. The client has another core; the daemon shares it, as far as there are only two.

Cases: `plain`, one tick at a time, a strategy and risk but no model; `model`, the same with an ONNX model of 32-64-64-3 in the path; `open-10k` and
`open-100k`, messages at a fixed rate in bursts of 90, latency from the time at which a message was due (no coordinated omission), and `drops`, ticks
whose order never came.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from core.layout import NO_LIMIT
from noderrd.bench import compiler
from noderrd.bench.row import Row
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.rig import ports
from noderrd.rig.node import Node
from noderrd.rig.process import Failed

HELP = "tick to trade of the node beside a floor in C: plain, model, open-10k, open-100k"
NAME = "tick-to-trade"
ROOM = Path(__file__).parent
MODEL = ROOM.parent / "models" / "alpha.onnx"
GAP_NS = 60_000  # from tick to tick when one is sent at a time
BLOCK = 1_100  # ticks a block, the first 100 of which are not kept
BLOCK_S = 0.3  # length of a block at a fixed rate
BURST = 90
RATES = {"open-10k": 10_000, "open-100k": 100_000}

CONFIG = """\
[node]
name = "bench"
state = "{folder}"

[rules]
paths = ["bench.rules"]

[lane]
core = {core}
idle = "spin"

[venue.BENCH]
itch_a = "127.0.0.1:{line_a}"
itch_b = "127.0.0.1:{line_b}"
interface = "127.0.0.1"
rerequest = "127.0.0.1:{rerequest}"
ouch = "127.0.0.1:{ouch}"
user = "BENCH"
password = "bench"
armed = true

[[instrument]]
symbol = "BENCH"
venue = "BENCH"
venue_symbol = "BENCH"
currency = "USD"
px_unit = 10000
tick = "0.01"
lot = 1
multiplier = 1
reference = "100.00"
"""

RULES = """\
risk default {{
  max_position      1_000_000 shares
  max_order_size    1_000_000 shares
  max_order_value   200_000_000 USD
  price_collar      10%
  max_order_rate    1_000_000/s
}}

strategy echo {{
  file     "{strategy}"
  symbols  BENCH
}}
"""

WITH_MODEL = """
model alpha {{
  file     "{model}"
}}
"""


class Client:
    """The C client: a line of text each way."""

    def __init__(self, program: Path, core: int, node_line: int, floor_line: int) -> None:
        self._process = subprocess.Popen(
            [program, str(core), str(node_line), str(floor_line)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        _, ouch, rerequest, floor, self.priority = self._answer().split()
        self.ouch, self.rerequest, self.floor = int(ouch), int(rerequest), int(floor)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            message = f"the client ended with {self._process.wait()}"
            raise Failed(message)
        return said

    def say(self, line: str) -> str:
        """Give an order and wait for the answer. Raises Failed when the client ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def measure(self, how: str, stem: Path) -> tuple[np.ndarray, np.ndarray, int]:
        """Run rounds; gives the latencies of node and floor in ns, and how many of the node's ticks were never answered."""
        words = self.say(f"{how} {stem}").split()
        node, floor = (np.fromfile(stem.with_suffix(f".{side}"), np.int64) for side in ("node", "floor"))
        return node, floor, int(words[words.index("lost_node") + 1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # it ended by itself, and has said why
                pipe.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def cores() -> tuple[int, int]:
    """Give a core for the client and one for lane and floor: the last two that this process may use. Raises Failed when there is one only."""
    allowed = sorted(os.sched_getaffinity(0))
    least = 2
    if len(allowed) < least:
        message = "tick-to-trade needs two cores: one for the client, one for the lane"
        raise Failed(message)
    return allowed[0], allowed[-1]


class Rig:
    """Client, floor and node, connected and warm; `more` is added to noderrd.toml."""

    def __init__(self, folder: Path, *, model: bool, more: str = "") -> None:
        self._folder = folder
        client_core, lane_core = cores()
        line_a, line_b, floor_a, floor_b = ports.free(4)
        self.client = Client(compiler.build("client", folder), client_core, line_a, floor_a)
        self._floor = subprocess.Popen([compiler.build("floor", folder), *map(str, (lane_core, floor_a, floor_b, self.client.floor))])
        state = folder / "state"
        state.mkdir()
        config = CONFIG.format(folder=state, core=lane_core, line_a=line_a, line_b=line_b, rerequest=self.client.rerequest, ouch=self.client.ouch)
        (state / "noderrd.toml").write_text(config + more)
        rules = RULES + (WITH_MODEL if model else "")
        (state / "bench.rules").write_text(rules.format(strategy=ROOM / "echo.py", model=MODEL))
        self.node = Node(state)

    def start(self) -> None:
        """Wait for the node, tell the client whom to stop, and warm both sides. Raises Failed."""
        self.node.wait_ready()
        self.node.wait_trading(["BENCH"])
        self._let_it_be_stopped()
        self.client.say(f"pids {self.node.lane_pid()} {self._floor.pid}")
        self.client.say("warm 4000")

    def _let_it_be_stopped(self) -> None:
        """Tell the guard that a lane without a heartbeat is no dead one: it is stopped while the floor has the core."""
        spec = LaneSpec.read(self._folder / "state" / "run" / "lane0.json")
        shared = Shared(Path(spec.shared), spec.sizes())
        shared.control[0]["leave_until_ns"] = NO_LIMIT
        self.shared = shared

    def case(self, name: str, how: str) -> Row:
        """Run one case."""
        before = self.node.counters()
        node, floor, lost = self.client.measure(how, self._folder / name)
        if not len(node) or not len(floor):
            message = f"{name}: the {'floor' if len(node) else 'node'} sent no orders\n{self.node.tail()}"
            raise Failed(message)
        after = self.node.counters()
        counts = {key: after[key] - before[key] for key in ("orders", "journal_records", "risk_checks")}
        return Row(NAME, name, "ns", node, "C floor", floor, {**counts, "drops": lost})

    def close(self) -> None:
        """End everything that was started."""
        try:
            self.node.stop()
        finally:
            self._floor.kill()
            self._floor.wait()
            self.client.__exit__()


def cases(*, model: bool, quick: bool) -> dict[str, str]:
    """Give the cases of a rig, as what the client is to do."""
    rounds = 3 if quick else 40
    if model:
        return {"model": f"closed {rounds} {BLOCK} {GAP_NS}"}
    opened = {name: f"open {rounds} {round(BLOCK_S * rate / BURST)} {rate}" for name, rate in RATES.items()}
    return {"plain": f"closed {rounds} {BLOCK} {GAP_NS}", **opened}


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: three rounds. Raises compiler.NoCompiler, Failed."""
    for model in (False, True):
        with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder:
            rig = Rig(Path(folder), model=model)
            try:
                rig.start()
                print(f"{NAME}: client priority {rig.client.priority}", file=sys.stderr)
                for name, how in cases(model=model, quick=quick).items():
                    yield rig.case(name, how)
            finally:
                rig.close()
