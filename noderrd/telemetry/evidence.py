"""What happened to a lane's core while an order was slow: the kernel's own counts, sampled, and the cause that they speak for.

The lane cannot look while it trades, so the control plane samples a few times a second what Linux counts for the lane's thread and its core.
An order is explained by what grew between the samples around it. That is evidence, not proof: the window is wider than the order. Where nothing grew
that explains the time, the cause is `unknown`, and said to be.

Sources: proc(5) for /proc/PID/stat, status and schedstat, /proc/stat, /proc/interrupts and /proc/softirqs.
"""

import dataclasses
import gc
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

TICK_NS = 10_000_000  # USER_HZ is 100 on every Linux
TIMERS = ("LOC", "RES", "CAL", "TLB", "IWI", "RTR", "PMI")  # interrupts that a busy core has always
CAUSES = ("preempted", "page_fault", "irq", "steal", "unknown")
OWN = ("TIMER", "RCU", "SCHED", "HRTIMER")  # softirqs of that kind
IRQ_NS = 2_000  # what an interrupt and its softirq are taken to cost at least


@dataclasses.dataclass(frozen=True)
class Sample:
    """Counts at a time (ns since the epoch). All of them only grow."""

    at_ns: int
    involuntary: int  # context switches that the lane did not ask for
    waited_ns: int  # time that it was ready and did not run
    minor: int  # page faults
    major: int
    migrations: int  # changes of core seen by this sampler
    cpu: int
    steal_ns: int  # time that the hypervisor gave to somebody else
    interrupts: int  # device interrupts on its core
    softirqs: int
    gc_ns: int = 0  # time that the control plane's garbage collector took: it matters where both share a core


@dataclasses.dataclass(frozen=True)
class Finding:
    """A cause of CAUSES, and what grew around the order."""

    cause: str
    evidence: dict[str, int]


class Collections:
    """Times the collections of this process while it is entered: `ns` is their sum."""

    def __init__(self) -> None:
        self.ns, self._began = 0, 0

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter_ns()
        else:
            self.ns += time.perf_counter_ns() - self._began

    def __enter__(self) -> Self:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)


class Sampler:
    """Reads the counts of a process; `proc` is /proc, or a copy of it in a test. `spent` gives a Sample's `gc_ns`. Keeps the last `keep` samples."""

    def __init__(self, pid: int, proc: Path = Path("/proc"), keep: int = 600, spent: Callable[[], int] = lambda: 0) -> None:
        self._pid, self._proc, self._spent = pid, proc, spent
        self.samples: deque[Sample] = deque(maxlen=keep)

    def take(self, now_ns: int) -> Sample:
        """Take a sample. Raises OSError when the process is gone."""
        own = self._proc / str(self._pid)
        # The name may hold spaces and brackets: fields are counted from behind it.
        fields = (own / "stat").read_text().rpartition(")")[2].split()
        minor, major, cpu = int(fields[7]), int(fields[9]), int(fields[36])
        status = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines() if ":" in line)
        waited = (own / "schedstat").read_text().split()
        moved = self.samples[-1].migrations + (cpu != self.samples[-1].cpu) if self.samples else 0
        sample = Sample(
            now_ns, int(status["nonvoluntary_ctxt_switches"]), int(waited[1]), minor, major, moved, cpu,
            self._steal(cpu), self._per_cpu("interrupts", cpu, TIMERS), self._per_cpu("softirqs", cpu, OWN), self._spent(),
        )  # fmt: skip
        self.samples.append(sample)
        return sample

    def _steal(self, cpu: int) -> int:
        for line in (self._proc / "stat").read_text().splitlines():
            if line.startswith(f"cpu{cpu} "):
                return int(line.split()[8]) * TICK_NS
        return 0

    def _per_cpu(self, name: str, cpu: int, but: tuple[str, ...]) -> int:
        """Sum the column of a core, without the rows in `but`."""
        try:
            rows = (self._proc / name).read_text().splitlines()
        except OSError:
            return 0  # not every container has it
        columns = rows[0].split()
        if f"CPU{cpu}" not in columns:
            return 0
        place = columns.index(f"CPU{cpu}") + 1
        total = 0
        for row in rows[1:]:
            words = row.split()
            if len(words) > place and words[0].rstrip(":") not in but and words[place].isdigit():
                total += int(words[place])
        return total

    def explain(self, began_ns: int, took_ns: int) -> Finding:
        """Say what most likely made the time from `began_ns` on `took_ns` long."""
        around = [s for s in self.samples if s.at_ns <= began_ns][-1:] + [s for s in self.samples if s.at_ns > began_ns]
        after = next((k for k, s in enumerate(around) if s.at_ns >= began_ns + took_ns), None)
        if not around or around[0].at_ns > began_ns or after is None:
            return Finding("unknown", {})
        return explain(around[0], around[after], took_ns)


def explain(before: Sample, after: Sample, took_ns: int) -> Finding:
    """Name the cause that the growth between two samples speaks for, the surest first."""
    grown = {
        field.name: getattr(after, field.name) - getattr(before, field.name)
        for field in dataclasses.fields(Sample)
        if field.name not in {"at_ns", "cpu"}
    }
    evidence = {name: n for name, n in grown.items() if n} | {"window_ns": after.at_ns - before.at_ns}
    if grown["waited_ns"] >= took_ns // 2 and grown["involuntary"] > 0:
        return Finding("preempted", evidence)
    if grown["major"] > 0 or grown["minor"] > 0:  # a warm lane has none
        return Finding("page_fault", evidence)
    if grown["steal_ns"] > 0:
        return Finding("steal", evidence)
    if (grown["interrupts"] + grown["softirqs"]) * IRQ_NS >= took_ns:
        return Finding("irq", evidence)
    return Finding("unknown", evidence)
