"""The file format: segments of fixed-size records that form one chain.

A segment is a HEADER and up to `capacity` RECORDs, preallocated with zeros. Each record carries the SHA-224 of the link before it and its own row,
so that nothing can be changed, cut out, put in or moved without the rest being made anew, and a CRC-32C (RFC 3720, appendix B.4) over both, so that
damage is found without the chain. The header is a link too. Little-endian.
"""

import dataclasses
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from core import layout as at

MAGIC = b"NODERRDJ"
VERSION = 1
LINK = 28  # bytes of SHA-224
GENESIS = bytes(LINK)
SUFFIX, PACKED = ".journal", ".journal.gz"
_NAME = re.compile(r"(?P<name>.+)-(?P<number>\d{8})\.journal(\.gz)?")

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("record_size", "<u4"),
        ("number", "<i8"),  # of the segment, from 1
        ("first", "<i8"),  # index in the chain of its first record, from 0
        ("seq", "<i8"),  # of the ring before its first record
        ("journal_id", "<i8"),  # of the ring
        ("created_ns", "<i8"),
        ("capacity", "<i8"),  # records
        ("name", "S16"),  # of the lane
        ("link", "u1", (LINK,)),  # of the last record of the segment before; zero at the first
        ("pad", "u1", (16,)),
        ("crc", "<u4"),
    ]
)
RECORD = np.dtype([("row", at.JOURNAL), ("link", "u1", (LINK,)), ("crc", "<u4")])
SEQ_AT, LINK_AT = 32, 80  # of those fields in HEADER
ROW = at.JOURNAL.itemsize
BODY = ROW + LINK  # what the CRC covers


class Damaged(Exception):
    """A segment is not what was written; `segment` is its file's name, `offset` the byte (of the unpacked file), `reason` what is wrong."""

    def __init__(self, segment: str, offset: int, reason: str) -> None:
        super().__init__(f"{segment}: byte {offset}: {reason}")
        self.segment, self.offset, self.reason = segment, offset, reason


@dataclasses.dataclass(frozen=True)
class Place:
    """A segment's file, as its name tells."""

    path: Path
    name: str
    number: int

    def read(self) -> bytes:
        """Give the bytes, unpacked. Raises Damaged when a packed file cannot be unpacked, OSError."""
        raw = self.path.read_bytes()
        if self.path.suffix != ".gz":
            return raw
        try:
            return gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(self.path.name, 0, f"cannot be unpacked: {error}") from error


def folder_of(given: Path) -> Path:
    """Give the journal's folder for a node's state folder or the journal's own. Raises FileNotFoundError when it is no folder."""
    inner = given / "journal"
    folder = inner if inner.is_dir() else given
    if not folder.is_dir():
        message = f"{given}: no such folder"
        raise FileNotFoundError(message)
    return folder


def places(folder: Path) -> dict[str, list[Place]]:
    """Give every segment in a folder by lane, oldest first. One that lies there packed and unpacked (a crash while packing) counts once, unpacked."""
    found: dict[str, dict[int, Place]] = {}
    for path in sorted(folder.iterdir(), key=lambda p: p.name, reverse=True):  # X.journal.gz before X.journal
        match = _NAME.fullmatch(path.name)
        if match:
            found.setdefault(match["name"], {})[int(match["number"])] = Place(path, match["name"], int(match["number"]))
    return {name: [numbered[k] for k in sorted(numbered)] for name, numbered in sorted(found.items())}


def path_of(folder: Path, name: str, number: int) -> Path:
    """Name a segment's file."""
    return folder / f"{name}-{number:08d}{SUFFIX}"


def header(name: str, number: int, first: int, seq: int, journal_id: int, created_ns: int, capacity: int, link: bytes) -> bytes:
    """Give a segment's first bytes."""
    it = np.zeros(1, HEADER)
    it["magic"], it["version"], it["record_size"] = MAGIC, VERSION, RECORD.itemsize
    it["number"], it["first"], it["seq"], it["journal_id"] = number, first, seq, journal_id
    it["created_ns"], it["capacity"], it["name"] = created_ns, capacity, name.encode()
    it["link"] = np.frombuffer(link, np.uint8)
    it["crc"] = google_crc32c.value(it.tobytes()[:-4])
    return it.tobytes()


def read_header(raw: bytes, segment: str) -> np.ndarray:
    """Give HEADER[1] of a segment's bytes. Raises Damaged."""
    if len(raw) < HEADER.itemsize:
        raise Damaged(segment, len(raw), "ends within its header")
    it = np.frombuffer(raw, HEADER, 1)
    if it[0]["magic"] != MAGIC:
        raise Damaged(segment, 0, "is no journal segment")
    if it[0]["version"] != VERSION or it[0]["record_size"] != RECORD.itemsize:
        raise Damaged(segment, 8, f"version {it[0]['version']} with records of {it[0]['record_size']} bytes; this is version {VERSION}")
    if google_crc32c.value(raw[: HEADER.itemsize - 4]) != it[0]["crc"]:
        raise Damaged(segment, 0, "checksum of the header")
    return it


def link_of_header(raw: bytes) -> bytes:
    """Give the link that a segment's first record follows: the header holds the one before."""
    return hashlib.sha224(raw[: HEADER.itemsize - 4]).digest()


def seal(rows: bytes, link: bytes) -> tuple[bytes, bytes]:
    """Chain rows after `link`: the records' bytes, and the last link."""
    out = []
    sha224, crc32c = hashlib.sha224, google_crc32c.value
    for k in range(0, len(rows), ROW):
        row = rows[k : k + ROW]
        link = sha224(link + row).digest()
        body = row + link
        out += [body, crc32c(body).to_bytes(4, "little")]
    return b"".join(out), link


def offset_of(k: int) -> int:
    """Give where record k of a segment begins."""
    return HEADER.itemsize + k * RECORD.itemsize


def intact(raw: bytes) -> Iterator[bytes]:
    """Give the records of a segment whose checksum holds, up to the first that is torn, damaged or not there."""
    for start in range(HEADER.itemsize, len(raw) - RECORD.itemsize + 1, RECORD.itemsize):
        record = raw[start : start + RECORD.itemsize]
        if google_crc32c.value(record[:BODY]).to_bytes(4, "little") != record[BODY:]:
            return
        yield record
