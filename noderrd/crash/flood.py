"""Orders without end, for the crash test: passive and immediate ones at every venue, replaced and cancelled at random. It trades for no reason."""

import numpy as np

from noderrd.strategies import EventKind, OrdStatus, Side, TimeInForce, cancel, cancel_all, enter, replace, strategy, uniform

PARAMS = (
    ("clip", "shares", 1, 1_000, 100),
    ("max_inventory", "shares", 1, 100_000, 1_000),
    ("taking", "", 0.0, 1.0, 0.35),  # share of the orders that are immediate-or-cancel at the other side's best price
)
STATE = np.dtype([("calls", "i8")], align=True)
CANCELLED, REPLACED = 0.15, 0.35


@strategy(timer="20ms")
def on_event(event: np.ndarray, view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:
    """Touch some of what is open, and enter one order at every venue."""
    if event[0]["kind"] == EventKind.STOP:
        return cancel_all(out, 0)
    if event[0]["kind"] != EventKind.TIMER:
        return 0
    state[0]["calls"] += 1
    n = 0
    for k in range(view[0]["n_orders"]):
        order = view[0]["orders"][k]
        if order["ord_status"] != OrdStatus.NEW and order["ord_status"] != OrdStatus.PARTIALLY_FILLED:
            continue
        draw = uniform(view)
        if draw < CANCELLED:
            n = cancel(out, n, order["order_id"])
        elif draw < REPLACED and n < 8:
            away = -1 if order["side"] == Side.BUY else 1
            n = replace(out, n, order["order_id"], order["px"] + away, order["cum_qty"] + order["leaves_qty"])
    for v in range(view[0]["n_venues"]):
        seen = view[0]["venues"][v]
        if seen["state"] != 0 or seen["n_bid"] == 0 or seen["n_ask"] == 0:
            continue
        side = Side.BUY if uniform(view) < 0.5 else Side.SELL
        if view[0]["position"] > params[0]["max_inventory"]:
            side = Side.SELL
        elif view[0]["position"] < -params[0]["max_inventory"]:
            side = Side.BUY
        qty = 1 + int(uniform(view) * params[0]["clip"])
        if uniform(view) < params[0]["taking"]:
            px = seen["ask_px"][0] if side == Side.BUY else seen["bid_px"][0]
            n = enter(out, n, v, side, px, qty, TimeInForce.IOC, 0)
        else:
            back = int(uniform(view) * 4.0)
            px = seen["bid_px"][0] - back if side == Side.BUY else seen["ask_px"][0] + back
            n = enter(out, n, v, side, px, qty, TimeInForce.DAY, 0)
    return n
