"""`noderrctl top`: everything on one terminal."""

import argparse
import json
import os
import sys
import time
from functools import partial
from typing import Any

from noderrd.ctl.client import NO_DAEMON, Away, path_of, put

HELP = "all of it on one terminal"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--once", action="store_true", help="print the page once, without colours where it goes to no terminal")
    parser.add_argument("--interval", type=float, default=0.5, metavar="S", help="seconds between two looks (0.5)")


def main(args: argparse.Namespace) -> int:
    """Show until left. 69 when no daemon answers at the start."""
    from noderrd.top.app import Top, gather

    ask = partial(put, path_of(args))
    try:
        facts = gather(ask)
    except Away as why:
        print(f"noderrctl: {why}", file=sys.stderr)
        return NO_DAEMON
    if args.json:
        said: dict[str, Any] = {name: getattr(facts, name) for name in ("status", "books", "positions", "orders", "latency", "alerts")}
        print(json.dumps(said))
        return 0
    if args.once:
        from rich.console import Console

        from noderrd.top.page import page

        columns, lines = int(os.environ.get("COLUMNS") or 80), int(os.environ.get("LINES") or 24)
        Console(width=columns, height=lines).print(page(facts, lines, columns, time.time_ns()), end="")
        return 0
    return Top(ask, max(args.interval, 0.05)).run() or 0
