"""What the lane leaves behind as it goes: journal records, counters, notes, notices. All in rings, none of it waits.

A journal slot is free when the control plane has read it (`journal_tail`). When the ring is full nothing is overwritten: risk stops new
orders while fewer than RESERVE slots are left, so that what follows from the orders already out always finds room.
"""

import numpy as np

from core import layout as at
from core.atomics import release
from core.codes import Counter, JournalKind
from core.integer import i64
from core.jit import kernel
from noderrd.lane.work import NOTICES

RESERVE = 8192


@kernel
def count(lane: np.ndarray, counter: int, n: int) -> None:
    """Raise a counter."""
    lane[0]["control"][0]["counters"][counter] += n


@kernel
def room(lane: np.ndarray) -> int:
    """Journal slots that are free."""
    return at.JOURNAL_SLOTS - (lane[0]["control"][0]["journal_head"] - lane[0]["control"][0]["journal_tail"])


@kernel
def journal(lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, now_ns: int, data: np.ndarray, start: int, size: int) -> None:
    """Publish one record with up to 96 bytes of `data` (uint8) from `start`; what is longer is cut, its whole size is kept."""
    if room(lane) <= 0:
        return
    head = lane[0]["control"][0]["journal_head"]
    ring = lane[0]["journal"]
    slot = head & (at.JOURNAL_SLOTS - 1)
    ring[slot]["seq"] = 0
    release()
    ring[slot]["ts_ns"] = now_ns
    ring[slot]["kind"] = kind
    ring[slot]["venue"] = venue
    ring[slot]["strat"] = strat
    ring[slot]["inst"] = inst
    ring[slot]["size"] = size
    for k in range(min(size, 96)):
        ring[slot]["data"][k] = data[start + k]
    release()
    ring[slot]["seq"] = head + 1
    lane[0]["control"][0]["journal_head"] = head + 1
    lane[0]["control"][0]["counters"][Counter.JOURNAL_RECORDS] += 1


@kernel
def journal_words(lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, now_ns: int, a: int, b: int, c: int, d: int) -> None:
    """Publish one record whose data are four int64 in this machine's byte order."""
    if room(lane) <= 0:
        return
    slot = lane[0]["control"][0]["journal_head"] & (at.JOURNAL_SLOTS - 1)
    journal(lane, kind, venue, strat, inst, now_ns, lane[0]["journal"][slot]["data"], 0, 0)
    words = lane[0]["journal"][slot]["data"].view(np.int64)
    words[0] = a
    words[1] = b
    words[2] = c
    words[3] = d
    lane[0]["journal"][slot]["size"] = 32


@kernel
def tick(lane: np.ndarray, products: np.ndarray, insts: np.ndarray, px: np.ndarray, inst: int, now_ns: int) -> None:
    """Publish what a decision was based on: the best prices and the scores."""
    bids, asks = insts[inst]["n"][0], insts[inst]["n"][1]
    bid = px[inst, 0, bids - 1] if bids > 0 else i64(0)
    ask = px[inst, 1, asks - 1] if asks > 0 else i64(0)
    score = products[insts[inst]["product"]]["score"]
    edge = i64(np.float64(score[2] - score[0]) * 1e9)
    journal_words(lane, JournalKind.TICK, insts[inst]["venue"], -1, inst, now_ns, insts[inst]["seq_num"], bid, ask, edge)


@kernel
def notify(work: np.ndarray, strat: int, product: int, inst: int) -> int:
    """Queue an event for a strategy; gives the slot to fill, or -1 when the queue is full (the caller counts it)."""
    if work[0]["notice_head"] - work[0]["notice_tail"] >= NOTICES:
        return -1
    slot = work[0]["notice_head"] % NOTICES
    work[0]["notice_head"] += 1
    work[0]["notices"][slot]["strat"] = strat
    work[0]["notices"][slot]["product"] = product
    work[0]["notices"][slot]["inst"] = inst
    return slot


@kernel
def notify_order(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, order: np.ndarray, slot: int, now_ns: int) -> None:
    """Queue the ORDER event of an order (a slot of `order`, live or denied)."""
    inst = order[slot]["inst"]
    product = insts[inst]["product"]
    k = notify(work, order[slot]["strat"], product, inst)
    if k < 0:
        count(lane, Counter.NOTICES_LOST, 1)
        return
    event = work[0]["notices"][k]["event"]
    tick_px = max(products[product]["tick"], i64(1))
    event["kind"] = 4  # EventKind.ORDER
    event["venue"] = order[slot]["venue"]
    event["now_ns"] = now_ns
    event["rx_ns"] = work[0]["rx_ns"]
    event["order_id"] = order[slot]["cl_ord_id"]
    event["ord_status"] = order[slot]["ord_status"]
    event["side"] = order[slot]["side"]
    event["last_px"] = order[slot]["last_px"] // tick_px
    event["last_qty"] = order[slot]["last_qty"]
    event["leaves_qty"] = order[slot]["leaves_qty"]
    event["reason"] = order[slot]["denial"] if order[slot]["denial"] != 0 else order[slot]["reason"]
