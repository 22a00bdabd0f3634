"""Cores, memory and interruptions, on fake trees where a machine would be needed and for real where this one will do."""

import mmap
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from noderrd.host import audits, cpu, memory, place
from noderrd.host.settings import HostSettings
from noderrd.host.wanted import Machine
from noderrd.lane.memory import Shared, Sizes

LANES = Path(cpu.LANES)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def booted(tmp_path):
    """A machine of four cores and two threads each, booted with isolcpus=2 nohz_full=2, with a card on node 1."""
    write(
        tmp_path,
        {
            "proc/cmdline": "root=/dev/vda1 isolcpus=2 nohz_full=2 rcu_nocbs=2-3\n",
            "sys/devices/system/cpu/online": "0-7\n",
            "sys/devices/system/cpu/isolated": "2\n",
            "sys/devices/system/cpu/nohz_full": "2\n",
            "sys/devices/system/cpu/cpu2/topology/thread_siblings_list": "2,6\n",
            "sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "3\n",
            "sys/devices/system/cpu/cpu2/node0/cpulist": "0-3\n",
            "sys/class/net/eth1/device/numa_node": "1\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "proc/irq/24/effective_affinity_list": "2\n",
            "proc/irq/25/effective_affinity_list": "0\n",
        },
    )
    return tmp_path


def test_audit_tells_what_only_a_reboot_or_a_hand_changes(booted):
    found = {one.id: one for one in audits.findings(Machine(HostSettings(interfaces=("eth1",)), frozenset({2}), booted))}
    assert found["clocksource"].state == "warn"
    assert (found["isolated.cpu2"].state, found["nohz_full.cpu2"].state, found["rcu_nocbs.cpu2"].state) == ("ok", "ok", "ok")
    assert (found["smt.cpu2"].state, found["smt.cpu2"].detail) == ("warn", "shares its core with 6")
    assert (found["numa.eth1"].state, found["numa.eth1"].detail) == ("warn", "node 1")
    assert (found["interrupts"].state, found["interrupts"].detail) == ("warn", "on the lanes' cores: 24")
    assert all(one.cost for one in found.values() if one.state == "warn")


def test_audit_of_a_core_that_nobody_prepared(booted):
    found = {one.id: one for one in audits.findings(Machine(HostSettings(), frozenset({3}), booted))}
    assert (found["isolated.cpu3"].state, found["nohz_full.cpu3"].state) == ("warn", "warn")
    assert (found["rcu_nocbs.cpu3"].state, found["smt.cpu3"].state, found["interrupts"].state) == ("ok", "ok", "ok")


def test_a_partition_counts_only_while_the_kernel_calls_it_valid(booted):
    write(
        booted,
        {LANES / "cpuset.cpus.partition": "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n", LANES / "cpuset.cpus.effective": "3\n"},
    )
    assert cpu.isolated(booted) == {2}
    write(booted, {LANES / "cpuset.cpus.partition": "isolated\n"})
    assert cpu.isolated(booted) == {2, 3}


@pytest.fixture
def hosted(tmp_path):
    """A host with a partition, a node's process 300 and a stranger 301."""
    write(
        tmp_path,
        {
            "proc/300/cgroup": "0::/noderrd.slice/noderrd.service/lane\n",
            "proc/301/cgroup": "0::/system.slice/noderrd.service.d.service\n",
            LANES / "cpuset.cpus.partition": "isolated\n",
            LANES / "cgroup.procs": "",
        },
    )
    return tmp_path


def test_a_process_of_the_node_is_placed(hosted):
    assert place.move("300", os.getuid(), hosted) == "ok"
    assert (hosted / LANES / "cgroup.procs").read_text() == "300"


@pytest.mark.parametrize(
    ("question", "uid", "why"),
    [
        ("301", None, "none of noderrd.service"),
        ("300", 12345, "another user"),
        ("302", None, "No such file"),
        ("../300", None, "process id was expected"),
        ("", None, "process id was expected"),
        ("-1", None, "process id was expected"),
        ("٣٠٠", None, "process"),
    ],
)
def test_nobody_else_is(hosted, question, uid, why):
    assert why in place.move(question, os.getuid() if uid is None else uid, hosted)
    assert (hosted / LANES / "cgroup.procs").read_text() == ""


def test_without_a_partition_nobody_is_placed(hosted):
    write(hosted, {LANES / "cpuset.cpus.partition": "isolated invalid\n"})
    assert "isolated invalid" in place.move("300", os.getuid(), hosted)


def test_the_question_goes_over_a_socket(tmp_path):
    """The unit's way: accepted by somebody else, handed over as standard input."""
    path = tmp_path / "place.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        asking = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                f"from pathlib import Path; from noderrd.host import cpu; print(cpu.place(4000000000, Path({str(path)!r})))",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        line, _ = listener.accept()
        with line:
            subprocess.run([sys.executable, "-P", "-m", "noderrd.host.place"], stdin=line.fileno(), stderr=subprocess.DEVNULL, check=True, timeout=60)
        assert asking.communicate(timeout=60)[0].strip() == "process 4000000000: No such file or directory"
    assert "place.sock" in cpu.place(1, path)  # nobody listens any more: said, not raised


def test_cores_are_kept_awake_while_the_descriptor_is_open(tmp_path):
    device = tmp_path / "cpu_dma_latency"
    device.write_bytes(b"")
    os.close(cpu.keep_awake(0, device))
    assert device.read_bytes() == struct.pack("=i", 0)
    with pytest.raises(FileNotFoundError):
        cpu.keep_awake(0, tmp_path / "missing")


def test_a_core_that_is_not_there_is_told():
    assert "core 1023" in cpu.pin(1023)


def test_a_lane_runs_before_everybody_else_and_its_children_do_not():
    said = "import os, subprocess, sys; from noderrd.host import cpu; print(cpu.realtime(os.getpid(), 7) or cpu.scheduler(os.getpid())); "
    said += "child = subprocess.Popen(['sleep', '60']); print(cpu.scheduler(child.pid)); child.kill()"
    done = subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, timeout=60, check=True)
    mine, child = done.stdout.splitlines()
    assert child == "other"
    if mine.startswith("SCHED_FIFO"):
        pytest.skip(mine)
    assert mine == "fifo 7"


def test_a_lane_says_what_became_of_being_real_time():
    said = """
import dataclasses, os
from noderrd.host import cpu
from noderrd.lane.process import hasten
from noderrd.lane.spec import LaneSpec
class Log:
    def warning(self, what, **more): print(what)
spec = LaneSpec("l", "", "", [], [], [], [], [], [], [])
hasten(spec, Log())
print(cpu.scheduler(os.getpid()))
hasten(dataclasses.replace(spec, realtime=True), Log())
print(cpu.scheduler(os.getpid()))
"""
    done = subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, timeout=120, check=True)
    before, *warned, after = done.stdout.splitlines()
    assert before == "other"
    assert (after, warned) in [
        ("fifo 50", ["real-time, and throttled"] if cpu.throttled() else []), ("other", ["not real-time"]),
    ]  # fmt: skip


def test_a_lanes_state_is_there_before_it_is_used(tmp_path):
    shared = Shared(tmp_path / "lane", Sizes(2, 4, 2, 2, 16, 1 << 14), create=True)
    if why := shared.prefault():
        pytest.skip(f"MADV_POPULATE_WRITE: {why}")
    part = Path("/proc/self/smaps").read_text().split(str(tmp_path / "lane"))[1]
    size, resident = (int(re.search(rf"^{name}: +(\d+) kB", part, re.MULTILINE)[1]) for name in ("Size", "Rss"))
    assert size == resident > 1000
    assert not shared.lane[0]["n_live"]


def test_memory_is_bound_to_its_node_and_read_back():
    pages, how = memory.huge(4 << 20)
    assert how in {"hugetlb", "thp", "small"}
    start = memory.address(pages)
    why = memory.bind(start, len(pages), 0)
    if why:
        pytest.skip(f"mbind: {why}")
    memory.touch(pages)
    policy, nodes = memory.placed(start)
    if not policy:
        pytest.skip("this kernel has no numa_maps")
    assert policy == "bind:0"
    assert set(nodes) == {0}
    assert sum(nodes.values()) > 0


def test_memory_of_a_node_that_is_not_there_is_refused():
    pages = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    assert memory.bind(memory.address(pages), len(pages), 63) != ""


def test_locking_says_why_not_under_a_small_limit():
    said = "import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096)); from noderrd.host import memory; import os; "
    said += "os.geteuid() or os.setuid(65534); print(memory.lock(), memory.locked_kib())"
    done = subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "Cannot allocate memory 0"


def test_locking_is_read_back():
    said = "from noderrd.host import memory; print(memory.lock() or memory.locked_kib())"
    done = subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, timeout=60, check=True)
    if not done.stdout.strip().isdigit():
        pytest.skip(f"mlockall: {done.stdout.strip()}")
    assert int(done.stdout) > 1000


def test_a_busy_neighbour_is_seen():
    """Interruptions are counted, timed and explained: a neighbour on the same core costs involuntary switches."""
    from noderrd.host import jitter

    core = max(os.sched_getaffinity(0))
    neighbour = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"])
    try:
        found = jitter.measure(core, 1.0)
    finally:
        neighbour.kill()
        neighbour.wait()
    assert found.interruptions > 1
    assert sum(found.histogram.values()) == found.interruptions
    assert found.causes["involuntary_switches"] >= 1
    assert found.max_ns > 100_000
    assert found.p50_ns <= found.p99_ns <= found.max_ns * 1.001
    assert 0.1 < found.lost_fraction < 0.99
    assert os.sched_getaffinity(0) != {core}


def test_causes_are_those_of_the_core(tmp_path):
    from noderrd.host import jitter

    write(
        tmp_path,
        {
            "proc/interrupts": "      CPU0  CPU2\n 24:  1  7  IO-APIC  5-edge  eth1-rx\nLOC:  3  9  Local timer interrupts\nERR:  0\n",
            "proc/softirqs": "      CPU0  CPU2\n NET_RX:  4  8\n",
            "proc/stat": "cpu 1 2 3\ncpu2 1 2 3 4 5 6 7 11 0 0\n",
            "proc/self/schedstat": "100 250 3\n",
        },
    )
    found = jitter.causes(2, tmp_path)
    assert found["irq:IO-APIC 5-edge eth1-rx"] == 7
    assert (found["irq:LOC"], found["softirq:NET_RX"], found["steal_ticks"], found["run_delay_ns"]) == (9, 8, 11, 250)
    assert "irq:ERR" not in found
