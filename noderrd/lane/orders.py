"""From a strategy's intents to bytes on the wire: checks, the order table, OUCH, send.

An order's slot, its reservation and the venue's next UserRefNum are in shared memory before its first byte goes out: a lane that dies
in between finds it and asks the venue. Cancels are never refused for risk.
"""

import numpy as np

from core import layout as at
from core import order_state, ouch, risk
from core.atomics import release
from core.bigendian import put_u16
from core.codes import Counter, Denial, IntentKind, JournalKind, OrderFlag, OrdStatus, Session, Side, Stage, TimeInForce
from core.histogram import record
from core.integer import i64
from core.jit import kernel
from noderrd.lane import wire
from noderrd.lane.clock import elapsed, now
from noderrd.lane.record import RESERVE, count, journal, journal_words, notify_order, room
from noderrd.lane.syscalls import cycles

UNSEQUENCED = 85  # U: SoupBinTCP's packet type for what a client sends
DISPLAY_VISIBLE = 89  # Y
CAPACITY_PRINCIPAL = 80  # P
NO = 78  # N: no intermarket sweep, continuous market
SEARCH = 64  # slots looked at for a free one


@kernel
def free_slot(lane: np.ndarray) -> int:
    """Give a slot whose order is finished, the oldest first; -1 when there is none near."""
    if lane[0]["n_live"] >= at.LIVE_SLOTS:
        return -1
    hint = lane[0]["control"][0]["slot_hint"]
    for k in range(SEARCH):
        slot = (hint + k) % at.ORDER_SLOTS
        if not order_state.live(lane[0]["orders"][slot]["ord_status"]):
            lane[0]["control"][0]["slot_hint"] = slot + 1
            return slot
    return -1


@kernel
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
def crosses_own(lane: np.ndarray, inst: int, side: int, px: int) -> bool:
    """Tell whether an order would meet one of our own on the other side."""
    orders = lane[0]["orders"]
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if orders[slot]["inst"] == inst and orders[slot]["side"] != side:
            theirs = orders[slot]["px"]
            if orders[slot]["pending_ref"] != 0:  # the worse of both
                theirs = max(theirs, orders[slot]["pending_px"]) if side == Side.SELL else min(theirs, orders[slot]["pending_px"])
            if (side == Side.BUY and px >= theirs) or (side == Side.SELL and px <= theirs):
                return True
    return False


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
    journal_words(lane, JournalKind.DENIED, v, strat, inst, now_ns, code, work[0]["verdict"][0], work[0]["verdict"][1], work[0]["verdict"][2])
    if inst >= 0:
        notify_order(lane, work, insts, products, denied, k, now_ns)


@kernel
def transmit(lane: np.ndarray, v: int, strat: int, inst: int, size: int, now_ns: int) -> int:
    """Frame the `size` bytes of OUCH that were built behind the last three, journal and send. As wire.flush."""
    venue = lane[0]["venues"]
    start = venue[v]["tx_len"]
    put_u16(venue[v]["tx"], start, size + 1)
    venue[v]["tx"][start + 2] = UNSEQUENCED
    venue[v]["tx_len"] = start + 3 + size
    gone = wire.flush(lane, v, now_ns)
    journal(lane, JournalKind.SENT, v, strat, inst, now_ns, venue[v]["tx"], start + 3, size)
    return gone


@kernel
def ready(lane: np.ndarray, v: int) -> int:
    """Say why a venue cannot take an order now, or PASS."""
    if lane[0]["venues"][v]["armed"] == 0:
        return Denial.NOT_ARMED
    if lane[0]["venues"][v]["session_state"] != Session.UP:
        return Denial.VENUE_DOWN
    if lane[0]["venues"][v]["tx_len"] != 0:
        return Denial.SEND_PENDING
    if room(lane) < RESERVE:
        return Denial.JOURNAL_FULL
    return Denial.PASS


@kernel
def new(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, j: int, closing: bool,
) -> int:  # fmt: skip
    """Check and send one new order: its slot, or -1 when it was denied. `closing`: an operator closes a position, halts do not bind."""
    began = cycles()
    stamp = now(lane[0]["control"])
    intent = work[0]["intents"][j]
    v, side, qty = intent["venue"], intent["side"], intent["qty"]
    work[0]["verdict"][0] = 0
    work[0]["verdict"][1] = 0
    work[0]["verdict"][2] = -1
    inst = i64(-1)
    if 0 <= v < lane[0]["control"][0]["n_venues"]:
        inst = i64(products[product]["inst"][v])
    ticks = intent["px"]
    order_px = ticks * products[product]["tick"] if 0 <= ticks <= risk.PX_MAX else i64(-1)
    code: int = Denial.PASS
    if inst < 0:
        code = Denial.UNKNOWN_INSTRUMENT
    elif (
        (side != Side.BUY and side != Side.SELL)
        or (intent["time_in_force"] != TimeInForce.DAY and intent["time_in_force"] != TimeInForce.IOC)
        or intent["flags"] < 0
        or intent["flags"] > OrderFlag.POST_ONLY
    ):
        code = Denial.BAD_FIELD
    else:
        code = ready(lane, v)
        if code == Denial.PASS:
            state = insts[inst]["state"] | lane[0]["venues"][v]["state"]
            code = risk.check(
                lane[0]["control"], halt_symbol, insts, px, positions, limits, lane[0]["strategies"], strat, inst, side, order_px, qty, qty,
                True, closing, state, stamp, work[0]["verdict"],
            )  # fmt: skip
        if code == Denial.PASS and crosses_own(lane, inst, side, order_px):
            code = Denial.SELF_MATCH
    count(lane, Counter.RISK_CHECKS, 1)
    slot = free_slot(lane) if code == Denial.PASS else i64(-1)
    if code == Denial.PASS and slot < 0:
        code = Denial.MAX_OPEN_ORDERS
    checked = cycles()
    if code != Denial.PASS:
        deny(lane, work, insts, products, strat, v, inst, side, order_px, qty, code, stamp)
        return -1
    venue = lane[0]["venues"]
    order = lane[0]["orders"]
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
    order[slot]["time_in_force"] = intent["time_in_force"]
    order[slot]["flags"] = intent["flags"]
    order[slot]["sent"] = 0
    order[slot]["px"] = order_px
    order[slot]["order_qty"] = qty
    order[slot]["cum_qty"] = 0
    order[slot]["pending_px"] = 0
    order[slot]["pending_qty"] = 0
    order[slot]["queue_ahead"] = -1
    order[slot]["last_px"] = 0
    order[slot]["last_qty"] = 0
    order[slot]["cum_value"] = 0
    order[slot]["rx_ns"] = work[0]["rx_ns"]
    order[slot]["ack_ns"] = 0
    order[slot]["last_ns"] = stamp
    order[slot]["reason"] = 0
    order[slot]["denial"] = 0
    lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)] = slot
    size = ouch.put_enter(
        venue[v]["tx"], 3, ref, side, qty, insts[inst]["stock"], order_px, intent["time_in_force"], intent["flags"] & OrderFlag.POST_ONLY,
        order[slot]["cl_ord_id"],
    )  # fmt: skip
    order_state.enter(order, slot, positions, strat * insts.shape[0] + inst)
    add_live(lane, insts, slot)
    release()
    venue[v]["next_ref"] = ref + 1
    release()
    encoded = cycles()
    order[slot]["sent_ns"] = now(lane[0]["control"])
    gone = transmit(lane, v, strat, inst, size, stamp)
    sent = cycles()
    order[slot]["sent"] = 1 if gone >= 0 else 0
    stages(lane, work, began, checked, encoded, sent)
    count(lane, Counter.ORDERS, 1)
    return slot


@kernel
def stages(lane: np.ndarray, work: np.ndarray, began: int, checked: int, encoded: int, sent: int) -> None:
    """Count the stages of one order that went out."""
    control = lane[0]["control"]
    record(lane[0]["histograms"][Stage.RISK], elapsed(control, checked - began))
    record(lane[0]["histograms"][Stage.ENCODE], elapsed(control, encoded - checked))
    record(lane[0]["histograms"][Stage.SEND], elapsed(control, sent - encoded))
    if work[0]["rx_tsc"] != 0:
        record(lane[0]["histograms"][Stage.TICK_TO_TRADE], elapsed(control, sent - work[0]["rx_tsc"]))


@kernel
def replace(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, j: int,
) -> int:  # fmt: skip
    """Check and send a replace (OUCH 5.0 section 1.2): `qty` is the chain's total, executed shares included. Slot, or -1."""
    began = cycles()
    stamp = now(lane[0]["control"])
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
    elif qty <= order[slot]["cum_qty"]:
        code = Denial.BAD_QUANTITY
    if code == Denial.PASS:
        state = insts[inst]["state"] | lane[0]["venues"][v]["state"]
        more = max(qty - order[slot]["cum_qty"] - order[slot]["reserved_qty"], i64(0))
        code = risk.check(
            lane[0]["control"], halt_symbol, insts, px, positions, limits, lane[0]["strategies"], strat, inst, side, order_px, qty, more,
            False, False, state, stamp, work[0]["verdict"],
        )  # fmt: skip
    if code == Denial.PASS and crosses_own(lane, inst, side, order_px):
        code = Denial.SELF_MATCH
    count(lane, Counter.RISK_CHECKS, 1)
    checked = cycles()
    if code != Denial.PASS:
        deny(lane, work, insts, products, strat, v, inst, side, order_px, qty, code, stamp)
        return -1
    venue = lane[0]["venues"]
    ref = venue[v]["next_ref"]
    lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)] = slot
    post_only = order[slot]["flags"] & OrderFlag.POST_ONLY
    size = ouch.put_replace(
        venue[v]["tx"], 3, order[slot]["user_ref"], ref, qty, order_px, order[slot]["time_in_force"], post_only, order[slot]["cl_ord_id"]
    )
    order_state.pending_replace(order, slot, positions, strat * insts.shape[0] + inst, ref, order_px, qty)
    release()
    venue[v]["next_ref"] = ref + 1
    release()
    order[slot]["rx_ns"] = work[0]["rx_ns"]
    encoded = cycles()
    order[slot]["sent_ns"] = now(lane[0]["control"])
    transmit(lane, v, strat, inst, size, stamp)
    sent = cycles()
    stages(lane, work, began, checked, encoded, sent)
    count(lane, Counter.REPLACES, 1)
    return slot


@kernel
def cancel(lane: np.ndarray, slot: int) -> int:
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
    for k in range(refs):
        ref = order[slot]["pending_ref"] if k == 1 else order[slot]["user_ref"]
        start = lane[0]["venues"][v]["tx_len"]
        size = ouch.put_cancel(lane[0]["venues"][v]["tx"], start + 3, ref, 0)
        transmit(lane, v, order[slot]["strat"], order[slot]["inst"], size, stamp)
    count(lane, Counter.CANCELS, 1)
    return 1


@kernel
def cancel_matching(lane: np.ndarray, insts: np.ndarray, venue: int, product: int, strat: int) -> int:
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
            asked += cancel(lane, slot)
    return asked


@kernel
def act(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, strat: int, product: int, n: int,
) -> None:  # fmt: skip
    """Carry out the first n intents on the desk."""
    for j in range(n):
        kind = work[0]["intents"][j]["kind"]
        count(lane, Counter.INTENTS, 1)
        journal(
            lane, JournalKind.INTENT, work[0]["intents"][j]["venue"], strat, product, work[0]["event"][0]["now_ns"],
            work[0]["intents"].view(np.uint8), j * 48, 48,
        )  # fmt: skip
        if kind == IntentKind.NEW:
            new(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, j, False)
        elif kind == IntentKind.REPLACE:
            replace(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, j)
        elif kind == IntentKind.CANCEL:
            slot = find(lane, work[0]["intents"][j]["order_id"], strat)
            if slot >= 0:
                cancel(lane, slot)
        elif kind == IntentKind.CANCEL_ALL:
            cancel_matching(lane, insts, -1, product, strat)
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
