"""Processes kept running: by the clock of a test for the waits, with real processes for signals."""

import os
import signal
import sys
from pathlib import Path

import pytest
import trio
from control import desk
from trio.testing import MockClock

from noderrd import logs
from noderrd.control import supervise
from noderrd.control.supervise import Worker

STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen(["sleep", "60"]).pid, "up", flush=True)
time.sleep(60)
"""


class Scripted(Worker):
    """Its process is a lifetime; `starts` are the times it was started at."""

    def __init__(self, lifetimes):
        super().__init__("scripted", [], Path(os.devnull), logs.get("test"))
        self._lifetimes, self.starts, self._end = list(lifetimes), [], 0.0

    def start(self):
        self.starts.append(trio.current_time())
        self._end = trio.current_time() + (self._lifetimes.pop(0) if self._lifetimes else 10_000.0)

    @property
    def pid(self):
        return 1 if trio.current_time() < self._end else 0


@pytest.fixture
def autojump_clock():
    return MockClock(autojump_threshold=0)


async def after(worker, seconds):
    """Keep a worker for a time; gives how often it was found to crash too often."""
    crashed = []
    with trio.move_on_after(seconds):
        await worker.keep(lambda: crashed.append(trio.current_time()))
    return len(crashed)


async def test_the_wait_doubles_up_to_a_bound(autojump_clock):
    worker = Scripted([1.0] * 8)
    await after(worker, 100)
    waits = [round(b - a - 1.0, 1) for a, b in zip(worker.starts, worker.starts[1:], strict=False)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert worker.restarts == 8


async def test_a_process_that_ran_long_begins_again_with_the_first_wait(autojump_clock):
    worker = Scripted([1.0, 1.0, 1.0, 100.0])
    await after(worker, 200)
    waits = [round(b - a, 1) for a, b in zip(worker.starts, worker.starts[1:], strict=False)]
    assert waits == [1.1, 1.2, 1.4, 100.1]


async def test_crashes_in_a_short_time_are_told_and_rare_ones_are_not(autojump_clock):
    assert await after(Scripted([1.0] * 4), 100) == 0
    assert await after(Scripted([1.0] * 5), 100) == 1
    assert await after(Scripted([30.0] * 20), 700) == 0


async def test_nothing_is_started_during_a_stop(autojump_clock):
    worker = Scripted([1.0] * 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.keep)
        await trio.sleep(1.05)  # in its first wait
        assert worker.state == "waiting"
        assert await worker.stop(1.0)
    assert len(worker.starts) == 1
    assert worker.state == "stopped"


def real(tmp_path, code):
    return Worker("real", [sys.executable, "-c", code], tmp_path / "log", logs.get("test"))


async def ready(tmp_path):
    await desk.until(lambda: (tmp_path / "log").exists() and b"up" in (tmp_path / "log").read_bytes())


async def test_a_process_has_a_session_of_its_own_and_ends_by_sigterm(tmp_path):
    worker = real(tmp_path, "print('up', flush=True); import time; time.sleep(60)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.keep)
        await ready(tmp_path)
        pid = worker.pid
        assert os.getsid(pid) == pid != os.getsid(0)
        assert await worker.stop(20.0)
    assert not supervise._exists(pid)


async def test_one_that_does_not_end_is_killed_with_its_session(tmp_path):
    worker = real(tmp_path, STUBBORN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.keep)
        await ready(tmp_path)
        child = int((tmp_path / "log").read_text().split()[0])
        assert not await worker.stop(0.2)
    await desk.until(lambda: not supervise._exists(child))


async def test_a_killed_process_is_started_again(tmp_path):
    worker = real(tmp_path, "print('up', flush=True); import time; time.sleep(60)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.keep)
        await ready(tmp_path)
        first = worker.pid
        os.kill(first, signal.SIGKILL)
        await desk.until(lambda: worker.pid not in {0, first})
        assert worker.restarts == 1
        await worker.stop(20.0)


async def test_a_process_that_ran_before_is_taken_over(tmp_path):
    old = real(tmp_path, "print('up', flush=True); import time; time.sleep(60)")
    old.start()
    await ready(tmp_path)
    new = real(tmp_path, "raise SystemExit")
    new.adopt(old.pid)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(new.keep)
        await trio.sleep(0.1)
        assert new.pid == old.pid
        assert new.restarts == 0
        assert await new.stop(20.0)
    assert not old.pid
