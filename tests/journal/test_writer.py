"""The writer against disks that fail, and against its own death under load."""

import errno
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from journal import ring

from core import layout as at
from core.codes import Writer as State
from noderrd.journal import segment
from noderrd.journal.lock import Busy
from noderrd.journal.read import records
from noderrd.journal.segment import Damaged
from noderrd.journal.verify import verify
from noderrd.journal.writer import GROUP, MOST, RETRY_NS, SYNC_NS, Writer

SECOND = 10**9


@pytest.fixture
def shared(tmp_path):
    return ring.make(tmp_path / "lane0")


@pytest.fixture
def writer(shared, tmp_path):
    it = Writer(shared, tmp_path / "journal", "lane0", ring.LOG)
    yield it
    it.close()


def test_lane_gets_its_slots_back_only_when_they_are_on_the_disk(shared, writer, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    ring.publish(shared, 3)
    assert writer.turn(SECOND) == 3
    assert (writer.backlog, flushed) == (3, [])
    writer.turn(SECOND + SYNC_NS - 1)
    assert writer.backlog == 3
    writer.turn(SECOND + SYNC_NS)
    assert (writer.backlog, len(flushed)) == (0, 1)


def test_full_group_is_flushed_at_once(shared, writer):
    ring.publish(shared, GROUP)
    writer.turn(SECOND)
    assert writer.backlog == 0


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "posix_fallocate", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_disk_that_refuses_is_said_and_loses_nothing(shared, tmp_path, monkeypatch, call, code):
    writer = Writer(shared, tmp_path / "journal", "lane0", ring.LOG, capacity=10)

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    now = SECOND
    for _ in range(5):
        ring.publish(shared, 10)  # a whole segment
        with monkeypatch.context() as broken:
            broken.setattr(os, call, refuse)
            for _ in range(3):
                writer.turn(now := now + SYNC_NS)
            assert (shared.control[0]["writer_state"], shared.control[0]["writer_errno"]) == (State.BLOCKED, code)
            assert writer.turn(now + 1) == 0  # not tried again at once
        now += RETRY_NS
        for _ in range(4):
            writer.turn(now := now + SYNC_NS)
        assert (shared.control[0]["writer_state"], shared.control[0]["writer_errno"], writer.backlog) == (State.WRITING, 0, 0)
    writer.close()
    assert list(np.concatenate([*records(tmp_path / "journal")])["seq"]) == [*range(1, 51)]
    assert verify(tmp_path / "journal").ok


def test_full_ring_takes_no_more_and_goes_on_when_it_has_room(shared, writer):
    assert ring.publish(shared, at.JOURNAL_SLOTS + 5) == at.JOURNAL_SLOTS
    assert ring.publish(shared, 1) == 0
    now = SECOND
    while writer.backlog:
        writer.turn(now := now + SYNC_NS)
    assert ring.publish(shared, 4) == 4
    writer.turn(now + SECOND)
    writer.turn(now + SECOND + SYNC_NS)
    assert writer.backlog == 0


def test_one_writer_a_lane(shared, writer, tmp_path):
    with pytest.raises(Busy):
        Writer(shared, tmp_path / "journal", "lane0", ring.LOG)
    Writer(shared, tmp_path / "journal", "lane1", ring.LOG).close()


def test_journal_that_lost_what_was_on_the_disk_is_refused(shared, tmp_path):
    """Going on would hide the hole."""
    ring.publish(shared, 5)
    ring.write_all(shared, tmp_path / "journal")
    path = segment.path_of(tmp_path / "journal", "lane0", 1)
    raw = path.read_bytes()
    path.write_bytes(raw[: segment.offset_of(3)].ljust(len(raw), b"\0"))
    writer = Writer(shared, tmp_path / "journal", "lane0", ring.LOG)
    with pytest.raises(Damaged, match="was flushed, and is not there"):
        writer.turn(SECOND)
    writer.close()


def test_damage_in_front_of_many_records_is_no_torn_tail(shared, tmp_path):
    ring.publish(shared, MOST + GROUP + 20)
    ring.write_all(shared, tmp_path / "journal")
    path = segment.path_of(tmp_path / "journal", "lane0", 1)
    raw = bytearray(path.read_bytes())
    raw[segment.offset_of(5) + 1] ^= 1
    path.write_bytes(raw)
    writer = Writer(ring.make(tmp_path / "other"), tmp_path / "journal", "lane0", ring.LOG)
    with pytest.raises(Damaged, match="more behind it than a crash leaves"):
        writer.turn(SECOND)
    writer.close()
    assert path.read_bytes() == raw


def command(tmp_path, *more):
    words = ["--shared", tmp_path / "lane0", "--spec", tmp_path / "SPEC.json", "--dir", tmp_path / "journal", *more]
    return [sys.executable, "-P", "-m", "noderrd.journal", *map(str, words)]


def start(tmp_path, *more):
    return subprocess.Popen(command(tmp_path, *more), stderr=subprocess.PIPE)


def wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.002)


def test_writer_killed_at_random_under_load_loses_and_doubles_nothing(shared, tmp_path):
    ring.spec(tmp_path / "SPEC.json", tmp_path / "lane0")
    chance = random.Random(5)
    control = shared.control[0]
    for _ in range(8):
        process = start(tmp_path, "--capacity", "3000", "--raw", "2")
        wait_for(lambda: control["writer_state"] == State.WRITING, process)
        end = time.monotonic() + chance.uniform(0.0, 0.15)
        while time.monotonic() < end:
            ring.publish(shared, chance.randrange(400))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        control["writer_state"] = State.AWAY
        ring.publish(shared, chance.randrange(400))
    process = start(tmp_path, "--capacity", "3000", "--raw", "2")
    wait_for(lambda: control["writer_state"] == State.WRITING, process)
    process.terminate()
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert control["writer_state"] == State.ENDED
    rows = np.concatenate([*records(tmp_path / "journal")])
    assert list(rows["seq"]) == [*range(1, int(control["journal_head"]) + 1)]
    assert list(rows["ref"]) == list(rows["seq"])
    verdict = verify(tmp_path / "journal")
    assert (verdict.ok, verdict.torn_tail, verdict.records) == (True, False, len(rows))


def test_disk_that_is_really_full(shared, tmp_path):
    """A tmpfs with room for two segments, in a mount namespace of the writer's own; then somebody makes room."""
    folder = tmp_path / "journal"
    folder.mkdir()
    small = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*small, "mount", "-t", "tmpfs", "none", folder], check=False, capture_output=True).returncode != 0:
        pytest.skip("no user namespace to mount a small disk in")
    ring.spec(tmp_path / "SPEC.json", tmp_path / "lane0")
    control = shared.control[0]
    script = f"mount -t tmpfs -o size=1m none {folder} && exec {shlex.join(command(tmp_path, '--capacity', '3000', '--raw', '9'))}"
    process = subprocess.Popen([*small, "sh", "-c", script], stderr=subprocess.PIPE)
    ring.publish(shared, 7000)
    wait_for(lambda: control["writer_state"] == State.BLOCKED, process)
    assert (control["writer_errno"], control["journal_tail"]) == (errno.ENOSPC, 6000)
    inside = Path(f"/proc/{process.pid}/root{folder}")
    assert verify(inside).records == 6000
    segment.path_of(inside, "lane0", 1).unlink()
    wait_for(lambda: control["journal_tail"] == 7000, process)
    assert (control["writer_state"], control["writer_errno"]) == (State.WRITING, 0)
    verdict = verify(inside)
    assert (verdict.ok, verdict.records) == (True, 4000)
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_second_writer_process_says_why_it_ends(shared, tmp_path, writer):
    ring.spec(tmp_path / "SPEC.json", tmp_path / "lane0")
    process = start(tmp_path)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert b"another writer holds" in said
