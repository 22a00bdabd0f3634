"""The daemon's own look at how far the venues are, again and again: for metrics and `status`. Off unless `[telemetry] probe_s` says how often."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import trio

from noderrd.config import Config
from noderrd.net.probe import Heard, Probe, probe
from noderrd.telemetry.scores import Scores

TRIES = 3


class Probes:
    """`latest` has each venue's last probe; `row` gives a venue's row of the lane's shared memory; `scores` takes what came of each."""

    def __init__(self, config: Config, row: Callable[[int], np.void], scores: Scores, log: Any) -> None:
        self._config, self._row, self._scores, self._log = config, row, scores, log
        self.latest: dict[str, Probe] = {}

    async def run(self) -> None:
        """Probe until cancelled, one venue after the other, in a thread: a venue that does not answer keeps nobody waiting."""
        while True:
            for v, name in enumerate(self._config.venues):
                await self.once(v, name)
            await trio.sleep(self._config.telemetry.probe_s)

    async def once(self, v: int, name: str) -> None:
        """Probe one venue; what fails is logged when it did not fail before."""
        row = self._row(v)
        # The lane hears the feed: nobody else need listen, and before it has heard it there is nothing to ask for.
        heard: Heard = (bytes(row["session"]), int(row["next_seq"])) if row["have_session"] else (bytes(10), 1)
        found = await trio.to_thread.run_sync(partial(probe, name, self._config.venues[name], TRIES, heard=heard), abandon_on_cancel=True)
        before = self.latest.get(name)
        if found.failed and (before is None or before.failed.keys() != found.failed.keys()):
            self._log.warning("probe failed", venue=name, **found.failed)
        self.latest[name] = found
        self._scores.probed(name, found.distance_ns, found.sent, found.lost)

    def times(self) -> dict[tuple[str, str], int]:
        """Give what was measured, by venue and part, in ns."""
        return {
            (name, part): ns
            for name, it in self.latest.items()
            for part, ns in (("tcp", it.tcp_ns), ("tls", it.tls_ns), ("ping", it.ping_ns))
            if ns is not None
        }
