"""The day report: one HTML file that needs no network, no script and nothing beside it; light or dark as the reader's system is."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.codes import Stage
from core.layout import PATH
from noderrd.telemetry import hdr, trading
from noderrd.telemetry.chart import Chart
from noderrd.telemetry.day import LATENCIES, SECOND, Day

HORIZON_NS = 5 * SECOND  # of realised spread and adverse selection
DRAWN = 6  # symbols with a chart of their own, those with most fills
QUANTILES = (50, 90, 99, 99.9)
STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #6b7280; --rule: #d9dde3; --paper: #ffffff; --a: #1f6feb; --buy: #1a7f4b; --sell: #c2362b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #98a1ad; --rule: #333a44; --paper: #14171b; --a: #6ea8ff; --buy: #4cc38a; --sell: #ff7b72; }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 920px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.2rem; } p { color: var(--soft); margin: 0.2rem 0 0.6rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid var(--rule); padding: 0.2rem 0.9rem 0.2rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; } th { color: var(--soft); font-weight: normal; }
svg { display: block; height: auto; width: 100%; }
.axis { fill: var(--soft); font: 11px system-ui, sans-serif; } .grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 1.5; } .a { stroke: var(--a); } .bar { fill: var(--a); } .buy { fill: var(--buy); } .sell { fill: var(--sell); }
"""


def page(day: Day, node: str) -> str:
    """Give the whole file."""
    begin = datetime.fromtimestamp(day.begin_ns // SECOND, UTC)
    title = f"{node}, {begin:%Y-%m-%d}"
    parts = [
        f"<h1>{html.escape(title)}</h1><p>Times are UTC. Out of the journal, positions at the middle of the book.</p>",
        *_summary(day),
        *_equity(day),
        *_prices(day),
        *_venues(day),
        *_latency(day),
        *_waterfall(day),
        *_counts("Denials by reason", "reason", day.denials.most_common()),
        *_alerts(day),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def clock(at_ns: float) -> str:
    """Write a time of the day."""
    return f"{datetime.fromtimestamp(at_ns / SECOND, UTC):%H:%M:%S}"


def micro(ns: float) -> str:
    """Write a time in microseconds."""
    return f"{ns / 1000:,.2f}" if ns < 10_000 else f"{ns / 1000:,.1f}"


def span(ns: float) -> str:
    """Write a time on an axis, in the unit that suits it."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= size:
            return f"{float(f'{ns / size:.3g}'):g} {unit}"
    return f"{ns:.3g} ns"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(value: float, form: str = ",.2f") -> str:
    return "" if math.isnan(value) else format(value, form)


def _summary(day: Day) -> list[str]:
    curve = np.array([value for _, value in day.equity])
    keys = sorted({(fill["strategy"], fill["symbol"], fill["venue"]) for fill in day.fills})
    trades = np.concatenate([np.zeros(0), *(trading.closed(day.table(strategy=a, symbol=b, venue=c)) for a, b, c in keys)])
    rows = [
        ("orders sent", f"{day.counts['orders']:,}"),
        ("fills", f"{len(day.fills):,}"),
        ("rejected by venues", f"{day.counts['rejects']:,}"),
        ("denied by risk", f"{sum(day.denials.values()):,}"),
        ("profit", _figure(curve[-1] - curve[0]) if len(curve) else ""),
        ("fees", _figure(sum(fill["fee"] for fill in day.fills))),
        ("turnover", _figure(trading.turnover(day.table()))),
        ("greatest drawdown", _figure(trading.max_drawdown(curve)) if len(curve) else ""),
        ("profit factor", _figure(trading.profit_factor(trades))),
        ("hit ratio", _figure(trading.hit_ratio(trades), ".1%")),
    ]
    return [_table(("", "the day"), rows)]


def _equity(day: Day) -> list[str]:
    if not any(value for _, value in day.equity):
        return ["<h2>Profit</h2><p>No position was held.</p>"]
    times, values = [t for t, _ in day.equity], [v for _, v in day.equity]
    chart = Chart("Profit over the day", (times[0], times[-1]), (min(values), max(values)), clock, "currency")
    chart.line(day.equity, "a")
    return ["<h2>Profit</h2>", chart.svg()]


def _prices(day: Day) -> list[str]:
    filled = {symbol: sum(fill["symbol"] == symbol for fill in day.fills) for symbol in day.mids}
    found = []
    for symbol in sorted(day.mids, key=lambda name: -filled[name])[:DRAWN]:
        mids = day.mids[symbol]
        bought, sold = ([(float(f["ts_ns"]), f["px"]) for f in day.fills if f["symbol"] == symbol and f["side"] == side] for side in (1, -1))
        values = [v for _, v in (*mids, *bought, *sold)]
        chart = Chart(f"{symbol}: mid and fills", (mids[0][0], mids[-1][0]), (min(values), max(values)), clock, "price")
        chart.line(mids, "a")
        chart.marks(bought, "buy", up=True)
        chart.marks(sold, "sell", up=False)
        found.append(f"<h2>{html.escape(symbol)}</h2><p>Mean of all mids; {len(bought)} times bought, {len(sold)} times sold.</p>{chart.svg()}")
    return found


def _venues(day: Day) -> list[str]:
    rows = []
    for venue in sorted({fill["venue"] for fill in day.fills}):
        fills = day.table(venue=venue)
        later = _later(day, [fill for fill in day.fills if fill["venue"] == venue])
        figures = (
            trading.slippage_bps(fills), trading.effective_spread_bps(fills), trading.realised_spread_bps(fills, later),
            trading.adverse_selection_bps(fills, later),
        )  # fmt: skip
        rows.append((venue, f"{len(fills):,}", f"{int(fills['qty'].sum()):,}", *(_figure(value) for value in figures)))
    if not rows:
        return []
    names = ("venue", "fills", "shares", "slippage, bps", "effective spread, bps", "realised spread, bps", "adverse selection, bps")
    return [f"<h2>Venues</h2><p>Against the mid; realised spread and adverse selection {HORIZON_NS // SECOND} s later.</p>", _table(names, rows)]


def _later(day: Day, fills: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Give the mid of each fill's symbol at the horizon (the day's last, where that is later), as Day.table has prices: float64, NaN for none."""
    found = np.full(len(fills), math.nan)
    for symbol in {str(fill["symbol"]) for fill in fills} & set(day.mids):
        mine = [k for k, fill in enumerate(fills) if fill["symbol"] == symbol]
        times, mids = np.array(day.mids[symbol]).T
        at = np.searchsorted(times, [fills[k]["ts_ns"] + HORIZON_NS for k in mine], side="right") - 1
        found[mine] = mids[np.maximum(at, 0)] * [float(fills[k]["times"]) for k in mine]
    return found


def _latency(day: Day) -> list[str]:
    found, rows = ["<h2>Latency</h2><p>From the journal's times: receive to send of an order, send to the venue's answer, send to a fill.</p>"], []
    for name in LATENCIES:
        values = np.array(day.latencies[name])
        values = values[values > 0]
        if not len(values):
            continue
        told = np.percentile(values, QUANTILES, method="inverted_cdf")
        rows.append((name.replace("_", " "), f"{len(values):,}", *(micro(value) for value in (*told, values.max()))))
        edges = np.geomspace(values.min(), max(values.max(), values.min() * 1.01), 61)
        heights = np.histogram(values, edges)[0]
        logs = np.log10(edges)
        chart = Chart(f"{name}: how often", (logs[0], logs[-1]), (0, float(heights.max())), lambda x: span(10**x), "orders")
        chart.bars([(float(logs[k]), float(logs[k + 1]), float(n)) for k, n in enumerate(heights) if n], "bar")
        found.append(f"<h2>{html.escape(name.replace('_', ' '))}</h2>{chart.svg()}")
    if not rows:
        return []
    return [found[0], _table(("us", "n", "p50", "p90", "p99", "p99.9", "max"), rows), *found[1:]]


def _waterfall(day: Day) -> list[str]:
    """Show for each venue and class which stage took how long: medians one behind the other, and a table."""
    found = []
    for (venue, kind), counts in sorted(day.paths.items()):
        told = {stage: hdr.summary(counts[stage]) for stage in Stage if counts[stage].any()}
        path, at, spans = [stage for stage in told if stage < PATH], 0.0, []
        for stage in path:
            spans.append((at, at + told[stage]["p50"], stage.name.lower()))
            at = spans[-1][1]
        title = venue if kind == "all" else f"{venue}, {kind}"
        chart = Chart(f"{title}: median of each stage, one behind the other", (0.0, at), None, span)
        chart.spans(spans)
        rows = [
            (stage.name.lower().replace("_", " "), f"{it['n']:,}", *(micro(it[name]) for name in ("p50", "p90", "p99", "p999", "max")))
            for stage, it in told.items()
        ]
        found += [f"<h3>{html.escape(title)}</h3>{chart.svg()}", _table(("us", "n", "p50", "p90", "p99", "p99.9", "max"), rows)]
    if not found:
        return []
    words = "Of single orders, by venue and class of symbol. Order by order, the stages up to send sum to tick to trade; their medians need not."
    return [f"<h2>Waterfall</h2><p>{words}</p>", *found]


def _counts(title: str, name: str, rows: Sequence[tuple[str, int]]) -> list[str]:
    return [f"<h2>{title}</h2>", _table((name, "n"), [(key, f"{n:,}") for key, n in rows])] if rows else []


def _alerts(day: Day) -> list[str]:
    rows = [(line.get("alert"), clock(line["since"]), line.get("state"), line.get("value"), line.get("rule")) for line in day.alerts]
    return ["<h2>Alerts</h2>", _table(("alert", "at", "state", "value", "rule"), rows[:200])] if rows else []
