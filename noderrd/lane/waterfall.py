"""Where one order's time went: cuts of the path as cycle counts, kept for a reader once the order is out.

Times since the receipt are kept, so the stages of an order sum to its whole exactly. The receipt is the kernel's where it stamps datagrams: `kernel`
is the wait from there to our own receive, by the lane's clock, which is tied to the kernel's once a second (CONTROL drift_ns says how well); it may
be negative by as much. What lies before the features and is no decoding counts as `book`: the wait for datagrams of the same batch, the journal and
the books. What a strategy's other orders took before counts as `strategy`. `route` is from risk's word to the message's first byte: the covered and
the short part of a sale, the order's slot and number, its place in the venue's send buffer.
"""

import numpy as np

from core.atomics import release
from core.codes import Stage
from core.histogram import record
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane.clock import elapsed


@inlined
def decided(work: np.ndarray, booked: int, featured: int, scored: int) -> None:
    """Note when book, features and model of the decision under way were done."""
    work[0]["booked_tsc"] = booked
    work[0]["featured_tsc"] = featured
    work[0]["scored_tsc"] = scored


@inlined
def waited(work: np.ndarray) -> int:
    """Give how long the causing datagram lay between the kernel's stamp and the lane; 0 without a stamp."""
    return work[0]["rx_ns"] - work[0]["stamp_ns"] if work[0]["stamp_ns"] != 0 else i64(0)


@kernel
def put(
    lane: np.ndarray, work: np.ndarray, ring: np.ndarray, head: int, slot: int, began: int, checked: int, routed: int, encoded: int, sent: int
) -> None:  # fmt: skip
    """Fill the next record of a ring."""
    control = lane[0]["control"]
    order = lane[0]["orders"][slot]
    rx, before = work[0]["rx_tsc"], waited(work)
    it = ring[head & (ring.shape[0] - 1)]
    it["seq"] = 0
    release()
    it["cl_ord_id"] = order["cl_ord_id"]
    it["rx_ns"] = order["rx_ns"]
    it["venue"] = order["venue"]
    it["inst"] = order["inst"]
    it["strat"] = order["strat"]
    it["slot"] = slot
    it["cut"][Stage.KERNEL] = before
    it["cut"][Stage.DECODE] = before + elapsed(control, min(work[0]["decoding_tsc"], work[0]["booked_tsc"] - rx))
    it["cut"][Stage.BOOK] = before + elapsed(control, work[0]["booked_tsc"] - rx)
    it["cut"][Stage.FEATURES] = before + elapsed(control, work[0]["featured_tsc"] - rx)
    it["cut"][Stage.MODEL] = before + elapsed(control, work[0]["scored_tsc"] - rx)
    it["cut"][Stage.STRATEGY] = before + elapsed(control, began - rx)
    it["cut"][Stage.RISK] = before + elapsed(control, checked - rx)
    it["cut"][Stage.ROUTE] = before + elapsed(control, routed - rx)
    it["cut"][Stage.ENCODE] = before + elapsed(control, encoded - rx)
    it["cut"][Stage.SEND] = before + elapsed(control, sent - rx)
    release()
    it["seq"] = head + 1


@kernel
def keep(lane: np.ndarray, work: np.ndarray, slot: int, began: int, checked: int, routed: int, encoded: int, sent: int) -> None:
    """Count and keep an order that a datagram caused, and once more, where the next thousands do not overwrite it, if it was slow."""
    control = lane[0]["control"]
    before = waited(work)
    whole = before + elapsed(control, sent - work[0]["rx_tsc"])
    if before != 0:
        record(lane[0]["histograms"][Stage.KERNEL], before)
    record(lane[0]["histograms"][Stage.TICK_TO_TRADE], whole)
    put(lane, work, lane[0]["waterfall"], control[0]["waterfall_head"], slot, began, checked, routed, encoded, sent)
    control[0]["waterfall_head"] += 1
    bound = control[0]["slow_ns"]
    if bound > 0 and whole >= bound:
        put(lane, work, lane[0]["slow"], control[0]["slow_head"], slot, began, checked, routed, encoded, sent)
        control[0]["slow_head"] += 1
