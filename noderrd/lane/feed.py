"""Market data in: MoldUDP64 datagrams of both lines and of the retransmission server, ITCH messages, books.

Messages are applied strictly in sequence. A datagram from the future shows a gap: the missing range is asked for at once and again every
ASK_NS while nothing comes, and what is ahead of the gap is let go, for the server has it too. So nothing is held back, nothing is
applied twice, and a late joiner walks up from message 1 in the same way. While a gap is open the channel is not LIVE
and nobody decides on its books. (MoldUDP64 1.00; arbitration of lines: the first copy wins.) Requests go to one server after the other while
none answers.

What retransmission does not bring (too old, too much, no server) a snapshot does, where the venue has one, and so does a symbol whose book is
no longer the venue's. Another session begins when the one before has ended or fallen silent; its books begin empty. Both are the cold side's
work (noderrd.lane.snapshot): `rebuild` says that they are due, and what comes meanwhile is kept (noderrd.lane.held) and applied afterwards.

A venue's books are CLOSED outside market hours: by its own System Events, and by the calendar that it is configured with, if any. One that
publishes no phase goes by its calendar alone.
"""

import numpy as np

from core import book, features, itch
from core.atomics import begin, end
from core.bigendian import get_i64, get_u16, put_i64, put_u16
from core.codes import BookState, Change, Counter, Phase, Rebuild, Stage
from core.histogram import record
from core.integer import i64, u64
from core.jit import inlined, kernel
from core.layout import HOLES, HOURS
from noderrd.lane import held, orders, paper
from noderrd.lane.clock import elapsed
from noderrd.lane.record import count, journal_datagram
from noderrd.lane.syscalls import cycles, send

HEADER = 20
END_OF_SESSION = 0xFFFF
ASK_NS = 5_000_000
ASK_MAX = 2000  # messages asked for at once; the server answers with what fits in a datagram
STALE_NS = 3_000_000_000  # heartbeats come every second
STUCK_NS = 500_000_000  # a gap that does not become smaller for so long wants a snapshot
FAR = 50_000  # so many messages behind, a snapshot is quicker than walking up
SNAPSHOT_NS = 5_000_000_000  # between two tries
SKEW_SHARE = 64  # of a new value in the running average
JUMP = 1 << 24  # a number so far ahead may be damage: no line's account is changed by it, and alone it opens no gap
LINE_REQUEST, LINE_HELD = 2, 3


@kernel
def ask(lane: np.ndarray, v: int, now_ns: int) -> None:
    """Request the messages from the next expected one on (MoldUDP64 section 3: Request Packet)."""
    venue = lane[0]["venues"]
    missing = min(venue[v]["high_seq"] - venue[v]["next_seq"], i64(ASK_MAX))
    if missing <= 0 or venue[v]["fd_request"] < 0:
        return
    packet = venue[v]["request"]
    for k in range(10):
        packet[k] = venue[v]["session"][k]
    put_i64(packet, 10, venue[v]["next_seq"])
    put_u16(packet, 18, missing)
    if venue[v]["asked_seq"] == venue[v]["next_seq"] and venue[v]["n_servers"] > 1:  # the one that was asked has not answered
        venue[v]["server"] = (venue[v]["server"] + 1) % venue[v]["n_servers"]
        venue[v]["fd_request"] = venue[v]["servers"][venue[v]["server"]]
    send(venue[v]["fd_request"], packet.ctypes.data, HEADER)
    venue[v]["asked_seq"] = venue[v]["next_seq"]
    venue[v]["asked_ns"] = now_ns
    count(lane, Counter.REREQUESTS, 1)


@inlined
def touch(work: np.ndarray, insts: np.ndarray, inst: int) -> None:
    """List a symbol as changed by this datagram, and turn its readers away until the datagram is done."""
    if insts[inst]["touched"] == 0:
        work[0]["touched"][work[0]["n_touched"]] = inst
        work[0]["n_touched"] += 1
        begin(insts, inst)


@kernel
def left(order: np.ndarray, slot: int, side: int, price: int, ref: int, shares: int) -> None:
    """Shares of a resting order are gone: an own order at its price moves up if that stood before it, which a lower reference tells."""
    if order[slot]["side"] == side and order[slot]["px"] == price and ref < order[slot]["order_ref"] and order[slot]["queue_ahead"] > 0:
        order[slot]["queue_ahead"] = max(order[slot]["queue_ahead"] - shares, i64(0))


@kernel
def queue_ahead(
    lane: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, changed: np.ndarray, inst: int,
) -> None:  # fmt: skip
    """Follow the place of own orders in a symbol: what stood at their price when they came, less what has left since."""
    order = lane[0]["orders"]
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if order[slot]["inst"] != inst:
            continue
        side, price = i64(changed[0]["side"]), changed[0]["px"]
        if changed[0]["qty"] < 0:
            left(order, slot, side, price, changed[0]["ref"], -changed[0]["qty"])
        elif changed[0]["ref"] == order[slot]["order_ref"]:
            n = i64(insts[inst]["n"][side])
            level = book.level_of(px[inst, side], side, n, price)
            order[slot]["queue_ahead"] = qty[inst, side, level] - changed[0]["qty"]
        if changed[0]["old_ref"] != 0:
            left(order, slot, side, changed[0]["old_px"], changed[0]["old_ref"], changed[0]["old_qty"])


@kernel
def closed(venue: np.ndarray, v: int) -> bool:
    """Whether a venue is closed: its session has ended, its calendar says so, or its phase; where it publishes none, the calendar decides."""
    if venue[v]["ended"] != 0 or venue[v]["shut"] != 0:
        return True
    if venue[v]["phase"] == Phase.UNKNOWN:
        return venue[v]["scheduled"] == 0
    return venue[v]["phase"] != Phase.START_OF_MARKET_HOURS


@kernel
def open_or_close(work: np.ndarray, insts: np.ndarray, venue: np.ndarray, v: int) -> None:
    """Set or clear CLOSED."""
    before = i64(venue[v]["state"])
    after = before & ~i64(BookState.CLOSED)
    if closed(venue, v):
        after |= BookState.CLOSED
    if after != before:
        venue[v]["state"] = after
        touch_all(work, insts, v)


@kernel
def system_event(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, code: int) -> None:
    """Follow the venue's phase (ITCH 5.0 section 1.1)."""
    venue = lane[0]["venues"]
    venue[v]["phase"] = book.phase_after(venue[v]["phase"], code)
    open_or_close(work, insts, venue, v)
    touch_all(work, insts, v)


@kernel
def breaker(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int) -> None:
    """Take a Market-Wide Circuit Breaker message (section 1.2.5): its levels, or the one that was reached, which halts every symbol."""
    venue, msg = lane[0]["venues"], work[0]["message"][0]
    if msg["kind"] == itch.V:
        venue[v]["breaker"][0] = msg["px"]
        venue[v]["breaker"][1] = msg["px2"]
        venue[v]["breaker"][2] = msg["px3"]
        venue[v]["breached"] = 0
        return
    venue[v]["breached"] = msg["code"] - 48
    touch_all(work, insts, v)
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == v:
            book.break_off(insts, inst)


@kernel
def hours(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, now_ns: int) -> bool:
    """Once a second: follow the venue's calendar. True when the hours that are known ahead run out."""
    venue = lane[0]["venues"]
    if venue[v]["scheduled"] == 0:
        return False
    inside = False
    for k in range(HOURS):
        inside = inside or (venue[v]["hours"][k, 0] <= now_ns < venue[v]["hours"][k, 1])
    venue[v]["shut"] = 0 if inside else 1
    open_or_close(work, insts, venue, v)
    return now_ns >= venue[v]["hours_until"]


@kernel
def touch_all(work: np.ndarray, insts: np.ndarray, v: int) -> None:
    """The state of every symbol of a venue changed."""
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == v:
            touch(work, insts, inst)
            insts[inst]["touched"] = insts[inst]["touched"] | Change.STATUS


@inlined
def message(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray,
    locates: np.ndarray, products: np.ndarray, v: int, start: int, size: int, seq: int, now_ns: int,
) -> None:  # fmt: skip
    """Decode one message and apply it to its book."""
    control = lane[0]["control"]
    began = cycles()
    kind = itch.decode(work[0]["data"], start, size, work[0]["message"])
    decoded = cycles()
    record(lane[0]["histograms"][Stage.DECODE], elapsed(control, decoded - began))
    work[0]["decoding_tsc"] += decoded - began
    count(lane, Counter.MESSAGES, 1)
    if kind < 0:
        count(lane, Counter.DROP_UNKNOWN, 1)
        return
    if kind == itch.S:
        system_event(lane, work, insts, v, work[0]["message"][0]["code"])
        return
    if kind == itch.W or kind == itch.V:
        breaker(lane, work, insts, v)
        return
    changed = work[0]["changed"]
    known = locates[v, work[0]["message"][0]["locate"]]
    if known >= 0:
        touch(work, insts, known)
    inst = book.apply(work[0]["message"], v, locates, insts, px, qty, cnt, lane[0]["table_head"], table, changed)
    record(lane[0]["histograms"][Stage.BOOK], elapsed(control, cycles() - decoded))
    if inst < -1:
        trouble(lane, insts, v, known, inst)
        return
    if inst < 0:
        return
    if known < 0:
        touch(work, insts, inst)
    insts[inst]["seq_num"] = seq
    insts[inst]["rx_ns"] = now_ns
    what = changed[0]["what"]
    if what & Change.TRADE and (insts[inst]["state"] | lane[0]["venues"][v]["state"]) != 0:
        what = what & ~Change.TRADE  # one out of the past, or of a book that is not LIVE, is told to nobody and fills nothing on paper
    insts[inst]["touched"] = insts[inst]["touched"] | what
    if what & Change.TRADE:
        work[0]["traded"][inst] = changed[0]
    if insts[inst]["own_open"] > 0 and what & Change.BOOK:
        if not orders.simulated(lane[0]["venues"], v):
            queue_ahead(lane, insts, px, qty, changed, inst)
        elif what & Change.TRADE:
            paper.traded(lane, changed, inst)
    features.update(products, insts[inst]["product"], inst, insts, px, qty, changed, now_ns)


@kernel
def trouble(lane: np.ndarray, insts: np.ndarray, v: int, known: int, code: int) -> None:
    """A message that its book could not take: the symbol is no longer LIVE, and it is counted why.

    A book that is full, or has an order that no table can hold, stays out of service; one that is not the venue's any more can be had again from a
    snapshot.
    """
    if code == book.LEVELS_FULL or code == book.TABLE_FULL or code == book.REFERENCE_TOO_LARGE:
        count(lane, Counter.BOOK_FULL, 1)
    else:
        count(lane, Counter.UNKNOWN_ORDER, 1)
        lane[0]["venues"][v]["resync"] = 1
    if known >= 0:
        insts[known]["state"] = insts[known]["state"] | BookState.GAP
        insts[known]["touched"] = insts[known]["touched"] | Change.STATUS


@kernel
def late(venue: np.ndarray, v: int, line: int, seq: int, n: int) -> bool:
    """Whether [seq, seq + n) is one of the stretches missing on a line, or the edge of one; it is missing no longer then."""
    holes = venue[v]["holes"]
    for k in range(HOLES):
        first, last = holes[line, k, 0], holes[line, k, 1]
        if seq < first or seq + n > last or n == 0:
            continue
        if seq == first:
            holes[line, k, 0] = seq + n
        elif seq + n == last:
            holes[line, k, 1] = seq
        else:  # the rest behind it is kept, what is before it counts as lost for good
            holes[line, k, 0] = seq + n
        return True
    return False


@inlined
def line_told(venue: np.ndarray, v: int, line: int, seq: int, n: int, now_ns: int) -> None:
    """Keep a line's own account: what it lost, sent twice, sent late, and how far it is behind the other."""
    expected = venue[v]["line_seq"][line]
    if expected == 0:
        expected = seq
    if seq - expected > JUMP:
        return
    if seq >= expected:
        if seq > expected:
            venue[v]["lost"][line] += seq - expected
            k = venue[v]["hole_at"][line]
            venue[v]["holes"][line, k, 0] = expected
            venue[v]["holes"][line, k, 1] = seq
            venue[v]["hole_at"][line] = (k + 1) % HOLES
        venue[v]["line_seq"][line] = seq + n
        if seq + n <= venue[v]["next_seq"]:
            venue[v]["late"][line] += n
    elif n > 0 and late(venue, v, line, seq, n):
        venue[v]["out_of_order"][line] += n
        venue[v]["lost"][line] -= n
    elif n > 0:
        venue[v]["duplicate"][line] += n
    if n > 0 and seq + n > venue[v]["high_seq"]:
        venue[v]["lead_seq"] = seq
        venue[v]["lead_ns"] = now_ns
        venue[v]["lead_line"] = line
    elif n > 0 and seq == venue[v]["lead_seq"] and line != venue[v]["lead_line"]:
        venue[v]["skew_ns"][line] += (now_ns - venue[v]["lead_ns"] - venue[v]["skew_ns"][line]) // SKEW_SHARE
        venue[v]["lead_seq"] = 0


@kernel
def follow(lane: np.ndarray, v: int, data: np.ndarray, start: int, now_ns: int) -> bool:
    """Take up another session when the one before has ended, or is silent: its books are to be emptied first. False when it is not its time."""
    venue = lane[0]["venues"]
    if venue[v]["ended"] == 0 and not venue[v]["state"] & BookState.STALE:
        return False
    for k in range(10):
        venue[v]["session"][k] = data[start + k]
    for line in range(2):
        venue[v]["line_seq"][line] = 0
        for k in range(HOLES):
            venue[v]["holes"][line, k, 0] = 0
            venue[v]["holes"][line, k, 1] = 0
    venue[v]["ended"] = 0
    venue[v]["next_seq"] = 1
    venue[v]["high_seq"] = 1
    venue[v]["claim_seq"] = 0
    venue[v]["asked_seq"] = 0
    venue[v]["asked_ns"] = 0
    venue[v]["lead_seq"] = 0
    venue[v]["resync"] = 0
    venue[v]["rebuild"] = Rebuild.RESTART
    venue[v]["moved_ns"] = now_ns
    count(lane, Counter.SESSIONS, 1)
    return True


@inlined
def known(venue: np.ndarray, v: int, last: int) -> None:
    """Raise the first number not known to exist. One that is JUMP ahead is damage, unless another that is as far agrees (a late join does)."""
    if last - venue[v]["high_seq"] > JUMP and abs(last - venue[v]["claim_seq"]) > JUMP:
        venue[v]["claim_seq"] = last
        return
    venue[v]["high_seq"] = max(venue[v]["high_seq"], last)


@inlined
def prepared(
    work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray, table: np.ndarray,
    locates: np.ndarray, v: int, start: int, n: int,
) -> None:  # fmt: skip
    """Ask for the memory that a datagram's n messages will need, before the first of them is applied."""
    data, place = work[0]["data"], start
    for _ in range(n):
        length = get_u16(data, place)
        if length == itch.LENGTH_OF[u64(data[u64(place + 2)])]:
            book.ahead(data, place + 2, v, locates, insts, px, qty, cnt, head, table)
        place += 2 + length


@inlined
def whole(data: np.ndarray, start: int, size: int, n: int) -> bool:
    """Tell whether n message blocks fill a datagram exactly."""
    place = start + HEADER
    last = start + size
    for _ in range(n):
        if place + 2 > last:
            return False
        place += 2 + get_u16(data, place)
    return place == last


@inlined
def datagram(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray,
    locates: np.ndarray, products: np.ndarray, v: int, line: int, start: int, size: int, now_ns: int,
) -> int:  # fmt: skip
    """Take one datagram: 1 when decisions are due on the symbols it touched."""
    venue = lane[0]["venues"]
    data = work[0]["data"]
    count(lane, Counter.DATAGRAMS, 1)
    if size < HEADER:
        count(lane, Counter.DROP_TRUNCATED, 1)
        return 0
    seq, n = get_i64(data, start + 10), get_u16(data, start + 18)
    if seq < 0:
        count(lane, Counter.DROP_GARBAGE, 1)
        return 0
    heartbeat = n == 0 or n == END_OF_SESSION
    if not whole(data, start, size, i64(0) if heartbeat else n):
        count(lane, Counter.DROP_TRUNCATED, 1)
        return 0
    if venue[v]["have_session"] == 0:
        for k in range(10):
            venue[v]["session"][k] = data[start + k]
        venue[v]["have_session"] = 1
    for k in range(10):
        if venue[v]["session"][k] != data[start + k]:
            if line < LINE_REQUEST and follow(lane, v, data, start, now_ns):
                break
            count(lane, Counter.DROP_SESSION, 1)
            return 0
    venue[v]["feed_ns"] = now_ns
    if line < LINE_REQUEST:
        venue[v]["line_ns"][line] = now_ns
        venue[v]["received"][line] += 1
        stamp = work[0]["stamp_ns"]
        came_ns = stamp if stamp != 0 and venue[v]["stamp"][0] == venue[v]["stamp"][1] else now_ns
        line_told(venue, v, line, seq, i64(0) if heartbeat else n, came_ns)
    if venue[v]["state"] & BookState.STALE:
        venue[v]["state"] &= ~BookState.STALE
        touch_all(work, insts, v)
    if heartbeat:
        count(lane, Counter.HEARTBEATS, 1)
        known(venue, v, seq)
        if n == END_OF_SESSION and venue[v]["ended"] == 0:
            venue[v]["ended"] = 1
            venue[v]["state"] = venue[v]["state"] | BookState.CLOSED
            touch_all(work, insts, v)
    else:
        known(venue, v, seq + n)
        if seq + n <= venue[v]["next_seq"]:
            count(lane, Counter.DUPLICATES, 1)
        elif venue[v]["rebuild"] != Rebuild.NONE:
            held.keep(lane, work[0]["held"], v, data, start, size)
        elif seq <= venue[v]["next_seq"]:
            place = start + HEADER
            if n > 1:
                prepared(work, insts, px, qty, cnt, lane[0]["table_head"], table, locates, v, place, n)
            journal_datagram(lane, v, now_ns, seq, data, place, size - HEADER)
            for k in range(n):
                length = get_u16(data, place)
                if seq + k == venue[v]["next_seq"]:
                    message(lane, work, insts, px, qty, cnt, table, locates, products, v, place + 2, length, seq + k, now_ns)
                    venue[v]["next_seq"] = seq + k + 1
                    if line == LINE_REQUEST:
                        venue[v]["recovered"] += 1
                place += 2 + length
            venue[v]["moved_ns"] = now_ns
    recover(lane, work, insts, v, line, now_ns)
    return 1 if work[0]["n_touched"] > 0 else 0


@kernel
def whole_again(work: np.ndarray, insts: np.ndarray, venue: np.ndarray, v: int) -> None:
    """Nothing is missing any more."""
    if venue[v]["state"] & BookState.GAP and venue[v]["rebuild"] == Rebuild.NONE:
        venue[v]["state"] &= ~BookState.GAP
        touch_all(work, insts, v)


@inlined
def recover(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, line: int, now_ns: int) -> None:
    """Open, chase or close a gap."""
    venue = lane[0]["venues"]
    missing = venue[v]["high_seq"] > venue[v]["next_seq"]
    kept = venue[v]["held"] != 0  # and what is missing may be in it
    if missing and not venue[v]["state"] & BookState.GAP:
        venue[v]["state"] = venue[v]["state"] | BookState.GAP
        venue[v]["moved_ns"] = now_ns
        count(lane, Counter.GAPS, 1)
        count(lane, Counter.GAP_MESSAGES, venue[v]["high_seq"] - venue[v]["next_seq"])
        touch_all(work, insts, v)
        ask(lane, v, now_ns)
    elif missing and not kept and (line == LINE_REQUEST or now_ns - venue[v]["asked_ns"] > ASK_NS):
        if venue[v]["asked_seq"] < venue[v]["next_seq"] or now_ns - venue[v]["asked_ns"] > ASK_NS:
            ask(lane, v, now_ns)
    elif not missing and not kept:
        whole_again(work, insts, venue, v)


@kernel
def despair(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, now_ns: int) -> None:
    """Want a snapshot: a gap that does not close or is too wide, or a book that is no longer the venue's. At most one try in SNAPSHOT_NS."""
    venue = lane[0]["venues"]
    if venue[v]["has_snapshot"] == 0 or venue[v]["rebuild"] != Rebuild.NONE or venue[v]["held"] != 0:
        return
    if now_ns - venue[v]["snapshot_ns"] < SNAPSHOT_NS:
        return
    gap = venue[v]["state"] & BookState.GAP
    behind = venue[v]["high_seq"] - venue[v]["next_seq"]
    if venue[v]["resync"] != 0 or (gap and (now_ns - venue[v]["moved_ns"] > STUCK_NS or behind > FAR)):
        venue[v]["rebuild"] = Rebuild.SNAPSHOT
        venue[v]["state"] = venue[v]["state"] | BookState.RECOVERING
        venue[v]["snapshot_ns"] = now_ns
        touch_all(work, insts, v)


@kernel
def settle(work: np.ndarray, insts: np.ndarray) -> None:
    """Let the readers of every touched symbol in again."""
    for k in range(work[0]["n_touched"]):
        end(insts, work[0]["touched"][k])


@kernel
def watch(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, v: int, now_ns: int) -> int:
    """Once a millisecond: ask again for what is missing, and notice a channel that went silent. As `datagram`."""
    venue = lane[0]["venues"]
    if venue[v]["have_session"] == 0:
        return 1 if work[0]["n_touched"] > 0 else 0
    if venue[v]["state"] & BookState.GAP and venue[v]["rebuild"] == Rebuild.NONE and venue[v]["held"] == 0:
        if venue[v]["high_seq"] == venue[v]["next_seq"]:
            whole_again(work, insts, venue, v)
        elif now_ns - venue[v]["asked_ns"] > ASK_NS:
            ask(lane, v, now_ns)
    despair(lane, work, insts, v, now_ns)
    if now_ns - venue[v]["feed_ns"] > STALE_NS and venue[v]["ended"] == 0 and not venue[v]["state"] & BookState.STALE:
        venue[v]["state"] = venue[v]["state"] | BookState.STALE
        touch_all(work, insts, v)
    return 1 if work[0]["n_touched"] > 0 else 0
