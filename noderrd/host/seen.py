"""What the kernel says of a lane that runs: where it may run, what of its memory is locked, on which pages and nodes it lies (proc(5), numa(7))."""

import re
from pathlib import Path
from typing import Any

from noderrd.host.cpu import scheduler
from noderrd.host.memory import ROOT

STATUS = {"cores": re.compile(r"^Cpus_allowed_list:\s+(\S+)", re.MULTILINE), "locked": re.compile(r"^VmLck:\s+(\d+) kB", re.MULTILINE)}
HUGE = re.compile(r"^(?:AnonHugePages|ShmemPmdMapped):\s+(\d+) kB", re.MULTILINE)
NODE = re.compile(r"N(\d+)=(\d+)")


def of(pid: int, state: str, root: Path = ROOT) -> dict[str, Any]:
    """Give what is seen of a process whose state is in the file `state`; {} when it is gone, fewer keys where this user or kernel has no answer.

    `scheduler` is as cpu.scheduler has it, `cores` a list of processors as text; `locked_kib` and `huge_kib` are of the whole process; `policy` and
    `nodes` (node to pages) of the state.
    """
    process = root / "proc" / str(pid)
    text = _read(process / "status")
    if not pid or not text:
        return {}
    found: dict[str, Any] = {"scheduler": scheduler(pid, root), "cores": m[1] if (m := STATUS["cores"].search(text)) else ""}
    found["locked_kib"] = int(m[1]) if (m := STATUS["locked"].search(text)) else 0
    if rolled := _read(process / "smaps_rollup"):
        found["huge_kib"] = sum(int(m[1]) for m in HUGE.finditer(rolled))
    lines = [words for line in _read(process / "numa_maps").splitlines() if f"file={state}" in (words := line.split())]
    if lines:
        found["policy"], found["nodes"] = lines[0][1], {}
        for node, pages in (match.groups() for words in lines for word in words if (match := NODE.fullmatch(word))):
            found["nodes"][node] = found["nodes"].get(node, 0) + int(pages)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
