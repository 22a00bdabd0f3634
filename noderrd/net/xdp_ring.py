"""The rings of an AF_XDP socket, as the lane polls them: frames in, UDP payloads out, frames given back. No system call.

Producer and consumer indexes are 32-bit words on cache lines of their own, read and written here as 64-bit words whose upper half is the line's
padding (net/xdp/xsk_queue.h). One reader, one writer; an acquire load and a release store are all it takes.
"""

import numpy as np

from core.atomics import load, store
from core.bigendian import get_u16
from core.integer import i64
from core.jit import kernel

RING = 2048  # frames: all are in the fill ring at the start
FRAME = 2048
HEADERS = 42  # Ethernet, IPv4 without options, UDP: what bpf.program lets through
UDP_LENGTH = 38
WORD = 0xFFFFFFFF

DESCRIPTOR = np.dtype([("address", "u8"), ("len", "u4"), ("options", "u4")], align=True)  # struct xdp_desc
XSK = np.dtype(
    [
        ("rx_producer", "i8"),  # addresses
        ("rx_consumer", "i8"),
        ("fill_producer", "i8"),
        ("taken", "i8"),  # frames taken out of the receive ring so far
        ("filled", "i8"),  # frames put into the fill ring so far
        ("short", "i8"),  # frames whose UDP length does not fit: not delivered
    ],
    align=True,
)


@kernel
def receive(
    state: np.ndarray, descriptors: np.ndarray, fill: np.ndarray, umem: np.ndarray, data: np.ndarray, lengths: np.ndarray, slot: int, most: int
) -> int:
    """Take up to `most` waiting datagrams: payloads into data at 0, slot, 2 slot, ..., their sizes into lengths; gives how many.

    A payload larger than a slot is cut and its size given as it was, as recv with MSG_TRUNC does.
    """
    ready = (load(state[0]["rx_producer"]) - state[0]["taken"]) & WORD
    n = min(ready, i64(most))
    taken = i64(0)
    for k in range(n):
        at = (state[0]["taken"] + k) & (RING - 1)
        start = i64(descriptors[at]["address"])
        size = get_u16(umem, start + UDP_LENGTH) - 8
        if size < 0 or size > i64(descriptors[at]["len"]) - HEADERS:
            state[0]["short"] += 1
        else:
            out = taken * slot
            for b in range(min(size, i64(slot))):
                data[out + b] = umem[start + HEADERS + b]
            lengths[taken] = size
            taken += 1
        fill[(state[0]["filled"] + k) & (RING - 1)] = start - start % FRAME
    if n > 0:
        state[0]["taken"] += n
        state[0]["filled"] += n
        store(state[0]["rx_consumer"], state[0]["taken"] & WORD)
        store(state[0]["fill_producer"], state[0]["filled"] & WORD)
    return taken
