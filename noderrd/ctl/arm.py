"""`noderrctl arm --venue X --until 16:00` and `disarm`: whether a venue's orders are sent for real. Arming is confirmed by whoever orders it."""

import argparse
import sys

from noderrd.ctl.client import ask, show

HELP = "send a venue's orders for real until a time, or no more"
USAGE = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the venue, and for arm the end and the confirmation."""
    arming = parser.get_default("verb") == "arm"
    parser.add_argument("--venue", required=arming, metavar="NAME", help="the venue" if arming else "the venue (else all)")
    if arming:
        parser.add_argument("--until", required=True, metavar="TIME", help="16:00 of today at the host, or ISO 8601 with an offset")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def main(args: argparse.Namespace) -> int:
    """Order it. 0 done, 1 not confirmed or not done, 64 where nobody can be asked, 77 while killed."""
    if args.verb == "disarm":
        it = ask(args, "disarm", **({"venue": args.venue} if args.venue else {}))
        return show(args, {"ok": True, **it}, [f"disarm: {it['acted']} venues take no more orders"])
    would = ask(args, "arm", venue=args.venue, until=args.until)
    if not args.yes:
        if not sys.stdin.isatty():
            print(f"noderrctl: arm: {would['confirm']}: confirm with --yes", file=sys.stderr)
            return USAGE
        print(f"{would['confirm']}. Type the venue's name to go on: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != args.venue:
            print("not armed", file=sys.stderr)
            return 1
    it = ask(args, "arm", venue=args.venue, until=args.until, confirmed=True)
    return show(args, {"ok": True, **it}, [would["confirm"]])
