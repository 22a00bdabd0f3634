"""What the lane does when its ring fills: market data is left out and counted, orders go on to the last slot, and then the node halts."""

import numpy as np
import pytest

from core import layout as at
from core.codes import Counter, Halt, JournalKind
from core.jit import exposed
from noderrd.lane import record

journal = exposed(record.journal)
journal_words = exposed(record.journal_words)
journal_datagram = exposed(record.journal_datagram)
journal_denial = exposed(record.journal_denial)
journaled = exposed(record.journaled)
DATA = np.arange(200, dtype=np.uint8)


@pytest.fixture
def lane():
    return np.zeros(1, at.LANE)


def leave(lane, n):
    """Fill the ring but for `n` slots."""
    control = lane[0]["control"]
    control[0]["journal_head"] = control[0]["journal_tail"] + at.JOURNAL_SLOTS - n


def rows(lane, first=0):
    head = int(lane[0]["control"][0]["journal_head"])
    return [lane[0]["journal"][k % at.JOURNAL_SLOTS] for k in range(first, head)]


def test_record_holds_what_was_put(lane):
    journal(lane, JournalKind.SENT, 1, 2, 3, 4, 5, DATA, 7, 49)
    journal_words(lane, JournalKind.DENIED, -1, -1, -1, 6, 7, 10, -11, 12, 13)
    sent, denied = rows(lane)
    assert (sent["seq"], sent["kind"], sent["venue"], sent["strat"], sent["inst"], sent["ts_ns"], sent["ref"], sent["size"]) == (
        1,
        6,
        1,
        2,
        3,
        4,
        5,
        49,
    )
    assert bytes(sent["data"][:49]) == bytes(DATA[7:56])
    assert (denied["seq"], denied["size"]) == (2, 32)
    assert list(denied["data"][:32].view(np.int64)) == [10, -11, 12, 13]


def test_long_data_is_cut_and_its_size_kept(lane):
    journal(lane, JournalKind.RECEIVED, 0, 0, 0, 0, 0, DATA, 0, 120)
    assert rows(lane)[0]["size"] == 120
    assert bytes(rows(lane)[0]["data"]) == bytes(DATA[: at.JOURNAL_DATA])


@pytest.mark.parametrize("size", [0, 1, 87, 88, 89, 176, 177, 200])
def test_datagram_is_kept_whole_in_pieces(lane, size):
    journal_datagram(lane, 2, 99, 17, DATA, 0, size)
    found = rows(lane)
    assert [r["kind"] for r in found] == [JournalKind.FEED] + [JournalKind.MORE] * (max(size - 1, 0) // at.JOURNAL_DATA)
    assert b"".join(bytes(r["data"][: min(int(r["size"]), at.JOURNAL_DATA)]) for r in found) == bytes(DATA[:size])
    assert all(r["ref"] == 17 for r in found)


def test_market_data_is_left_out_before_orders_are_and_the_gap_is_told(lane):
    leave(lane, record.RESERVE - 1)
    first = int(lane[0]["control"][0]["journal_head"])
    journal_datagram(lane, 0, 1, 1, DATA, 0, 200)
    assert rows(lane, first) == []
    assert lane[0]["control"][0]["counters"][Counter.JOURNAL_SKIPPED] == 3
    journal(lane, JournalKind.SENT, 0, 0, 0, 2, 0, DATA, 0, 9)
    assert [r["kind"] for r in rows(lane, first)] == [JournalKind.GAP, JournalKind.SENT]
    assert rows(lane, first)[0]["data"][:8].view(np.int64)[0] == 3
    lane[0]["control"][0]["journal_tail"] += 10
    journal_datagram(lane, 0, 3, 1, DATA, 0, 10)
    assert rows(lane, first)[-1]["kind"] == JournalKind.FEED


def test_denials_do_not_use_up_what_is_kept_for_orders(lane):
    """A strategy that is denied for a full ring asks again at once."""
    leave(lane, record.RESERVE - 1)
    first = int(lane[0]["control"][0]["journal_head"])
    for _ in range(3):
        journal_denial(lane, 0, 0, 0, 1, 2, 21, 0, 0, -1)
    assert rows(lane, first) == []
    lane[0]["control"][0]["journal_tail"] += 100
    journal_denial(lane, 0, 0, 0, 1, 2, 21, 0, 0, -1)
    assert [r["kind"] for r in rows(lane, first)] == [JournalKind.GAP, JournalKind.DENIED]


def test_order_that_finds_no_slot_halts_the_node_and_overwrites_nothing(lane):
    leave(lane, 1)
    head = int(lane[0]["control"][0]["journal_head"])
    journal(lane, JournalKind.SENT, 0, 0, 0, 0, 0, DATA, 0, 9)
    assert lane[0]["control"][0]["halt_node"] == Halt.NONE
    before = lane[0]["journal"].copy()
    journal(lane, JournalKind.RECEIVED, 0, 0, 0, 0, 0, DATA, 0, 9)
    control = lane[0]["control"][0]
    assert (control["halt_node"], control["journal_head"], control["counters"][Counter.JOURNAL_LOST]) == (Halt.JOURNAL, head + 1, 1)
    assert np.array_equal(lane[0]["journal"], before)
    control["journal_tail"] += 5
    journal(lane, JournalKind.SENT, 0, 0, 0, 0, 0, DATA, 0, 9)
    assert [r["kind"] for r in rows(lane, head + 1)] == [JournalKind.GAP, JournalKind.SENT]


def test_lane_finds_what_it_journaled_last(lane):
    for seq in range(1, 5):
        journal(lane, JournalKind.RECEIVED, 0, 0, 0, 0, seq, DATA, 0, 9)
        journal(lane, JournalKind.RECEIVED, 1, 0, 0, 0, 10 * seq, DATA, 0, 9)
        journal(lane, JournalKind.SENT, 0, 0, 0, 0, 99, DATA, 0, 9)
    assert (journaled(lane, 0), journaled(lane, 1), journaled(lane, 2)) == (4, 40, 0)
