"""What watching costs: tick to trade of a node that is scraped once a second beside the same node that is left alone, block by block in turn.

`off` is the node without a scrape, beside the floor in C as in tick-to-trade; `on` the node with a scrape of /metrics a second, beside `off`: `ratio`
is of p50 as the client sees it. What the daemon does by itself (windows, alerts, slow orders) goes on in both. A block lasts longer than a second, so
each one with scrapes has one at least.

`ratio_p50` and `ratio_p99` are of the lane's own counts, from the datagram's receipt to the send: what watching costs the lane. `client_ratio_p99`
is as the client sees it. On a machine of two cores client and lane spin on both, and the daemon takes the time of a scrape (some 25 ms) from one of
them: that is in p99, whoever is asked. Where there are three or more it keeps off the lane's core.
"""

import http.client
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.codes import Stage
from core.layout import BUCKETS
from noderrd.bench.row import Row
from noderrd.bench.tick_to_trade import Rig
from noderrd.rig import ports
from noderrd.telemetry import hdr

HELP = "tick to trade with a scrape of the metrics a second, beside none: off, on"
NAME = "telemetry"
BLOCK, GAP_NS = 25_000, 60_000  # a block of some 1.7 s of each side
P99 = 99.0


class Scraper:
    """Asks for /metrics once a second while it is on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._end, self._on = threading.Event(), threading.Event()
        self.scrapes = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            if self._on.is_set():
                line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                line.request("GET", "/metrics")
                self.scrapes += line.getresponse().read() != b""
                line.close()
            self._end.wait(1.0 if self._on.is_set() else 0.05)

    def turn(self, *, on: bool) -> None:
        """Begin or stop to ask."""
        self._on.set() if on else self._on.clear()

    def close(self) -> None:
        """End."""
        self._end.set()
        self._thread.join()


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: one block each. Raises compiler.NoCompiler, Failed."""
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder:
        (port,) = ports.free(1)
        rig = Rig(Path(folder), model=False, more=f'\n[telemetry]\nlisten = "127.0.0.1:{port}"\n')
        scraper = Scraper(port)
        taken: dict[bool, list[np.ndarray]] = {False: [], True: []}
        own = {on: np.zeros(BUCKETS, np.int64) for on in (False, True)}
        floors = []
        try:
            rig.start()
            for k in range(2 if quick else 24):
                on = k % 4 in {1, 2}  # off, on, on, off: a machine that becomes slower meets both alike
                scraper.turn(on=on)
                before = rig.shared.histograms[Stage.TICK_TO_TRADE].copy()
                node, floor, _ = rig.client.measure(f"closed 1 {BLOCK} {GAP_NS}", Path(folder) / NAME)
                taken[on].append(node)
                own[on] += rig.shared.histograms[Stage.TICK_TO_TRADE] - before
                if not on:
                    floors.append(floor)
        finally:
            scraper.close()
            rig.close()
    off, on_samples = np.concatenate(taken[False]), np.concatenate(taken[True])
    yield Row(NAME, "off", "ns", off, "C floor", np.concatenate(floors))
    alone, watched = hdr.summary(own[False]), hdr.summary(own[True])
    more = {f"ratio_{name}": round(watched[name] / alone[name], 3) for name in ("p50", "p99")}
    more |= {"client_ratio_p99": round(float(np.percentile(on_samples, P99) / np.percentile(off, P99)), 3), "scrapes": scraper.scrapes}
    yield Row(NAME, "on", "ns", on_samples, "off", off, more)
