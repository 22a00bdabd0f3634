"""The lane takes new tables: limits, parameters, budgets and fees, all at once between two events.

The daemon writes them beside those that bind and raises a word. The loop first journals what will hold, a record a turn, so that no turn is
long; with the last record it turns to the other table of limits and decisions by one word, whatever their size, copies the few words of parameters,
budgets and fees, and what comes after is decided by them. Strategies are told by a PARAMS event.
"""

import numpy as np

from core import layout as at
from core.atomics import acquire, release
from core.codes import JournalKind
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane.clock import now
from noderrd.lane.record import RESERVE, put, room


@inlined
def look(lane: np.ndarray, now_ns: int) -> None:
    """Once a turn: note how long the last one was, and which halts are seen; do the next step of what is staged, if anything is."""
    row = lane[0]["staged"]
    turn = now_ns - row[0]["turn_ns"]
    row[0]["turn_ns"] = now_ns
    row[0]["widest_ns"] = max(row[0]["widest_ns"], turn)
    if row[0]["halt_seq"] != row[0]["halt_seen"]:  # the words were changed before it was
        row[0]["halt_ns"] = now_ns
        release()
        row[0]["halt_seen"] = i64(row[0]["halt_seq"])
    if row[0]["seq"] == row[0]["done"]:
        return
    if row[0]["text_at"] == 0:
        row[0]["pause_ns"] = 0
    advance(lane, now_ns)
    row[0]["pause_ns"] = max(row[0]["pause_ns"], now(lane[0]["control"]) - now_ns)


@kernel
def advance(lane: np.ndarray, now_ns: int) -> None:
    """Do the next step of taking what is staged: journal a piece of its text, or take it."""
    acquire()
    staged = lane[0]["staged"]
    if room(lane) < RESERVE:
        return
    at_byte, size = staged[0]["text_at"], staged[0]["text_size"]
    if at_byte < size:
        put(lane, JournalKind.SPEC, -1, -1, -1, now_ns, size, staged[0]["text"].ctypes.data + at_byte, size - at_byte)
        staged[0]["text_at"] = at_byte + at.JOURNAL_DATA
        if at_byte + at.JOURNAL_DATA < size:
            return
    take(lane)


@kernel
def take(lane: np.ndarray) -> None:
    """Turn to the tables that wait."""
    staged = lane[0]["staged"]
    strategy = lane[0]["strategies"]
    staged[0]["bound"] = 1 - staged[0]["bound"]
    for k in range(lane[0]["control"][0]["n_strategies"]):
        changed = False
        for p in range(at.MAX_PARAMS):
            if lane[0]["params"][k, p] != staged[0]["params"][k, p]:
                lane[0]["params"][k, p] = staged[0]["params"][k, p]
                changed = True
        if changed and strategy[k]["fresh"] == 0:
            strategy[k]["fresh"] = 2
        strategy[k]["budget_ns"] = staged[0]["budget_ns"][k]
    for v in range(lane[0]["control"][0]["n_venues"]):
        lane[0]["venues"][v]["maker_mils"] = staged[0]["fees"][v, 0]
        lane[0]["venues"][v]["taker_mils"] = staged[0]["fees"][v, 1]
    staged[0]["running"] = staged[0]["terms"]
    release()
    staged[0]["done"] = i64(staged[0]["seq"])
