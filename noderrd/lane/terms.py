"""What a lane runs by, told in the journal: so that a decision can be explained, and made again, from the journal alone."""

import time

import numpy as np

from core import layout as at
from core.codes import JournalKind
from core.jit import entry
from noderrd.lane import record
from noderrd.lane.memory import Shared


@entry
def pieces(lane: np.ndarray, kind: int, now_ns: int, data: np.ndarray) -> None:
    """Journal uint8[n] in pieces: `ref` is n, `size` what is left from the piece on."""
    n = data.shape[0]
    for k in range(0, n, at.JOURNAL_DATA):
        record.journal(lane, kind, -1, -1, -1, now_ns, n, data, k, n - k)


def journal(shared: Shared, told: bytes) -> None:
    """Journal what LaneSpec.told gave."""
    pieces(shared.lane, JournalKind.SPEC, time.time_ns(), np.frombuffer(told, np.uint8).copy())
