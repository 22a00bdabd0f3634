"""What a lane runs by, told in the journal: so that a decision can be explained, and made again, from the journal alone."""

import time

import numpy as np

from core import layout as at
from core.codes import JournalKind
from core.jit import entry
from noderrd.lane import record
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec


@entry
def pieces(lane: np.ndarray, kind: int, now_ns: int, data: np.ndarray) -> None:
    """Journal uint8[n] in pieces: `ref` is n, `size` what is left from the piece on."""
    n = data.shape[0]
    for k in range(0, n, at.JOURNAL_DATA):
        record.journal(lane, kind, -1, -1, -1, now_ns, n, data, k, n - k)


def journal(shared: Shared, spec: LaneSpec) -> None:
    """Journal a spec. Raises OSError when a file that it names cannot be read."""
    pieces(shared.lane, JournalKind.SPEC, time.time_ns(), np.frombuffer(spec.told(), np.uint8).copy())
