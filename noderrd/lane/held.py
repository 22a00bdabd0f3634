"""Datagrams that come while a venue's books are rebuilt: kept, and taken like new ones once the books are there.

A snapshot takes its time, and says at which message the feed goes on; what was said meanwhile would else be missing again and have to be asked for,
which takes another snapshot where nobody retransmits. Both lines' copies are kept: the second one fills what the first one lost. What finds no
room is counted, and asked for like anything that is missing.
"""

import numpy as np

from core.atomics import load, store
from core.codes import Counter
from core.integer import i64
from core.jit import kernel
from noderrd.lane.pointer import copy
from noderrd.lane.record import count

MOST = 8 << 20  # bytes a venue: some seconds of a busy one


@kernel
def keep(lane: np.ndarray, held: np.ndarray, v: int, data: np.ndarray, start: int, size: int) -> None:
    """Keep a datagram: its size in a word, its bytes, up to the next word."""
    need = 8 + ((size + 7) & ~7)
    if held[v]["used"] + need > held[v]["size"]:
        count(lane, Counter.HELD_LOST, 1)
        return
    at = held[v]["address"] + held[v]["used"]
    store(at, size)
    copy(at + 8, data.ctypes.data + start, size)
    held[v]["used"] += need
    count(lane, Counter.HELD, 1)


@kernel
def receive(lane: np.ndarray, held: np.ndarray, v: int, headers: np.ndarray, data: int, slot: int, most: int) -> int:
    """Give up to `most` kept datagrams as recvmmsg does, oldest first; 0, and the venue is done with them, when there are no more."""
    got = i64(0)
    while got < most and held[v]["at"] < held[v]["used"]:
        at = held[v]["address"] + held[v]["at"]
        size = load(at)
        copy(data + got * slot, at + 8, size)
        headers[got]["len"] = size
        headers[got]["flags"] = 0
        held[v]["at"] += 8 + ((size + 7) & ~7)
        got += 1
    if got == 0:
        held[v]["at"] = 0
        held[v]["used"] = 0
        lane[0]["venues"][v]["held"] = 0
    return got
