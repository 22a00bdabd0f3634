"""A book that is not what its orders add up to is found, whichever way it is wrong; one that is right never is."""

import numpy as np
import pytest
from feeds.channel import flow, packets

from core.codes import BookState, Counter
from core.jit import entry
from noderrd.lane import audit


@entry
def step(
    lane: np.ndarray, work: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, table: np.ndarray, now_ns: int,
) -> None:  # fmt: skip
    audit.step(lane, work, insts, px, qty, cnt, table, now_ns)


@pytest.fixture
def channel(channel_of):
    messages = flow(21, 600)
    it = channel_of(messages)
    for datagram in packets(messages, 21):
        it.arrive(0, datagram)
    return it


def looked(channel, steps=20):
    it = channel.shared
    for _ in range(steps):
        step(it.lane, channel.work, it.insts, it.px, it.qty, it.cnt, it.table, channel.now)


def test_books_that_are_right_are_never_called_wrong(channel):
    looked(channel, 60)
    assert channel.count(Counter.AUDITS) >= 9
    assert channel.count(Counter.AUDIT_BREACHES) == 0
    assert not channel.shared.insts["state"].any()


def wrong_shares(shared):
    shared.qty[1, 0, 0] += 1


def wrong_orders(shared):
    shared.cnt[1, 1, shared.insts[1]["n"][1] - 1] += 1


def wrong_level(shared):
    """Shares moved from one level to another: the sums alone would not tell."""
    shared.qty[1, 0, 0] += 1
    shared.qty[1, 0, 1] -= 1


def lost_order(shared):
    slot = np.flatnonzero((shared.table["key"] != 0) & (shared.table["inst"] == 1))[0]
    shared.table[slot]["qty"] += 5


def crossed(shared):
    """Both books raised alike, orders and levels, until they cross without saying so."""
    rows = (shared.table["key"] != 0) & (shared.table["inst"] == 1) & (shared.table["side"] == 0)
    shared.table["px"][rows] += 10_000
    shared.px[1, 0, : shared.insts[1]["n"][0]] += 10_000


@pytest.mark.parametrize("break_it", [wrong_shares, wrong_orders, wrong_level, lost_order, crossed])
def test_a_book_that_is_wrong_leaves_service_and_is_asked_for_again(channel, break_it):
    break_it(channel.shared)
    looked(channel)
    assert channel.count(Counter.AUDIT_BREACHES) == 1
    assert [int(state) for state in channel.shared.insts["state"]] == [0, BookState.GAP, 0]
    assert channel.row["resync"] == 1


def test_a_symbol_that_changes_meanwhile_is_not_judged(channel):
    wrong_shares(channel.shared)
    for _ in range(40):
        channel.shared.insts["seq_num"] += 1
        looked(channel, 1)
    assert channel.count(Counter.AUDITS) == channel.count(Counter.AUDIT_BREACHES) == 0
