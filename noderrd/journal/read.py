"""Read the journal: rows of core.layout.JOURNAL, whose fields and data are explained there and in docs/journal.md."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from noderrd.journal.segment import HEADER, RECORD, Damaged, Place, intact, places, read_header


def rows_of(place: Place, *, last: bool) -> tuple[int, np.ndarray]:
    """Give the index in the chain of a segment's first row, and its rows JOURNAL[n]. `last`: what lies behind the good ones may be torn.

    Raises segment.Damaged where checksums do not hold before the end, OSError.
    """
    raw = place.read()
    head = read_header(raw, place.path.name)[0]
    good = b"".join(intact(raw))
    end = HEADER.itemsize + len(good)
    if not last and raw[end:].strip(b"\0"):
        raise Damaged(place.path.name, end, "checksum; `noderrctl journal verify` tells more")
    return int(head["first"]), np.frombuffer(good, RECORD)["row"]


def records(folder: Path, name: str = "") -> Iterator[np.ndarray]:
    """Give the rows of every segment, JOURNAL[n] each, a lane after the other (or those of the lane `name`) and the oldest first.

    Reads a live journal too, up to its end. Raises as `rows_of`.
    """
    for lane, chain in places(folder).items():
        if name and lane != name:
            continue
        for place in chain:
            yield rows_of(place, last=place is chain[-1])[1]
