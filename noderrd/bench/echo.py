"""The tick-to-trade bench's strategy: an order for each tick.

Whenever the best bid moves it asks for an immediate-or-cancel order at it that repeats its shares, by which the client knows which tick is answered.
"""

import numpy as np

from noderrd.strategies import EventKind, Side, TimeInForce, enter, strategy

STATE = np.dtype([("bid", "i8")], align=True)


@strategy()
def on_event(event: np.ndarray, view: np.ndarray, params: np.ndarray, state: np.ndarray, out: np.ndarray) -> int:  # noqa: ARG001 - five, always
    """Answer a tick."""
    v = view[0]["best_bid_venue"]
    if event[0]["kind"] != EventKind.BOOK or v < 0 or view[0]["best_bid"] == state[0]["bid"]:
        return 0
    state[0]["bid"] = view[0]["best_bid"]
    return enter(out, 0, v, Side.BUY, view[0]["best_bid"], view[0]["best_bid_qty"], TimeInForce.IOC, 0)
