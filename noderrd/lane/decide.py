"""From a changed book to intents: features, model, the strategies that trade the symbol, and what they ask for.

A strategy is called by address and trusted with nothing: its answer is range-checked, its time is measured, and a fault or repeated lateness
halts it by name and cancels its orders.
"""

import numpy as np

from core import features, risk
from core import layout as at
from core.codes import Change, Counter, EventKind, Halt, Stage
from core.histogram import record
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.lane import acting, feed, halt, orders, ort, view, waterfall
from noderrd.lane.clock import elapsed, wall
from noderrd.lane.pointer import call5, load_f32, store_f32
from noderrd.lane.record import count, journal_call, journal_features, journal_tick
from noderrd.lane.syscalls import cycles

LATE = 64  # points; a late call costs LATE_COST, one in time gives a point back
LATE_COST = 4


@kernel
def call(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, strat: int, product: int,
) -> None:  # fmt: skip
    """Call a strategy with the event on the desk, and do what it asks."""
    control = lane[0]["control"]
    strategy = lane[0]["strategies"]
    event = work[0]["event"]
    if strategy[strat]["halted"] != 0:
        return
    began = cycles()
    view.build(lane, work[0]["view"], insts, px, qty, products, positions, strat, product, event[0]["now_ns"])
    journal_call(lane, work, strat, product)
    n = call5(
        strategy[strat]["address"], event.ctypes.data, work[0]["view"].ctypes.data, lane[0]["params"][strat].ctypes.data,
        states[strat, product].ctypes.data, work[0]["intents"].ctypes.data,
    )  # fmt: skip
    took = elapsed(control, cycles() - began)
    record(lane[0]["histograms"][Stage.STRATEGY], took)
    count(lane, Counter.STRATEGY_CALLS, 1)
    strategy[strat]["seed"] = i64(work[0]["view"][0]["seed"])
    notes(lane, work, strat, product, event[0]["now_ns"])
    if n < 0 or n > at.MAX_INTENTS:
        count(lane, Counter.STRATEGY_FAULTS, 1)
        halt.strategy(lane, insts, limits, strat, Halt.STRATEGY_FAULT, n, event[0]["now_ns"])
        return
    if took > strategy[strat]["budget_ns"]:
        count(lane, Counter.STRATEGY_OVER_BUDGET, 1)
        strategy[strat]["over_budget"] += LATE_COST
        if strategy[strat]["over_budget"] >= LATE:
            halt.strategy(lane, insts, limits, strat, Halt.OVER_BUDGET, took, event[0]["now_ns"])
            return
    elif strategy[strat]["over_budget"] > 0:
        strategy[strat]["over_budget"] -= 1
    if n > 0 and event[0]["kind"] != EventKind.STOP:
        journal_features(lane, products, strat, product, event[0]["now_ns"])
        orders.act(lane, work, halt_symbol, insts, px, products, positions, limits, strat, product, n)


@inlined
def notes(lane: np.ndarray, work: np.ndarray, strat: int, product: int, now_ns: int) -> None:
    """Pass a strategy's notes on to the log."""
    v = work[0]["view"]
    for k in range(min(v[0]["n_notes"], 8)):
        head = lane[0]["control"][0]["note_head"]
        slot = head & (at.NOTE_SLOTS - 1)
        lane[0]["notes"][slot]["ts_ns"] = now_ns
        lane[0]["notes"][slot]["strat"] = strat
        lane[0]["notes"][slot]["product"] = product
        lane[0]["notes"][slot]["code"] = v[0]["note_code"][k]
        lane[0]["notes"][slot]["value"] = v[0]["note_value"][k]
        lane[0]["control"][0]["note_head"] = head + 1
        count(lane, Counter.NOTES, 1)


@inlined
def score(lane: np.ndarray, work: np.ndarray, products: np.ndarray, product: int, now_ns: int) -> None:
    """Run the product's model on its feature row. A failure or a score that is no number leaves the product without one."""
    m = i64(products[product]["model"])
    if m < 0:
        return
    began = cycles()
    for k in range(work[0]["model_n"][m]):
        store_f32(work[0]["model_in"][m] + 4 * k, products[product]["row"][work[0]["model_feature"][m, k]])
    failed = ort.run(work[0]["models"][m])
    good = failed == 0
    for k in range(at.SCORES):
        value = load_f32(work[0]["model_out"][m] + 4 * k)
        good = good and np.isfinite(value)
        products[product]["score"][k] = value
    products[product]["score_ns"] = now_ns if good else i64(0)
    products[product]["held"] = acting.held(lane, work[0]["known"], work[0]["stack"], products, product, m) if good else i64(0)
    if products[product]["held"] != 0:
        count(lane, Counter.SCORES_HELD, 1)
    count(lane, Counter.MODEL_RUNS if good else Counter.MODEL_FAULTS, 1)
    record(lane[0]["histograms"][Stage.MODEL], elapsed(lane[0]["control"], cycles() - began))


@inlined
def blank(work: np.ndarray, kind: int, venue: int, now_ns: int) -> None:
    """Put an event on the desk."""
    event = work[0]["event"]
    event[0]["kind"] = kind
    event[0]["venue"] = venue
    event[0]["now_ns"] = now_ns
    event[0]["rx_ns"] = work[0]["rx_ns"]
    event[0]["order_id"] = 0
    event[0]["ord_status"] = 0
    event[0]["side"] = 0
    event[0]["last_px"] = 0
    event[0]["last_qty"] = 0
    event[0]["leaves_qty"] = 0
    event[0]["reason"] = 0


@inlined
def alive(lane: np.ndarray, work: np.ndarray, insts: np.ndarray, products: np.ndarray, product: int) -> None:
    """Say of a product's instruments whose book is LIVE."""
    for v in range(lane[0]["control"][0]["n_venues"]):
        i = products[product]["inst"][v]
        if i >= 0:
            work[0]["live_insts"][i] = 1 if (insts[i]["state"] | lane[0]["venues"][v]["state"]) == 0 else 0


@kernel
def changed(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    products: np.ndarray, positions: np.ndarray, limits: np.ndarray, states: np.ndarray,
) -> None:  # fmt: skip
    """After a datagram: once for each symbol that it touched - features, model, strategies."""
    control = lane[0]["control"]
    feed.settle(work, insts)
    for k in range(work[0]["n_touched"]):
        inst = work[0]["touched"][k]
        what = insts[inst]["touched"]
        insts[inst]["touched"] = 0
        if what == 0:
            continue
        product = i64(insts[inst]["product"])
        v = insts[inst]["venue"]
        began = cycles()
        stamp = wall(control, began)
        alive(lane, work, insts, products, product)
        if what & Change.BOOK:
            risk.look(insts, px, inst, work[0]["live_insts"][inst] != 0)
        if insts[inst]["held"] != 0:
            halt.mark_all(lane, insts, positions, limits, inst, stamp)
        if work[0]["live_insts"][inst] != 0:
            features.row(products, product, insts, px, qty, cnt, work[0]["live_insts"], stamp)
            products[product]["feature_ns"] = stamp
            done = cycles()
            record(lane[0]["histograms"][Stage.FEATURES], elapsed(control, done - began))
            score(lane, work, products, product, stamp)
            waterfall.decided(work, began, done, cycles())
        else:
            waterfall.decided(work, began, began, began)
        count(lane, Counter.BOOK_EVENTS, 1)
        journal_tick(lane, products, insts, px, inst, what, stamp)
        if work[0]["live_insts"][inst] == 0 and not what & Change.STATUS:
            continue  # nobody decides on a book that is not LIVE
        for strat in range(control[0]["n_strategies"]):
            if lane[0]["strategies"][strat]["address"] == 0 or not (lane[0]["strategies"][strat]["product_mask"] >> product) & 1:
                continue
            if control[0]["paused"] != 0:
                continue
            if what & Change.TRADE:
                blank(work, EventKind.TRADE, v, stamp)
                trade = work[0]["traded"][inst]
                work[0]["event"][0]["last_px"] = trade["trade_px"] // max(products[product]["tick"], i64(1))
                work[0]["event"][0]["last_qty"] = trade["trade_qty"]
                work[0]["event"][0]["side"] = trade["trade_side"]
            else:
                blank(work, EventKind.BOOK if what & Change.BOOK else EventKind.STATUS, v, stamp)
            call(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, strat, product)
    work[0]["n_touched"] = 0


@kernel
def tell(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, most: int,
) -> None:  # fmt: skip
    """Deliver up to `most` waiting notices: a strategy that answers each denial with another order cannot hold the loop."""
    for _ in range(most):
        if work[0]["notice_tail"] == work[0]["notice_head"]:
            return
        if lane[0]["control"][0]["paused"] != 0:
            return
        k = work[0]["notice_tail"] % 256
        notice = work[0]["notices"][k]
        strat, product = i64(notice["strat"]), i64(notice["product"])  # widened: `call` is compiled once
        work[0]["event"][0] = notice["event"]
        work[0]["notice_tail"] += 1
        if strat >= 0 and lane[0]["strategies"][strat]["address"] != 0:
            call(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, strat, product)


@kernel
def all_products(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, strat: int, kind: int, now_ns: int,
) -> None:  # fmt: skip
    """Give one strategy an event for each of its products: START, TIMER, PARAMS, STOP."""
    for product in range(products.shape[0]):
        if (lane[0]["strategies"][strat]["product_mask"] >> product) & 1:
            blank(work, kind, -1, now_ns)
            call(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, strat, product)


@kernel
def timers(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, now_ns: int,
) -> None:  # fmt: skip
    """Start what is fresh, and call whose time has come."""
    if lane[0]["control"][0]["paused"] != 0:
        return
    strategy = lane[0]["strategies"]
    for strat in range(lane[0]["control"][0]["n_strategies"]):
        if strategy[strat]["address"] == 0 or strategy[strat]["halted"] != 0:
            continue
        kind = i64(EventKind.TIMER)
        if strategy[strat]["fresh"] != 0:
            kind = i64(EventKind.PARAMS) if strategy[strat]["fresh"] == 2 else i64(EventKind.START)
            strategy[strat]["fresh"] = 0
        elif strategy[strat]["timer_ns"] == 0 or now_ns < strategy[strat]["next_timer_ns"]:
            continue
        else:
            strategy[strat]["next_timer_ns"] = now_ns + strategy[strat]["timer_ns"]
        all_products(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, strat, kind, now_ns)
