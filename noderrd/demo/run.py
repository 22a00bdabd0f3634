"""A demo from its first process to its last: start, trade, perhaps kill the lane, compare, stop."""

import dataclasses
import os
import shutil
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from noderrd.demo import loss, plan, policy, report, snapshot
from noderrd.demo.compare import Comparison, Snapshot, compare
from noderrd.rig import ports
from noderrd.rig.node import Node
from noderrd.rig.process import Failed, wait_until
from noderrd.rig.venue import Venue

SETTLE_S = 15.0


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user asked for; see `scripts/demo --help`."""

    seconds: float
    seed: int
    state: Path | None
    cod: bool
    kill_at: float | None
    strategy: str | None
    settings: dict[str, str]
    model: Path | None
    rules: Path | None
    lose: str | None
    metrics_port: int = 0  # 0: no metrics are served


def say(text: str) -> None:
    """Tell the user what goes on; data alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)


class Demo:
    """Three venues and a node in a folder of their own. A context: whatever was started is ended with it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.state = options.state or Path(tempfile.mkdtemp(prefix="noderrd-demo-"))
        self._venues: dict[str, Venue] = {}
        self._node: Node | None = None
        self._where: dict[str, plan.Place] = {}
        self._open_at_kill = 0

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        except KeyboardInterrupt:  # the second one: nobody waits any more
            self._stop_at_once()
            raise

    # Start.

    def write(self) -> str:
        """Write every file, and let the node judge them: "" when it would start, else why not."""
        if self.state.exists() and any(self.state.iterdir()):
            return f"{self.state} is not empty: a demo begins with nothing"
        for folder in ("rules.d", "logs", "venues", "journal"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        group = ports.group()
        if not ports.multicast_works(group):
            say("no multicast on the loopback interface here: the feeds are unicast")
            group = ports.LOOPBACK
        self._where = plan.places(group)
        core, idle = lane_core()
        plan.write_node(self.state, self._where, core, idle, self._options.metrics_port)
        try:
            policy.write(self.state / "rules.d", self._options.strategy, self._options.settings, self._options.model, self._options.rules)
        except policy.Unusable as why:
            return str(why)
        return Node.check(self.state)

    def start(self) -> None:
        """Start the venues, then the node, and wait until it is logged in everywhere. Raises Failed."""
        folder = self.state / "venues"
        for k, exchange in enumerate(plan.EXCHANGES):
            seed, cod = self._options.seed, self._options.cod
            path = plan.write_venue(folder, exchange, self._where[exchange.name], seed + k, cod=cod, path=seed)
            log = self.state / "logs" / f"venue-{exchange.name}.jsonl"
            self._venues[exchange.name] = Venue(exchange.name, path, folder / f"{exchange.name}.sock", log)
        say(f"starting {', '.join(self._venues)}")
        for venue in self._venues.values():
            venue.wait_ready()
        say("starting the node (the first time it compiles, which takes a minute)")
        self._node = Node(self.state)
        self._node.wait_ready()
        self._node.wait_trading(list(self._venues))

    # Trade.

    def trade(self) -> None:
        """Let it run, telling how far it is; kill the lane on the way if that was asked for. Raises Failed."""
        node = self._running()
        began = time.monotonic()
        killed = self._options.kill_at is None
        while (so_far := time.monotonic() - began) < self._options.seconds:
            if not killed and so_far >= (self._options.kill_at or 0.0):
                self._open_at_kill = len(self._of_venues().orders)
                node.kill_lane()
                killed = True
                say(f"{so_far:4.0f} s  lane killed, {self._open_at_kill} orders open at the venues")
            for venue in self._venues.values():
                if not venue.child.alive:
                    raise venue.child.failed("died")
            if not node.child.alive:
                raise node.child.failed("died")
            self._progress(so_far)
            time.sleep(max(0.0, min(1.0 - so_far % 1.0, self._options.seconds - so_far)))

    def _progress(self, so_far: float) -> None:
        try:
            it = self._running().counters()
        except Failed:  # between a killed lane and the next
            return
        say(f"{so_far:4.0f} s  {it['messages']:>9,} messages  {it['orders']:>6,} orders  {it['fills']:>6,} fills  {it['model_runs']:>8,} model runs")

    def _running(self) -> Node:
        assert self._node is not None
        return self._node

    # Compare.

    def compare(self) -> dict[str, Any]:
        """Pause everything, compare, and give the closing object. Raises Failed."""
        node = self._running()
        node.wait_ready()
        node.wait_trading(list(self._venues))
        for venue in self._venues.values():
            venue.ask("flow", on=False)
        node.ask("pause")
        settled = wait_until(self._settled, SETTLE_S)
        if not settled:
            say("the node did not catch up with the venues; compared as it is")
        orders = node.ask("orders")
        positions = node.ask("positions")
        theirs = self._of_venues()
        ours = self._of_node()
        if self._options.lose:
            ours = self._lost(ours)
        return self._closing(compare(ours, theirs), positions, orders)

    def _settled(self) -> bool:
        """Whether the node has applied all that the venues said, and nothing is under way."""
        node = self._running()
        ours = node.next_seq_nums()
        theirs = {name: venue.ask("books")["seq_num"] + 1 for name, venue in self._venues.items()}
        return ours == theirs and snapshot.waits(node.ask("orders")) == 0 and self._of_node() == self._of_node()

    def _of_node(self) -> Snapshot:
        node = self._running()
        return snapshot.of_node(node.ask("books"), node.ask("positions"), node.ask("orders"))

    def _of_venues(self) -> Snapshot:
        user = plan.USER
        return snapshot.of_venues({n: (v.ask("books"), v.ask("positions", user=user), v.ask("orders", user=user)) for n, v in self._venues.items()})

    def _lost(self, ours: Snapshot) -> Snapshot:
        """Give our word without one message. Raises Failed when there is none to lose."""
        try:
            if self._options.lose == "book":
                name, venue = next(iter(self._venues.items()))
                said = venue.ask("books")
                return loss.lose_book(ours, name, self._where[name].rerequest, said["session"], said["seq_num"])
            said_by_venues = loss.received(self.state / "journal", list(self._venues))
            return loss.lose_order(ours, said_by_venues) if self._options.lose == "order" else loss.lose_position(ours, said_by_venues)
        except (loss.NothingToLose, OSError) as why:
            message = f"--break {self._options.lose}: {why}"
            raise Failed(message) from why

    def _closing(self, it: Comparison, positions: dict[str, Any], orders: dict[str, Any]) -> dict[str, Any]:
        for line in (it.books + it.positions + it.orders)[:20]:
            say(line)
        node = self._running()
        counters, latency = node.counters(), node.ask("latency")
        pnl = sum((Decimal(row["realised"]) + Decimal(row["unrealised"]) - Decimal(row["fees"]) for row in positions["positions"]), Decimal(0))
        return {
            "seconds": self._options.seconds,
            "seed": self._options.seed,
            "venues": list(self._venues),
            **{name: counters[name] for name in ("messages", "orders", "fills", "buys", "sells")},
            "rejects": counters["rejected"],
            "denials": counters["denials"],
            "model_runs": counters["model_runs"],
            "pnl_usd": str(pnl.quantize(Decimal("0.01"))),
            "lane_restarts": int(node.lane()["restarts"]),
            "open_at_kill": self._open_at_kill,
            "books_checked": it.books_checked,
            "levels_compared": it.levels_compared,
            "positions_nonzero": it.positions_nonzero,
            "open_orders_compared": it.open_orders_compared,
            "books_equal": not it.books,
            "positions_equal": not it.positions,
            "orders_equal": not it.orders,
            "latency_ns": {stage: {name: latency[stage][name] for name in ("n", *report.WORDS)} for stage in report.STAGES},
            "all_filled": all(row["ord_status"].upper() == "FILLED" for row in orders["orders"] if row["ord_status"].upper() != "DENIED"),
        }

    # Stop.

    def _stop(self) -> None:
        if self._node is not None:
            self._node.stop()
            self._node = None
        for venue in self._venues.values():
            venue.child.stop()
        self._venues = {}

    def _stop_at_once(self) -> None:
        if self._node is not None:
            self._node.stop_at_once()
        for venue in self._venues.values():
            venue.child.kill()

    def forget(self) -> None:
        """Delete the folder, if it is a temporary one."""
        if self._options.state is None:
            shutil.rmtree(self.state, ignore_errors=True)


def lane_core() -> tuple[int, str]:
    """Give the core for the lane and how it idles: the last core of two or more, spinning; a single core is shared."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[-1], "spin") if len(cores) > 1 else (-1, "yield")
