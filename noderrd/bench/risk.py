"""What one pass over all risk checks costs, every limit set and own orders in the book.

`pass-1`: the same instrument again and again, the next after the last: hot. `pass-10000`: ten thousand instruments in random order: cold. `deny`: an
order that the last check but the claim refuses. `lanes-4`: as pass-1 with limits shared by four lanes, which costs a fence and their lines. Amortised
over a batch, in time of the processor that the bench had; `single` is one check between two readings of the cycle counter, with the readings alone as
its reference. `flow`: what the lane itself counts as risk's part of an order while a strategy quotes into an exchange's flow, every limit
set, beside the whole from tick to trade of the same orders: `ratio` is risk's share.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from noderrd.bench.row import Row
from noderrd.lane import cache
from noderrd.rig.process import Failed
from noderrd.telemetry import hdr

HELP = "nanoseconds for all risk checks of one order"
NAME = "risk"
BATCH = 10_000
ROUNDS = 300
QUICK_ROUNDS = 30
MANY = 10_000  # instruments
STRAT = 1
FLOW_S = 30
QUICK_FLOW_S = 3
# Every limit that an order is checked against and that the rig's own policy leaves out, far away.
FAR = """\
  max_long           1_000_000 shares
  max_short          1_000_000 shares
  max_total_position 1_000_000 shares
  max_gross_exposure 900_000_000 USD
  max_net_exposure   900_000_000 USD
  capital            900_000_000 USD
  max_leverage       100
  margin             1%
  max_daily_loss     900_000_000 USD
  max_drawdown       900_000_000 USD
  max_open_orders    1_000
  max_message_rate   100_000/s
  min_interval       1us
  duplicate_window   1us
  locate             1_000_000 shares
  restricted         GME
"""
START_NS = 1_700_000_000_000_000_000


class Desk:
    """A lane's state with `n` instruments, each with a book, all limits set and far away."""

    def __init__(self, n: int, lanes: int = 1) -> None:
        from core import layout as at
        from core.codes import Limit, Mode, OrdStatus, Side

        self.lane = np.zeros(1, at.LANE)
        self.lane[0]["venues"]["mode"], self.lane[0]["venues"]["armed_until_ns"] = Mode.ARMED, at.NO_LIMIT
        self.halts, self.insts, self.px = np.zeros(n, np.int64), np.zeros(n, at.INSTRUMENT), np.zeros((n, 2, 64), np.int64)
        for name, value in (("tick", 100), ("lot", 1), ("unit", 10_000), ("multiplier", 1), ("n", 1)):
            self.insts[name] = value
        self.insts["product"] = np.arange(n)
        self.px[:, 0, 0], self.px[:, 1, 0] = 1_000_000, 1_000_200
        self.products, self.exposure = np.zeros(n, at.PRODUCT), np.zeros((n + at.MONEY_ROWS, at.MAX_LANES), at.EXPOSURE)
        self.products["exposure_row"] = np.arange(n)
        self.positions, self.limits = np.zeros(at.MAX_STRATEGIES * n, at.POSITION), np.zeros(at.MAX_STRATEGIES * n, at.LIMITS)
        far: dict[int, int] = dict.fromkeys(Limit, 2**60)
        far |= {
            Limit.PRICE_COLLAR: 50_000,
            Limit.MAX_ORDER_RATE: 10**8,
            Limit.MAX_MESSAGE_RATE: 10**8,
            Limit.MIN_INTERVAL: 1,
            Limit.DUPLICATE_WINDOW: 1,
        }
        far |= {Limit.COLLAR_REFERENCE: 0, Limit.COLLAR_MISSING: 0, Limit.CAPITAL: 2**55, Limit.MAX_LEVERAGE: 10**9, Limit.MARGIN: 1}
        for which, value in far.items():
            self.limits["limit"][:, which] = self.limits["account"][:, which] = value
        control = self.lane[0]["control"]
        control[0]["exposure"], control[0]["n_lanes"], control[0]["money_row"] = self.exposure.ctypes.data, lanes, n
        for slot in range(4):  # orders of the first instrument that rest, on both sides
            row = self.lane[0]["orders"][slot]
            row["px"], row["side"], row["ord_status"] = (999_000, Side.BUY, OrdStatus.NEW) if slot % 2 else (1_001_000, Side.SELL, OrdStatus.NEW)
            row["order_qty"] = 50
            self.lane[0]["live"][slot] = slot
        self.lane[0]["n_live"] = 4
        self.insts["own_open"] = 1
        self.insts["held"] = 1 << STRAT
        self.verdict, self.order = np.zeros(4, np.int64), np.random.default_rng(3).integers(0, n, BATCH)

    def arguments(self) -> tuple[Any, ...]:
        """Give what the kernels take."""
        return self.lane, self.halts, self.insts, self.px, self.products, self.positions, self.limits, self.order, self.verdict


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a tenth of the rounds."""
    cache.prepare()
    from core import exposure, risk
    from core.codes import Denial, Limit, Side
    from core.integer import i64
    from core.jit import entry
    from noderrd.lane.syscalls import cycles

    def checks(
        lane: np.ndarray, halts: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray,
        order: np.ndarray, verdict: np.ndarray, now_ns: int, wanted: int,
    ) -> int:  # fmt: skip
        """Check one order each of `order`'s instruments, buys and sales in turn, and give back what each took; how many were as wanted."""
        good = i64(0)
        for k in range(order.shape[0]):
            inst = order[k]
            side = i64(Side.BUY) if k & 1 == 0 else i64(Side.SELL)
            code = risk.check(
                lane, halts, insts, px, products, positions, limits, STRAT, inst, side, i64(1_000_100), i64(100), i64(100), i64(-1), False,
                now_ns + k * 10, verdict,
            )  # fmt: skip
            good += code == wanted
            if code == Denial.PASS:
                exposure.change(lane[0]["control"], products[inst]["exposure_row"], -100 if side == Side.BUY else 0, 0 if side == Side.BUY else -100)
        return good

    def single(
        lane: np.ndarray, halts: np.ndarray, insts: np.ndarray, px: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray,
        order: np.ndarray, verdict: np.ndarray, now_ns: int, took: np.ndarray, floor: np.ndarray,
    ) -> None:  # fmt: skip
        """Time each check by itself, and the timer by itself, in cycles."""
        for k in range(order.shape[0]):
            began = cycles()
            risk.check(
                lane, halts, insts, px, products, positions, limits, STRAT, order[k], i64(Side.BUY), i64(1_000_100), i64(100), i64(100), i64(-1),
                False, now_ns + k * 10, verdict,
            )  # fmt: skip
            ended = cycles()
            exposure.change(lane[0]["control"], products[order[k]]["exposure_row"], i64(-100), i64(0))
            took[k] = ended - began
            floor[k] = cycles() - cycles()
            floor[k] = -floor[k]

    compiled: Any = entry(checks)
    timed: Any = entry(single)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    refused = Desk(1)
    refused.limits["account"][:, Limit.MAX_MESSAGE_RATE] = 0
    cases = {"pass-1": Desk(1), "pass-10000": Desk(MANY), "deny": refused, "lanes-4": Desk(1, lanes=4)}
    for case, desk in cases.items():
        wanted = int(Denial.MAX_MESSAGE_RATE if case == "deny" else Denial.PASS)
        samples, denied = [], 0
        for k in range(rounds):
            began = time.thread_time_ns()
            good = compiled(*desk.arguments(), START_NS + k * 10**9, wanted)
            if k >= rounds // 10:
                samples.append((time.thread_time_ns() - began) / BATCH)
            denied += BATCH - good
        if denied:
            message = f"{case}: {denied} checks ended otherwise than they should"
            raise RuntimeError(message)
        yield Row(NAME, case, "ns", np.array(samples))
    took, floor, desk = np.zeros(BATCH, np.int64), np.zeros(BATCH, np.int64), Desk(1)
    ghz = _ghz()
    for k in range(3):
        timed(*desk.arguments(), START_NS + k * 10**9, took, floor)
    yield Row(NAME, "single", "ns", took / ghz, "cycle counter read twice", floor / ghz)
    yield flow(QUICK_FLOW_S if quick else FLOW_S)


def flow(seconds: float) -> Row:
    """Count the lane's own stages while it trades. Raises Failed when it does not."""
    from core.codes import Stage
    from noderrd.bench.rules_swap import Rig

    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as made:
        rig = Rig(Path(made) / "state", FAR)
        try:
            counts = rig.shared.histograms
            before = counts.copy()
            time.sleep(seconds)
            part, whole = (np.repeat(hdr.VALUES, counts[stage] - before[stage]) for stage in (Stage.RISK, Stage.TICK_TO_TRADE))
            if not len(whole):
                message = f"flow: no orders\n{rig.node.tail()}"
                raise Failed(message)
            return Row(NAME, "flow", "ns", part, "tick to trade", whole, {"orders": len(whole)})
        finally:
            rig.close()


def _ghz() -> float:
    """Give the cycle counter's rate."""
    from core import layout as at
    from noderrd.lane.clock import calibrate

    return calibrate(np.zeros(1, at.CONTROL))
