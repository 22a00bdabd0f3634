"""`noderrctl rules`: the tools of the policy language. All but show, apply, confirm, undo and history work without a daemon."""

import argparse

from noderrd.command import Verbs, dispatch, overview

HELP = "check, format, compare, test and apply policy"
VERBS: Verbs = {
    "check": ("noderrd.ctl.rules_check", "find every fault of the files, taken together as one policy"),
    "fmt": ("noderrd.ctl.rules_fmt", "lay files out in the one way, in place"),
    "diff": ("noderrd.ctl.rules_diff", "say which policy changes between two files, not which text"),
    "test": ("noderrd.ctl.rules_test", "run scenarios: what is measured and asked, and what must come of it"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take what follows as it is: each of the tools has a parser of its own."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = overview("noderrctl rules", HELP, VERBS)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="VERB ...", help="the tool and its arguments")


def main(args: argparse.Namespace) -> int:
    """Run one of the tools."""
    from noderrd.ctl.main import common

    before = ["--json"] if args.json else []
    before += ["--socket", str(args.socket)] if args.socket else []
    return dispatch("noderrctl rules", HELP, VERBS, [*before, *args.words], common=common)
