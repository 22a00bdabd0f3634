"""The bench of a round of alerts evaluates what it says."""

from noderrd.bench import alerts as it


def test_a_thousand_alerts_are_evaluated():
    made = it.policy(it.ALERTS)
    assert len(made.alerts) == it.ALERTS
    assert len({one.name for one in made.alerts}) == it.ALERTS
    (row,) = it.run(quick=True)
    facts = row.facts()
    assert (facts["bench"], facts["case"], facts["n"], facts["alerts"]) == ("alerts", "round-1000", it.QUICK_ROUNDS, it.ALERTS)
    assert facts["p50"] > facts["reference_p50"] > 0
