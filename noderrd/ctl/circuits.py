"""`noderrctl circuits`, `close PART --reason TEXT`: what alerts hold back, and a person's word that ends it."""

import argparse

from noderrd.ctl.alerts import when
from noderrd.ctl.client import ask, show, table

HELP = "what alerts hold back: since when, why, until when; close ends it"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is closed, and why."""
    if parser.get_default("verb") == "close":
        parser.add_argument("part", metavar="PART", help="as noderrctl circuits shows it: router, 'venue EDGE'")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for the journal")


def main(args: argparse.Namespace) -> int:
    """Ask and show; close first."""
    it = ask(args, "close", part=args.part, reason=args.reason) if args.verb == "close" else ask(args, "circuits")
    rows = [
        [row["part"], row["state"], when(row["since"]), when(row["until"]) if row["until"] else "", row["alert"], row["why"], row["closed_by"]]
        for row in it["circuits"]
    ]
    lines = table(["part", "state", "since", "until", "alert", "why", "closed by"], rows) if rows else ["nothing is held back"]
    return show(args, it if args.verb == "circuits" else {"ok": True, **it}, lines)
