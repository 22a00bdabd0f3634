"""What becomes of old segments: packed once they are `raw_kept` behind the newest, deleted once `kept` are there (0: never).

Those from the last checkpoint on are not deleted: a restoration after a power loss begins there.
Runs in the writer's process, in a thread of the lowest priority: zlib lets the interpreter go, and the ring is large. A segment is replaced by its
packed file in one rename; a crash in between leaves both or a `.part`, and neither is counted twice.
"""

import gzip
import os
import threading
from pathlib import Path
from typing import Any

from noderrd.journal import segment
from noderrd.journal.checkpoints import Untold, begun
from noderrd.journal.segment import Damaged, Place

LEVEL = 3  # a third of the size at 60 MB/s; more buys little
LOWEST = 19


def pack(place: Place) -> Path:
    """Replace a segment by its packed file; gives that. Raises OSError."""
    packed = place.path.with_name(place.path.name + ".gz")
    part = packed.with_suffix(".part")
    with part.open("wb") as file:
        file.write(gzip.compress(place.path.read_bytes(), LEVEL, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    part.rename(packed)
    place.path.unlink()
    return packed


def _needed(folder: Path, name: str) -> int:
    """Give the oldest segment that a restoration needs: that of the last checkpoint; 0, and all stay, where there is none."""
    try:
        return begun(folder, name).segment
    except (Untold, Damaged):
        return 0


def tidy(folder: Path, name: str, raw_kept: int, kept: int) -> list[Path]:
    """Delete and pack what is due; gives what was touched. Raises OSError."""
    chain = segment.places(folder).get(name, [])
    touched = []
    if kept:
        needed = _needed(folder, name)
        for place in [place for place in chain[:-kept] if place.number < needed]:
            place.path.unlink()
            touched.append(place.path)
            chain.remove(place)
    touched += [pack(place) for place in chain[: max(0, len(chain) - raw_kept)] if place.path.suffix == segment.SUFFIX]
    return touched


class Shelf:
    """Tidies a lane's old segments in the background, each time `turned` is called."""

    def __init__(self, folder: Path, name: str, log: Any, *, raw_kept: int, kept: int) -> None:
        self._folder, self._name, self._log, self._raw_kept, self._kept = folder, name, log, raw_kept, kept
        self._due, self._over = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="shelf", daemon=True)
        self._thread.start()

    def turned(self) -> None:
        """Say that a new segment was begun."""
        self._due.set()

    def close(self, seconds: float) -> None:
        """End the thread; one that is in the middle of a segment is left, and its `.part` is made anew next time."""
        self._over = True
        self._due.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
        while self._due.wait() and not self._over:
            self._due.clear()
            try:
                for path in tidy(self._folder, self._name, self._raw_kept, self._kept):
                    self._log.info("segment put away", file=path.name)
            except OSError as error:
                self._log.warning("segments not put away", reason=error.strerror, file=str(error.filename))
