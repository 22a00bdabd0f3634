"""`noderrctl status`: what runs, what is connected, what is halted."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "what runs, what is connected, what is halted"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "status")
    lines = [f"{it['name']}: {it['state']}, {it['mode']} (noderrd {it['version']}, policy {it['policy']}, state in {it['paths']['state']})", ""]
    lines += table(
        ["process", "pid", "state", "restarts"], [[p["name"], str(p["pid"] or ""), p["state"], str(p["restarts"])] for p in it["processes"]]
    )
    lines.append("")
    rows = [
        [
            v["name"],
            v["mode"],
            str(v["feed"]["next_seq_num"]),
            ",".join(v["feed"]["state"]) or "LIVE",
            str(v["orders"]["next_seq_num"]),
            v["orders"]["state"],
        ]
        for v in it["venues"]
    ]
    lines += table(["venue", "mode", "feed next", "feed", "orders next", "orders"], rows)
    if it["halts"]:
        lines += ["", *table(["halted", "reason"], [[h["scope"], h["reason"]] for h in it["halts"]])]
    return show(args, it, lines)
