"""A knob of a mounted tmpfs: whether its files may lie on huge pages. /dev/shm, where lanes have their state, is one.

`huge=` of the mount decides that (kernel Documentation/admin-guide/mm/transhuge.rst), transparent_hugepage/shmem_enabled only for memory that has no
file. Changed by fspick(2) and fsconfig(2), which have no libc wrapper and touch nothing but the option that is named: a remount by mount(8) would
have to repeat all the others.
"""

import ctypes
import errno
import os
import re
from pathlib import Path

from noderrd.host.knob import Absent, Denied, Port, lacks

FSCONFIG, FSPICK = 431, 433  # the same number on every architecture
AT_FDCWD, FSPICK_CLOEXEC, SET_STRING, RECONFIGURE = -100, 1, 1, 7
CAP_SYS_ADMIN = 21
ESCAPED = re.compile(r"\\([0-7]{3})")  # of blanks and the like in /proc/self/mountinfo
_libc = ctypes.CDLL(None, use_errno=True)


class Huge(Port):
    """`never`, `advise` (where a program asks for them), `within_size` or `always`."""

    def __init__(self, root: Path, place: str) -> None:
        self._table, self._place = root / "proc/self/mountinfo", place

    def read(self) -> str:
        """Give the option of what is mounted there last."""
        found = ""
        try:
            lines = self._table.read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            if ESCAPED.sub(lambda m: chr(int(m[1], 8)), before.split()[4]) == self._place:
                found = options if kind == "tmpfs" else ""
        if not found:
            message = f"no tmpfs is mounted on {self._place}"
            raise Absent(message)
        said = re.search(r"(?:^|,)huge=([a-z_]+)", found)
        return said[1] if said else "never"

    def may_write(self) -> str:
        """Changing a mount is an administrator's."""
        return lacks(CAP_SYS_ADMIN, "CAP_SYS_ADMIN")

    def write(self, value: str) -> None:
        """Change the option. Raises Absent where this kernel is older than 5.2 or has no huge pages, Denied, OSError."""
        fd = _call(FSPICK, AT_FDCWD, self._place.encode(), FSPICK_CLOEXEC)
        try:
            _call(FSCONFIG, fd, SET_STRING, b"huge", value.encode(), 0)
            _call(FSCONFIG, fd, RECONFIGURE, None, None, 0)
        finally:
            os.close(fd)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call by number."""
    done = int(_libc.syscall(ctypes.c_long(number), *(ctypes.c_long(it) if isinstance(it, int) else it for it in arguments)))
    if done < 0:
        code = ctypes.get_errno()
        if code in {errno.ENOSYS, errno.EINVAL}:
            message = "this kernel cannot change it"
            raise Absent(message)
        if code in {errno.EPERM, errno.EACCES}:
            raise Denied(os.strerror(code))
        raise OSError(code, os.strerror(code))
    return done
