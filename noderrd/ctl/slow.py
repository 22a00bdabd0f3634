"""`noderrctl slow`: orders that were slow from tick to trade, where their time went, and what happened to the core meanwhile."""

import argparse

from noderrd.ctl.alerts import when
from noderrd.ctl.client import ask, show, table

HELP = "orders that were slow, and why"
COLUMNS = ("decode", "book", "features", "model", "strategy", "risk", "encode", "send")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "slow")
    rows = [
        [
            row["cl_ord_id"], when(row["at"]), row["venue"], row["symbol"], str(row["ns"]), *(str(row["stages"][name]) for name in COLUMNS),
            row["cause"], " ".join(f"{name}={n}" for name, n in row["evidence"].items()),
        ]
        for row in it["orders"]
    ]  # fmt: skip
    bound = f"bound {it['bound_ns']} ns" if it["bound_ns"] else "no bound yet: it takes a minute of a thousand orders, or [telemetry] slow_us"
    return show(args, it, [bound, *table(["order", "at", "venue", "symbol", "ns", *COLUMNS, "cause", "evidence"], rows)])
