"""From shared memory to the objects that noderrctl prints. Prices and money are decimal strings, exact; times ns since the epoch; quantities ints."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from core.codes import BookState, Counter, Denial, Halt, Mode, OrdStatus, Phase, Session, Stage
from core.layout import BUCKETS, NO_LIMIT
from core.position import wide
from noderrd.control.lanes import Lane, book, mark
from noderrd.telemetry import hdr

Rows = list[dict[str, Any]]


def money(value: int, unit: int) -> str:
    """Write px, or px x shares, in the currency: exact, without trailing zeros beyond four decimals."""
    sign, whole = ("-" if value < 0 else ""), abs(value)
    digits = len(str(unit)) - 1
    return f"{sign}{whole // unit}.{whole % unit:0{digits}d}" if unit > 1 else f"{sign}{whole}"


def states(bits: int) -> list[str]:
    """Name the bits of a book's state; [] is LIVE."""
    return [state.name for state in BookState if bits & state]


def books(lanes: Iterable[Lane], symbol: str = "", venue: str = "", depth: int = 0) -> dict[str, Any]:
    """Give every book; `depth` levels a side, all for 0."""
    found: Rows = []
    for lane in lanes:
        for k, it in enumerate(lane.spec.instruments):
            name = lane.spec.venues[it.venue].name
            if (symbol and it.symbol != symbol) or (venue and name != venue):
                continue
            row, px, qty, cnt = book(lane.shared, k)
            state = states(int(row["state"]) | int(lane.shared.venues[it.venue]["state"]))
            sides = [
                [[money(int(p), it.unit), int(q), int(c)] for p, q, c in zip(px[s], qty[s], cnt[s], strict=True)][: depth or None] for s in range(2)
            ]
            found.append({"venue": name, "symbol": it.symbol, "state": state, "seq_num": int(row["seq_num"]), "bids": sides[0], "asks": sides[1]})
    return {"books": found}


def positions(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give every position that was ever opened. realised + unrealised - fees is cash + position x mark - fees exactly."""
    found: Rows = []
    for lane in lanes:
        n = len(lane.spec.instruments)
        for s, strategy in enumerate(lane.spec.strategies):
            for k, it in enumerate(lane.spec.instruments):
                row = lane.shared.positions[s * n + k].copy()
                if int(row["fills"]) == 0 and int(row["position"]) == 0:
                    continue
                held, cost = int(row["position"]), int(row["cost"])
                price = mark(lane.shared, k, held > 0)
                open_profit = 0 if held == 0 else (price * held - cost if held > 0 else cost + price * held)
                average = Decimal(cost) / abs(held) / it.unit if held else Decimal(0)
                realised, times = wide(int(row["realised"]), int(row["realised_high"])), it.multiplier
                found.append(
                    {
                        "venue": lane.spec.venues[it.venue].name,
                        "symbol": it.symbol,
                        "strategy": strategy.name,
                        "position": held,
                        "avg_px": str(average.quantize(Decimal("0.000001"))),
                        "realised": money(realised * times, it.unit),
                        "unrealised": money(open_profit * times, it.unit),
                        "fees": money(int(row["fees"]) * times, it.unit),
                        "bought": int(row["bought"]),
                        "sold": int(row["sold"]),
                        "fills": int(row["fills"]),
                        "currency": it.currency,
                    }
                )
    return {"positions": found}


def orders(lanes: Iterable[Lane], *, open_only: bool = False) -> dict[str, Any]:
    """Give every order that the lanes remember, oldest first, denied ones too."""
    found: Rows = []
    for lane in lanes:
        rows = [row for row in lane.shared.orders[lane.shared.orders["cl_ord_id"] != 0].copy() if not open_only or _live(int(row["ord_status"]))]
        if not open_only:
            rows += list(lane.shared.denials[lane.shared.denials["cl_ord_id"] != 0].copy())
        found += [order(lane, row) for row in sorted(rows, key=lambda row: int(row["cl_ord_id"]))]
    return {"orders": found}


def _live(status: int) -> bool:
    return status in {
        OrdStatus.PENDING_NEW, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE, OrdStatus.UNKNOWN,
    }  # fmt: skip


def _name(names: list[str], k: int) -> str:
    return names[k] if 0 <= k < len(names) else ""


def order(lane: Lane, row: np.void) -> dict[str, Any]:
    """Give an order, or what was denied."""
    spec, inst = lane.spec, int(row["inst"])
    it = spec.instruments[inst] if 0 <= inst < len(spec.instruments) else None
    said: dict[str, Any] = {
        "cl_ord_id": f"{int(row['cl_ord_id']):014X}",
        "user_ref_num": int(row["user_ref"]),
        "venue": _name([v.name for v in spec.venues], int(row["venue"])),
        "symbol": it.symbol if it else "",
        "strategy": _name([s.name for s in spec.strategies], int(row["strat"])),
        "side": _name(["Buy", "Sell"], int(row["side"])),
        "px": money(int(row["px"]), it.unit if it else 10_000),
        "order_qty": int(row["order_qty"]),
        "cum_qty": int(row["cum_qty"]),
        "leaves_qty": int(row["leaves_qty"]),
        "ord_status": OrdStatus(int(row["ord_status"])).name,
        "at": int(row["last_ns"]),
    }
    if int(row["ord_status"]) == OrdStatus.DENIED:
        said["denial"] = {
            "code": Denial(int(row["denial"])).name,
            "limit": int(row["denial_limit"]),
            "value": int(row["denial_value"]),
            "rule": _name(spec.rules, int(row["denial_rule"])),
        }
    elif int(row["reason"]):
        said["reason"] = int(row["reason"])
    return said


def counts(lanes: Iterable[Lane]) -> np.ndarray:
    """Give the latency counts of all lanes together: int64[STAGES, BUCKETS]."""
    total = np.zeros((len(Stage), BUCKETS), np.int64)
    for lane in lanes:
        total += lane.shared.histograms
    return total


def latency(found: np.ndarray) -> dict[str, Any]:
    """Give the percentiles of every stage."""
    return {stage.name.lower(): hdr.summary(found[stage]) for stage in Stage}


def log(found: np.ndarray, begin_ns: int, end_ns: int) -> str:
    """Give the stages as the text of an HdrHistogram log, a tag each."""
    return hdr.log(((stage.name.lower(), hdr.histogram(found[stage])) for stage in Stage if found[stage].any()), begin_ns, end_ns)


def paths(found: Mapping[tuple[str, str], np.ndarray]) -> dict[str, Any]:
    """Give the percentiles of every stage of single orders, by venue and class of symbol."""
    return {"paths": [{"venue": venue, "class": kind, "latency": latency(counts)} for (venue, kind), counts in sorted(found.items())]}


def counters(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give the lanes' counters by name, summed."""
    rows = [lane.shared.control[0]["counters"] for lane in lanes]
    return {"counters": {counter.name.lower(): sum(int(row[counter]) for row in rows) for counter in Counter}}


def venues(lanes: Iterable[Lane]) -> Rows:
    """Give feeds and order sessions."""
    found: Rows = []
    for lane in lanes:
        for k, venue in enumerate(lane.spec.venues):
            row = lane.shared.venues[k]
            up = int(row["session_state"]) == Session.UP
            found.append(
                {
                    "name": venue.name,
                    "feed": {
                        "session": _text(row["session"]), "next_seq_num": int(row["next_seq"]), "state": states(int(row["state"])),
                        "phase": Phase(int(row["phase"])).name,
                    },
                    "orders": {
                        "session": _text(row["order_session"]), "next_seq_num": int(row["order_seq"]), "logged_in": up,
                        "state": Session(int(row["session_state"])).name,
                    },
                    "mode": mode(row), "armed_until": until(row),
                }
            )  # fmt: skip
    return found


def mode(row: np.void) -> str:
    """Name what becomes of a venue's orders: paper, shadow, armed; off when it was armed, or its time is over."""
    over = row["mode"] == Mode.ARMED and int(row["armed_until_ns"]) <= time.time_ns()
    return Mode.OFF.name.lower() if over else Mode(int(row["mode"])).name.lower()


def until(row: np.void) -> int:
    """Give the time at which a venue's arming ends, ns since the epoch; 0: never, or it is not armed."""
    end = int(row["armed_until_ns"])
    return end if row["mode"] == Mode.ARMED and end < NO_LIMIT else 0


def differences(lanes: Sequence[Lane]) -> Rows:
    """Give what a person has to look into: orders whose fate is not known, sessions that the venue or we refused, scopes halted for it."""
    found: Rows = []
    for lane in lanes:
        spec, orders = lane.spec, lane.shared.orders
        for row in orders[orders["ord_status"] == OrdStatus.UNKNOWN].copy():
            what = f"its fate is not known: {int(row['leaves_qty'])} shares may still fill, and count against the limits"
            found.append({**order(lane, row), "what": what})
        for k, venue in enumerate(spec.venues):
            row = lane.shared.venues[k]
            if int(row["session_state"]) == Session.REFUSED:
                code = chr(int(row["reject_code"])) if row["reject_code"] else ""
                why = f"the venue refused the login ({code})" if code else "the venue's session or sequence number is not the one that the node knows"
                found.append({"venue": venue.name, "symbol": "", "cl_ord_id": "", "what": why})
    for halted in halts(lanes):
        if halted["reason"] == Halt.RECONCILE.name:
            found.append({"venue": "", "symbol": "", "cl_ord_id": "", "what": f"{halted['scope']} is halted until this is settled"})
    return found


def _text(raw: np.ndarray) -> str:
    return bytes(raw).decode("ascii", "replace").strip("\0 ")


def halts(lanes: Iterable[Lane]) -> Rows:
    """Give every halt: its scope in words, and why."""
    return [{"scope": scope, "reason": Halt(why).name} for lane in lanes for scope, why in _halts(lane) if why]


def _halts(lane: Lane) -> Iterator[tuple[str, int]]:
    control, spec = lane.shared.control[0], lane.spec
    yield "node", int(control["halt_node"])
    for k, venue in enumerate(spec.venues):
        yield f"venue {venue.name}", int(control["halt_venue"][k])
    for k, strategy in enumerate(spec.strategies):
        yield f"strategy {strategy.name}", int(control["halt_strategy"][k])
    for symbol in spec.products:
        words = [int(lane.shared.halt_symbol[k]) for k, it in enumerate(spec.instruments) if it.symbol == symbol]
        yield f"symbol {symbol}", max(words, default=0)
