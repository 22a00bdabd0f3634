"""Datagrams that the kernel dropped because a socket's buffer was full: /proc/net/udp, seen from another process than the socket's."""

import re
from collections.abc import Iterable
from pathlib import Path

INODE = re.compile(r"socket:\[(\d+)\]")


def table(proc: Path = Path("/proc")) -> dict[int, int]:
    """Give drops by the socket's inode (proc_net_udp(5): the last column). Empty where it cannot be read."""
    found = {}
    for name in ("udp", "udp6"):
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) >= 13 and words[9].isdigit() and words[-1].isdigit():
                found[int(words[9])] = int(words[-1])
    return found


def of(pid: int, descriptors: Iterable[int], proc: Path = Path("/proc")) -> dict[int, int | None]:
    """Give drops by descriptor of a process; None where they are not to be had (the process is gone, or another user's)."""
    by_inode, found = table(proc), dict[int, int | None]()
    for fd in descriptors:
        try:
            link = INODE.fullmatch(str((proc / str(pid) / "fd" / str(fd)).readlink()))
        except OSError:
            link = None
        found[fd] = by_inode.get(int(link[1])) if link else None
    return found
