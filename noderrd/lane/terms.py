"""What a lane runs by, told in the journal: so that a decision can be explained, and made again, from the journal alone."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path

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
    """Journal the spec without its passwords, and the SHA-256 of every file that it names. Raises OSError when one cannot be read."""
    told = dataclasses.asdict(spec)
    for venue in told["venues"]:
        del venue["password"]
    files = [s.file for s in spec.strategies] + [m.file for m in spec.models]
    hashes = {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in files}
    text = json.dumps({"spec": told, "sha256": hashes}, separators=(",", ":"))
    pieces(shared.lane, JournalKind.SPEC, time.time_ns(), np.frombuffer(text.encode(), np.uint8).copy())
