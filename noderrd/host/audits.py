"""What no knob sets: how the kernel was booted, how cores, memory nodes and cards are arranged, what this user may do. Read and judged only."""

import dataclasses
import re
import resource
from pathlib import Path

from noderrd.host import cpu, memory
from noderrd.host.files import listed, processors
from noderrd.host.wanted import Machine

MEMLOCK_LEAST = 256 << 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fact: `state` is ok, warn, or absent where the machine has nothing of the kind; `cost` is what a warning means."""

    id: str
    state: str
    detail: str
    cost: str = ""


def findings(machine: Machine) -> list[Finding]:
    """Judge the machine for its lanes and interfaces."""
    found = [_clock(machine.root), _memlock(), _sleep(machine.root)]
    for core in sorted(machine.lanes):
        found += _core(core, machine.root)
    for name in machine.settings.interfaces:
        found += _card(machine, name)
    if machine.lanes:
        found.append(_interrupts(machine))
    return found


def _judge(name: str, good: bool, detail: str, cost: str) -> Finding:
    return Finding(name, "ok" if good else "warn", detail, cost)


def _clock(root: Path) -> Finding:
    try:
        source = (root / "sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    except OSError:
        return Finding("clocksource", "absent", "not told by this kernel")
    fast = source in {"tsc", "kvm-clock", "arch_sys_counter"}
    return _judge("clocksource", fast, source, "reading the time is a system call, some 500 ns")


def _memlock() -> Finding:
    soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    detail = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft >> 20} MiB"
    enough = soft == resource.RLIM_INFINITY or soft >= MEMLOCK_LEAST
    return _judge("memlock", enough, detail, "pages of a lane may be reclaimed; the service has LimitMEMLOCK=infinity")


def _sleep(root: Path) -> Finding:
    """Sleep states: the daemon keeps cores awake by /dev/cpu_dma_latency, if it may open it."""
    try:
        driver = (root / "sys/devices/system/cpu/cpuidle/current_driver").read_text().strip()
    except OSError:
        driver = "none"
    if driver == "none":
        return Finding("sleep", "absent", "no idle driver: cores do not sleep")
    return Finding("sleep", "ok" if (root / "dev/cpu_dma_latency").exists() else "warn", f"{driver}; held open by the node: /dev/cpu_dma_latency",
                   "a core that fell asleep takes up to 100 us to wake")  # fmt: skip


def _core(core: int, root: Path) -> list[Finding]:
    """A lane's core."""
    alone, threads = core in cpu.isolated(root), cpu.siblings(core, root)
    state = cpu.partition(root)
    how = "isolcpus=" if alone and state != "isolated" else f"partition: {state or 'none'}"
    return [
        _judge(f"isolated.cpu{core}", alone, how, "other tasks run on the lane's core; boot with isolcpus= or let noderrd-tune make a partition"),
        _judge(f"nohz_full.cpu{core}", core in cpu.nohz_full(root), "nohz_full=", "a tick interrupts the lane 100 to 1000 times a second"),
        _judge(f"rcu_nocbs.cpu{core}", core in cpu.rcu_nocbs(root), "rcu_nocbs=", "RCU callbacks of the kernel run on the lane's core"),
        _judge(f"smt.cpu{core}", not threads, f"shares its core with {listed(threads) or 'nobody'}",
               "what runs on the other thread halves the lane's speed; leave it idle or turn SMT off"),
    ]  # fmt: skip


def _card(machine: Machine, name: str) -> list[Finding]:
    """A card and the memory node of its lanes."""
    node = memory.node_of_interface(name, machine.root)
    if node < 0:
        return [Finding(f"numa.{name}", "absent", "belongs to no memory node")]
    far = sorted(core for core in machine.lanes if memory.node_of_core(core, machine.root) != node)
    return [_judge(f"numa.{name}", not far, f"node {node}", f"cores {listed(set(far))} read its packets across the socket, some 100 ns each")]


def _interrupts(machine: Machine) -> Finding:
    """Interrupts that may still fire on a lane's core, as the kernel says it delivers them."""
    there = []
    for folder in sorted((machine.root / "proc/irq").glob("[0-9]*")):
        try:
            effective = (folder / "effective_affinity_list").read_text().strip()
        except OSError:
            continue
        if re.fullmatch(r"[\d,-]+", effective) and processors(effective) & machine.lanes:
            there.append(folder.name)
    return _judge(
        "interrupts",
        not there,
        f"on the lanes' cores: {', '.join(there) or 'none'}",
        "each costs the lane 1 to 10 us; `noderrctl host apply` moves them",
    )
