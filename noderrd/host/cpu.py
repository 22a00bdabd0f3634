"""Cores for lanes: isolated ones, found or made, and a lane moved to its own.

A lane wants a core where nothing else runs. Either the kernel was booted with isolcpus=, or a cgroup-v2 cpuset partition isolates cores at run time
(kernel Documentation/admin-guide/cgroup-v2.rst, cpuset.cpus.partition). A partition must be the child of a partition, so it is a slice directly below
the root, LANES; the daemon may not move a process there, for the way leads through the root, so a process asks noderrd-place to. Every function that
reads takes `root`, which is / or a tree of a test.
"""

import os
import re
import socket
import struct
from pathlib import Path

from noderrd.host.files import processors

ROOT = Path("/")
LANES = "sys/fs/cgroup/noderrd_lanes.slice"
PLACE = Path("/run/noderrd-place.sock")
DMA_LATENCY = Path("/dev/cpu_dma_latency")
POLICIES = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline"}  # linux/sched.h
ANSWER_S = 60.0  # a third of a second usually; on a host that is starved the lane had better wait
THROTTLE = "the kernel stops a SCHED_FIFO task that never sleeps for 5 % of each second (kernel.sched_rt_runtime_us) unless that is -1"


def isolated(root: Path = ROOT) -> set[int]:
    """Give the cores that the scheduler leaves alone, by isolcpus= or by a partition."""
    return _list(root / "sys/devices/system/cpu/isolated") | (
        _list(root / LANES / "cpuset.cpus.effective") if partition(root) == "isolated" else set()
    )


def nohz_full(root: Path = ROOT) -> set[int]:
    """Give the cores whose tick stops while one task runs."""
    return _list(root / "sys/devices/system/cpu/nohz_full")


def rcu_nocbs(root: Path = ROOT) -> set[int]:
    """Give the cores whose RCU callbacks run elsewhere: as named at boot, and those of nohz_full=."""
    found = re.search(r"\brcu_nocbs=([\d,-]+)", (root / "proc/cmdline").read_text())
    return (processors(found[1]) if found else set()) | nohz_full(root)


def siblings(core: int, root: Path = ROOT) -> set[int]:
    """Give the hardware threads that share a core with this one, without itself."""
    return _list(root / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") - {core}


def partition(root: Path = ROOT) -> str:
    """Give the lanes' partition as the kernel reads it back: `isolated`, `isolated invalid (reason)`, `member`; "" where there is none."""
    try:
        return (root / LANES / "cpuset.cpus.partition").read_text().strip()
    except OSError:
        return ""


def _list(path: Path) -> set[int]:
    try:
        return processors(path.read_text().replace("(null)", ""))
    except OSError:
        return set()


def place(pid: int, path: Path = PLACE) -> str:
    """Ask noderrd-place to move one of our processes to the lanes' partition: "" when it did, else why not."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(path))
            line.sendall(f"{pid}\n".encode())
            with line.makefile("r") as answer:
                said = answer.readline().strip()
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return "" if said == "ok" else said or "no answer"


def pin(core: int) -> str:
    """Bind this process to a core: "" or why not."""
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        return f"core {core}: {error.strerror}"
    return ""


def realtime(pid: int, priority: int = 50, *, children: bool = False) -> str:
    """Make a process SCHED_FIFO, what it starts later only if that is said: "" or why not. See THROTTLE for what a spinning one then meets."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | (0 if children else os.SCHED_RESET_ON_FORK), os.sched_param(priority))
    except OSError as error:
        return f"SCHED_FIFO: {error.strerror}"
    return "" if scheduler(pid) == f"fifo {priority}" else f"SCHED_FIFO: the kernel says {scheduler(pid)}"


def scheduler(pid: int, root: Path = ROOT) -> str:
    """Give how a process is scheduled, as the kernel says (proc(5), stat): `other`, `fifo 50`, `rr 1`, `idle`; "" when it is gone."""
    try:
        words = (root / f"proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    priority, policy = words[37:39] if len(words) > 38 else ("", "0")
    name = POLICIES.get(int(policy), policy)
    return f"{name} {priority}" if name in {"fifo", "rr"} else name


def throttled(root: Path = ROOT) -> bool:
    """Tell whether a spinning SCHED_FIFO task is stopped from time to time."""
    return (root / "proc/sys/kernel/sched_rt_runtime_us").read_text().strip() != "-1"


def keep_awake(latency_us: int = 0, path: Path = DMA_LATENCY) -> int:
    """Keep every core out of sleep states slower than this to leave, as long as the descriptor is open (pm_qos_interface.rst). Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, struct.pack("=i", latency_us))
    except OSError:
        os.close(fd)
        raise
    return fd
