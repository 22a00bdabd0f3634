"""`noderrctl report --date D --out FILE.html`: what a day brought, as one file. Works on a stopped node's folder too."""

import argparse
import datetime as dt
import json
import sys
from pathlib import Path

HELP = "write what a day brought as one HTML file"


def day(text: str) -> dt.date:
    """Read YYYY-MM-DD. Raises argparse.ArgumentTypeError."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        message = f"a day as 2026-11-25 is wanted, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--date", type=day, default=dt.datetime.now(dt.UTC).date(), metavar="D", help="the day, UTC (today)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="a node's state folder (else that of the running node)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the file to write")


def main(args: argparse.Namespace) -> int:
    """Write it. 0; 1 when the journal cannot be read or the file not written."""
    from noderrd.journal.segment import Damaged
    from noderrd.telemetry import day as days
    from noderrd.telemetry.report import page

    if args.dir is None:
        from noderrd.ctl.client import ask

        args.dir = Path(ask(args, "status")["paths"]["state"])
    try:
        found = days.read(args.dir, args.date)
        args.out.write_text(page(found, args.dir.resolve().name), "utf-8")
    except (Damaged, OSError) as why:
        print(f"noderrctl report: {why}", file=sys.stderr)
        return 1
    said = {"ok": True, "file": str(args.out), "orders": found.counts["orders"], "fills": len(found.fills)}
    print(json.dumps(said) if args.json else f"{args.out}: {said['orders']} orders, {said['fills']} fills")
    return 0
