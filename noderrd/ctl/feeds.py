"""`noderrctl feeds`: what each line of each feed received, lost, sent twice or late, and what was recovered."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "the lines of the feeds: received, lost, late, twice, dropped by the kernel"
NAMES = (
    "venue", "line", "received", "lost", "duplicate", "out_of_order", "late", "recovered", "kernel_drops", "skew_ns", "waited_ns", "receive", "stamp",
)  # fmt: skip


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "feeds")
    rows = [["" if line[name] is None else str(line[name]) for name in NAMES] + [",".join(line["state"]) or "LIVE"] for line in it["lines"]]
    return show(args, it, table([*(name.replace("_", " ") for name in NAMES), "state"], rows))
