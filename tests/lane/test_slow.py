"""Where the time of an order went: its stages sum to its whole; what made it slow is planted for real, and named."""

import ctypes
import os
import subprocess
import sys

import numpy as np

from core.codes import Stage
from core.layout import BUCKETS, PATH
from noderrd.control.slow import ENOUGH, Slow, adapted
from noderrd.lane.memory import shapes
from noderrd.telemetry import hdr, waterfall
from noderrd.telemetry.metrics import LaneView
from noderrd.telemetry.waterfall import Paths

PUNCH = 0x03  # fallocate(2): FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE


def view_of(lane):
    return LaneView("lane", lane.spec, lane.shared, 0, up=True)


def watch(lane, bound_ns):
    """Look at a lane's slow orders with every order of at least `bound_ns` slow."""
    slow = Slow(lambda: view_of(lane), lambda: lane.process.pid, lambda _: np.zeros((len(Stage), BUCKETS), np.int64), bound_ns)
    slow.turn(1)
    assert slow.answer()["bound_ns"] == bound_ns
    return slow


def found(lane, slow, order):
    """What is said of an order."""
    slow.turn(2)
    return next(row for row in slow.answer()["orders"] if row["cl_ord_id"] == order.cl_ord_id.strip())


def test_the_stages_of_an_order_sum_to_its_whole(desk):
    head = int(desk.shared.control[0]["waterfall_head"])
    before = desk.shared.histograms[Stage.TICK_TO_TRADE].copy()
    order = desk.send(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    rows, missed = waterfall.drain(desk.shared.waterfall, head, int(desk.shared.control[0]["waterfall_head"]))
    assert (len(rows), missed) == (1, 0)
    row = rows[0]
    assert int(row["cl_ord_id"]) == int(order.cl_ord_id, 16)
    parts = waterfall.stages(row)
    stamped = "kernel" in parts  # where the kernel stamps what comes over the loopback
    assert list(parts) == ["kernel"] * stamped + ["decode", "book", "features", "model", "strategy", "risk", "route", "encode", "send"]
    assert min(ns for name, ns in parts.items() if name != "kernel") >= 0
    assert abs(parts.get("kernel", 0)) < 10**9
    assert min(parts[name] for name in ("book", "strategy", "risk", "send")) > 0
    (bucket,) = np.flatnonzero(desk.shared.histograms[Stage.TICK_TO_TRADE] - before)
    assert bucket == np.searchsorted(hdr.VALUES, sum(parts.values()))
    assert row["rx_ns"] == desk.orders()[-1]["rx_ns"]


def test_orders_are_counted_by_venue_and_class(desk):
    paths, view = Paths(lambda symbol: "mine" if symbol == desk.symbol else "other"), view_of(desk.lane)
    paths.take(view)
    order = desk.send(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    desk.venue.fill(order, 100)
    desk.order_is("FILLED", 0, 100)
    paths.take(view)
    counts = paths.counts["TEST", "mine"]
    stamped = int(desk.shared.waterfall[(int(desk.shared.control[0]["waterfall_head"]) - 1) % len(desk.shared.waterfall)]["cut"][0] != 0)
    once = [1 if stage != Stage.KERNEL else stamped for stage in Stage]
    assert list(counts.sum(axis=1)) == once
    paths.take(view)
    assert list(paths.counts["TEST", "mine"].sum(axis=1)) == once
    assert ("TEST", "other") not in paths.counts


def test_what_is_overwritten_while_it_is_read_is_missed_and_not_torn():
    ring = np.zeros(8, [("seq", "i8"), ("cut", "i8", (PATH,))])
    for k in range(20):
        ring[k % 8] = (k + 1, (k,) * PATH)
    ring[3]["seq"] = 0  # being written
    rows, missed = waterfall.drain(ring, 5, 20)
    assert ([int(row["cut"][0]) for row in rows], missed) == ([12, 13, 14, 15, 16, 17, 18], 8)


def test_a_fast_order_is_not_kept(desk):
    slow = watch(desk.lane, 30_000_000_000)
    desk.send(b"B", 100, 999_900)
    slow.turn(2)
    assert slow.answer()["orders"] == []


def test_a_bound_adapts_once_there_are_enough_orders():
    counts = np.zeros(BUCKETS, np.int64)
    counts[1000] = ENOUGH - 2
    counts[1500] = 1
    assert adapted(counts) == 0
    counts[1500] += 1
    assert adapted(counts) == hdr.VALUES[1500] + 1
    counts[1000] += 10 * ENOUGH
    assert adapted(counts) == hdr.VALUES[1000] + 1


def test_a_planted_page_fault_is_named(make):
    desk = make()
    slow = watch(desk.lane, 1)
    desk.send(b"B", 100, 999_900)
    slow.turn(2)
    # The lane's memory loses the pages that its journal is written to next: mlock does not help against a hole in the file.
    offset = 0
    for name, (shape, dtype) in shapes(desk.lane.shared.sizes).items():
        if name == "lane":
            start = offset + dtype.fields["journal"][1]
            length = dtype.fields["journal"][0].itemsize
        offset += -(-int(np.prod(shape)) * dtype.itemsize // 4096) * 4096
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(desk.lane.spec.shared, os.O_RDWR)
    head = int(desk.shared.control[0]["journal_head"]) * 128 // 4096 * 4096  # from the page under the lane's pen on
    done = libc.fallocate(file, PUNCH, ctypes.c_long(start + head), ctypes.c_long(length - head))
    os.close(file)
    assert done == 0, os.strerror(ctypes.get_errno())
    said = found(desk.lane, slow, desk.send(b"B", 100, 999_800))
    assert said["cause"] == "page_fault", said
    assert said["evidence"]["minor"] > 0
    assert sum(said["stages"].values()) == said["ns"]
    assert (said["venue"], said["symbol"], said["strategy"]) == ("TEST", desk.symbol, "puppet0")


def test_a_planted_preemption_is_named(make):
    desk = make(idle="spin")
    pid, cpu = desk.lane.process.pid, min(os.sched_getaffinity(0))
    slow = watch(desk.lane, 20_000_000)
    os.sched_setaffinity(pid, {cpu})
    hog = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(1, flush=True)\nwhile True: pass"
    # Each in a session of its own: where the kernel shares a core out by session, the lane has a quarter of it all the same.
    hogs = [subprocess.Popen([sys.executable, "-c", hog], stdout=subprocess.PIPE, text=True, start_new_session=True) for _ in range(3)]
    try:
        for one in hogs:
            one.stdout.readline()
        slow.turn(2)
        said = found(desk.lane, slow, desk.send(b"B", 700_100, 999_900))
    finally:
        for one in hogs:
            one.kill()
            one.wait()
            one.stdout.close()
        os.sched_setaffinity(pid, os.sched_getaffinity(0))
    assert said["cause"] == "preempted", said
    assert said["evidence"]["involuntary"] > 0
