"""What a node tells machines: metrics, health, and latency of the last so many seconds. Read from shared memory; the lane never notices."""

import os
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import trio
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from core.codes import Stage, Writer
from core.layout import BUCKETS
from noderrd.control import answers
from noderrd.control.node import Node
from noderrd.control.probes import Probes
from noderrd.control.slow import Slow
from noderrd.telemetry import clock, hdr, http
from noderrd.telemetry.metrics import LaneCollector, LaneView
from noderrd.telemetry.orders import OrderCollector
from noderrd.telemetry.own import Figure, OwnCollector
from noderrd.telemetry.pathlog import PathLog
from noderrd.telemetry.scores import Scores
from noderrd.telemetry.windows import Windows

STEP_S = 1.0
ORDERS_S = 0.1
PATHS_S = 300.0
CLOCK_S = 10.0
CLOCK_TOLD_NS = 60_000_000_000
MICROSECOND = 1_000


class Watch:
    """Serves the addresses of [telemetry] and keeps the windows."""

    def __init__(self, node: Node, log: Any) -> None:
        self._node, self._log = node, log
        self._windows = Windows()
        self.clock = clock.Clock("none", synchronised=False, offset_ns=0, error_ns=0)
        self._clock_told_ns, self._clock_faults = 0, list[str]()
        self._halts = np.zeros(BUCKETS, np.int64)
        self.own = OwnCollector()
        self.own.sources.append(self._figures)
        self.began_ns = time.time_ns()
        self._paths = PathLog(node.folder, self.began_ns)
        classes = {it.symbol: it.kind for it in node.config.instruments}
        self.orders = OrderCollector(lambda symbol: classes.get(symbol, "all"))
        self.scores = Scores()
        self.probes = Probes(node.config, lambda v: node.lane.shared.venues[v].copy(), self.scores, log)
        bound_ns = node.config.telemetry.slow_us * MICROSECOND
        self.slow = Slow(lambda: self.views()[0], lambda: node.lane.pid, self.counts, bound_ns)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._step)
            nursery.start_soon(self._read_orders)
            nursery.start_soon(self._keep_paths)
            nursery.start_soon(self.slow.run)
            if self._node.config.telemetry.probe_s:
                nursery.start_soon(self.probes.run)
            nursery.start_soon(self._look_at_clock)
            if listen := self._node.config.telemetry.listen:
                nursery.start_soon(self._serve, listen)

    async def _serve(self, listen: str) -> None:
        """Serve; a node trades also where its metrics have no address."""
        async with trio.open_nursery() as nursery:
            try:
                where = await nursery.start(http.run, http.Application(self._registry(), self.unready), listen)
            except OSError as why:
                self._log.error("no metrics", address=listen, reason=why.strerror)
                return
            self._log.info("metrics", address=where)

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(LaneCollector(version("noderrd"), self.views, time.time_ns))
        registry.register(self.orders)
        registry.register(self.own)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        return registry

    def views(self) -> list[LaneView]:
        """Give the lanes as telemetry reads them."""
        lane, worker = self._node.lane, self._node.worker
        return [LaneView(worker.name, lane.spec, lane.shared, worker.restarts, lane.ready, self.probes.times(), self.scores.now)]

    async def _step(self) -> None:
        while True:
            self._windows.take(time.time_ns(), answers.counts([self._node.lane]))
            lane, policy = self._node.lane, self._node.loaded.policy
            self.scores.look(lane.spec, lane.shared, {it.name: it.weights for it in policy.venues} if policy else {}, time.time_ns())
            await trio.sleep(STEP_S)

    async def _read_orders(self) -> None:
        while True:
            for view in self.views():
                self.orders.take(view, time.time_ns())
            for ns in self._node.lane.seen():
                self._log.info("halt seen", ns=ns)
                hdr.add(self._halts, ns)
            await trio.sleep(ORDERS_S)

    async def _keep_paths(self) -> None:
        """Put on disk where the orders' time went, now and then and at the end: the day report shows it."""
        try:
            while True:
                await trio.sleep(PATHS_S)
                self._write_paths()
        finally:
            self._write_paths()

    def _write_paths(self) -> None:
        try:
            self._paths.write(self.orders.paths.counts, time.time_ns())
        except OSError as why:
            self._log.error("latencies not kept", reason=str(why))

    async def _look_at_clock(self) -> None:
        """Ask how good the wall clock is, and have the lane journal it: when that has changed, and once a minute."""
        bound_us = self._node.config.telemetry.clock_error_us
        while True:
            it = await trio.to_thread.run_sync(_clock)
            faults = it.faults(bound_us * MICROSECOND) if bound_us else []
            now_ns, control = time.time_ns(), self._node.lane.shared.control[0]
            control["clock_offset_ns"], control["clock_error_ns"] = it.offset_ns, it.error_ns
            if (
                it.synchronised != self.clock.synchronised
                or bool(faults) != bool(self._clock_faults)
                or now_ns >= self._clock_told_ns + CLOCK_TOLD_NS
            ):
                self._clock_told_ns = now_ns
                control["clock_seq"] = (int(control["clock_seq"]) // 2 + 1) * 2 + it.synchronised
            if faults and not self._clock_faults:
                self._log.warning("clock out of bounds", offset_ns=it.offset_ns, error_ns=it.error_ns, source=it.source, reason="; ".join(faults))
            self.clock, self._clock_faults = it, faults
            await trio.sleep(CLOCK_S)

    def one_way(self, venue: str) -> int | None:
        """Give the median time from a venue's stamp of its last messages to their receipt, in ns, where the clock allows to tell."""
        spec, insts = self._node.lane.spec, self._node.lane.shared.insts
        heard = [insts[k].copy() for k, it in enumerate(spec.instruments) if spec.venues[it.venue].name == venue]
        heard = [row for row in heard if row["ts_ns"] and row["rx_ns"]]
        return clock.one_way([int(row["rx_ns"]) for row in heard], [int(row["ts_ns"]) for row in heard], self.clock)

    def _figures(self) -> Iterator[Figure]:
        """Give what there is to say of the clock, and of how soon halts were met."""
        it = self.clock
        if it.source != "none":
            yield "noderrd_clock_offset_seconds", (it.source,), it.offset_ns / 1e9
            yield "noderrd_clock_error_seconds", (it.source,), it.error_ns / 1e9
            yield "noderrd_clock_synchronised", (it.source,), float(it.synchronised)
        for venue in self._node.lane.spec.venues:
            if (ns := self.one_way(venue.name)) is not None:
                yield "noderrd_feed_one_way_seconds", (venue.name,), ns / 1e9
        yield "noderrd_halt_seen_seconds", (), self._halts

    def counts(self, window_ns: int) -> np.ndarray:
        """Give the latency counts of the last `window_ns`: int64[STAGES, BUCKETS]."""
        now_ns = time.time_ns()
        self._windows.take(now_ns, answers.counts([self._node.lane]))
        return self._windows.over(window_ns, now_ns)

    def execution(self, venue: str) -> dict[str, float | None]:
        """Give how a venue has executed today: share of what was ordered that was filled, slippage, median time to its answer; None for unknown."""
        filled, slipped = self.orders.figures.of_venue(venue)
        acks = sum((counts[Stage.ACK] for key, counts in self.orders.paths.counts.items() if key[0] == venue), np.zeros(BUCKETS, np.int64))
        told = hdr.summary(acks)
        known = [value if value == value else None for value in (filled, slipped)]  # noqa: PLR0124 - NaN
        return {"fill_ratio": known[0], "slippage_bps": known[1], "ack_ns": told["p50"] if told["n"] else None}

    def unready(self) -> list[str]:
        """Say what keeps the node from trading; [] when nothing does."""
        node, control = self._node, self._node.lane.shared.control[0]
        missing = [] if node.state in {"ready", "halted"} else [f"node: {node.state}"]
        missing += [f"{row['scope']} halted: {row['reason']}" for row in answers.halts([node.lane])]
        for venue in answers.venues([node.lane]):
            if venue["feed"]["state"]:
                missing.append(f"feed {venue['name']}: {', '.join(venue['feed']['state'])}")
            if not venue["orders"]["logged_in"]:
                missing.append(f"orders {venue['name']}: {venue['orders']['state']}")
        for k, it in enumerate(node.lane.spec.instruments):
            if state := answers.states(int(node.lane.shared.insts[k]["state"])):
                missing.append(f"book {node.lane.spec.venues[it.venue].name} {it.symbol}: {', '.join(state)}")
        if control["writer_state"] == Writer.BLOCKED:
            missing.append(f"journal: {os.strerror(int(control['writer_errno']))}")
        elif not node.writer.pid:
            missing.append("journal: no writer runs")
        return missing + self._clock_faults


def _clock() -> clock.Clock:
    """Ask for the clock; where nobody may say, it is taken as not kept."""
    try:
        return clock.read()
    except OSError:
        return clock.Clock("none", synchronised=False, offset_ns=0, error_ns=0)
