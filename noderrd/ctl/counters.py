"""`noderrctl counters`: everything that the lane counts."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "what the lane counted"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "counters")
    return show(args, it, table(["counter", "n"], [[name, str(n)] for name, n in it["counters"].items()]))
