"""The lane's private desk: what it works on between two events. Allocated once, nothing in it outlives the process."""

import numpy as np

from core import layout as at
from core import program
from core.codes import Known
from core.ouch import OUCH_OUT
from noderrd.lane.syscalls import IOVEC, MMSGHDR, POLLFD
from noderrd.lane.xdp_ring import XSK

NOTICES = 256
NONE, RING = -1, -2  # in place of a feed line's descriptor: there is none; RING - k: it comes by ring k
KEPT = -1000  # what was kept while books were rebuilt

# Datagrams kept for a venue, in memory at an address; 0 bytes: none can be. noderrd/lane/held.py
HELD = np.dtype([("address", "i8"), ("size", "i8"), ("used", "i8"), ("at", "i8")], align=True)

# Where the audit of the books stands: noderrd/lane/audit.py.
AUDIT = np.dtype([("inst", "i8"), ("at", "i8"), ("slots", "i8"), ("seq_num", "i8"), ("shares", "i8"), ("orders", "i8")], align=True)

WORK = np.dtype(
    [
        ("message", at.MESSAGE, (1,)),
        ("changed", at.CHANGED, (1,)),
        ("answer", OUCH_OUT, (1,)),
        ("event", at.EVENT, (1,)),
        ("view", at.VIEW, (1,)),
        ("intents", at.INTENT, (at.MAX_INTENTS,)),
        ("verdict", "i8", (4,)),
        ("timespec", "i8", (2,)),
        ("live_insts", "i4", (4096,)),  # 1: its book may be looked at
        ("n_touched", "i8"),
        ("touched", "i4", (4096,)),
        ("traded", at.CHANGED, (4096,)),  # last trade of a symbol within the datagram
        ("notice_head", "i8"),
        ("notice_tail", "i8"),
        ("notices", at.NOTICE, (NOTICES,)),
        ("rx_ns", "i8"),  # when the lane had the causing datagram
        ("stamp_ns", "i8"),  # when the kernel, or the card, had it (noderrd/lane/stamp.py); 0: not told
        ("rx_tsc", "i8"),  # counter when the causing datagram had been received; 0: no datagram caused this
        # Counter at the cuts of the path that lie before an order (noderrd/lane/waterfall.py), and what of it was decoding.
        ("decoding_tsc", "i8"),
        ("booked_tsc", "i8"),
        ("featured_tsc", "i8"),
        ("scored_tsc", "i8"),
        ("next_timer_ns", "i8"),
        ("next_second_ns", "i8"),
        ("alarms", "i8"),  # of CONTROL, told so far
        ("audit", AUDIT, (1,)),
        ("ahead", "i8"),  # records of the journal whose memory was asked for
        ("why", "i8"),  # what a return code is about
        ("models", "u8", (at.MAX_MODELS, 16)),  # what ort.run needs, a model
        ("model_in", "i8", (at.MAX_MODELS,)),  # address of its float32 input
        ("model_out", "i8", (at.MAX_MODELS,)),
        ("model_n", "i4", (at.MAX_MODELS,)),
        ("model_feature", "i4", (at.MAX_MODELS, at.FEATURES)),
        ("known", "f8", (len(Known),)),  # what `act when` is about, and the stack that it is computed on
        ("stack", "f8", (program.STACK,)),
        ("polls", POLLFD, (4 * at.MAX_VENUES,)),
        ("rings", XSK, (2 * at.MAX_VENUES,)),  # of the lines that come by AF_XDP
        ("held", HELD, (at.MAX_VENUES,)),  # datagrams that wait for a venue's books
        ("controls", "i8", (at.RX_BATCH, at.CONTROL_BYTES // 8)),
        ("headers", MMSGHDR, (at.RX_BATCH,)),
        ("iovecs", IOVEC, (at.RX_BATCH,)),
        ("data", "u1", (at.RX_BATCH * at.RX_DATAGRAM,)),
    ],
    align=True,
)


def make() -> np.ndarray:
    """Give WORK[1] with the receive headers pointing at its buffers. Raises nothing; the array must outlive the loop."""
    work = np.zeros(1, WORK)
    base = work[0]["data"].ctypes.data
    iov = work[0]["iovecs"].ctypes.data
    for k in range(at.RX_BATCH):
        work[0]["iovecs"][k] = (base + k * at.RX_DATAGRAM, at.RX_DATAGRAM)
        work[0]["headers"][k]["iov"] = iov + k * IOVEC.itemsize
        work[0]["headers"][k]["iovlen"] = 1
        work[0]["headers"][k]["control"] = work[0]["controls"][k].ctypes.data
        work[0]["headers"][k]["controllen"] = at.CONTROL_BYTES
    return work
