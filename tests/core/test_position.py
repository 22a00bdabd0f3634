"""Positions against a naive twin in exact fractions."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core import position
from core.codes import Side
from core.jit import entry
from core.layout import POSITION


@entry
def fill_all(positions, fills):
    for k in range(fills.shape[0]):
        position.fill(positions, 0, fills[k, 0], fills[k, 1], fills[k, 2], fills[k, 3])


fills_of = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(1, 2_000_000), st.integers(1, 10_000), st.integers(-50_000, 50_000)),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(fills_of, st.integers(1, 2_000_000))
def test_profit_is_cash_and_position_at_the_mark_less_fees(fills, mark):
    row = np.zeros(1, POSITION)
    fill_all(row, np.array(fills, np.int64))
    held = sum(q if side == Side.BUY else -q for side, _, q, _ in fills)
    cash = sum(-px * q if side == Side.BUY else px * q for side, px, q, _ in fills)
    assert row[0]["position"] == held
    assert row[0]["cash"] == cash
    assert row[0]["fees"] == sum(fee for *_, fee in fills)
    unrealised = mark * held - row[0]["cost"] if held >= 0 else row[0]["cost"] + mark * held
    assert row[0]["realised"] + unrealised == cash + held * mark, "the split never loses a unit"


@settings(deadline=None)
@given(fills_of)
def test_the_average_cost_is_the_twin_s_to_a_unit_a_close(fills):
    row = np.zeros(1, POSITION)
    fill_all(row, np.array(fills, np.int64))
    held, cost, closes = 0, Fraction(0), 0
    for side, px, q, _ in fills:
        sign = 1 if side == Side.BUY else -1
        closing = min(q, abs(held)) if held * sign < 0 else 0
        if closing:
            cost -= cost * closing / abs(held)
            closes += 1
        cost += px * (q - closing)
        held += sign * q
    assert abs(row[0]["cost"] - cost) <= closes + 1
    assert (row[0]["cost"] == 0) == (held == 0)


def test_a_fill_that_crosses_zero_realises_the_old_and_opens_the_new():
    row = np.zeros(1, POSITION)
    fill_all(row, np.array([[Side.BUY, 100, 10, 0], [Side.SELL, 110, 15, 0]], np.int64))
    assert (row[0]["position"], row[0]["realised"], row[0]["cost"]) == (-5, 100, 550)


@entry
def bust_all(positions, fills):
    for k in range(fills.shape[0]):
        position.bust(positions, 0, fills[k, 0], fills[k, 1], fills[k, 2], fills[k, 3])


@entry
def profit_of(positions, mark):
    return position.profit(positions, 0, mark)


@settings(deadline=None, max_examples=60)
@given(fills_of, st.data(), st.integers(1, 2_000_000))
def test_after_busts_the_money_is_as_if_those_executions_had_never_been(fills, data, mark):
    gone = data.draw(st.sets(st.integers(0, len(fills) - 1)))
    row, kept = np.zeros(1, POSITION), np.zeros(1, POSITION)
    fill_all(row, np.array(fills, np.int64))
    bust_all(row, np.array([fills[k] for k in sorted(gone)], np.int64).reshape(-1, 4))
    fill_all(kept, np.array([f for k, f in enumerate(fills) if k not in gone], np.int64).reshape(-1, 4))
    for name in ("position", "cash", "fees", "bought", "sold", "fills"):
        assert row[0][name] == kept[0][name], name
    assert profit_of(row, mark) == profit_of(kept, mark)
    held = int(row[0]["position"])
    unrealised = mark * held - int(row[0]["cost"]) if held >= 0 else int(row[0]["cost"]) + mark * held
    assert int(row[0]["realised"]) + unrealised - int(row[0]["fees"]) == profit_of(row, mark)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(2**30, 2**31 - 1), st.integers(2**25, 2**27 - 1)), min_size=1, max_size=60))
def test_sums_beyond_64_bits_are_exact(fills):
    row = np.zeros(1, POSITION)
    fill_all(row, np.array([(*f, 0) for f in fills], np.int64))
    cash = sum(Decimal(-px * q if side == Side.BUY else px * q) for side, px, q in fills)
    assert Decimal(position.wide(row[0]["cash"], row[0]["cash_high"])) == cash
    held = int(row[0]["position"])
    realised = position.wide(row[0]["realised"], row[0]["realised_high"])
    cost = int(row[0]["cost"]) if held >= 0 else -int(row[0]["cost"])
    assert Decimal(realised - cost) == cash, "what was realised and what is still in the position are the cash, to the last unit"


def test_a_thousand_largest_purchases_and_their_sale_leave_nothing():
    row = np.zeros(1, POSITION)
    most = (position.PX_MAX, position.QTY_MOST - 1)
    for side in (Side.BUY, Side.SELL):
        for _ in range(20):
            fill_all(row, np.array([(side, *most, 0)] * 10, np.int64))
        if side == Side.BUY:
            assert position.wide(row[0]["cash"], row[0]["cash_high"]) == -200 * most[0] * most[1]
            assert profit_of(row, most[0] - 7) == -7 * 200 * most[1], "exact, though neither cash nor value fits a word"
            assert profit_of(row, 1) == -position.WORD, "beyond a word it stays at its end"
    assert (position.wide(row[0]["cash"], row[0]["cash_high"]), row[0]["position"]) == (0, 0)
    assert profit_of(row, 1) == 0
