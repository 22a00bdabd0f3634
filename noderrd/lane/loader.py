"""Loads another strategy or model beside the loop, so that a change costs the loop no more than writing addresses.

Linking a strategy out of the cache and making a session for a model take 5 to 20 ms each. A thread of the lane's own process does it, because
addresses hold in one process only. It sleeps in the kernel but for that time, keeps off the lane's core, and leaves the interpreter to the loop
within SWITCH_S should that return meanwhile.
"""

import dataclasses
import os
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from noderrd.lane.memory import Shared
from noderrd.lane.ort import ModelError
from noderrd.lane.prepare import Loaded, Ready
from noderrd.lane.spec import LaneSpec
from noderrd.strategies.source import StrategyError

SWITCH_S = 0.0005
BACK_S = 0.02  # the loop has gone on by then: whoever asked is not held up by what he asked for
FAULTS = (ModelError, StrategyError, OSError, ValueError)


@dataclasses.dataclass(frozen=True)
class Found:
    """A spec's file as it was read, and what it names."""

    raw: bytes
    ready: Ready


class Loader:
    """The thread. `cores`: where it may run."""

    def __init__(self, shared: Shared, loaded: Loaded, cores: set[int], log: Any) -> None:
        self._shared, self._loaded, self._cores, self._log = shared, loaded, cores, log
        self._asked: SimpleQueue[Path] = SimpleQueue()
        self._found: Found | None = None
        sys.setswitchinterval(SWITCH_S)
        threading.Thread(target=self._run, name="loader", daemon=True).start()

    def ask(self, path: Path) -> None:
        """Have the spec at `path` loaded; STAGED says when it is."""
        self._shared.staged[0]["loaded"] = 0
        self._asked.put(path)

    def take(self, path: Path) -> Ready:
        """Give what the spec at `path` names: at once when it was asked for before, else as fast as it can be loaded. Raises one of FAULTS."""
        raw, found = path.read_bytes(), self._found
        if found is not None and found.raw == raw:
            return found.ready
        return self._loaded.ready(LaneSpec.read(path))

    def _run(self) -> None:
        if self._cores:
            try:
                os.sched_setaffinity(0, self._cores)  # of this thread
            except OSError as why:
                self._log.warning("not kept off the lane's core", what="loader", reason=why.strerror)
        while True:
            path = self._asked.get()
            time.sleep(BACK_S)
            try:
                raw = path.read_bytes()
                spec = LaneSpec.read(path)
                self._found = Found(raw, self._loaded.ready(spec))
                self._shared.staged[0]["loaded"] = spec.terms()
            except FAULTS as why:
                self._log.warning("not loaded beside the loop", reason=str(why))
                self._shared.staged[0]["loaded"] = -1
