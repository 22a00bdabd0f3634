"""docs/metrics.md, written from the catalogue: `python -m noderrd.telemetry.reference > docs/metrics.md`."""

import sys

from noderrd.telemetry.catalog import BOUNDS_NS, COUNTERS, OTHERS, OWN, STAGES, TRADING

HEAD = """\
# Metrics

Written by `python -m noderrd.telemetry.reference` from noderrd/telemetry/catalog.py; what stands here is what `/metrics` gives, and a test holds
both together. Names, units and labels are Prometheus' conventions: base units (seconds), `_total` for what only rises. They are read at the scrape
from the lanes' shared memory; no lane notices. With `Accept: application/openmetrics-text` the answer is OpenMetrics.

Cardinality is bounded: labels are lanes, stages, and the names of configuration and policy (venues, symbols, strategies, alerts, targets), never
orders.

What rules may ask for has names of its own: [rules-reference.md](rules-reference.md).
"""


def text() -> str:
    """Give the whole file."""
    counters = [(f"noderrd_{name}_total", "counter", "lane", words) for name, words in COUNTERS.values()]
    bounds = ", ".join(_seconds(ns) for ns in BOUNDS_NS)
    parts = [
        HEAD,
        "## Of a lane, its venues, books and positions",
        _table([(name, kind, ", ".join(labels), words) for name, (kind, labels, words) in OTHERS.items()]),
        f"`stage` is one of {', '.join(STAGES)}. Buckets of all latencies end at {bounds}.",
        "## What a lane counts",
        _table(counters),
        "## Of orders and executions",
        _table([(name, kind, ", ".join(labels), words) for name, (kind, labels, words) in TRADING.items()]),
        "Definitions are those of noderrd/telemetry/trading.py, with their sources; `horizon` is 1s, 5s or 30s.",
        "## Of the daemon",
        _table([(name, kind, ", ".join(labels), words) for name, (kind, labels, words) in OWN.items()]),
        "Beside these, `process_*` and `python_*` of the daemon itself are what the Prometheus client library gives.",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {kind} | {labels} | {words} |" for name, kind, labels, words in rows])


def _seconds(ns: int) -> str:
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= size:
            return f"{ns // size} {unit}"
    return f"{ns} ns"


if __name__ == "__main__":
    sys.stdout.write(text())
