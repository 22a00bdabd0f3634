"""`noderrctl venues`: how good each venue is just now, and what that is made of."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "how good each venue is just now: score, distance, loss"
PARTS = ("latency", "cost", "liquidity", "reliability")


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "venues")
    rows = []
    for venue in it["venues"]:
        away, lost = venue["distance_ns"], venue["lost"]
        parts = [f"{_shown(venue['parts'][part])} x {venue['weights'][part]:g}" for part in PARTS]
        rows.append(
            [venue["venue"], _shown(venue["value"]), *parts, "-" if away is None else f"{away / 1000:.0f} us", "-" if lost is None else f"{lost:.1%}"]
        )
    return show(args, it, table(["venue", "score", *PARTS, "away", "lost"], rows))


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
