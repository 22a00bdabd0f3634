"""Memory that stays: locked, on huge pages, on the node of the core that uses it, each read back.

mbind(2) and set_mempolicy(2) have no libc wrapper: they are called by number (x86-64 and aarch64).
"""

import ctypes
import mmap
import os
import platform
import re
from pathlib import Path

ROOT = Path("/")
MCL_CURRENT, MCL_FUTURE = 1, 2
MPOL_DEFAULT, MPOL_BIND, MPOL_MF_STRICT, MPOL_MF_MOVE = 0, 2, 1, 2
CALLS = {"x86_64": (237, 238), "aarch64": (235, 237)}  # mbind, set_mempolicy
MAX_NODE = 64
PAGE = mmap.PAGESIZE
HUGE = 2 << 20
MAP_HUGETLB = 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def lock() -> str:
    """Keep every page of this process in memory, those to come too: "" or why not. A plain user's limit is usually 8 MiB, which is too little."""
    if _libc.mlockall(MCL_CURRENT | MCL_FUTURE) == 0:
        return ""
    return os.strerror(ctypes.get_errno())


def locked_kib(status: Path = ROOT / "proc/self/status") -> int:
    """Give how much of a process is locked, in KiB."""
    found = re.search(r"^VmLck:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def huge(size: int) -> tuple[mmap.mmap, str]:
    """Give zeroed private memory on 2 MiB pages, and how: `hugetlb` from the reserved pool, else `thp` (asked for by madvise), or `small`."""
    rounded = -(-size // HUGE) * HUGE
    try:
        return mmap.mmap(-1, rounded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB), "hugetlb"
    except OSError:
        pages = mmap.mmap(-1, rounded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        return pages, "small"
    return pages, "thp"


def touch(pages: mmap.mmap) -> None:
    """Fault every page in now, rather than under the first packet."""
    for at in range(0, len(pages), PAGE):
        pages[at] = 0


def address(pages: mmap.mmap) -> int:
    """Give the address of a mapping."""
    return ctypes.addressof(ctypes.c_char.from_buffer(pages))


def bind(start: int, size: int, node: int) -> str:
    """Bind whole pages of memory to a node, moving those that are elsewhere: "" or why not."""
    mask = ctypes.c_ulong(1 << node)
    first = start - start % PAGE
    number = CALLS[platform.machine()][0]
    done = _libc.syscall(
        number, ctypes.c_void_p(first), ctypes.c_ulong(start + size - first), MPOL_BIND, ctypes.byref(mask), ctypes.c_ulong(MAX_NODE + 1),
        MPOL_MF_STRICT | MPOL_MF_MOVE,
    )  # fmt: skip
    return "" if done == 0 else os.strerror(ctypes.get_errno())


def prefer(node: int) -> str:
    """Take all memory that this process will ask for from a node: "" or why not."""
    mask = ctypes.c_ulong(1 << node)
    done = _libc.syscall(CALLS[platform.machine()][1], MPOL_BIND, ctypes.byref(mask), ctypes.c_ulong(MAX_NODE + 1))
    return "" if done == 0 else os.strerror(ctypes.get_errno())


def usual() -> None:
    """Take memory from wherever it is again."""
    _libc.syscall(CALLS[platform.machine()][1], MPOL_DEFAULT, None, ctypes.c_ulong(0))


def placed(start: int, maps: Path = ROOT / "proc/self/numa_maps") -> tuple[str, dict[int, int]]:
    """Give the policy of the mapping that holds an address and its pages by node, as the kernel reads them back (numa(7)). ("", {}) without NUMA."""
    try:
        lines = maps.read_text().splitlines()
    except OSError:
        return "", {}
    best: tuple[str, dict[int, int]] = ("", {})
    for line in lines:
        first, policy, *facts = line.split()
        if int(first, 16) > start:
            break
        best = (policy, {int(m[1]): int(m[2]) for fact in facts if (m := re.fullmatch(r"N(\d+)=(\d+)", fact))})
    return best


def node_of_core(core: int, root: Path = ROOT) -> int:
    """Give a core's node; 0 where the kernel knows none."""
    found = [f.name for f in (root / f"sys/devices/system/cpu/cpu{core}").glob("node[0-9]*")]
    return int(found[0].removeprefix("node")) if found else 0


def node_of_interface(name: str, root: Path = ROOT) -> int:
    """Give the node that a network card is attached to; -1 where the kernel knows none, as for virtual ones."""
    try:
        return int((root / "sys/class/net" / name / "device/numa_node").read_text())
    except (OSError, ValueError):
        return -1
