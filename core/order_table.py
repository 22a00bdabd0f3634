"""The live orders of a feed by reference: open addressing in one array, ORDER_REF[power of two], with TABLE_HEAD[1] beside it.

References that rise one by one, as an exchange gives them out over all of its symbols, name their slot themselves: neighbours in time are neighbours
in memory, and while no order is away from its slot nothing is ever searched. Where they are not dense (few symbols of many, several venues) orders
crowd; `rehash` then carries them over to slots by Fibonacci hashing. Either way probing is linear and deletion shifts back (Knuth, TAOCP volume 3,
algorithm 6.4R), so no tombstone slows a probe. Growing is `rehash` into a larger array. Both are done outside the hot path.
"""

import numpy as np

from core.integer import i64, u64
from core.jit import entry, inlined

FULL = -4
DUPLICATE = -5
FAR = 16  # slots from its own: what is further off counts as crowded


@inlined
def home(head: np.ndarray, key: int, mask: int) -> int:
    """Give the slot a key would like; venues, in its low three bits, lie an eighth of the table apart."""
    if head[0]["hashed"] == 0:
        return ((key - 1 >> 3) + ((key - 1 & 7) * (mask + 1) >> 3)) & mask
    return i64((u64(key) * u64(0x9E3779B97F4A7C15) >> u64(32)) * u64(mask + 1) >> u64(32))  # the product's highest bits: the only good ones


@inlined
def find(head: np.ndarray, table: np.ndarray, key: int) -> int:
    """Give the slot of a key, or -1."""
    mask = table.shape[0] - 1
    slot = home(head, key, mask)
    while table[u64(slot)]["key"] != key:
        if table[u64(slot)]["key"] == 0:
            return -1
        slot = (slot + 1) & mask
    return slot


@inlined
def insert(head: np.ndarray, table: np.ndarray, key: int, inst: int, side: int, px: int, qty: int) -> int:
    """Add an order: its slot, FULL when 7/8 are taken, or DUPLICATE."""
    mask = table.shape[0] - 1
    if head[0]["used"] * 8 >= table.shape[0] * 7:
        return FULL
    wanted = home(head, key, mask)
    slot = wanted
    while table[u64(slot)]["key"] != 0:
        if table[u64(slot)]["key"] == key:
            return DUPLICATE
        slot = (slot + 1) & mask
    if slot != wanted:
        head[0]["displaced"] += 1
        away = (slot - wanted) & mask
        if away > FAR:
            head[0]["crowded"] += away
    head[0]["used"] += 1
    order = table[u64(slot)]
    order["key"] = key
    order["inst"] = inst
    order["side"] = side
    order["px"] = px
    order["qty"] = qty
    return slot


@inlined
def remove(head: np.ndarray, table: np.ndarray, slot: int) -> None:
    """Take an order out, and move back what probed past it."""
    mask = table.shape[0] - 1
    head[0]["used"] -= 1
    if slot != home(head, table[u64(slot)]["key"], mask):
        head[0]["displaced"] -= 1
    hole = slot
    if head[0]["displaced"] != 0:
        probe = (slot + 1) & mask
        while table[u64(probe)]["key"] != 0:
            wanted = home(head, table[u64(probe)]["key"], mask)
            if ((probe - wanted) & mask) >= ((probe - hole) & mask):
                table[u64(hole)] = table[u64(probe)]
                if hole == wanted:
                    head[0]["displaced"] -= 1
                hole = probe
            probe = (probe + 1) & mask
    table[u64(hole)]["key"] = 0


@inlined
def wants(head: np.ndarray, table: np.ndarray) -> bool:
    """Whether it is time to carry the orders over into a larger table, or one that is hashed.

    Crowding is measured by the slots that insertions walked. Where references wrap round a table in which old orders live on, each of these moves
    all that follow one slot further on: the walk grows with every order, so it must not be counted by orders.
    """
    n = table.shape[0]
    return head[0]["fixed"] == 0 and (head[0]["used"] * 4 > n * 3 or head[0]["crowded"] > n)


@entry
def forget(head: np.ndarray, table: np.ndarray, venue: int) -> int:
    """Take out every order of a venue; gives how many."""
    gone = i64(0)
    for slot in range(table.shape[0]):
        while table[slot]["key"] != 0 and (table[slot]["key"] - 1) & 7 == venue:
            remove(head, table, slot)
            gone += 1
    return gone


@entry
def rehash(head: np.ndarray, old: np.ndarray, new: np.ndarray, hashed: int) -> None:
    """Carry every order over into an empty table that is large enough; `hashed` says how its slots are found from now on."""
    head[0]["used"] = 0
    head[0]["displaced"] = 0
    head[0]["crowded"] = 0
    head[0]["hashed"] = hashed
    for k in range(old.shape[0]):
        order = old[k]
        if order["key"] != 0:
            insert(head, new, order["key"], order["inst"], order["side"], order["px"], order["qty"])
