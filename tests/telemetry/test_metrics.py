"""A scrape of a lane's shared memory: complete, by the conventions, and equal to what the lane holds."""

import shutil
import subprocess

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from core.codes import Counter, Stage
from core.layout import BUCKETS
from noderrd.telemetry import hdr
from noderrd.telemetry.catalog import BOUNDS_NS, COUNTERS, OTHERS, OWN
from noderrd.telemetry.metrics import LaneCollector
from noderrd.telemetry.own import OwnCollector

NOW = 1_800_000_000_000_000_000


@pytest.fixture
def registry(lane):
    registry = CollectorRegistry()
    registry.register(LaneCollector("1.2.3", lambda: [lane], lambda: NOW))
    return registry


def samples(registry):
    text = generate_openmetrics(registry).decode()
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in text_string_to_metric_families(text) for s in f.samples}


def of(registry, metric, **labels):
    return samples(registry).get((metric, tuple(sorted(labels.items()))))


def test_every_counter_of_the_lane_has_a_name():
    assert set(COUNTERS) == set(Counter)
    assert len({name for name, _ in COUNTERS.values()}) == len(COUNTERS)


def test_counters_are_the_lanes(registry, lane):
    found = samples(registry)
    for counter, (name, _) in COUNTERS.items():
        assert found[f"noderrd_{name}_total", (("lane", "lane0"),)] == 7 * counter


def test_states_are_the_lanes(registry):
    assert of(registry, "noderrd_lane_restarts_total", lane="lane0") == 3
    assert of(registry, "noderrd_lane_heartbeat_age_seconds", lane="lane0") == 0.5
    assert [of(registry, "noderrd_halted", scope="venue", name=v) for v in ("NSDQ", "EDGE")] == [0, 1]
    assert [of(registry, "noderrd_halted", scope="symbol", name=s) for s in ("AAPL", "GOOG")] == [0, 1]
    assert [of(registry, "noderrd_order_session_up", venue=v) for v in ("NSDQ", "EDGE")] == [1, 0]
    assert of(registry, "noderrd_feed_line_datagrams_total", venue="NSDQ", line="B") == 12
    assert of(registry, "noderrd_feed_age_seconds", venue="NSDQ") == 2
    assert of(registry, "noderrd_venue_probe_seconds", venue="NSDQ", part="tcp") == 0.00012
    assert of(registry, "noderrd_venue_probe_seconds", venue="EDGE", part="tcp") is None
    assert of(registry, "noderrd_venue_score", venue="NSDQ") == 0.75
    assert of(registry, "noderrd_venue_probe_loss_ratio", venue="NSDQ") == 0.25
    assert of(registry, "noderrd_venue_score", venue="EDGE") is None
    assert of(registry, "noderrd_feed_age_seconds", venue="EDGE") is None
    assert of(registry, "noderrd_book_best_bid_price", venue="NSDQ", symbol="GOOG") == 175.31
    assert of(registry, "noderrd_book_best_ask_price", venue="NSDQ", symbol="GOOG") is None
    assert of(registry, "noderrd_position_shares", venue="NSDQ", symbol="GOOG", strategy="quotes") == -300
    assert of(registry, "noderrd_open_shares", venue="EDGE", symbol="GOOG", strategy="taker", side="sell") == 40
    assert of(registry, "noderrd_position_shares", venue="NSDQ", symbol="AAPL", strategy="taker") is None


def test_histograms_count_what_the_lane_counted(registry, lane):
    for stage in Stage:
        counts, labels = lane.shared.histograms[stage], {"lane": "lane0", "stage": stage.name.lower()}
        values = np.repeat(hdr.VALUES, counts)
        for bound in BOUNDS_NS:
            assert of(registry, "noderrd_latency_seconds_bucket", le=repr(bound / 1e9), **labels) == (values <= bound).sum()
        assert of(registry, "noderrd_latency_seconds_count", **labels) == 500
        assert of(registry, "noderrd_latency_seconds_sum", **labels) == pytest.approx(values.sum() / 1e9)


def test_the_catalogue_is_what_is_given(registry):
    given = {name for name, _ in samples(registry)}
    for name, (kind, _, _) in OTHERS.items():
        assert any(g.startswith(name) for g in given) or name == "noderrd_book_best_ask_price", name
        assert name.endswith("_total") == (kind == "counter")


def figures():
    """Give every metric of the daemon once."""
    return [
        (name, tuple(label for label in labels), np.eye(1, BUCKETS, 900, np.int64)[0] if kind == "histogram" else 1.0)
        for name, (kind, labels, _) in OWN.items()
    ]


def test_what_the_daemon_says_of_itself_is_in_the_catalogue(registry):
    own = OwnCollector()
    own.sources.append(figures)
    registry.register(own)
    found = samples(registry)
    for name, (kind, labels, _) in OWN.items():
        key = tuple(sorted((label, label) for label in labels))
        assert found[name + ("_count" if kind == "histogram" else ""), key] == 1
        assert name.endswith("_total") == (kind == "counter")
    own.sources.append(lambda: [("noderrd_nothing", (), 1.0)])
    with pytest.raises(KeyError):
        list(own.collect())


def test_promtool_has_nothing_to_say(registry):
    own = OwnCollector()
    own.sources.append(figures)
    registry.register(own)
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=generate_latest(registry), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
