"""What the journal costs the lane, how fast the writer is, and how old a record is when it is on the disk.

`lane`: one record of an order message (49 bytes) put into the ring, amortised over a batch; the ring is larger than the second-level cache, as it is
in service. `write`: the writer's own turns on a full ring, chain and checksums and flushes included, on the disk that holds the temporary folder.
`disk`: a writer process as the daemon starts it, one record at a time at random moments, from its publication until the lane has its slot back.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core import layout as at
from core.codes import Writer as State
from noderrd import logs
from noderrd.bench.row import Row
from noderrd.lane import cache
from noderrd.lane.memory import Shared, Sizes

HELP = "cost of a record to the lane, records a second, ring to disk"
NAME = "journal"
BATCH = 1000
ROUNDS, QUICK_ROUNDS = 4000, 400
DELAYS, QUICK_DELAYS = 400, 40
MESSAGE = 49  # bytes of an Enter Order with its appendage
START_S = 30.0


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a tenth of the rounds."""
    cache.prepare()
    yield lane(QUICK_ROUNDS if quick else ROUNDS)
    with (
        tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder,
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="noderrd-bench-") as memory,
    ):
        yield write(Path(folder), Path(memory), 3 if quick else 10)
        yield disk(Path(folder), Path(memory), QUICK_DELAYS if quick else DELAYS)


def lane(rounds: int) -> Row:
    """Time the kernel."""
    from core.codes import JournalKind
    from core.jit import entry
    from noderrd.lane import record

    @entry
    def put(lane: np.ndarray, data: np.ndarray, n: int) -> None:
        for k in range(n):
            record.journal(lane, JournalKind.SENT, 0, 0, 0, k, k, data, 0, MESSAGE)

    state, data = np.zeros(1, at.LANE), np.arange(MESSAGE, dtype=np.uint8)
    control, samples = state[0]["control"], []
    for k in range(rounds + rounds // 10):
        control[0]["journal_tail"] = control[0]["journal_head"]
        began = time.perf_counter_ns()
        put(state, data, BATCH)
        if k >= rounds // 10:
            samples.append((time.perf_counter_ns() - began) / BATCH)
    return Row(NAME, "lane", "ns", np.array(samples), more={"batch": BATCH, "records": rounds * BATCH})


def make(path: Path) -> Shared:
    """Give a lane's shared file with no lane."""
    return Shared(path, Sizes(0, 0, 0, at.MAX_STRATEGIES, 1, 2), create=True)


def fill(shared: Shared, n: int) -> None:
    """Publish n records."""
    head = int(shared.control[0]["journal_head"])
    slots = np.arange(head, head + n)
    rows = shared.journal
    rows["seq"][slots & (at.JOURNAL_SLOTS - 1)] = slots + 1
    rows["size"][slots & (at.JOURNAL_SLOTS - 1)] = MESSAGE
    shared.control[0]["journal_head"] = head + n


def write(folder: Path, memory: Path, rounds: int) -> Row:
    """Time the writer on a ring that is full."""
    from noderrd.journal.writer import Writer

    shared = make(memory / "write")
    writer = Writer(shared, folder / "write", "lane0", logs.get("bench"))
    samples, n = [], 0
    for _ in range(rounds):
        fill(shared, at.JOURNAL_SLOTS)
        while writer.backlog:
            began = time.perf_counter_ns()
            taken = writer.turn(time.time_ns())
            if taken:
                samples.append((time.perf_counter_ns() - began) / taken)
            n += taken
    writer.close()
    return Row(NAME, "write", "ns", np.array(samples), more={"records": n, "records_per_s": int(1e9 / np.mean(samples))})


def disk(folder: Path, memory: Path, delays: int) -> Row:
    """Time single records until they are on the disk."""
    from noderrd.lane.spec import LaneSpec

    shared = make(memory / "disk")
    spec = memory / "SPEC.json"
    LaneSpec("lane0", str(memory / "disk"), "", [], [], [], [], [], [], [], levels=1, table=2).write(spec)
    command = [sys.executable, "-P", "-m", "noderrd.journal", "--shared", memory / "disk", "--spec", spec, "--dir", folder / "disk"]
    control, samples = shared.control[0], []
    chance = np.random.default_rng(7)
    with subprocess.Popen([*map(str, command)], start_new_session=True, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + START_S
        while control["writer_state"] != State.WRITING and time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        for _ in range(delays):
            time.sleep(chance.uniform(0.001, 0.02))
            began = time.perf_counter_ns()
            fill(shared, 1)
            while control["journal_tail"] != control["journal_head"] and process.poll() is None:
                time.sleep(0.0002)
            samples.append(time.perf_counter_ns() - began)
        process.terminate()
    return Row(NAME, "disk", "ns", np.array(samples), more={"flush_ns": int(control["writer_sync_ns"])})
