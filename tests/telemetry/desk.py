"""A lane that trades, as far as its shared memory tells."""

import numpy as np

from core.codes import OrdStatus
from noderrd.telemetry import figures as it
from noderrd.telemetry.orders import OrderCollector


def put(shared, now_ns, index, side, px, qty, fee, mid):
    """Execute as a lane does: the book's mid is `mid` from now on, the arrival two units below it."""
    shared.insts["mark"][index % 4] = (mid - 1) * 100, (mid + 1) * 100
    head = int(shared.control[0]["fill_head"])
    row = shared.fills[head % len(shared.fills)]
    row["px"], row["qty"], row["fee"], row["side"], row["index"], row["ts_ns"] = px * 100, qty, fee * 100, side, index, now_ns
    row["mid"], row["arrival"] = 2 * mid * 100, 2 * (mid - 2) * 100
    shared.control[0]["fill_head"] = head + 1


def traded(lane, begin):
    """Give a collector of orders that has seen a strategy win and lose for a minute: every metric has a value."""
    shared, collector = lane.shared, OrderCollector(lambda _: "all")
    collector.take(lane, begin)
    for px, side, qty in ((10_000, 0, 10), (10_100, 1, 5), (9_900, 1, 5)):
        put(shared, begin, 0, side, px, qty, 0, 10_000)
    shared.orders[0]["cl_ord_id"], shared.orders[0]["ord_status"], shared.orders[0]["order_qty"] = 1, OrdStatus.FILLED, 10
    for k in range(60):
        shared.accounts[0]["profit"] -= (1 + k % 7) * it.MONEY
        collector.take(lane, begin + k * it.SECOND)
    return collector


def path(lane):
    """Let an order go out, as its waterfall tells."""
    head = int(lane.shared.control[0]["waterfall_head"])
    row = lane.shared.waterfall[head % len(lane.shared.waterfall)]
    row["cut"], row["seq"] = 1_000 * np.arange(1, len(row["cut"]) + 1), head + 1
    lane.shared.control[0]["waterfall_head"] = head + 1
