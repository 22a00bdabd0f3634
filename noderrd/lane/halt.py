"""What stops trading by itself: alarms, a strategy that must not go on, a loss limit that broke."""

import numpy as np

from core import layout as at
from core import risk
from core.codes import Halt, JournalKind, Limit
from core.jit import kernel
from noderrd.lane import orders
from noderrd.lane.record import journal_words


@kernel
def alarm(lane: np.ndarray, v: int, strat: int, inst: int, now_ns: int, what: int, detail: int) -> None:
    """Journal what must not happen and did (`what` a Halt or an OUCH type); the loop returns soon, for the log."""
    lane[0]["control"][0]["alarms"] += 1
    journal_words(lane, JournalKind.FAULT, v, strat, inst, now_ns, 0, what, detail, 0, 0)


@kernel
def strategy(lane: np.ndarray, insts: np.ndarray, limits: np.ndarray, strat: int, why: int, detail: int, now_ns: int) -> None:
    """Halt a strategy and cancel its orders. A kill stays a kill."""
    if lane[0]["control"][0]["halt_strategy"][strat] == 0:
        lane[0]["control"][0]["halt_strategy"][strat] = why
    lane[0]["strategies"][strat]["halted"] = why
    lane[0]["strategies"][strat]["fault"] = detail
    alarm(lane, -1, strat, -1, now_ns, why, detail)
    orders.cancel_matching(lane, insts, limits, -1, -1, strat)


@kernel
def mark(lane: np.ndarray, insts: np.ndarray, positions: np.ndarray, limits: np.ndarray, strat: int, inst: int, now_ns: int) -> None:
    """Value a position anew; when a loss limit broke with it, cancel what it binds, and halt where the rule says so."""
    whose = risk.mark(lane, insts, positions, limits, strat, inst)
    if whose == 0:
        return
    a = whose - 1
    index = strat * insts.shape[0] + inst
    control = lane[0]["control"]
    every = a == at.MAX_STRATEGIES
    alarm(lane, -1, -1 if every else a, inst, now_ns, Halt.LOSS, lane[0]["accounts"][a]["latched_value"])
    orders.cancel_matching(lane, insts, limits, -1, -1, -1 if every else a)
    if every and limits[index]["account"][Limit.LOSS_HALTS] == 1 and control[0]["halt_node"] == 0:
        control[0]["halt_node"] = Halt.LOSS
    if not every and limits[index]["limit"][Limit.LOSS_HALTS] == 1 and control[0]["halt_strategy"][a] == 0:
        control[0]["halt_strategy"][a] = Halt.LOSS


@kernel
def mark_all(lane: np.ndarray, insts: np.ndarray, positions: np.ndarray, limits: np.ndarray, inst: int, now_ns: int) -> None:
    """Value every position in an instrument whose book changed."""
    held = insts[inst]["held"]
    for strat in range(at.MAX_STRATEGIES):
        if (held >> strat) & 1:
            mark(lane, insts, positions, limits, strat, inst, now_ns)
