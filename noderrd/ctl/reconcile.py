"""`noderrctl reconcile`: what a person has to look into before trading goes on, and their word that settles it."""

import argparse
import sys

from noderrd.ctl.client import ask, show, table

HELP = "orders whose fate is not known, refused sessions, and what is halted for them; --accept settles one"
DIFFERS = 2
USAGE = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is accepted, and why."""
    parser.add_argument(
        "--accept", metavar="WHAT", help="an order's number: it is over; a venue: it may trade again; a symbol: its fills are as here"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why, for the journal")


def main(args: argparse.Namespace) -> int:
    """Ask and show; with --accept settle first. 0 when there is nothing left, 2 when there is something, 1 when nothing was in doubt."""
    if (args.accept is None) != (args.reason is None):
        print("noderrctl: reconcile: --accept and --reason go together", file=sys.stderr)
        return USAGE
    answer = ask(args, "reconcile") if args.accept is None else ask(args, "accept", what=args.accept, reason=args.reason)
    found = answer["differences"]
    rows = [[row["venue"], row["symbol"], row["cl_ord_id"], row["what"]] for row in found]
    show(args, {"ok": not found, "differences": found}, table(["venue", "symbol", "order", "what"], rows) if rows else ["nothing to reconcile"])
    return DIFFERS if found else 0
