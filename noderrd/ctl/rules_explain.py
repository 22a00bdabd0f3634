"""`noderrctl rules explain RULE`: why a rule is or is not true now, with the values."""

import argparse

from noderrd.ctl.client import ask, show

WORDS = {True: "true", False: "not true"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the name."""
    parser.add_argument("rule", nargs="+", metavar="RULE", help="as it is written (risk default, alert slow_tick), its name alone, or file:line")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    name = " ".join(args.rule)
    it = ask(args, "explain", rule=name)
    unknown = "not known: a value is missing" if it["value"] is None and it["threshold"] is not None else "neither true nor false"
    word = WORDS.get(it["true"], unknown)
    return show(args, it, [f"{name} ({it['rule']}) is {word}", *(f"  {line}" for line in it["trace"])])
