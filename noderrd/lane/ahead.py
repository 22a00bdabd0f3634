"""While nothing comes in: fetch what the next order will write.

An order and the records of its decision go to memory that was last written thousands of orders ago, so each of those lines is a miss, before the
send. A spinning lane has the time to ask for them beforehand.
"""

import numpy as np

from core import layout as at
from core.jit import inlined
from core.prefetch import prefetch

LINE = 64  # bytes
RECORD_BYTES = at.JOURNAL.itemsize
ORDER_BYTES = at.ORDER.itemsize
RECORDS = 16  # of the journal: more than a tick and its order leave


@inlined
def fetch(address: int, size: int) -> None:
    """Ask for the lines of `size` bytes."""
    for k in range(0, size, LINE):
        prefetch(address + k)


@inlined
def look(lane: np.ndarray, work: np.ndarray) -> None:
    """Ask for what was not asked for yet: the next records of the journal, the next order's slot and where each venue's next number is kept."""
    control = lane[0]["control"]
    end = control[0]["journal_head"] + RECORDS
    if work[0]["ahead"] >= end:
        return
    base = lane[0]["journal"].ctypes.data
    for head in range(max(work[0]["ahead"], end - RECORDS), end):
        fetch(base + (head & (at.JOURNAL_SLOTS - 1)) * RECORD_BYTES, RECORD_BYTES)
    work[0]["ahead"] = end
    fetch(lane[0]["orders"].ctypes.data + control[0]["slot_hint"] % at.ORDER_SLOTS * ORDER_BYTES, ORDER_BYTES)
    for v in range(control[0]["n_venues"]):
        prefetch(lane[0]["ref_slots"][v].ctypes.data + 4 * (lane[0]["venues"][v]["next_ref"] & (at.REF_SLOTS - 1)))
