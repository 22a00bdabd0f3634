"""Rounds come at fixed times; one that takes too long leaves the next ones out and never piles them up."""

from hypothesis import given
from hypothesis import strategies as st

from noderrd.alerts.rounds import Rounds


def test_in_time_there_is_one_a_period():
    it, now = Rounds(1.0, 10.0), 10.0
    for _ in range(5):
        now += 0.25
        now += it.wait(now)
    assert (now, it.done, it.skipped) == (15.0, 5, 0)


def test_what_there_was_no_time_for_is_skipped_and_counted():
    it = Rounds(1.0, 0.0)
    assert it.wait(3.5) == 0.5
    assert (it.done, it.skipped) == (1, 3)
    assert it.wait(4.25) == 0.75
    assert (it.done, it.skipped) == (2, 3)
    assert it.wait(6.0) == 1.0, "a round that ends when the next is due leaves that out"
    assert (it.done, it.skipped) == (3, 4)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=50))
def test_rounds_done_and_skipped_are_those_that_were_due(spans):
    it, now = Rounds(1.0, 0.0), 0.0
    for span in spans:
        now += span
        wait = it.wait(now)
        assert 0 < wait <= 1.0
        now = round(now + wait)
    assert it.done + it.skipped == now
