"""`noderrctl day`: the days that were ended and sealed, and the end of one now."""

import argparse

from noderrd.ctl.client import ask, confirmed, show, table

HELP = "days that were ended: what was open, what differed; `end` ends one now"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what may be asked."""
    parser.add_argument("tool", nargs="?", choices=("list", "end"), default="list", help="list (default), or end: cancel, compare, seal, now")
    parser.add_argument("--yes", action="store_true", help="end: do not ask; every open order will be canceled")


def main(args: argparse.Namespace) -> int:
    """Show days, or end one. 0; 1 when a day did not end clean."""
    if args.tool == "list":
        days = ask(args, "days")["days"]
        rows = [[str(it["day"]), "clean" if it["clean"] else "NOT CLEAN", str(it["open"]), str(len(it["differences"])), it["by"]] for it in days]
        show(args, {"days": days}, table(["day", "end", "open", "differences", "by"], rows) if rows else ["no day was ended yet"])
        return 0
    refused = confirmed(args, "every open order will be canceled")
    if refused:
        return refused
    it = ask(args, "end-day")["day"]
    show(args, {"ok": it["clean"], **it}, [f"{it['day']}: {'sealed' if it['clean'] else 'NOT CLEAN'}, {it['open']} open"])
    return 0 if it["clean"] else 1
