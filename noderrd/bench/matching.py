"""The exchange simulator: what an operation of the matching engine costs, and how many messages a second the whole process publishes.

Each operation is timed alone, between two readings of the cycle counter, on books of 10, 100 and 1,000 prices a side with four orders each; a case
without a number pools the three. Half of the operations are within ten prices of the best, the others anywhere; a quarter of the new orders make a
price of their own. The reference is the two readings with nothing between them: its time is contained in every figure.

`process`: `noderrd venue` with a flow that asks for more than there is, its record and its two lines, nobody listening; a sample is the messages
of a tenth of a second.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from noderrd.bench.row import Row
from noderrd.lane import cache

HELP = "nanoseconds an operation of the matching engine; messages a second of the whole exchange"
NAME = "matching"
BOOKS = (10, 100, 1_000)  # prices a side
PER_LEVEL = 4
OPERATIONS, QUICK_OPERATIONS = 200_000, 20_000
WARM_UP = 2_000
POOL = 1 << 16
TICK, MIDDLE = 100, 10_000_000  # px
SECONDS, QUICK_SECONDS = 5.0, 1.0
CASES = ("enter", "cancel", "replace", "match")
VENUE = """\
name = "BENCH"
seed = 1
[itch]
a = "127.0.0.1:{0}"
b = "127.0.0.1:{1}"
rerequest = "127.0.0.1:{2}"
[ouch]
listen = "127.0.0.1:{3}"
users = [{{ user = "BENCH", password = "bench", account = "BENCH" }}]
[admin]
socket = "{folder}/BENCH.sock"
[flow]
kind = "zero"
rate = 10_000_000
[[instrument]]
symbol = "BENCH"
tick = "0.01"
reference = "100.00"
"""


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a tenth of the operations."""
    cache.prepare()
    measure = _compiled()
    n = QUICK_OPERATIONS if quick else OPERATIONS
    found = {(case, levels): measure(case, levels, n) for levels in BOOKS for case in CASES}
    for case in CASES:
        pooled = [np.concatenate([found[case, levels][part] for levels in BOOKS]) for part in range(2)]
        yield Row(NAME, case, "ns", pooled[0], "clock alone", pooled[1])
        for levels in BOOKS:
            yield Row(NAME, f"{case}-{levels}", "ns", found[case, levels][0], "clock alone", found[case, levels][1])
    yield Row(NAME, "process", "messages/s", _process(QUICK_SECONDS if quick else SECONDS))


def _compiled() -> Callable[[str, int, int], tuple[np.ndarray, np.ndarray]]:
    """Compile the loops; gives what measures a case on a book: nanoseconds of each operation, and of the clock alone."""
    from core import layout, matching, ouch
    from core.codes import Side
    from core.integer import i64
    from core.jit import entry, kernel
    from noderrd.lane import clock
    from noderrd.lane.syscalls import cycles

    enter_, cancel_, replace_ = (i64(CASES.index(case)) for case in ("enter", "cancel", "replace"))

    @kernel
    def draw(state: np.ndarray, below: int) -> int:
        """Give a number in 0 to below - 1 (xorshift64*)."""
        x = state[0]
        x ^= x >> np.uint64(12)
        x ^= x << np.uint64(25)
        x ^= x >> np.uint64(27)
        state[0] = x
        return i64((x * np.uint64(2685821657736338717) >> np.uint64(33)) % np.uint64(below))

    @kernel
    def price(state: np.ndarray, which: int, levels: int) -> int:
        """Draw a price of a side: half of them within ten prices of the best."""
        reach = min(levels, 10) if draw(state, 2) == 0 else levels
        away = (1 + 2 * draw(state, reach)) * TICK
        return MIDDLE - away if which == Side.BUY else MIDDLE + away

    @kernel
    def fill(asked: np.ndarray, which: int, ref: int, px: int, qty: int, tif: int) -> None:
        asked[0]["user_ref"] = ref
        asked[0]["side"] = which
        asked[0]["px"] = px
        asked[0]["qty"] = qty
        asked[0]["tif"] = tif

    @entry
    def build(
        market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
        asked: np.ndarray, alive: np.ndarray, levels: int,
    ) -> int:  # fmt: skip
        """Fill both sides; gives the next UserRefNum. alive int64[n, 3]: UserRefNum, side, price."""
        ref = i64(1)
        for k in range(alive.shape[0]):
            which = i64(k & 1)
            away = (1 + 2 * ((k >> 1) % levels)) * TICK
            px = MIDDLE - away if which == Side.BUY else MIDDLE + away
            fill(asked, which, ref, px, 100, ouch.DAY)
            matching.enter(market, securities, sides, orders, table, events, 0, 0, asked)
            alive[k, 0], alive[k, 1], alive[k, 2] = ref, which, px
            market[0]["n_events"] = 0
            ref += 1
        return ref

    @entry
    def time_case(
        market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
        control: np.ndarray, asked: np.ndarray, alive: np.ndarray, state: np.ndarray, samples: np.ndarray, empty: np.ndarray,
        case: int, levels: int, ref: int,
    ) -> int:  # fmt: skip
        """Time a case, an operation a sample, and bring the book back to its size after each; gives the next UserRefNum."""
        for n in range(samples.shape[0]):
            began = cycles()
            empty[n] = clock.elapsed(control, cycles() - began)
            k = draw(state, alive.shape[0])
            which, px = alive[k, 1], alive[k, 2]
            market[0]["n_events"] = 0
            if case == enter_:
                px = price(state, which, levels)
                if draw(state, 4) == 0:
                    px += TICK if which == Side.SELL else -TICK
                fill(asked, which, ref, px, 100, ouch.DAY)
                began = cycles()
                matching.enter(market, securities, sides, orders, table, events, 0, 0, asked)
                samples[n] = clock.elapsed(control, cycles() - began)
                slot = matching.find(orders, table, matching.key_of(0, ref))
                matching.cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
            elif case == cancel_:
                began = cycles()
                slot = matching.find(orders, table, matching.key_of(0, alive[k, 0]))
                matching.cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
                samples[n] = clock.elapsed(control, cycles() - began)
                fill(asked, which, ref, px, 100, ouch.DAY)
                matching.enter(market, securities, sides, orders, table, events, 0, 0, asked)
                alive[k, 0] = ref
            elif case == replace_:
                px = price(state, which, levels)
                fill(asked, which, ref, px, 100, ouch.DAY)
                began = cycles()
                slot = matching.find(orders, table, matching.key_of(0, alive[k, 0]))
                matching.replace(market, securities, sides, orders, table, events, slot, asked)
                samples[n] = clock.elapsed(control, cycles() - began)
                alive[k, 0], alive[k, 2] = ref, px
            else:
                px = matching.best(sides, 0, which)
                fill(asked, 1 - which, ref, px, 100, ouch.IOC)
                began = cycles()
                matching.enter(market, securities, sides, orders, table, events, 0, 0, asked)
                samples[n] = clock.elapsed(control, cycles() - began)
                ref += 1
                fill(asked, which, ref, px, 100, ouch.DAY)
                matching.enter(market, securities, sides, orders, table, events, 0, 0, asked)
            ref += 1
        return ref

    untyped_build: Any = build  # the type checker cannot count what `*market` holds
    untyped_time: Any = time_case
    control = np.zeros(1, layout.CONTROL)
    clock.calibrate(control)

    def measure(case: str, levels: int, operations: int) -> tuple[np.ndarray, np.ndarray]:
        market: Any = matching.state(1, POOL)
        asked = np.zeros(1, ouch.OUCH_IN)
        asked["display"], asked["cross"] = ouch.VISIBLE, ouch.CONTINUOUS
        alive = np.zeros((2 * levels * PER_LEVEL, 3), np.int64)
        random = np.array([7 + levels], np.uint64)
        samples, empty = np.zeros(WARM_UP + operations, np.int64), np.zeros(WARM_UP + operations, np.int64)
        ref = untyped_build(*market, asked, alive, levels)
        untyped_time(*market, control, asked, alive, random, samples, empty, CASES.index(case), levels, ref)
        assert market[0][0]["live"] == len(alive)
        return samples[WARM_UP:], empty[WARM_UP:]

    return measure


def _process(seconds: float) -> np.ndarray:
    """Run a venue; gives messages a second, a sample a tenth of a second."""
    from noderrd.rig import ports
    from noderrd.rig.venue import Venue

    samples = []
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as name:
        folder = Path(name)
        (folder / "venue.toml").write_text(VENUE.format(*ports.free(4), folder=folder))
        venue = Venue("BENCH", folder / "venue.toml", folder / "BENCH.sock", folder / "log")
        with venue.child:
            venue.wait_ready()
            before, at = venue.ask("counts")["counts"]["messages"], time.perf_counter()
            end = at + seconds
            while at < end:
                time.sleep(0.1)
                now, then = venue.ask("counts")["counts"]["messages"], time.perf_counter()
                samples.append((now - before) / (then - at))
                before, at = now, then
    return np.array(samples)
