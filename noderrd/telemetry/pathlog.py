"""Where the time of a day's orders went, kept on disk: a day's HdrHistogram log, with a tag for each venue, class of symbol and stage.

What was counted since the last writing is an interval of its own, so that HdrHistogram's tools show the day as it went; the day report adds them up.
Values are ns. Files of more than KEEP_DAYS are deleted.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from core.codes import Stage
from core.layout import BUCKETS
from noderrd.telemetry import hdr
from noderrd.telemetry.waterfall import Key

FOLDER = "latency"
KEEP_DAYS = 30
SECOND = 1_000_000_000
FIELDS = 5  # of a line with a tag
DAMAGED = (ValueError, KeyError, IndexError, TypeError, zlib.error, HdrCookieException, HdrLengthException)
Counts = Mapping[Key, np.ndarray]  # int64[stages, BUCKETS]


def path(state: Path, day: date) -> Path:
    """Give a day's file (UTC) in a node's state folder."""
    return state / FOLDER / f"{day:%Y-%m-%d}.hlog"


class PathLog:
    """Writes what grew. `state` is the node's folder."""

    def __init__(self, state: Path, now_ns: int) -> None:
        self._state, self._since_ns = state, now_ns
        self._last: dict[Key, np.ndarray] = {}

    def write(self, counts: Counts, now_ns: int) -> None:
        """Append what was counted since the last time, to the file of the day that it began on. Raises OSError."""
        rows = []
        for key, now in counts.items():
            grown = now - self._last.get(key, 0)
            self._last[key] = now.copy()
            rows += [(tag(key, stage), hdr.histogram(grown[stage])) for stage in Stage if grown[stage].any()]
        began_ns, self._since_ns = self._since_ns, now_ns
        if not rows:
            return
        day = datetime.fromtimestamp(began_ns / SECOND, UTC).date()
        file = path(self._state, day)
        file.parent.mkdir(parents=True, exist_ok=True)
        head, _, lines = hdr.log(rows, began_ns, now_ns).partition('Histogram"\n')
        with file.open("a") as out:
            out.write(lines if out.tell() else f'{head}Histogram"\n{lines}')
        for old in file.parent.glob("*.hlog"):
            if old.name < path(self._state, day - timedelta(days=KEEP_DAYS)).name:
                old.unlink(missing_ok=True)


def tag(key: Key, stage: Stage) -> str:
    """Name a histogram: no comma, no space."""
    return "/".join((quote(key[0], safe=""), quote(key[1], safe=""), stage.name.lower()))


def read(file: Path) -> dict[Key, np.ndarray]:
    """Add a day's intervals up; {} without a file. A line that a crash cut short is left out. Raises OSError."""
    found: dict[Key, np.ndarray] = {}
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return found
    for line in text.splitlines():
        words = line.split(",")
        if len(words) != FIELDS or not words[0].startswith("Tag="):
            continue
        venue, _, rest = words[0].removeprefix("Tag=").partition("/")
        kind, _, stage = rest.partition("/")
        try:
            row, counts = Stage[stage.upper()], np.array(HdrHistogram.decode(words[4]).counts[:BUCKETS], np.int64)
        except DAMAGED:
            continue
        key = unquote(venue), unquote(kind)
        found.setdefault(key, np.zeros((len(Stage), BUCKETS), np.int64))[row] += counts
    return found
