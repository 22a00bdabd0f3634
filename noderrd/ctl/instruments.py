"""`noderrctl instruments`: every symbol at every venue, with its tick, lot and trading state."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "instruments: ticks, lots, trading states and phases"
NAMES = ("symbol", "venue", "venue_symbol", "currency", "tick", "lot", "trading", "phase", "volume", "last")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "instruments")
    rows = [["" if row[name] is None else str(row[name]) for name in NAMES] + [",".join(row["state"]) or "LIVE"] for row in it["instruments"]]
    return show(args, it, table([*(name.replace("_", " ") for name in NAMES), "state"], rows))
