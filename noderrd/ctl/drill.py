"""`noderrctl drill`: prove guard, cancel-on-disconnect and kill switch on the running node."""

import argparse
import sys

from noderrd.ctl.client import ask, show, table

HELP = "shut the sessions down, have the venues cancel, log in again, kill; for real, timed, and lifted again"
USAGE = 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the confirmation."""
    parser.add_argument("--yes", action="store_true", help="do not ask: every open order will be canceled")


def main(args: argparse.Namespace) -> int:
    """Drill. 0 when nothing stayed open, else 1."""
    if not args.yes:
        if not sys.stdin.isatty():
            print("noderrctl: drill: every open order will be canceled: confirm with --yes", file=sys.stderr)
            return USAGE
        print("Every open order will be canceled. Type yes to go on: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != "yes":
            return 1
    checks = ask(args, "drill")["checks"]
    ok = all(it["ok"] for it in checks)
    rows = [
        [it["name"], "ok" if it["ok"] else "FAILED", str(it["open_before"]), str(it["open_after"]), f"{it['ns'] / 1e6:.1f}", it["why"]]
        for it in checks
    ]
    show(args, {"ok": ok, "checks": checks}, table(["drill", "result", "before", "after", "ms", "why"], rows))
    return 0 if ok else 1
