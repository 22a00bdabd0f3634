"""A demo as an operator watches it: a real Prometheus that scrapes it answers every query, a circuit is broken and closed, the day is told."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import receivers

from core.codes import JournalKind
from noderrd.journal import decode
from noderrd.journal.read import records
from noderrd.rig import ports
from noderrd.telemetry import dashboards, pathlog

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 400  # at most: it is ended as soon as everything was seen
START_S = 900  # a first start compiles
RULES = """\
notify nobody {{ webhook "http://127.0.0.1:{port}/" }}
alert always critical {{
  when  orders > 0
  do    log, circuit_break(symbol AAPL) for 2s, notify(nobody)
}}
alert never warning {{
  when  orders < 0
  do    circuit_break(router) for 1min
}}
"""


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@pytest.fixture
def demo(tmp_path):
    """A demo with metrics; gives its state folder, the port of its metrics, and a function that asks it by noderrctl."""
    (port, nobody), state, rules = ports.free(2), tmp_path / "state", tmp_path / "more.rules"
    rules.write_text(RULES.format(port=nobody))
    command = ["--seconds", str(SECONDS), "--state", str(state), "--metrics-port", str(port), "--rules", str(rules)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-P", "-m", "noderrd.demo", *command], stdout=log, stderr=log, start_new_session=True)

    def ask(*words):
        ctl = [sys.executable, "-P", "-m", "noderrd.ctl.main", "--socket", str(state / "noderrd.sock"), *words, "--json"]
        done = subprocess.run(ctl, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else done.stderr

    end = time.monotonic() + START_S
    while "noderrd_lane_up" not in get(f"http://127.0.0.1:{port}/metrics"):
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.2)
    yield state, port, ask, process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


@pytest.fixture
def prometheus(demo, tmp_path):
    """A real Prometheus that scrapes the demo; gives a function that puts it a query."""
    with receivers.prometheus(tmp_path, ROOT / "etc/prometheus/noderrd.rules.yml", demo[1], "2s") as ask:
        yield ask


@pytest.mark.slow
def test_everything_that_is_watched_has_values(demo, prometheus):
    state, port, ask, process = demo
    panels = [(name, *panel) for name, some in dashboards.DASHBOARDS.items() for panel in some]
    waiting = {f"{name}: {title}: {query}": query for name, title, _, queries in panels for query in queries}
    text = (ROOT / "etc/prometheus/noderrd.rules.yml").read_text()
    waiting |= {name: name for name in (line.split()[2] for line in text.splitlines() if "- record:" in line)}
    closed = False
    while waiting or not closed:
        assert process.poll() is None, f"the demo is over, and nothing was said to {sorted(waiting)}"
        waiting = {name: query for name, query in waiting.items() if not prometheus(query)}
        code, found = ask("circuits")
        assert code == 0, f"the demo is over, and nothing was said to {sorted(waiting)}"
        if not closed and found["circuits"]:
            assert (found["circuits"][0]["part"], found["circuits"][0]["alert"]) == ("symbol AAPL", "always")
            assert found["circuits"][0]["state"] in {"open", "half-open"}
            code, _ = ask("close", "symbol AAPL", "--reason", "seen")
            closed = code == 0
        time.sleep(0.2)
    assert {row["metric"]["alertname"] for row in prometheus("ALERTS")} >= {"NoderrdDeadMansSwitch"}
    if promtool := shutil.which("promtool"):
        metrics = get(f"http://127.0.0.1:{port}/metrics")
        done = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    (row,) = [row for row in ask("circuits")[1]["circuits"] if row["part"] == "symbol AAPL"]
    assert (row["state"], row["why"]) == ("closed", "seen")
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    (log,) = (state / pathlog.FOLDER).iterdir()
    kept = pathlog.read(log)
    assert sum(int(counts.sum()) for counts in kept.values()) > 0
    rows = [row for block in records(state / "journal") for row in block[np.isin(block["kind"], (JournalKind.TOLD, JournalKind.CLOCK))]]
    said = [decode.told(row, decode.Names()) for row in rows]
    assert {row["kind"] for row in said} == {"TOLD", "CLOCK"}
    words = [row["said"] for row in said if row["kind"] == "TOLD"]
    assert words[0].startswith("symbol AAPL open: alert always: ")
    assert any(line.startswith("symbol AAPL closed: by ") and line.endswith(": seen") for line in words)
