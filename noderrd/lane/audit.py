"""The books audit themselves, a symbol at a time, in turns that had nothing else to do: a slice of the table of orders a millisecond.

What the levels say must be what the orders add up to, level by level: sums of shares, and of orders, each weighted by a mix of its side and price, so
that no order's place matters and no two levels can make up for each other. Levels must be in order, with shares and orders on each, and bids below
asks while the symbol trades. A symbol that changes meanwhile is left for another time. A breach takes the symbol out of service, is journaled with
what was found, and asks for a snapshot.
"""

import numpy as np

from core.codes import BookState, Counter, Halt, JournalKind
from core.integer import i64, u64
from core.jit import kernel
from noderrd.lane.record import count, journal_words

SLICE = 1024  # slots of the table a step: some microseconds

SHARES, ORDERS, SHAPE = 1, 2, 3  # what a breach is about


@kernel
def mix(side: int, price: int) -> int:
    """Give a number that tells side and price apart from any others (the finaliser of splitmix64)."""
    x = u64(price * 2 + side) * u64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    return i64((x ^ (x >> u64(27))) | u64(1))


@kernel
def shape(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, inst: int) -> bool:
    """Whether a symbol's levels are in order, none is empty or negative, and the book is not crossed without saying so."""
    for side in range(2):
        n = i64(insts[inst]["n"][side])
        if n < 0 or n > px.shape[2]:
            return False
        for k in range(n):
            if qty[inst, side, k] <= 0 or cnt[inst, side, k] <= 0:
                return False
            if k > 0 and (px[inst, side, k] - px[inst, side, k - 1]) * (1 if side == 0 else -1) <= 0:
                return False
    bids, asks = i64(insts[inst]["n"][0]), i64(insts[inst]["n"][1])
    crossed = bids > 0 and asks > 0 and px[inst, 0, bids - 1] >= px[inst, 1, asks - 1]
    return not crossed or insts[inst]["state"] & (BookState.CROSSED | BookState.AUCTION) != 0


@kernel
def breach(lane: np.ndarray, insts: np.ndarray, inst: int, what: int, found: int, wanted: int, now_ns: int) -> None:
    """Take a symbol out of service, say why, and ask for its books again."""
    count(lane, Counter.AUDIT_BREACHES, 1)
    lane[0]["control"][0]["alarms"] += 1
    seq = insts[inst]["seq_num"]
    journal_words(lane, JournalKind.FAULT, insts[inst]["venue"], -1, inst, now_ns, seq, Halt.BOOK, what, found, wanted)
    insts[inst]["state"] = insts[inst]["state"] | BookState.GAP
    lane[0]["venues"][insts[inst]["venue"]]["resync"] = 1


@kernel
def begin(work: np.ndarray, insts: np.ndarray, table: np.ndarray) -> None:
    """Turn to the next symbol."""
    audit = work[0]["audit"][0]
    inst = (audit["inst"] + 1) % insts.shape[0]
    audit["inst"] = inst
    audit["at"] = 0
    audit["slots"] = table.shape[0]
    audit["seq_num"] = insts[inst]["seq_num"]
    audit["shares"] = 0
    audit["orders"] = 0


@kernel
def step(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray, now_ns: int,
) -> None:  # fmt: skip
    """Look at the next slice; at the end of the table, judge."""
    audit = work[0]["audit"][0]
    inst = audit["inst"]
    changed = audit["slots"] != table.shape[0] or audit["seq_num"] != insts[inst]["seq_num"]
    if changed or insts[inst]["state"] & BookState.GAP or lane[0]["venues"][insts[inst]["venue"]]["rebuild"] != 0:
        begin(work, insts, table)
        return
    last = min(audit["at"] + SLICE, i64(table.shape[0]))
    for slot in range(audit["at"], last):
        if table[u64(slot)]["key"] != 0 and table[u64(slot)]["inst"] == inst:
            weight = mix(table[u64(slot)]["side"], table[u64(slot)]["px"])
            audit["shares"] += weight * table[u64(slot)]["qty"]
            audit["orders"] += weight
    audit["at"] = last
    if last < table.shape[0]:
        return
    shares, orders = i64(0), i64(0)
    for side in range(2):
        for k in range(insts[inst]["n"][side]):
            weight = mix(side, px[inst, side, k])
            shares += weight * qty[inst, side, k]
            orders += weight * cnt[inst, side, k]
    if shares != audit["shares"]:
        breach(lane, insts, inst, SHARES, shares, audit["shares"], now_ns)
    elif orders != audit["orders"]:
        breach(lane, insts, inst, ORDERS, orders, audit["orders"], now_ns)
    elif not shape(insts, px, qty, cnt, inst):
        breach(lane, insts, inst, SHAPE, insts[inst]["n"][0], insts[inst]["n"][1], now_ns)
    count(lane, Counter.AUDITS, 1)
    begin(work, insts, table)
