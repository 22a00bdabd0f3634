"""`noderrctl latency`: percentiles of every stage of the path."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "latency by stage, in nanoseconds"
COLUMNS = ("n", "p50", "p90", "p99", "p999", "max")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "latency")
    return show(args, it, table(["stage", *COLUMNS], [[stage, *(str(row[name]) for name in COLUMNS)] for stage, row in it.items()]))
