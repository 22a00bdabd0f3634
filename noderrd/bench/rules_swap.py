"""New policy for a node that trades: how long the lane's loop stands still for it, and what is lost meanwhile.

One exchange floods the node with its flow, a strategy quotes into it. Rounds with a change alternate with rounds without, a fifth of a second each;
in every round the widest gap is what the loop itself noted as its longest turn. Changes go the way of every operator: `rules apply` over the socket.

`swap`: limits and parameters change; the sample is the longest step that the loop took for it, by the lane's clock; `gap_with_p50` and
`gap_without_p50` (p99 too) are the widest gaps of the loop in rounds with and without, which hold whatever else the machine did to it. `lost`: feed
messages that were missing, notices and journal records lost, a round each.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from noderrd.bench.row import Row
from noderrd.ctl import client
from noderrd.demo import plan
from noderrd.demo.run import lane_core
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.rig import ports
from noderrd.rig.node import Node
from noderrd.rig.venue import Venue

HELP = "new limits and parameters under load: pause of the lane, events lost"
NAME = "rules-swap"
ROUND_S = 0.2
PACKAGE = Path(__file__).parents[1]
LOST = ("gap_messages", "notices_lost", "journal_lost", "book_full")
EXCHANGE = plan.Exchange("NSDQ", maker_mils=-20, taker_mils=30, ack_us=50, jitter_us=20, rate=10_000, flow="zero")

RULES = """\
risk default {{
  max_position     {limit} shares
  max_order_size   1_000 shares
  max_order_value  1_000_000 USD
  price_collar     10%
  max_order_rate   1_000/s
{limits}}}

strategy quotes {{
  file     "{strategy}"
  symbols  {symbols}
  set      max_inventory = {inventory} shares
}}

model alpha {{
  file  "{model}"
}}
"""


class Rig:
    """An exchange and a node under its flow; `limits` are lines of the policy's, besides the usual ones."""

    def __init__(self, folder: Path, limits: str = "") -> None:
        self._folder, self._limits = folder, limits
        for name in ("rules.d", "logs", "venues", "journal"):
            (folder / name).mkdir(parents=True)
        group = ports.group()
        where = plan.places(group if ports.multicast_works(group) else ports.LOOPBACK)
        place = {EXCHANGE.name: where[EXCHANGE.name]}
        config = plan.write_venue(folder / "venues", EXCHANGE, place[EXCHANGE.name], 7, cod=True)
        core, idle = lane_core()
        plan.write_node(folder, place, core, idle)
        self._cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores - {core} or self._cores)  # exchange, daemon and writer keep off the lane's core
        self.policy(1)
        self._venue = Venue(EXCHANGE.name, config, folder / "venues" / f"{EXCHANGE.name}.sock", folder / "logs" / "venue.jsonl")
        self._venue.wait_ready()
        self.node = Node(folder)
        self.node.wait_ready()
        self.node.wait_trading([EXCHANGE.name])
        spec = LaneSpec.read(folder / "run" / "lane0.json")
        self.shared = Shared(Path(spec.shared), spec.sizes())

    def policy(self, k: int, strategy: Path = PACKAGE / "strategies" / "quotes.py", model: Path = PACKAGE / "models" / "alpha.onnx") -> None:
        """Write policy number `k`: its limits and parameters are different from the others'."""
        text = RULES.format(
            limits=self._limits, limit=10_000 + k, inventory=500 + k % 100, strategy=strategy, model=model, symbols=", ".join(plan.SYMBOLS)
        )
        (self._folder / "rules.d" / "bench.rules").write_text(text)

    def apply(self) -> None:
        """Have the node take what is written. Raises client.No, client.Away, ValueError with the node's reasons."""
        answer = client.put(self._folder / "noderrd.sock", "rules", verb="apply")
        if not answer["applied"]:
            raise ValueError(answer["told"])

    def round(self, change: Callable[[], None] | None) -> tuple[int, int, int]:
        """Let it run for a round, with a change or without: the loop's widest gap, the longest step of a taking (ns), events lost."""
        row, before = self.shared.staged[0], self._lost()
        row["widest_ns"] = row["pause_ns"] = 0
        end = time.monotonic() + ROUND_S
        if change is not None:
            change()
        time.sleep(max(0.0, end - time.monotonic()))
        return int(row["widest_ns"]), int(row["pause_ns"]), self._lost() - before

    def _lost(self) -> int:
        counters = client.put(self._folder / "noderrd.sock", "counters")["counters"]
        return sum(counters[name] for name in LOST)

    def close(self) -> None:
        """End everything that was started."""
        self.node.stop()
        self._venue.child.stop()
        os.sched_setaffinity(0, self._cores)


def rounds(rig: Rig, change: Callable[[int], None], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Alternate rounds with and without: int64[n, 3] each (gap, pause, lost)."""
    found: tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]] = ([], [])
    for k in range(n):
        found[0].append(rig.round(lambda k=k: change(k)))  # type: ignore[misc]
        found[1].append(rig.round(None))
    return np.array(found[0]), np.array(found[1])


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a few rounds."""
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as made:
        rig = Rig(Path(made) / "state")
        try:
            yield from _tables(rig, 5 if quick else 200)
        finally:
            rig.close()


def _tables(rig: Rig, n: int) -> Iterator[Row]:
    def change(k: int) -> None:
        rig.policy(k + 2)
        rig.apply()

    before = rig.node.counters()
    change(-1)  # the first one warms the way
    withs, without = rounds(rig, change, n)
    after = rig.node.counters()
    more: dict[str, float] = {
        f"gap_{name}_p{q}": float(np.percentile(rows[:, 0], q)) for name, rows in (("with", withs), ("without", without)) for q in (50, 99)
    }
    counts = {key: float(after[key] - before[key]) for key in ("orders", "journal_records", "risk_checks", "messages")}
    yield Row(NAME, "swap", "ns", withs[:, 1], more={**more, **counts})
    yield Row(NAME, "lost", "events", withs[:, 2])
