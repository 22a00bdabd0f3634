"""`noderrctl rules`: the tools of the policy language. All but show, apply, confirm, undo and history work without a daemon."""

import argparse

from noderrd.command import Verbs, dispatch, overview

HELP = "check, format, compare, test and apply policy"
VERBS: Verbs = {
    "check": ("noderrd.ctl.rules_check", "find every fault of the files, taken together as one policy"),
    "fmt": ("noderrd.ctl.rules_fmt", "lay files out in the one way, in place"),
    "diff": ("noderrd.ctl.rules_diff", "say which policy changes between two files, not which text"),
    "test": ("noderrd.ctl.rules_test", "run scenarios: what is measured and asked, and what must come of it"),
    "backtest": ("noderrd.ctl.rules_backtest", "say when alerts would have fired over a journal or a recording"),
    "reference": ("noderrd.ctl.rules_reference", "every name of the language: blocks, metrics, functions, units"),
    "lsp": ("noderrd.ctl.rules_lsp", "the language server, for editors, on stdin and stdout"),
    "explain": ("noderrd.ctl.rules_explain", "say why a rule is or is not true now: alerts, limits, models, calendars, all"),
    "show": ("noderrd.ctl.rules_live", "the policy that runs, or ran, and what of it is not acted on"),
    "apply": ("noderrd.ctl.rules_live", "have a running node take files, all or nothing; --confirm 60s: on trial"),
    "confirm": ("noderrd.ctl.rules_live", "keep what was applied on trial"),
    "undo": ("noderrd.ctl.rules_live", "go back to the version before, or to any"),
    "history": ("noderrd.ctl.rules_live", "every version that was applied: when, by whom, its hash"),
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
