"""The stages of an order that the kernel has stamped: they begin at its stamp, sum to the whole exactly, and a negative wait is shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from core import layout as at
from core.codes import Stage
from core.jit import entry
from noderrd.lane import waterfall
from noderrd.lane import work as desk
from noderrd.telemetry import hdr
from noderrd.telemetry.waterfall import Paths, drain, stages

SPEC = SimpleNamespace(venues=[SimpleNamespace(name="V")], instruments=[SimpleNamespace(venue=0, symbol="GOOG")])
NS = 1 << 28  # CONTROL mult of a counter that counts nanoseconds


@entry
def keep(lane, work, slot, began, checked, routed, encoded, sent):
    waterfall.keep(lane, work, slot, began, checked, routed, encoded, sent)


@pytest.mark.parametrize("kernel_ns", [0, 2_500, -40])
def test_stages_sum_to_the_whole_from_the_kernel_s_stamp_on(kernel_ns):
    lane, work = np.zeros(1, at.LANE), desk.make()
    control = lane[0]["control"][0]
    control["mult"], control["slow_ns"] = NS, 1_000
    work[0]["rx_tsc"], work[0]["decoding_tsc"], work[0]["rx_ns"] = 10_000, 30, 10**18
    work[0]["stamp_ns"] = 10**18 - kernel_ns if kernel_ns else 0
    work[0]["booked_tsc"], work[0]["featured_tsc"], work[0]["scored_tsc"] = 10_100, 10_250, 10_700
    keep(lane, work, 3, 10_900, 11_000, 11_050, 11_150, 12_000)
    row = lane[0]["waterfall"][0]
    parts = stages(row)
    wanted = {"decode": 30, "book": 70, "features": 150, "model": 450, "strategy": 200, "risk": 100, "route": 50, "encode": 100, "send": 850}
    assert parts == ({"kernel": kernel_ns} if kernel_ns else {}) | wanted
    assert sum(parts.values()) == row["cut"][-1] == 2_000 + kernel_ns
    rows, missed = drain(lane[0]["slow"], 0, int(control["slow_head"]))
    assert (len(rows), missed, stages(rows[0])) == (1, 0, parts)
    (bucket,) = np.flatnonzero(lane[0]["histograms"][Stage.TICK_TO_TRADE])
    assert bucket == np.searchsorted(hdr.VALUES, 2_000 + kernel_ns)
    assert lane[0]["histograms"][Stage.KERNEL].sum() == (kernel_ns != 0)
    paths, view = Paths(lambda _: "all"), SimpleNamespace(spec=SPEC, shared=SimpleNamespace(control=lane[0]["control"]))
    for name in ("waterfall", "orders", "fills"):
        setattr(view.shared, name, lane[0][name])
    control["waterfall_head"] = 0
    paths.take(view)
    control["waterfall_head"] = 1
    paths.take(view)
    assert (paths.early, paths.missed) == (int(kernel_ns < 0), 0)
    counted = paths.counts["V", "all"].sum(axis=1)
    assert (counted[Stage.KERNEL], counted[Stage.DECODE], counted[Stage.TICK_TO_TRADE]) == (kernel_ns != 0, 1, 1)
