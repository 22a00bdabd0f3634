"""The market maker: where it quotes, how it leans, what it never does."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.desk import Desk

import noderrd.strategies
from core.codes import BookState, EventKind, IntentKind, OrderFlag, OrdStatus, Side, TimeInForce
from core.feature import Feature
from noderrd.strategies.compile import load

FILE = Path(noderrd.strategies.__file__).with_name("quotes.py")
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def quotes():
    return load(FILE)


def by_side(desk, venue=0):
    return {o.side: o for o in desk.open.values() if o.venue == venue}


def formula(fair, half_spread, skew, volatility, position, clip):
    """Guéant, Lehalle and Fernandez-Tapia's approximations, as the file's docstring gives them."""
    c, q = skew * volatility, position / clip
    return math.floor(fair - half_spread - (q + 0.5) * c), math.ceil(fair + half_spread - (q - 0.5) * c)


@pytest.mark.parametrize("position", [0, 100, 300, -100, -300])
@pytest.mark.parametrize("volatility", [0.0, 2.0, 9.0])
def test_it_quotes_where_the_paper_says(quotes, position, volatility):
    desk = Desk(quotes, half_spread=3.5, skew=0.25, clip=100, max_inventory=1_000)
    desk.position, desk.features = position, {Feature.VOLATILITY_8S: volatility}
    desk.move(0, 990, 1_010, 300, 100)
    found = by_side(desk)
    fair = (990 * 100 + 1_010 * 300) / 400
    assert (found[Side.BUY].px, found[Side.SELL].px) == formula(fair, 3.5, 0.25, volatility, position, 100)
    assert all(o.flags == OrderFlag.POST_ONLY and o.tif == TimeInForce.DAY and o.qty == 100 for o in found.values())


def test_it_leans_away_from_its_inventory(quotes):
    prices = []
    for position in (-400, -200, 0, 200, 400):
        desk = Desk(quotes, half_spread=3.0, skew=0.5, max_inventory=1_000)
        desk.position, desk.features = position, {Feature.VOLATILITY_8S: 2.0}
        desk.move(0, 990, 1_010)
        prices.append(tuple(by_side(desk)[side].px for side in (Side.BUY, Side.SELL)))
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == len(prices)


def test_it_quotes_on_every_live_venue_and_leaves_one_that_is_not(quotes):
    desk = Desk(quotes, venues=3, max_inventory=1_000)
    desk.states[2] = BookState.GAP
    desk.move(0, 999, 1_001)
    assert {(o.venue, o.side) for o in desk.open.values()} == {(v, s) for v in (0, 1) for s in (0, 1)}
    desk.lose(0)
    assert {o.venue for o in desk.open.values()} == {1}


def test_it_cancels_everything_when_there_is_no_price_to_go_by(quotes):
    desk = Desk(quotes)
    desk.move(0, 999, 1_001)
    assert desk.open
    desk.move(0, 999, 0)
    assert not desk.open


def test_it_cancels_all_at_the_end(quotes):
    desk = Desk(quotes)
    desk.move(0, 999, 1_001)
    assert [one["kind"] for one in desk.tell(EventKind.STOP)] == [IntentKind.CANCEL_ALL]


def test_a_book_that_stands_still_costs_no_message(quotes):
    desk = Desk(quotes, venues=2)
    desk.move(0, 999, 1_001)
    sent = len(desk.intents)
    for _ in range(1_000):
        desk.now += 5_000_000
        desk.tell(EventKind.TIMER)
    assert len(desk.intents) == sent


def test_it_does_not_flood(quotes):
    """A book that jumps every millisecond: each side of each venue is touched once in `rest` at most."""
    desk = Desk(quotes, rest=20_000_000, requote=0.0)
    for k in range(1_000):
        desk.move(0, 990 + 5 * (k % 2), 1_010 + 5 * (k % 2))
    assert 2 * 40 <= len(desk.intents) <= 2 * 51


def test_a_quote_is_left_alone_within_the_tolerance_and_moved_beyond(quotes):
    desk = Desk(quotes, half_spread=5.0, requote=2.0, rest=0)
    desk.move(0, 980, 1_020)
    before = by_side(desk)[Side.BUY].px
    for bid in (981, 982, 981, 980):
        assert not desk.move(0, bid, bid + 40, wait_ns=SECOND)
    desk.move(0, 985, 1_025, wait_ns=SECOND)
    assert by_side(desk)[Side.BUY].px == before + 5


def test_a_jump_past_its_own_order_waits_for_that_one_to_move(quotes):
    """Bid and ask are replaced in one call: the venue may take them in any order, and they must not meet."""
    desk = Desk(quotes, half_spread=1.5, rest=0)
    desk.move(0, 990, 1_010)
    old = by_side(desk)[Side.SELL].px
    asked = desk.move(0, 1_001, 1_019, wait_ns=SECOND)
    assert asked[0]["px"] == old - 1
    for _ in range(3):
        desk.move(0, 1_001, 1_019, wait_ns=SECOND)
    assert (by_side(desk)[Side.BUY].px, by_side(desk)[Side.SELL].px) == (1_008, 1_012)


def test_a_refusal_silences_that_side_for_a_second(quotes):
    desk = Desk(quotes, rest=1_000_000)
    desk.refuse = OrdStatus.DENIED
    desk.move(0, 999, 1_001)
    refused = len(desk.intents)
    assert refused == 2
    for _ in range(99):
        desk.move(0, 999, 1_001, wait_ns=10_000_000)
    assert len(desk.intents) == refused
    desk.refuse = None
    desk.move(0, 999, 1_001, wait_ns=SECOND)
    assert set(by_side(desk)) == {Side.BUY, Side.SELL}


def test_a_second_order_at_a_place_is_cancelled(quotes):
    desk = Desk(quotes)
    desk.move(0, 999, 1_001)
    keep = by_side(desk)[Side.BUY]
    desk.orders[77] = type(keep)(0, Side.BUY, keep.px - 1, 50, TimeInForce.DAY, 1)
    desk.tell(EventKind.TIMER)
    assert desk.orders[77].status == OrdStatus.CANCELED
    assert keep.status == OrdStatus.NEW


def test_a_smaller_inventory_takes_back_what_stands_beyond_it(quotes):
    desk = Desk(quotes, venues=2, clip=100, max_inventory=500)
    desk.move(0, 999, 1_001)
    desk.params = quotes.params({"clip": 100, "max_inventory": 100})
    desk.tell(EventKind.PARAMS)
    assert sum(o.leaves for o in desk.open.values() if o.side == Side.BUY) == 100


moves = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-6, 6),
        st.integers(1, 8),
        st.integers(1, 400),
        st.integers(1, 400),
        st.sampled_from([1_000_000, 30_000_000, 2 * SECOND]),
        st.sampled_from([0, 0, 0, 0, BookState.GAP]),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(moves, st.integers(1, 150), st.integers(1, 400), st.floats(0.5, 4), st.floats(0, 2))
def test_whatever_the_market_does(quotes, path, clip, most, half_spread, skew):
    desk = Desk(quotes, venues=3, clip=clip, max_inventory=most, half_spread=half_spread, skew=skew, requote=0.5)
    desk.features = {Feature.VOLATILITY_8S: 3.0}
    middle = [1_000, 1_000, 1_000]
    for venue, step, spread, bid_qty, ask_qty, wait, state in path:
        middle[venue] += step
        desk.states[venue] = state
        desk.move(venue, middle[venue], middle[venue] + spread, bid_qty, ask_qty, wait)
        buys, sells = (sum(o.leaves for o in desk.open.values() if o.side == side) for side in (Side.BUY, Side.SELL))
        assert desk.position + buys <= most
        assert desk.position - sells >= -most
        places = [(o.venue, o.side) for o in desk.open.values()]
        assert len(places) == len(set(places)), "one order a side and venue"
        assert not any(desk.states[v] for v, _ in places), "none on a venue that it cannot see"
        for one in by_side(desk, venue).values():
            assert one.px < middle[venue] + spread if one.side == Side.BUY else one.px > middle[venue]
    assert not any(o.status == OrdStatus.REJECTED for o in desk.orders.values()), "never an order that a venue must refuse as crossing"
