"""Zero-intelligence order flow: a market without people.

Cont, Stoikov and Talreja, "A stochastic model for order book dynamics" (Operations Research 58, 2010): limit orders arrive at i ticks from
the opposite best price as a Poisson process of rate k / i^alpha, market orders at a constant rate, and each standing order is canceled at a
rate that falls with its distance. The rates are scaled so that the expected number of events (orders, market orders and cancels) a second is
what the venue's file asks for, and that about `STANDING` orders stand on each side.

One thing is added, because several venues may list one symbol: a market order's side leans towards a *fundamental* price, a sum of sines of
the symbol's own phases around its reference. It depends on the symbol and the time only, so that venues with different seeds wander apart by
ticks, not by dollars, and prices move.
"""

import numpy as np

from core import matching, ouch
from core.codes import Side
from core.integer import i64
from core.jit import kernel
from noderrd.venue.flow import DISTANCES, NOTHING, SECOND, WAVES, draw, order
from noderrd.venue.flow import state as new_flow

ALPHA = 0.52  # Cont, Stoikov and Talreja, table 2
LIMIT_SHARE = 0.5  # of all events
MARKET_SHARE = 0.08
STANDING = 80.0  # orders a side, in the mean
SEED_LEVELS = 20  # prices a side of the first book
FIRST_ORDERS = 4 * SEED_LEVELS
ROUND = 100
LEAN = 0.15  # how much of the side of a market order one tick of difference decides
LEAN_MAX = 0.45

PERIODS_S = (7.0, 19.0, 53.0, 149.0, 419.0)
AMPLITUDES = (1.5, 3.0, 6.0, 12.0, 24.0)


def state(securities: np.ndarray, seed: int, rate: float, now_ns: int) -> np.ndarray:
    """Give FLOW[n], one an instrument: `rate` events a second over all of them, the first one after now_ns."""
    flow = new_flow(len(securities), seed, rate, now_ns)
    weights = np.arange(1, DISTANCES + 1) ** -ALPHA
    for k in range(len(flow)):
        symbol = np.random.default_rng(int(securities[k]["stock"]) & (2**63 - 1))  # not the venue's seed: every venue sees the same path
        f = flow[k]
        f["limit_rate"], f["market_rate"] = LIMIT_SHARE * f["rate"], MARKET_SHARE * f["rate"]
        f["cancel_rate"] = (LIMIT_SHARE - MARKET_SHARE) * f["rate"] / (2 * STANDING)
        f["cumulative"] = np.cumsum(weights) / weights.sum()
        f["amplitude"], f["period_ns"] = AMPLITUDES, np.array(PERIODS_S) * SECOND
        f["phase"] = symbol.uniform(0, 2 * np.pi, WAVES)
    return flow


@kernel
def fundamental(flow: np.ndarray, k: int, now_ns: int) -> float:
    """Give the fundamental price of an instrument at a time, in ticks from its reference."""
    value = 0.0
    for w in range(WAVES):
        angle = 2.0 * np.pi * (now_ns % i64(flow[k]["period_ns"][w])) / flow[k]["period_ns"][w]
        value += flow[k]["amplitude"][w] * (np.sin(angle + flow[k]["phase"][w]))
    return value


@kernel
def lots(flow: np.ndarray, securities: np.ndarray, k: int) -> int:
    """Draw an order's size: geometric, with a mean of two round lots of about ROUND shares."""
    n = i64(1)
    while n < 20 and draw(flow, k) < 0.5:
        n += 1
    lot = securities[k]["lot"]
    return n * max(ROUND // lot, i64(1)) * lot


@kernel
def middle(securities: np.ndarray, sides: np.ndarray, k: int, which: int) -> int:
    """Give the best price of a side, or what to take for it when the side is empty."""
    px = matching.best(sides, k, which)
    if px >= 0:
        return px
    px = matching.best(sides, k, 1 - which)
    if px < 0:
        px = securities[k]["last_px"] if securities[k]["last_px"] > 0 else securities[k]["reference"]
    return px + securities[k]["tick"] if which == Side.SELL else px - securities[k]["tick"]


@kernel
def limit_order(securities: np.ndarray, sides: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw a limit order: a side, a distance from the opposite best, a size."""
    which = i64(Side.BUY) if draw(flow, k) < 0.5 else i64(Side.SELL)
    u = draw(flow, k)
    distance = i64(1)
    while distance < DISTANCES and flow[k]["cumulative"][distance - 1] < u:
        distance += 1
    other = middle(securities, sides, k, 1 - which)
    tick = securities[k]["tick"]
    px = other - distance * tick if which == Side.BUY else other + distance * tick
    if px < tick or px > ouch.PRICE_MAX:
        return NOTHING
    return order(flow, k, which, lots(flow, securities, k), px, ouch.DAY)


@kernel
def market_order(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw a market order, leaning towards the fundamental price."""
    bid, ask = matching.best(sides, k, Side.BUY), matching.best(sides, k, Side.SELL)
    lean = 0.0
    if bid >= 0 and ask >= 0:
        mid = (bid + ask - 2 * securities[k]["reference"]) / (2.0 * securities[k]["tick"])
        lean = min(max((fundamental(flow, k, market[0]["now_ns"]) - mid) * LEAN, -LEAN_MAX), LEAN_MAX)
    which = i64(Side.BUY) if draw(flow, k) < 0.5 + lean else i64(Side.SELL)
    qty = lots(flow, securities, k)
    if matching.best(sides, k, 1 - which) < 0:
        return NOTHING
    return order(flow, k, which, qty, ouch.MARKET, ouch.IOC)


@kernel
def cancel_one(securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw a standing order, to be canceled with a probability that falls with its distance from the opposite best."""
    n = securities[k]["n_anonymous"]
    slot = i64(securities[k]["anonymous"][min(i64(draw(flow, k) * n), n - 1)])
    which = i64(orders[slot]["side"])
    distance = abs(middle(securities, sides, k, 1 - which) - orders[slot]["px"]) / securities[k]["tick"]
    if draw(flow, k) > 0.6 + 0.4 / max(distance, 1.0):
        return NOTHING
    return slot


@kernel
def event(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw what an instrument's flow does at its next time: NOTHING, ENTER its request, or the slot of an order to cancel."""
    market[0]["now_ns"] = max(market[0]["now_ns"], flow[k]["next_ns"])
    flow[k]["events"] += 1
    standing = securities[k]["n_anonymous"]
    u = draw(flow, k) * (flow[k]["limit_rate"] + flow[k]["market_rate"] + flow[k]["cancel_rate"] * standing)
    if securities[k]["state"] != matching.TRADING:
        return NOTHING
    if u < flow[k]["limit_rate"]:
        return limit_order(securities, sides, flow, k)
    if u < flow[k]["limit_rate"] + flow[k]["market_rate"]:
        return market_order(market, securities, sides, flow, k)
    return cancel_one(securities, sides, orders, flow, k) if standing > 0 else NOTHING


@kernel
def schedule(securities: np.ndarray, flow: np.ndarray, k: int) -> None:
    """Draw when an instrument's flow acts again."""
    total = flow[k]["limit_rate"] + flow[k]["market_rate"] + flow[k]["cancel_rate"] * securities[k]["n_anonymous"]
    flow[k]["next_ns"] += max(i64(-np.log(draw(flow, k)) / total * SECOND), i64(1))


@kernel
def first_order(securities: np.ndarray, flow: np.ndarray, k: int, n: int) -> int:
    """Fill in order n of FIRST_ORDERS of the first book: two at each of SEED_LEVELS prices a side, from one tick off the reference. As `event`."""
    level, which = 1 + n // 4, i64((n >> 1) & 1)
    away = level * securities[k]["tick"]
    px = securities[k]["reference"] - away if which == Side.BUY else securities[k]["reference"] + away
    return order(flow, k, which, lots(flow, securities, k), px, ouch.DAY) if px > 0 else NOTHING
