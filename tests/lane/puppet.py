"""A strategy that does what the last trade says: its quantity is the order, so that a test speaks to it through the feed.

Odd quantities are the market's own.
Below 700_000: a new day order of that many shares, at the trade's price, on the trade's side. From 700_000: the
rest, after long thought. From 800_000: immediate-or-cancel of the rest.
From 900_000: replace the first own order, its total the rest. 999_999: cancel all. 999_998: answer with a fault.
"""

import numpy as np

from noderrd.strategies import EventKind, IntentKind, Side, TimeInForce, strategy

PARAMS = (("twice", "", 0, 1, 0),)
STATE = np.dtype([("seen", "i8")], align=True)


@strategy()
def on_event(event, view, params, state, out):
    """Do what the trade says."""
    state[0]["seen"] += 1
    if event[0]["kind"] != EventKind.TRADE:
        return 0
    qty = event[0]["last_qty"]
    if qty < 900_000 and qty % 2 == 1:
        return 0  # a trade of the market's own
    if qty == 999_998:
        return -7
    out[0]["venue"] = event[0]["venue"]
    out[0]["side"] = Side.SELL if event[0]["side"] == Side.BUY else Side.BUY
    out[0]["px"] = event[0]["last_px"]
    out[0]["flags"] = 0
    out[0]["time_in_force"] = TimeInForce.DAY
    if qty == 999_999:
        out[0]["kind"] = IntentKind.CANCEL_ALL
        return 1
    if qty >= 900_000:
        out[0]["kind"] = IntentKind.REPLACE
        out[0]["order_id"] = view[0]["orders"][0]["order_id"]
        out[0]["qty"] = qty - 900_000
        return 1
    out[0]["kind"] = IntentKind.NEW
    out[0]["qty"] = qty
    if 700_000 <= qty < 800_000:
        out[0]["qty"] = qty - 700_000
        for _ in range(25_000_000):
            state[0]["seen"] = state[0]["seen"] * 1_103_515_245 % 2_147_483_647 + 1
    if qty >= 800_000:
        out[0]["qty"] = qty - 800_000
        out[0]["time_in_force"] = TimeInForce.IOC
    return 1
