"""Verbs that order something: halt, resume, kill, release, cancel-all, flatten of a scope; pause, continue, reload, stop of the node."""

import argparse

from noderrd.ctl.client import ask, show

HELP = "order something of the node, or of a strategy, a symbol or a venue"
SCOPED = frozenset(("halt", "resume", "cancel-all", "flatten", "kill", "release"))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scope, where the verb has one: the node when nothing is named."""
    if parser.get_default("verb") in SCOPED:
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--strategy", metavar="NAME", help="of this strategy only")
        group.add_argument("--symbol", metavar="SYMBOL", help="of this symbol only")
        group.add_argument("--venue", metavar="NAME", help="of this venue only")


def main(args: argparse.Namespace) -> int:
    """Order it. 0 when all was done, 1 when something could not be."""
    named = {name: getattr(args, name) for name in ("strategy", "symbol", "venue") if getattr(args, name, None)}
    it = ask(args, args.verb, **named)
    answer = {"ok": not it.get("failed"), "acted": it.get("acted", 0), "failed": it.get("failed", 0), **it}
    failed = f", {it['failed']} could not be" if it.get("failed") else ""
    later = [f"not in effect yet: {name}" for name in it.get("inactive", [])]
    show(args, answer, [f"{args.verb}: done, {it.get('acted', 0)} acted on{failed}", *later])
    return 1 if it.get("failed") else 0
