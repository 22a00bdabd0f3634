"""What the kernel tells beside a datagram: when it came, and how many before it did not fit (cmsg(3); SO_RXQ_OVFL in socket(7)).

The card's stamp is taken where there is one and its clock is the time, else the kernel's, which the driver's receive path takes; a line without
either is stamped by the lane itself, when it has the datagram. (Kernel Documentation/networking/timestamping.rst: scm_timestamping is three
timespecs, the first the kernel's, the third the card's.)
"""

import socket

import numpy as np

from core.codes import Stamp
from core.integer import i64
from core.jit import inlined
from core.layout import CONTROL_BYTES

SO_RXQ_OVFL, SO_TIMESTAMPING = 40, 37
RX_HARDWARE, RX_SOFTWARE, SOFTWARE, RAW_HARDWARE = 1 << 2, 1 << 3, 1 << 4, 1 << 6
STAMPS = socket.SOL_SOCKET | SO_TIMESTAMPING << 32  # level and type of a control message, as one word
DROPS = socket.SOL_SOCKET | SO_RXQ_OVFL << 32
WORD = 0xFFFFFFFF
SECOND = 1_000_000_000
SHARE = 64  # of a new value in the running average


def ask_for(line: socket.socket) -> None:
    """Have the kernel tell both of every datagram of a line. Raises OSError."""
    line.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_HARDWARE | RX_SOFTWARE | SOFTWARE | RAW_HARDWARE)
    line.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)


@inlined
def read(venue: np.ndarray, v: int, line: int, headers: np.ndarray, controls: np.ndarray, k: int, taken_ns: int) -> int:
    """Read what was told beside datagram k, and make its place ready for the next: its stamp in ns since the epoch, 0 for none.

    `controls` int64[batch, words] is where `headers` point; `taken_ns` is when the lane had it. A card's clock that is a second from the lane's runs
    by itself, or on TAI: it is no time to compare with.
    """
    size = i64(headers[k]["controllen"])
    if size >= CONTROL_BYTES:  # nobody wrote: a datagram out of a ring
        return 0
    headers[k]["controllen"] = CONTROL_BYTES
    words = controls[k]
    found, kind, at = i64(0), i64(Stamp.LANE), i64(0)
    while at + 3 <= size >> 3:
        what = words[at + 1]
        if what == STAMPS and at + 8 <= size >> 3:
            card = words[at + 6] * SECOND + words[at + 7]
            if card != 0 and abs(card - taken_ns) < SECOND:
                found, kind = card, i64(Stamp.HARDWARE)
            elif words[at + 2] != 0:
                found, kind = words[at + 2] * SECOND + words[at + 3], i64(Stamp.KERNEL)
        elif what == DROPS:
            venue[v]["kernel_drops"][line] = words[at + 2] & WORD
        at += max((words[at] + 7) >> 3, i64(1))
    venue[v]["stamp"][line] = kind
    if found != 0:
        venue[v]["waited_ns"][line] += (taken_ns - found - venue[v]["waited_ns"][line]) // SHARE
    return found
