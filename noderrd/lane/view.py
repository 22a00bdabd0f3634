"""What a strategy sees: built fresh for each call from books, positions and own orders."""

import numpy as np

from core import layout as at
from core.codes import BookState
from core.integer import i64
from core.jit import inlined


@inlined
def levels(view_px: np.ndarray, view_qty: np.ndarray, px: np.ndarray, qty: np.ndarray, inst: int, side: int, n: int, tick: int) -> int:
    """Copy the best levels of a side, best first, prices in ticks; gives how many."""
    depth = min(n, at.VIEW_DEPTH)
    for k in range(depth):
        view_px[k] = px[inst, side, n - 1 - k] // tick
        view_qty[k] = qty[inst, side, n - 1 - k]
    return depth


@inlined
def venue(
    lane: np.ndarray, view: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, positions: np.ndarray,
    strat: int, v: int, inst: int, tick: int, now_ns: int,
) -> None:  # fmt: skip
    """Fill one venue of the view, and better the consolidated best with it when its book is LIVE."""
    seen = view[0]["venues"][v]
    seen["state"] = insts[inst]["state"] | lane[0]["venues"][v]["state"]
    seen["phase"] = lane[0]["venues"][v]["phase"]
    seen["n_bid"] = levels(seen["bid_px"], seen["bid_qty"], px, qty, inst, 0, insts[inst]["n"][0], tick)
    seen["n_ask"] = levels(seen["ask_px"], seen["ask_qty"], px, qty, inst, 1, insts[inst]["n"][1], tick)
    seen["age_ns"] = now_ns - insts[inst]["rx_ns"]
    held = positions[strat * insts.shape[0] + inst]
    seen["position"] = held["position"]
    seen["open_buy"] = held["open_buy"]
    seen["open_sell"] = held["open_sell"]
    seen["maker_fee"] = lane[0]["venues"][v]["maker_mils"]
    seen["taker_fee"] = lane[0]["venues"][v]["taker_mils"]
    if seen["state"] != 0:
        return
    if seen["n_bid"] > 0 and (view[0]["best_bid_venue"] < 0 or seen["bid_px"][0] > view[0]["best_bid"]):
        view[0]["best_bid"] = seen["bid_px"][0]
        view[0]["best_bid_qty"] = seen["bid_qty"][0]
        view[0]["best_bid_venue"] = v
        view[0]["best_bid_age_ns"] = seen["age_ns"]
    if seen["n_ask"] > 0 and (view[0]["best_ask_venue"] < 0 or seen["ask_px"][0] < view[0]["best_ask"]):
        view[0]["best_ask"] = seen["ask_px"][0]
        view[0]["best_ask_qty"] = seen["ask_qty"][0]
        view[0]["best_ask_venue"] = v
        view[0]["best_ask_age_ns"] = seen["age_ns"]


@inlined
def money(view: np.ndarray, insts: np.ndarray, px: np.ndarray, positions: np.ndarray, strat: int, inst: int) -> float:
    """Add a venue's position to the view's totals; gives the cost of its open position in px x shares."""
    held = positions[strat * insts.shape[0] + inst]
    size = held["position"]
    unit = np.float64(max(insts[inst]["unit"], i64(1)))
    view[0]["position"] += size
    view[0]["open_buy"] += held["open_buy"]
    view[0]["open_sell"] += held["open_sell"]
    view[0]["realised"] += held["realised"] / unit
    view[0]["fees"] += held["fees"] / unit
    side = 0 if size > 0 else 1  # a long is sold at the bid, a short bought back at the ask
    n = insts[inst]["n"][side]
    mark = px[inst, side, n - 1] if n > 0 else insts[inst]["last_px"]
    cost = np.float64(held["cost"])
    if size > 0:
        view[0]["unrealised"] += (mark * size - cost) / unit
    elif size < 0:
        view[0]["unrealised"] += (cost + mark * size) / unit
    return cost if size > 0 else -cost


@inlined
def own_orders(lane: np.ndarray, view: np.ndarray, insts: np.ndarray, strat: int, product: int, tick: int) -> None:
    """List the strategy's live orders in the product."""
    n = 0
    orders = lane[0]["orders"]
    for k in range(lane[0]["n_live"]):
        slot = lane[0]["live"][k]
        if orders[slot]["strat"] != strat or insts[orders[slot]["inst"]]["product"] != product:
            continue
        own = view[0]["orders"][n]
        own["order_id"] = orders[slot]["cl_ord_id"]
        own["venue"] = orders[slot]["venue"]
        own["side"] = orders[slot]["side"]
        own["px"] = orders[slot]["px"] // tick
        own["leaves_qty"] = orders[slot]["leaves_qty"]
        own["cum_qty"] = orders[slot]["cum_qty"]
        own["queue_ahead"] = orders[slot]["queue_ahead"]
        own["ord_status"] = orders[slot]["ord_status"]
        n += 1
        if n == at.VIEW_ORDERS:
            break
    view[0]["n_orders"] = n


@inlined
def build(
    lane: np.ndarray, view: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray, positions: np.ndarray,
    strat: int, product: int, now_ns: int,
) -> None:  # fmt: skip
    """Fill VIEW[1] for a strategy slot and a product."""
    it = products[product]
    tick = max(it["tick"], i64(1))
    view[0]["product"] = product
    view[0]["strat"] = strat
    view[0]["tick"] = tick
    view[0]["lot"] = it["lot"]
    view[0]["best_bid"] = 0
    view[0]["best_ask"] = 0
    view[0]["best_bid_qty"] = 0
    view[0]["best_ask_qty"] = 0
    view[0]["best_bid_venue"] = -1
    view[0]["best_ask_venue"] = -1
    view[0]["best_bid_age_ns"] = 0
    view[0]["best_ask_age_ns"] = 0
    view[0]["last_px"] = 0
    view[0]["last_qty"] = 0
    view[0]["position"] = 0
    view[0]["open_buy"] = 0
    view[0]["open_sell"] = 0
    view[0]["realised"] = 0.0
    view[0]["unrealised"] = 0.0
    view[0]["fees"] = 0.0
    n_venues = lane[0]["control"][0]["n_venues"]
    view[0]["n_venues"] = n_venues
    cost = 0.0
    latest = i64(-1)
    for v in range(n_venues):
        inst = it["inst"][v]
        if inst < 0:
            view[0]["venues"][v]["state"] = BookState.ABSENT
            view[0]["venues"][v]["n_bid"] = 0
            view[0]["venues"][v]["n_ask"] = 0
            continue
        view[0]["unit"] = insts[inst]["unit"]
        venue(lane, view, insts, px, qty, positions, strat, v, inst, tick, now_ns)
        cost += money(view, insts, px, positions, strat, inst)
        if insts[inst]["last_px"] > 0 and insts[inst]["rx_ns"] > latest:
            latest = insts[inst]["rx_ns"]
            view[0]["last_px"] = insts[inst]["last_px"] // tick
            view[0]["last_qty"] = insts[inst]["last_qty"]
    size = view[0]["position"]
    view[0]["avg_px"] = cost / size / tick if size != 0 else 0.0
    view[0]["score_on"] = 1 if it["model"] >= 0 and it["score_ns"] > 0 and it["held"] == 0 else 0
    for k in range(at.SCORES):
        view[0]["score"][k] = it["score"][k]
    for k in range(at.FEATURES):
        view[0]["features"][k] = it["row"][k]
    view[0]["score_age_ns"] = now_ns - it["score_ns"]
    view[0]["feature_age_ns"] = now_ns - it["feature_ns"]
    view[0]["seed"] = np.uint64(lane[0]["strategies"][strat]["seed"])
    view[0]["n_notes"] = 0
    own_orders(lane, view, insts, strat, product, tick)
