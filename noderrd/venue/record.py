"""The record: everything that made the market move, and every sequenced message that came of it, in one file.

An entry is a *cause* (a client's request, a step of the flow, a disconnect, an operator's word) and its *effects* (the feed's message blocks
and the clients' messages), checksummed, written before any of it is sent. A restart runs the causes again and insists on the same effects:
what a market is after N causes is not written anywhere, it is computed. So a killed venue comes back with the same session, the same sequence
numbers and the same open orders, and every restart proves that the exchange is deterministic.

The file also is the memory of what was published: retransmissions and replays are read from it, so that a long day costs disk and not memory.
Without a configured file it is a temporary one that nobody sees.

An entry that was torn by a crash is cut off: nothing of it had been sent. Written, not synced: it outlives the process, not the machine.
"""

import bisect
import fcntl
import os
import struct
import tempfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

MAGIC = b"noderrd venue record 1\n"
HEAD = struct.Struct("<II")  # size of the rest, its CRC-32
BODY = struct.Struct("<HHqqIIII")  # kind, user, now_ns, argument, and sizes: payload, feed, count of its messages, private
ENTRY_MAX = 1 << 28


class Unusable(Exception):
    """The record cannot be gone on from; the text says why."""


class Kind(IntEnum):
    """What a cause is."""

    OPEN = 1  # payload: facts of the session, JSON
    REQUEST = 2  # payload: an OUCH message of `user`
    CANCEL_ALL = 3  # every order of `user`; argument: reason
    FLOW = 4  # argument: until when
    TAPE = 5  # argument: until when
    FLOW_ON = 6  # from now on
    FLOW_OFF = 7
    EXPIRE = 8
    CONTROL = 9  # payload: an operator's order, JSON
    SKIP = 10  # argument: how many numbers of the feed are left out


class Cause(NamedTuple):
    """One thing that moves the market. `now_ns`: venue time."""

    kind: int
    now_ns: int
    user: int = 0
    argument: int = 0
    payload: bytes = b""


@dataclass(frozen=True)
class Effects:
    """What a cause did: `feed` message blocks, `count` of them; `private` messages, each behind user and length (two bytes each)."""

    feed: bytes
    count: int
    private: bytes


class Record:
    """The file. Raises Unusable when another venue holds it, or it is none; OSError when it cannot be written."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            with tempfile.TemporaryFile() as file:
                self._fd = os.dup(file.fileno())
        else:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            message = f"{path}: another venue is writing it"
            raise Unusable(message) from error
        self._size = os.fstat(self._fd).st_size
        if self._size < len(MAGIC):  # new, or torn at birth
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, MAGIC, 0)
            self._size = len(MAGIC)
        elif os.pread(self._fd, len(MAGIC), 0) != MAGIC:
            os.close(self._fd)
            message = f"{path}: not a venue's record"
            raise Unusable(message)
        self._feed = _Index()
        self._streams: list[_Stream] = []

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    # Reading at a restart.

    def entries(self) -> Iterator[tuple[Cause, Effects]]:
        """Give every entry, oldest first, and make it part of what was published; a torn tail is cut off."""
        at, end = len(MAGIC), self._size
        while at < end:
            body = self._body(at, end)
            if body is None:
                os.ftruncate(self._fd, at)
                self._size = at
                return
            kind, user, now_ns, argument, payload, feed, count, private = BODY.unpack_from(body)
            start = BODY.size
            parts = []
            for size in (payload, feed, private):
                parts.append(body[start : start + size])
                start += size
            effects = Effects(parts[1], count, parts[2])
            self._index(at, (kind, argument), payload, effects)
            yield Cause(kind, now_ns, user, argument, parts[0]), effects
            at += HEAD.size + len(body)

    def _body(self, at: int, end: int) -> bytes | None:
        """Read the entry at an offset; None when it is not whole."""
        head = os.pread(self._fd, HEAD.size, at)
        if len(head) < HEAD.size:
            return None
        size, checksum = HEAD.unpack(head)
        if size < BODY.size or size > ENTRY_MAX or at + HEAD.size + size > end:
            return None
        body = os.pread(self._fd, size, at + HEAD.size)
        return body if len(body) == size and zlib.crc32(body) == checksum else None

    # Writing.

    def append(self, cause: Cause, effects: Effects) -> None:
        """Write an entry. Raises OSError: then nothing may be sent."""
        sizes = (len(cause.payload), len(effects.feed), effects.count, len(effects.private))
        head = BODY.pack(cause.kind, cause.user, cause.now_ns, cause.argument, *sizes)
        body = b"".join((head, cause.payload, effects.feed, effects.private))
        entry = HEAD.pack(len(body), zlib.crc32(body)) + body
        written = os.pwrite(self._fd, entry, self._size)
        if written != len(entry):
            message = f"{self.path}: wrote {written} of {len(entry)} bytes"
            raise OSError(message)
        at = self._size
        self._size += len(entry)
        self._index(at, (cause.kind, cause.argument), sizes[0], effects)

    # What was published.

    def _index(self, at: int, cause: tuple[int, int], payload: int, effects: Effects) -> None:
        """Remember where an entry's messages lie. `cause`: kind and argument."""
        if cause[0] == Kind.SKIP:
            self._feed.next += cause[1]
        start = at + HEAD.size + BODY.size + payload
        if effects.count:
            self._feed.add(start, len(effects.feed), effects.count)
        start += len(effects.feed)
        at, private = 0, effects.private
        while at < len(private):
            user, size = struct.unpack_from(">HH", private, at)
            while len(self._streams) <= user:
                self._streams.append(_Stream())
            self._streams[user].add(start + at + 4, size)
            at += 4 + size

    @property
    def feed_next(self) -> int:
        """Sequence number of the feed's next message."""
        return self._feed.next

    def private_next(self, user: int) -> int:
        """Sequence number of a client's next message."""
        return len(self._streams[user].at) + 1 if user < len(self._streams) else 1

    def feed_blocks(self, first: int, most: int, limit: int) -> tuple[bytes, int]:
        """Give message blocks from a sequence number on: `most` of them, `limit` bytes in all. Empty when there is no such message."""
        blocks: list[bytes] = []
        count = size = 0
        while count < most and 1 <= first < self._feed.next:
            offset, length, skip = self._feed.find(first)
            if length == 0:
                break
            data = os.pread(self._fd, length, offset)
            at = 0
            while at < length:
                end = at + 2 + (data[at] << 8 | data[at + 1])
                if skip > 0:
                    skip -= 1
                elif size + end - at > limit or count == most:
                    return b"".join(blocks), count
                else:
                    blocks.append(data[at:end])
                    count, size, first = count + 1, size + end - at, first + 1
                at = end
        return b"".join(blocks), count

    def private_messages(self, user: int, first: int, most: int) -> list[bytes]:
        """Give a client's messages from a sequence number on, `most` of them."""
        if user >= len(self._streams):
            return []
        stream = self._streams[user]
        stop = min(first - 1 + most, len(stream.at))
        return [os.pread(self._fd, stream.size[k], stream.at[k]) for k in range(first - 1, stop)]


class _Index:
    """Where the feed's messages lie: first sequence number, offset and size of each run of blocks."""

    def __init__(self) -> None:
        self._first, self._at, self._size, self._count = array("q"), array("q"), array("q"), array("q")
        self.next = 1

    def add(self, at: int, size: int, count: int) -> None:
        self._first.append(self.next)
        self._at.append(at)
        self._size.append(size)
        self._count.append(count)
        self.next += count

    def find(self, sequence: int) -> tuple[int, int, int]:
        """Give offset and size of the run that holds a message, and how many stand before it there; a skipped number is in none: size 0."""
        k = bisect.bisect_right(self._first, sequence) - 1
        skip = sequence - self._first[k]
        return self._at[k], self._size[k] if k >= 0 and skip < self._count[k] else 0, skip


class _Stream:
    """Where a client's messages lie."""

    def __init__(self) -> None:
        self.at, self.size = array("q"), array("H")

    def add(self, at: int, size: int) -> None:
        self.at.append(at)
        self.size.append(size)
