"""The order session: SoupBinTCP frames in, orders' states out. Login is asked for in `cold`; its answer arrives here like any other message.

Sequenced messages are applied once each: the session's next sequence number is in shared memory and is raised after a message was applied
under the undo log. After a login the venue replays what was missed, then an account query is put; its answer ends the replay,
because it comes behind everything the venue had said before.
"""

import numpy as np

from core import layout as at
from core import order_state, ouch
from core.bigendian import get_u16
from core.codes import Counter, Halt, JournalKind, OrdStatus, Reason, Session, Side, Stage
from core.histogram import record
from core.integer import i64
from core.jit import kernel
from noderrd.lane import orders, wire
from noderrd.lane.clock import now
from noderrd.lane.record import count, journal, notify_order
from noderrd.lane.syscalls import EAGAIN, EINTR, recv

LOGIN_ACCEPTED, LOGIN_REJECTED, SEQUENCED, HEARTBEAT, END, DEBUG = 65, 74, 83, 72, 90, 43
LIQUIDITY_ADDED = 65  # A


@kernel
def number(buf: np.ndarray, start: int, size: int) -> int:
    """Read a space-padded ASCII number; -1 when it is none."""
    value = i64(0)
    digits = 0
    for k in range(size):
        c = buf[start + k]
        if c == 32 and digits == 0:
            continue
        if c < 48 or c > 57:
            return -1
        value = value * 10 + (i64(c) - 48)
        digits += 1
    return value if digits > 0 else i64(-1)


@kernel
def logged_in(lane: np.ndarray, v: int, start: int) -> int:
    """Take a Login Accepted (SoupBinTCP 3.00 section 2.2.2): session and next sequence number must be the ones we know.

    Another session or a number that jumped means messages that we shall never see: 0, and a person must look.
    """
    venue = lane[0]["venues"]
    seq = number(venue[v]["rx"], start + 10, 20)
    same = True
    for k in range(10):
        if venue[v]["have_order_session"] != 0 and venue[v]["order_session"][k] != venue[v]["rx"][start + k]:
            same = False
    if venue[v]["have_order_session"] != 0 and (not same or seq != venue[v]["order_seq"]):
        return 0
    for k in range(10):
        venue[v]["order_session"][k] = venue[v]["rx"][start + k]
    venue[v]["have_order_session"] = 1
    venue[v]["order_seq"] = max(seq, i64(1))
    venue[v]["session_state"] = Session.REPLAYING
    venue[v]["failures"] = 0
    count(lane, Counter.LOGINS, 1)
    size = ouch.put_account_query(venue[v]["tx"], 3)
    venue[v]["tx"][0] = 0
    venue[v]["tx"][1] = size + 1
    venue[v]["tx"][2] = orders.UNSEQUENCED
    venue[v]["tx_at"] = 0
    venue[v]["tx_len"] = 3 + size
    return 1


@kernel
def replayed(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, v: int,
    next_ref: int, now_ns: int,
) -> None:  # fmt: skip
    """End a replay: the venue's next UserRefNum tells which unanswered orders never arrived. Those below it stay Unknown and halt their symbol."""
    venue = lane[0]["venues"]
    venue[v]["venue_next_ref"] = next_ref
    venue[v]["next_ref"] = max(venue[v]["next_ref"], next_ref)
    venue[v]["session_state"] = Session.UP
    order = lane[0]["orders"]
    k = i64(0)
    while k < lane[0]["n_live"]:
        slot = lane[0]["live"][k]
        index = order[slot]["strat"] * insts.shape[0] + order[slot]["inst"]
        k += 1
        if order[slot]["venue"] != v:
            continue
        if order[slot]["pending_ref"] >= next_ref:  # a replace that never arrived
            order_state.rejected(order, slot, positions, index, order[slot]["pending_ref"], 0)
        if order[slot]["ord_status"] == OrdStatus.PENDING_CANCEL and order[slot]["order_ref"] != 0:
            # whether the cancel arrived is not known: the order rests, and can be canceled again
            order[slot]["ord_status"] = OrdStatus.NEW
            order_state.rest(order, slot, positions, index)
        if order[slot]["ord_status"] == OrdStatus.UNKNOWN or order[slot]["ord_status"] == OrdStatus.PENDING_NEW:
            if order[slot]["user_ref"] >= next_ref:
                order_state.finish(order, slot, positions, index, OrdStatus.REJECTED)
                orders.drop_live(lane, insts, slot)
                notify_order(lane, work, insts, products, order, slot, now_ns)
                k -= 1
            else:
                order[slot]["ord_status"] = OrdStatus.UNKNOWN
                halt_symbol[order[slot]["inst"]] = Halt.RECONCILE


@kernel
def slot_of(lane: np.ndarray, v: int, ref: int) -> int:
    """Give the order slot that a UserRefNum belongs to; -1 when we do not hold it."""
    slot = i64(lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)])
    order = lane[0]["orders"]
    if slot < 0 or slot >= at.ORDER_SLOTS or order[slot]["venue"] != v:
        return -1
    if order[slot]["user_ref"] == ref or order[slot]["pending_ref"] == ref:
        return slot
    return -1


@kernel
def apply(lane: np.ndarray, work: np.ndarray, positions: np.ndarray, v: int, kind: int, slot: int, index: int, now_ns: int) -> int:  # fmt: skip
    """Do to an order what the message on the desk says. As order_state: 0 is impossible."""
    m = work[0]["answer"][0]
    order = lane[0]["orders"]
    if kind == ouch.ACCEPTED:
        done = order_state.accepted(order, slot, positions, index, m["px"], m["qty"], m["order_ref"], m["state"] == ouch.DEAD, now_ns)
        record(lane[0]["histograms"][Stage.ACK], now_ns - order[slot]["sent_ns"])
        count(lane, Counter.ACCEPTED, 1)
        return done
    if kind == ouch.REPLACED:
        leaves = m["qty"]  # outstanding: executed shares are not in it
        record(lane[0]["histograms"][Stage.ACK], now_ns - order[slot]["sent_ns"])
        order[slot]["queue_ahead"] = -1
        return order_state.replaced(order, slot, positions, index, m["user_ref"], m["px"], leaves, m["order_ref"], m["state"] == ouch.DEAD, now_ns)
    if kind == ouch.CANCELED:
        return order_state.canceled(order, slot, positions, index, m["qty"], m["reason"])
    if kind == ouch.EXECUTED:
        mils = lane[0]["venues"][v]["maker_mils"] if m["liquidity"] == LIQUIDITY_ADDED else lane[0]["venues"][v]["taker_mils"]
        done = order_state.executed(order, slot, positions, index, m["px"], m["qty"], mils)
        record(lane[0]["histograms"][Stage.FILL], now_ns - order[slot]["sent_ns"])
        count(lane, Counter.FILLS, 1)
        count(lane, Counter.BUYS if order[slot]["side"] == Side.BUY else Counter.SELLS, 1)
        return done
    if kind == ouch.REJECTED:
        count(lane, Counter.REJECTED, 1)
        return order_state.rejected(order, slot, positions, index, m["user_ref"], m["reason"])
    return 1


@kernel
def sequenced(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    v: int, start: int, size: int, now_ns: int,
) -> None:  # fmt: skip
    """Apply one sequenced message and raise the session's sequence number."""
    venue = lane[0]["venues"]
    m = work[0]["answer"]
    kind = ouch.decode_out(venue[v]["rx"], start, size, m)
    seq = venue[v]["order_seq"]
    slot = i64(-1)
    if kind == ouch.ACCOUNT_QUERY_RESPONSE:
        replayed(lane, work, halt_symbol, insts, products, positions, v, m[0]["next_ref"], now_ns)
    elif kind < 0:
        count(lane, Counter.DROP_OUCH, 1)
    elif kind != ouch.SYSTEM_EVENT:
        slot = slot_of(lane, v, m[0]["orig_ref"] if kind == ouch.REPLACED else m[0]["user_ref"])
        if slot < 0:
            count(lane, Counter.UNKNOWN_REF, 1)
            halt_venue(lane, v)
    order = lane[0]["orders"]
    if slot >= 0:
        index = order[slot]["strat"] * insts.shape[0] + order[slot]["inst"]
        was_live = order_state.live(order[slot]["ord_status"])
        order_state.guard(lane[0]["control"], order, slot, positions, index, v, seq)
        if apply(lane, work, positions, v, kind, slot, index, now_ns) == 0:
            count(lane, Counter.IMPOSSIBLE, 1)
        order[slot]["last_ns"] = now_ns
        venue[v]["order_seq"] = seq + 1
        order_state.settle(lane[0]["control"])
        if was_live and not order_state.live(order[slot]["ord_status"]):
            orders.drop_live(lane, insts, slot)
        notify_order(lane, work, insts, products, order, slot, now_ns)
        journal(lane, JournalKind.RECEIVED, v, order[slot]["strat"], order[slot]["inst"], now_ns, venue[v]["rx"], start, size)
    else:
        venue[v]["order_seq"] = seq + 1
        journal(lane, JournalKind.RECEIVED, v, -1, -1, now_ns, venue[v]["rx"], start, size)


@kernel
def halt_venue(lane: np.ndarray, v: int) -> None:
    """The venue speaks of an order that we do not hold: nothing new goes there until a person has looked."""
    if lane[0]["control"][0]["halt_venue"][v] == 0:
        lane[0]["control"][0]["halt_venue"][v] = Halt.RECONCILE


@kernel
def frame(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    v: int, start: int, size: int, now_ns: int,
) -> int:  # fmt: skip
    """Take one frame of `size` bytes, type first. 0, or the reason why the loop must return."""
    venue = lane[0]["venues"]
    kind = venue[v]["rx"][start]
    state = venue[v]["session_state"]
    if kind == SEQUENCED and (state == Session.REPLAYING or state == Session.UP):
        sequenced(lane, work, halt_symbol, insts, products, positions, v, start + 1, size - 1, now_ns)
        return 0
    if kind == HEARTBEAT or kind == DEBUG:
        return 0
    if kind == LOGIN_ACCEPTED and size == 31 and state == Session.LOGIN_SENT:
        if logged_in(lane, v, start + 1) == 1:
            return 0
        venue[v]["reject_code"] = 0
        return Reason.LOGIN_REJECTED
    if kind == LOGIN_REJECTED and size == 2 and state == Session.LOGIN_SENT:
        venue[v]["reject_code"] = venue[v]["rx"][start + 1]
        return Reason.LOGIN_REJECTED
    if kind == END:
        return Reason.DISCONNECTED
    count(lane, Counter.DROP_SOUP, 1)
    return Reason.DISCONNECTED


@kernel
def drain(
    lane: np.ndarray,
    work: np.ndarray,
    halt_symbol: np.ndarray,
    insts: np.ndarray,
    products: np.ndarray,
    positions: np.ndarray,
    v: int,
    now_ns: int,
) -> int:
    """Take what the session has sent: 0, or the reason why the loop must return (with the venue in work.why)."""
    venue = lane[0]["venues"]
    held = venue[v]["rx_len"]
    got = recv(venue[v]["fd_order"], venue[v]["rx"].ctypes.data + held, at.SOUP_BUFFER - held)
    if got <= 0:
        if got == -EAGAIN or got == -EINTR:
            return 0
        work[0]["why"] = v
        return Reason.DISCONNECTED
    now_ns = now(lane[0]["control"])
    venue[v]["order_rx_ns"] = now_ns
    held += got
    start = i64(0)
    while held - start >= 2:
        size = get_u16(venue[v]["rx"], start)
        if size == 0 or size > 4096:  # nothing that a venue sends is as long
            count(lane, Counter.DROP_SOUP, 1)
            work[0]["why"] = v
            return Reason.DISCONNECTED
        if held - start < 2 + size:
            break
        answer = frame(lane, work, halt_symbol, insts, products, positions, v, start + 2, size, now_ns)
        if answer != 0:
            work[0]["why"] = v
            return answer
        start += 2 + size
    if start > 0:
        for k in range(held - start):
            venue[v]["rx"][k] = venue[v]["rx"][start + k]
    venue[v]["rx_len"] = held - start
    return 0


@kernel
def keep_alive(lane: np.ndarray, v: int, now_ns: int) -> int:
    """Heartbeat when nothing was sent for a second: 0, or DISCONNECTED when the venue was silent for fifteen or the line is broken."""
    venue = lane[0]["venues"]
    if venue[v]["session_state"] == Session.DOWN or venue[v]["session_state"] == Session.REFUSED:
        return 0
    if now_ns - venue[v]["order_rx_ns"] > wire.SILENCE_NS:
        return Reason.DISCONNECTED
    if venue[v]["tx_len"] != 0:
        gone = wire.flush(lane, v, now_ns)
    elif now_ns - venue[v]["order_tx_ns"] >= wire.HEARTBEAT_NS and venue[v]["session_state"] != Session.CONNECTING:
        gone = wire.heartbeat(lane, v, now_ns)
    else:
        return 0
    return Reason.DISCONNECTED if gone < 0 else 0
