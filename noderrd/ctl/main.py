"""`noderrctl`: the operator's command. The table of verbs is the help and the dispatcher."""

import argparse
import sys
from pathlib import Path

from noderrd.command import dispatch

ABOUT = "Ask and steer a running node; check and test what it is given."
VERBS: dict[str, tuple[str, str]] = {
    "status": ("noderrd.ctl.status", "what runs, what is connected, what is halted"),
    "journal": ("noderrd.ctl.journal", "verify, show and export the journal"),
    "why": ("noderrd.ctl.why", "what led to an order, and what became of it"),
    "host": ("noderrd.ctl.host", "tune the machine, prove it, undo it"),
    "rules": ("noderrd.ctl.rules", "check, format, compare, test and apply policy"),
}


def common(parser: argparse.ArgumentParser) -> None:
    """Declare what every verb takes."""
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's socket (else $NODERRD_SOCKET, /run/noderrd/noderrd.sock)")
    parser.add_argument("--json", action="store_true", help="one JSON object, or one a line where rows stream")


def main() -> int:
    """Entry point of the console script."""
    return dispatch("noderrctl", ABOUT, VERBS, sys.argv[1:], common=common)


if __name__ == "__main__":
    sys.exit(main())
