"""Dashboards and rules: what lies in etc/ is what the program writes, and a real Prometheus fires what it should (queries: tests/demo)."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import receivers
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector
from telemetry.desk import path, put, traded

from noderrd.telemetry import dashboards
from noderrd.telemetry.metrics import LaneCollector

ETC = Path(__file__).resolve().parents[2] / "etc"
RULES = ETC / "prometheus" / "noderrd.rules.yml"


def test_the_files_are_what_the_program_writes():
    assert {f.name: f.read_text() for f in (ETC / "grafana").glob("*.json")} == dashboards.files()


def test_every_alert_says_what_to_do_first():
    text = RULES.read_text()
    assert text.count("- alert:") == text.count("runbook:") == text.count("severity:") > 5


def wait(done, seconds=120):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "Prometheus has no answer"
        time.sleep(0.1)


class Trading(Collector):
    """Single orders and executions of a lane that trades between any two scrapes."""

    def __init__(self, lane):
        self.lane, self.orders = lane, traded(lane, time.time_ns())

    def describe(self):
        return []

    def collect(self):
        path(self.lane)
        put(self.lane.shared, time.time_ns(), 0, 0, 10_000, 1, 0, 10_000)
        self.orders.take(self.lane, time.time_ns())
        return list(self.orders.collect())


@pytest.fixture
def prometheus(lane, tmp_path):
    """A real Prometheus that scrapes a lane whose counters rise; `ask` puts it a query."""
    lane.shared.venues[0]["feed_ns"] = time.time_ns() - 10 * 10**9
    registry = CollectorRegistry()
    registry.register(LaneCollector("1.2.3", lambda: [lane], time.time_ns))
    registry.register(Trading(lane))
    server, thread = start_http_server(0, "127.0.0.1", registry)
    with receivers.prometheus(tmp_path, RULES, server.server_port) as answers:

        def ask(query):
            lane.shared.control[0]["counters"] += 5
            lane.shared.histograms[:] += lane.shared.histograms > 0
            return answers(query)

        yield ask
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_real_prometheus_evaluates_the_rules(prometheus):
    wait(lambda: prometheus("rate(noderrd_orders_total[1m]) > 0"))
    for record in ("noderrd:tick_to_trade_seconds:p99", "noderrd:feed_messages:rate1m", "noderrd:profit"):
        wait(lambda record=record: prometheus(record))
    firing = {row["metric"]["alertname"] for row in prometheus('ALERTS{alertstate=~"firing|pending"}')}
    assert {"NoderrdDeadMansSwitch", "NoderrdHalted", "NoderrdSessionDown", "NoderrdFeedSilent"} <= firing
    assert "NoderrdLaneDown" not in firing


def test_promtool_reads_the_rules():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here (Debian: apt install prometheus)")
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
