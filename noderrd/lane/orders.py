"""From a strategy's intents to bytes on the wire: checks, the order table, OUCH, send.

An order's slot, its reservation and the venue's next UserRefNum are in shared memory before its first byte goes out: a lane that dies
in between finds it and asks the venue. Cancels are never refused for risk.
"""

import numpy as np

from core import layout as at
from core import order_state, ouch, risk
from core.atomics import release
from core.bigendian import get_u32, put_u16
from core.codes import Counter, Denial, IntentKind, JournalKind, Mode, OrderFlag, OrdStatus, Session, Side, Stage, TimeInForce
from core.histogram import record
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane import waterfall, wire
from noderrd.lane.clock import elapsed, now, wall
from noderrd.lane.record import RESERVE, count, journal, journal_denial, journal_intent, notify_order, room
from noderrd.lane.syscalls import cycles

UNSEQUENCED = 85  # U: SoupBinTCP's packet type for what a client sends
SIDE_AT = 5  # of the side in an Enter Order
SEARCH = at.LIVE_SLOTS + 1  # slots looked at: one of them is free


@inlined
def free_slot(lane: np.ndarray) -> int:
    """Give a slot whose order is finished, the oldest first; -1 when as many are live as can be."""
    hint = lane[0]["control"][0]["slot_hint"]
    for k in range(SEARCH):
        slot = (hint + k) % at.ORDER_SLOTS
        if not order_state.live(lane[0]["orders"][slot]["ord_status"]):
            lane[0]["control"][0]["slot_hint"] = slot + 1
            return slot
    return -1


@inlined
def add_live(lane: np.ndarray, insts: np.ndarray, slot: int) -> None:
    """List an order as one that can fill."""
    lane[0]["live"][lane[0]["n_live"]] = slot
    lane[0]["n_live"] += 1
    insts[lane[0]["orders"][slot]["inst"]]["own_open"] += 1


@kernel
def drop_live(lane: np.ndarray, insts: np.ndarray, slot: int) -> None:
    """Take a finished order off the list."""
    n = lane[0]["n_live"]
    for k in range(n):
        if lane[0]["live"][k] == slot:
            lane[0]["live"][k] = lane[0]["live"][n - 1]
            lane[0]["n_live"] = n - 1
            insts[lane[0]["orders"][slot]["inst"]]["own_open"] -= 1
            return


@kernel
def find(lane: np.ndarray, order_id: int, strat: int) -> int:
    """Give the slot of a strategy's live order by its id; -1 when there is none."""
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if lane[0]["orders"][slot]["cl_ord_id"] == order_id and lane[0]["orders"][slot]["strat"] == strat:
            return slot
    return -1


@kernel
def deny(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, strat: int, v: int, inst: int, side: int, px: int, qty: int,
    code: int, now_ns: int,
) -> None:  # fmt: skip
    """Remember a denial, journal it and tell the strategy."""
    head = lane[0]["control"][0]["denial_head"]
    k = head & (at.DENIAL_SLOTS - 1)
    denied = lane[0]["denials"]
    lane[0]["control"][0]["next_id"] += 1
    denied[k]["cl_ord_id"] = lane[0]["control"][0]["next_id"]
    denied[k]["user_ref"] = 0
    denied[k]["venue"] = v
    denied[k]["inst"] = inst
    denied[k]["strat"] = strat
    denied[k]["side"] = side
    denied[k]["px"] = px
    denied[k]["order_qty"] = qty
    denied[k]["cum_qty"] = 0
    denied[k]["leaves_qty"] = 0
    denied[k]["ord_status"] = OrdStatus.DENIED
    denied[k]["denial"] = code
    denied[k]["denial_limit"] = work[0]["verdict"][0]
    denied[k]["denial_value"] = work[0]["verdict"][1]
    denied[k]["denial_rule"] = work[0]["verdict"][2]
    denied[k]["last_ns"] = now_ns
    release()
    lane[0]["control"][0]["denial_head"] = head + 1
    count(lane, Counter.DENIALS, 1)
    journal_denial(
        lane, v, strat, inst, now_ns, denied[k]["cl_ord_id"], code, work[0]["verdict"][0], work[0]["verdict"][1],
        work[0]["verdict"][2],
    )  # fmt: skip
    if inst >= 0:
        notify_order(lane, work, insts, products, denied, k, now_ns)


@kernel
def mid(insts: np.ndarray, inst: int) -> int:
    """Give twice the middle of a book, when it was last LIVE; 0 without both sides."""
    bid, ask = insts[inst]["mark"][0], insts[inst]["mark"][1]
    return bid + ask if bid > 0 and ask > 0 else i64(0)


@kernel
def simulated(venues: np.ndarray, v: int) -> bool:
    """Tell whether a venue's orders stay in the house: on paper or in shadow."""
    return venues[v]["mode"] == Mode.PAPER or venues[v]["mode"] == Mode.SHADOW


@inlined
def transmit(lane: np.ndarray, v: int, strat: int, inst: int, size: int, now_ns: int) -> int:
    """Frame the `size` bytes of OUCH that were built three bytes behind what waits, journal and send. As wire.flush.

    A venue that is not armed is sent nothing: on paper the lane answers by itself (noderrd.lane.paper), in shadow nobody does.
    """
    venue = lane[0]["venues"]
    start = venue[v]["tx_len"]
    slot = lane[0]["ref_slots"][v][get_u32(venue[v]["tx"], start + 4) & (at.REF_SLOTS - 1)]
    whose = lane[0]["orders"][slot]["cl_ord_id"] if inst >= 0 else i64(0)
    # Written before it is sent: what a venue may know of is in the journal whenever the lane dies.
    journal(lane, JournalKind.SENT, v, strat, inst, now_ns, whose, venue[v]["tx"], start + 3, size)
    gone = i64(1)
    if not simulated(venue, v):
        put_u16(venue[v]["tx"], start, size + 1)
        venue[v]["tx"][start + 2] = UNSEQUENCED
        venue[v]["tx_len"] = start + 3 + size
        gone = wire.flush(lane, v, now_ns)
    return gone


@inlined
def ready(lane: np.ndarray, v: int) -> int:
    """Say why a venue cannot take an order now, or PASS."""
    if lane[0]["venues"][v]["session_state"] != Session.UP:
        return Denial.VENUE_DOWN
    if lane[0]["venues"][v]["tx_len"] != 0:
        return Denial.SEND_PENDING
    if room(lane) < RESERVE:
        return Denial.JOURNAL_FULL
    return Denial.PASS


@inlined
def well_formed(intent: np.ndarray, j: int) -> bool:
    """Tell whether side, time in force and flags are among those we know."""
    side, tif, flags = intent[j]["side"], intent[j]["time_in_force"], intent[j]["flags"]
    known_side = side == Side.BUY or side == Side.SELL
    known_tif = tif == TimeInForce.DAY or tif == TimeInForce.IOC
    return known_side and known_tif and (flags == 0 or flags == OrderFlag.POST_ONLY)


@kernel
def new(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, j: int, closing: bool,
) -> int:  # fmt: skip
    """Check and send one new order: its slot, or -1 when it was denied. `closing`: an operator closes a position.

    A sale of more than is held goes out as two orders, the covered part marked long and the rest short.
    """
    began = cycles()
    stamp = wall(lane[0]["control"], began)
    intent = work[0]["intents"]
    v, side, qty = intent[j]["venue"], intent[j]["side"], intent[j]["qty"]
    work[0]["verdict"][0] = 0
    work[0]["verdict"][1] = 0
    work[0]["verdict"][2] = -1
    work[0]["verdict"][3] = 0
    inst = i64(-1)
    if 0 <= v < lane[0]["control"][0]["n_venues"]:
        inst = i64(products[product]["inst"][v])
    ticks = intent[j]["px"]
    order_px = ticks * products[product]["tick"] if 0 <= ticks <= risk.PX_MAX else i64(-1)
    code: int = Denial.PASS
    if inst < 0:
        code = Denial.UNKNOWN_INSTRUMENT
    elif not well_formed(intent, j):
        code = Denial.BAD_FIELD
    elif lane[0]["n_live"] + 1 >= at.LIVE_SLOTS:
        code = Denial.MAX_OPEN_ORDERS
    else:
        code = ready(lane, v)
    if code == Denial.PASS:
        code = risk.check(
            lane, halt_symbol, insts, px, products, positions, limits, strat, inst, side, order_px, qty, qty, i64(-1), closing, stamp,
            work[0]["verdict"],
        )  # fmt: skip
    count(lane, Counter.RISK_CHECKS, 1)
    checked = cycles()
    if code != Denial.PASS:
        deny(lane, work, insts, products, strat, v, inst, side, order_px, qty, code, stamp)
        return -1
    short = work[0]["verdict"][3]
    flags = i64(intent[j]["flags"])
    tif = i64(intent[j]["time_in_force"])
    slot = i64(-1)
    for part in range(2):
        shares = short if part == 1 else qty - short
        if shares > 0:
            mark = flags | OrderFlag.SHORT if part == 1 else flags
            slot = place(lane, work, insts, positions, strat, inst, v, side, order_px, shares, tif, mark, stamp, began, checked)
    risk.mark(lane, insts, positions, limits, strat, inst)
    return slot


@inlined
def place(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, positions: np.ndarray, strat: int, inst: int, v: int, side: int, order_px: int,
    qty: int, tif: int, flags: int, stamp: int, began: int, checked: int,
) -> int:  # fmt: skip
    """Fill a slot for an order that passed, encode it, commit its UserRefNum and send it; gives the slot."""
    venue = lane[0]["venues"]
    order = lane[0]["orders"]
    slot = free_slot(lane)
    ref = venue[v]["next_ref"]
    lane[0]["control"][0]["next_id"] += 1
    order[slot]["cl_ord_id"] = lane[0]["control"][0]["next_id"]
    order[slot]["user_ref"] = ref
    order[slot]["pending_ref"] = 0
    order[slot]["order_ref"] = 0
    order[slot]["venue"] = v
    order[slot]["inst"] = inst
    order[slot]["strat"] = strat
    order[slot]["side"] = side
    order[slot]["time_in_force"] = tif
    order[slot]["flags"] = flags
    order[slot]["sent"] = 0
    order[slot]["asked"] = 0
    order[slot]["px"] = order_px
    order[slot]["order_qty"] = qty
    order[slot]["cum_qty"] = 0
    order[slot]["pending_px"] = 0
    order[slot]["pending_qty"] = 0
    order[slot]["queue_ahead"] = -1
    order[slot]["paper_qty"] = 0
    order[slot]["last_px"] = 0
    order[slot]["last_qty"] = 0
    order[slot]["cum_value"] = 0
    order[slot]["rx_ns"] = work[0]["rx_ns"]
    order[slot]["arrival"] = mid(insts, inst)
    order[slot]["ack_ns"] = 0
    order[slot]["last_ns"] = stamp
    order[slot]["reason"] = 0
    order[slot]["denial"] = 0
    lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)] = slot
    start = venue[v]["tx_len"] + 3
    routed = cycles()
    size = ouch.put_enter(
        venue[v]["tx"], start, ref, side, qty, insts[inst]["stock"], order_px, tif, flags & OrderFlag.POST_ONLY, order[slot]["cl_ord_id"]
    )
    if flags & OrderFlag.SHORT:
        venue[v]["tx"][start + SIDE_AT] = ouch.SELL_SHORT
    order_state.enter(order, slot, positions, strat * insts.shape[0] + inst)
    add_live(lane, insts, slot)
    release()
    venue[v]["next_ref"] = ref + 1
    release()
    encoded = cycles()
    order[slot]["sent_ns"] = wall(lane[0]["control"], encoded)
    order[slot]["request_ns"] = order[slot]["sent_ns"]
    gone = transmit(lane, v, strat, inst, size, stamp)
    sent = cycles()
    order[slot]["sent"] = 1 if gone >= 0 else 0
    stages(lane, work, slot, began, checked, routed, encoded, sent)
    count(lane, Counter.ORDERS, 1)
    return slot


@inlined
def stages(lane: np.ndarray, work: np.ndarray, slot: int, began: int, checked: int, routed: int, encoded: int, sent: int) -> None:
    """Count the stages of one order that went out."""
    control = lane[0]["control"]
    record(lane[0]["histograms"][Stage.RISK], elapsed(control, checked - began))
    record(lane[0]["histograms"][Stage.ROUTE], elapsed(control, routed - checked))
    record(lane[0]["histograms"][Stage.ENCODE], elapsed(control, encoded - routed))
    record(lane[0]["histograms"][Stage.SEND], elapsed(control, sent - encoded))
    if work[0]["rx_tsc"] != 0:
        waterfall.keep(lane, work, slot, began, checked, routed, encoded, sent)


@kernel
def replace(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, j: int,
) -> int:  # fmt: skip
    """Check and send a replace (OUCH 5.0 section 1.2): `qty` is the chain's total, executed shares included. Slot, or -1."""
    began = cycles()
    stamp = wall(lane[0]["control"], began)
    intent = work[0]["intents"][j]
    qty, ticks = intent["qty"], intent["px"]
    work[0]["verdict"][0] = 0
    work[0]["verdict"][1] = intent["order_id"]
    work[0]["verdict"][2] = -1
    order = lane[0]["orders"]
    slot = find(lane, intent["order_id"], strat)
    order_px = ticks * products[product]["tick"] if 0 <= ticks <= risk.PX_MAX else i64(-1)
    if slot < 0:
        deny(lane, work, insts, products, strat, intent["venue"], i64(-1), intent["side"], order_px, qty, Denial.UNKNOWN_ORDER, stamp)
        return -1
    v, inst, side = order[slot]["venue"], order[slot]["inst"], order[slot]["side"]
    status = order[slot]["ord_status"]
    code = ready(lane, v)
    if status != OrdStatus.NEW and status != OrdStatus.PARTIALLY_FILLED:
        code = Denial.ORDER_NOT_OPEN
    elif qty <= order[slot]["cum_qty"] or qty >= risk.QTY_MAX:
        code = Denial.BAD_QUANTITY
    if code == Denial.PASS:
        more = max(qty - order[slot]["cum_qty"] - order[slot]["reserved_qty"], i64(0))
        code = risk.check(
            lane, halt_symbol, insts, px, products, positions, limits, strat, inst, side, order_px, qty, more, slot, False, stamp,
            work[0]["verdict"],
        )  # fmt: skip
    count(lane, Counter.RISK_CHECKS, 1)
    checked = cycles()
    if code != Denial.PASS:
        deny(lane, work, insts, products, strat, v, inst, side, order_px, qty, code, stamp)
        return -1
    venue = lane[0]["venues"]
    ref = venue[v]["next_ref"]
    lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)] = slot
    post_only = order[slot]["flags"] & OrderFlag.POST_ONLY
    routed = cycles()
    size = ouch.put_replace(
        venue[v]["tx"], venue[v]["tx_len"] + 3, order[slot]["user_ref"], ref, qty, order_px, order[slot]["time_in_force"], post_only,
        order[slot]["cl_ord_id"],
    )  # fmt: skip
    order_state.pending_replace(order, slot, positions, strat * insts.shape[0] + inst, ref, order_px, qty)
    release()
    venue[v]["next_ref"] = ref + 1
    release()
    order[slot]["rx_ns"] = work[0]["rx_ns"]
    encoded = cycles()
    order[slot]["sent_ns"] = wall(lane[0]["control"], encoded)
    order[slot]["request_ns"] = order[slot]["sent_ns"]
    transmit(lane, v, strat, inst, size, stamp)
    sent = cycles()
    stages(lane, work, slot, began, checked, routed, encoded, sent)
    count(lane, Counter.REPLACES, 1)
    risk.mark(lane, insts, positions, limits, strat, inst)
    return slot


@kernel
def cancel(lane: np.ndarray, limits: np.ndarray, n_insts: int, slot: int) -> int:
    """Ask the venue to cancel all of an order: 1 asked, 0 not possible now (asked already, no session, no room)."""
    order = lane[0]["orders"]
    v = order[slot]["venue"]
    status = order[slot]["ord_status"]
    if status == OrdStatus.PENDING_CANCEL or not order_state.live(status):
        return 0
    if lane[0]["venues"][v]["session_state"] != Session.UP or wire.space(lane, v) < 64:
        return 0
    # A replace under way: the venue may know the order by either number, and ignores the one that is dead.
    stamp = now(lane[0]["control"])
    refs = 2 if order[slot]["pending_ref"] != 0 else 1
    order[slot]["ord_status"] = OrdStatus.PENDING_CANCEL
    order[slot]["asked"] = 0
    order[slot]["request_ns"] = stamp
    for k in range(refs):
        ref = order[slot]["pending_ref"] if k == 1 else order[slot]["user_ref"]
        start = lane[0]["venues"][v]["tx_len"]
        size = ouch.put_cancel(lane[0]["venues"][v]["tx"], start + 3, ref, 0)
        transmit(lane, v, order[slot]["strat"], order[slot]["inst"], size, stamp)
    strat = order[slot]["strat"]
    risk.spend_cancel(lane, limits, strat * n_insts + order[slot]["inst"], strat, v, stamp)
    count(lane, Counter.CANCELS, 1)
    return 1


@kernel
def cancel_matching(lane: np.ndarray, insts: np.ndarray, limits: np.ndarray, venue: int, product: int, strat: int) -> int:
    """Cancel every live order of a venue, product and strategy (-1: any); gives how many were asked."""
    asked = i64(0)
    order = lane[0]["orders"]
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if (
            (venue < 0 or order[slot]["venue"] == venue)
            and (product < 0 or insts[order[slot]["inst"]]["product"] == product)
            and (strat < 0 or order[slot]["strat"] == strat)
        ):
            asked += cancel(lane, limits, insts.shape[0], slot)
    return asked


@inlined
def act(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, n: int,
) -> None:  # fmt: skip
    """Carry out the first n intents on the desk."""
    for j in range(n):
        kind = work[0]["intents"][j]["kind"]
        count(lane, Counter.INTENTS, 1)
        journal_intent(lane, work, strat, product, j)
        if kind == IntentKind.NEW:
            new(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, j, False)
        elif kind == IntentKind.REPLACE:
            replace(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, j)
        elif kind == IntentKind.CANCEL:
            slot = find(lane, work[0]["intents"][j]["order_id"], strat)
            if slot >= 0:
                cancel(lane, limits, insts.shape[0], slot)
        elif kind == IntentKind.CANCEL_ALL:
            cancel_matching(lane, insts, limits, -1, product, strat)
        else:
            intent = work[0]["intents"][j]
            work[0]["verdict"][1] = kind
            deny(
                lane,
                work,
                insts,
                products,
                strat,
                intent["venue"],
                i64(-1),
                0,
                0,
                intent["qty"],
                Denial.BAD_FIELD,
                now(lane[0]["control"]),
            )
