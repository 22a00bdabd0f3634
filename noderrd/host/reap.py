"""`python -m noderrd.host.reap`: end what the daemon left running. ExecStopPost= of noderrd.service, as root.

A daemon that crashed is started again and takes its lanes over with their sessions up, so they are left alone then. After a stop, clean or not,
nothing may go on trading: whatever is in the unit's cgroup or on the lanes' cores gets SIGKILL. systemd says in SERVICE_RESULT which it was
(systemd.exec(5)); a stop that is half of a restart is none (noderrd.host.handover).
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from noderrd.host import cpu, handover

STOPPED = {"success", "timeout"}


def own(root: Path = cpu.ROOT) -> str:
    """Give the unit's cgroup. A control process of a unit with Delegate= is in a child of it, `.control`."""
    line = next(line for line in (root / "proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return line.removeprefix("0::/").removesuffix("/.control")


def leftover(root: Path = cpu.ROOT) -> Iterator[int]:
    """Give the processes of the unit and of the lanes' slice, but not those that run this."""
    unit = root / "sys/fs/cgroup" / own(root)
    for folder in (unit, root / cpu.LANES):
        for file in (folder / "cgroup.procs", *folder.glob("*/**/cgroup.procs")):
            if file.parent.name != ".control" and file.exists():
                yield from (int(pid) for pid in file.read_text().split() if int(pid) != os.getpid())


def main() -> int:
    """End them, if this was a stop."""
    result = os.environ.get("SERVICE_RESULT", "")
    if result not in STOPPED:
        print(f"reap: left alone after {result or 'no result'}: the next daemon takes over", file=sys.stderr)
        return 0
    if handover.restarts(handover.listed()):
        print("reap: left alone: the unit is started again", file=sys.stderr)
        return 0
    for pid in leftover():
        print(f"reap: process {pid} was left running", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
