"""Grafana dashboards, written from tables: `python -m noderrd.telemetry.dashboards DIR`. The files in etc/grafana are this program's output.

A panel is a title, a unit of Grafana's, and its queries; a test puts every query to a real Prometheus.
"""

import json
import sys
from pathlib import Path
from typing import Any

Panel = tuple[str, str, dict[str, str]]  # title, unit, query to legend

RATE = "[1m]"
DROPS = ("truncated", "oversized", "unknown", "session", "garbage", "soup", "ouch")
PATH = 'histogram_quantile(0.5, sum by (le, {by}) (rate(noderrd_order_path_seconds_bucket{{stage!=""{more}}}[1m])))'
QUANTILE = "histogram_quantile({q}, sum by (le{by}) (rate(noderrd_latency_seconds_bucket{{{labels}}}[1m])))"


def quantile(q: float, labels: str = "", by: str = "") -> str:
    """Give the query for a quantile of latency."""
    return QUANTILE.format(q=q, labels=labels, by=f", {by}" if by else "")


NODE: tuple[Panel, ...] = (
    ("Lanes up", "bool_on_off", {"noderrd_lane_up": "{{lane}}"}),
    ("Order sessions up", "bool_on_off", {"noderrd_order_session_up": "{{venue}}"}),
    ("Halted", "bool", {"noderrd_halted": "{{scope}} {{name}}"}),
    ("Lane restarts", "short", {"noderrd_lane_restarts_total": "{{lane}}"}),
    ("Feed age", "s", {"noderrd_feed_age_seconds": "{{venue}}"}),
    ("Books live", "short", {"sum by (venue) (noderrd_book_live)": "{{venue}}"}),
    ("Feed messages", "cps", {f"rate(noderrd_feed_messages_total{RATE})": "{{lane}}"}),
    ("Datagrams by line", "cps", {f"rate(noderrd_feed_line_datagrams_total{RATE})": "{{venue}} {{line}}"}),
    ("Gaps and requests", "cps", {f"rate(noderrd_feed_gaps_total{RATE})": "gaps", f"rate(noderrd_feed_rerequests_total{RATE})": "requests"}),
    ("Dropped", "cps", {f"rate(noderrd_drop_{why}_total{RATE})": why for why in DROPS}),
    ("Journal backlog", "short", {"noderrd_journal_backlog_records": "{{lane}}"}),
    ("Lane heartbeat age", "s", {"noderrd_lane_heartbeat_age_seconds": "{{lane}}"}),
    ("Alerts: time to evaluate all, p99", "s", {"histogram_quantile(0.99, sum by (le) (rate(noderrd_alert_round_seconds_bucket[1m])))": "p99"}),
    (
        "Alerts: rounds, and rounds left out",
        "cps",
        {f"rate(noderrd_alert_rounds_total{RATE})": "rounds", f"rate(noderrd_alert_rounds_skipped_total{RATE})": "left out"},
    ),
)
LATENCY: tuple[Panel, ...] = (
    (
        "Tick to trade",
        "s",
        {quantile(q, 'stage="tick_to_trade"'): name for q, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"))},
    ),
    ("Stages, p50", "s", {quantile(0.5, by="stage"): "{{stage}}"}),
    ("Stages, p99", "s", {quantile(0.99, by="stage"): "{{stage}}"}),
    ("Ack and fill, p99", "s", {quantile(0.99, 'stage=~"ack|fill"', "stage"): "{{stage}}"}),
    ("Stages of single orders by venue, p50", "s", {PATH.format(by="venue, stage", more=""): "{{venue}} {{stage}}"}),
    ("Tick to trade by class, p99", "s", {PATH.format(by="class", more=', stage="tick_to_trade"').replace("(0.5", "(0.99"): "{{class}}"}),
    ("Loop turns", "cps", {f"rate(noderrd_loop_turns_total{RATE})": "{{lane}}"}),
    ("Late strategy calls", "cps", {f"rate(noderrd_strategy_over_budget_total{RATE})": "{{lane}}"}),
)
TRADING: tuple[Panel, ...] = (
    (
        "Orders",
        "cps",
        {f"rate(noderrd_{name}_total{RATE})": name for name in ("orders", "replaces", "cancels", "fills", "orders_rejected", "denials")},
    ),
    ("Position", "short", {"sum by (symbol, strategy) (noderrd_position_shares)": "{{symbol}} {{strategy}}"}),
    ("Realised profit, fees taken off", "currencyUSD", {"sum by (strategy) (noderrd_realised_pnl - noderrd_fees_paid)": "{{strategy}}"}),
    ("Open shares", "short", {"sum by (symbol, side) (noderrd_open_shares)": "{{symbol}} {{side}}"}),
    ("Open orders", "short", {"noderrd_open_orders": "{{lane}}"}),
    ("Best bid", "none", {"max by (symbol) (noderrd_book_best_bid_price)": "{{symbol}}"}),
    ("Fills an order", "percentunit", {f"rate(noderrd_fills_total{RATE}) / (rate(noderrd_orders_total{RATE}) > 0)": "{{lane}}"}),
    ("Venue scores", "none", {"noderrd_venue_score": "{{venue}}"}),
    ("Fill ratio", "percentunit", {"noderrd_fill_ratio": "{{strategy}} {{symbol}} {{venue}}"}),
    ("Slippage and spread", "none", {f"noderrd_{name}_bps": name + " {{strategy}} {{venue}}" for name in ("slippage", "effective_spread")}),
    (
        "Realised spread and adverse selection",
        "none",
        {f"noderrd_{name}_bps": name + " {{strategy}} {{venue}} {{horizon}}" for name in ("realised_spread", "adverse_selection")},
    ),
    ("Drawdown", "currencyUSD", {"noderrd_max_drawdown_value": "{{strategy}}"}),
    ("Inventory", "currencyUSD", {"noderrd_inventory_value": "{{strategy}}"}),
    ("Turnover", "currencyUSD", {f"rate(noderrd_turnover_value_total{RATE})": "{{strategy}}"}),
    ("Sharpe and Sortino", "none", {f"noderrd_{name}_ratio": name + " {{strategy}}" for name in ("sharpe", "sortino")}),
    ("Profit factor and hit ratio", "none", {"noderrd_profit_factor": "profit factor {{strategy}}", "noderrd_hit_ratio": "hits {{strategy}}"}),
    ("Model runs", "cps", {f"rate(noderrd_model_runs_total{RATE})": "{{lane}}"}),
)
CHAOS: tuple[Panel, ...] = (
    ("Lane restarts", "short", {"noderrd_lane_restarts_total": "{{lane}}"}),
    ("Halted", "bool", {"noderrd_halted": "{{scope}} {{name}}"}),
    ("Circuits open", "bool", {"noderrd_circuit_open": "{{part}}", "noderrd_circuit_half_open": "{{part}}, half open"}),
    ("Halt decided to met by the loop, p99", "s", {"histogram_quantile(0.99, sum by (le) (rate(noderrd_halt_seen_seconds_bucket[5m])))": "p99"}),
    ("Alerts that fire", "bool", {"noderrd_alert_firing": "{{alert}}"}),
    ("Sessions lost and begun", "cps", {f"rate(noderrd_{name}_total{RATE})": name for name in ("disconnects", "logins")}),
    ("Gaps, retransmissions, snapshots", "cps", {f"rate(noderrd_feed_{name}_total{RATE})": name for name in ("gaps", "rerequests", "snapshots")}),
    ("Books live", "short", {"sum by (venue) (noderrd_book_live)": "{{venue}}"}),
    ("Books audited, and not as their orders", "cps", {f"rate(noderrd_book_{name}_total{RATE})": name for name in ("audits", "audit_breaches")}),
    ("Model and strategy faults", "cps", {f"rate(noderrd_{name}_total{RATE})": name for name in ("model_faults", "strategy_faults")}),
    ("Journal records left out and lost", "cps", {f"rate(noderrd_journal_{name}_total{RATE})": name for name in ("skipped", "lost")}),
    ("Tick to trade, p99", "s", {quantile(0.99, 'stage="tick_to_trade"'): "p99"}),
)
MESH: tuple[Panel, ...] = (
    ("Wall clock: offset", "s", {"noderrd_clock_offset_seconds": "{{source}}"}),
    ("Wall clock: error bound", "s", {"noderrd_clock_error_seconds": "{{source}}"}),
    ("Wall clock kept", "bool_on_off", {"noderrd_clock_synchronised": "{{source}}"}),
    ("Lane's clock: drift in a second", "s", {"noderrd_lane_clock_drift_seconds": "{{lane}}"}),
    ("Distance of the venues", "s", {"noderrd_venue_probe_seconds": "{{venue}} {{part}}"}),
    ("Probes that were not answered", "percentunit", {"noderrd_venue_probe_loss_ratio": "{{venue}}"}),
    ("Messages to people waiting", "short", {"noderrd_notifications_waiting": "{{target}}"}),
)
# What a dashboard is for; of mesh and chaos only what exists has panels: no panel is ever without data.
ABOUT = {
    "node": "Is it up, connected, halted; what comes in and what is lost.",
    "latency": "Where the time goes from tick to trade.",
    "trading": "Orders, positions, profit, and how good the executions are.",
    "chaos": "What faults do to the node and how it comes back from them, planted ones or not.",
    "mesh": "What agreement with others stands on: clocks, distances, and messages that get through.",
}
DASHBOARDS = {"node": NODE, "latency": LATENCY, "trading": TRADING, "mesh": MESH, "chaos": CHAOS}


def dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """Give a dashboard of two columns (Grafana's JSON model, schema 39)."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    made = []
    for k, (title, unit, queries) in enumerate(panels):
        targets = [{"datasource": source, "expr": q, "legendFormat": legend, "refId": chr(65 + n)} for n, (q, legend) in enumerate(queries.items())]
        made.append(
            {
                "id": k + 1,
                "title": title,
                "type": "timeseries",
                "datasource": source,
                "gridPos": {"h": 8, "w": 12, "x": 12 * (k % 2), "y": 8 * (k // 2)},
                "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
                "targets": targets,
            }
        )
    variable = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    return {
        "uid": f"noderrd-{name}",
        "title": f"noderrd: {name}",
        "description": ABOUT[name],
        "tags": ["noderrd"],
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [variable]},
        "panels": made,
    }


def files() -> dict[str, str]:
    """Give every file's name and text."""
    return {f"{name}.json": json.dumps(dashboard(name, panels), indent=1) + "\n" for name, panels in DASHBOARDS.items()}


def main() -> int:
    """Write the files into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
