"""What every flow of orders has in common: its record, its chance, and the request that it makes next.

All chance comes from `seed` (splitmix64); event times too, so that the same seed gives the same flow whenever it is asked for.
`noderrd.venue.zero` and `noderrd.venue.hawkes` are the flows.
"""

import numpy as np

from core import ouch
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.venue import desk

NOTHING, ENTER = -1, -2  # what an event of a flow gives besides the slot of an order to cancel
ZERO, HAWKES = 0, 1  # kinds
SECOND = 1_000_000_000
DISTANCES = 30  # zero: ticks from the opposite best at which limit orders arrive
WAVES = 5
SCALES = 5  # hawkes: exponentials of its memory
KINDS = 6  # limit order, cancel, market order, each of buyer and seller
POINTS = 24  # of a distribution
BINS = 12  # of a distance
SPREADS = 4  # classes of the spread
PLACES = 3  # where a limit order goes: into the spread, to the best price, behind it
METAORDERS = 16  # at work at a time, at most

FLOW = np.dtype(
    [
        ("random", "u8"),  # state of splitmix64
        ("next_ns", "i8"),
        ("on", "i8"),
        ("kind", "i8"),
        ("events", "i8"),
        ("rate", "f8"),  # events a second
        ("request", ouch.OUCH_IN, (1,)),
        # zero
        ("limit_rate", "f8"),
        ("market_rate", "f8"),
        ("cancel_rate", "f8"),  # of each order, at distance 1
        ("cumulative", "f8", (DISTANCES,)),  # share of limit orders up to a distance
        ("amplitude", "f8", (WAVES,)),  # ticks
        ("period_ns", "f8", (WAVES,)),
        ("phase", "f8", (WAVES,)),
        # hawkes: what was calibrated
        ("base", "f8"),  # events a second that nothing caused
        ("caused", "f8", (SCALES,)),  # events that one causes
        ("decay", "f8", (SCALES,)),  # per second
        ("chain", "f8", (KINDS, KINDS)),  # share of kinds after a kind
        ("limit_size", "f8", (PLACES, POINTS)),  # by where it goes
        ("market_size", "f8", (POINTS,)),
        ("inside", "f8", (POINTS,)),  # how far into the spread, of it
        ("away", "f8", (POINTS,)),  # ticks behind the best
        ("limit_tail", "f8", (PLACES,)),
        ("market_tail", "f8"),
        ("improves", "f8", (SPREADS,)),  # share of limit orders that go into the spread
        ("spread_at", "f8", (SPREADS,)),  # ticks at which a class ends
        ("hazard", "f8", (BINS,)),  # of being canceled, by distance; the greatest is 1
        ("hazard_at", "f8", (BINS,)),  # ticks at which a bin ends
        ("standing", "f8"),  # orders, in the mean
        ("youngest", "f8"),  # share of cancels that take the youngest order of their side
        ("walks", "f8"),  # share of market orders that go on to the next price
        ("meta_n", "i8"),  # metaorders at work
        ("meta_tail", "f8"),
        ("informed", "f8"),  # share of market orders whose owner knows where the efficient price goes
        ("ahead_s", "f8"),  # and how far
        ("withdrawn", "f8"),  # share of cancels that go for a quote which the price has passed, when there is one
        ("impact", "f8"),  # ticks that a trade of the mean size moves what everybody thinks the price is
        ("impact_decay", "f8"),  # per second
        ("mean_size", "f8"),  # of market orders
        # hawkes: the venue's
        ("speed", "f8"),  # model seconds a second
        ("scale", "f8"),  # ticks here a tick there
        ("volatility", "f8"),  # ticks a root second
        ("path", "u8"),  # seed of the efficient price
        ("lag_ns", "i8"),
        # hawkes: where it is
        ("memory", "f8", (SCALES,)),
        ("last", "i8"),
        ("newest", "i8", (2,)),  # slot of the youngest order of a side, and its reference
        ("newest_ref", "i8", (2,)),
        ("meta_side", "i8", (METAORDERS,)),
        ("meta_left", "i8", (METAORDERS,)),
        ("pressure", "f8"),  # ticks, at pressure_ns
        ("pressure_ns", "i8"),
    ],
    align=True,
)


def state(n: int, seed: int, rate: float, now_ns: int) -> np.ndarray:
    """Give FLOW[n], one an instrument: `rate` events a second over all of them, the first one after now_ns."""
    flow = np.zeros(n, FLOW)
    for k in range(n):
        flow[k]["random"] = np.random.default_rng([seed, k]).integers(2**63)
        request = flow[k]["request"][0]
        request["capacity"], request["sweep"], request["cross"], request["display"] = ouch.PRINCIPAL, ouch.NO, ouch.CONTINUOUS, ouch.VISIBLE
        request["cl_ord_id"], request["firm"] = 32, ouch.SPACES
    flow["next_ns"], flow["on"], flow["rate"] = now_ns, 1, rate / max(n, 1)
    return flow


@inlined
def draw(flow: np.ndarray, k: int) -> float:
    """Give a uniform number in (0, 1) (splitmix64: Steele, Lea and Flood, 2014)."""
    flow[k]["random"] = flow[k]["random"] + np.uint64(0x9E3779B97F4A7C15)
    z = flow[k]["random"]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@inlined
def order(flow: np.ndarray, k: int, which: int, qty: int, px: int, tif: int) -> int:
    """Fill in the request that the flow makes next: ENTER."""
    request = flow[k]["request"]
    request[0]["side"] = which
    request[0]["side_char"] = desk.sell_char(which)
    request[0]["qty"] = qty
    request[0]["px"] = px
    request[0]["tif"] = tif
    return ENTER


@kernel
def due(flow: np.ndarray, until_ns: int) -> int:
    """Give the instrument whose event comes next, if one is due; -1."""
    first = i64(-1)
    for k in range(flow.shape[0]):
        if flow[k]["on"] != 0 and flow[k]["next_ns"] <= until_ns and (first < 0 or flow[k]["next_ns"] < flow[first]["next_ns"]):
            first = k
    return first
