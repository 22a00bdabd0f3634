"""From a lane's ring to the disk: what the ring gives is appended, flushed in groups, and only then given back to the lane.

The lane may overwrite a slot when its record is on the disk (`journal_tail`), never before. So a writer that dies at any point, or a disk that
refuses, loses nothing that the ring still holds: the next try goes on from `journal_tail`, over what the last one may have left, with the same bytes.
A record is on the disk POLL + SYNC_NS + one flush after it was published, at most, while the disk takes what it is given; when it takes nothing the
writer says why in the lane's shared file (`writer_state`, `writer_errno`), tries again every RETRY_NS, and the ring fills: the lane then sends no
new orders, and cancels go on.
"""

import contextlib
import errno
import os
import secrets
import time
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import JournalKind
from core.codes import Writer as State
from noderrd.journal import lock, seal, segment
from noderrd.journal.segment import HEADER, RECORD, ROW, Damaged, Place
from noderrd.lane.memory import Shared

GROUP = 4096  # records that are flushed without waiting for more
MOST = at.JOURNAL_SLOTS // 2  # and with one flush, about
SYNC_NS = 10_000_000
RETRY_NS = 1_000_000_000
CAPACITY = 1 << 16  # records a segment: 10 MiB
DATA_AT = ROW - at.JOURNAL_DATA


class Writer:
    """Appends what a lane publishes to the segments `name`-NNNNNNNN.journal in `folder`.

    Raises lock.Busy when another process does, OSError when the folder cannot be made. Used by one thread.
    """

    def __init__(self, shared: Shared, folder: Path, name: str, log: Any, *, capacity: int = CAPACITY) -> None:
        self._control, self._ring = shared.control[0], shared.journal
        self._folder, self._name, self._log, self._capacity = folder, name, log, capacity
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock.take(folder, name)
        self._fd = -1
        self._number = 0
        self._first = 0  # index in the chain of the segment's first record
        self._n = 0  # records in the segment
        self._link = segment.GENESIS
        self._next = 0  # ring cursor: records before it are written
        self._since_ns = 0  # when the first record not yet flushed was written; 0: none is
        self._retry_ns = 0
        self._sealed = False  # the segment ends with a day
        self._control["writer_pid"] = os.getpid()

    # Where it stands.

    @property
    def backlog(self) -> int:
        """Records that were published and are not on the disk."""
        return int(self._control["journal_head"]) - int(self._control["journal_tail"])

    @property
    def segment(self) -> int:
        """Number of the segment that is written to; 0 before the first."""
        return self._number

    def _say(self, state: State, code: int = 0) -> None:
        self._control["writer_errno"] = code
        self._control["writer_state"] = state

    # One turn.

    def turn(self, now_ns: int) -> int:
        """Write what waits, and flush when it is time; gives how many records were taken.

        Raises Damaged. A disk's error is said in the shared file, and the turn is made again after RETRY_NS.
        """
        self._control["writer_ns"] = now_ns
        if now_ns < self._retry_ns:
            return 0
        try:
            if self._fd < 0:
                self._resume(now_ns)
            taken, more = 0, self._append(now_ns)
            while more:  # the slower the disk, the more goes with one flush
                taken += more
                more = self._append(now_ns) if taken < MOST else 0
            if self._since_ns and (self._next - int(self._control["journal_tail"]) >= GROUP or now_ns - self._since_ns >= SYNC_NS):
                self.flush()
        except OSError as error:
            self._blocked(error, now_ns)
            return 0
        return taken

    def flush(self) -> None:
        """Put everything written on the disk, then let the lane have its slots back. Raises OSError."""
        if self._fd < 0 or not self._since_ns:
            return
        began = time.monotonic_ns()
        os.fdatasync(self._fd)
        self._control["writer_sync_ns"] = time.monotonic_ns() - began
        self._control["journal_tail"] = self._next
        self._since_ns = 0

    def _append(self, now_ns: int) -> int:
        """Take one run of records that lies in one piece in the ring and fits into the segment."""
        if self._n == self._capacity or self._sealed:
            self.flush()
            self._open(now_ns)
        slot = self._next & (at.JOURNAL_SLOTS - 1)
        waiting = int(self._control["journal_head"]) - self._next
        n = min(waiting, GROUP, at.JOURNAL_SLOTS - slot, self._capacity - self._n)
        if n <= 0:
            return 0
        rows = self._ring[slot : slot + n].copy()
        if rows[0]["seq"] != self._next + 1 or rows[-1]["seq"] != self._next + n:
            raise Damaged("ring", slot * ROW, f"slot of record {self._next + 1} holds {rows[0]['seq']}")
        if len(ends := np.flatnonzero(rows["kind"] == JournalKind.SEALED)):
            n = int(ends[0]) + 1
            rows = rows[:n]
        blank(rows)
        data, link = segment.seal(rows.tobytes(), self._link)
        _write(self._fd, data, segment.offset_of(self._n))
        self._link, self._n, self._next = link, self._n + n, self._next + n
        self._since_ns = self._since_ns or now_ns
        if len(ends):
            self._seal(int(rows[-1]["ref"]))
        return n

    def _seal(self, day: int) -> None:
        """Put a day that is over on the disk, and its last link beside it; the next record begins another segment. Raises OSError."""
        os.fdatasync(self._fd)
        seal.write(self._folder, self._name, seal.Seal(day, self._number, self._first + self._n, self._link.hex()))
        self._sealed = True
        self._log.info("sealed", day=day, segment=self._number, records=self._first + self._n)

    def _blocked(self, error: OSError, now_ns: int) -> None:
        """Let go of the file: after a failed flush nobody knows what of it is on the disk, so it is all written again."""
        if self._control["writer_state"] != State.BLOCKED:
            self._log.error("journal blocked", reason=error.strerror, file=str(error.filename or self._folder), backlog=self.backlog)
        self._say(State.BLOCKED, error.errno or errno.EIO)
        self._close()
        self._retry_ns = now_ns + RETRY_NS

    # Segments.

    def _resume(self, now_ns: int) -> None:
        """Find the place to go on from. Raises Damaged when the disk lacks what was said to be on it, OSError."""
        self._next = int(self._control["journal_tail"])
        self._since_ns = self._retry_ns = 0
        chain = segment.places(self._folder).get(self._name, [])
        if not chain:
            if self._control["journal_id"] != 0:
                self._log.warning("the journal's segments are gone: a new chain begins", folder=str(self._folder))
            self._number = self._first = self._n = 0
            self._link = segment.GENESIS
            self._open(now_ns)
        elif chain[-1].path.suffix == segment.SUFFIX and self._same_ring(chain[-1]):
            self._reopen(chain[-1])
        else:
            self._after_crash(chain[-1])
            self._open(now_ns)
        self._log.info("journal open", segment=self._number, record=self._first + self._n, backlog=self.backlog)
        self._say(State.WRITING)

    def _same_ring(self, last: Place) -> bool:
        head = segment.read_header(last.read()[: HEADER.itemsize], last.path.name)
        return bool(head[0]["journal_id"] == self._control["journal_id"] != 0)

    def _reopen(self, last: Place) -> None:
        """Go on in a segment of this ring behind what is safely on the disk."""
        raw = last.read()
        head = segment.read_header(raw, last.path.name)[0]
        n = self._next - int(head["seq"])
        good = [*segment.intact(raw)]
        if not 0 <= n <= len(good):
            raise Damaged(last.path.name, segment.offset_of(len(good)), f"record {self._next} of the ring was flushed, and is not there")
        self._number, self._first, self._n = last.number, int(head["first"]), n
        self._link = good[n - 1][ROW : ROW + segment.LINK] if n else segment.link_of_header(raw)
        self._capacity = int(head["capacity"])
        self._fd = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)

    def _after_crash(self, last: Place) -> None:
        """Find the end of a journal whose ring is gone (power loss, another machine's start) and cut off what is torn.

        Raises Damaged when more than one flush lies behind the last good record: that is no torn tail, and a person must look.
        """
        raw = last.read()
        head = segment.read_header(raw, last.path.name)[0]
        good = [*segment.intact(raw)]
        end = segment.offset_of(len(good))
        torn = raw[end:].rstrip(b"\0")
        if len(torn) > (MOST + GROUP) * RECORD.itemsize:
            raise Damaged(last.path.name, end, "checksum, and more behind it than a crash leaves: move the journal away to start another")
        if torn:
            last.path.with_suffix(".torn").write_bytes(torn)
            self._log.warning("torn tail cut off", segment=last.path.name, offset=end, bytes=len(torn), kept=f"{last.path.stem}.torn")
        if last.path.suffix == segment.SUFFIX and end < len(raw):
            with last.path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())
        self._number, self._first, self._n = last.number, int(head["first"]), len(good)
        self._link = good[-1][ROW : ROW + segment.LINK] if good else segment.link_of_header(raw)

    def _open(self, now_ns: int) -> None:
        """Begin the next segment: named only when its header is on the disk and all its room is taken. Raises OSError."""
        number, first = self._number + 1, self._first + self._n
        journal_id = int(self._control["journal_id"]) or secrets.randbits(62) + 1
        path = segment.path_of(self._folder, self._name, number)
        part = path.with_suffix(".part")
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, segment.offset_of(self._capacity))
            head = segment.header(self._name, number, first, self._next, journal_id, now_ns, self._capacity, self._link)
            _write(fd, head, 0)
            os.fsync(fd)
            part.rename(path)
            _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            part.unlink(missing_ok=True)
            raise
        self._close()
        self._fd, self._number, self._first, self._n, self._sealed = fd, number, first, 0, False
        self._link = segment.link_of_header(head)
        self._control["journal_id"] = journal_id

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self, state: State = State.ENDED) -> None:
        """Flush, and let the next writer in. Raises nothing: what could not be flushed is still in the ring."""
        with contextlib.suppress(OSError):
            self.flush()
        self._close()
        os.close(self._lock)
        self._control["writer_state"] = state


def blank(rows: np.ndarray) -> None:
    """Zero what lies behind each row's data: a ring's slot still holds the end of an older record there."""
    raw = rows.view(np.uint8).reshape(len(rows), ROW)[:, DATA_AT:]
    raw[np.arange(at.JOURNAL_DATA)[None, :] >= np.maximum(rows["size"], 0)[:, None]] = 0


def _write(fd: int, data: bytes, offset: int) -> None:
    """Write all of it. Raises OSError."""
    view = memoryview(data)
    while view:
        n = os.pwrite(fd, view, offset)
        view, offset = view[n:], offset + n


def _sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
