"""Venue scores out of a lane's shared memory and of probes."""

from decimal import Decimal

import pytest

from core.codes import Session
from noderrd.telemetry.scores import SECOND, Scores

ALL = {"latency": Decimal("0.4"), "cost": Decimal("0.2"), "liquidity": Decimal("0.3"), "reliability": Decimal("0.1")}


@pytest.fixture
def both(lane):
    """The lane of the fixture with both venues up and a book in each symbol: 300 and 100 shares at the best prices of AAPL, 50 and 50 of GOOG."""
    shared = lane.shared
    for v in range(2):
        shared.venues[v]["state"], shared.venues[v]["session_state"], shared.venues[v]["feed_ns"] = 0, Session.UP, 1
    for k, shares in enumerate((300, 100, 50, 50)):
        shared.insts[k]["state"], shared.insts[k]["n"] = 0, (2, 1)
        shared.qty[k, 0, 1], shared.qty[k, 1, 0] = shares // 2, shares - shares // 2
    return lane


def look(lane, weights=None, scores=None, at_ns=1):
    scores = scores or Scores()
    scores.look(lane.spec, lane.shared, weights or {}, at_ns)
    return scores


def test_parts_are_worth_what_the_policy_says(both):
    scores = Scores()
    scores.probed("NSDQ", 100_000, 6, 0)
    scores.probed("EDGE", 400_000, 6, 3)
    look(both, {"NSDQ": ALL, "EDGE": ALL}, scores)
    near, far = scores.now["NSDQ"], scores.now["EDGE"]
    assert near.parts == {"latency": 1.0, "cost": 1.0, "liquidity": 1.0, "reliability": 1.0}
    assert near.value == pytest.approx(1.0)
    assert far.parts == {"latency": 0.25, "cost": 1.0, "liquidity": pytest.approx((100 / 300 + 1) / 2), "reliability": 0.5}
    assert far.value == pytest.approx(0.4 * 0.25 + 0.2 + 0.3 * 2 / 3 + 0.1 * 0.5)
    assert (far.distance_ns, far.lost) == (400_000, 0.5)


def test_what_is_not_known_has_no_weight(both):
    found = look(both).now["EDGE"]  # never probed, and the policy is silent
    assert found.parts["latency"] is found.distance_ns is found.lost is None
    assert set(found.weights.values()) == {0.25}
    assert found.value == pytest.approx((1.0 + 2 / 3 + 1.0) / 3)
    only = look(both, {"EDGE": {"latency": Decimal(1)}}).now["EDGE"]
    assert only.value is None


def test_a_venue_that_was_asked_and_is_silent_is_worth_nothing_in_latency(both):
    scores = Scores()
    scores.probed("NSDQ", 100_000, 6, 0)
    scores.probed("EDGE", None, 6, 6)
    found = look(both, scores=scores).now["EDGE"]
    assert (found.parts["latency"], found.parts["reliability"]) == (0.0, 0.0)


def test_probes_and_outages_are_smoothed(both):
    scores = Scores()
    for distance in (100_000, 200_000):
        scores.probed("NSDQ", distance, 4, 0)
    look(both, scores=scores)
    assert scores.now["NSDQ"].distance_ns == 125_000
    both.shared.venues[0]["session_state"] = Session.DOWN
    look(both, scores=scores, at_ns=1 + 60 * SECOND)
    assert scores.now["NSDQ"].parts["reliability"] == pytest.approx(0.5)  # a half-life
    both.shared.insts["state"] = 1
    look(both, scores=scores, at_ns=1 + 120 * SECOND)
    assert scores.now["NSDQ"].parts["liquidity"] == 1.0  # nobody shows anything: what was known is kept


def test_a_dearer_venue_costs_by_the_tick(both):
    spec = both.spec.venues
    object.__setattr__(spec[1], "taker_mils", 30)
    object.__setattr__(spec[0], "maker_mils", -20)
    found = look(both).now
    assert (found["NSDQ"].parts["cost"], found["EDGE"].parts["cost"]) == (1.0, pytest.approx(0.75))


def test_a_book_that_is_not_live_shows_nothing(both):
    both.shared.venues[1]["state"] = 1
    assert look(both).now["EDGE"].parts["liquidity"] == 0.0
