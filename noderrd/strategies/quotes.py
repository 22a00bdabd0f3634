"""A market maker: one bid and one ask on each LIVE venue, around a price that leans away from its inventory.

Quotes are those of Guéant, Lehalle and Fernandez-Tapia, "Dealing with the inventory risk" (Mathematics and Financial Economics 7, 2013), section
4: the limit, for a long day, of Avellaneda and Stoikov, "High-frequency trading in a limit order book" (Quantitative Finance 8, 2008).

    bid = fair - half_spread - (q + 1/2) c        ask = fair + half_spread - (q - 1/2) c        c = skew x volatility

with q the position in clips. In the paper's words half_spread is (1 / gamma) ln(1 + gamma / k), and skew is
sqrt(gamma / (2 k A) (1 + gamma / k)^(1 + k / gamma)): what the trader thinks of risk and of how orders arrive, said in ticks.

Quotes are post-only. One that stands is left alone until it is `requote` ticks off, and a venue's side is touched once in `rest` at most, so that the
strategy does not flood; after a refusal it waits a second. Position and open orders together never pass max_inventory on either side.
docs/quotes.md tells the rest.
"""

import math

import numpy as np

from noderrd.strategies import (
    MAX_VENUES,
    EventKind,
    Feature,
    OrderFlag,
    OrdStatus,
    Side,
    TimeInForce,
    cancel,
    cancel_all,
    enter,
    kernel,
    replace,
    strategy,
)

PARAMS = (
    ("half_spread", "ticks", 0.5, 100.0, 1.5),
    ("skew", "ticks", 0.0, 10.0, 0.1),  # a clip of inventory, at a volatility of 1 tick a root second
    ("clip", "shares", 1, 100_000, 100),
    ("max_inventory", "shares", 1, 1_000_000, 500),
    ("requote", "ticks", 0.0, 100.0, 1.0),
    ("rest", "ns", 0, 60_000_000_000, 20_000_000),
)
STATE = np.dtype(
    [
        ("until_ns", "i8", (MAX_VENUES, 2)),  # a venue's side is let alone before
        ("own", "i8", (MAX_VENUES, 2)),  # place of its order in the view, + 1; 0: none
    ],
    align=True,
)
PENALTY_NS = 1_000_000_000
WILD = 1_000.0  # ticks a root second: no quote leans on a larger estimate


@strategy(timer="5ms")
def on_event(event: np.ndarray, view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:
    """Keep the quotes where they belong."""
    kind, now_ns = event[0]["kind"], event[0]["now_ns"]
    if kind == EventKind.STOP:
        return cancel_all(out, 0)
    status, v = event[0]["ord_status"], event[0]["venue"]
    if kind == EventKind.ORDER and v >= 0 and (status == OrdStatus.DENIED or status == OrdStatus.REJECTED):
        state[0]["until_ns"][v, event[0]["side"]] = now_ns + PENALTY_NS
    n = find_own(view, state, out)
    bid, ask = quotes(view, params)
    room_buy = params[0]["max_inventory"] - view[0]["position"] - view[0]["open_buy"]
    room_sell = params[0]["max_inventory"] + view[0]["position"] - view[0]["open_sell"]
    for v in range(view[0]["n_venues"]):
        n, room_buy = keep(view, params, state, out, n, v, Side.BUY, bid, room_buy, now_ns)
        n, room_sell = keep(view, params, state, out, n, v, Side.SELL, ask, room_sell, now_ns)
    return n


@kernel
def quotes(view: np.ndarray, params: np.ndarray) -> tuple[int, int]:
    """Give the prices to bid and ask, in ticks; 0 when there is no price to go by."""
    bid, ask = view[0]["best_bid"], view[0]["best_ask"]
    if bid <= 0 or ask <= 0:
        return 0, 0
    shares = view[0]["best_bid_qty"] + view[0]["best_ask_qty"]
    fair = (bid + ask) / 2.0
    if shares > 0:
        fair = (bid * np.float64(view[0]["best_ask_qty"]) + ask * np.float64(view[0]["best_bid_qty"])) / shares
    c = params[0]["skew"] * min(np.float64(view[0]["features"][Feature.VOLATILITY_8S]), WILD)
    q = view[0]["position"] / np.float64(params[0]["clip"])
    below = params[0]["half_spread"] + (q + 0.5) * c
    above = params[0]["half_spread"] - (q - 0.5) * c
    return max(math.floor(fair - below), 1), max(math.ceil(fair + above), 2)


@kernel
def find_own(view: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:
    """Note where the order of each venue and side is; a second one is cancelled. Gives how many intents that took."""
    state[0]["own"][:, :] = 0
    n = 0
    for k in range(view[0]["n_orders"]):
        order = view[0]["orders"][k]
        v, side, status = order["venue"], order["side"], order["ord_status"]
        if state[0]["own"][v, side] == 0:
            state[0]["own"][v, side] = k + 1
        elif status == OrdStatus.NEW or status == OrdStatus.PARTIALLY_FILLED:
            n = cancel(out, n, order["order_id"])
    return n


@kernel
def keep(
    view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray, n: int, v: int, side: int, px: int, room: int, now_ns: int
) -> tuple[int, int]:
    """Enter, replace, cancel or leave alone one quote; gives the number of intents and the room for more shares on this side."""
    seen = view[0]["venues"][v]
    own = state[0]["own"][v, side] - 1
    live = seen["state"] == 0 and px > 0
    if live:
        px = clear(view, state, v, side, px)
    live = live and px > 0
    if own < 0:
        lot = max(view[0]["lot"], 1)
        qty = min(room, params[0]["clip"]) // lot * lot
        if live and qty > 0 and now_ns >= state[0]["until_ns"][v, side]:
            state[0]["until_ns"][v, side] = now_ns + params[0]["rest"]
            return enter(out, n, v, side, px, qty, TimeInForce.DAY, OrderFlag.POST_ONLY), room - qty
        return n, room
    order = view[0]["orders"][own]
    if order["ord_status"] != OrdStatus.NEW and order["ord_status"] != OrdStatus.PARTIALLY_FILLED:
        return n, room  # the venue has not yet answered
    if not live or room < 0:
        return cancel(out, n, order["order_id"]), room + order["leaves_qty"]
    if abs(order["px"] - px) <= params[0]["requote"] or now_ns < state[0]["until_ns"][v, side]:
        return n, room
    state[0]["until_ns"][v, side] = now_ns + params[0]["rest"]
    return replace(out, n, order["order_id"], px, order["cum_qty"] + order["leaves_qty"]), room


@kernel
def clear(view: np.ndarray, state: np.ndarray, v: int, side: int, px: int) -> int:
    """Give the price nearest to `px` that meets neither the venue's other side nor our own order there, which may not have moved yet."""
    seen = view[0]["venues"][v]
    other = state[0]["own"][v, 1 - side] - 1
    if side == Side.BUY:
        if seen["n_ask"] > 0:
            px = min(px, seen["ask_px"][0] - 1)
        return px if other < 0 else min(px, view[0]["orders"][other]["px"] - 1)
    if seen["n_bid"] > 0:
        px = max(px, seen["bid_px"][0] + 1)
    return px if other < 0 else max(px, view[0]["orders"][other]["px"] + 1)
