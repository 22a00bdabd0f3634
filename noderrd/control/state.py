"""What a lane holds outlives it: in shared memory over a crash, on disk over a clean stop.

The file in /dev/shm is the state while a node runs. A clean stop copies it into the node's folder and deletes it; the next start takes that copy
up, once: a copy that was taken up is set aside, for after a power loss it would be yesterday's truth. Each is named for the layout of its records.
"""

import hashlib
import os
import shutil
from pathlib import Path

from core.layout import LANE
from noderrd.lane.spec import LaneSpec

USED = ".used"


class Foreign(Exception):
    """The state that is there was made by another version or for other instruments: its positions and open orders would be taken for others."""


def digest() -> str:
    """Name the layout."""
    return hashlib.sha256(repr(LANE.descr).encode()).hexdigest()[:12]


def kept(spec: LaneSpec, folder: Path) -> Path:
    """Give where a clean stop keeps a lane's state."""
    return folder / f"{spec.name}-{digest()}.state"


def take_up(spec: LaneSpec, folder: Path, last: LaneSpec | None) -> str:
    """Bring the state of the last run, which ran by `last`, into shared memory.

    Gives "running" when it is there already, "kept" after a clean stop, "none" at a first start, "lost" when there was a run whose state is gone
    (a power loss). Raises Foreign, OSError.
    """
    shared, copy = Path(spec.shared), kept(spec, folder)
    there = shared if shared.exists() else copy
    if last is not None and there.exists() and _places(last) != _places(spec):
        message = (
            f"{there} holds positions and orders of other venues or instruments than the configuration names: start with those, flatten, stop, "
            f"and move {copy} away"
        )
        raise Foreign(message)
    others = [f for f in folder.glob(f"{spec.name}-*.state") if f != copy]
    if others:
        message = f"{others[0]} was made by another version of noderrd: stop with that version, or reconcile and move the file away"
        raise Foreign(message)
    if shared.exists():
        return "running"
    if copy.exists():
        shutil.copyfile(copy, shared)
        shared.chmod(0o600)
        copy.replace(copy.with_suffix(USED))
        return "kept"
    if copy.with_suffix(USED).exists():
        return "lost"
    copy.with_suffix(USED).touch()
    return "none"


def _places(spec: LaneSpec) -> tuple[list[str], list[tuple[str, int]], int, int]:
    """Give what indexes and sizes of the state mean."""
    return [v.name for v in spec.venues], [(it.symbol, it.venue) for it in spec.instruments], spec.levels, spec.table


def keep(spec: LaneSpec, folder: Path, *, sync: bool = True) -> None:
    """Copy a stopped lane's state to disk, whole or not at all, and delete it from shared memory. Raises OSError.

    Without `sync` the disk is not waited for: for somebody who leaves at once, and for whom the next power loss is not now.
    """
    copy = kept(spec, folder)
    part = copy.with_suffix(".part")
    shutil.copyfile(spec.shared, part)
    if sync:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    part.replace(copy)
    copy.with_suffix(USED).unlink(missing_ok=True)
    for path in (spec.shared, spec.stop):
        Path(path).unlink(missing_ok=True)
