"""`scripts/bench feed`: nanoseconds a message of the lane's own kernels, whole files at a time, after warm-up.

`decode` decodes a recording and adds up every field, so that nothing can be left out; `book` also applies each message, with the table of orders
hashed (general references), `book-dense` with references that rise one by one and name their slot; `book-deep` is a recording in which stale
orders stay, some 900 levels a side. These three fit a cache. `book-8000` does not: 8,000 symbols and 1.6 million live orders by seed, in batches of
BATCH messages whose memory is asked for beforehand, in turn with a chase of pointers through as many bytes: the floor of whatever has to go and look.
Its table is hashed, as a lane's is from when references wrap round a table in which old orders live on. It says, too, what messages take for which
nothing was asked beforehand.

Time is the thread's own on its core: what other processes take meanwhile is not these kernels', but what they leave of the caches is felt.
"""

import time
from collections.abc import Iterator

import numpy as np
import psutil

from core import book, itch
from core.bigendian import get_u16
from core.integer import i64, u64
from core.jit import entry, inlined
from core.layout import CHANGED, INSTRUMENT, LOCATES, MESSAGE, ORDER_REF, TABLE_HEAD
from noderrd.bench.recordings import folder
from noderrd.bench.row import Row
from noderrd.bench.traffic import Traffic
from noderrd.feeds import recording
from noderrd.feeds.binaryfile import Recording

HELP = "decoding and books, ns a message"
PASSES, QUICK_PASSES = 200, 10
BATCH = 32  # messages a datagram, about
SYMBOLS, LIVE, DEPTH = 8000, 1_600_000, 60
BLOCK, BLOCKS, QUICK_BLOCKS = 20_000, 150, 12
GOLDEN = 0x9E3779B97F4A7C15


@inlined
def fields(msg: np.ndarray, kind: int) -> int:
    """Add up the fields that a message of a type has."""
    m = msg[0]
    total = m["locate"] + m["tracking"] + m["ts_ns"] + m["ref"]
    if kind == itch.D:
        return total
    total += m["qty"]
    if kind == itch.X:
        return total
    if kind == itch.E:
        return total + m["match"]
    total += m["px"]
    if kind == itch.A:
        return total + m["side"] + m["stock"]
    total += m["new_ref"] + m["match"] + m["code"] + m["code2"] + m["px2"] + m["px3"] + m["qty2"] + m["text"] + m["lot"] + m["side"] + m["stock"]
    for k in range(20):
        total += m["attrs"][k]
    return total


@entry
def decode_all(data: np.ndarray, offsets: np.ndarray, msg: np.ndarray) -> int:
    """Decode every message; gives a checksum of all fields."""
    total = i64(0)
    for k in range(offsets.shape[0]):
        at = offsets[k]
        kind = itch.decode(data, at, get_u16(data, at - 2), msg)
        total = total * 31 + kind + fields(msg, kind)
    return total


@entry
def apply_all(
    data: np.ndarray, offsets: np.ndarray, batch: int, msg: np.ndarray, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray,
    cnt: np.ndarray, head: np.ndarray, table: np.ndarray, changed: np.ndarray,
) -> int:  # fmt: skip
    """Decode and apply every message, `batch` at a time with their memory asked for beforehand (0: without); gives how many no book could take."""
    bad = i64(0)
    n = offsets.shape[0]
    step = batch if batch > 0 else n
    for first in range(0, n, step):
        last = min(first + step, n)
        if batch > 0:
            for k in range(first, last):
                book.ahead(data, offsets[k], 0, locates, insts, px, qty, cnt, head, table)
        for k in range(first, last):
            at = offsets[k]
            itch.decode(data, at, get_u16(data, at - 2), msg)
            if book.apply(msg, 0, locates, insts, px, qty, cnt, head, table, changed) < book.NOT_OURS:
                bad += 1
    return bad


@entry
def chase(ring: np.ndarray, start: int, steps: int) -> int:
    """Follow int64 indexes from line to line; gives where it ends."""
    k = i64(start)
    for _ in range(steps):
        k = ring[u64(k)]
    return k


@entry
def renumber(data: np.ndarray, offsets: np.ndarray, seen: np.ndarray, msg: np.ndarray) -> int:
    """Give every order of a recording a reference of its own, 1, 2, ... in place; `seen` int64[power of two, 2] is empty; gives the last."""
    last = i64(0)
    mask = seen.shape[0] - 1
    for k in range(offsets.shape[0]):
        at = offsets[k]
        kind = itch.decode(data, at, get_u16(data, at - 2), msg)
        if kind != itch.A and kind != itch.F and kind != itch.D and kind != itch.X and kind != itch.E and kind != itch.C and kind != itch.U:
            continue
        for which in range(2 if kind == itch.U else 1):
            ref = msg[0]["ref"] if which == 0 else msg[0]["new_ref"]
            slot = i64(u64(ref) * u64(GOLDEN) >> u64(32)) & mask
            while seen[slot, 0] != 0 and seen[slot, 0] != ref:
                slot = (slot + 1) & mask
            if seen[slot, 0] == 0:
                last += 1
                seen[slot, 0] = ref
                seen[slot, 1] = last
            if which == 0:
                msg[0]["ref"] = seen[slot, 1]
            else:
                msg[0]["new_ref"] = seen[slot, 1]
        itch.encode(msg, data, at)
    return last


class Books:
    """Empty books for locate codes 1 to n, or for whatever a recording's directory names when `stock` is given."""

    def __init__(self, n: int, levels: int, table: int, *, hashed: bool, stock: str = "") -> None:
        self.insts, self.locates = np.zeros(n, INSTRUMENT), np.full((1, LOCATES), -1, np.int32)
        if stock:
            self.insts["stock"] = itch.stock(stock)
        else:
            self.locates[0, 1 : n + 1] = np.arange(n)
        self.px, self.qty, self.cnt = (np.zeros((n, 2, levels), np.int64) for _ in range(3))
        self.table, self.head = np.zeros(table, ORDER_REF), np.zeros(1, TABLE_HEAD)
        self.head["hashed"] = hashed
        self._msg, self._changed = np.zeros(1, MESSAGE), np.zeros(1, CHANGED)

    def take(self, data: np.ndarray, offsets: np.ndarray, batch: int = 0) -> float:
        """Apply messages; gives ns a message. Raises ValueError when a book could not take one."""
        began = time.thread_time_ns()
        bad = apply_all(
            data, offsets, batch, self._msg, self.locates, self.insts, self.px, self.qty, self.cnt, self.head, self.table, self._changed
        )  # fmt: skip
        took = time.thread_time_ns() - began
        if bad:
            message = f"{bad} messages that no book could take"
            raise ValueError(message)
        return took / len(offsets)

    @property
    def nbytes(self) -> int:
        """Bytes of all that a message may touch."""
        return int(sum(block.nbytes for block in (self.px, self.qty, self.cnt, self.table, self.insts)))

    def checksum(self) -> int:
        """Give a number that every level's price, shares and orders changes."""
        used = np.arange(self.px.shape[2]) < self.insts["n"][:, :, None]
        return int(sum(((k + 3) * np.where(used, block, 0)).sum() for k, block in enumerate((self.px, self.qty, self.cnt))))


def resident() -> float:
    """Give the process's resident memory in MiB."""
    return float(round(psutil.Process().memory_info().rss / 2**20, 1))


def decode(tape: Recording, passes: int) -> Row:
    """Decode a recording again and again."""
    msg, samples, total = np.zeros(1, MESSAGE), np.zeros(passes), 0
    decode_all(tape.data, tape.offsets, msg)
    for k in range(passes):
        began = time.thread_time_ns()
        total = decode_all(tape.data, tape.offsets, msg)
        samples[k] = (time.thread_time_ns() - began) / len(tape.offsets)
    more = {"messages": len(tape.offsets), "checksum": int(total) & 0xFFFFFFFF, "rss_mib": resident()}
    return Row("feed", "decode", "ns", samples, more=more)


def replayed(case: str, tape: Recording, passes: int, *, hashed: bool, table: int = 1 << 17) -> Row:
    """Build the books of a recording again and again, empty at the start of each pass."""
    samples, books = np.zeros(passes), Books(1, 2048, table, hashed=hashed, stock="GOOG")
    books.take(tape.data, tape.offsets)
    for k in range(passes):
        books = Books(1, 2048, table, hashed=hashed, stock="GOOG")
        samples[k] = books.take(tape.data, tape.offsets)
    more = {
        "messages": len(tape.offsets),
        "live_orders": int(books.head[0]["used"]),
        "checksum": books.checksum() & 0xFFFFFFFF,
        "rss_mib": resident(),
    }
    return Row("feed", case, "ns", samples, more=more)


def wide(blocks: int) -> Row:
    """Run 8,000 symbols: blocks with and without prefetching and pointer chases take turns."""
    traffic, books = Traffic(1, SYMBOLS, LIVE, DEPTH), Books(SYMBOLS, 64, 1 << 22, hashed=True)
    books.take(*traffic.messages(LIVE))
    lines = books.nbytes // 64
    ring, order = np.zeros(lines * 8, np.int64), np.random.default_rng(1).permutation(lines) * 8
    ring[order] = np.roll(order, -1)
    samples, plain, floor, place = np.zeros(blocks), np.zeros(blocks), np.zeros(blocks), 0
    for k in range(-2, blocks):
        ahead = books.take(*traffic.messages(BLOCK), batch=BATCH)
        without = books.take(*traffic.messages(BLOCK))
        began = time.thread_time_ns()
        place = chase(ring, place, BLOCK)
        took = (time.thread_time_ns() - began) / BLOCK
        if k >= 0:
            samples[k], plain[k], floor[k] = ahead, without, took
    more = {
        "symbols": SYMBOLS, "live_orders": int(books.head[0]["used"]), "hashed": True, "mib": round(books.nbytes / 2**20),
        "without_prefetch_p50": round(float(np.median(plain)), 2), "prefetch_saves": round(1 - float(np.median(samples) / np.median(plain)), 3),
        "checksum": (books.checksum() + int(place)) & 0xFFFFFFFF, "rss_mib": resident(),
    }  # fmt: skip
    return Row("feed", "book-8000", "ns", samples, "pointer chase", floor, more)


def dense(tape: Recording) -> Recording:
    """Give a recording whose references are 1, 2, ... in order of appearance."""
    data = tape.data.copy()
    renumber(data, tape.offsets, np.zeros((1 << 20, 2), np.int64), np.zeros(1, MESSAGE))
    return Recording(data, tape.offsets, None)


def run(quick: bool) -> Iterator[Row]:
    """Run all cases. Raises NoRecordings; ValueError when a book could not take a message."""
    passes = QUICK_PASSES if quick else PASSES
    real = folder() / "itch_from_lobster"
    tape, deep = recording.read(real / "goog10.itch50.gz"), recording.read(real / "goog10_deep.itch50.gz")
    yield decode(tape, passes)
    yield replayed("book-dense", dense(tape), passes, hashed=False)
    yield replayed("book", tape, passes, hashed=True)
    yield replayed("book-deep", deep, passes, hashed=True)
    yield wide(QUICK_BLOCKS if quick else BLOCKS)
