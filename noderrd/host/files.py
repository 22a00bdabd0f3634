"""Knobs that are files of /proc/sys, /proc/irq and /sys. `root` is / or, in tests, a tree that looks like it."""

import errno
import os
from pathlib import Path

from noderrd.host.knob import Absent, Denied, Port

MAX_BYTES = 64 << 10


def sysctl(root: Path, name: str) -> Path:
    """Find the file of a value. An interface's name may hold dots, which are written as slashes, as sysctl.d(5) has it."""
    return root / "proc/sys" / name.replace(".", "\0").replace("/", ".").replace("\0", "/")


class File(Port):
    """A file that holds a value; runs of white space count as one blank."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        """Give its content."""
        try:
            with self.path.open("rb") as file:
                return " ".join(file.read(MAX_BYTES).decode("utf-8", "replace").split())
        except (FileNotFoundError, NotADirectoryError) as error:
            message = f"{self.path} is not there"
            raise Absent(message) from error
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV}:  # e.g. XPS of a device with one queue
                message = f"{self.path}: {error.strerror}"
                raise Absent(message) from error
            raise

    def write(self, value: str) -> None:
        """Set it in one system call: the kernel takes a value whole or not at all."""
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        except PermissionError as error:
            raise Denied(error.strerror) from error
        except FileNotFoundError as error:
            message = f"{self.path} is not there"
            raise Absent(message) from error
        try:
            os.write(fd, value.encode() + b"\n")
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EACCES, errno.EIO, errno.EINVAL, errno.EOPNOTSUPP}:
                message = f"the kernel refused {value!r}: {error.strerror}"
                raise Denied(message) from error
            raise
        finally:
            os.close(fd)

    def may_write(self) -> str:
        """Ask the kernel: a file system mounted read-only and a sysctl of another namespace say no to root too."""
        return "" if os.access(self.path, os.W_OK) else "not writable here (not root, a read-only mount, or a value of another namespace)"


class Choice(File):
    """A file like transparent_hugepage/enabled, which lists what may be chosen: `always [madvise] never`."""

    def read(self) -> str:
        """Give what is chosen."""
        words = super().read().split()
        chosen = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
        return chosen[0] if chosen else " ".join(words)


class Mask(File):
    """A hexadecimal mask of processors in groups of 32 bits, `ff,ffffffff`; read as a list of them, `0-2,5`, or `none`."""

    def read(self) -> str:
        """Give the processors."""
        text = super().read().replace(",", "")
        value = int(text or "0", 16)
        return listed({cpu for cpu in range(value.bit_length()) if value >> cpu & 1}) or "none"

    def write(self, value: str) -> None:
        """Write the mask of a list."""
        super().write(self.words(value))

    def words(self, value: str) -> str:
        """Give the mask of a list."""
        mask = sum(1 << cpu for cpu in processors("" if value == "none" else value))
        groups: list[str] = []
        while mask or not groups:
            groups.append(f"{mask & 0xFFFFFFFF:x}" if mask < 1 << 32 else f"{mask & 0xFFFFFFFF:08x}")
            mask >>= 32
        return ",".join(reversed(groups))


def processors(text: str) -> set[int]:
    """Give the processors of a kernel list, `0-2,5`. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        found |= set(range(int(first), int(last if dash else first) + 1))
    return found


def listed(cpus: set[int]) -> str:
    """Write processors as a kernel list."""
    parts: list[str] = []
    ordered = sorted(cpus)
    k = 0
    while k < len(ordered):
        last = k
        while last + 1 < len(ordered) and ordered[last + 1] == ordered[last] + 1:
            last += 1
        parts.append(str(ordered[k]) if k == last else f"{ordered[k]}-{ordered[last]}")
        k = last + 1
    return ",".join(parts)
