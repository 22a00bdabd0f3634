"""`noderrctl rules explain ALERT`: why an alert's condition is or is not true now, with the values."""

import argparse

from noderrd.ctl.client import ask, show


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the name."""
    parser.add_argument("rule", metavar="ALERT", help="its name in the rules")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "explain", rule=args.rule)
    word = {True: "true", False: "not true", None: "not known: a value is missing"}[it["true"]]
    return show(args, it, [f"{args.rule} ({it['rule']}) is {word}", *(f"  {line}" for line in it["trace"])])
