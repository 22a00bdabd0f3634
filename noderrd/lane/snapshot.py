"""A venue's books emptied, or rebuilt from a snapshot: GLIMPSE 5.0 over SoupBinTCP (Nasdaq). Cold: the loop returns here once a millisecond.

A snapshot is first fetched whole, then applied a piece a call, so that what breaks off leaves the old books as they were and the other venues do
not wait. It says at which sequence number the live feed goes on; what came from there on was kept meanwhile (noderrd/lane/held.py).

What is done to the books is journaled: that they were emptied, and every message of the snapshot that they took. So `noderrd replay` comes by the
same books. A piece waits where the journal has no room for it.
"""

import dataclasses
import socket
import time
from typing import Any

import numpy as np

from core import book, itch, order_table, soupbintcp
from core.atomics import begin, end
from core.bigendian import get_u16
from core.codes import BookState, Counter, JournalKind, Phase, Rebuild
from core.integer import i64
from core.jit import entry
from core.layout import JOURNAL_DATA, ORDER_REF
from noderrd.lane import held
from noderrd.lane.clock import now
from noderrd.lane.cold import address_of
from noderrd.lane.memory import Shared
from noderrd.lane.record import RESERVE, count, journal, journal_blocks, room
from noderrd.lane.spec import LaneSpec

FETCH = 1 << 18  # bytes taken a call
PIECE = 1 << 16  # bytes applied a call
RECORDS = PIECE // JOURNAL_DATA + 16  # of the journal that a piece takes at most
MOST = 1 << 30  # bytes of a snapshot
PATIENCE_S = 15.0  # without a byte
TABLE_MOST = 1 << 26  # slots
LOGIN_ACCEPTED, LOGIN_REJECTED, SEQUENCED, END = 65, 74, 83, 90
SNAPSHOT = 71  # G

FOUND = np.dtype([("session", "i8"), ("seq", "i8"), ("wrong", "i8")], align=True)


@entry
def look(data: np.ndarray, at: int, size: int, found: np.ndarray) -> int:
    """Walk the whole SoupBinTCP packets in data[at:size]; gives where the first that is not whole begins.

    FOUND[1] keeps where the session stands in the login's answer, the next sequence number once the snapshot is over, and 1 for a breach.
    """
    while at + 3 <= size:
        length = get_u16(data, at)
        if length == 0:
            found[0]["wrong"] = 1
            return at
        if at + 2 + length > size:
            return at
        kind = data[at + 2]
        if kind == LOGIN_ACCEPTED and length == 31 and found[0]["session"] == 0:
            found[0]["session"] = at + 3
        elif kind == LOGIN_REJECTED or (kind == SEQUENCED and found[0]["session"] == 0) or (kind == END and found[0]["seq"] == 0):
            found[0]["wrong"] = 1
            return at
        elif kind == SEQUENCED and length == 22 and data[at + 3] == SNAPSHOT:
            seq = i64(0)
            for k in range(20):
                c = data[at + 4 + k]
                if c >= 48 and c <= 57:
                    seq = seq * 10 + (i64(c) - 48)
            found[0]["seq"] = seq
            if seq < 1:
                found[0]["wrong"] = 1
            return at + 2 + length
        at += 2 + length
    return at


@entry
def empty(lane: np.ndarray, insts: np.ndarray, table: np.ndarray, locates: np.ndarray, v: int) -> None:
    """Empty a venue's books: no order, no locate code, every symbol HALTED until its state is published, own places in the queue not known."""
    lane[0]["venues"][v]["breached"] = 0
    if lane[0]["control"][0]["n_venues"] == 1:
        for slot in range(table.shape[0]):
            table[slot]["key"] = 0
        lane[0]["table_head"][0]["used"] = 0
        lane[0]["table_head"][0]["displaced"] = 0
    else:
        order_table.forget(lane[0]["table_head"], table, v)
    for locate in range(locates.shape[1]):
        locates[v, locate] = -1
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == v:
            begin(insts, inst)
            insts[inst]["n"][0] = 0
            insts[inst]["n"][1] = 0
            insts[inst]["state"] = BookState.HALTED
            insts[inst]["trading"] = 0
            insts[inst]["operational"] = 0
            insts[inst]["short_sale"] = 0
            insts[inst]["seq_num"] = 0
            for k in range(3):
                insts[inst]["collar"][k] = 0
            end(insts, inst)
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if lane[0]["orders"][slot]["venue"] == v:
            lane[0]["orders"][slot]["queue_ahead"] = -1


@entry
def restore(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray,
    locates: np.ndarray, v: int, data: np.ndarray, at: int, last: int, most: int,
) -> int:  # fmt: skip
    """Apply the packets in data[at:last], some `most` bytes of them; gives where to go on: short of that when the table is to grow first.

    Those that the books took are journaled; none is applied while the journal's ring has no room for a piece.
    """
    msg, changed, head, taken = work[0]["message"], work[0]["changed"], lane[0]["table_head"], work[0]["data"]
    stop, size = min(at + most, last), i64(0)
    if room(lane) < RESERVE + RECORDS:
        return at
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == v:
            begin(insts, inst)
    while at < stop and not order_table.wants(head, table):
        length = get_u16(data, at)
        if data[at + 2] == SEQUENCED and itch.decode(data, at + 3, length - 1, msg) > 0:
            took = True
            if msg[0]["kind"] == itch.S:
                lane[0]["venues"][v]["phase"] = book.phase_after(lane[0]["venues"][v]["phase"], msg[0]["code"])
            elif msg[0]["kind"] == itch.W:  # which symbols it still halts, their own trading actions tell
                lane[0]["venues"][v]["breached"] = msg[0]["code"] - 48
            else:
                inst = book.apply(msg, v, locates, insts, px, qty, cnt, head, table, changed)
                took = inst != book.NOT_OURS
                if inst < book.NOT_OURS:
                    count(lane, Counter.BOOK_FULL, 1)
                    known = i64(locates[v, msg[0]["locate"]])
                    insts[known]["state"] = insts[known]["state"] | BookState.GAP
            if took:
                for k in range(2 + length):
                    taken[size + k] = data[at + k]
                size += 2 + length
        at += 2 + length
    for inst in range(insts.shape[0]):
        if insts[inst]["venue"] == v:
            end(insts, inst)
    if size > 0:
        journal_blocks(lane, i64(JournalKind.IMAGE), v, now(lane[0]["control"]), i64(0), taken, i64(0), size)
    return at


@entry
def told(lane: np.ndarray, work: np.ndarray, kind: int, v: int, ref: int) -> None:
    """Journal that a venue's books were emptied, or are whole again."""
    journal(lane, kind, v, -1, -1, now(lane[0]["control"]), ref, work[0]["data"], 0, 0)


@entry
def wants(head: np.ndarray, table: np.ndarray) -> bool:
    """Whether the table is to grow."""
    return order_table.wants(head, table)


def grow(shared: Shared, log: Any) -> None:
    """Carry the feed's orders over into a larger table, or into a hashed one when they crowd. It is the lane's own memory: no one else reads it."""
    head, table = shared.table_head, shared.table
    crowded = int(head[0]["crowded"]) > 0 and int(head[0]["hashed"]) == 0
    size = len(table) if crowded and int(head[0]["used"]) * 2 < len(table) else 2 * len(table)
    if size > TABLE_MOST:
        head[0]["fixed"] = 1
        log.error("the table of the feed's orders has its greatest size", slots=len(table))
        return
    larger = np.zeros(size, ORDER_REF)
    larger["key"] = 0  # every page is touched here and not in the loop
    order_table.rehash(head, table, larger, 1 if crowded else int(head[0]["hashed"]))
    shared.table = larger
    log.info("table of the feed's orders", slots=size, orders=int(head[0]["used"]), hashed=bool(head[0]["hashed"]))


def warm(shared: Shared, work: np.ndarray) -> None:
    """Have everything here compiled; the books of venue 0 are empty afterwards."""
    data, found = np.zeros(64, np.uint8), np.zeros(1, FOUND)
    look(data, 0, 0, found)
    restore(
        shared.lane, work, shared.insts, shared.px, shared.qty, shared.cnt, shared.table, shared.locates, 0, data, 0, 0, PIECE,
    )  # fmt: skip
    order_table.rehash(shared.table_head, shared.table, np.zeros(len(shared.table), ORDER_REF), 0)
    order_table.forget(shared.table_head, shared.table, 7)
    wants(shared.table_head, shared.table)
    told(shared.lane, work, int(JournalKind.EMPTIED), 0, 1)
    empty(shared.lane, shared.insts, shared.table, shared.locates, 0)


@dataclasses.dataclass
class _Attempt:
    """One snapshot on its way: bytes so far, how far they were looked at and applied."""

    line: socket.socket
    data: np.ndarray
    size: int = 0
    looked: int = 0
    applied: int = 0
    sent: bool = False
    emptied: bool = False
    heard_s: float = 0.0
    found: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(1, FOUND))


class Snapshots:
    """What the books of each venue wait for. `step` is called while a venue's `rebuild` says so, and never waits."""

    def __init__(self, spec: LaneSpec, shared: Shared, work: np.ndarray, log: Any) -> None:
        self._spec, self._shared, self._work, self._log = spec, shared, work, log
        self._attempts: dict[int, _Attempt] = {}
        self._held = [np.zeros(held.MOST, np.uint8) for _ in spec.venues]
        for v, room_for in enumerate(self._held):
            work[0]["held"][v] = (room_for.ctypes.data, len(room_for), 0, 0)

    def step(self, v: int) -> None:
        """Take the next step for a venue."""
        row = self._shared.venues[v]
        if row["rebuild"] == Rebuild.RESTART:
            self.drop(v)
            self._empty(v, 1)
            row["state"] = BookState.CLOSED | BookState.GAP
            row["phase"], row["rebuild"] = 0, Rebuild.NONE
            self._take_up_held(v)
            self._log.info("another feed session", venue=self._spec.venues[v].name, session=bytes(row["session"]).decode("ascii", "replace").strip())
            return
        try:
            if v not in self._attempts:
                self._open(v)
            attempt = self._attempts[v]
            if attempt.found[0]["seq"] == 0:
                self._fetch(v, attempt)
            else:
                self._apply(v, attempt)
        except OSError as error:
            self._give_up(v, error.strerror or str(error))

    def _empty(self, v: int, following: int) -> None:
        """Empty a venue's books; the message that follows is the next, 0 where a snapshot will tell."""
        shared = self._shared
        told(shared.lane, self._work, int(JournalKind.EMPTIED), v, following)
        empty(shared.lane, shared.insts, shared.table, shared.locates, v)

    def _take_up_held(self, v: int) -> None:
        """Have the loop apply what it kept."""
        self._shared.venues[v]["held"] = int(self._work[0]["held"][v]["used"] > 0)

    def _forget_held(self, v: int) -> None:
        """Let go what was kept: it is older than what comes, or has no books to go to."""
        self._work[0]["held"][v]["used"] = self._work[0]["held"][v]["at"] = self._shared.venues[v]["held"] = 0

    def _open(self, v: int) -> None:
        self._forget_held(v)
        line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        line.setblocking(False)
        self._attempts[v] = _Attempt(line, np.zeros(4 * FETCH, np.uint8), heard_s=time.monotonic())
        line.connect_ex(address_of(self._spec.venues[v].glimpse))

    def _fetch(self, v: int, attempt: _Attempt) -> None:
        """Log in, then take what has come. Raises OSError when the line breaks."""
        venue = self._spec.venues[v]
        if time.monotonic() - attempt.heard_s > PATIENCE_S:
            self._give_up(v, "silent")
            return
        try:
            if not attempt.sent:
                attempt.line.send(soupbintcp.login_request(venue.user, venue.password, "", 1))
                attempt.sent = True
            if len(attempt.data) - attempt.size < FETCH:
                if 2 * len(attempt.data) > MOST:
                    self._give_up(v, "too large")
                    return
                attempt.data = np.concatenate([attempt.data, np.zeros_like(attempt.data)])
            got = attempt.line.recv_into(attempt.data[attempt.size : attempt.size + FETCH].data)
        except BlockingIOError:
            return
        if got == 0:
            self._give_up(v, "closed before its end")
            return
        attempt.size, attempt.heard_s = attempt.size + got, time.monotonic()
        attempt.looked = look(attempt.data, attempt.looked, attempt.size, attempt.found)
        if attempt.found[0]["wrong"]:
            self._give_up(v, "login rejected, or out of protocol")
        elif attempt.found[0]["seq"]:
            first = int(attempt.found[0]["session"])
            theirs, ours = bytes(attempt.data[first : first + 10]).strip(), bytes(self._shared.venues[v]["session"]).strip()
            if theirs != ours:
                self._give_up(v, f"of session {theirs.decode('ascii', 'replace')}, not {ours.decode('ascii', 'replace')}")

    def _apply(self, v: int, attempt: _Attempt) -> None:
        """Apply a piece; after the last one the live feed goes on where the snapshot says."""
        shared, row = self._shared, self._shared.venues[v]
        if not attempt.emptied:
            self._empty(v, 0)
            row["phase"], attempt.emptied = 0, True
        attempt.applied = restore(
            shared.lane, self._work, shared.insts, shared.px, shared.qty, shared.cnt, shared.table, shared.locates, v, attempt.data,
            attempt.applied, attempt.looked, PIECE,
        )  # fmt: skip
        if attempt.applied < attempt.looked:
            if wants(shared.table_head, shared.table):
                grow(shared, self._log)
            return
        seq = int(attempt.found[0]["seq"])
        told(shared.lane, self._work, int(JournalKind.IMAGE), v, seq)
        row["next_seq"] = row["high_seq"] = seq
        shared.insts["seq_num"][shared.insts["venue"] == v] = seq - 1
        row["resync"], row["rebuild"], row["asked_seq"] = 0, Rebuild.NONE, 0
        row["moved_ns"] = row["snapshot_ns"] = time.time_ns()
        shut = row["phase"] != Phase.START_OF_MARKET_HOURS or row["shut"] != 0 or row["ended"] != 0
        row["state"] = BookState.GAP | (BookState.CLOSED if shut else 0)
        self._take_up_held(v)
        shared.control[0]["counters"][Counter.SNAPSHOTS] += 1
        self._log.info("books rebuilt from a snapshot", venue=self._spec.venues[v].name, next_seq_num=seq, bytes=attempt.size)
        self.drop(v)

    def _give_up(self, v: int, why: str) -> None:
        """End an attempt; the gap stays open and another is made later. Books that were emptied already stay out of service until then."""
        row, attempt = self._shared.venues[v], self._attempts[v]
        row["snapshot_ns"] = time.time_ns()
        if not attempt.emptied:
            self._forget_held(v)
            row["rebuild"], row["state"] = Rebuild.NONE, int(row["state"]) & ~int(BookState.RECOVERING)
        self._log.warning("no snapshot", venue=self._spec.venues[v].name, why=why)
        self.drop(v)

    def drop(self, v: int) -> None:
        """Close the line of an attempt."""
        if v in self._attempts:
            self._attempts.pop(v).line.close()
