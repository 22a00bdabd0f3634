"""The shared-memory file of a lane: named numpy arrays at fixed offsets, written by the lane and read by the daemon.

The file lies in /dev/shm and is never truncated or unlinked while mapped (the other side would die of SIGBUS); `flock` on it marks
the owner and falls with the owner's death. Not multiprocessing.shared_memory: on Python 3.11 a reader's normal exit unlinks it.
"""

import dataclasses
import fcntl
import mmap
import os
from pathlib import Path

import numpy as np

from core import layout as at
from noderrd.host import memory

PAGE = 4096
MADV_POPULATE_WRITE, MADV_COLLAPSE = 23, 25  # linux/mman.h, since Linux 5.14 and 6.1


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much a lane holds. Fixed for the life of its file."""

    n_venues: int
    n_insts: int
    n_products: int
    n_strategies: int
    levels: int = 1024  # a side of a book
    table: int = 1 << 17  # orders of the feed, a power of two


def shapes(sizes: Sizes) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name every block: {name: (shape, dtype)}, in file order."""
    pairs = at.MAX_STRATEGIES * sizes.n_insts
    i4, i8 = np.dtype("i4"), np.dtype("i8")
    return {
        "lane": ((1,), at.LANE),
        "halt_symbol": ((sizes.n_insts,), i8),
        "insts": ((sizes.n_insts,), at.INSTRUMENT),
        "px": ((sizes.n_insts, 2, sizes.levels), i8),
        "qty": ((sizes.n_insts, 2, sizes.levels), i8),
        "cnt": ((sizes.n_insts, 2, sizes.levels), i8),
        "table": ((sizes.table,), at.ORDER_REF),
        "locates": ((sizes.n_venues, at.LOCATES), i4),
        "products": ((sizes.n_products,), at.PRODUCT),
        "positions": ((pairs,), at.POSITION),
        "tables": ((2, pairs), at.LIMITS),  # of limits: one that binds, one for the next
        "exposure": ((sizes.n_products + at.MONEY_ROWS, at.MAX_LANES), at.EXPOSURE),
        "states": ((at.MAX_STRATEGIES, sizes.n_products, at.STATE_BYTES), np.dtype("u1")),
    }


class Shared:
    """The mapped file: every array of `shapes`, and every field of LANE, as an attribute.

    Raises ValueError when the file at `path` was made for other sizes or another layout, OSError as open does.
    """

    lane: np.ndarray
    control: np.ndarray
    halt_symbol: np.ndarray
    insts: np.ndarray
    px: np.ndarray
    qty: np.ndarray
    cnt: np.ndarray
    table: np.ndarray
    table_head: np.ndarray
    locates: np.ndarray
    products: np.ndarray
    venues: np.ndarray
    orders: np.ndarray
    denials: np.ndarray
    accounts: np.ndarray
    executions: np.ndarray
    fills: np.ndarray
    ref_slots: np.ndarray
    positions: np.ndarray
    tables: np.ndarray
    exposure: np.ndarray  # of a lane that shares its limits with no other
    strategies: np.ndarray
    params: np.ndarray
    states: np.ndarray
    histograms: np.ndarray
    waterfall: np.ndarray
    slow: np.ndarray
    commands: np.ndarray
    notes: np.ndarray
    journal: np.ndarray
    staged: np.ndarray
    tick_tables: np.ndarray
    acts: np.ndarray

    def __init__(self, path: Path, sizes: Sizes, *, create: bool = False) -> None:
        self.path, self.sizes = path, sizes
        offset, places = 0, {}
        for name, (shape, dtype) in shapes(sizes).items():
            places[name] = (offset, shape, dtype)
            offset += -(-int(np.prod(shape)) * dtype.itemsize // PAGE) * PAGE
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        size = os.fstat(self._fd).st_size
        if size == 0 and create:
            os.ftruncate(self._fd, offset)
        elif size != offset:
            os.close(self._fd)
            message = f"{path}: {size} bytes, but this configuration needs {offset}: made by another configuration or version"
            raise ValueError(message)
        self._map = mmap.mmap(self._fd, offset)
        for name, (start, shape, dtype) in places.items():
            count = int(np.prod(shape))
            setattr(self, name, np.frombuffer(self._map, dtype, count, start).reshape(shape))
        for name in at.LANE.names or ():
            setattr(self, name, self.lane[name][0])

    def huge(self) -> str:
        """Have huge pages, now: "" or why not. A tmpfs has them where it is mounted with huge=advise or more (`noderrctl host apply`)."""
        try:
            self._map.madvise(mmap.MADV_HUGEPAGE)
            self._map.madvise(MADV_COLLAPSE)
        except OSError as error:
            return f"{error.strerror}: {self.path.parent} is not mounted with huge=advise, or the kernel is older than 6.1"
        return ""

    def prefault(self) -> str:
        """Have every page now, rather than under the first packet that needs it: "" or why not."""
        try:
            self._map.madvise(MADV_POPULATE_WRITE)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def bind(self, node: int) -> str:
        """Keep every page on a memory node, and move those there that are elsewhere: "" or why not."""
        return memory.bind(self.lane.ctypes.data, len(self._map), node)

    @property
    def limits(self) -> np.ndarray:
        """Give the limits that bind now, LIMITS[strategies x instruments]."""
        return self.tables[int(self.staged[0]["bound"])]

    @property
    def next_limits(self) -> np.ndarray:
        """Give the table that binds nothing until the lane takes it."""
        return self.tables[1 - int(self.staged[0]["bound"])]

    def own(self) -> bool:
        """Take the owner's lock; False when another lane lives."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def inherit(self) -> None:
        """Wait until the owner is gone, however it went, and take the lock."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def owned(self) -> bool:
        """Tell whether a living lane holds the lock (asked by another process than the lane)."""
        with self.path.open("rb") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
