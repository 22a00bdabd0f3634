"""What an operator does to the market: halts, auctions, restrictions, busts, the end. Each is a cause like any other, in the record with its effects.

`check` says what is wrong with an order before it becomes a cause; `act` carries it out, and is run again by a restart.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from core import itch, matching, ouch
from core.codes import Side
from noderrd.venue import auction, engine
from noderrd.venue.config import UNIT, seconds
from noderrd.venue.exchange import Exchange

Gather = Callable[[], None]
HALT_CODE = {"halt": matching.HALTED, "quote": matching.QUOTATION}
CROSSES = {"O": ouch.OPENING, "C": ouch.CLOSING, "H": ouch.HALT_CROSS}
END = "MEC"  # ITCH system events: end of market hours, of system hours, of messages
MARKET_CODE = "Q"  # Nasdaq, in Operational Halt
CHOICES = {"cross": "OCH", "action": "012", "event": "OSQMEC", "qualifier": "AC", "interest": "BSAN", "level": "123"}
TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
SKIP_MAX = 1_000_000
# Price variation indicator by the share of the reference below which it holds (section 1.6).
VARIATION = (
    (0.01, "L"), (0.02, "1"), (0.03, "2"), (0.04, "3"), (0.05, "4"), (0.06, "5"), (0.07, "6"), (0.08, "7"), (0.09, "8"), (0.10, "9"),
    (0.20, "A"), (0.30, "B"),
)  # fmt: skip

# What can be done: a sentence, and the arguments by name.
VERBS: dict[str, tuple[str, dict[str, str]]] = {
    "halt": ("stop trading in a symbol (H); its orders stand", {"symbol": "symbol", "reason": "4 letters, T1 when not given"}),
    "quote": ("take and display orders, without trading (Q)", {"symbol": "symbol"}),
    "pause": (
        "LULD trading pause (P) with the collars of its auction (J)",
        {"symbol": "symbol", "reference": "price", "lower": "price", "upper": "price"},
    ),
    "resume": ("halt cross (Q), then trade again (T)", {"symbol": "symbol"}),
    "imbalance": ("publish what an auction would do now (I)", {"symbol": "symbol", "cross": "O, C or H"}),
    "auction": ("hold an auction now; O and H open the symbol", {"symbol": "symbol", "cross": "O, C or H"}),
    "late": ("orders for the auction can no longer be entered or changed", {"symbol": "symbol", "on": "true or false"}),
    "short_sale": ("Reg SHO restriction (Y)", {"symbol": "symbol", "action": "0, 1 or 2"}),
    "bands": ("LULD price bands; 0 and 0: none", {"symbol": "symbol", "lower": "price", "upper": "price"}),
    "bust": ("break every execution of a match number (B)", {"match": "match number"}),
    "disable": ("refuse a user's orders and cancel what is open", {"user": "name"}),
    "enable": ("take a user's orders again", {"user": "name"}),
    "breach": ("the index fell through a level of the circuit breaker (W): every symbol is halted", {"level": "1, 2 or 3"}),
    "operational": ("halt a symbol here alone, or end that (h)", {"symbol": "symbol", "on": "true or false"}),
    "ipo": (
        "when an IPO's quotation begins and at what price (K)",
        {"symbol": "symbol", "release": "HH:MM:SS", "qualifier": "A or C", "price": "price"},
    ),
    "retail": ("retail price improvement interest (N)", {"symbol": "symbol", "interest": "B, S, A or N"}),
    "discovery": (
        "price discovery of a direct listing with a capital raise (O)",
        {"symbol": "symbol", "eligible": "true or false", "lowest": "price", "highest": "price"},
    ),
    "skip": ("leave out sequence numbers of the feed", {"count": "how many"}),
    "system": ("publish a system event (S)", {"event": "O, S, Q, M, E or C"}),
    "close": ("end of the day: everything open is canceled, and the session is over", {}),
}


class Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def price(value: Any, name: str) -> int:
    """Read a price in dollars, a string or a number. Raises Refused."""
    try:
        px = Decimal(str(value)) * UNIT
    except InvalidOperation:
        px = Decimal(-1)
    if px < 0 or px != int(px) or px > ouch.PRICE_MAX:
        reason = f"{name}: expected a price, found {value!r}"
        raise Refused(reason)
    return int(px)


def check(exchange: Exchange, do: str, asked: dict[str, Any]) -> None:
    """Raises Refused with the reason why this cannot be done."""
    arguments = VERBS[do][1]
    wrong = ""
    if "symbol" in arguments and exchange.instrument(asked.get("symbol")) is None:
        wrong = f"symbol: not listed: {asked.get('symbol')!r}"
    elif "user" in arguments and exchange.user_index(asked.get("user")) is None:
        wrong = f"user: no such user: {asked.get('user')!r}"
    elif choice := next((name for name in arguments if name in CHOICES and str(asked.get(name)) not in CHOICES[name]), ""):
        wrong = f"{choice}: expected one of {', '.join(CHOICES[choice])}"
    elif switch := next((name for name in arguments if name in {"on", "eligible"} and not isinstance(asked.get(name), bool)), ""):
        wrong = f"{switch}: expected true or false"
    elif "release" in arguments and not (isinstance(asked.get("release"), str) and TIME_OF_DAY.fullmatch(asked["release"])):
        wrong = "release: expected HH:MM:SS"
    elif do == "skip" and not (type(asked.get("count")) is int and 0 < asked["count"] <= SKIP_MAX):
        wrong = f"count: expected 1 to {SKIP_MAX}"
    elif do == "halt" and not (isinstance(asked.get("reason", ""), str) and asked.get("reason", "").isascii() and len(asked.get("reason", "")) <= 4):
        wrong = "reason: expected at most 4 letters"
    elif do == "bust" and (type(asked.get("match")) is not int or not exchange.trades_of(asked["match"])):
        wrong = f"match: no trade of a client has this match number: {asked.get('match')!r}"
    elif exchange.closed:
        wrong = "the session is over"
    if wrong:
        raise Refused(wrong)
    for name in ("reference", "lower", "upper", "price", "lowest", "highest"):
        if name in arguments:
            price(asked.get(name), name)
    if do in {"bands", "pause"} and price(asked["lower"], "lower") > price(asked["upper"], "upper"):
        reason = "lower: expected at most upper"
        raise Refused(reason)


def act(exchange: Exchange, payload: bytes, now_ns: int, gather: Gather) -> None:
    """Carry out what `check` found good."""
    asked: dict[str, Any] = json.loads(payload)
    do = asked["do"]
    if "symbol" in asked:
        inst = exchange.instrument(asked["symbol"])
        assert inst is not None
        _of_symbol(exchange, do, asked, inst, now_ns, gather)
    elif do in {"disable", "enable"}:
        user = exchange.user_index(asked["user"])
        assert user is not None
        exchange.allow(user, do == "enable")
        if do == "disable":
            exchange.cancel(now_ns, gather, ouch.CANCEL_SUPERVISORY, user=user)
        exchange.say_participant(user, now_ns, "A" if do == "enable" else "S", gather)
    elif do == "bust":
        exchange.say(itch.B, now_ns, match=asked["match"])
        for k in exchange.trades_of(asked["match"]):
            exchange.break_trade(k, now_ns)
    elif do == "breach":
        level = int(asked["level"])
        exchange.say(itch.W, now_ns, code=ord(str(level)))
        for inst in range(len(exchange.securities)):
            _state(exchange, inst, matching.HALTED, f"MWC{level}", now_ns)
    elif do == "system":
        exchange.say(itch.S, now_ns, code=ord(asked["event"]))
    elif do == "close":
        exchange.cancel(now_ns, gather, ouch.CANCEL_CLOSED)
        for code in END:
            exchange.say(itch.S, now_ns, code=ord(code))
        exchange.end_of_day(now_ns)


def _of_symbol(exchange: Exchange, do: str, asked: dict[str, Any], inst: int, now_ns: int, gather: Gather) -> None:
    """Carry out what is about one symbol."""
    security = exchange.securities[inst]
    if do in HALT_CODE:
        reason = asked.get("reason", "T1" if do == "halt" else "")
        _state(exchange, inst, HALT_CODE[do], reason, now_ns)
    elif do == "pause":
        _state(exchange, inst, matching.PAUSED, "LUDP", now_ns)
        reference, lower, upper = (price(asked[name], name) for name in ("reference", "lower", "upper"))
        security["lower"], security["upper"] = lower, upper
        exchange.say(itch.J, now_ns, **exchange.about(inst), px=reference, px2=upper, px3=lower)
    elif do == "imbalance":
        _imbalance(exchange, inst, asked["cross"], now_ns)
    elif do == "operational":
        _operational(exchange, inst, asked["on"], now_ns, gather)
    elif do == "ipo":
        release = seconds(asked["release"])
        exchange.say(itch.K, now_ns, **exchange.about(inst), lot=release, code=ord(asked["qualifier"]), px=price(asked["price"], "price"))
    elif do == "retail":
        exchange.say(itch.N, now_ns, **exchange.about(inst), code=ord(asked["interest"]))
    elif do == "discovery":
        _discovery(exchange, inst, asked, now_ns)
    elif do == "late":
        security["late"] = int(asked["on"])
    elif do == "short_sale":
        security["short_sale"] = ord(str(asked["action"]))
        exchange.say(itch.Y, now_ns, **exchange.about(inst), code=security["short_sale"])
    elif do == "bands":
        _bands(exchange, inst, price(asked["lower"], "lower"), price(asked["upper"], "upper"), now_ns, gather)
    else:
        hold_auction(exchange, inst, "H" if do == "resume" else asked["cross"], now_ns, gather)


def _state(exchange: Exchange, inst: int, code: int, reason: str, now_ns: int) -> None:
    """Change a symbol's trading state and publish it (ITCH 5.0 section 1.2.2)."""
    security = exchange.securities[inst]
    security["state"], security["halt_reason"] = code, int.from_bytes(reason.ljust(4).encode(), "big")
    exchange.say(itch.H, now_ns, **exchange.about(inst), code=code, code2=ouch.SPACE, text=security["halt_reason"])


def _operational(exchange: Exchange, inst: int, on: bool, now_ns: int, gather: Gather) -> None:
    """Halt a symbol at this market alone (section 1.2.9), or trade again: without an auction, so the orders for one lose their sense."""
    exchange.securities[inst]["state"] = matching.HALTED if on else matching.TRADING
    exchange.say(itch.SMALL_H, now_ns, **exchange.about(inst), code2=ord(MARKET_CODE), code=ord("H" if on else "T"))
    waiting = [slot for slot, order in exchange.live_orders(inst) if order["level"] == matching.PARKED and order["cross"] == ouch.HALT_CROSS]
    for slot in [] if on else waiting:
        exchange.operate(engine.CANCEL_ONE, now_ns, slot=slot, px=ouch.CANCEL_HALTED)
        gather()


def _discovery(exchange: Exchange, inst: int, asked: dict[str, Any], now_ns: int) -> None:
    """Direct Listing with Capital Raise Price Discovery (section 1.8): near price of the cross, its time, and the collars 10 % away from it."""
    lowest, highest = price(asked["lowest"], "lowest"), price(asked["highest"], "highest")
    near = auction.outcome(
        _interest(exchange, inst, "H"), int(exchange.securities[inst]["reference"]), max(lowest, 1), highest or auction.MARKET_BUY - 1
    )
    exchange.say(
        itch.O, now_ns, **exchange.about(inst), code=ord("Y" if asked["eligible"] else "N"), px=lowest, px2=highest, px3=near.px,
        qty=now_ns if near.px else 0, text=near.px * 9 // 10, qty2=near.px * 11 // 10,
    )  # fmt: skip


def _interest(exchange: Exchange, inst: int, cross: str) -> list[auction.Interest]:
    """Give every order that takes part in an auction: the book's, and those parked for it."""
    found = []
    for slot, order in exchange.live_orders(inst):
        if order["level"] < 0 and order["cross"] != CROSSES[cross]:
            continue
        px = int(order["px"])
        if px in {ouch.MARKET, 0}:
            px = auction.MARKET_BUY if order["side"] == Side.BUY else auction.MARKET_SELL
        found.append(auction.Interest(slot, int(order["side"]), px, int(order["qty"]), bool(order["shown"]), int(order["ref"])))
    return found


def _terms(exchange: Exchange, inst: int) -> tuple[int, int, int]:
    """Give reference price and collars of an auction."""
    security = exchange.securities[inst]
    reference = int(security["last_px"]) or int(security["reference"])
    if security["state"] == matching.PAUSED and security["upper"]:
        return reference, int(security["lower"]), int(security["upper"])
    return reference, 1, auction.MARKET_BUY - 1


def _imbalance(exchange: Exchange, inst: int, cross: str, now_ns: int) -> None:
    """Net Order Imbalance Indicator (section 1.6). Far price: orders for the auction alone; near price: with the book."""
    orders = _interest(exchange, inst, cross)
    reference, lower, upper = _terms(exchange, inst)
    near = auction.outcome(orders, reference, lower, upper)
    parked = {slot for slot, order in exchange.live_orders(inst) if order["level"] < 0}
    far = auction.outcome([o for o in orders if o.slot in parked], reference, lower, upper)
    direction = "N" if near.imbalance == 0 else "B" if near.imbalance > 0 else "S"
    if not orders:
        direction = "O"
    exchange.say(
        itch.I, now_ns, **exchange.about(inst), qty=near.paired, qty2=abs(near.imbalance), code2=ord(direction), px=far.px, px2=near.px,
        px3=reference, code=ord(cross), attrs=_variation(near.px, reference),
    )  # fmt: skip


def _variation(near: int, reference: int) -> Any:
    """Give the price variation indicator: how far the near price is from the reference, in classes of percent (section 1.6)."""
    share = abs(near - reference) / reference if near and reference else 0.0
    letter = " " if not near else next((name for most, name in VARIATION if share < most), "C")
    return [ord(letter)] + [0] * 19


def hold_auction(exchange: Exchange, inst: int, cross: str, now_ns: int, gather: Gather) -> None:
    """Match at one price: each displayed order by C, not printable, all by one Q (section 1.5.2). O and H open the symbol.

    One match number is for all of it, so that what a client is told can be found on the feed.
    """
    orders = _interest(exchange, inst, cross)
    reference, lower, upper = _terms(exchange, inst)
    result = auction.outcome(orders, reference, lower, upper)
    match = exchange.take_match()
    kind = CROSSES[cross]
    for order, qty in auction.fills(orders, result.px, result.paired) if result.paired else []:
        exchange.operate(engine.CROSS, now_ns, slot=order.slot, qty=qty, px=result.px, user=match, inst=kind)
        gather()
    exchange.say(itch.Q, now_ns, **exchange.about(inst), qty=result.paired, px=result.px, match=match, code=ord(cross))
    left = [(slot, order["pending"]) for slot, order in exchange.live_orders(inst) if order["level"] == matching.PARKED and order["cross"] == kind]
    for slot, asked in left:
        exchange.operate(engine.CANCEL_ONE, now_ns, slot=slot, px=ouch.CANCEL_USER if asked else ouch.CANCEL_CROSS)
        gather()
    exchange.securities[inst]["late"] = 0
    if cross != "C":
        exchange.securities[inst]["lower"] = exchange.securities[inst]["upper"] = 0
        _state(exchange, inst, matching.TRADING, "", now_ns)


def _bands(exchange: Exchange, inst: int, lower: int, upper: int, now_ns: int, gather: Gather) -> None:
    """Set the bands; orders beyond them are moved to them and lose their priority."""
    security = exchange.securities[inst]
    tick = int(security["tick"])
    security["lower"], security["upper"] = -(-lower // tick) * tick, upper // tick * tick
    if upper == 0:
        return
    beyond = [
        (slot, int(security["upper"] if order["side"] == Side.BUY else security["lower"]))
        for slot, order in exchange.live_orders(inst)
        if order["level"] >= 0 and (order["px"] > security["upper"] if order["side"] == Side.BUY else order["px"] < security["lower"])
    ]
    for slot, px in sorted(beyond, key=lambda one: int(exchange.orders[one[0]]["ref"])):
        exchange.operate(engine.REPRICE, now_ns, slot=slot, px=px)
        gather()
