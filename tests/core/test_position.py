"""Positions against a naive twin in exact fractions."""

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
