"""`noderrctl reconcile`: what a person has to look into before trading goes on."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "orders whose fate is not known, refused sessions, and what is halted for them"
DIFFERS = 2


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show. 0 when there is nothing, 2 when there is something."""
    found = ask(args, "reconcile")["differences"]
    rows = [[row["venue"], row["symbol"], row["cl_ord_id"], row["what"]] for row in found]
    show(args, {"ok": not found, "differences": found}, table(["venue", "symbol", "order", "what"], rows) if rows else ["nothing to reconcile"])
    return DIFFERS if found else 0
