"""Nasdaq BinaryFILE: messages behind two-byte lengths, a zero length at the end. Plain or gzip, told by content.

What can be read of a damaged or truncated file is given, with the offset (in the unpacked bytes) where it stops being one.
"""

import dataclasses
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from core.bigendian import get_u16
from core.integer import i64
from core.jit import entry

GZIP = b"\x1f\x8b"
CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Recording:
    """`data` uint8[bytes]; `offsets` int64[n], of each message's first byte; its length stands in the two bytes before."""

    data: np.ndarray
    offsets: np.ndarray
    damaged_at: int | None  # None: whole


@entry
def _frames(data: np.ndarray, offsets: np.ndarray) -> int:
    """Fill offsets; gives how many, or -1 - how many when the last frame is cut short. A zero length ends the file."""
    at = i64(0)
    n = i64(0)
    while at + 2 <= data.shape[0]:
        length = get_u16(data, at)
        if length == 0:
            return n
        if at + 2 + length > data.shape[0]:
            return -1 - n
        offsets[n] = at + 2
        n += 1
        at += 2 + length
    return n if at == data.shape[0] else -1 - n


def unpack(path: Path) -> tuple[bytes, bool]:
    """Give a file's bytes, unpacked when they are gzip, and whether the packing was whole: what came before its damage is given. Raises OSError."""
    raw = path.read_bytes()
    if raw[:2] != GZIP:
        return raw, True
    out = bytearray()
    while raw:
        inflate, at = zlib.decompressobj(wbits=31), 0
        while at < len(raw) and not inflate.eof:
            before = inflate.copy()
            try:
                out += inflate.decompress(raw[at : at + CHUNK])
            except zlib.error:
                out += _up_to_damage(before, raw[at : at + CHUNK])
                return bytes(out), False
            at += CHUNK
        if not inflate.eof:
            return bytes(out), False
        raw = (inflate.unused_data + raw[at:]).lstrip(b"\0")  # gzip allows padding behind a member, and members behind it
    return bytes(out), True


def _up_to_damage(inflate: Any, chunk: bytes) -> bytes:
    """Unpack byte by byte what can be unpacked of a chunk."""
    out = bytearray()
    try:
        for k in range(len(chunk)):
            out += inflate.decompress(chunk[k : k + 1])
    except zlib.error:
        pass
    return bytes(out)


def frames(content: bytes, *, whole: bool = True) -> Recording:
    """Find the messages of a BinaryFILE. `whole` is False for content whose packing was cut short. Bytes behind the end are damage too."""
    data = np.frombuffer(content, np.uint8)
    offsets = np.zeros(len(content) // 3 + 1, np.int64)
    n = int(_frames(data, offsets))
    count = n if n >= 0 else -1 - n
    end = int(offsets[count - 1]) + int.from_bytes(content[offsets[count - 1] - 2 : offsets[count - 1]], "big") if count else 0
    ended = content[end:] in (b"", b"\0\0")
    return Recording(data, offsets[:count].copy(), None if ended and whole else end)


def read(path: Path) -> Recording:
    """Read a recording. Raises OSError."""
    content, whole = unpack(path)
    return frames(content, whole=whole)
