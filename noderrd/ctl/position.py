"""`noderrctl position`: change a position by a person's word, and show who did so and why."""

import argparse
import sys
from pathlib import Path

from noderrd.ctl.client import ask, show, table

HELP = "adjust a position, journaled with its reason; or show what was adjusted"
USAGE = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two tools."""
    parser.add_argument(
        "tool", choices=("adjust", "history"), help="adjust: add shares to a position; history: what was adjusted, out of the journal"
    )
    parser.add_argument("symbol", nargs="?", metavar="SYMBOL", help="adjust: of this symbol")
    parser.add_argument("qty", nargs="?", type=int, metavar="QTY", help="adjust: shares to add, negative to take away")
    parser.add_argument("--reason", metavar="TEXT", help="adjust: why, for the journal")
    parser.add_argument("--venue", metavar="NAME", help="adjust: at this venue, where it could be several")
    parser.add_argument("--strategy", metavar="NAME", help="adjust: of this strategy, where it could be several")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="history: a node's state folder or its journal (else that of the running node)")


def main(args: argparse.Namespace) -> int:
    """Adjust, or show. 0; 1 when it could not be done."""
    if args.tool == "history":
        return history(args)
    if args.symbol is None or args.qty is None or args.reason is None:
        print("noderrctl: position: adjust SYMBOL QTY --reason TEXT", file=sys.stderr)
        return USAGE
    it = ask(args, "adjust", symbol=args.symbol, qty=args.qty, reason=args.reason, venue=args.venue, strategy=args.strategy)
    show(args, {"ok": True, **it}, [f"{it['symbol']} at {it['venue']}, {it['strategy']}: {it['qty']:+d} shares, {it['position']} now"])
    return 0


def history(args: argparse.Namespace) -> int:
    """Show every adjustment that the journal holds."""
    from noderrd.ctl.journal import folder
    from noderrd.journal import decode
    from noderrd.journal.segment import Damaged

    try:
        found = [row for row in decode.stream(folder(args)) if row["kind"] == "ADJUSTED"]
    except (Damaged, OSError) as why:
        print(f"noderrctl: position: {why}", file=sys.stderr)
        return 1
    rows = [[str(it["ts_ns"]), it["venue"], it["symbol"], it["strategy"], f"{it['qty']:+d}", it["px"], it["said"]] for it in found]
    lines = table(["at", "venue", "symbol", "strategy", "shares", "price", "who and why"], rows) if rows else ["nothing was adjusted"]
    show(args, {"adjustments": found}, lines)
    return 0
