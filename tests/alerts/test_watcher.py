"""Alerts on a running node: what is kept over restarts and reloads, silences, and what values mean."""

import json
import math

import numpy as np
import policies
import pytest

from core.layout import BUCKETS
from noderrd import logs
from noderrd.alerts.live import of_counts
from noderrd.alerts.watcher import Watcher, message
from noderrd.telemetry import hdr

TEXT = """\
notify ops { webhook "http://127.0.0.1:1/" }
alert busy warning {
  when      orders > 10 for 2s
  cooldown  5s
  do        log, webhook("ops")
}
"""
SECOND = 10**9


class Desk:
    """A watcher fed with one value a second."""

    def __init__(self, folder, text=TEXT):
        self.it = Watcher(folder, logs.get("test"))
        self.it.watch(policies.policy(text))
        self.now = 10**18

    def feed(self, *values):
        """Give the states that were told."""
        told = []
        for value in values:
            self.now += SECOND
            told += [moved.state for _, moved in self.it.step(lambda leaf, now, value=value: value, self.now)]
        return told


def test_it_fires_once_and_is_resolved(tmp_path):
    desk = Desk(tmp_path)
    assert desk.feed(5, 20, 20, 20, 20, 5) == ["pending", "firing", "resolved"]
    (row,) = desk.it.rows()
    assert (row["alert"], row["state"], row["value"], row["threshold"], row["rule"]) == ("busy", "resolved", 5, 10, "test.rules:2")
    assert [line["state"] for line in desk.it.history()] == ["pending", "firing", "resolved"]


def test_a_restart_goes_on_where_it_was(tmp_path):
    desk = Desk(tmp_path)
    desk.feed(20, 20, 20)
    desk.it.acknowledge("busy", "ann")
    again = Desk(tmp_path)
    again.now = desk.now
    assert again.it.rows()[0]["acknowledged_by"] == "ann"
    assert again.feed(20, 5) == ["resolved"]
    assert len(again.it.history()) == 3


def test_a_reload_keeps_what_means_the_same(tmp_path):
    desk = Desk(tmp_path)
    desk.feed(20, 20, 20)
    desk.it.watch(policies.policy("# another line\n" + TEXT.replace("cooldown  5s", "cooldown  5_000ms")))
    assert desk.it.rows()[0]["state"] == "firing"
    assert desk.it.rows()[0]["rule"] == "test.rules:3"
    desk.it.watch(policies.policy(TEXT.replace("> 10", "> 11")))
    assert desk.it.rows() == []
    assert desk.feed(20, 20, 20) == ["pending", "firing"]


def test_a_silenced_alert_goes_on_and_tells_nobody_until_then(tmp_path):
    desk = Desk(tmp_path)
    desk.it.silence("busy", desk.now + 4 * SECOND, "ann")
    assert desk.feed(20, 20, 20) == ["pending", "firing"]  # what protects is done
    assert desk.it.rows()[0]["silenced_by"] == "ann"
    assert desk.it.notices((), desk.now) == []
    desk.feed(20)
    assert [notice.states for notice in desk.it.notices((), desk.now)] == [{"busy": "firing"}]
    assert desk.feed(5) == ["resolved"]
    assert desk.it.notices((), desk.now) == []  # nobody knows that it fired


def test_what_was_told_outlives_a_restart(tmp_path):
    desk = Desk(tmp_path)
    desk.feed(20, 20, 20)
    desk.it.told(desk.it.notices((), desk.now), desk.now)
    again = Desk(tmp_path)
    assert again.it.notices((), desk.now) == []
    again.now = desk.now
    again.feed(5)
    assert [notice.states for notice in again.it.notices((), again.now)] == [{"busy": "resolved"}]


def test_a_silence_of_nothing(tmp_path):
    desk = Desk(tmp_path)
    with pytest.raises(KeyError):
        desk.it.silence("nothing", 0, "ann")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"busy": 7}', '{"busy": {"facts": {}}}'])
def test_state_that_cannot_be_read_begins_anew(tmp_path, text):
    (tmp_path / "alerts.json").write_text(text)
    (tmp_path / "alerts.jsonl").write_text('{"alert": "old"}\n{"cut')
    desk = Desk(tmp_path)
    assert desk.feed(20, 20, 20) == ["pending", "firing"]
    assert desk.it.history()[0] == {"alert": "old"}


def test_a_missing_value_is_said_as_null(tmp_path):
    desk = Desk(tmp_path)
    assert desk.feed(math.nan, math.nan) == []
    said = desk.it.explain("busy", lambda leaf, now: math.nan, desk.now)
    assert (said["true"], said["value"], said["threshold"]) == (None, None, 10)
    assert "missing" in said["trace"][0]
    assert desk.it.explain("busy", lambda leaf, now: 12.0, desk.now)["true"] is True


def test_what_a_target_is_told(tmp_path):
    desk = Desk(tmp_path)
    policy = policies.policy(TEXT)
    desk.feed(20, 20)
    ((alert, moved),) = desk.it.step(lambda leaf, now: 20.0, desk.now + SECOND)
    told = json.loads(json.dumps(message(alert, moved, "node")))
    assert told["rule"] == f"{policy.alerts[0].span.file}:2"
    assert {key: told[key] for key in ("alert", "severity", "state", "value", "threshold", "node")} == {
        "alert": "busy", "severity": "warning", "state": "firing", "value": 20.0, "threshold": 10.0, "node": "node",
    }  # fmt: skip


def test_functions_of_counts_are_those_of_the_values():
    rng = np.random.default_rng(3)
    values = rng.choice(hdr.VALUES[:9000], 500)
    counts = np.bincount(np.searchsorted(hdr.VALUES, values), minlength=BUCKETS)
    exact = np.sort(values)
    assert of_counts(counts, "count", SECOND) == 500
    assert of_counts(counts, "max", SECOND) == exact[-1]
    assert of_counts(counts, "min", SECOND) == exact[0]
    assert of_counts(counts, "avg", SECOND) == pytest.approx(exact.mean())
    assert of_counts(counts, "p50", SECOND) == exact[249]
    assert of_counts(counts, "p99", SECOND) == exact[494]
    assert of_counts(counts, "rate", 10 * SECOND) == 500 / (10 * SECOND)
    none = np.zeros(BUCKETS, np.int64)
    assert (of_counts(none, "count", SECOND), of_counts(none, "absent", SECOND)) == (0, 1)
    assert math.isnan(of_counts(none, "p50", SECOND))
