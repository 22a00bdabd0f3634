"""NAME: joins the best bid when the book leans up, lets go when it leans down. A template: make it yours.

Check it with `noderrctl strategy check NAME.py`, try it with `noderrd replay RECORDING --strategy NAME.py`, and name it in the rules.
"""

import numpy as np

from noderrd.strategies import EventKind, Feature, OrderFlag, OrdStatus, Side, TimeInForce, cancel, cancel_all, enter, strategy

# Name, unit, least, most, default: whole numbers, or fractions if one of them is one. Rules set them; they may change while it runs.
PARAMS = (
    ("clip", "shares", 1, 1_000, 100),
    ("max_inventory", "shares", 1, 10_000, 300),
    ("lean", "", 0.0, 1.0, 0.3),
)
# What it remembers, for each symbol.
STATE = np.dtype([("next_ns", "i8")], align=True)
REST_NS = 50_000_000  # between two orders


@strategy(timer="50ms")
def on_event(event: np.ndarray, view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:
    """Decide: write what is wanted to `out` and give how many intents that are."""
    if event[0]["kind"] == EventKind.STOP:
        return cancel_all(out, 0)
    venue = view[0]["best_bid_venue"]
    if venue < 0:  # no book is LIVE
        return cancel_all(out, 0) if view[0]["n_orders"] > 0 else 0
    n = 0
    lean = view[0]["features"][Feature.IMBALANCE_3]
    for k in range(view[0]["n_orders"]):
        order = view[0]["orders"][k]
        open_now = order["ord_status"] == OrdStatus.NEW or order["ord_status"] == OrdStatus.PARTIALLY_FILLED
        if open_now and (lean < 0 or order["px"] < view[0]["best_bid"]):
            n = cancel(out, n, order["order_id"])
    room = params[0]["max_inventory"] - view[0]["position"] - view[0]["open_buy"]
    if lean > params[0]["lean"] and view[0]["n_orders"] == 0 and room >= params[0]["clip"] and event[0]["now_ns"] >= state[0]["next_ns"]:
        state[0]["next_ns"] = event[0]["now_ns"] + REST_NS
        n = enter(out, n, venue, Side.BUY, view[0]["best_bid"], params[0]["clip"], TimeInForce.DAY, OrderFlag.POST_ONLY)
    return n
