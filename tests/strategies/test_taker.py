"""The taker: only with its model, only when it pays, never beyond its inventory."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.desk import Desk

import noderrd.strategies
from core.codes import BookState, EventKind, IntentKind, OrdStatus, Side, TimeInForce
from noderrd.strategies.compile import load

FILE = Path(noderrd.strategies.__file__).with_name("taker.py")
SECOND = 1_000_000_000
UP, FLAT, DOWN = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def taker():
    return load(FILE)


@pytest.mark.parametrize(("score", "never"), [(UP, Side.SELL), (DOWN, Side.BUY)])
def test_a_model_that_says_one_thing_trades_one_way_up_to_its_inventory(taker, score, never):
    desk = Desk(taker, clip=100, max_inventory=350)
    desk.score = score
    for k in range(200):
        desk.move(0, 1_000 + k % 7, 1_001 + k % 7, wait_ns=SECOND)
    assert abs(desk.position) == 350
    assert all(o.side != never for o in desk.orders.values())
    assert all(o.tif == TimeInForce.IOC for o in desk.orders.values())


def test_a_model_that_says_flat_trades_nothing(taker):
    desk = Desk(taker)
    desk.score = FLAT
    for k in range(50):
        desk.move(0, 1_000 + k % 7, 1_001 + k % 7, wait_ns=SECOND)
    assert not desk.intents


def test_without_a_score_or_with_an_old_one_it_trades_nothing(taker):
    desk = Desk(taker)
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    desk.score, desk.score_age = UP, 200_000_000
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    assert not desk.intents
    desk.score_age = 1_000
    assert desk.move(0, 1_000, 1_001, wait_ns=SECOND)


@pytest.mark.parametrize(
    ("up", "spread", "fee", "takes"), [(0.5, 1, 0, True), (0.5, 3, 0, False), (0.5, 1, 80, False), (0.2, 1, 0, False), (0.2, 1, -50, True)]
)
def test_it_takes_when_the_move_pays_for_spread_and_fee(taker, up, spread, fee, takes):
    """Expected move less half the spread and the fee (100 mils are a tick of a cent), above the threshold."""
    desk = Desk(taker, fees=fee, threshold=0.25, move=2.0)
    desk.score = (0.0, 1 - up, up)
    assert bool(2.0 * up - spread / 2 - fee / 100 > 0.25) == takes
    assert bool(desk.move(0, 1_000, 1_000 + spread, wait_ns=SECOND)) == takes


def test_it_takes_the_best_price_of_all_live_venues_and_not_more_than_is_there(taker):
    desk = Desk(taker, venues=3, clip=100)
    desk.books = [[998, 100, 1_002, 100], [999, 100, 1_001, 30], [999, 100, 1_000, 100]]
    desk.states[2], desk.score = BookState.HALTED, UP
    desk.now += SECOND
    (one,) = desk.tell(EventKind.BOOK, 0)
    assert (one["kind"], one["venue"], one["side"], one["px"], one["qty"]) == (IntentKind.NEW, 1, Side.BUY, 1_001, 30)


def test_it_closes_before_it_turns(taker):
    desk = Desk(taker, clip=100, max_inventory=200)
    desk.position, desk.score = 50, DOWN
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    assert desk.position == 0
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    assert desk.position == -100


def test_it_rests_between_orders_and_longer_after_a_refusal(taker):
    desk = Desk(taker, clip=1, max_inventory=1_000, rest=100_000_000)
    desk.score = UP
    for _ in range(1_000):
        desk.move(0, 1_000, 1_001, wait_ns=1_000_000)
    assert len(desk.intents) == 10
    desk.refuse = OrdStatus.DENIED
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    for _ in range(90):
        desk.move(0, 1_000, 1_001, wait_ns=10_000_000)
    assert len(desk.intents) == 11


def test_it_waits_for_the_venue_s_word(taker):
    desk = Desk(taker, rest=0)
    desk.score = UP
    desk.move(0, 1_000, 1_001, wait_ns=SECOND)
    order = desk.orders[1]
    order.status, order.qty = OrdStatus.NEW, 150
    assert not desk.move(0, 998, 999 + 1_000, wait_ns=SECOND)


CHANCE = st.floats(0, 1, width=32)  # as a score is kept


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.tuples(CHANCE, CHANCE), st.integers(-5, 5), st.integers(-2, 6), st.integers(1, 300)), max_size=40),
    st.integers(1, 150),
    st.integers(1, 400),
)
def test_it_never_passes_its_inventory(taker, path, clip, most):
    desk = Desk(taker, clip=clip, max_inventory=most, threshold=0.0)
    middle = 1_000
    for (down, up), step, spread, shares in path:
        middle += step
        desk.score, before = (down, 0, up), desk.position
        asked = desk.move(0, middle, middle + spread, shares, shares, SECOND)
        assert abs(desk.position) <= most
        assert before * desk.position >= 0, "never through zero in one order"
        for one in asked:
            assert up == down or (one["side"] == Side.BUY) == (up > down)  # a crossed book pays without a view
