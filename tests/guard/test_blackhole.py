"""Cancel-on-disconnect and the guard on a link that swallows everything, with a real exchange behind it, in network namespaces of the test's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount-proc", "--pid", "--fork"]


@pytest.fixture
def swallowed(tmp_path):
    """Give a function that runs the scenario; skips, and says so, where this machine makes no such namespaces."""
    probe = [*NAMESPACES, "sh", "-c", "ip link add name this type veth peer name that && ip link del this"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no user and network namespaces with veth here: {tried.stderr.strip()}")

    def run(cod):
        command = [*NAMESPACES, sys.executable, "-P", str(ROOT / "tests" / "guard" / "blackhole.py"), str(tmp_path / "state"), cod]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), done.stderr[-4000:]

    return run


@pytest.mark.slow
def test_a_lane_on_a_dead_link_gives_up_the_exchange_cancels_and_both_agree_afterwards(swallowed):
    said, why = swallowed("on")
    assert said, why
    assert said["canceled"], "cancel-on-disconnect fires after 15 s of silence"
    assert said["gave_up"]
    assert said["cuts"] == 0, "the lane lives: the guard has nothing to do"
    assert said["reserved"] > 0, "what nobody could tell keeps reserving"
    assert said["back"]
    assert said["equal"]


@pytest.mark.slow
def test_a_lane_that_dies_on_a_dead_link_is_canceled_for_when_the_link_is_whole_again(swallowed):
    said, why = swallowed("off")
    assert said, why
    assert said["cut"]
    assert said["in_vain"]
    assert said["still_open"] > 0, "the exchange cancels nothing by itself"
    assert said["canceled"]
