"""The hot function. One turn: what the order sessions said, then market data, then what the clock says; whatever is cold returns.

The arrays are those of noderrd.lane.memory (shared) and noderrd.lane.work (private); shapes and units are in core/layout.py. It allocates nothing,
locks nothing, logs nothing, and its only system calls are the sockets' (none for a feed that comes by AF_XDP).
"""

import numpy as np

from core import layout as at
from core import order_table, risk
from core.codes import Counter, JournalKind, Mode, Reason, Rebuild, Session
from core.integer import i64
from core.jit import entry, inlined, kernel
from noderrd.lane import ahead, audit, clock, decide, feed, held, orders, paper, session, staged, stamp, xdp_ring
from noderrd.lane.clock import now, wall
from noderrd.lane.record import count, journal_words
from noderrd.lane.syscalls import MSG_TRUNC, cycles, poll, recvmmsg, sched_yield
from noderrd.lane.work import KEPT, NONE, RING

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
NOTICES_A_TURN = 32
IDLE_YIELD, IDLE_SLEEP = 1, 2


@inlined
def receive(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    table: np.ndarray, locates: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, states: np.ndarray,
    v: int, line: int, fd: int,
) -> int:  # fmt: skip
    """Take what waits on one feed socket, in one ring (`fd` <= RING), or was KEPT, deciding after each datagram; gives how many there were."""
    if fd >= 0:
        n = recvmmsg(fd, work[0]["headers"].ctypes.data, at.RX_BATCH)
    elif fd == KEPT:
        n = held.receive(lane, work[0]["held"], v, work[0]["headers"], work[0]["data"].ctypes.data, at.RX_DATAGRAM, at.RX_BATCH)
    else:
        n = xdp_ring.receive(work[0]["rings"], RING - fd, work[0]["headers"], work[0]["data"].ctypes.data, at.RX_DATAGRAM, at.RX_BATCH)
    if n <= 0:
        return 0
    received = cycles()  # of all of them: one that waited for those before it waited
    taken_ns = wall(lane[0]["control"], received)
    work[0]["rx_ns"] = taken_ns
    for k in range(n):
        told_ns = i64(0)
        if line < feed.LINE_REQUEST:
            told_ns = stamp.read(lane[0]["venues"], v, line, work[0]["headers"], work[0]["controls"], k, taken_ns)
        work[0]["stamp_ns"] = told_ns
        work[0]["rx_tsc"] = received
        work[0]["decoding_tsc"] = 0
        if work[0]["headers"][k]["flags"] & MSG_TRUNC:
            count(lane, Counter.DROP_OVERSIZED, 1)
            continue
        size = i64(work[0]["headers"][k]["len"])
        if feed.datagram(lane, work, insts, px, qty, cnt, table, locates, products, v, line, k * at.RX_DATAGRAM, size, taken_ns) == 1:
            decide.changed(lane, work, halt_symbol, insts, px, qty, cnt, products, positions, limits, states)
    work[0]["rx_tsc"] = 0
    return n


@inlined
def order_sessions(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, now_ns: int,
) -> int:  # fmt: skip
    """Drain every order session and tell the strategies: 0, or the reason why the loop must return."""
    venues = lane[0]["venues"]
    for v in range(lane[0]["control"][0]["n_venues"]):
        if orders.simulated(venues, v):
            if lane[0]["n_live"] > 0:
                paper.answer(lane, work, halt_symbol, insts, px, qty, products, positions, limits, v, now_ns)
        elif venues[v]["session_state"] >= Session.LOGIN_SENT and venues[v]["session_state"] <= Session.UP:
            answer = session.drain(lane, work, halt_symbol, insts, products, positions, limits, v)
            if answer != 0:
                return answer
    if work[0]["notice_tail"] != work[0]["notice_head"]:
        work[0]["rx_tsc"] = 0
        decide.tell(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, NOTICES_A_TURN)
    return 0


@kernel
def expire(lane: np.ndarray, insts: np.ndarray, limits: np.ndarray, now_ns: int) -> None:
    """Turn venues off whose armed time is over, and cancel what is open there."""
    venues = lane[0]["venues"]
    for v in range(lane[0]["control"][0]["n_venues"]):
        if venues[v]["mode"] == Mode.ARMED and now_ns >= venues[v]["armed_until_ns"]:
            venues[v]["mode"] = Mode.OFF
            orders.cancel_matching(lane, insts, limits, v, i64(-1), i64(-1))


@kernel
def clock_told(lane: np.ndarray, now_ns: int) -> None:
    """Journal what the daemon found out about the wall clock, and by how much this one had drifted from it."""
    control = lane[0]["control"]
    seq = control[0]["clock_seq"]
    if seq == control[0]["clock_told"]:
        return
    control[0]["clock_told"] = seq
    journal_words(
        lane, JournalKind.CLOCK, -1, -1, -1, now_ns, 0, control[0]["clock_offset_ns"], control[0]["clock_error_ns"], seq & 1, control[0]["drift_ns"]
    )


@kernel
def housekeeping(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    products: np.ndarray, positions: np.ndarray, limits: np.ndarray, states: np.ndarray, now_ns: int,
) -> int:  # fmt: skip
    """Once a millisecond: silence, heartbeats, connections that are due, timers."""
    control = lane[0]["control"]
    venues = lane[0]["venues"]
    work[0]["next_timer_ns"] = now_ns + MILLISECOND
    control[0]["heartbeat_ns"] = now_ns
    short = i64(-1)
    if now_ns >= work[0]["next_second_ns"]:
        clock.anchor(control, work[0]["timespec"])
        clock_told(lane, now_ns)
        work[0]["next_second_ns"] = now_ns + SECOND
        if risk.new_day(lane, now_ns):
            journal_words(lane, JournalKind.DAY, -1, -1, -1, now_ns, control[0]["roll_ns"], 0, 0, 0, 0)
        expire(lane, insts, limits, now_ns)
        for v in range(control[0]["n_venues"]):
            if feed.hours(lane, work, insts, v, now_ns):
                short = v
        if control[0]["alarms"] != work[0]["alarms"]:
            work[0]["alarms"] = control[0]["alarms"]
            return Reason.ALARM
        if control[0]["wish"] != 0:
            return Reason.WISH
    for v in range(control[0]["n_venues"]):
        if feed.watch(lane, work, insts, v, now_ns) == 1:
            decide.changed(lane, work, halt_symbol, insts, px, qty, cnt, products, positions, limits, states)
        work[0]["why"] = v
        if session.keep_alive(lane, v, now_ns) != 0:
            return Reason.DISCONNECTED
        state = venues[v]["session_state"]
        if (state == Session.DOWN or state == Session.CONNECTING) and now_ns >= venues[v]["connect_at_ns"]:
            return Reason.CONNECT
    decide.timers(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now_ns)
    if short >= 0:
        work[0]["why"] = short
        return Reason.HOURS
    for v in range(control[0]["n_venues"]):  # after all that must not wait for it
        if venues[v]["rebuild"] != Rebuild.NONE:
            work[0]["why"] = v
            return Reason.REBUILD
    return 0


@entry
def settle(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, turns: int,
) -> int:  # fmt: skip
    """Let the order sessions have their say, and nobody else: for the cold side. 0, or the reason why it ended."""
    for _ in range(turns):
        answer = order_sessions(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now(lane[0]["control"]))
        if answer != 0:
            return answer
    return 0


@entry
def run(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    table: np.ndarray, locates: np.ndarray, products: np.ndarray, positions: np.ndarray, tables: np.ndarray, states: np.ndarray,
    stop: np.ndarray, idle: int, most: int,
) -> int:  # fmt: skip
    """Turn until something cold is due: gives a Reason, its venue in work["why"]. `most` > 0 bounds the turns (then 0 is returned).

    `tables` are two of LIMITS[strategies x instruments], of which staged["bound"] says which binds.
    `stop` is int64[1] in a file of its own: any signal writes there, so that a stop is seen within a turn.
    """
    control = lane[0]["control"]
    venues = lane[0]["venues"]
    turns = i64(0)
    while True:
        if stop[0] != 0:
            return Reason.STOP
        if control[0]["command_head"] != control[0]["command_tail"]:
            return Reason.COMMAND
        now_ns = now(control)
        staged.look(lane, now_ns)
        limits = tables[lane[0]["staged"][0]["bound"]]
        work[0]["rx_tsc"] = 0
        answer = order_sessions(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now_ns)
        if answer != 0:
            return answer
        got = i64(0)
        for v in range(control[0]["n_venues"]):
            for line in range(3):
                fd = i64(venues[v]["fd_a"] if line == 0 else (venues[v]["fd_b"] if line == 1 else venues[v]["fd_request"]))
                which = i64(line)
                if venues[v]["held"] != 0 and venues[v]["rebuild"] == Rebuild.NONE:
                    if line > 0:
                        break  # what was kept comes before anything newer
                    fd = i64(KEPT)
                    which = i64(feed.LINE_HELD)
                elif line == feed.LINE_REQUEST and venues[v]["high_seq"] <= venues[v]["next_seq"]:
                    continue  # nothing was asked for
                if fd != NONE:
                    got += receive(lane, work, halt_symbol, insts, px, qty, cnt, table, locates, products, positions, limits, states, v, which, fd)
        if now_ns >= work[0]["next_timer_ns"]:
            answer = housekeeping(lane, work, halt_symbol, insts, px, qty, cnt, products, positions, limits, states, now_ns)
            if answer != 0:
                return answer
            if order_table.wants(lane[0]["table_head"], table):
                return Reason.GROW
            if got == 0:
                audit.step(lane, work, insts, px, qty, cnt, table, now_ns)
        if got == 0:
            ahead.look(lane, work)
        turns += 1
        count(lane, Counter.TURNS, 1)
        if most > 0 and turns >= most:
            return 0
        if got == 0 and idle == IDLE_YIELD:
            sched_yield()
        elif got == 0 and idle == IDLE_SLEEP:
            poll(work[0]["polls"].ctypes.data, 4 * control[0]["n_venues"], 1)
