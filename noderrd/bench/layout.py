"""`scripts/bench layout`: price levels as a structure of arrays against an array of structures, the same kernels on the same flow.

Structure of arrays (what the lane has): prices, shares and orders of a side's levels each lie together. Array of structures: price, shares and orders
of a level lie together; the kernels get views into it, so that nothing else differs (but for the stride, which is then not known to the compiler).
`narrow` is one symbol and fits a cache, `wide` is many. Cache misses are counted by cachegrind where it is installed, on a plain CPU target, because
valgrind does not know every instruction.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from noderrd.lane import cache

if TYPE_CHECKING:
    from noderrd.bench.row import Row

SYMBOLS, LIVE, DEPTH, LEVELS = 4000, 400_000, 60, 64
BLOCK, BLOCKS, QUICK_BLOCKS = 20_000, 100, 8
PROBE = 400_000
LAYOUTS = ("soa", "aos")
KINDS = ("none", *LAYOUTS)  # none: no books, the messages are only made up
CPU = "haswell"
NAMES = {"D1  misses": "d1_misses", "LLd misses": "lld_misses"}
COUNTS = re.compile(r"(D1  misses|LLd misses):\s+([\d,]+)")
HELP = "price levels as structure of arrays and as array of structures: time and cache misses"


def live_of(case: str) -> int:
    """Give how many orders are live in a case: as many messages are applied before any is timed."""
    return LIVE if case == "wide" else 100


class Both:
    """The same books in both layouts, and one flow for each."""

    def __init__(self, case: str, kinds: tuple[str, ...]) -> None:
        from noderrd.bench.feed import Books
        from noderrd.bench.traffic import Traffic

        symbols, live = SYMBOLS if case == "wide" else 1, live_of(case)
        self.traffic: dict[str, Traffic] = {}
        self.books: dict[str, Books] = {}
        for kind in kinds:
            self.traffic[kind] = Traffic(1, symbols, live, DEPTH)
            if kind == "none":
                self.traffic[kind].messages(live)
                continue
            self.books[kind] = Books(symbols, LEVELS, 1 << (live * 2).bit_length(), hashed=True)
            if kind == "aos":
                levels = np.zeros((symbols, 2, LEVELS, 3), np.int64)
                self.books[kind].px, self.books[kind].qty, self.books[kind].cnt = (levels[..., k] for k in range(3))
            self.books[kind].take(*self.traffic[kind].messages(live))

    def take(self, kind: str, n: int) -> float:
        """Apply the next n messages; gives ns a message. Of `none` they are only made up."""
        data, offsets = self.traffic[kind].messages(n)
        return self.books[kind].take(data, offsets) if kind in self.books else 0.0


def misses(case: str, n: int) -> dict[str, float]:
    """Count first-level and last-level data misses a message with cachegrind, by layout; empty where it is not installed.

    What a run with books misses beyond one that only makes the messages up is the books'. The three run beside each other: what is counted is
    simulated, and takes minutes, nearly all of them to load the program.
    """
    if shutil.which("valgrind") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        plain = {"NUMBA_CPU_NAME": CPU, "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell"}  # what is not said here is taken from this machine
        environment = {**os.environ, **plain, "NUMBA_CACHE_DIR": folder, "OPENBLAS_NUM_THREADS": "1"}
        program = [sys.executable, "-P", "-m", "noderrd.bench.layout", case]
        grind = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"]
        watched = {}
        for kind in KINDS:
            subprocess.run([*program, kind, "1"], env=environment, check=True)  # compiles outside of valgrind
            watched[kind] = subprocess.Popen([*grind, *program, kind, str(n)], env=environment, stderr=subprocess.PIPE, text=True)
        found = {}
        for kind, process in watched.items():
            said = process.communicate()[1]
            if process.returncode != 0:
                raise subprocess.CalledProcessError(process.returncode, grind, stderr=said)
            found[kind] = {NAMES[name]: int(count.replace(",", "")) for name, count in COUNTS.findall(said)}
    messages = n + live_of(case)
    return {f"{name}_{kind}": round((found[kind][name] - found["none"][name]) / messages, 3) for kind in LAYOUTS for name in NAMES.values()}


def run(quick: bool) -> Iterator["Row"]:
    """Run both cases; quick: without cachegrind. Raises subprocess.CalledProcessError when cachegrind fails."""
    from noderrd.bench.row import Row

    blocks = QUICK_BLOCKS if quick else BLOCKS
    for case in ("narrow", "wide"):
        both = Both(case, LAYOUTS)
        samples = {kind: np.zeros(blocks) for kind in LAYOUTS}
        for k in range(-2, blocks):
            for kind, row in samples.items():
                took = both.take(kind, BLOCK)
                if k >= 0:
                    row[k] = took
        if both.books["soa"].checksum() != both.books["aos"].checksum():
            message = "the two layouts do not hold the same books"
            raise ValueError(message)
        del both
        more = {} if quick else misses(case, PROBE)
        for name in NAMES.values() if more else ():
            if more[f"{name}_aos"] > 0:
                more[f"{name}_fewer_in_soa"] = round(1 - more[f"{name}_soa"] / more[f"{name}_aos"], 3)
        yield Row("layout", case, "ns", samples["soa"], "array of structures", samples["aos"], more)


def main() -> None:
    """Be what cachegrind watches: CASE KIND MESSAGES."""
    cache.prepare()
    case, kind, n = sys.argv[1:4]
    Both(case, (kind,)).take(kind, int(n))


if __name__ == "__main__":
    main()
