"""A stop that is half of a restart is told from one that is not, as systemd lists its jobs."""

import os
import signal
import subprocess
import sys

import pytest

from noderrd.host import handover, reap

JOBS = """\
  12 noderrd.service     {} running
  13 other.service       restart waiting
"""


@pytest.mark.parametrize(("kind", "again"), [("restart", True), ("try-restart", True), ("stop", False), ("start", False)])
def test_only_a_restart_of_the_unit_hands_over(kind, again):
    assert handover.restarts(JOBS.format(kind)) == again


@pytest.mark.parametrize("text", ["", "No jobs running.\n", "noderrd.service restart\n", "1 noderrd.service\n"])
def test_what_is_no_list_of_jobs_is_no_restart(text):
    assert not handover.restarts(text)


@pytest.mark.parametrize(("kind", "number"), [("restart", signal.SIGUSR1), ("stop", 0)])
def test_the_daemon_is_told_to_leave_on_a_restart_only(monkeypatch, kind, number):
    with subprocess.Popen([sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()"], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        monkeypatch.setenv("MAINPID", str(daemon.pid))
        monkeypatch.setattr(handover, "listed", lambda: JOBS.format(kind))
        monkeypatch.setattr(handover, "LEAVE_S", 0.1)  # a child that is not waited for stays in /proc
        assert handover.main() == 0
        assert (daemon.poll() or 0) in {0, -number}
        if not number:
            daemon.terminate()
        assert daemon.wait(60) == -(number or signal.SIGTERM)


@pytest.mark.parametrize(("kind", "reaped"), [("restart", 0), ("stop", 1)])
def test_nothing_is_reaped_between_the_halves_of_a_restart(monkeypatch, kind, reaped):
    killed = []
    monkeypatch.setenv("SERVICE_RESULT", "success")
    monkeypatch.setattr(handover, "listed", lambda: JOBS.format(kind))
    monkeypatch.setattr(reap, "leftover", lambda: iter([4_000_000]))
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    assert reap.main() == 0
    assert len(killed) == reaped
