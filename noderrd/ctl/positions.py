"""`noderrctl positions`: what is held, and what it earned."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "positions and profit, by strategy, symbol and venue"
COLUMNS = ("strategy", "symbol", "venue", "position", "avg_px", "realised", "unrealised", "fees")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "positions")
    return show(args, it, table(list(COLUMNS), [[str(row[name]) for name in COLUMNS] for row in it["positions"]]))
