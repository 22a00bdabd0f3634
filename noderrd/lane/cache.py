"""Where compiled kernels are kept: a directory named by everything that they depend on.

numba's `cache=True` looks at a function's own file only: edit a callee in another module and the caller keeps the old machine code. So the
directory's name is a hash of every file that holds kernels in the rooms that have them, of every file that those import (a constant is compiled in),
of numba, llvmlite and Python, and of the CPU. Call `prepare` before numba is imported.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "rules", "noderrd")
ROOMS = ("core", "noderrd/lane", "noderrd/venue", "noderrd/strategies", "noderrd/replay")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+([\w.]+))", re.MULTILINE)
_KERNELS = re.compile(r"^(?:from core\.jit import|from numba|import numba)", re.MULTILINE)


def _cpu() -> str:
    """Give what tells one CPU's instruction set from another's."""
    wanted = ("vendor_id", "model name", "flags", "Features")
    lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    return "\n".join(line for line in lines if line.split("\t", 1)[0].split(":", 1)[0].strip() in wanted)


def sources() -> list[Path]:
    """Give the files that compiled kernels can depend on: those that hold them in ROOMS, and all of ours that these import, by whatever way."""
    ours = {file.relative_to(ROOT).as_posix(): file for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    todo = [name for name, file in ours.items() if name.startswith(ROOMS) and _KERNELS.search(file.read_text())]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(_imported(ours[name].read_text(), ours))
    return [ours[name] for name in sorted(found)]


def _imported(text: str, ours: Container[str]) -> Iterator[str]:
    """Give the files that a module's text imports, as paths below ROOT: packages around them too; a name from a package may be a module of it."""
    for where, names, whole in _IMPORT.findall(text):
        for module in [where or whole, *(f"{where}.{name}" for name in re.findall(r"\w+", names) if where)]:
            path = Path(*module.split("."))
            yield from (file for file in (f"{path}.py", *(f"{p}/__init__.py" for p in (path, *path.parents))) if file in ours)


def key() -> str:
    """Give the name of the directory: 16 hex digits."""
    digest = hashlib.sha256()
    for file in sources():
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numba", "llvmlite", "numpy")]
    digest.update("\n".join([*versions, sys.version, _cpu()]).encode())
    return digest.hexdigest()[:16]


def base() -> Path:
    """Give the folder that holds all cache directories: systemd's CacheDirectory=, else the user's."""
    given = os.environ.get("CACHE_DIRECTORY")
    if given:
        return Path(given.split(":", 1)[0])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noderrd"


def prepare() -> Path:
    """Point numba at the directory for this code on this machine, and give it; an explicit NUMBA_CACHE_DIR is kept.

    Raises RuntimeError when numba was imported already: it reads the variable once.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    if "numba" in sys.modules:
        message = "noderrd.lane.cache.prepare must run before numba is imported"
        raise RuntimeError(message)
    folder = base() / key()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    with contextlib.suppress(OSError):  # a directory that this user may only read is pruned by nobody
        use = os.open(folder / "use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)  # open as long as the process lives
        fcntl.flock(use, fcntl.LOCK_SH)
        os.utime(folder)
    return folder


@contextlib.contextmanager
def compiling(what: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Let one process compile `what` while others wait and find it in the cache then; once it was compiled nobody waits any more.

    Three venues that start at once on two cores would else compile the same three times. `waiting` is called before this process waits for another.
    The lock falls with the process that holds it.
    """
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    done = folder / f"{what}.done"
    if done.exists():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        done.touch()


def discard() -> None:
    """Delete the directory: a truncated or unreadable entry must not end the start."""
    shutil.rmtree(os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)


def prune(keep: int = 8) -> None:
    """Delete all but the few directories that were used last, so that edits do not fill the disk; none that a process uses."""
    folders = sorted((f for f in base().iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
    for old in folders[keep:]:
        with (old / "use").open("a") as use, contextlib.suppress(BlockingIOError):
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
