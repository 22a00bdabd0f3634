"""`noderrctl status`: what runs, what is connected, what is halted."""

import argparse
from typing import Any

from noderrd.ctl.client import ask, show, table

HELP = "what runs, what is connected, what is halted"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def _away(venue: str, probe: dict[str, Any]) -> str:
    """Say how far a venue is, and what could not be measured."""
    parts = [f"{part} {probe[f'{part}_ns'] / 1000:.0f} us" for part in ("tcp", "tls", "ping") if probe[f"{part}_ns"] is not None]
    return f"{venue} is away: {', '.join([*parts, *(f'{part} failed ({why})' for part, why in probe['failed'].items())])}"


def _clock(clock: dict[str, Any]) -> str:
    """Say how good the wall clock is."""
    if clock["source"] == "none":
        return "nobody may say how good it is"
    kept = f"kept ({clock['source']})" if clock["synchronised"] else f"not kept ({clock['source']})"
    return f"{kept}, off by {clock['offset_ns'] / 1000:.1f} us as estimated, by {clock['error_ns'] / 1000:.1f} us at most"


def _seen(lane: dict[str, Any]) -> str:
    """Say what the kernel tells of a lane; what it does not tell is left out."""
    if "cores" not in lane:
        return "not running"
    said = [
        f"on cores {lane['cores']}",
        *([lane["scheduler"]] if lane.get("scheduler", "other") not in {"", "other"} else []),
        f"{lane['locked_kib'] >> 10} MiB locked" if lane["locked_kib"] else "memory not locked",
    ]
    if "huge_kib" in lane:
        said.append(f"{lane['huge_kib'] >> 10} MiB on huge pages")
    if "nodes" in lane:
        said.append(f"state on {', '.join(f'node {node}: {pages} pages' for node, pages in lane['nodes'].items())} ({lane['policy']})")
    return ", ".join(said)


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
    lines += [_away(v["name"], v["probe"]) for v in it["venues"] if "probe" in v]
    lines += ["", *(f"{lane['lane']}: {_seen(lane)}" for lane in it["host"])]
    lines.append(f"clock: {_clock(it['clock'])}")
    if it["halts"]:
        lines += ["", *table(["halted", "reason"], [[h["scope"], h["reason"]] for h in it["halts"]])]
    if it["circuits"]:
        lines += ["", *table(["circuit", "state", "alert", "why"], [[c["part"], c["state"], c["alert"], c["why"]] for c in it["circuits"]])]
    return show(args, it, lines)
