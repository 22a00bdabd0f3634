"""Read the journal: rows of core.layout.JOURNAL, whose fields and data are explained there and in docs/journal.md."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from noderrd.journal.segment import HEADER, RECORD, Damaged, intact, places, read_header


def records(folder: Path, name: str = "") -> Iterator[np.ndarray]:
    """Give the rows of every segment, JOURNAL[n] each, a lane after the other (or those of the lane `name`) and the oldest first.

    Reads a live journal too, up to its end.
    Raises segment.Damaged where checksums do not hold before the end, OSError.
    """
    for lane, chain in places(folder).items():
        if name and lane != name:
            continue
        for place in chain:
            raw = place.read()
            read_header(raw, place.path.name)
            good = b"".join(intact(raw))
            end = HEADER.itemsize + len(good)
            if place is not chain[-1] and raw[end:].strip(b"\0"):
                raise Damaged(place.path.name, end, "checksum; `noderrctl journal verify` tells more")
            yield np.frombuffer(good, RECORD)["row"]
