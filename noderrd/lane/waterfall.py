"""Where one order's time went: cuts of the path as cycle counts, kept for a reader once the order is out.

Times since the receipt are kept, so the stages of an order sum to its whole exactly. What lies before the features and is no decoding counts as
`book`: the wait for datagrams of the same batch, the journal and the books. What a strategy's other orders took before counts as `strategy`.
"""

import numpy as np

from core.atomics import release
from core.codes import Stage
from core.jit import inlined, kernel
from noderrd.lane.clock import elapsed


@inlined
def decided(work: np.ndarray, booked: int, featured: int, scored: int) -> None:
    """Note when book, features and model of the decision under way were done."""
    work[0]["booked_tsc"] = booked
    work[0]["featured_tsc"] = featured
    work[0]["scored_tsc"] = scored


@kernel
def put(lane: np.ndarray, work: np.ndarray, ring: np.ndarray, head: int, slot: int, began: int, checked: int, encoded: int, sent: int) -> None:
    """Fill the next record of a ring."""
    control = lane[0]["control"]
    order = lane[0]["orders"][slot]
    rx = work[0]["rx_tsc"]
    it = ring[head & (ring.shape[0] - 1)]
    it["seq"] = 0
    release()
    it["cl_ord_id"] = order["cl_ord_id"]
    it["rx_ns"] = order["rx_ns"]
    it["venue"] = order["venue"]
    it["inst"] = order["inst"]
    it["strat"] = order["strat"]
    it["slot"] = slot
    it["cut"][Stage.DECODE] = elapsed(control, min(work[0]["decoding_tsc"], work[0]["booked_tsc"] - rx))
    it["cut"][Stage.BOOK] = elapsed(control, work[0]["booked_tsc"] - rx)
    it["cut"][Stage.FEATURES] = elapsed(control, work[0]["featured_tsc"] - rx)
    it["cut"][Stage.MODEL] = elapsed(control, work[0]["scored_tsc"] - rx)
    it["cut"][Stage.STRATEGY] = elapsed(control, began - rx)
    it["cut"][Stage.RISK] = elapsed(control, checked - rx)
    it["cut"][Stage.ENCODE] = elapsed(control, encoded - rx)
    it["cut"][Stage.SEND] = elapsed(control, sent - rx)
    release()
    it["seq"] = head + 1


@kernel
def keep(lane: np.ndarray, work: np.ndarray, slot: int, began: int, checked: int, encoded: int, sent: int) -> None:
    """Keep an order that a datagram caused, and once more, where the next thousands do not overwrite it, if it was slow."""
    control = lane[0]["control"]
    put(lane, work, lane[0]["waterfall"], control[0]["waterfall_head"], slot, began, checked, encoded, sent)
    control[0]["waterfall_head"] += 1
    bound = control[0]["slow_ns"]
    if bound > 0 and elapsed(control, sent - work[0]["rx_tsc"]) >= bound:
        put(lane, work, lane[0]["slow"], control[0]["slow_head"], slot, began, checked, encoded, sent)
        control[0]["slow_head"] += 1
