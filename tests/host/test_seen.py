"""What the kernel says of a process: a made-up one in a tree, and a real one."""

import subprocess
import sys

from noderrd.host import seen

CONTENT = {
    "status": "Name:\tpython\nVmLck:\t  204800 kB\nCpus_allowed_list:\t3,5-6\n",
    "smaps_rollup": "Rss: 900 kB\nAnonHugePages:    2048 kB\nShmemPmdMapped:   4096 kB\nFilePmdMapped: 7 kB\n",
    "stat": f"7 (py) thon) S {' '.join(['0'] * 36)} 50 1 0\n",
    "numa_maps": "7f00 bind:1 file=/dev/shm/lane dirty=9 N0=2 N1=7\n7f10 bind:1 file=/dev/shm/lane N1=1\n7f20 default file=/dev/shm/lane.stop N0=1\n",
}
HOLDER = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 16 * mmap.PAGESIZE)
held = mmap.mmap(fd, 16 * mmap.PAGESIZE)
for at in range(0, len(held), mmap.PAGESIZE):
    held[at] = 1
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(min(os.sched_getaffinity(0)), flush=True)
sys.stdin.read()
"""


def test_a_lane_is_seen_as_the_kernel_tells_it(tmp_path):
    folder = tmp_path / "proc/7"
    folder.mkdir(parents=True)
    for name, text in CONTENT.items():
        (folder / name).write_text(text)
    assert seen.of(7, "/dev/shm/lane", tmp_path) == {
        "scheduler": "fifo 50", "cores": "3,5-6", "locked_kib": 204_800, "huge_kib": 6144, "policy": "bind:1", "nodes": {"0": 2, "1": 8},
    }  # fmt: skip
    for name in ("smaps_rollup", "numa_maps"):
        (folder / name).unlink()
    assert seen.of(7, "/dev/shm/lane", tmp_path) == {"scheduler": "fifo 50", "cores": "3,5-6", "locked_kib": 204_800}


def test_nobody_is_seen_where_nobody_is(tmp_path):
    assert seen.of(0, "/dev/shm/lane") == {}
    assert seen.of(7, "/dev/shm/lane", tmp_path) == {}


def test_a_real_process_is_seen(tmp_path):
    state = tmp_path / "state"
    with subprocess.Popen([sys.executable, "-c", HOLDER, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        core = holder.stdout.readline().strip()
        found = seen.of(holder.pid, str(state))
        holder.communicate("")
    assert (found["cores"], found["scheduler"]) == (core, "other")
    assert found["locked_kib"] == 0
    assert sum(found.get("nodes", {"0": 16}).values()) == 16
