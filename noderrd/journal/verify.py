"""Is the journal what was written? Every byte of every segment is looked at: checksums, the chain over segments, and zeros past the tail.

A sealed day (noderrd.journal.seal) must be there whole, and end with the link that its seal says.

What this cannot see: whole records taken off the end since the last seal, and a history made anew from some record on. Against those, keep the last
link elsewhere (`noderrctl journal verify` prints it).
"""

import dataclasses
import hashlib
from pathlib import Path

import google_crc32c

from noderrd.journal import seal
from noderrd.journal.seal import Seal
from noderrd.journal.segment import (
    BODY,
    GENESIS,
    HEADER,
    LINK,
    LINK_AT,
    RECORD,
    ROW,
    SEQ_AT,
    Damaged,
    Place,
    link_of_header,
    offset_of,
    places,
    read_header,
)


@dataclasses.dataclass
class Verdict:
    """What was found. A torn last record alone is what a crash leaves, and is ok."""

    records: int = 0
    segments: int = 0
    torn_tail: bool = False
    first_bad: Damaged | None = None
    links: dict[str, str] = dataclasses.field(default_factory=dict)  # lane to its last link, in hexadecimal
    sealed: list[int] = dataclasses.field(default_factory=list)  # days whose seals hold, as yyyymmdd

    @property
    def ok(self) -> bool:
        """Whether all is as it was written."""
        return self.first_bad is None


def verify(folder: Path) -> Verdict:
    """Look at every lane's chain in a folder, up to the first that is wrong. Raises OSError."""
    verdict = Verdict()
    for name, chain in places(folder).items():
        try:
            _chain(name, chain, verdict, list(seal.read(folder, name)))
        except Damaged as bad:
            verdict.first_bad = bad
            return verdict
    return verdict


def _chain(name: str, chain: list[Place], verdict: Verdict, seals: list[tuple[Path, Seal | None]]) -> None:
    link, number, first, ring, seq = GENESIS, chain[0].number, -1, -1, -1
    oldest, ends = -1, dict[int, str]()  # records in the chain at the end of each segment, and the link there
    for place in chain:
        if place.number != number:
            raise Damaged(place.path.name, 0, f"segment {number} is missing before it")
        raw = place.read()
        head = read_header(raw, place.path.name)[0]
        if head["name"] != name.encode() or head["number"] != number:
            raise Damaged(place.path.name, 0, f"its header says {head['name'].decode('ascii', 'replace')}-{head['number']}")
        known = place is not chain[0] or number == 1  # before the first of those kept, older ones were deleted
        if known and (bytes(head["link"]) != link or head["first"] != max(first, 0)):
            raise Damaged(place.path.name, LINK_AT, "does not follow the segment before it")
        if head["journal_id"] == ring and head["seq"] != seq:
            raise Damaged(place.path.name, SEQ_AT, f"records {seq + 1} to {head['seq']} of the ring are missing")
        n, link, torn = _records(raw, place.path.name, int(head["seq"]), last=place is chain[-1])
        if n > head["capacity"]:
            raise Damaged(place.path.name, offset_of(int(head["capacity"])), "more records than it was made for")
        verdict.segments += 1
        verdict.records += n
        verdict.torn_tail = verdict.torn_tail or torn
        number, first, ring, seq = number + 1, int(head["first"]) + n, int(head["journal_id"]), int(head["seq"]) + n
        oldest, ends[first] = int(head["first"]) if oldest < 0 else oldest, link.hex()
    verdict.links[name] = link.hex()
    for path, it in seals:
        if it is None:
            raise Damaged(path.name, 0, "is no seal")
        if it.records > oldest and ends.get(it.records) != it.link:
            raise Damaged(path.name, 0, f"day {it.day} ended with record {it.records}, and the chain does not have it so")
        if it.records > oldest:
            verdict.sealed.append(it.day)


def _records(raw: bytes, segment: str, seq: int, *, last: bool) -> tuple[int, bytes, bool]:
    """Check one segment's records: how many there are, the last link, whether the last one is torn. Raises Damaged."""
    link, used = link_of_header(raw), len(raw.rstrip(b"\0"))
    sha224, crc32c = hashlib.sha224, google_crc32c.value
    n, start = 0, HEADER.itemsize
    while start < used:
        record = raw[start : start + RECORD.itemsize]
        follows = sha224(link + record[:ROW]).digest()
        crc = crc32c(record[:BODY])
        if record[BODY:] != crc.to_bytes(4, "little"):
            if start + RECORD.itemsize >= used and _torn(record, seq + n + 1, follows, crc):
                if last:
                    return n, link, True
                raise Damaged(segment, start, "torn record, though a segment follows")
            nonzero = start + len(raw[start:]) - len(raw[start:].lstrip(b"\0"))
            if nonzero >= start + 8:  # no ring number: never was a record
                raise Damaged(segment, nonzero, "bytes past the tail")
            raise Damaged(segment, start, "checksum")
        if record[ROW:BODY] != follows:
            raise Damaged(segment, start + ROW, "does not follow the record before it")
        link, n, start = follows, n + 1, start + RECORD.itemsize
    return n, link, False


def _torn(record: bytes, seq: int, follows: bytes, crc: int) -> bool:
    """Tell whether bytes are the beginning of the ring's record `seq` whose end was never written, rather than anything else."""
    written = len(record.rstrip(b"\0"))
    number = seq.to_bytes(8, "little")
    if record[:8] != number[:written].ljust(8, b"\0"):
        return False
    if written <= ROW:
        return True
    whole = follows + crc.to_bytes(4, "little")
    if written > BODY:  # the link is there: the record was whole but for bytes of its checksum
        return record[ROW:BODY] == follows and whole[LINK:].startswith(record[BODY:written])
    return follows.startswith(record[ROW:written])
