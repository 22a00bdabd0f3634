"""One writer a lane: a lock that falls with its process."""

import fcntl
import os
from pathlib import Path


class Busy(Exception):
    """Another writer holds this lane's journal."""


def take(folder: Path, name: str) -> int:
    """Take the lock; gives its descriptor, which holds it. Raises Busy, OSError."""
    fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        message = f"another writer holds {folder / name}"
        raise Busy(message) from error
    return fd


def held(folder: Path, name: str) -> bool:
    """Tell whether a writer lives."""
    try:
        os.close(take(folder, name))
    except Busy:
        return True
    except FileNotFoundError:
        return False
    return False
