"""Where the time of single orders went: the lanes' records of them, read while the lane writes, and summed up by venue and class of symbol.

Stages up to the send are differences of the cuts that core.layout.WATERFALL holds, so they sum to the order's tick to trade exactly; ack and fill are
counted from the send. A class is what noderrd.toml calls it ([[instrument]] class).
"""

from collections.abc import Callable

import numpy as np

from core.codes import Stage
from core.layout import BUCKETS, PATH
from noderrd.telemetry import hdr
from noderrd.telemetry.metrics import LaneView

NAMES = tuple(Stage(k).name.lower() for k in range(PATH))
Key = tuple[str, str]  # venue, class


def drain(ring: np.ndarray, seen: int, head: int) -> tuple[np.ndarray, int]:
    """Give the records after the first `seen` up to `head`, oldest first, and how many were overwritten before they could be read."""
    numbers = np.arange(max(seen, head - len(ring)), head)
    places = numbers & (len(ring) - 1)
    rows = ring[places]
    whole = (rows["seq"] == numbers + 1) & (ring["seq"][places] == numbers + 1)
    return rows[whole], head - seen - int(whole.sum())


def stages(row: np.void) -> dict[str, int]:
    """Give the stages of one order in ns: they sum to the whole. Without a stamp of the kernel's the first is `decode`."""
    found = dict(zip(NAMES, np.diff(row["cut"], prepend=0).tolist(), strict=True))
    if found[NAMES[Stage.KERNEL]] == 0:
        del found[NAMES[Stage.KERNEL]]
    return found


class Paths:
    """Latency counts by venue and class: int64[stages, BUCKETS] each, in Stage's order. `class_of` gives a symbol's class."""

    def __init__(self, class_of: Callable[[str], str]) -> None:
        self._class_of = class_of
        self.counts: dict[Key, np.ndarray] = {}
        self.missed = 0  # orders that the lane overwrote before they were read
        self.early = 0  # orders whose datagram the lane had before the kernel had stamped it: the clocks disagree
        self._seen, self._fills, self._acked = -1, -1, np.zeros(0, np.int64)

    def _of(self, view: LaneView, inst: int) -> np.ndarray:
        it = view.spec.instruments[inst]
        key = view.spec.venues[it.venue].name, self._class_of(it.symbol)
        if key not in self.counts:
            self.counts[key] = np.zeros((len(Stage), BUCKETS), np.int64)
        return self.counts[key]

    def _add(self, view: LaneView, insts: np.ndarray, stage: int, values: np.ndarray) -> None:
        index = np.searchsorted(hdr.VALUES, np.clip(values, 0, hdr.HIGHEST))
        for inst in np.unique(insts).tolist():
            np.add.at(self._of(view, inst)[stage], index[insts == inst], 1)

    def take(self, view: LaneView) -> None:
        """Take what a lane has recorded since the last time; the first time, nothing from before."""
        shared, control = view.shared, view.shared.control[0]
        head, fills = int(control["waterfall_head"]), int(control["fill_head"])
        acked = shared.orders["ack_ns"].copy()
        if self._seen < 0 or head < self._seen or fills < self._fills:  # the first time, or the lane's state is new
            self._seen, self._fills, self._acked = head, fills, acked
            return
        rows, missed = drain(shared.waterfall, self._seen, head)
        self._seen, self.missed = head, self.missed + missed
        if len(rows):
            parts = np.diff(rows["cut"], axis=1, prepend=0)
            for stage in range(PATH):
                counted = rows["cut"][:, Stage.KERNEL] != 0 if stage == Stage.KERNEL else np.ones(len(rows), np.bool_)
                self._add(view, rows["inst"][counted], stage, parts[counted, stage])
            self.early += int((parts[:, Stage.KERNEL] < 0).sum())
            self._add(view, rows["inst"], Stage.TICK_TO_TRADE, rows["cut"][:, -1])
        orders = shared.orders[(acked != self._acked) & (acked != 0)]
        self._acked = acked
        orders = orders[orders["ack_ns"] >= orders["sent_ns"]]  # a replace sent since then has no answer yet
        if len(orders):
            self._add(view, orders["inst"], Stage.ACK, orders["ack_ns"] - orders["sent_ns"])
        new = shared.fills[np.arange(max(self._fills, fills - len(shared.fills)), fills) % len(shared.fills)]
        self._fills = fills
        if len(new):
            self._add(view, new["index"] % len(view.spec.instruments), Stage.FILL, new["after_ns"])
