"""A whole node against simulated exchanges, killed at random, loses and doubles nothing; one that leaves a step out is found by the same judge."""

import json
import subprocess
import sys

import pytest

FIVE = ("lost", "doubled", "position_mismatches", "open_order_mismatches", "journal_breaks")


def crash_test(tmp_path, *words):
    command = [sys.executable, "-P", "-m", "noderrd.crash", "--json", "--state", tmp_path / "state", *words]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=900)
    assert done.stdout, done.stderr[-4000:]
    return done, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("cod", ["on", "off"])
def test_killed_at_random_a_node_loses_and_doubles_nothing(tmp_path, cod):
    done, said = crash_test(tmp_path, "--kills", 10, "--seed", 7, "--cod", cod)
    assert done.returncode == 0, (said, done.stderr[-4000:])
    assert {name: said[name] for name in FIVE} == dict.fromkeys(FIVE, 0)
    assert said["kills"] == 10
    assert said["by_target"] == dict.fromkeys(("lane", "daemon", "writer", "venue", "all"), 2)
    assert said["fills"] > 0
    assert said["open_at_kill"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("step", "targets"), [("skip-replay", "lane"), ("skip-unknown", "lane"), ("skip-journal", "writer")])
def test_node_that_leaves_a_step_out_is_found_out(tmp_path, step, targets):
    done, said = crash_test(tmp_path, "--kills", 3, "--seed", 7, "--targets", targets, "--break", step)
    assert done.returncode == 1
    assert any(said[name] for name in FIVE), (said, done.stderr[-4000:])
