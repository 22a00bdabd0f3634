"""The state machine of own orders: what each message of the venue does to an order, its reservation and its position.

States are FIX 4.4's OrdStatus. A function returns 1 when the transition is allowed and done, 0 when it is impossible: nothing is
changed then and the caller counts it. A venue's word about shares is final: fills are applied in every state, also after
a cancel was asked for. `reserved_qty` is the worst case that can still fill, and positions carry its sum.

A message touches one order and one position. Before it is applied both are copied into the undo log of CONTROL and
`undo_phase` is set; it is cleared after the session's sequence number was raised. A lane that dies in between finds the log and puts
both back, so that the replayed message is applied once. (Write-ahead undo logging, Mohan et al. 1992, for one record.)
"""

import numpy as np

from core import position
from core.atomics import release
from core.codes import OrdStatus, Side
from core.integer import i64
from core.jit import inlined, kernel


@kernel
def guard(control: np.ndarray, orders: np.ndarray, slot: int, positions: np.ndarray, index: int, venue: int, seq: int) -> None:
    """Open the undo log for one order and one position."""
    control[0]["undo_slot"] = slot
    control[0]["undo_position"] = index
    control[0]["undo_venue"] = venue
    control[0]["undo_seq"] = seq
    control[0]["undo_order"] = orders[slot]
    control[0]["undo_record"] = positions[index]
    release()
    control[0]["undo_phase"] = 1
    release()


@kernel
def settle(control: np.ndarray) -> None:
    """Close the undo log: what was done stays."""
    release()
    control[0]["undo_phase"] = 0


@kernel
def undo(control: np.ndarray, orders: np.ndarray, positions: np.ndarray, next_seq: int) -> int:
    """Put back a half-applied message after a crash: 1 if there was one. `next_seq`: the session's next expected number.

    When the number was raised already the message was applied whole, and only the log is closed.
    """
    if control[0]["undo_phase"] != 1:
        return 0
    done = next_seq > control[0]["undo_seq"]
    if not done:
        orders[control[0]["undo_slot"]] = control[0]["undo_order"]
        positions[control[0]["undo_position"]] = control[0]["undo_record"]
    control[0]["undo_phase"] = 0
    return 0 if done else 1


@kernel
def live(status: int) -> bool:
    """Tell whether an order in this state can still fill, or may for all we know."""
    return (
        status == OrdStatus.PENDING_NEW
        or status == OrdStatus.NEW
        or status == OrdStatus.PARTIALLY_FILLED
        or status == OrdStatus.PENDING_CANCEL
        or status == OrdStatus.PENDING_REPLACE
        or status == OrdStatus.UNKNOWN
    )


@inlined
def reserve(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, qty: int) -> None:
    """Set what an order reserves."""
    position.reserve(positions, index, orders[slot]["side"], qty - orders[slot]["reserved_qty"])
    orders[slot]["reserved_qty"] = qty


@kernel
def finish(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, status: int) -> None:
    """End an order: nothing of it can fill any more."""
    if live(orders[slot]["ord_status"]):
        positions[index]["n_open"] -= 1
    orders[slot]["ord_status"] = status
    orders[slot]["leaves_qty"] = 0
    orders[slot]["pending_ref"] = 0
    reserve(orders, slot, positions, index, 0)


@kernel
def rest(orders: np.ndarray, slot: int, positions: np.ndarray, index: int) -> None:
    """Give an order the state that its quantities say, once nothing is pending."""
    leaves = orders[slot]["leaves_qty"]
    if leaves <= 0:
        whole = orders[slot]["cum_qty"] >= orders[slot]["order_qty"]
        finish(orders, slot, positions, index, OrdStatus.FILLED if whole else OrdStatus.CANCELED)
        return
    if orders[slot]["ord_status"] != OrdStatus.PENDING_CANCEL:
        orders[slot]["ord_status"] = OrdStatus.PARTIALLY_FILLED if orders[slot]["cum_qty"] > 0 else OrdStatus.NEW
    reserve(orders, slot, positions, index, leaves)


@inlined
def enter(orders: np.ndarray, slot: int, positions: np.ndarray, index: int) -> None:
    """Reserve for an order that is about to be sent, and call it PendingNew."""
    orders[slot]["ord_status"] = OrdStatus.PENDING_NEW
    orders[slot]["leaves_qty"] = orders[slot]["order_qty"]
    orders[slot]["reserved_qty"] = 0
    positions[index]["n_open"] += 1
    reserve(orders, slot, positions, index, orders[slot]["order_qty"])


@kernel
def accepted(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, px: int, qty: int, order_ref: int, dead: bool, now_ns: int) -> int:
    """Accepted (OUCH 5.0 section 2.2): the venue's terms hold, which may differ from what was asked. `dead`: taken and canceled at once."""
    status = orders[slot]["ord_status"]
    if status != OrdStatus.PENDING_NEW and status != OrdStatus.UNKNOWN and status != OrdStatus.PENDING_CANCEL and status != OrdStatus.PENDING_REPLACE:
        return 0
    orders[slot]["px"] = px
    orders[slot]["order_qty"] = qty
    orders[slot]["order_ref"] = order_ref
    orders[slot]["ack_ns"] = now_ns
    orders[slot]["leaves_qty"] = qty - orders[slot]["cum_qty"]
    if dead:
        finish(orders, slot, positions, index, OrdStatus.CANCELED)
        return 1
    if status == OrdStatus.PENDING_NEW or status == OrdStatus.UNKNOWN:
        orders[slot]["ord_status"] = OrdStatus.NEW
        rest(orders, slot, positions, index)
    else:
        reserve(orders, slot, positions, index, max(orders[slot]["reserved_qty"], orders[slot]["leaves_qty"]))
    return 1


@kernel
def replaced(
    orders: np.ndarray,
    slot: int,
    positions: np.ndarray,
    index: int,
    ref: int,
    px: int,
    leaves: int,
    order_ref: int,
    dead: bool,
    now_ns: int,
) -> int:
    """Replaced (section 2.3): the chain goes on under a new UserRefNum; `leaves` shares are open."""
    if not live(orders[slot]["ord_status"]):
        return 0
    orders[slot]["user_ref"] = ref
    orders[slot]["order_ref"] = order_ref
    orders[slot]["px"] = px
    orders[slot]["order_qty"] = orders[slot]["cum_qty"] + leaves
    orders[slot]["leaves_qty"] = leaves
    orders[slot]["ack_ns"] = now_ns
    if dead:
        finish(orders, slot, positions, index, OrdStatus.CANCELED)
        return 1
    if orders[slot]["pending_ref"] == ref:
        orders[slot]["pending_ref"] = 0
        if orders[slot]["ord_status"] == OrdStatus.PENDING_REPLACE:
            orders[slot]["ord_status"] = OrdStatus.NEW
    if orders[slot]["pending_ref"] == 0:
        rest(orders, slot, positions, index)
    return 1


@kernel
def canceled(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, qty: int, reason: int) -> int:
    """Canceled (section 2.4): `qty` shares were taken off. An order with none left is dead, whatever was pending on it."""
    if not live(orders[slot]["ord_status"]) or qty < 0:
        return 0
    leaves = orders[slot]["leaves_qty"] - qty
    orders[slot]["reason"] = reason
    orders[slot]["order_qty"] -= min(qty, orders[slot]["leaves_qty"])
    if leaves <= 0:
        finish(orders, slot, positions, index, OrdStatus.CANCELED)
        return 1
    orders[slot]["leaves_qty"] = leaves
    if orders[slot]["ord_status"] == OrdStatus.PENDING_CANCEL:  # a reduction: the rest goes on
        orders[slot]["ord_status"] = OrdStatus.NEW
    if orders[slot]["pending_ref"] == 0:
        rest(orders, slot, positions, index)
    return 1


@kernel
def executed(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, px: int, qty: int, mils: int) -> int:
    """Executed (section 2.6): `qty` at `px`, `mils` the fee a share. Applied in every state: the venue's word about shares is final."""
    was_live = live(orders[slot]["ord_status"])
    position.fill(positions, index, orders[slot]["side"], px, qty, mils * qty)
    orders[slot]["cum_qty"] += qty
    orders[slot]["cum_value"] += px * qty
    orders[slot]["last_px"] = px
    orders[slot]["last_qty"] = qty
    if not was_live:
        return 0
    orders[slot]["leaves_qty"] = max(orders[slot]["leaves_qty"] - qty, i64(0))  # more than was open: the position has it, the order is whole
    if orders[slot]["leaves_qty"] == 0 and orders[slot]["pending_ref"] == 0:
        finish(orders, slot, positions, index, OrdStatus.FILLED)
    elif orders[slot]["pending_ref"] == 0:
        if orders[slot]["ord_status"] == OrdStatus.UNKNOWN or orders[slot]["ord_status"] == OrdStatus.PENDING_NEW:
            orders[slot]["ord_status"] = OrdStatus.NEW
        rest(orders, slot, positions, index)
    else:  # a replace is under way: the worst case shrinks by what was filled
        reserve(orders, slot, positions, index, max(orders[slot]["reserved_qty"] - qty, orders[slot]["leaves_qty"]))
    return 1


@kernel
def rejected(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, ref: int, reason: int) -> int:
    """Rejected (section 2.8). Of a replace: the original lives on unless a Canceled says otherwise."""
    if not live(orders[slot]["ord_status"]):
        return 0
    orders[slot]["reason"] = reason
    if orders[slot]["pending_ref"] == ref and ref != orders[slot]["user_ref"]:
        orders[slot]["pending_ref"] = 0
        orders[slot]["ord_status"] = OrdStatus.NEW
        rest(orders, slot, positions, index)
    else:
        finish(orders, slot, positions, index, OrdStatus.REJECTED)
    return 1


@kernel
def cancel_rejected(orders: np.ndarray, slot: int, positions: np.ndarray, index: int) -> int:
    """Cancel Reject (section 3.11): the order goes on. It may also have ended meanwhile, which is no fault of anybody's."""
    if orders[slot]["ord_status"] == OrdStatus.PENDING_CANCEL:
        orders[slot]["ord_status"] = OrdStatus.NEW
        rest(orders, slot, positions, index)
    return 1


@kernel
def priority(orders: np.ndarray, slot: int, px: int, order_ref: int) -> int:
    """Order Priority Update (section 3.12): the order stands at another price, under another reference."""
    if not live(orders[slot]["ord_status"]):
        return 0
    orders[slot]["px"] = px
    orders[slot]["order_ref"] = order_ref
    orders[slot]["queue_ahead"] = -1
    return 1


@kernel
def modified(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, qty: int) -> int:
    """Order Modified (section 3.13): `qty` shares are open now, not more than before."""
    if not live(orders[slot]["ord_status"]) or qty > orders[slot]["leaves_qty"] or qty < 0:
        return 0
    return canceled(orders, slot, positions, index, orders[slot]["leaves_qty"] - qty, 0)


@kernel
def busted(orders: np.ndarray, slot: int, px: int, qty: int) -> None:
    """Broken Trade (section 3.7): what was executed no longer counts for the order; it does not come to life again. Its position: position.bust."""
    orders[slot]["cum_qty"] -= qty
    orders[slot]["cum_value"] -= px * qty


@kernel
def pending_replace(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, ref: int, px: int, qty: int) -> None:
    """Note a replace that is about to be sent: reserve the worse of the old and the new."""
    orders[slot]["pending_ref"] = ref
    orders[slot]["pending_px"] = px
    orders[slot]["pending_qty"] = qty
    orders[slot]["asked"] = 0
    orders[slot]["ord_status"] = OrdStatus.PENDING_REPLACE
    reserve(orders, slot, positions, index, max(orders[slot]["leaves_qty"], qty - orders[slot]["cum_qty"]))


@kernel
def unanswered(orders: np.ndarray, slot: int, positions: np.ndarray, index: int, next_ref: int) -> int:
    """The venue has answered a query that went out behind everything that is pending on an order, and said nothing of the order itself.

    `next_ref`: the UserRefNum that the venue expects next. Sessions keep their order, so silence is the answer: a new order that never arrived is
    over, one that did and was never acknowledged is Unknown and keeps its reservation; a replace was ignored, as the specification has it for an
    order that was dead by then; an order whose cancel was ignored rests. Gives 1 when the fate is unknown.
    """
    if orders[slot]["pending_ref"] != 0:
        rejected(orders, slot, positions, index, orders[slot]["pending_ref"], 0)
    status = orders[slot]["ord_status"]
    if status == OrdStatus.PENDING_CANCEL and orders[slot]["order_ref"] != 0:
        orders[slot]["ord_status"] = OrdStatus.NEW
        rest(orders, slot, positions, index)
        return 0
    if status == OrdStatus.PENDING_NEW or status == OrdStatus.UNKNOWN or status == OrdStatus.PENDING_CANCEL:
        if orders[slot]["user_ref"] >= next_ref:
            finish(orders, slot, positions, index, OrdStatus.REJECTED)
            return 0
        orders[slot]["ord_status"] = OrdStatus.UNKNOWN
        return 1
    return 0


@kernel
def crash_found(orders: np.ndarray, slot: int) -> None:
    """After a crash: an order that was sent and not acknowledged may or may not live."""
    if orders[slot]["ord_status"] == OrdStatus.PENDING_NEW:
        orders[slot]["ord_status"] = OrdStatus.UNKNOWN


@kernel
def opposite(side: int) -> int:
    """Give the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY
