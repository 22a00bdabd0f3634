"""The rings of AF_XDP sockets, as the loop polls them: frames in, UDP payloads out, frames given back. No system call.

Producer and consumer indexes are 32-bit words on cache lines of their own, read and written here as 64-bit words whose upper half is the line's
padding (net/xdp/xsk_queue.h). One reader, one writer; an acquire load and a release store are all it takes. The sockets of one interface have a
receive ring each and share the fill ring, which the loop alone writes.
"""

import numpy as np

from core.atomics import load, store
from core.bigendian import get_u16
from core.integer import i64
from core.jit import kernel
from noderrd.lane.pointer import copy
from noderrd.lane.syscalls import MSG_TRUNC, recvmmsg

RING = 2048  # frames: all are in the fill ring at the start
FRAME = 2048
HEADERS = 42  # Ethernet, IPv4 without options, UDP: what bpf.program lets through
UDP_LENGTH = 38
WORD = 0xFFFFFFFF
LOOK = 63  # of so many empty turns and one more, one asks the ordinary socket

DESCRIPTOR = np.dtype([("address", "u8"), ("len", "u4"), ("options", "u4")], align=True)  # struct xdp_desc
DESCRIPTOR_BYTES = DESCRIPTOR.itemsize
XSK = np.dtype(
    [
        ("rx_producer", "i8"),  # addresses, down to umem
        ("rx_consumer", "i8"),
        ("descriptors", "i8"),
        ("fill_producer", "i8"),
        ("fill", "i8"),
        ("umem", "i8"),
        ("taken", "i8"),  # frames taken out of the receive ring so far
        ("short", "i8"),  # frames whose UDP length does not fit: not delivered
        ("empty", "i8"),  # turns without a frame
        ("fd", "i4"),
        ("socket", "i4"),  # the ordinary one of the same address; -1: none
        ("length", "u1", (2,)),
    ],
    align=True,
)


@kernel
def receive(rings: np.ndarray, r: int, headers: np.ndarray, data: int, slot: int, most: int) -> int:
    """Take up to `most` waiting datagrams as recvmmsg does: payloads to the address `data` at 0, slot, 2 slot, ..., sizes and flags into `headers`.

    Gives how many. What the program passed on (fragments, options, another queue) is in the ordinary socket, which is asked now and then.
    """
    ready = (load(rings[r]["rx_producer"]) - rings[r]["taken"]) & WORD
    n = min(ready, i64(most))
    if n == 0:
        rings[r]["empty"] += 1
        if rings[r]["empty"] & LOOK == 0 and rings[r]["socket"] >= 0:
            return recvmmsg(rings[r]["socket"], headers.ctypes.data, most)
        return 0
    filled, to = load(rings[r]["fill_producer"]) & WORD, i64(data)
    got = i64(0)
    for k in range(n):
        at = rings[r]["descriptors"] + ((rings[r]["taken"] + k) & (RING - 1)) * DESCRIPTOR_BYTES
        start, length = load(at), load(at + 8) & WORD
        frame = rings[r]["umem"] + start
        copy(rings[r]["length"].ctypes.data, frame + UDP_LENGTH, i64(2))
        size = get_u16(rings[r]["length"], 0) - 8
        if size < 0 or size > length - HEADERS:
            rings[r]["short"] += 1
        else:
            copy(to + got * slot, frame + HEADERS, min(size, i64(slot)))
            headers[got]["len"] = min(size, i64(slot))
            headers[got]["flags"] = MSG_TRUNC if size > slot else 0
            got += 1
        store(rings[r]["fill"] + ((filled + k) & (RING - 1)) * 8, start - start % FRAME)
    rings[r]["taken"] += n
    store(rings[r]["rx_consumer"], rings[r]["taken"] & WORD)
    store(rings[r]["fill_producer"], (filled + n) & WORD)
    return got
