"""What is asked of measured values, against the plainest reading of the same samples."""

import math

import pytest
from policies import policy

from rules import history
from rules.catalog import SECOND
from rules.evaluate import leaves
from rules.history import LOOKBACK_NS, MAX_SERIES, History

NAN = math.nan


def leaf(text):
    return leaves(policy(f"alert a info {{\n  when  {text}\n  do    log\n}}\n").alerts[0].when.when)[0]


def filled(name, values, labels=None, into=None):
    found = into or History()
    for k, value in enumerate(values):
        found.add(k * SECOND, name, labels or {}, value)
    return found


def ask(text, found, second):
    return found.read(leaf(text), int(second * SECOND))


def same(a, b):
    return a == pytest.approx(b) or (math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("edge > 1 tick", 9),
        ("avg(edge) over 4s > 1 tick", 7.5),
        ("max(edge) over 4s > 1 tick", 9),
        ("min(edge) over 4s > 1 tick", 6),
        ("sum(edge) over 4s > 1 tick", 30),
        ("count(edge) over 4s > 1", 4),
        ("delta(edge) over 4s > 1 tick", 3),
        ("p50(edge) over 4s > 1 tick", 7),
        ("p75(edge) over 4s > 1 tick", 8),
        ("p99(edge) over 4s > 1 tick", 9),
        ("absent(edge) over 4s", 0),
        ("rate(edge) over 4s > 1 tick / 1s", 1e-9),
        ("ewma(edge) over 1s > 1 tick", sum(v * 0.5 ** (9 - v) for v in range(2, 10)) / sum(0.5 ** (9 - v) for v in range(2, 10))),
    ],
)
def test_functions_over_a_window(text, expected):
    """Samples 0..9 at seconds 0..9, asked at second 9: a window of 4 s holds the samples of seconds 6 to 9."""
    assert same(ask(text, filled("edge", range(10)), 9), expected)


def test_missing_values_are_missing():
    gap = filled("edge", [1, NAN, NAN, 4])
    assert math.isnan(ask("edge > 1 tick", gap, 2))
    assert ask("avg(edge) over 10s > 1 tick", gap, 3) == 2.5
    assert ask("absent(edge) over 2s", gap, 2) == 1
    assert ask("count(edge) over 2s > 1", gap, 2) == 0
    assert math.isnan(ask("max(edge) over 2s > 1 tick", gap, 2))
    assert math.isnan(ask("edge > 1 tick", gap, 3 + LOOKBACK_NS / SECOND + 1))
    assert math.isnan(ask("rate(edge) over 10s > 1 tick / 1s", filled("edge", [1]), 0))
    assert ask("absent(edge) over 2s", History(), 2) == 1


def test_a_counter_that_falls_began_anew():
    assert same(ask("rate(orders) over 10s > 1/s", filled("orders", [10, 20, 5, 15]), 3), (10 + 5 + 10) / (3 * SECOND))
    assert ask("delta(orders) over 10s > 1", filled("orders", [10, 20, 5, 15]), 3) == 5


def test_series_count_together_as_the_catalogue_says():
    two = filled("position", [3, 4], {"symbol": "GOOG"})
    filled("position", [10, 20], {"symbol": "AAPL"}, into=two)
    assert ask("position > 1 share", two, 1) == 24
    assert ask("position[symbol = GOOG] > 1 share", two, 1) == 4
    assert ask("position[symbol != GOOG] > 1 share", two, 1) == 20
    assert ask("max(position) over 10s > 1 share", two, 1) == 24
    filled("position", [7], into=two)
    assert ask("position > 1 share", two, 1) == 7  # a total that is given counts alone
    ages = filled("feed_age", [3, 4], {"venue": "A"})
    filled("feed_age", [9, 1], {"venue": "B"}, into=ages)
    assert ask("feed_age > 1s", ages, 1) == 4
    assert ask("max(feed_age) over 10s > 1s", ages, 1) == 9
    latencies = filled("ack", [1, 2, 3], {"venue": "A"})
    filled("ack", [9, 9, 9], {"venue": "B"}, into=latencies)
    assert ask("p50(ack) over 10s > 1s", latencies, 2) == 3


def test_states():
    found = History()
    assert math.isnan(ask("book is stale", found, 0))
    found.set_states("book", {"symbol": "GOOG", "venue": "A"}, ["live"])
    found.set_states("book", {"symbol": "GOOG", "venue": "B"}, ["stale", "gap"])
    assert ask("book is stale", found, 0) == 1
    assert ask("book is not stale", found, 0) == 0
    assert ask("book[venue = A] is stale", found, 0) == 0
    assert ask("book[venue = B] is gap", found, 0) == 1
    found.set_states("book", {"symbol": "GOOG", "venue": "B"}, [])
    assert math.isnan(ask("book[venue = B] is gap", found, 0))


def test_series_and_samples_are_bounded(monkeypatch):
    found = History()
    assert all(found.add(0, "edge", {"symbol": str(k)}, 1.0) for k in range(MAX_SERIES))
    assert not found.add(0, "edge", {"symbol": "one more"}, 1.0)
    monkeypatch.setattr(history, "MAX_SAMPLES", 100)
    series = history.Series()
    for k in range(1_000):
        series.add(k, float(k), 10**9)
    assert len(series.times) <= 100
    assert series.values[-1] == 999
