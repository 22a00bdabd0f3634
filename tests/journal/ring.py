"""A lane's shared file without a lane: tests publish into its ring as the kernels do."""

import numpy as np
import structlog

from core import layout as at
from core.codes import JournalKind
from noderrd.journal.writer import Writer
from noderrd.lane.memory import Shared, Sizes
from noderrd.lane.spec import LaneSpec

SIZES = Sizes(1, 1, 1, at.MAX_STRATEGIES, levels=1, table=2)
LOG = structlog.get_logger()


def make(path):
    return Shared(path, SIZES, create=True)


def spec(path, shared):
    """Write what the writer's process reads its sizes from."""
    venue = {"name": "X", **dict.fromkeys(("itch_a", "itch_b", "interface", "rerequest", "ouch", "user", "password"), "")}
    it = {"symbol": "S", "venue": 0, "venue_symbol": "S", "tick": 100, "lot": 1}
    raw = LaneSpec("lane0", str(shared), "", [venue], [it], ["S"], [], [], [], [], levels=1, table=2)
    raw.write(path)
    return path


def publish(shared, n, ref=0):
    """Publish `n` records that tell their place in the ring, as far as there is room; gives how many."""
    control, ring = shared.control[0], shared.journal
    head = int(control["journal_head"])
    n = min(n, at.JOURNAL_SLOTS - (head - int(control["journal_tail"])))
    for k in range(n):
        row = ring[(head + k) & (at.JOURNAL_SLOTS - 1)]
        row["seq"], row["ts_ns"], row["kind"], row["venue"], row["strat"], row["inst"] = (
            head + k + 1,
            10**18 + head + k,
            JournalKind.RECEIVED,
            0,
            -1,
            -1,
        )
        row["size"], row["ref"] = (head + k) % (at.JOURNAL_DATA + 9), ref + head + k + 1
        row["data"] = np.frombuffer((head + k).to_bytes(8, "little") * 11, np.uint8)
    control["journal_head"] = head + n
    return n


def write_all(shared, folder, name="lane0", **options):
    """Drain the ring with a writer that lives for this only."""
    writer = Writer(shared, folder, name, LOG, **options)
    now = 0
    while writer.backlog:
        now += 10**9
        writer.turn(now)
    writer.close()
