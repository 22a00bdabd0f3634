"""What a strategy is written with: `strategy` marks the one function of a file, the rest are names and helpers for use inside it.

    import numpy as np
    from noderrd.strategies import BookState, EventKind, Side, TimeInForce, enter, strategy

    PARAMS = (("clip", "shares", 1, 1000, 100),)          # name, unit, least, most, default
    STATE = np.dtype([("sent", "i8")], align=True)        # memory a symbol, kept by the lane

    @strategy(timer="1ms")
    def on_event(event, view, params, state, out):        # gives how many intents it wrote to `out`, 0..16; < 0: a fault
        ...

Arguments are EVENT[1], VIEW[1], a record of the parameters [1], STATE[1] and INTENT[16] of core.layout: read `view[0]["best_bid"]`. Prices are in
ticks of the product, quantities in shares. Only numpy, math and this module may be imported. docs/strategies.md tells the rest.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from core.codes import BookState, Denial, EventKind, IntentKind, OrderFlag, OrdStatus, Phase, Side, TimeInForce
from core.feature import Feature
from core.jit import kernel
from core.layout import FEATURES, MAX_INTENTS, MAX_VENUES, SCORES, VIEW_DEPTH, VIEW_ORDERS

TIMER = re.compile(r"([0-9]+)(us|ms|s)")
TIMER_UNITS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
TIMER_LEAST_NS, TIMER_MOST_NS = 100_000, 3_600_000_000_000
NOTES = 8  # a call


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A marked function: what the lane calls, and how often it calls it when nothing happens (0: never)."""

    function: Callable[..., int]
    timer_ns: int


def strategy(*, timer: str = "") -> Callable[[Callable[..., int]], Strategy]:
    """Mark a file's function. `timer` is the time between TIMER events, as "250us", "1ms" or "2s". Raises ValueError when it is no such time."""
    timer_ns = 0
    if timer:
        found = TIMER.fullmatch(timer)
        timer_ns = int(found[1]) * TIMER_UNITS[found[2]] if found else -1
        if not TIMER_LEAST_NS <= timer_ns <= TIMER_MOST_NS:
            message = f"timer={timer!r}: a time from 100us to 3600s is wanted, such as '1ms'"
            raise ValueError(message)
    return lambda function: Strategy(function, timer_ns)


@kernel
def enter(out: Any, n: int, venue: int, side: int, px: int, qty: int, time_in_force: int, flags: int) -> int:
    """Ask for a new order as intent n: px in ticks, qty in shares, flags 0 or OrderFlag. Gives n + 1; n when `out` is full."""
    if n >= MAX_INTENTS:
        return n
    out[n]["kind"] = IntentKind.NEW
    out[n]["venue"] = venue
    out[n]["side"] = side
    out[n]["px"] = px
    out[n]["qty"] = qty
    out[n]["time_in_force"] = time_in_force
    out[n]["flags"] = flags
    out[n]["order_id"] = 0
    return n + 1


@kernel
def replace(out: Any, n: int, order_id: int, px: int, qty: int) -> int:
    """Ask to replace an order as intent n: qty is its new total, executed shares included; priority is lost. Gives n + 1; n when `out` is full."""
    if n >= MAX_INTENTS:
        return n
    out[n]["kind"] = IntentKind.REPLACE
    out[n]["venue"] = 0
    out[n]["side"] = 0
    out[n]["px"] = px
    out[n]["qty"] = qty
    out[n]["time_in_force"] = 0
    out[n]["flags"] = 0
    out[n]["order_id"] = order_id
    return n + 1


@kernel
def cancel(out: Any, n: int, order_id: int) -> int:
    """Ask to cancel an order as intent n. Gives n + 1; n when `out` is full."""
    if n >= MAX_INTENTS:
        return n
    out[n]["kind"] = IntentKind.CANCEL
    out[n]["venue"] = 0
    out[n]["side"] = 0
    out[n]["px"] = 0
    out[n]["qty"] = 0
    out[n]["time_in_force"] = 0
    out[n]["flags"] = 0
    out[n]["order_id"] = order_id
    return n + 1


@kernel
def cancel_all(out: Any, n: int) -> int:
    """Ask to cancel all own orders in the product as intent n. Gives n + 1; n when `out` is full."""
    if n >= MAX_INTENTS:
        return n
    out[n]["kind"] = IntentKind.CANCEL_ALL
    out[n]["venue"] = 0
    out[n]["side"] = 0
    out[n]["px"] = 0
    out[n]["qty"] = 0
    out[n]["time_in_force"] = 0
    out[n]["flags"] = 0
    out[n]["order_id"] = 0
    return n + 1


@kernel
def uniform(view: Any) -> float:
    """Draw a number in (0, 1) from the strategy's own seeded generator (splitmix64: Steele, Lea and Flood, 2014)."""
    view[0]["seed"] = view[0]["seed"] + np.uint64(0x9E3779B97F4A7C15)
    z = view[0]["seed"]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@kernel
def note(view: Any, code: int, value: int) -> int:
    """Write a pair of numbers to the node's log, at most 8 a call. Gives 1, or 0 when this call has said enough."""
    n = view[0]["n_notes"]
    if n >= NOTES:
        return 0
    view[0]["note_code"][n] = code
    view[0]["note_value"][n] = value
    view[0]["n_notes"] = n + 1
    return 1


__all__ = [
    "FEATURES",
    "MAX_INTENTS",
    "MAX_VENUES",
    "SCORES",
    "VIEW_DEPTH",
    "VIEW_ORDERS",
    "BookState",
    "Denial",
    "EventKind",
    "Feature",
    "IntentKind",
    "OrdStatus",
    "OrderFlag",
    "Phase",
    "Side",
    "Strategy",
    "TimeInForce",
    "cancel",
    "cancel_all",
    "enter",
    "kernel",
    "note",
    "replace",
    "strategy",
    "uniform",
]
