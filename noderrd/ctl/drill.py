"""`noderrctl drill`: prove guard, cancel-on-disconnect and kill switch on the running node."""

import argparse

from noderrd.ctl.client import ask, confirmed, show, table

HELP = "shut the sessions down, have the venues cancel, log in again, kill; for real, timed, and lifted again"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the confirmation."""
    parser.add_argument("--yes", action="store_true", help="do not ask: every open order will be canceled")


def main(args: argparse.Namespace) -> int:
    """Drill. 0 when nothing stayed open, else 1."""
    refused = confirmed(args, "every open order will be canceled")
    if refused:
        return refused
    checks = ask(args, "drill")["checks"]
    ok = all(it["ok"] for it in checks)
    rows = [
        [it["name"], "ok" if it["ok"] else "FAILED", str(it["open_before"]), str(it["open_after"]), f"{it['ns'] / 1e6:.1f}", it["why"]]
        for it in checks
    ]
    show(args, {"ok": ok, "checks": checks}, table(["drill", "result", "before", "after", "ms", "why"], rows))
    return 0 if ok else 1
