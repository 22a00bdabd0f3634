"""From books and trades of a product to the 32 numbers that a model sees.

Prices are in ticks of the product. What is summed over time is summed with an exponential weight, at three half-lives; averages are averages over
time, of values that hold until the next one. A weight of the shortest half-life is a power of the longest one's, so that a message costs one `exp`.
Where a side of the book is empty, what needs both sides is 0. Every feature is finite, whatever the book.

Order flow imbalance: Cont, Kukanov and Stoikov, "The price impact of order book events" (Journal of Financial Econometrics 12, 2014), equation (2),
a venue at a time and summed. Microprice: the mid weighted by the opposite quantities (Stoikov, "The micro-price", Quantitative Finance 18, 2018,
names it the weighted mid).
"""

import math

import numpy as np

from core.codes import Change, Side
from core.feature import Feature
from core.integer import i64
from core.jit import inlined

HALF_LIVES_NS = (125_000_000, 1_000_000_000, 8_000_000_000)
LONGEST_NS = 8e9
SHORT_NS = 50_000  # up to here the exponential is its first three terms: the fourth is below a double's last bit
NEAR, FAR = 3, 10  # ticks from the best price, itself included, over which depth is summed
DEEPEST = 10  # levels looked at, a side and venue
# Groups of the running state, in PRODUCT.ewma: a value a half-life, then two averages of the longest half-life.
OFI, BOUGHT, SOLD, SQUARES, EVENTS, MID, SPREAD, DEPTH = 0, 3, 6, 9, 12, 15, 18, 19


@inlined
def decay(products: np.ndarray, product: int, now_ns: int) -> None:
    """Let time pass for the running state of a product; nothing happens when it goes backwards."""
    it = products[product]
    passed = now_ns - it["last_ns"]
    if passed <= 0:
        return
    it["last_ns"] = now_ns
    ewma = it["ewma"]
    x = math.log(2.0) / LONGEST_NS * passed
    weight = 1.0 - x + 0.5 * x * x if passed <= SHORT_NS else math.exp(-x)
    longest = weight
    for j in range(2, -1, -1):
        for group in range(OFI, MID, 3):
            ewma[group + j] *= weight
        ewma[MID + j] = it["last_mid"] + (ewma[MID + j] - it["last_mid"]) * weight
        for _ in range(3):  # the next half-life is an eighth of this one
            weight *= weight
    ewma[SPREAD] = it["last_spread"] + (ewma[SPREAD] - it["last_spread"]) * longest
    ewma[DEPTH] = it["last_depth"] + (ewma[DEPTH] - it["last_depth"]) * longest


@inlined
def pressure(insts: np.ndarray, px: np.ndarray, qty: np.ndarray, inst: int, side: int) -> int:
    """Give the shares that came to the best price of a side less those that left it, and remember the best."""
    n = insts[inst]["n"][side]
    price = px[inst, side, n - 1] if n > 0 else i64(0)
    shares = qty[inst, side, n - 1] if n > 0 else i64(0)
    before, held = insts[inst]["prev_px"][side], insts[inst]["prev_qty"][side]
    sign = 1 if side == Side.BUY else -1
    came = i64(0)
    if held == 0 or price * sign >= before * sign:
        came += shares
    if shares == 0 or price * sign <= before * sign:
        came -= held
    insts[inst]["prev_px"][side] = price
    insts[inst]["prev_qty"][side] = shares
    return came


@inlined
def update(
    products: np.ndarray, product: int, inst: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, changed: np.ndarray, now_ns: int
) -> None:
    """Take one applied feed message of `inst` into the running state of PRODUCT[product]; CHANGED[1] says what it did."""
    what = changed[0]["what"]
    if what & (Change.BOOK | Change.TRADE) == 0:
        return
    decay(products, product, now_ns)
    ewma = products[product]["ewma"]
    flow = np.float64(pressure(insts, px, qty, inst, i64(Side.BUY)) - pressure(insts, px, qty, inst, i64(Side.SELL)))
    for j in range(3):
        ewma[OFI + j] += flow
        ewma[EVENTS + j] += 1.0
    if what & Change.TRADE:
        group = BOUGHT if changed[0]["trade_side"] == Side.BUY else SOLD
        for j in range(3):
            ewma[group + j] += np.float64(changed[0]["trade_qty"])
        products[product]["last_trade"] = changed[0]["trade_px"] / np.float64(max(products[product]["tick"], i64(1)))


@inlined
def best(products: np.ndarray, product: int, insts: np.ndarray, px: np.ndarray, live_insts: np.ndarray, side: int) -> int:
    """Give the best price of a side over the live books; 0: none."""
    sign = 1 if side == Side.BUY else -1
    found = i64(0)
    for v in range(products[product]["inst"].shape[0]):
        inst = products[product]["inst"][v]
        if inst < 0 or live_insts[inst] == 0:
            continue
        n = insts[inst]["n"][side]
        if n > 0 and (found == 0 or px[inst, side, n - 1] * sign > found * sign):
            found = px[inst, side, n - 1]
    return found


@inlined
def depth(
    products: np.ndarray, product: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, live_insts: np.ndarray,
    side: int, top: int,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """Look down a side from its best price, over the live books.

    Gives the shares at the best price, its orders and venues, the next price (the best one itself where there is none), the shares within NEAR ticks
    and those within FAR.
    """
    tick = max(products[product]["tick"], i64(1))
    shares, orders, venues, near, far, following = i64(0), i64(0), i64(0), i64(0), i64(0), top
    for v in range(products[product]["inst"].shape[0]):
        inst = products[product]["inst"][v]
        if inst < 0 or live_insts[inst] == 0:
            continue
        n = i64(insts[inst]["n"][side])
        for k in range(n - 1, max(n - 1 - DEEPEST, i64(-1)), -1):
            away = abs(px[inst, side, k] - top)
            if away == 0:
                shares += qty[inst, side, k]
                orders += cnt[inst, side, k]
                venues += 1
            elif following == top or away < abs(following - top):
                following = px[inst, side, k]
            if away >= FAR * tick:
                break
            far += qty[inst, side, k]
            if away < NEAR * tick:
                near += qty[inst, side, k]
    return shares, orders, venues, following, near, far


@inlined
def share(a: float, b: float) -> float:
    """Give (a - b) / (a + b); 0 when there is nothing."""
    return (a - b) / (a + b) if a + b > 0 else 0.0


@inlined
def row(
    products: np.ndarray, product: int, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, live_insts: np.ndarray, now_ns: int
) -> None:
    """Fill PRODUCT[product]["row"], float32[32] in the order of NAMES, from the books of the instruments whose `live_insts` int32 is not 0."""
    decay(products, product, now_ns)
    it = products[product]
    ewma, out = it["ewma"], it["row"]
    tick = np.float64(max(it["tick"], i64(1)))
    bid, ask = (
        best(products, product, insts, px, live_insts, i64(Side.BUY)),
        best(products, product, insts, px, live_insts, i64(Side.SELL)),
    )
    bid_qty, bid_orders, bid_venues, bid_next, bid_near, bid_far = depth(products, product, insts, px, qty, cnt, live_insts, i64(Side.BUY), bid)
    ask_qty, ask_orders, ask_venues, ask_next, ask_near, ask_far = depth(products, product, insts, px, qty, cnt, live_insts, i64(Side.SELL), ask)
    whole = bid > 0 and ask > 0
    spread, micro = 0.0, 0.0
    if whole:
        mid = (bid + ask) / (2.0 * tick)
        spread = (ask - bid) / tick
        micro = 0.5 * spread * share(np.float64(bid_qty), np.float64(ask_qty))
        remember(products, product, mid, spread, 0.5 * (bid_qty + ask_qty))
    unit = 1.0 / max(ewma[DEPTH], 1.0)
    out[Feature.IMBALANCE] = share(np.float64(bid_qty), np.float64(ask_qty))
    out[Feature.MICROPRICE] = micro
    out[Feature.SPREAD] = spread
    out[Feature.IMBALANCE_3] = share(np.float64(bid_near), np.float64(ask_near))
    out[Feature.IMBALANCE_10] = share(np.float64(bid_far), np.float64(ask_far))
    out[Feature.BID_QTY] = bid_qty * unit
    out[Feature.ASK_QTY] = ask_qty * unit
    out[Feature.BID_DEPTH] = bid_far * unit
    out[Feature.ASK_DEPTH] = ask_far * unit
    out[Feature.BID_GAP] = (bid - bid_next) / tick
    out[Feature.ASK_GAP] = (ask_next - ask) / tick
    out[Feature.BID_ORDERS] = bid_orders
    out[Feature.ASK_ORDERS] = ask_orders
    out[Feature.BID_VENUES] = bid_venues
    out[Feature.ASK_VENUES] = ask_venues
    second = math.log(2.0) * 8.0  # an exponential sum of half-life h over log(2) / h is a rate
    for j in range(3):
        out[Feature.OFI_125MS + j] = ewma[OFI + j] * unit
        out[Feature.TRADES_125MS + j] = share(ewma[BOUGHT + j], ewma[SOLD + j])
        out[Feature.RETURN_125MS + j] = it["last_mid"] - ewma[MID + j] if whole else 0.0
        out[Feature.VOLATILITY_125MS + j] = math.sqrt(ewma[SQUARES + j] * second)
        second *= 0.125
    rate = ewma[EVENTS + 2] * math.log(2.0) / 8.0
    out[Feature.BURST] = ewma[EVENTS] * math.log(2.0) * 8.0 / rate if rate > 0 else 0.0
    out[Feature.INTENSITY] = math.log(1.0 + rate)
    out[Feature.VOLUME] = (ewma[BOUGHT + 2] + ewma[SOLD + 2]) * math.log(2.0) / 8.0 * unit
    out[Feature.SPREAD_CHANGE] = spread - ewma[SPREAD] if whole else 0.0
    out[Feature.LAST_TRADE] = it["last_trade"] - it["last_mid"] if whole and it["last_trade"] > 0 else 0.0


@inlined
def remember(products: np.ndarray, product: int, mid: float, spread: float, shares: float) -> None:
    """Take what holds from now on; the first one is its own mean."""
    it = products[product]
    ewma = it["ewma"]
    if it["last_depth"] == 0.0:
        for j in range(3):
            ewma[MID + j] = mid
        ewma[SPREAD] = spread
        ewma[DEPTH] = shares
    else:
        for j in range(3):
            ewma[SQUARES + j] += (mid - it["last_mid"]) ** 2
    it["last_mid"] = mid
    it["last_spread"] = spread
    it["last_depth"] = shares
