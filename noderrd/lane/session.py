"""The order session: SoupBinTCP frames in, orders' states out. Login is asked for in `cold`; its answer arrives here like any other message.

Sequenced messages are applied once each: the session's next sequence number is in shared memory and is raised after a message was applied
under the undo log. After a login the venue replays what was missed, then an account query is put; its answer ends the replay,
because it comes behind everything the venue had said before.
"""

import numpy as np

from core import exposure, order_state, ouch, position, risk, soupbintcp
from core import layout as at
from core.bigendian import get_i64, get_u16, put_u16
from core.codes import Counter, Halt, JournalKind, OrdStatus, Reason, Session, Side, Stage
from core.histogram import record
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane import halt, orders, wire
from noderrd.lane.clock import now
from noderrd.lane.record import count, journal, journal_words, notify_order
from noderrd.lane.syscalls import EAGAIN, EINTR, recv

LIQUIDITY_ADDED = 65  # A
FRAME_MAX = 4096  # nothing that a venue sends is as long
QUERIES_MOST = 8
ANSWER_NS = 10_000_000_000  # a query that got no answer so long does not keep other orders from being asked about
PENDING_NS = 2_000_000_000  # what waits longer for its answer is asked about, once


@kernel
def logged_in(lane: np.ndarray, v: int, start: int) -> int:
    """Take a Login Accepted (SoupBinTCP 3.00 section 2.2.2): session and next sequence number must be the ones we know.

    Another session or a number that jumped means messages that we shall never see: 0, and a person must look.
    """
    venue = lane[0]["venues"]
    seq = soupbintcp.number(venue[v]["rx"], start + 10, 20)
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
    venue[v]["failures"] = 0
    count(lane, Counter.LOGINS, 1)
    venue[v]["tx_at"] = 0
    venue[v]["tx_len"] = 0
    ask(lane, v)
    return 1


@kernel
def ask(lane: np.ndarray, v: int) -> None:
    """Begin a session, a new one or a dead lane's: no orders until the venue has said what it knows of ours."""
    venue = lane[0]["venues"]
    venue[v]["session_state"] = Session.REPLAYING
    # The replay may hold answers to queries of earlier connections. One more question than are open: the last answer is certainly to one of these.
    out = min(venue[v]["queries_out"], i64(QUERIES_MOST))
    venue[v]["replay_left"] = out + 1
    venue[v]["queries_out"] = 2 * out + 1
    venue[v]["asked_at_ns"] = 0
    name = venue[v]["order_session"]
    journal_words(lane, JournalKind.LOGIN, v, -1, -1, now(lane[0]["control"]), venue[v]["order_seq"], out, get_i64(name, 0), get_u16(name, 8), 0)
    for _ in range(out + 1):
        start = venue[v]["tx_len"]
        size = ouch.put_account_query(venue[v]["tx"], start + 3)
        put_u16(venue[v]["tx"], start, size + 1)
        venue[v]["tx"][start + 2] = orders.UNSEQUENCED
        venue[v]["tx_len"] = start + 3 + size


@kernel
def answered(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    limits: np.ndarray, v: int, next_ref: int, now_ns: int,
) -> None:  # fmt: skip
    """Take the answer to an account query: the venue's next UserRefNum, and with it the fate of what it never spoke of.

    After a login it ends the replay and is about every order; while trading it is about those that went out before the query. An order whose fate it
    leaves open halts its symbol until a person has looked.
    """
    venue = lane[0]["venues"]
    venue[v]["venue_next_ref"] = next_ref
    venue[v]["queries_out"] = max(venue[v]["queries_out"] - 1, i64(0))
    before = i64(at.NO_LIMIT)
    if venue[v]["session_state"] == Session.UP:
        if venue[v]["asked_at_ns"] == 0 or venue[v]["queries_out"] > 0:  # the answer to an older one
            return
        before = venue[v]["asked_ref"]
    else:
        venue[v]["replay_left"] -= 1
        if venue[v]["replay_left"] > 0:
            return
        venue[v]["queries_out"] = 0
    venue[v]["next_ref"] = max(venue[v]["next_ref"], next_ref)
    venue[v]["session_state"] = Session.UP
    since = venue[v]["asked_at_ns"]
    venue[v]["asked_at_ns"] = 0
    order = lane[0]["orders"]
    k = i64(0)
    while k < lane[0]["n_live"]:
        slot = lane[0]["live"][k]
        k += 1
        late = max(order[slot]["user_ref"], order[slot]["pending_ref"]) >= before or order[slot]["request_ns"] > since
        if order[slot]["venue"] != v or (before < at.NO_LIMIT and late) or not pending(order[slot]["ord_status"]):
            continue
        strat, inst = order[slot]["strat"], order[slot]["inst"]
        index = strat * insts.shape[0] + inst
        buy, sell = worst(positions, index)
        order[slot]["asked"] = 1
        if order_state.unanswered(order, slot, positions, index, next_ref) == 1:
            halt_symbol[inst] = Halt.RECONCILE
            halt.alarm(lane, v, strat, inst, now_ns, Halt.RECONCILE, order[slot]["cl_ord_id"])
        shift(lane, insts, products, positions, index, inst, buy, sell)
        risk.mark(lane, insts, positions, limits, strat, inst)
        if not order_state.live(order[slot]["ord_status"]):
            orders.drop_live(lane, insts, slot)
            k -= 1
        notify_order(lane, work, insts, products, order, slot, now_ns)


@kernel
def pending(status: int) -> bool:
    """Tell whether an order waits for a word of the venue."""
    return status == OrdStatus.PENDING_NEW or status == OrdStatus.PENDING_CANCEL or status == OrdStatus.PENDING_REPLACE or status == OrdStatus.UNKNOWN


@kernel
def worst(positions: np.ndarray, index: int) -> tuple[int, int]:
    """Give what a position adds to the exposure shared by lanes: bought and sold, at the worst."""
    return risk.worst(positions, index, i64(Side.BUY)), risk.worst(positions, index, i64(Side.SELL))


@kernel
def shift(lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, index: int, inst: int, buy: int, sell: int) -> None:
    """Tell the other lanes what changed since `worst` gave `buy` and `sell`."""
    row = products[insts[inst]["product"]]["exposure_row"]
    now_buy, now_sell = worst(positions, index)
    exposure.change(lane[0]["control"], row, now_buy - buy, now_sell - sell)


@kernel
def query(lane: np.ndarray, v: int, now_ns: int) -> int:
    """Ask the venue once about orders that have waited longer than PENDING_NS: as wire.flush, 1 when nothing was to be asked."""
    venue = lane[0]["venues"]
    if venue[v]["session_state"] != Session.UP or wire.space(lane, v) < 64:
        return 1
    if venue[v]["asked_at_ns"] != 0 and now_ns - venue[v]["asked_at_ns"] < ANSWER_NS:
        return 1
    order = lane[0]["orders"]
    due = False
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if order[slot]["venue"] != v or order[slot]["asked"] != 0 or not pending(order[slot]["ord_status"]):
            continue
        if now_ns - order[slot]["request_ns"] > PENDING_NS:
            order[slot]["asked"] = 1
            due = True
    if not due:
        return 1
    venue[v]["asked_at_ns"] = now_ns
    venue[v]["asked_ref"] = venue[v]["next_ref"]
    venue[v]["queries_out"] += 1
    count(lane, Counter.QUERIES, 1)
    size = ouch.put_account_query(venue[v]["tx"], venue[v]["tx_len"] + 3)
    return orders.transmit(lane, v, -1, -1, size, now_ns)


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
def numbered(lane: np.ndarray, v: int, ref: int, slot: int) -> None:
    """Note under which UserRefNum a venue knows an order, also where the journal lost that we had given it."""
    lane[0]["ref_slots"][v][ref & (at.REF_SLOTS - 1)] = slot
    lane[0]["venues"][v]["next_ref"] = max(lane[0]["venues"][v]["next_ref"], i64(ref + 1))


@kernel
def adopt(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, v: int, now_ns: int
) -> int:  # fmt: skip
    """Take in the order of an Accepted that we know nothing of: its slot, or -1 when it is none of ours.

    While a session is replayed, a UserRefNum that we have not given yet is one whose record a power loss took. Its strategy is not on the wire: the
    first one that trades the symbol gets it, and the symbol is halted until a person has looked.
    """
    m = work[0]["answer"][0]
    ref = i64(m["user_ref"])
    if lane[0]["venues"][v]["session_state"] != Session.REPLAYING or ref < lane[0]["venues"][v]["next_ref"]:
        return -1
    inst = i64(-1)
    for k in range(insts.shape[0]):
        if insts[k]["venue"] == v and insts[k]["stock"] == m["stock"]:
            inst = i64(k)
    slot = orders.free_slot(lane)
    if inst < 0 or slot < 0 or lane[0]["n_live"] + 1 >= at.LIVE_SLOTS:
        return -1
    strat = i64(0)
    for s in range(at.MAX_STRATEGIES):
        if (lane[0]["strategies"][at.MAX_STRATEGIES - 1 - s]["product_mask"] >> insts[inst]["product"]) & 1:
            strat = i64(at.MAX_STRATEGIES - 1 - s)
    order = lane[0]["orders"]
    order[slot]["cl_ord_id"] = m["cl_ord_id"] if m["cl_ord_id"] > 0 else i64(lane[0]["control"][0]["next_id"] + 1)
    lane[0]["control"][0]["next_id"] += 1
    order[slot]["user_ref"] = ref
    order[slot]["venue"] = v
    order[slot]["inst"] = inst
    order[slot]["strat"] = strat
    order[slot]["side"] = m["side"]
    order[slot]["time_in_force"] = m["tif"] - ouch.DAY
    order[slot]["px"] = m["px"]
    order[slot]["order_qty"] = m["qty"]
    order[slot]["queue_ahead"] = -1
    order[slot]["sent"] = 1
    order[slot]["sent_ns"] = now_ns
    order[slot]["request_ns"] = now_ns
    order[slot]["pending_ref"] = 0
    order[slot]["order_ref"] = 0
    order[slot]["flags"] = 0
    order[slot]["asked"] = 0
    order[slot]["cum_qty"] = 0
    order[slot]["cum_value"] = 0
    order[slot]["pending_px"] = 0
    order[slot]["pending_qty"] = 0
    order[slot]["paper_qty"] = 0
    order[slot]["last_px"] = 0
    order[slot]["last_qty"] = 0
    order[slot]["rx_ns"] = 0
    order[slot]["arrival"] = 0
    order[slot]["ack_ns"] = 0
    order[slot]["reason"] = 0
    order[slot]["denial"] = 0
    numbered(lane, v, ref, slot)
    index = strat * insts.shape[0] + inst
    buy, sell = worst(positions, index)
    order_state.enter(order, slot, positions, index)
    orders.add_live(lane, insts, slot)
    shift(lane, insts, products, positions, index, inst, buy, sell)
    halt_symbol[inst] = Halt.RECONCILE
    halt.alarm(lane, v, strat, inst, now_ns, Halt.RECONCILE, order[slot]["cl_ord_id"])
    return slot


@kernel
def believed(kind: int, px: int, qty: int) -> bool:
    """Tell whether numbers off the wire are such that no sum of ours can overflow with them."""
    if kind == ouch.EXECUTED or kind == ouch.ACCEPTED or kind == ouch.REPLACED:
        return 0 < px <= position.PX_MAX and 0 <= qty < position.QTY_MOST
    return qty < position.QTY_MOST


@kernel
def apply(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, positions: np.ndarray, v: int, kind: int, slot: int, index: int, now_ns: int
) -> int:  # fmt: skip
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
        numbered(lane, v, m["user_ref"], slot)
        record(lane[0]["histograms"][Stage.ACK], now_ns - order[slot]["sent_ns"])
        order[slot]["queue_ahead"] = -1
        return order_state.replaced(order, slot, positions, index, m["user_ref"], m["px"], leaves, m["order_ref"], m["state"] == ouch.DEAD, now_ns)
    if kind == ouch.CANCELED or kind == ouch.AIQ_CANCELED:
        return order_state.canceled(order, slot, positions, index, m["qty"], m["reason"])
    if kind == ouch.EXECUTED:
        mils = lane[0]["venues"][v]["maker_mils"] if m["liquidity"] == LIQUIDITY_ADDED else lane[0]["venues"][v]["taker_mils"]
        if m["qty"] > order[slot]["leaves_qty"]:
            count(lane, Counter.OVERFILLS, 1)
        remember(lane, insts, v, slot, index, m["match"], m["px"], m["qty"], mils * m["qty"], now_ns)
        done = order_state.executed(order, slot, positions, index, m["px"], m["qty"], mils)
        record(lane[0]["histograms"][Stage.FILL], now_ns - order[slot]["sent_ns"])
        count(lane, Counter.FILLS, 1)
        count(lane, Counter.BUYS if order[slot]["side"] == Side.BUY else Counter.SELLS, 1)
        return done
    if kind == ouch.REJECTED:
        count(lane, Counter.REJECTED, 1)
        return order_state.rejected(order, slot, positions, index, m["user_ref"], m["reason"])
    if kind == ouch.CANCEL_REJECT:
        return order_state.cancel_rejected(order, slot, positions, index)
    if kind == ouch.PRIORITY_UPDATE:
        return order_state.priority(order, slot, m["px"], m["order_ref"])
    if kind == ouch.MODIFIED:
        return order_state.modified(order, slot, positions, index, m["qty"])
    if kind == ouch.RESTATED:
        order[slot]["reason"] = m["reason"]
    return 1  # Cancel Pending: it is


@kernel
def remember(lane: np.ndarray, insts: np.ndarray, v: int, slot: int, index: int, match: int, px: int, qty: int, fee: int, now_ns: int) -> None:
    """Keep an execution for the bust that may name it; the oldest makes room."""
    head = lane[0]["control"][0]["fill_head"]
    it = lane[0]["fills"][head & (at.FILL_SLOTS - 1)]
    it["match"] = match
    it["cl_ord_id"] = lane[0]["orders"][slot]["cl_ord_id"]
    it["px"] = px
    it["qty"] = qty
    it["fee"] = fee
    it["ts_ns"] = now_ns
    it["after_ns"] = now_ns - lane[0]["orders"][slot]["sent_ns"]
    it["arrival"] = lane[0]["orders"][slot]["arrival"]
    it["mid"] = orders.mid(insts, lane[0]["orders"][slot]["inst"])
    it["venue"] = v
    it["slot"] = slot
    it["index"] = index
    it["side"] = lane[0]["orders"][slot]["side"]
    it["busted"] = 0
    lane[0]["control"][0]["fill_head"] = head + 1


@kernel
def broken_trade(
    lane: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, v: int, match: int, seq: int
) -> int:
    """Take back the execution of a match number (Broken Trade, section 3.7): its slot; -1 when we do not hold it, -2 when it was taken back already.

    A search: busts are rare, and what happens meanwhile waits some microseconds.
    """
    head = lane[0]["control"][0]["fill_head"]
    for k in range(min(head, i64(at.FILL_SLOTS))):
        n = (head - 1 - k) & (at.FILL_SLOTS - 1)
        it = lane[0]["fills"][n]
        if it["match"] != match or it["venue"] != v:
            continue
        if it["busted"] != 0:
            return -2
        slot, index = i64(it["slot"]), i64(it["index"])
        buy, sell = worst(positions, index)
        order_state.guard(lane[0]["control"], lane[0]["orders"], slot, positions, index, v, seq)
        position.bust(positions, index, it["side"], it["px"], it["qty"], it["fee"])
        if lane[0]["orders"][slot]["cl_ord_id"] == it["cl_ord_id"]:
            order_state.busted(lane[0]["orders"], slot, it["px"], it["qty"])
        lane[0]["venues"][v]["order_seq"] = seq + 1
        order_state.settle(lane[0]["control"])
        it["busted"] = 1
        count(lane, Counter.BUSTS, 1)
        inst = index % insts.shape[0]
        shift(lane, insts, products, positions, index, inst, buy, sell)
        risk.mark(lane, insts, positions, limits, index // insts.shape[0], inst)
        return slot
    return -1


@kernel
def journal_received(lane: np.ndarray, v: int, kind: int, m: np.ndarray, seq: int, start: int, size: int, now_ns: int) -> None:
    """Journal a sequenced message before it is applied: what was applied is in the journal whenever the lane dies.

    What a lane journaled and died before it had applied comes again, and is not told twice.
    """
    venue = lane[0]["venues"]
    told_before = venue[v]["journaled_seq"] == seq
    venue[v]["journaled_seq"] = 0
    if told_before:
        return
    slot = slot_of(lane, v, m[0]["orig_ref"] if kind == ouch.REPLACED else m[0]["user_ref"])
    strat = i64(lane[0]["orders"][slot]["strat"]) if slot >= 0 else i64(-1)
    inst = i64(lane[0]["orders"][slot]["inst"]) if slot >= 0 else i64(-1)
    journal(lane, JournalKind.RECEIVED, v, strat, inst, now_ns, seq, venue[v]["rx"], start, size)


@kernel
def sequenced(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    limits: np.ndarray, v: int, start: int, size: int, now_ns: int,
) -> None:  # fmt: skip
    """Apply one sequenced message and raise the session's sequence number."""
    venue = lane[0]["venues"]
    m = work[0]["answer"]
    kind = ouch.decode_out(venue[v]["rx"], start, size, m)
    seq = venue[v]["order_seq"]
    journal_received(lane, v, kind, m, seq, start, size, now_ns)
    slot = i64(-1)
    if kind == ouch.ACCOUNT_QUERY_RESPONSE:
        answered(lane, work, halt_symbol, insts, products, positions, limits, v, m[0]["next_ref"], now_ns)
    elif kind < 0:
        count(lane, Counter.DROP_OUCH, 1)
        halt.alarm(lane, v, -1, -1, now_ns, Halt.RECONCILE, kind)
        halt_venue(lane, v)
    elif kind == ouch.BROKEN_TRADE:
        slot = broken_trade(lane, insts, products, positions, limits, v, m[0]["match"], seq)
        if slot == -1:
            count(lane, Counter.UNKNOWN_REF, 1)
            halt.alarm(lane, v, -1, -1, now_ns, Halt.RECONCILE, m[0]["match"])
            halt_venue(lane, v)
        elif slot >= 0:
            notify_order(lane, work, insts, products, lane[0]["orders"], slot, now_ns)
    elif kind != ouch.SYSTEM_EVENT:
        slot = slot_of(lane, v, m[0]["orig_ref"] if kind == ouch.REPLACED else m[0]["user_ref"])
        if slot < 0 and kind == ouch.ACCEPTED:
            slot = adopt(lane, work, halt_symbol, insts, products, positions, v, now_ns)
        if slot < 0 or not believed(kind, m[0]["px"], m[0]["qty"]):
            count(lane, Counter.UNKNOWN_REF if slot < 0 else Counter.DROP_OUCH, 1)
            halt.alarm(lane, v, -1, -1, now_ns, Halt.RECONCILE, m[0]["user_ref"])
            halt_venue(lane, v)
        else:
            told(lane, work, insts, products, positions, limits, v, kind, slot, seq, now_ns)
    venue[v]["order_seq"] = seq + 1


@kernel
def told(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, v: int, kind: int,
    slot: int, seq: int, now_ns: int,
) -> None:  # fmt: skip
    """Apply the message on the desk to its order under the undo log, then to all that is counted from orders and positions."""
    order = lane[0]["orders"]
    strat, inst = order[slot]["strat"], order[slot]["inst"]
    index = strat * insts.shape[0] + inst
    was_live = order_state.live(order[slot]["ord_status"])
    buy, sell = worst(positions, index)
    order_state.guard(lane[0]["control"], order, slot, positions, index, v, seq)
    if apply(lane, work, insts, positions, v, kind, slot, index, now_ns) == 0:
        count(lane, Counter.IMPOSSIBLE, 1)
        halt.alarm(lane, v, strat, inst, now_ns, kind, order[slot]["cl_ord_id"])
    order[slot]["last_ns"] = now_ns
    lane[0]["venues"][v]["order_seq"] = seq + 1
    order_state.settle(lane[0]["control"])
    if was_live and not order_state.live(order[slot]["ord_status"]):
        orders.drop_live(lane, insts, slot)
    shift(lane, insts, products, positions, index, inst, buy, sell)
    notify_order(lane, work, insts, products, order, slot, now_ns)
    if kind == ouch.EXECUTED and risk.executed(lane, limits, index, strat, now_ns):
        halt.strategy(lane, insts, limits, strat, Halt.EXECUTIONS, lane[0]["strategies"][strat]["n_executions"], now_ns)
    halt.mark(lane, insts, positions, limits, strat, inst, now_ns)


@kernel
def halt_venue(lane: np.ndarray, v: int) -> None:
    """The venue speaks of an order that we do not hold: nothing new goes there until a person has looked."""
    if lane[0]["control"][0]["halt_venue"][v] == 0:
        lane[0]["control"][0]["halt_venue"][v] = Halt.RECONCILE


@kernel
def frame(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    limits: np.ndarray, v: int, start: int, size: int, now_ns: int,
) -> int:  # fmt: skip
    """Take one frame of `size` bytes, type first. 0, or the reason why the loop must return."""
    venue = lane[0]["venues"]
    kind = venue[v]["rx"][start]
    state = venue[v]["session_state"]
    if kind == soupbintcp.SEQUENCED and (state == Session.REPLAYING or state == Session.UP):
        sequenced(lane, work, halt_symbol, insts, products, positions, limits, v, start + 1, size - 1, now_ns)
        return 0
    if kind == soupbintcp.SERVER_HEARTBEAT or kind == soupbintcp.DEBUG:
        return 0
    if kind == soupbintcp.LOGIN_ACCEPTED and size == 31 and state == Session.LOGIN_SENT:
        if logged_in(lane, v, start + 1) == 1:
            return 0
        venue[v]["reject_code"] = 0
        return Reason.LOGIN_REJECTED
    if kind == soupbintcp.LOGIN_REJECTED and size == 2 and state == Session.LOGIN_SENT:
        venue[v]["reject_code"] = venue[v]["rx"][start + 1]
        return Reason.LOGIN_REJECTED
    if kind == soupbintcp.END_OF_SESSION:
        return Reason.DISCONNECTED
    count(lane, Counter.DROP_SOUP, 1)
    return Reason.DISCONNECTED


@inlined
def drain(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    limits: np.ndarray, v: int,
) -> int:  # fmt: skip
    """Take what the session has sent: 0, or the reason why the loop must return (with the venue in work.why)."""
    venue = lane[0]["venues"]
    held = venue[v]["rx_len"]
    got = recv(venue[v]["fd_order"], venue[v]["rx"].ctypes.data + held, at.SOUP_BUFFER - held)
    if got <= 0:
        if got == -EAGAIN or got == -EINTR:
            return 0
        work[0]["why"] = v
        return Reason.DISCONNECTED
    stamp = now(lane[0]["control"])
    venue[v]["order_rx_ns"] = stamp
    venue[v]["rx_len"] = held + got
    venue[v]["order_rx_bytes"] += got
    return take(lane, work, halt_symbol, insts, products, positions, limits, v, stamp)


@kernel
def take(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, products: np.ndarray, positions: np.ndarray,
    limits: np.ndarray, v: int, now_ns: int,
) -> int:  # fmt: skip
    """Take the whole frames that lie in the session's buffer. As `drain`."""
    venue = lane[0]["venues"]
    held = venue[v]["rx_len"]
    start = i64(0)
    while held - start >= 2:
        size = get_u16(venue[v]["rx"], start)
        if size == 0 or size > FRAME_MAX:
            count(lane, Counter.DROP_SOUP, 1)
            work[0]["why"] = v
            return Reason.DISCONNECTED
        if held - start < 2 + size:
            break
        answer = frame(lane, work, halt_symbol, insts, products, positions, limits, v, start + 2, size, now_ns)
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
    if venue[v]["session_state"] == Session.DOWN or venue[v]["session_state"] == Session.REFUSED or orders.simulated(venue, v):
        return 0
    if now_ns - venue[v]["order_rx_ns"] > wire.SILENCE_NS:
        return Reason.DISCONNECTED
    if venue[v]["tx_len"] != 0:
        gone = wire.flush(lane, v, now_ns)
    elif query(lane, v, now_ns) < 0:
        gone = i64(-1)
    elif now_ns - venue[v]["order_tx_ns"] >= wire.HEARTBEAT_NS and venue[v]["session_state"] != Session.CONNECTING:
        gone = wire.heartbeat(lane, v, now_ns)
    else:
        return 0
    return Reason.DISCONNECTED if gone < 0 else 0
