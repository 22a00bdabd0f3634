"""What money is shown: of words beyond 64 bits, of contracts, of other currencies."""

import dataclasses

import pytest
from telemetry.conftest import NOW

from core import position
from noderrd.control import answers
from noderrd.telemetry.figures import Figures
from noderrd.telemetry.metrics import LaneCollector

CONTRACT = 5


@pytest.fixture
def traded(lane):
    """A lane whose third instrument is a contract of five shares that trades in EUR of 1.20 USD; some of it is held, much was earned."""
    insts = list(lane.spec.instruments)
    insts[2] = dataclasses.replace(insts[2], currency="EUR", multiplier=CONTRACT, rate="1.2")
    row = lane.shared.positions[2]
    row["position"], row["cost"], row["fees"], row["fills"] = 3, 3 * 1_000_000, 70_000, 1
    row["realised"], row["realised_high"] = 120_000, 1
    lane.shared.insts[2]["mark"] = lane.shared.insts[2]["last_px"] = 1_100_000
    lane.shared.insts[2]["n"] = 0
    return dataclasses.replace(lane, spec=dataclasses.replace(lane.spec, instruments=insts))


def test_positions_are_in_the_instrument_s_currency(traded):
    [row] = [row for row in answers.positions([traded])["positions"] if row["symbol"] == "GOOG" and row["venue"] == "NSDQ" and row["fills"]]
    whole = CONTRACT * (position.WORD + 120_000)
    assert (row["avg_px"], row["currency"]) == ("100.000000", "EUR")
    assert row["realised"] == f"{whole // 10_000}.{whole % 10_000:04}"
    assert (row["unrealised"], row["fees"]) == ("150.0000", "35.0000")


def test_metrics_of_money_name_the_currency_and_figures_are_in_the_account_s(traded):
    found = {family.name: family for family in LaneCollector("1.2.3", lambda: [traded], lambda: NOW).collect()}
    samples = {
        name: {s.value for s in found[name].samples if s.labels["currency"] == "EUR"} for name in ("noderrd_realised_pnl", "noderrd_fees_paid")
    }
    assert 35.0 in samples["noderrd_fees_paid"]
    assert float(CONTRACT * (position.WORD + 120_000) / 10_000) in samples["noderrd_realised_pnl"]
    figures = Figures()
    figures.take(traded, NOW)
    assert figures.inventory["quotes"] == pytest.approx(3 * 110 * CONTRACT * 1.2)
