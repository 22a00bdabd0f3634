"""A sealed day: how many records the chain had when it was over, and the last one's link, in a file beside the segments.

The chain alone cannot show that records were taken off its end; a seal does. Who keeps the link elsewhere needs nobody's word for a day.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

from noderrd import durable

_NAME = re.compile(r"(?P<name>.+)-\d{8}\.seal")


@dataclasses.dataclass(frozen=True)
class Seal:
    """One day's: `day` as yyyymmdd, the segment that it ends, records in the chain by then, the last one's link in hexadecimal."""

    day: int
    segment: int
    records: int
    link: str


def write(folder: Path, name: str, it: Seal) -> None:
    """Put a seal on the disk; that of a day that is sealed again holds from then on. Raises OSError."""
    durable.write(folder / f"{name}-{it.day:08d}.seal", json.dumps(dataclasses.asdict(it)))


def read(folder: Path, name: str) -> Iterator[tuple[Path, Seal | None]]:
    """Give a lane's seals, the oldest first; None for a file that is none any more. Raises OSError."""
    for path in sorted(folder.glob("*.seal")):
        match = _NAME.fullmatch(path.name)
        if match is None or match["name"] != name:
            continue
        try:
            said = Seal(**json.loads(path.read_text()))
            good = all(isinstance(n, int) for n in (said.day, said.segment, said.records)) and isinstance(said.link, str)
        except (ValueError, TypeError):
            good = False
        yield path, said if good else None
