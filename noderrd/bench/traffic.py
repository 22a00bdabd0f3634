"""A day's order flow by seed, as ITCH 5.0 messages: many symbols, many live orders, references that rise over all of them.

First every symbol gets its share of the live orders; then adds, deletions, executions, reductions and replaces keep their number. Symbols, and the
orders that end, are drawn evenly: the hardest case for a cache, harder than a real day with its favourites and its short-lived orders.
"""

import numpy as np

from core import itch
from core.bigendian import put_u16
from core.integer import i64, u64
from core.jit import entry, inlined, kernel
from core.layout import MESSAGE

FIRST_PX = 1_000_000
TICK = 100
SPACES = 0x2020202020202020

LIVE = np.dtype([("ref", "i8"), ("qty", "i4"), ("locate", "i4"), ("side", "i4"), ("pad", "i4")], align=True)
GENERATOR = np.dtype([("state", "u8"), ("n_live", "i8"), ("next_ref", "i8"), ("match", "i8"), ("msg", MESSAGE, (1,))], align=True)


@inlined
def draw(gen: np.ndarray, n: int) -> int:
    """Give an even number below n (xorshift64*: Vigna, An experimental exploration of Marsaglia's xorshift generators, 2016)."""
    x = gen[0]["state"]
    x ^= x >> u64(12)
    x ^= x << u64(25)
    x ^= x >> u64(27)
    gen[0]["state"] = x
    return i64((x * u64(0x2545F4914F6CDD1D)) >> u64(33)) % n


@inlined
def price(gen: np.ndarray, side: int, depth: int) -> int:
    """Give a price on a side: near the middle more often than far from it, up to `depth` ticks."""
    away = (1 + min(draw(gen, depth), draw(gen, depth), draw(gen, depth), draw(gen, depth))) * TICK
    return FIRST_PX - away if side == 0 else FIRST_PX + away


@kernel
def add(gen: np.ndarray, live: np.ndarray, symbols: int, depth: int) -> None:
    """Put an order of some symbol on the desk, and among the live."""
    m = gen[0]["msg"][0]
    slot = gen[0]["n_live"]
    m["kind"] = itch.A
    m["locate"] = 1 + draw(gen, symbols)
    m["side"] = draw(gen, 2)
    m["ref"] = gen[0]["next_ref"]
    m["qty"] = 100 * (1 + draw(gen, 5))
    m["px"] = price(gen, m["side"], depth)
    gen[0]["next_ref"] += 1
    live[slot]["ref"] = m["ref"]
    live[slot]["qty"] = m["qty"]
    live[slot]["locate"] = m["locate"]
    live[slot]["side"] = m["side"]
    gen[0]["n_live"] = slot + 1


@kernel
def change(gen: np.ndarray, live: np.ndarray, depth: int) -> None:
    """Put the end, or a change, of some live order on the desk: of a hundred, 85 D, 8 E, 3 X, 4 U."""
    m = gen[0]["msg"][0]
    slot = draw(gen, gen[0]["n_live"])
    what = draw(gen, 100)
    m["locate"] = live[slot]["locate"]
    m["ref"] = live[slot]["ref"]
    ends = what < 93
    if what < 85:
        m["kind"] = itch.D
    elif what < 93:
        m["kind"] = itch.E
        m["qty"] = live[slot]["qty"]
        gen[0]["match"] += 1
        m["match"] = gen[0]["match"]
    elif what < 96 and live[slot]["qty"] > 1:
        m["kind"] = itch.X
        m["qty"] = live[slot]["qty"] // 2
        live[slot]["qty"] -= m["qty"]
    else:
        m["kind"] = itch.U
        m["new_ref"] = gen[0]["next_ref"]
        m["qty"] = live[slot]["qty"]
        m["px"] = price(gen, live[slot]["side"], depth)
        live[slot]["ref"] = gen[0]["next_ref"]
        gen[0]["next_ref"] += 1
    if ends:
        gen[0]["n_live"] -= 1
        live[slot] = live[gen[0]["n_live"]]


@entry
def write(gen: np.ndarray, live: np.ndarray, symbols: int, depth: int, filled: int, buf: np.ndarray, offsets: np.ndarray) -> int:
    """Write a message for each of int64[n] offsets, where it is told where it lies in uint8[...]; gives how many bytes were written.

    GENERATOR[1] goes on where it stood. While fewer than `filled` of LIVE[filled + 1] are live every message adds one.
    """
    at = i64(0)
    gen[0]["msg"][0]["stock"] = SPACES
    for k in range(offsets.shape[0]):
        gen[0]["msg"][0]["ts_ns"] += 1000
        if gen[0]["n_live"] < filled:
            add(gen, live, symbols, depth)
        else:
            change(gen, live, depth)
        size = itch.encode(gen[0]["msg"], buf, at + 2)
        put_u16(buf, at, size)
        offsets[k] = at + 2
        at += 2 + size
    return at


class Traffic:
    """A flow of `symbols` (locate codes 1 to symbols) that keeps `live_orders` alive, within `depth` ticks of the middle on each side."""

    def __init__(self, seed: int, symbols: int, live_orders: int, depth: int) -> None:
        self._symbols, self._filled, self._depth = symbols, live_orders, depth
        self._live = np.zeros(live_orders + 1, LIVE)
        self._gen = np.zeros(1, GENERATOR)
        self._gen["state"], self._gen["next_ref"] = seed * 2 + 1, 1

    def messages(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the next n messages: uint8[bytes] with lengths before them, int64[n] of their type bytes."""
        data, offsets = np.zeros(38 * n + 64, np.uint8), np.zeros(n, np.int64)
        size = write(self._gen, self._live, self._symbols, self._depth, self._filled, data, offsets)
        return data[: size + 32], offsets
