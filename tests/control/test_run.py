"""`noderrd run --check` and `noderrd doctor` as a user calls them."""

import json
import os
import subprocess
import sys

from control import desk

from noderrd.control import lanes
from noderrd.control.run import leave_core

STRATEGY = '''"""Allocates."""

import numpy as np

from noderrd.strategies import strategy

PARAMS = ()
STATE = np.dtype([("seen", "i8")], align=True)


@strategy()
def on_event(event, view, params, state, out):
    greedy = np.zeros(8)
    return int(greedy[0])
'''


def run(*arguments, **environment):
    command = [sys.executable, "-P", "-m", "noderrd.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment})


def test_what_is_right_is_checked_and_nothing_is_left(tmp_path):
    done = run("run", "--config", desk.write(tmp_path), "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "state").iterdir()) == []
    assert not lanes.places("lane0", tmp_path / "state").shared.exists()


def test_a_bad_policy_is_shown_with_its_line_and_caret(tmp_path):
    done = run("run", "--config", desk.write(tmp_path, desk.POLICY.replace("5%", "5 bananas")), "--check")
    assert done.returncode == 1
    assert "10-test.rules:3:" in done.stderr
    assert "^" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_configuration_is_told_whole(tmp_path):
    path = desk.write(tmp_path)
    path.write_text("[node]\nname = 7\n")
    done = run("run", "--config", path, "--check")
    assert done.returncode == 1
    assert done.stderr.count(str(path)) >= 3
    assert "Traceback" not in done.stderr


def test_a_strategy_that_allocates_is_refused_with_its_line(tmp_path):
    (tmp_path / "greedy.py").write_text(STRATEGY)
    policy = desk.POLICY[: desk.POLICY.index("strategy quotes")] + 'strategy greedy {\n  file  "../greedy.py"\n  symbols  AAPL\n}\n'
    done = run("run", "--config", desk.write(tmp_path, policy), "--check")
    assert done.returncode == 1
    assert "greedy.py:13" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_with_another_shape_is_refused(tmp_path):
    policy = desk.POLICY + 'model alpha {\n  file  "models/alpha.onnx"\n  features  imbalance, microprice\n}\n'
    done = run("run", "--config", desk.write(tmp_path, policy), "--check")
    assert done.returncode == 1
    assert "float32[1, 32]" in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = run("run", "--config", tmp_path / "nowhere.toml")
    assert done.returncode == 1
    assert "nowhere.toml" in done.stderr
    assert run("run").returncode == 64


def test_doctor_says_what_a_lack_costs(tmp_path):
    done = run("doctor", "--json", "--config", desk.write(tmp_path))
    said = json.loads(done.stdout)
    states = {row["state"] for row in said["checks"]}
    assert {"cores", "multicast", "buffers", "shm", "disk", "clock", "memlock", "sockets"} <= {row["name"] for row in said["checks"]}
    assert "TCP_NODELAY 1" in next(row["found"] for row in said["checks"] if row["name"] == "sockets")
    assert states <= {"ok", "warn", "absent"}
    assert all(bool(row["cost"]) == (row["state"] == "warn") for row in said["checks"])
    assert done.returncode == (2 if "warn" in states else 0)
    told = run("doctor").stdout
    assert told.count("costs: ") == sum(line.startswith("warn") for line in told.splitlines())


def test_the_daemon_keeps_off_the_lane_s_core(monkeypatch):
    moved = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: moved.append((pid, cores)))
    leave_core(3)
    leave_core(-1)
    assert moved == [(0, {0, 5})]
    for few in ({3}, {3, 5}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, few=few: few)
        leave_core(3)
    assert len(moved) == 1, "the others would have one core alone"
