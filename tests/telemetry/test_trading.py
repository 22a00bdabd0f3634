"""Trading figures against naive twins: plain loops over plain numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noderrd.telemetry import trading as it

PX = st.integers(9_000, 11_000).map(lambda cents: cents / 100)
ROW = st.tuples(st.integers(1, 10**9), st.sampled_from([1, -1]), PX, st.integers(1, 500), st.integers(-100, 100).map(lambda c: c / 100), PX, PX)
ROWS = st.lists(ROW, max_size=30)
EQUITY = st.lists(st.integers(-10_000, 10_000).map(float), max_size=40)


def fills_of(rows):
    fills = np.zeros(len(rows), it.FILL)
    ts = 0
    for k, (gap, *rest) in enumerate(rows):
        ts += gap
        fills[k] = (ts, *rest)
    return fills


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-9, abs=1e-9)


@given(ROWS, st.randoms(use_true_random=False))
def test_costs(rows, random):
    fills, later = fills_of(rows), [random.uniform(90, 110) for _ in rows]
    cost = value = effective = realised = impact = mids = 0.0
    for (_, side, px, qty, _, arrival, mid), then in zip(rows, later, strict=True):
        cost += side * (px - arrival) * qty
        value += arrival * qty
        effective += 2 * side * (px - mid) * qty
        realised += 2 * side * (px - then) * qty
        impact += 2 * side * (then - mid) * qty
        mids += mid * qty
    nan = math.nan
    assert same(it.slippage_bps(fills), cost / value * 1e4 if rows else nan)
    assert same(it.effective_spread_bps(fills), effective / mids * 1e4 if rows else nan)
    assert same(it.realised_spread_bps(fills, np.array(later)), realised / mids * 1e4 if rows else nan)
    assert same(it.adverse_selection_bps(fills, np.array(later)), -impact / mids * 1e4 if rows else nan)


def test_signs_are_what_a_trader_expects():
    taker = fills_of([(1, 1, 100.05, 100, 0.0, 100.0, 100.0)])
    maker = fills_of([(1, 1, 99.95, 100, 0.0, 100.0, 100.0)])
    assert it.slippage_bps(taker) > 0 > it.slippage_bps(maker)
    assert it.effective_spread_bps(taker) == pytest.approx(10)
    fell = np.array([99.9])
    assert it.adverse_selection_bps(maker, fell) == pytest.approx(20)
    assert it.realised_spread_bps(maker, fell) == pytest.approx(10)


@given(ROWS)
def test_round_trips(rows):
    """A twin that keeps every share's price in one average, share by share."""
    fills, position, average, profits = fills_of(rows), 0, 0.0, []
    for _, side, px, qty, fee, *_ in rows:
        won, closing = 0.0, False
        for _ in range(qty):
            if position * side < 0:
                won += -side * (px - average)
                closing = True
                position += side
                average = 0.0 if position == 0 else average
            else:
                average = (average * abs(position) + px) / (abs(position) + 1)
                position += side
        if closing:
            profits.append(won - fee)
    found = it.closed(fills)
    assert len(found) == len(profits)
    assert found == pytest.approx(profits, rel=1e-6, abs=1e-4)
    wins, losses = sum(p for p in found if p > 0), -sum(p for p in found if p < 0)
    assert same(it.profit_factor(found), wins / losses if losses else math.nan)
    assert same(it.hit_ratio(found), sum(p > 0 for p in found) / len(found) if len(found) else math.nan)


@given(EQUITY)
def test_equity(values):
    equity, changes = np.array(values), [b - a for a, b in itertools.pairwise(values)]
    deepest, peak = 0.0, -math.inf
    for value in values:
        peak = max(peak, value)
        deepest = max(deepest, peak - value)
    assert same(it.max_drawdown(equity), deepest if values else math.nan)
    n = len(changes)
    mean = sum(changes) / n if n else 0.0
    deviation = math.sqrt(sum((c - mean) ** 2 for c in changes) / (n - 1)) if n > 1 else 0.0
    downside = math.sqrt(sum(min(c, 0.0) ** 2 for c in changes) / n) if n else 0.0
    assert same(it.sharpe(equity, 4.0), 2 * mean / deviation if n > 1 and deviation else math.nan)
    assert same(it.sortino(equity, 4.0), 2 * mean / downside if downside else math.nan)


def test_a_year_of_minutes():
    assert it.Year().periods(60 * it.SECOND) == 252 * 390


@given(ROWS, st.integers(1, 10**9))
def test_inventory_and_turnover(rows, rest):
    fills = fills_of(rows)
    if not rows:
        assert math.isnan(it.inventory(fills, 10))
        return
    end = int(fills["ts_ns"][-1]) + rest
    position = area = 0
    for k, (_, side, _, qty, *_) in enumerate(rows):
        position += side * qty
        area += abs(position) * ((int(fills["ts_ns"][k + 1]) if k + 1 < len(rows) else end) - int(fills["ts_ns"][k]))
    assert it.inventory(fills, end) == pytest.approx(area / (end - int(fills["ts_ns"][0])))
    assert it.turnover(fills) == pytest.approx(sum(px * qty for _, _, px, qty, *_ in rows))


@given(st.lists(st.integers(0, 100), min_size=1), st.lists(st.integers(-5, 105), min_size=1))
def test_the_last_value_before_a_time(times, when):
    times = sorted(times)
    values = np.arange(len(times), dtype=float)
    found = it.at(np.array(times), values, np.array(when))
    for w, f in zip(when, found, strict=True):
        before = [v for t, v in zip(times, values, strict=True) if t <= w]
        assert (math.isnan(f) and not before) or f == before[-1]


def test_sampling_takes_the_equity_as_it_stood():
    assert it.sampled(np.array([0, 5, 12]), np.array([1.0, 2.0, 3.0]), 5).tolist() == [1.0, 2.0, 2.0]


def test_fill_ratio():
    assert it.fill_ratio(np.array([100, 300]), np.array([100, 100])) == 0.5
    assert math.isnan(it.fill_ratio(np.zeros(0), np.zeros(0)))
