"""Orders on paper: a venue that is not armed is answered for by the lane itself, on the live book.

The lane writes what the exchange would say (OUCH 5.0 in SoupBinTCP packets) into the session's own receive buffer and takes it from there by the one
way that every answer takes, so nothing behind it can tell the difference. An order that meets the book is filled at the levels it would have
met, up to what they show; an order that rests is filled when what traded at its price has passed what stood before it (noderrd.lane.feed follows
its place in the queue), or whole when the book itself goes through its price. Nothing on paper moves the book, so the same shares can be met twice:
paper flatters an order that is large against what is shown.

In shadow nobody answers: an order is taken, and over.
"""

import numpy as np

from core import layout as at
from core import ouch, soupbintcp
from core.bigendian import put_i64, put_u16, put_u32
from core.codes import Mode, OrderFlag, OrdStatus, Side, TimeInForce
from core.integer import i64
from core.jit import kernel
from noderrd.lane import session

ROOM = 512  # bytes that one order's answers may need
SHADOW = 83  # S: cancel reason, supervisory


@kernel
def packet(lane: np.ndarray, v: int, size: int) -> int:
    """Frame `size` bytes of OUCH built three bytes behind the end of the receive buffer."""
    venue = lane[0]["venues"]
    end = venue[v]["rx_len"]
    put_u16(venue[v]["rx"], end, size + 1)
    venue[v]["rx"][end + 2] = soupbintcp.SEQUENCED
    venue[v]["rx_len"] = end + 3 + size
    return end + 3 + size


@kernel
def accept(lane: np.ndarray, insts: np.ndarray, v: int, slot: int, now_ns: int) -> None:
    """Say Accepted, or Replaced when a replace is pending."""
    order = lane[0]["orders"]
    rx = lane[0]["venues"][v]["rx"]
    begin = lane[0]["venues"][v]["rx_len"] + 3
    pending = order[slot]["pending_ref"]
    head = 13 if pending == 0 else 17
    ouch.put_head(rx, begin, ouch.ACCEPTED if pending == 0 else ouch.REPLACED, now_ns, order[slot]["user_ref"])
    qty, px, ref = order[slot]["order_qty"], order[slot]["px"], order[slot]["user_ref"]
    if pending != 0:
        put_u32(rx, begin + 13, pending)
        qty, px, ref = max(order[slot]["pending_qty"] - order[slot]["cum_qty"], i64(0)), order[slot]["pending_px"], pending
    at_side = begin + head
    rx[at_side] = ouch.BUY if order[slot]["side"] == Side.BUY else ouch.SELL
    put_u32(rx, at_side + 1, qty)
    put_i64(rx, at_side + 5, insts[order[slot]["inst"]]["stock"])
    put_i64(rx, at_side + 13, px)
    rx[at_side + 21] = 48 + order[slot]["time_in_force"]
    rx[at_side + 22] = ouch.VISIBLE
    put_i64(rx, at_side + 23, ref)
    rx[at_side + 31] = ouch.PRINCIPAL
    rx[at_side + 32] = ouch.NO
    rx[at_side + 33] = ouch.CONTINUOUS
    rx[at_side + 34] = ouch.LIVE
    ouch.put_hex(rx, at_side + 35, order[slot]["cl_ord_id"])
    put_u16(rx, at_side + 49, 0)
    packet(lane, v, head + 51)


@kernel
def cancel(lane: np.ndarray, v: int, ref: int, qty: int, reason: int, now_ns: int) -> None:
    """Say Canceled."""
    size = ouch.put_canceled(lane[0]["venues"][v]["rx"], lane[0]["venues"][v]["rx_len"] + 3, now_ns, ref, qty, reason)
    packet(lane, v, size)


@kernel
def fill(lane: np.ndarray, v: int, ref: int, qty: int, px: int, liquidity: int, now_ns: int) -> None:
    """Say Executed, under a match number of our own."""
    size = ouch.put_executed(
        lane[0]["venues"][v]["rx"], lane[0]["venues"][v]["rx_len"] + 3, now_ns, ref, qty, px, liquidity, -1 - lane[0]["control"][0]["fill_head"]
    )
    packet(lane, v, size)


@kernel
def meets(px: np.ndarray, insts: np.ndarray, inst: int, side: int, order_px: int, level: int) -> bool:
    """Tell whether the opposite side's level, counted from the best, is one that an order at `order_px` trades with."""
    other = 1 - side
    n = insts[inst]["n"][other]
    if level >= n:
        return False
    theirs = px[inst, other, n - 1 - level]
    return theirs <= order_px if side == Side.BUY else theirs >= order_px


@kernel
def answer(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, v: int, now_ns: int,
) -> None:  # fmt: skip
    """Answer every order of a venue that waits for a word, and give the others what the market gave them."""
    order = lane[0]["orders"]
    k = i64(0)
    while k < lane[0]["n_live"]:
        slot = lane[0]["live"][k]
        k += 1
        if order[slot]["venue"] != v:
            continue
        before = lane[0]["n_live"]
        entered = speak(lane, insts, px, qty, v, slot, now_ns)
        if lane[0]["venues"][v]["rx_len"] > 0:
            session.take(lane, work, halt_symbol, insts, products, positions, limits, v, now_ns)
        if lane[0]["n_live"] < before:
            k -= 1
        elif entered:
            order[slot]["paper_qty"] = 0
            order[slot]["queue_ahead"] = ahead(insts, px, qty, order[slot]["inst"], order[slot]["side"], order[slot]["px"])


@kernel
def speak(lane: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, v: int, slot: int, now_ns: int) -> bool:
    """Write what the exchange says about one order now, if anything; True when the order entered the book now, or anew."""
    order = lane[0]["orders"]
    status = order[slot]["ord_status"]
    inst, side = order[slot]["inst"], order[slot]["side"]
    shadow = lane[0]["venues"][v]["mode"] == Mode.SHADOW
    leaves, order_px, ref = order[slot]["leaves_qty"], order[slot]["px"], order[slot]["user_ref"]
    if status == OrdStatus.PENDING_CANCEL:
        cancel(lane, v, ref, leaves, ouch.CANCEL_USER, now_ns)
        return False
    entered = status == OrdStatus.PENDING_NEW or status == OrdStatus.UNKNOWN or status == OrdStatus.PENDING_REPLACE
    if entered:
        accept(lane, insts, v, slot, now_ns)
        if status == OrdStatus.PENDING_REPLACE:
            leaves, order_px = max(order[slot]["pending_qty"] - order[slot]["cum_qty"], i64(0)), order[slot]["pending_px"]
            ref = order[slot]["pending_ref"]
    if shadow:
        cancel(lane, v, ref, leaves, SHADOW, now_ns)
        return True
    if insts[inst]["state"] | lane[0]["venues"][v]["state"] != 0:
        return entered
    ioc = order[slot]["time_in_force"] == TimeInForce.IOC
    if entered and order[slot]["flags"] & OrderFlag.POST_ONLY and meets(px, insts, inst, side, order_px, 0):
        cancel(lane, v, ref, leaves, ouch.CANCEL_POST_ONLY, now_ns)
        return True
    level = i64(0)
    n = insts[inst]["n"][1 - side]
    while leaves > 0 and meets(px, insts, inst, side, order_px, level) and lane[0]["venues"][v]["rx_len"] < at.SOUP_BUFFER - ROOM:
        shown = qty[inst, 1 - side, n - 1 - level]
        # A resting order that the book went through is met at its own price, whole: whoever came through would have met it first.
        part = min(leaves, shown) if entered else leaves
        fill(lane, v, ref, part, px[inst, 1 - side, n - 1 - level] if entered else order_px, ouch.REMOVED if entered else ouch.ADDED, now_ns)
        leaves -= part
        level += 1
    if leaves > 0 and not entered and order[slot]["paper_qty"] > 0:
        part = min(leaves, order[slot]["paper_qty"])
        order[slot]["paper_qty"] -= part
        fill(lane, v, ref, part, order_px, ouch.ADDED, now_ns)
        leaves -= part
    if entered and ioc and leaves > 0:
        cancel(lane, v, ref, leaves, ouch.CANCEL_IOC, now_ns)
    return entered


@kernel
def ahead(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, inst: int, side: int, price: int) -> int:
    """Give what stands at a price now: all of it before a new order."""
    n = insts[inst]["n"][side]
    for k in range(n):
        level = n - 1 - k
        if px[inst, side, level] == price:
            return qty[inst, side, level]
        if (px[inst, side, level] < price) == (side == Side.BUY):
            return 0
    return 0


@kernel
def traded(lane: np.ndarray, changed: np.ndarray, inst: int) -> None:
    """Follow a trade against a resting order on the book: what passes our place in the queue is ours.

    Cancels before us are not told from those behind us, so they do not move us up: a fill on paper is rather too late than too early.
    """
    order = lane[0]["orders"]
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if order[slot]["inst"] != inst or order[slot]["side"] != changed[0]["side"] or order[slot]["px"] != changed[0]["px"]:
            continue
        ahead_qty = max(order[slot]["queue_ahead"], i64(0))
        passed = min(ahead_qty, -changed[0]["qty"])
        order[slot]["queue_ahead"] = ahead_qty - passed
        order[slot]["paper_qty"] += -changed[0]["qty"] - passed
