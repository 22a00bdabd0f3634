"""A taker: it crosses the spread when its model expects the price to move by more than that costs.

The model's scores are the chances of down, flat and up, so that (up - down) x move is the expected change of the mid, in ticks. Taking costs half
the spread and the venue's fee. When what is left is above `threshold`, it buys (or sells) at the best price of the best LIVE venue,
immediate-or-cancel, up to max_inventory; against a position it closes that first, and never more than that in one order. So from flat it buys only
on up and sells only on down.

Weak signals and what they are worth after costs: Cont, Kukanov and Stoikov, "The price impact of order book events" (Journal of Financial
Econometrics 12, 2014); scores as chances of three outcomes: Zhang, Zohren and Roberts, "DeepLOB" (IEEE Transactions on Signal Processing 67, 2019).
docs/taker.md tells the rest.
"""

import numpy as np

from noderrd.strategies import EventKind, OrdStatus, Side, TimeInForce, cancel_all, enter, kernel, strategy

PARAMS = (
    ("threshold", "ticks", 0.0, 1_000.0, 0.25),
    ("move", "ticks", 0.1, 1_000.0, 2.4),
    ("clip", "shares", 1, 100_000, 100),
    ("max_inventory", "shares", 1, 1_000_000, 500),
    ("rest", "ns", 0, 60_000_000_000, 100_000_000),
)
STATE = np.dtype([("until_ns", "i8")], align=True)  # nothing is taken before
PENALTY_NS = 1_000_000_000
OLD_NS = 100_000_000  # a score this old says nothing
DOWN, UP = 0, 2


@strategy()
def on_event(event: np.ndarray, view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:
    """Take when it pays."""
    kind, now_ns = event[0]["kind"], event[0]["now_ns"]
    if kind == EventKind.STOP:
        return cancel_all(out, 0)
    status = event[0]["ord_status"]
    if kind == EventKind.ORDER and (status == OrdStatus.DENIED or status == OrdStatus.REJECTED):
        state[0]["until_ns"] = now_ns + PENALTY_NS
    if (kind != EventKind.BOOK and kind != EventKind.TRADE) or now_ns < state[0]["until_ns"] or view[0]["n_orders"] > 0:
        return 0
    if view[0]["score_on"] == 0 or view[0]["score_age_ns"] > OLD_NS or view[0]["best_bid"] <= 0 or view[0]["best_ask"] <= 0:
        return 0
    expected = (np.float64(view[0]["score"][UP]) - np.float64(view[0]["score"][DOWN])) * params[0]["move"]
    side = Side.BUY if expected > 0.0 else Side.SELL
    v = view[0]["best_ask_venue"] if side == Side.BUY else view[0]["best_bid_venue"]
    if abs(expected) - cost(view, v) <= params[0]["threshold"]:
        return 0
    qty = size(view, params, side)
    if qty <= 0:
        return 0
    state[0]["until_ns"] = now_ns + params[0]["rest"]
    return enter(out, 0, v, side, view[0]["best_ask"] if side == Side.BUY else view[0]["best_bid"], qty, TimeInForce.IOC, 0)


@kernel
def cost(view: np.ndarray, v: int) -> float:
    """Give what taking costs against the mid, in ticks: half the spread, and the fee (in 1e-4 of the currency a share)."""
    fee = view[0]["venues"][v]["taker_fee"] * (view[0]["unit"] / 10_000.0) / max(view[0]["tick"], 1)
    return 0.5 * (view[0]["best_ask"] - view[0]["best_bid"]) + fee


@kernel
def size(view: np.ndarray, params: np.ndarray, side: int) -> int:
    """Give the shares to take: what is offered at most, a clip at most; a position the other way is closed first, and no more than that."""
    offered = view[0]["best_ask_qty"] if side == Side.BUY else view[0]["best_bid_qty"]
    held = view[0]["position"] if side == Side.BUY else -view[0]["position"]
    room = -held if held < 0 else params[0]["max_inventory"] - held
    lot = max(view[0]["lot"], 1)
    return min(offered, params[0]["clip"], room) // lot * lot
