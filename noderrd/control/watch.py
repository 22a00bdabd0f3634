"""What a node tells machines: metrics, health, and latency of the last so many seconds. Read from shared memory; the lane never notices."""

import os
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import trio
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from core.codes import Writer
from noderrd.control import answers
from noderrd.control.node import Node
from noderrd.control.probes import Probes
from noderrd.control.slow import Slow
from noderrd.telemetry import clock, http
from noderrd.telemetry.metrics import LaneCollector, LaneView
from noderrd.telemetry.orders import OrderCollector
from noderrd.telemetry.scores import Scores
from noderrd.telemetry.windows import Windows

STEP_S = 1.0
ORDERS_S = 0.1
CLOCK_S = 10.0
MICROSECOND = 1_000


class Watch:
    """Serves the addresses of [telemetry] and keeps the windows."""

    def __init__(self, node: Node, log: Any) -> None:
        self._node, self._log = node, log
        self._windows = Windows()
        self._clock: list[str] = []
        self.began_ns = time.time_ns()
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
            nursery.start_soon(self.slow.run)
            if self._node.config.telemetry.probe_s:
                nursery.start_soon(self.probes.run)
            if self._node.config.telemetry.clock_error_us:
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
            await trio.sleep(ORDERS_S)

    async def _look_at_clock(self) -> None:
        while True:
            it = await trio.to_thread.run_sync(clock.read)
            self._clock = it.faults(self._node.config.telemetry.clock_error_us * MICROSECOND)
            await trio.sleep(CLOCK_S)

    def counts(self, window_ns: int) -> np.ndarray:
        """Give the latency counts of the last `window_ns`: int64[STAGES, BUCKETS]."""
        now_ns = time.time_ns()
        self._windows.take(now_ns, answers.counts([self._node.lane]))
        return self._windows.over(window_ns, now_ns)

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
        return missing + self._clock
