"""Figures of a running node against telemetry.trading over the whole list of executions, itself tested against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telemetry.desk import put, traded

from core.codes import OrdStatus
from noderrd.telemetry import figures as it
from noderrd.telemetry import trading

BEGIN = 1_800_000_000 * it.SECOND - 1_800_000_000 * it.SECOND % it.DAY_NS + it.SECOND
ROW = st.tuples(
    st.integers(0, 8_000), st.integers(0, 7), st.sampled_from([0, 1]), st.integers(9_000, 11_000), st.integers(1, 500), st.integers(-100, 100),
    st.integers(9_000, 11_000),
)  # fmt: skip


def close(a, b):
    return (a is None and math.isnan(b)) or a == pytest.approx(b, rel=1e-9, abs=1e-9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=25))
def test_figures_are_those_of_all_executions(lane, rows):
    shared, now = lane.shared, BEGIN
    found, fills, mids = it.Figures(), {}, {}
    found.take(lane, now)
    for gap_ms, *row in rows:
        now += gap_ms * 1_000_000
        put(shared, now, *row)
        found.take(lane, now)
        index, side, px, qty, fee, mid = row
        mids.setdefault(index % 4, []).append((now, mid / 100))
        key = ("quotes", "taker")[index // 4], ("NSDQ", "EDGE")[index % 2]
        fills.setdefault(key, []).append((index, (now, 1 if side == 0 else -1, px / 100, qty, fee / 100, (mid - 2) / 100, mid / 100)))
    for _ in range(40):
        now += it.SECOND
        found.take(lane, now)
    said = {(name, labels): value for name, some in found.rows().items() for labels, value in some}
    for key, some in fills.items():
        table = np.array([row for _, row in some], trading.FILL)
        assert close(said.get(("noderrd_slippage_bps", key)), trading.slippage_bps(table))
        assert close(said.get(("noderrd_effective_spread_bps", key)), trading.effective_spread_bps(table))
        for seconds in it.HORIZONS_S:
            due = [(index % 4, row[0] + seconds * it.SECOND) for index, row in some]
            later = np.array([[mid for at, mid in mids[inst] if at <= then][-1] for inst, then in due])
            assert close(said.get(("noderrd_realised_spread_bps", (*key, f"{seconds}s"))), trading.realised_spread_bps(table, later))
            assert close(said.get(("noderrd_adverse_selection_bps", (*key, f"{seconds}s"))), trading.adverse_selection_bps(table, later))
    for strategy in {key[0] for key in fills}:
        own = [one for key, some in fills.items() if key[0] == strategy for one in some]
        by_index = [np.array([row for k, row in own if k == index], trading.FILL) for index in range(8)]
        profits = np.concatenate([trading.closed(table) for table in by_index])
        assert close(said.get(("noderrd_profit_factor", (strategy,))), trading.profit_factor(profits))
        assert close(said.get(("noderrd_hit_ratio", (strategy,))), trading.hit_ratio(profits))
        assert close(said["noderrd_turnover_value_total", (strategy,)], sum(trading.turnover(table) for table in by_index))


def test_profit_by_the_clock(lane):
    found, curve, rng = it.Figures(), [], np.random.default_rng(3)
    for k in range(30):
        curve.append(float(rng.integers(-500, 500)))
        lane.shared.accounts[0]["profit"] = int(curve[-1]) * it.MONEY
        found.take(lane, BEGIN + k * it.SAMPLE_NS)
    said = dict(found.rows()["noderrd_sharpe_ratio"]), dict(found.rows()["noderrd_sortino_ratio"]), dict(found.rows()["noderrd_max_drawdown_value"])
    periods = trading.Year().periods(it.SAMPLE_NS)
    assert said[0]["quotes",] == pytest.approx(trading.sharpe(np.array(curve), periods))
    assert said[1]["quotes",] == pytest.approx(trading.sortino(np.array(curve), periods))
    assert said[2]["quotes",] == trading.max_drawdown(np.array(curve))


def test_inventory_is_what_is_held_at_the_mid(lane):
    lane.shared.insts["mark"][2] = 1_000_000, 1_000_200
    found = it.Figures()
    found.take(lane, BEGIN)
    assert dict(found.rows()["noderrd_inventory_value"])["quotes",] == pytest.approx(300 * 100.01)


def test_an_ended_order_counts_once_and_a_live_one_not(lane):
    found, orders = it.Figures(), lane.shared.orders
    orders[3]["cl_ord_id"], orders[3]["ord_status"], orders[3]["order_qty"] = 9, OrdStatus.CANCELED, 1_000  # of before
    found.take(lane, BEGIN)
    for slot, (status, ordered, filled) in enumerate(((OrdStatus.FILLED, 100, 100), (OrdStatus.CANCELED, 300, 60), (OrdStatus.NEW, 50, 0))):
        orders[slot]["cl_ord_id"], orders[slot]["ord_status"], orders[slot]["order_qty"], orders[slot]["cum_qty"] = slot + 1, status, ordered, filled
    for _ in range(2):
        found.take(lane, BEGIN + 1)
    assert found.fill_ratio() == found.fill_ratio(("quotes", "AAPL", "NSDQ")) == trading.fill_ratio(np.array([100, 300]), np.array([100, 60])) == 0.4
    orders[1]["cl_ord_id"], orders[1]["cum_qty"] = 77, 300  # another order took the slot
    found.take(lane, BEGIN + 2)
    assert found.fill_ratio() == 460 / 700
    found.take(lane, BEGIN + it.DAY_NS)
    assert math.isnan(found.fill_ratio())


def test_the_catalogue_is_what_is_given(lane):
    families = {family.name: family.samples for family in traded(lane, BEGIN).collect()}
    assert all(families.values()), [name for name, samples in families.items() if not samples]
