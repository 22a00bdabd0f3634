"""`noderrctl instruments`: every symbol at every venue, with its tick, lot and trading state."""

import argparse
from datetime import datetime
from typing import Any

from noderrd.ctl.client import ask, show, table

HELP = "instruments: ticks, lots, trading states and phases"
NAMES = ("symbol", "venue", "venue_symbol", "currency", "ticks", "lot", "round_lot", "trading", "phase", "closes", "volume", "last")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "instruments")
    rows = [[_cell(row, name) for name in NAMES] + [",".join(row["state"]) or "LIVE"] for row in it["instruments"]]
    return show(args, it, table([*(name.replace("_", " ") for name in NAMES), "state"], rows))


def _cell(row: dict[str, Any], name: str) -> str:
    """Write one cell: ticks that depend on the price as `0.0001, 0.01 from 1.0000`, a close as the host's time of day."""
    if name == "ticks":
        return ", ".join(tick if not k else f"{tick} from {px}" for k, (px, tick) in enumerate(row["ticks"]))
    if name == "closes":
        at = (row["session"] or {}).get("closes")
        return datetime.fromtimestamp(at / 1e9).astimezone().isoformat(" ", "minutes") if at else ""
    value = row["directory"]["round_lot"] if name == "round_lot" else row[name]
    return "" if value is None else str(value)
