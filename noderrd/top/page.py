"""The page: answers of the daemon in, rich renderables out. Pure, so that a snapshot test sees what an operator sees."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

STAGES = ("kernel", "decode", "book", "features", "model", "strategy", "risk", "route", "encode", "send", "tick_to_trade", "ack", "fill")
PATH = STAGES[: STAGES.index("tick_to_trade")]
BARS = " ▁▂▃▄▅▆▇█"
SHOWN_FIRST = ("tick_to_trade", "ack", "kernel", "model", "strategy", "risk", "send", "fill", "book", "decode", "features", "route", "encode")
LATENCIES = 4  # lines of latency that own orders leave, at least
SEVERITIES = ("critical", "warning", "info")
CLOSED = {"FILLED", "CANCELED", "REPLACED", "REJECTED", "EXPIRED", "DENIED", "NONE"}
Answer = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the daemon answered to `status`, `books`, `positions`, `orders`, `latency`, `alerts`; `history` is p50s of tick to trade, oldest first."""

    status: Answer
    books: Answer
    positions: Answer
    orders: Answer
    latency: Answer
    alerts: Answer
    history: tuple[int, ...] = ()
    symbol: str = ""  # "": all; else only this one, with its depth


def duration(ns: int) -> str:
    """Write nanoseconds in at most six characters."""
    for limit, divisor, unit in ((1_000, 1, "ns"), (1_000_000, 1_000, "us"), (1_000_000_000, 1_000_000, "ms")):
        if ns < limit:
            value = ns / divisor
            return f"{value:.0f}{unit}" if value >= 100 or divisor == 1 else f"{value:.1f}{unit}"
    return f"{ns / 1e9:.1f}s"


def sparkline(values: Sequence[int], width: int) -> str:
    """Draw the last `width` values; the lowest is the lowest bar."""
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    return "".join(BARS[1 + (v - low) * (len(BARS) - 2) // max(high - low, 1)] for v in shown)


def cascade(values: Mapping[str, int], width: int) -> dict[str, str]:
    """Draw bars that begin where the one before has ended, all together `width` wide."""
    total, at, found = max(sum(values.values()), 1), 0, {}
    for name, value in values.items():
        begin, end = at * width // total, (at + value) * width // total
        found[name] = " " * min(begin, width - 1) + "▇" * max(end - begin, 1)
        at += value
    return found


def plain(*names: str, right: Iterable[str] = ()) -> Table:
    """Make a table that wastes no line on frames."""
    table = Table(box=None, padding=(0, 1, 0, 0), expand=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def head(facts: Facts) -> RenderableType:
    """Say who it is, how it is, and what is halted."""
    status = facts.status
    state = str(status.get("state", "?"))
    text = Text.assemble(
        ("noderrd ", "bold"), (f"{status.get('version', '')}  ", "dim"), (state, "green" if state in {"ready", "trading"} else "yellow"),
        f"  {status.get('mode', '')}", no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    halts = status.get("halts", [])
    if halts:
        text.append(f"  HALTED {', '.join(str(h['scope']) for h in halts[:3])}{' ...' if len(halts) > 3 else ''}", "bold red")
    return text


def venues(facts: Facts) -> RenderableType:
    """Say how the venues' sessions are, their score, and how they execute: median time to an answer, share filled, slippage in bps."""
    parts = Text("venues  ", no_wrap=True, overflow="ellipsis")
    for row in facts.status.get("venues", []):
        up, it = bool(row["orders"].get("logged_in")), row.get("execution", {})
        parts.append(f"{row['name']} ", "bold")
        parts.append("up" if up else "down", "green" if up else "red")
        feed = row["feed"].get("state")
        if feed:
            parts.append(f" {','.join(feed).lower()}", "red")
        said = [
            f"{row['score']:.2f}" if row.get("score") is not None else "",
            duration(int(it["ack_ns"])) if it.get("ack_ns") is not None else "",
            f"{it['fill_ratio']:.0%}" if it.get("fill_ratio") is not None else "",
            f"{it['slippage_bps']:+.1f}bp" if it.get("slippage_bps") is not None else "",
        ]
        parts.append("".join(f" {one}" for one in said if one) + "  ")
    return parts


def pressing(alerts: Answer) -> list[Answer]:
    """Give the alerts that fire or are pending, those that fire first, the gravest first."""
    there = [a for a in alerts.get("alerts", []) if a["state"] in {"firing", "pending"}]
    return sorted(there, key=lambda a: (a["state"] != "firing", SEVERITIES.index(a["severity"])))


def alerts(facts: Facts, now_ns: int) -> RenderableType:
    """Say which alerts fire or are pending, the gravest first, and what circuits hold back."""
    text = Text("alerts  ", no_wrap=True, overflow="ellipsis")
    there = pressing(facts.alerts)
    for a in there:
        style = ("bold red" if a["severity"] == "critical" else "red") if a["state"] == "firing" else "yellow"
        text.append(f"{a['alert']} ", style)
        said = ("silenced " if a["silenced_until"] > now_ns else "") + ("pending " if a["state"] == "pending" else "")
        text.append(f"{said}{age(now_ns - a['since'])}  ")
    for it in facts.status.get("circuits", []):
        if it["state"] != "closed":
            text.append(f"{it['part']} {it['state']}  ", "yellow")
    if not there and not facts.status.get("circuits"):
        text.append("none", "green")
    return text


def host(facts: Facts) -> RenderableType:
    """Say how the machine is: the lanes' cores and memory, processes that were started again, the clock."""
    text = Text("host    ", no_wrap=True, overflow="ellipsis")
    for lane in facts.status.get("host", []):
        if "cores" in lane:
            text.append(f"{lane['lane']} on {lane['cores']}, {lane.get('locked_kib', 0) >> 10} MiB locked  ")
    odd = [f"{p['name']} {p['state']}, restarts {p['restarts']}" for p in facts.status.get("processes", []) if p["state"] != "ready" or p["restarts"]]
    text.append(", ".join(odd) or "all processes up", "red" if odd else "green")
    clock = facts.status.get("clock")
    if clock:
        kept = bool(clock["synchronised"])
        said = f"clock within {duration(int(clock['error_ns']))}" if kept else "clock not kept"
        text.append(f"  {said} ({clock['source']})", "" if kept else "red")
    return text


def age(ns: int) -> str:
    """Write how long ago something was."""
    seconds = max(ns, 0) // 1_000_000_000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def best(rows: Sequence[Answer], side: str) -> tuple[str, str, int]:
    """Give the best price of a symbol over its live venues: price, venue, shares; ("", "", 0) without one."""
    sign = 1 if side == "bids" else -1
    tops = [(Decimal(r[side][0][0]) * sign, r["venue"], int(r[side][0][1]), str(r[side][0][0])) for r in rows if r[side] and not r["state"]]
    if not tops:
        return "", "", 0
    top = max(tops)
    return top[3], top[1], top[2]


def grouped(facts: Facts) -> dict[str, list[Answer]]:
    """Give the books by symbol."""
    found: dict[str, list[Answer]] = {}
    for row in facts.books.get("books", []):
        if not facts.symbol or row["symbol"] == facts.symbol:
            found.setdefault(row["symbol"], []).append(row)
    return found


def books(facts: Facts, most: int) -> RenderableType:
    """Show the consolidated best of every symbol, or one symbol venue by venue."""
    right = ("qty", "bid", "ask", "qty ")
    table = plain(facts.symbol or "symbol", "at", "qty", "bid", "ask", "qty ", "at ", "state", right=right)
    shown = [[row] for rows in grouped(facts).values() for row in rows] if facts.symbol else list(grouped(facts).values())
    for some in shown[:most]:
        (bid, bid_at, bid_qty), (ask, ask_at, ask_qty) = best(some, "bids"), best(some, "asks")
        states = sorted({str(s) for row in some for s in row["state"]})
        state = Text(",".join(states) or "LIVE", "red" if states else "green")
        name = some[0]["venue" if facts.symbol else "symbol"]
        table.add_row(name, bid_at, str(bid_qty or ""), bid, ask, str(ask_qty or ""), ask_at, state)
    return table


def positions(facts: Facts, most: int) -> RenderableType:
    """Show position and profit by strategy and symbol, the largest profits and losses first; the last line is the sum."""
    figures = ("position", "open", "realised", "unrealised", "fees")
    table = plain("strategy", "symbol", *figures, right=figures)
    summed: dict[tuple[str, str], list[Decimal]] = {}
    for row in facts.positions.get("positions", []):
        if facts.symbol and row["symbol"] != facts.symbol:
            continue
        one = summed.setdefault((str(row["strategy"]), str(row["symbol"])), [Decimal(0)] * 4)
        for k, name in enumerate(("position", "realised", "unrealised", "fees")):
            one[k] += Decimal(str(row[name]))
    waiting: dict[tuple[str, str], int] = {}
    for row in facts.orders.get("orders", []):
        if str(row["ord_status"]).upper() not in CLOSED:
            key = (str(row["strategy"]), str(row["symbol"]))
            waiting[key] = waiting.get(key, 0) + 1
    order = sorted(summed, key=lambda key: -abs(summed[key][1] + summed[key][2] - summed[key][3]))
    for key in order[:most]:
        held, realised, unrealised, fees = summed[key]
        table.add_row(*key, f"{held:,}", str(waiting.get(key, 0)), money(realised), money(unrealised), money(fees))
    total = [sum((values[k] for values in summed.values()), Decimal(0)) for k in range(4)]
    net = total[1] + total[2] - total[3]
    table.add_row(Text("P&L", "bold"), money(net), "", str(sum(waiting.values())), money(total[1]), money(total[2]), money(total[3]))
    return table


def orders(rows: Sequence[Answer]) -> RenderableType:
    """Show own orders that can still fill."""
    right = ("px", "leaves", "filled")
    table = plain("order", "strategy", "symbol", "at", "side", *right, "status", right=right)
    for row in rows:
        side = Text(str(row["side"]).lower(), "green" if str(row["side"]).lower() == "buy" else "magenta")
        status = str(row["ord_status"]).lower().replace("_", " ")
        table.add_row(
            str(row["cl_ord_id"]).lstrip("0"), str(row["strategy"]), str(row["symbol"]), str(row["venue"]), side, str(row["px"]),
            f"{row['leaves_qty']:,}", f"{row['cum_qty']:,}", status,
        )  # fmt: skip
    return table


def money(value: Decimal) -> Text:
    """Write an amount with two decimals; losses in red."""
    return Text(f"{value:,.2f}", "red" if value < 0 else "")


def latency(facts: Facts, stages: Sequence[str], width: int) -> RenderableType:
    """Show the waterfall of stages, medians one behind the other; tick to trade with its recent past."""
    table = plain("latency", "n", "p50", "p99", "p99.9", "max", "", right=("n", "p50", "p99", "p99.9", "max"))
    spans = cascade({stage: int(row["p50"]) for stage in PATH if (row := facts.latency.get(stage)) is not None and row["n"]}, width)
    for stage in stages:
        row = facts.latency.get(stage)
        if row is None or (stage == "kernel" and not row["n"]):
            continue  # the kernel does not stamp
        figures = [duration(int(row[name])) for name in ("p50", "p99", "p999", "max")]
        line = sparkline(facts.history, width) if stage == "tick_to_trade" else spans.get(stage, "")
        table.add_row(stage, f"{int(row['n']):,}", *figures, Text(line, "cyan" if stage == "tick_to_trade" else "blue"))
    return table


def page(facts: Facts, lines: int = 24, columns: int = 80, now_ns: int = 0) -> RenderableType:
    """Give the page for a terminal of this size."""
    room = lines - 8  # head, venues, alerts, host, three headings, the sum
    known = grouped(facts)
    few = min(sum(map(len, known.values())) if facts.symbol else len(known), max(room // 3, 1))
    held = max(room // 4, 1)
    count = max(room - few - held, 1)
    can_fill = [o for o in facts.orders.get("orders", []) if str(o["ord_status"]).upper() not in CLOSED and facts.symbol in {"", o["symbol"]}]
    own = can_fill[-max((count - LATENCIES) // 2, 0) :] if count - LATENCIES > 1 else []
    count -= len(own) + 1 if own else 0
    stages = STAGES if count >= len(STAGES) else SHOWN_FIRST[:count]
    told = (head(facts), venues(facts), alerts(facts, now_ns), host(facts))
    shown = (books(facts, few), positions(facts, held), *([orders(own)] if own else []))
    return Group(*told, *shown, latency(facts, stages, max(columns - 56, 8)))
