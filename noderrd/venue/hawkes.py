"""A flow that looks like a market: arrivals that cause arrivals, orders that are split, traders who know more than others, all by calibrated figures.

- When: a Hawkes process with a sum of exponentials (Hawkes 1971; Bacry, Mastromatteo and Muzy, "Hawkes processes in finance", 2015), by Ogata's
  thinning (1981). A client's execution is an arrival like any other: it causes more.
- What: limit order, cancel or market order of a buyer or a seller, a chain on the kind before; the more stands on a side, the more is canceled there
  and the less is added, so that the book keeps its size.
- Limit orders go into the spread (the more often the wider it is) or behind the best price; sizes and distances are drawn from what was measured,
  with a Pareto tail. Cancels take the youngest order of their side, or any, by a hazard that depends on its distance.
- Market orders belong to metaorders of Pareto length, whose pieces carry one sign (Lillo, Mike and Farmer, "Theory for long memory in supply and
  demand", 2005), and mostly take the best price alone.
- Everybody has an opinion of the price: the *efficient price* (`noderrd.venue.path`), which all venues of a symbol share and each hears of `lag_ms`
  late, plus a *pressure* that every trade adds to and that fades (Bouchaud, Gefen, Potters and Wyart, "Fluctuations and response in financial
  markets", 2004): so a node's own orders move the market. Nobody quotes beyond that opinion, and quotes that it has passed are withdrawn. *Informed*
  traders know where it goes, and take what stands in the way (Glosten and Milgrom, 1985). A venue that hears late is where a maker is picked off.

Distances are ticks of the calibrated symbol, and are scaled by the price, so that a symbol of a third of its price has a third of its spread.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from core import matching, ouch
from core.codes import Side
from core.integer import i64
from core.jit import inlined, kernel
from noderrd.venue.flow import BINS, ENTER, HAWKES, KINDS, METAORDERS, NOTHING, PLACES, POINTS, SCALES, SECOND, draw, order
from noderrd.venue.flow import state as new_flow
from noderrd.venue.path import brownian

SHIPPED = Path(__file__).parent / "goog20120621.json"
# Where a distribution's points lie: the share of what is not greater.
LEVELS = np.array(
    [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999]
)
CANCEL, MARKET = 2, 4  # kinds, plus 1 of the seller
NOWHERE, INSIDE, AT_BEST, BEHIND = -1, 0, 1, 2
TRIES = 12  # orders that are looked at for a cancel
QUEUE_LOOK = 16
META_MAX = 10_000.0  # pieces of a metaorder
TILT_MAX = 10.0
LEAN_MAX = 0.9


def read(path: Path) -> dict[str, Any]:
    """Read a file of parameters. Raises OSError, ValueError with the reason when it is not one."""
    try:
        found = json.loads(path.read_text())
        parameters: dict[str, Any] = found["parameters"]
        sizes = {"caused": SCALES, "decay": SCALES, "limit_size": PLACES, "market_size": POINTS, "inside": POINTS, "away": POINTS, "hazard": BINS}
        wrong = [name for name, size in sizes.items() if len(parameters[name]) != size]
        if wrong or sum(parameters["caused"]) >= 1 or not 1 <= parameters["meta_n"] <= METAORDERS:
            message = f"{path}: {', '.join(wrong) or 'caused, meta_n'}: not what the model expects"
            raise ValueError(message)
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        message = f"{path}: no parameters of a flow: {error!r}"
        raise ValueError(message) from error
    return parameters


def state(
    securities: np.ndarray, seed: int, rate: float, now_ns: int, parameters: dict[str, Any], *, path: int, lag_ns: int, volatility: float
) -> np.ndarray:  # fmt: skip
    """Give FLOW[n], one an instrument: `rate` events a second over all of them, 0: as many as were recorded. `path`: seed of the efficient prices."""
    n = len(securities)
    flow = new_flow(n, seed, rate or parameters["events_per_s"] * n, now_ns)
    names = [name for name in flow.dtype.names or () if name in parameters]
    for k, f in enumerate(flow):
        for name in names:
            f[name] = parameters[name]
        f["kind"], f["lag_ns"] = HAWKES, lag_ns
        f["scale"] = securities[k]["reference"] / securities[k]["tick"] / parameters["price_ticks"]
        f["speed"] = f["rate"] / parameters["events_per_s"]
        f["volatility"] = volatility * parameters["volatility"] * f["scale"]
        key = f"{path} {int(securities[k]['stock'])}".encode()
        f["path"] = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1
        f["meta_side"] = np.random.default_rng([seed, k, 1]).integers(0, 2, METAORDERS)
        f["meta_left"], f["pressure_ns"] = 1, now_ns
    return flow


def first_orders(flow: np.ndarray, k: int) -> int:
    """Give how many orders the first book has."""
    return int(flow[k]["standing"])


@inlined
def value_of(table: np.ndarray, u: float, tail: float) -> float:
    """Give the value below which a share `u` of a distribution lies: straight between its points, Pareto beyond the last (`tail` 0: the last)."""
    last = LEVELS.shape[0] - 1
    if u >= LEVELS[last]:
        return table[last] * ((1.0 - LEVELS[last]) / (1.0 - u)) ** (1.0 / tail) if tail > 0.0 else table[last]
    k = i64(1)
    while LEVELS[k] <= u:
        k += 1
    return table[k - 1] + (table[k] - table[k - 1]) * (u - LEVELS[k - 1]) / (LEVELS[k] - LEVELS[k - 1])


@kernel
def size(flow: np.ndarray, securities: np.ndarray, k: int, place: int) -> int:
    """Draw how many shares a limit order has that goes to a place (INSIDE, AT_BEST, BEHIND), or a market order (NOWHERE)."""
    u = draw(flow, k)
    if place == NOWHERE:
        shares = value_of(flow[k]["market_size"], u, flow[k]["market_tail"])
    else:
        shares = value_of(flow[k]["limit_size"][place], u, flow[k]["limit_tail"][place])
    lot = securities[k]["lot"]
    return min(max(i64(shares + 0.5) // lot * lot, lot), ouch.QUANTITY_MAX // lot * lot)


@inlined
def ticks(flow: np.ndarray, k: int, distance: float) -> int:
    """Scale a distance of the calibrated symbol to whole ticks here; what is between two is drawn."""
    return i64(distance * flow[k]["scale"] + draw(flow, k))


@kernel
def pressure(flow: np.ndarray, k: int, now_ns: int) -> float:
    """Give what trades have done to the opinion of the price, in ticks."""
    age = np.float64(max(now_ns - flow[k]["pressure_ns"], i64(0))) / SECOND
    return flow[k]["pressure"] * np.exp(-age * flow[k]["impact_decay"] * flow[k]["speed"])


@kernel
def opinion(market: np.ndarray, securities: np.ndarray, flow: np.ndarray, k: int, ahead_ns: int) -> float:
    """Give the price that everybody here believes in; `ahead_ns` > 0: that the informed do."""
    now_ns = market[0]["now_ns"]
    away = flow[k]["volatility"] * brownian(i64(flow[k]["path"]), now_ns - flow[k]["lag_ns"] + ahead_ns) + pressure(flow, k, now_ns)
    return securities[k]["reference"] + away * securities[k]["tick"]


@kernel
def react(flow: np.ndarray, market: np.ndarray, events: np.ndarray, own: bool) -> None:
    """Let what was executed move opinions; `own`: by the flow, whose arrival has been counted already."""
    for e in range(market[0]["n_events"]):
        if events[e]["kind"] != matching.EXECUTED:
            continue
        k = i64(events[e]["inst"])
        moved = min(events[e]["qty"] / flow[k]["mean_size"], 3.0) * flow[k]["impact"] * flow[k]["scale"]
        flow[k]["pressure"] = pressure(flow, k, events[e]["ts_ns"]) + (moved if events[e]["side"] == Side.BUY else -moved)
        flow[k]["pressure_ns"] = events[e]["ts_ns"]
        if not own:
            for j in range(SCALES):
                flow[k]["memory"][j] += 1.0


@inlined
def tilt(securities: np.ndarray, flow: np.ndarray, k: int, kind: int) -> float:
    """Give how much likelier a kind is, given how much stands of its side."""
    ratio = 2.0 * securities[k]["n_anonymous_side"][kind & 1] / flow[k]["standing"]
    ratio = min(max(ratio, 0.1), TILT_MAX)
    if kind < CANCEL:
        return 1.0 / ratio
    return ratio if kind < MARKET else 1.0


@inlined
def kind_of(securities: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw what happens, by what happened before it; the more stands, the more of it is a cancel."""
    last = flow[k]["last"]
    total = 0.0
    for j in range(KINDS):
        total += flow[k]["chain"][last, j] * tilt(securities, flow, k, j)
    u = draw(flow, k) * total
    for j in range(KINDS):
        u -= flow[k]["chain"][last, j] * tilt(securities, flow, k, j)
        if u < 0.0:
            return i64(j)
    return i64(0)


@inlined
def floor_tick(price: float, tick: int) -> int:
    """Give the greatest price of the grid that is not above."""
    return i64(np.floor(price / tick)) * tick


@kernel
def limit_order(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, flow: np.ndarray, k: int, which: int) -> int:
    """Draw a limit order of a side: into the spread or behind its best price, never beyond the opinion."""
    tick = securities[k]["tick"]
    think = opinion(market, securities, flow, k, i64(0))
    sign = i64(1) if which == Side.BUY else i64(-1)
    limit = floor_tick(think, tick) if which == Side.BUY else -floor_tick(-think, tick)
    own, other = matching.best_shown(sides, k, which), matching.best_shown(sides, k, 1 - which)
    place = i64(BEHIND)
    if own < 0:
        px = limit - sign * tick * ticks(flow, k, flow[k]["spread_at"][1] / 2.0)
    else:
        px = own if sign * own <= sign * limit else limit
        spread = sign * (other - own) // tick if other >= 0 else i64(flow[k]["spread_at"][1] * flow[k]["scale"])
        wide = i64(0)
        while wide < flow[k]["spread_at"].shape[0] - 1 and spread > flow[k]["spread_at"][wide] * flow[k]["scale"]:
            wide += 1
        middle = own + sign * spread * tick / 2.0
        lean = min(max(sign * (think - middle) / (max(spread, i64(1)) * tick / 2.0), -LEAN_MAX), LEAN_MAX)
        if spread > 1 and draw(flow, k) < flow[k]["improves"][wide] * (1.0 + lean):
            deep = i64(value_of(flow[k]["inside"], draw(flow, k), 0.0) * spread + draw(flow, k))
            better = own + sign * min(max(deep, i64(1)), spread - 1) * tick
            px = better if sign * better <= sign * limit else px
            place = i64(INSIDE)
        else:
            away = value_of(flow[k]["away"], draw(flow, k), 0.0)
            px -= sign * tick * ticks(flow, k, away)
            place = i64(AT_BEST) if away < 1.0 else i64(BEHIND)
    if px < tick or px > ouch.PRICE_MAX:
        return NOTHING
    flow[k]["newest"][which] = market[0]["free"] if market[0]["free"] >= 0 else market[0]["high"]
    flow[k]["newest_ref"][which] = market[0]["next_ref"]
    return order(flow, k, which, size(flow, securities, k, place), px, ouch.DAY)


@kernel
def at_best(sides: np.ndarray, orders: np.ndarray, k: int, which: int) -> int:
    """Give the slot of the flow's first order at the best price of a side; NOTHING when only clients stand there."""
    side = sides[k, which]
    if side["n"] == 0:
        return NOTHING
    slot = i64(side["levels"][i64(side["level"][side["n"] - 1])]["head"])
    for _ in range(QUEUE_LOOK):
        if slot < 0:
            break
        if orders[slot]["user"] < 0:
            return slot
        slot = i64(orders[slot]["next"])
    return NOTHING


@kernel
def cancel_one(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, flow: np.ndarray, k: int, which: int) -> int:
    """Draw an order to cancel: a stale quote, the youngest of the side, or any, by a hazard that depends on its distance."""
    n = securities[k]["n_anonymous"]
    if n == 0:
        return NOTHING
    think = opinion(market, securities, flow, k, i64(0))
    bid, ask = matching.best_shown(sides, k, Side.BUY), matching.best_shown(sides, k, Side.SELL)
    if draw(flow, k) < flow[k]["withdrawn"] and ((bid >= 0 and bid > think) or (0 <= ask < think)):
        slot = at_best(sides, orders, k, i64(Side.BUY) if bid >= 0 and bid > think else i64(Side.SELL))
        if slot >= 0:
            return slot
    newest = flow[k]["newest"][which]
    if draw(flow, k) < flow[k]["youngest"] and orders[newest]["ref"] == flow[k]["newest_ref"][which] and orders[newest]["live"] != 0:
        return newest
    best = bid if which == Side.BUY else ask
    slot = i64(NOTHING)
    for _ in range(TRIES):
        chosen = i64(securities[k]["anonymous"][min(i64(draw(flow, k) * n), n - 1)])
        if orders[chosen]["side"] != which:
            continue
        slot = chosen
        distance = abs(best - orders[slot]["px"]) / securities[k]["tick"] / flow[k]["scale"]
        j = i64(0)
        while j < BINS - 1 and distance > flow[k]["hazard_at"][j]:
            j += 1
        if draw(flow, k) < flow[k]["hazard"][j]:
            break
    return slot


@kernel
def market_order(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw a market order: of one who knows better than a quote, or the next piece of a metaorder."""
    bid, ask = matching.best_shown(sides, k, Side.BUY), matching.best_shown(sides, k, Side.SELL)
    qty = size(flow, securities, k, NOWHERE)
    tick = securities[k]["tick"]
    if draw(flow, k) < flow[k]["informed"] and bid >= 0 and ask >= 0:
        think = opinion(market, securities, flow, k, i64(flow[k]["ahead_s"] / flow[k]["speed"] * SECOND))
        if 2.0 * think > bid + ask:
            return order(flow, k, i64(Side.BUY), qty, max(floor_tick(think, tick), ask), ouch.IOC)
        return order(flow, k, i64(Side.SELL), qty, max(min(-floor_tick(-think, tick), bid), tick), ouch.IOC)
    j = min(i64(draw(flow, k) * flow[k]["meta_n"]), flow[k]["meta_n"] - 1)
    which = flow[k]["meta_side"][j]
    flow[k]["meta_left"][j] -= 1
    if flow[k]["meta_left"][j] <= 0:
        flow[k]["meta_left"][j] = i64(min(draw(flow, k) ** (-1.0 / flow[k]["meta_tail"]), META_MAX))
        flow[k]["meta_side"][j] = i64(Side.BUY) if draw(flow, k) < 0.5 else i64(Side.SELL)
    other = ask if which == Side.BUY else bid
    if other < 0:
        return NOTHING
    through = i64(0)
    if draw(flow, k) < flow[k]["walks"]:
        through = 1 + ticks(flow, k, value_of(flow[k]["away"], draw(flow, k), 0.0))
    px = other + through * tick if which == Side.BUY else max(other - through * tick, tick)
    return order(flow, k, which, qty, px, ouch.IOC)


@kernel
def event(market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, flow: np.ndarray, k: int) -> int:
    """Draw what an instrument's flow does at its next time: NOTHING, ENTER its request, or the slot of an order to cancel."""
    market[0]["now_ns"] = max(market[0]["now_ns"], flow[k]["next_ns"])
    flow[k]["events"] += 1
    if securities[k]["state"] != matching.TRADING:
        return NOTHING
    kind = kind_of(securities, flow, k)
    flow[k]["last"] = kind
    which = kind & 1
    if kind < CANCEL:
        return limit_order(market, securities, sides, flow, k, which)
    if kind < MARKET:
        return cancel_one(market, securities, sides, orders, flow, k, which)
    act = market_order(market, securities, sides, flow, k)
    if act == ENTER:
        flow[k]["last"] = MARKET + flow[k]["request"][0]["side"]
    return act


@kernel
def schedule(flow: np.ndarray, k: int) -> None:
    """Count an arrival and draw the next one's time, by thinning: between arrivals the intensity only falls."""
    f = flow[k]
    for j in range(SCALES):
        f["memory"][j] += 1.0
    elapsed = 0.0
    while True:
        most = f["base"]
        for j in range(SCALES):
            most += f["caused"][j] * f["decay"][j] * f["memory"][j]
        wait = -np.log(draw(flow, k)) / most
        elapsed += wait
        now = f["base"]
        for j in range(SCALES):
            f["memory"][j] *= np.exp(-f["decay"][j] * wait)
            now += f["caused"][j] * f["decay"][j] * f["memory"][j]
        if draw(flow, k) * most <= now:
            break
    f["next_ns"] += max(i64(elapsed / f["speed"] * SECOND), i64(1))


@kernel
def first_order(market: np.ndarray, securities: np.ndarray, flow: np.ndarray, k: int, n: int) -> int:
    """Fill in order n of the first book, around the opinion. As `event`."""
    which = i64(n & 1)
    tick = securities[k]["tick"]
    think = opinion(market, securities, flow, k, i64(0))
    away = ticks(flow, k, flow[k]["spread_at"][1] / 2.0 + (0.0 if n < 2 else value_of(flow[k]["away"], draw(flow, k), 0.0))) * tick
    px = floor_tick(think, tick) - away if which == Side.BUY else floor_tick(think, tick) + tick + away
    return order(flow, k, which, size(flow, securities, k, BEHIND), px, ouch.DAY) if px > 0 else NOTHING
