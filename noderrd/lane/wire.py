"""The bytes of an order session: what is built goes out whole, in order, or waits in the venue's buffer.

A partial send or EAGAIN leaves the rest in `tx`; nothing else goes out before it. New orders are refused while something waits;
cancels and heartbeats are appended as far as the buffer reaches.
"""

import numpy as np

from core import layout as at
from core.codes import Counter
from core.jit import inlined, kernel
from noderrd.lane.record import count
from noderrd.lane.syscalls import EAGAIN, EINTR, send

HEARTBEAT_NS = 1_000_000_000  # SoupBinTCP 3.00 section 2: one a second when nothing else is sent
SILENCE_NS = 15_000_000_000  # and dead after fifteen


@inlined
def flush(lane: np.ndarray, v: int, now_ns: int) -> int:
    """Send what waits: 1 when nothing waits any more, 0 when some does, -1 when the connection is broken."""
    venue = lane[0]["venues"]
    at_byte, end = venue[v]["tx_at"], venue[v]["tx_len"]
    if at_byte >= end:
        return 1
    sent = send(venue[v]["fd_order"], venue[v]["tx"].ctypes.data + at_byte, end - at_byte)
    if sent < 0:
        return 0 if sent == -EAGAIN or sent == -EINTR else -1
    venue[v]["order_tx_ns"] = now_ns
    venue[v]["order_tx_bytes"] += sent
    if at_byte + sent < end:
        venue[v]["tx_at"] = at_byte + sent
        count(lane, Counter.PARTIAL_SENDS, 1)
        return 0
    venue[v]["tx_at"] = 0
    venue[v]["tx_len"] = 0
    return 1


@kernel
def space(lane: np.ndarray, v: int) -> int:
    """Bytes that can still be appended to the buffer."""
    return at.TX_BUFFER - lane[0]["venues"][v]["tx_len"]


@kernel
def heartbeat(lane: np.ndarray, v: int, now_ns: int) -> int:
    """Append a client heartbeat and flush."""
    venue = lane[0]["venues"]
    if space(lane, v) >= 3 and venue[v]["tx_len"] == 0:
        venue[v]["tx"][0] = 0
        venue[v]["tx"][1] = 1
        venue[v]["tx"][2] = 82  # R
        venue[v]["tx_len"] = 3
    return flush(lane, v, now_ns)
