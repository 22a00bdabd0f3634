"""Where a journal can be taken up in its middle: the last whole checkpoint (noderrd.lane.checkpoint), and what follows it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core import layout as at
from core.codes import JournalKind
from noderrd.journal.read import rows_of
from noderrd.journal.segment import places
from noderrd.lane import checkpoint

ALL = 1 << 62


class Untold(Exception):
    """The journal does not tell enough; the text says what is missing."""


@dataclasses.dataclass(frozen=True)
class Begun:
    """A checkpoint: its records, the index in the chain behind them, and the number of the segment that it begins in."""

    rows: list[np.void]
    at: int
    segment: int


def begun(folder: Path, name: str, until: int = ALL) -> Begun:
    """Find the last whole checkpoint before record `until` of the chain. Raises Untold, segment.Damaged, OSError."""
    chain = places(folder).get(name, [])
    after: list[np.void] = []  # the beginning of the segment behind, as far as it belongs to a checkpoint that began before
    for k in reversed(range(len(chain))):
        first, rows = rows_of(chain[k], last=k == len(chain) - 1)
        rows = rows[: max(0, until - first)]
        if after:
            rows = np.concatenate([rows, np.array(after, rows.dtype)])
        ends = np.flatnonzero((rows["kind"] == JournalKind.ACCOUNT) & (rows["strat"] == at.MAX_STRATEGIES))
        if not len(ends):
            continue
        inside = np.isin(rows["kind"], checkpoint.KINDS)
        begin = end = int(ends[-1])
        while begin > 0 and inside[begin - 1] and not checkpoint.is_last(rows[begin - 1]):
            begin -= 1
        if begin == 0:
            after = list(rows[: end + 1])
            continue
        return Begun(list(rows[begin : end + 1]), first + end + 1, chain[k].number)
    message = f"no checkpoint in {folder}: the lane had not yet taken its state up, or the segment is gone"
    raise Untold(message)


def following(folder: Path, name: str, start: int, until: int = ALL) -> Iterator[np.ndarray]:
    """Give the rows from record `start` of the chain to before `until`. Raises segment.Damaged, OSError."""
    chain = places(folder).get(name, [])
    for k, place in enumerate(chain):
        first, rows = rows_of(place, last=k == len(chain) - 1)
        yield rows[max(0, start - first) : max(0, until - first)]
