"""`noderrctl alerts`, `silence ALERT --for 10min`, `acknowledge ALERT`: what fires, and who sees to it."""

import argparse
import datetime as dt

from noderrd.ctl.client import ask, show, table
from noderrd.ctl.latency import seconds

HELP = "alerts that are pending, fire or were resolved"
SECOND = 1_000_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what each verb takes."""
    verb = parser.get_default("verb")
    if verb == "alerts":
        parser.add_argument("--history", action="store_true", help="every change, oldest first")
        return
    parser.add_argument("alert", metavar="ALERT", help="its name in the rules")
    if verb == "silence":
        parser.add_argument("--for", dest="seconds", type=seconds, default=600.0, metavar="10min", help="for so long (10min); 0s ends a silence")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    if args.verb == "alerts":
        it = ask(args, "alerts", **({"history": True} if args.history else {}))
        rows = [
            [row["alert"], row["severity"], row["state"], when(row["since"]), said(row["value"]), said(row["threshold"]), row["rule"], note(row)]
            for row in it["alerts"]
        ]
        return show(args, it, table(["alert", "severity", "state", "since", "value", "threshold", "rule", "note"], rows))
    more = {"seconds": args.seconds} if args.verb == "silence" else {}
    it = ask(args, args.verb, alert=args.alert, **more)
    return show(args, {"ok": True, **it}, [f"{args.verb}: done"])


def when(at_ns: int) -> str:
    """Write a time, UTC."""
    return dt.datetime.fromtimestamp(at_ns / SECOND, dt.UTC).isoformat(sep=" ", timespec="milliseconds")[:-6]


def said(value: float | None) -> str:
    """Write a value in base units (ns, shares, currency); nothing for none."""
    return "" if value is None else f"{value:,.6g}"


def note(row: dict[str, object]) -> str:
    """Say who sees to it, or silenced it."""
    return ", ".join(f"{word} {row[key]}" for word, key in (("seen by", "acknowledged_by"), ("silenced by", "silenced_by")) if row[key])
