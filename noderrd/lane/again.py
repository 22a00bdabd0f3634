"""One step of a lane's day again, as the journal tells it: for noderrd.journal.replay, which brings the steps in order and holds the clock.

The kernels are the lane's own. What a step depends on that is not in them comes from the journal: the time, the venues' states, the scores.
"""

from enum import IntEnum

import numpy as np

from core import features, order_state, risk
from core import layout as at
from core.codes import Change
from core.integer import i64
from core.jit import entry
from noderrd.lane import cold, decide, feed, halt, orders, session, view
from noderrd.lane.pointer import call5
from noderrd.lane.record import journal_call


class Step(IntEnum):
    """What happened."""

    FEED = 1  # a: venue, b: size of the datagram in work["data"]
    TICK = 2  # a: instrument, b: Change bits
    CALL = 3  # a: strategy, b: product; the event is on the desk. Gives how many intents were written
    ACT = 4  # a: strategy, b: product, c: which intent
    FAULT = 5  # a: strategy, b: Halt, c: detail
    RECEIVED = 6  # a: venue, b: size of the message at the beginning of its receive buffer
    QUERY = 7  # a: venue
    CANCEL = 8  # a: slot of the order
    FLATTEN = 9  # a: strategy, b: instrument
    DAY = 10  # a day was over
    ENTER = 11  # a: slot of an order that was sent: its quantities stand in it
    REPLACE = 12  # a: slot, b: the new UserRefNum, c: the chain's new total; its price stands in pending_px
    MARK = 13  # a: instrument whose marks are new


@entry
def step(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    table: np.ndarray, locates: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, states: np.ndarray,
    what: int, a: int, b: int, c: int, now_ns: int,
) -> int:  # fmt: skip
    """Take one Step at a time; gives what it is said to give, else 0."""
    lane[0]["control"][0]["base_ns"] = now_ns
    if what == Step.FEED:
        work[0]["rx_ns"] = now_ns
        feed.datagram(lane, work, insts, px, qty, cnt, table, locates, products, a, i64(0), i64(0), b, now_ns)
        feed.settle(work, insts)
        for k in range(work[0]["n_touched"]):
            insts[work[0]["touched"][k]]["touched"] = 0
        work[0]["n_touched"] = 0
    elif what == Step.TICK:
        product = insts[a]["product"]
        decide.alive(lane, work, insts, products, product)
        if b & Change.BOOK:
            risk.look(insts, px, a, work[0]["live_insts"][a] != 0)
        if insts[a]["held"] != 0:
            halt.mark_all(lane, insts, positions, limits, a, now_ns)
        if work[0]["live_insts"][a] != 0:
            features.row(products, product, insts, px, qty, cnt, work[0]["live_insts"], now_ns)
            products[product]["feature_ns"] = now_ns
            if products[product]["model"] >= 0:
                products[product]["score_ns"] = now_ns
                products[product]["held"] = 1 if b & Change.HELD else 0
    elif what == Step.CALL:
        view.build(lane, work[0]["view"], insts, px, qty, products, positions, a, b, now_ns)
        journal_call(lane, work, a, b)
        n = call5(
            lane[0]["strategies"][a]["address"], work[0]["event"].ctypes.data, work[0]["view"].ctypes.data, lane[0]["params"][a].ctypes.data,
            states[a, b].ctypes.data, work[0]["intents"].ctypes.data,
        )  # fmt: skip
        lane[0]["strategies"][a]["seed"] = i64(work[0]["view"][0]["seed"])
        return n
    elif what == Step.ACT:
        work[0]["intents"][0] = work[0]["intents"][c]
        orders.act(lane, work, halt_symbol, insts, px, products, positions, limits, a, b, i64(1))
    elif what == Step.FAULT:
        halt.strategy(lane, insts, limits, a, b, c, now_ns)
    elif what == Step.RECEIVED:
        session.sequenced(lane, work, halt_symbol, insts, products, positions, limits, a, i64(0), b, now_ns)
    elif what == Step.QUERY:
        session.query(lane, a, now_ns)
    elif what == Step.CANCEL:
        orders.cancel(lane, limits, insts.shape[0], a)
    elif what == Step.FLATTEN:
        cold.flatten_one(lane, work, halt_symbol, insts, px, products, positions, limits, a, b)
    elif what == Step.DAY:
        risk.roll(lane)
    elif what == Step.ENTER or what == Step.REPLACE:
        inst, strat = lane[0]["orders"][a]["inst"], lane[0]["orders"][a]["strat"]
        index = strat * insts.shape[0] + inst
        if what == Step.ENTER:
            order_state.enter(lane[0]["orders"], a, positions, index)
            orders.add_live(lane, insts, a)
        else:
            order_state.pending_replace(lane[0]["orders"], a, positions, index, b, lane[0]["orders"][a]["pending_px"], c)
        risk.mark(lane, insts, positions, limits, strat, inst)
    elif what == Step.MARK:
        for strat in range(at.MAX_STRATEGIES):
            if (insts[a]["held"] >> strat) & 1:
                risk.mark(lane, insts, positions, limits, strat, a)
    work[0]["notice_tail"] = work[0]["notice_head"]
    return 0
