"""The writer's process on disks that fail, for real: I/O errors and slowness put between it and the kernel, and a file system that becomes read-only.

Nothing is lost: what the disk did not take stays in the ring, is said, and goes out when the disk is well again.
"""

import errno
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from journal import ring
from journal.test_writer import command, wait_for

from core.codes import Writer as State
from noderrd.journal import segment
from noderrd.journal.read import records
from noderrd.journal.verify import verify

HERE = Path(__file__).parent


@pytest.fixture
def shared(tmp_path):
    ring.spec(tmp_path / "SPEC.json", tmp_path / "lane0")
    return ring.make(tmp_path / "lane0")


@pytest.fixture
def faulty(tmp_path):
    """Give a function that starts the writer on a disk that does what the file `disk` says."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make a faulty disk with")
    library = tmp_path / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "disk.c"), "-ldl"], check=True)
    started = []

    def start(*more):
        environment = {**os.environ, "LD_PRELOAD": str(library), "DISK": str(tmp_path / "disk")}
        started.append(subprocess.Popen(command(tmp_path, *more), stderr=subprocess.PIPE, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ends(process):
    process.terminate()
    said = process.communicate(timeout=60)[1].decode()
    return process.returncode, said


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.ENOSPC])
def test_disk_that_fails_is_said_and_nothing_is_lost(shared, tmp_path, faulty, code):
    control = shared.control[0]
    process = faulty("--capacity", "3000")
    ring.publish(shared, 100)
    wait_for(lambda: control["journal_tail"] == 100, process)
    (tmp_path / "disk").write_text(str(code))
    ring.publish(shared, 5000)
    wait_for(lambda: control["writer_state"] == State.BLOCKED, process)
    assert (control["writer_errno"], control["journal_tail"]) == (code, 100)
    (tmp_path / "disk").unlink()
    wait_for(lambda: control["journal_tail"] == 5100, process)
    assert (control["writer_state"], control["writer_errno"]) == (State.WRITING, 0)
    assert ends(process)[0] == 0
    assert list(np.concatenate([*records(tmp_path / "journal")])["seq"]) == [*range(1, 5101)]
    assert verify(tmp_path / "journal").ok


def test_disk_that_still_fails_at_the_end_is_the_exit_code(shared, tmp_path, faulty, monkeypatch):
    control = shared.control[0]
    process = faulty()
    wait_for(lambda: control["writer_state"] == State.WRITING, process)
    (tmp_path / "disk").write_text(str(errno.EIO))
    ring.publish(shared, 10)
    wait_for(lambda: control["writer_state"] == State.BLOCKED, process)
    code, said = ends(process)
    assert code == 74
    assert "journal blocked" in said
    ring.write_all(shared, tmp_path / "journal")
    assert verify(tmp_path / "journal").records == 10


def test_slow_disk_is_late_and_loses_nothing(shared, tmp_path, faulty):
    """Every write and every flush takes 100 ms: the backlog grows, groups grow with it, and all of it comes to the disk."""
    control = shared.control[0]
    process = faulty()
    wait_for(lambda: control["writer_state"] == State.WRITING, process)
    (tmp_path / "disk").write_text("-100")
    most = 0
    for _ in range(100):
        ring.publish(shared, 200)
        most = max(most, int(control["journal_head"]) - int(control["journal_tail"]))
        time.sleep(0.005)
    assert most > 200, "it waited for the disk, and the ring did not wait for it"
    assert control["writer_state"] == State.WRITING, "slow is no error"
    wait_for(lambda: control["journal_tail"] == 20_000, process)
    assert control["writer_sync_ns"] >= 100_000_000
    (tmp_path / "disk").unlink()
    assert ends(process)[0] == 0
    assert verify(tmp_path / "journal").records == 20_000


def test_read_only_file_system_is_told_at_the_start_and_the_ring_waits(shared, tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*inside, "mount", "-t", "tmpfs", "none", folder], check=False, capture_output=True).returncode != 0:
        pytest.skip("no user namespace to mount a disk in")
    ring.publish(shared, 100)
    script = f"mount -t tmpfs -o ro none {folder} && exec {shlex.join(command(tmp_path))}"
    done = subprocess.run([*inside, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert (shared.control[0]["journal_tail"], shared.control[0]["journal_head"]) == (0, 100)
    ring.write_all(shared, folder)
    assert verify(folder).records == 100


def test_packed_segments_are_read_by_everything(shared, tmp_path):
    """Packed and unpacked segments are one journal to whoever reads it."""
    from noderrd.journal import decode, shelf

    ring.publish(shared, 50)
    ring.write_all(shared, tmp_path / "journal", capacity=20)
    plain = list(decode.stream(tmp_path / "journal"))
    for place in segment.places(tmp_path / "journal")["lane0"][:2]:
        shelf.pack(place)
    assert [p.path.suffix for p in segment.places(tmp_path / "journal")["lane0"]] == [".gz", ".gz", ".journal"]
    assert list(decode.stream(tmp_path / "journal")) == plain
    verdict = verify(tmp_path / "journal")
    assert (verdict.ok, verdict.records, verdict.segments) == (True, 50, 3)
