"""`noderrctl reasons`: why risk refuses an order, code by code. Needs no daemon."""

import argparse

from core.codes import DENIALS
from noderrd.ctl.client import show, table

HELP = "why risk refuses an order, code by code"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Show the catalogue."""
    answer = {"reasons": [{"code": code.name, "meaning": meaning} for code, meaning in DENIALS.items()]}
    return show(args, answer, table(["code", "meaning"], [[code.name, meaning] for code, meaning in DENIALS.items()]))
