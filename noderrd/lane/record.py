"""What the lane leaves behind as it goes: journal records, counters, notes, notices. All in rings, none of it waits.

A journal slot is free when the writer has it safely on disk (`journal_tail`). When the ring is full nothing is overwritten. While fewer than
RESERVE slots are left, risk stops new orders, and market data, calls of strategies, what they ask for and what is denied are not journaled (a GAP
record says how many): so what follows from the orders already out always finds room. Should it not, the node is halted.
"""

import numpy as np

from core import layout as at
from core.atomics import release, store
from core.codes import Change, Counter, Halt, JournalKind
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane.pointer import copy
from noderrd.lane.work import NOTICES

RESERVE = 8192
EVENT_BYTES = at.EVENT.itemsize
INTENT_BYTES = at.INTENT.itemsize
TICK_BYTES = 48


@kernel
def count(lane: np.ndarray, counter: int, n: int) -> None:
    """Raise a counter."""
    lane[0]["control"][0]["counters"][counter] += n


@inlined
def room(lane: np.ndarray) -> int:
    """Journal slots that are free."""
    return at.JOURNAL_SLOTS - (lane[0]["control"][0]["journal_head"] - lane[0]["control"][0]["journal_tail"])


@inlined
def spare(lane: np.ndarray, n: int) -> bool:
    """Tell whether `n` records may be written that can be done without; else they are counted as missing."""
    if room(lane) >= RESERVE:
        return True
    lane[0]["control"][0]["journal_gap"] += n
    count(lane, Counter.JOURNAL_SKIPPED, n)
    return False


@inlined
def put(lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, now_ns: int, ref: int, address: int, size: int) -> None:
    """Publish one record with the first JOURNAL_DATA of the `size` bytes at `address`. Whoever reads up to `journal_head` sees it whole."""
    control = lane[0]["control"]
    head = control[0]["journal_head"]
    ring = lane[0]["journal"]
    slot = head & (at.JOURNAL_SLOTS - 1)
    ring[slot]["seq"] = head + 1
    ring[slot]["ts_ns"] = now_ns
    ring[slot]["kind"] = kind
    ring[slot]["venue"] = venue
    ring[slot]["strat"] = strat
    ring[slot]["inst"] = inst
    ring[slot]["size"] = size
    ring[slot]["ref"] = ref
    copy(ring[slot]["data"].ctypes.data, address, min(size, at.JOURNAL_DATA))
    release()
    control[0]["journal_head"] = head + 1
    control[0]["counters"][Counter.JOURNAL_RECORDS] += 1


@inlined
def gap(lane: np.ndarray, now_ns: int) -> None:
    """Say in the journal that records are missing, once there is room to."""
    control = lane[0]["control"]
    missing = control[0]["journal_gap"]
    if missing == 0 or room(lane) < 2:
        return
    control[0]["journal_gap"] = 0
    slot = control[0]["journal_head"] & (at.JOURNAL_SLOTS - 1)
    store(lane[0]["journal"][slot]["data"].ctypes.data, missing)
    put(lane, JournalKind.GAP, -1, -1, -1, now_ns, 0, lane[0]["journal"][slot]["data"].ctypes.data, 8)


@kernel
def lost(lane: np.ndarray) -> None:
    """A record of an order found no room: nothing more may be sent that would go unrecorded."""
    control = lane[0]["control"]
    control[0]["journal_gap"] += 1
    count(lane, Counter.JOURNAL_LOST, 1)
    if control[0]["halt_node"] == Halt.NONE:
        control[0]["halt_node"] = Halt.JOURNAL


@kernel
def journal(
    lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, now_ns: int, ref: int, data: np.ndarray, start: int, size: int
) -> None:  # fmt: skip
    """Publish one record with up to JOURNAL_DATA bytes of `data` (uint8) from `start`; what is longer is cut, its whole size is kept."""
    gap(lane, now_ns)
    if room(lane) <= 0:
        lost(lane)
        return
    put(lane, kind, venue, strat, inst, now_ns, ref, data.ctypes.data + start, size)


@kernel
def journal_words(
    lane: np.ndarray, kind: int, venue: int, strat: int, inst: int, now_ns: int, ref: int, a: int, b: int, c: int, d: int
) -> None:  # fmt: skip
    """Publish one record whose data are four int64 in this machine's byte order."""
    gap(lane, now_ns)
    if room(lane) <= 0:
        lost(lane)
        return
    words = lane[0]["journal"][lane[0]["control"][0]["journal_head"] & (at.JOURNAL_SLOTS - 1)]["data"].ctypes.data
    store(words, a)
    store(words + 8, b)
    store(words + 16, c)
    store(words + 24, d)
    put(lane, kind, venue, strat, inst, now_ns, ref, words, 32)


@inlined
def journal_blocks(lane: np.ndarray, kind: int, v: int, now_ns: int, ref: int, data: np.ndarray, start: int, size: int) -> None:
    """Publish as many bytes as it takes: a record of `kind`, the rest in MORE."""
    n = max((size + at.JOURNAL_DATA - 1) // at.JOURNAL_DATA, i64(1))
    if not spare(lane, n):
        return
    gap(lane, now_ns)
    for k in range(n):
        which = i64(kind) if k == 0 else i64(JournalKind.MORE)
        put(lane, which, v, -1, -1, now_ns, ref, data.ctypes.data + start + k * at.JOURNAL_DATA, size - k * at.JOURNAL_DATA)


@inlined
def journal_datagram(lane: np.ndarray, v: int, now_ns: int, seq: int, data: np.ndarray, start: int, size: int) -> None:
    """Publish the blocks of a datagram about to be applied (MoldUDP64 section 1.1: length and message, repeated); `seq` is the first message's."""
    journal_blocks(lane, i64(JournalKind.FEED), v, now_ns, seq, data, start, size)


@inlined
def states(lane: np.ndarray, words: int) -> None:
    """Write every venue's state, then its phase, a byte each, as two words at an address."""
    state = i64(0)
    phase = i64(0)
    for v in range(lane[0]["control"][0]["n_venues"]):
        state |= i64(lane[0]["venues"][v]["state"] & 255) << (8 * v)
        phase |= i64(lane[0]["venues"][v]["phase"] & 255) << (8 * v)
    store(words, state)
    store(words + 8, phase)


@inlined
def journal_tick(lane: np.ndarray, products: np.ndarray, insts: np.ndarray, px: np.ndarray, inst: int, what: int, now_ns: int) -> None:
    """Publish that a symbol changed (Change bits) and what a decision is based on: best prices, scores (Change.HELD or not), the venues' states."""
    if not spare(lane, 1):
        return
    gap(lane, now_ns)
    bids, asks = insts[inst]["n"][0], insts[inst]["n"][1]
    bid = px[inst, 0, bids - 1] if bids > 0 else i64(0)
    ask = px[inst, 1, asks - 1] if asks > 0 else i64(0)
    score = products[insts[inst]["product"]]["score"].ctypes.data
    words = lane[0]["journal"][lane[0]["control"][0]["journal_head"] & (at.JOURNAL_SLOTS - 1)]["data"].ctypes.data
    if products[insts[inst]["product"]]["held"] != 0:
        what |= Change.HELD
    store(words, bid)
    store(words + 8, ask)
    store(words + 24, what << 32)  # the third score is put over its lower half
    copy(words + 16, score, 4 * at.SCORES)
    states(lane, words + 32)
    put(lane, JournalKind.TICK, insts[inst]["venue"], -1, inst, now_ns, insts[inst]["seq_num"], words, TICK_BYTES)


@inlined
def journal_call(lane: np.ndarray, work: np.ndarray, strat: int, product: int) -> None:
    """Publish the event that a strategy is about to be called with, and every venue's state and phase (a byte each): a decision begins."""
    control = lane[0]["control"]
    control[0]["decisions"] += 1
    stamp = work[0]["event"][0]["now_ns"]
    if not spare(lane, 1):
        return
    gap(lane, stamp)
    words = lane[0]["journal"][control[0]["journal_head"] & (at.JOURNAL_SLOTS - 1)]["data"].ctypes.data
    copy(words, work[0]["event"].ctypes.data, EVENT_BYTES)
    states(lane, words + EVENT_BYTES)
    put(lane, JournalKind.CALL, work[0]["event"][0]["venue"], strat, product, stamp, control[0]["decisions"], words, at.JOURNAL_DATA)


@inlined
def journal_features(lane: np.ndarray, products: np.ndarray, strat: int, product: int, now_ns: int) -> None:
    """Publish the features of the product that a strategy asks something for."""
    if not spare(lane, 2):
        return
    gap(lane, now_ns)
    decision = lane[0]["control"][0]["decisions"]
    row = products[product]["row"].ctypes.data
    put(lane, JournalKind.FEATURES, 0, strat, product, now_ns, decision, row, at.JOURNAL_DATA)
    put(lane, JournalKind.FEATURES, 1, strat, product, now_ns, decision, row + at.JOURNAL_DATA, 4 * at.FEATURES - at.JOURNAL_DATA)


@inlined
def journal_intent(lane: np.ndarray, work: np.ndarray, strat: int, product: int, j: int) -> None:
    """Publish intent j on the desk. When the ring is nearly full nothing comes of a new order, and a strategy may ask again and again."""
    if not spare(lane, 1):
        return
    event = work[0]["event"][0]
    gap(lane, event["now_ns"])
    address = work[0]["intents"].ctypes.data + j * INTENT_BYTES
    decision = lane[0]["control"][0]["decisions"]
    put(lane, JournalKind.INTENT, work[0]["intents"][j]["venue"], strat, product, event["now_ns"], decision, address, INTENT_BYTES)


@kernel
def journal_denial(
    lane: np.ndarray, venue: int, strat: int, inst: int, now_ns: int, cl_ord_id: int, code: int, limit: int, value: int, rule: int
) -> None:  # fmt: skip
    """Publish a denial, under the same rule."""
    if spare(lane, 1):
        journal_words(lane, JournalKind.DENIED, venue, strat, inst, now_ns, cl_ord_id, code, limit, value, rule)


@kernel
def journaled(lane: np.ndarray, v: int) -> int:
    """Give the sequence number of the message of a venue's order session that the ring holds last; 0 when it holds none."""
    head = lane[0]["control"][0]["journal_head"]
    ring = lane[0]["journal"]
    for k in range(min(head, i64(at.JOURNAL_SLOTS))):
        slot = (head - 1 - k) & (at.JOURNAL_SLOTS - 1)
        if ring[slot]["kind"] == JournalKind.RECEIVED and ring[slot]["venue"] == v:
            return ring[slot]["ref"]
    return 0


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
