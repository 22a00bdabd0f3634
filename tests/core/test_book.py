"""core.book against the naive book: random flows with every kind of mistake in them, and recordings."""

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_book import DUPLICATE, UNKNOWN_ORDER, NaiveBook

from core import book, itch
from core.bigendian import get_u16
from core.codes import BookState, Change, Phase
from core.jit import entry
from core.layout import CHANGED, INSTRUMENT, LOCATES, MESSAGE, ORDER_REF, TABLE_HEAD
from noderrd.feeds import recording

LOCATE = 7


@entry
def apply(
    msg: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray,
    table: np.ndarray, changed: np.ndarray,
) -> int:  # fmt: skip
    return book.apply(msg, venue, locates, insts, px, qty, cnt, head, table, changed)


@entry
def ahead(
    buf: np.ndarray, at: int, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    head: np.ndarray, table: np.ndarray,
) -> None:  # fmt: skip
    book.ahead(buf, at, venue, locates, insts, px, qty, cnt, head, table)


@entry
def phase_after(phase: int, code: int) -> int:
    return book.phase_after(phase, code)


@entry
def decode(buf: np.ndarray, at: int, msg: np.ndarray) -> int:
    return itch.decode(buf, at, get_u16(buf, at - 2), msg)


class Fast:
    """One symbol at venue 2 in arrays as the lane has them."""

    def __init__(self, levels=32, table=256, hashed=0, stock="TEST"):
        self.insts = np.zeros(2, INSTRUMENT)
        self.insts["stock"], self.insts["venue"], self.insts["state"] = [itch.stock("OTHER"), itch.stock(stock)], 2, BookState.HALTED
        self.locates = np.full((3, LOCATES), -1, np.int32)
        self.locates[2, LOCATE] = 1
        self.px, self.qty, self.cnt = (np.zeros((2, 2, levels), np.int64) for _ in range(3))
        self.table, self.head, self.changed = np.zeros(table, ORDER_REF), np.zeros(1, TABLE_HEAD), np.zeros(1, CHANGED)
        self.head["hashed"] = hashed
        self.msg = np.zeros(1, MESSAGE)

    def apply(self, **fields):
        self.msg[...] = 0
        self.msg["locate"] = LOCATE
        for name, value in fields.items():
            self.msg[name] = value
        return self.take()

    def take(self):
        return apply(self.msg, 2, self.locates, self.insts, self.px, self.qty, self.cnt, self.head, self.table, self.changed)

    def levels(self, side):
        n = self.insts[1]["n"][side]
        return list(zip(*(block[1, side, :n][::-1].tolist() for block in (self.px, self.qty, self.cnt)), strict=True))

    def orders(self):
        return sorted(self.table[self.table["key"] != 0][["key", "px", "qty", "side"]].tolist())

    @property
    def state(self):
        return int(self.insts[1]["state"])


ORDER = st.fixed_dictionaries({
    "kind": st.sampled_from([ord(c) for c in "AAAAFEXCDDUUPQ"]),
    "ref": st.integers(1, 25),
    "new_ref": st.integers(1, 40),
    "side": st.integers(0, 1),
    "qty": st.integers(1, 6),
    "px": st.integers(95, 105),
    "code": st.sampled_from([ord("Y"), ord("N")]),
})  # fmt: skip


@pytest.mark.parametrize("hashed", [0, 1])
@settings(max_examples=100, deadline=None)
@given(st.lists(ORDER, max_size=60))
def test_any_flow_gives_the_naive_book(hashed, flow):
    fast, naive = Fast(hashed=hashed), NaiveBook()
    for fields in flow:
        wanted, code = naive.apply(fields), fast.apply(**fields)
        assert code == (1 if wanted == 0 else wanted)
        assert fast.levels(0) == naive.levels(0)
        assert fast.levels(1) == naive.levels(1)
        assert fast.head[0]["used"] == len(naive.orders)
    assert fast.insts[1]["volume"] == naive.volume
    if naive.last is not None:
        assert (fast.insts[1]["last_px"], fast.insts[1]["last_qty"]) == naive.last


@settings(max_examples=60, deadline=None)
@given(st.lists(ORDER, max_size=120), st.integers(2, 4))
def test_what_does_not_fit_changes_nothing(flow, levels):
    """With room for a few levels, every refused message leaves book and table as they were."""
    fast = Fast(levels=levels, table=16)
    for fields in flow:
        before = fast.levels(0), fast.levels(1), fast.orders()
        code = fast.apply(**fields)
        if code < book.NOT_OURS:
            assert (fast.levels(0), fast.levels(1), fast.orders()) == before
            assert fast.changed[0]["what"] == 0
        total = {side: sum(orders for _, _, orders in fast.levels(side)) for side in (0, 1)}
        assert sum(total.values()) == fast.head[0]["used"]


def test_both_bounds_are_told():
    fast = Fast(levels=2, table=16)
    assert [fast.apply(kind=itch.A, ref=k, px=k, qty=1) for k in (1, 2, 3)] == [1, 1, book.LEVELS_FULL]
    fast = Fast(levels=32, table=16)
    assert [fast.apply(kind=itch.A, ref=k, px=5, qty=1) for k in range(1, 16)] == [1] * 14 + [book.TABLE_FULL]


@pytest.mark.parametrize("ref", [2**60, 2**61 - 1, 2**61 + 5, 2**63 - 1, -1])
def test_a_reference_that_has_no_key_is_told_and_never_taken_for_another(ref):
    """References have 64 bits on the wire, keys 60 for them: 2^61 + 5 and 5 would be the same."""
    fast = Fast()
    assert fast.apply(kind=itch.A, ref=5, px=100, qty=9) == 1
    before = fast.levels(0), fast.orders()
    assert fast.apply(kind=itch.A, ref=ref, px=100, qty=1) == book.REFERENCE_TOO_LARGE
    assert fast.apply(kind=itch.U, ref=5, new_ref=ref, px=100, qty=1) == book.REFERENCE_TOO_LARGE
    for kind in (itch.D, itch.X, itch.E, itch.C):
        assert fast.apply(kind=kind, ref=ref, qty=1) == book.UNKNOWN_ORDER
    assert fast.apply(kind=itch.U, ref=ref, new_ref=6, px=100, qty=1) == book.UNKNOWN_ORDER
    assert (fast.levels(0), fast.orders()) == before
    assert fast.apply(kind=itch.A, ref=2**60 - 1, px=101, qty=1) == 1
    assert fast.apply(kind=itch.D, ref=2**60 - 1) == 1


def test_every_quantity_of_the_wire_is_held():
    fast, most = Fast(), 2**32 - 1
    fast.apply(kind=itch.A, ref=1, px=100, qty=most)
    fast.apply(kind=itch.A, ref=2, px=100, qty=most)
    assert fast.levels(0) == [(100, 2 * most, 2)]
    fast.apply(kind=itch.X, ref=1, qty=most - 1)
    assert fast.levels(0) == [(100, most + 1, 2)]
    assert fast.apply(kind=itch.D, ref=2) == 1
    assert fast.levels(0) == [(100, 1, 1)]


def test_a_replace_keeps_the_side_and_tells_both_halves():
    fast = Fast()
    fast.apply(kind=itch.A, ref=1, side=1, px=100, qty=9)
    assert fast.apply(kind=itch.U, ref=1, new_ref=2, px=101, qty=4) == 1
    changed = fast.changed[0]
    assert (changed["side"], changed["px"], changed["qty"], changed["ref"]) == (1, 101, 4, 2)
    assert (changed["old_px"], changed["old_qty"], changed["old_ref"]) == (100, 9, 1)
    assert fast.levels(1) == [(101, 4, 1)]


def test_an_execution_at_a_price_takes_from_the_orders_own_level():
    fast = Fast()
    fast.apply(kind=itch.A, ref=1, side=0, px=100, qty=9)
    fast.apply(kind=itch.C, ref=1, qty=4, px=99, code=ord("N"))
    assert fast.levels(0) == [(100, 5, 1)]
    assert fast.insts[1]["volume"] == 0  # not printable: not volume
    fast.apply(kind=itch.C, ref=1, qty=4, px=99, code=ord("Y"))
    assert (fast.insts[1]["volume"], fast.insts[1]["last_px"], fast.changed[0]["trade_side"]) == (4, 99, 1)


@pytest.mark.parametrize(("code", "bits"), [("T", 0), ("H", BookState.HALTED), ("P", BookState.HALTED), ("Q", BookState.AUCTION)])
def test_trading_actions_set_the_state(code, bits):
    fast = Fast()
    assert fast.state == BookState.HALTED  # never published
    fast.apply(kind=itch.H, code=ord(code))
    assert fast.state == bits
    assert fast.changed[0]["what"] == Change.STATUS


def test_crossed_in_trading_but_not_in_an_auction():
    fast = Fast()
    fast.apply(kind=itch.H, code=ord("T"))
    fast.apply(kind=itch.A, ref=1, side=0, px=100, qty=1)
    fast.apply(kind=itch.A, ref=2, side=1, px=100, qty=1)
    assert fast.state == BookState.CROSSED
    fast.apply(kind=itch.D, ref=2)
    assert fast.state == 0
    fast.apply(kind=itch.H, code=ord("Q"))
    fast.apply(kind=itch.A, ref=3, side=1, px=99, qty=1)
    assert fast.state == BookState.AUCTION


def test_the_directory_binds_a_symbol_of_ours_only():
    fast = Fast()
    assert fast.apply(kind=itch.R, locate=99, stock=itch.stock("OTHER")) == 0
    assert fast.locates[2, 99] == 0
    assert fast.apply(kind=itch.R, locate=98, stock=itch.stock("STRANGER")) == book.NOT_OURS
    assert fast.apply(kind=itch.A, locate=98, ref=5, px=1, qty=1) == book.NOT_OURS


def test_phases_follow_the_days_events():
    phase, seen = 0, []
    for code in b"OSQMEC":
        phase = phase_after(phase, code)
        seen.append(phase)
    assert seen == [Phase(k) for k in range(1, 7)]
    assert phase_after(Phase.START_OF_MARKET_HOURS, ord("A")) == Phase.START_OF_MARKET_HOURS


def test_asking_ahead_changes_nothing():
    fast = Fast()
    fast.apply(kind=itch.A, ref=1, px=100, qty=1)
    before = [block.copy() for block in (fast.insts, fast.px, fast.qty, fast.cnt, fast.head, fast.table)]
    buf = np.zeros(64, np.uint8)
    for kind in b"AFECXDUSRPQ":
        buf[0], buf[2] = kind, LOCATE
        ahead(buf, 0, 2, fast.locates, fast.insts, fast.px, fast.qty, fast.cnt, fast.head, fast.table)
    for block, was in zip((fast.insts, fast.px, fast.qty, fast.cnt, fast.head, fast.table), before, strict=True):
        assert (block == was).all()


def replayed(tape, fast, locate, each):
    """Apply a recording's messages about one locate code, but for order reference 0, to both books; calls each(index, naive, code)."""
    naive = NaiveBook()
    for index, at in enumerate(tape.offsets.tolist()):
        decode(tape.data, at, fast.msg)
        if fast.msg[0]["locate"] != locate or (chr(fast.msg[0]["kind"]) in "AFEXCDU" and fast.msg[0]["ref"] == 0):
            continue
        fields = dict(zip(MESSAGE.names, fast.msg[0], strict=True))
        fast.msg["locate"] = LOCATE
        wanted, code = naive.apply(fields), fast.take()
        assert code == (1 if wanted == 0 else wanted), index
        each(index, naive, code)


def test_a_recording_with_stale_orders(data):
    """Books of hundreds of levels that cross; levels compared now and then, and at the end."""
    tape, fast = recording.read(data / "itch_from_lobster" / "goog10_deep.itch50.gz"), Fast(levels=2048, table=1 << 14, hashed=1, stock="GOOG")

    def each(index, naive, code):
        if index % 5000 == 0:
            assert fast.levels(0) == naive.levels(0)
            assert fast.levels(1) == naive.levels(1)

    tape = type(tape)(tape.data, tape.offsets[:30_000], None)
    replayed(tape, fast, 1, each)
    assert fast.insts[1]["n"].min() > 100


def test_a_recording_with_dangling_references(data):
    """117 messages are about orders that were never added; CppTrader's top ten agrees on all that follows.

    It refuses reference 0, so the one order that has it is left out here too.
    """
    folder = data / "itch_ritch_simulated"
    tape, unknown, rows = recording.read(folder / "ex20101224_lenprefixed.itch50.gz"), 0, {}
    with gzip.open(folder / "cpptrader_ritch_top10.csv.gz", "rt") as lines:
        for row in csv.reader(lines):
            if row[0].isdigit():
                rows[int(row[0])] = row
    compared = 0
    for locate in (1, 2, 3):
        fast = Fast(levels=512, table=1 << 13)
        codes = []

        def each(index, naive, code, fast=fast, codes=codes):
            nonlocal compared
            codes.append(code)
            if index in rows and code == 1:
                bids, asks = fast.levels(0)[:10], fast.levels(1)[:10]
                ours = [x for k in range(10) for side in (asks, bids) for x in ((str(side[k][0]), str(side[k][1])) if k < len(side) else ("", ""))]
                assert ours == rows[index][3:43], index
                compared += 1

        replayed(tape, fast, locate, each)
        unknown += codes.count(UNKNOWN_ORDER)
        assert DUPLICATE not in codes
    assert unknown == 117
    assert compared > 6000
