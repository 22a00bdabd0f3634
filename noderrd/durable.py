"""Small files that must be there after a power loss: written whole, on the disk before the call returns."""

import contextlib
import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replace a file's content: afterwards it is the new one for good, before it was the old one. Raises OSError."""
    part = path.with_suffix(path.suffix + ".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk; a file system that cannot does so by itself."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
