"""`noderrctl rules check FILE...`: exit 0 if the files are a valid policy, else 1."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from noderrd import rulefiles
from rules import model
from rules.diagnostic import Diagnostic, render
from rules.span import Source


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="rules files, or folders of *.rules: together one policy")


def main(args: argparse.Namespace) -> int:
    """Check; tell everything that was found."""
    policy, diagnostics, sources = rulefiles.load(args.files)
    if args.json:
        print(json.dumps({"ok": policy is not None, "diagnostics": [found.as_dict() for found in diagnostics]}))
    else:
        tell(diagnostics, sources)
        if policy is not None:
            print(summary(policy, diagnostics))
    return 0 if policy is not None else 1


def load(files: Sequence[Path], *, as_json: bool) -> model.Policy | None:
    """Read a policy for another tool; None, with everything told, if there is none."""
    policy, diagnostics, sources = rulefiles.load(files)
    if policy is None:
        tell([found for found in diagnostics if found.severity == "error"], sources)
        if as_json:
            print(json.dumps({"ok": False, "diagnostics": [found.as_dict() for found in diagnostics]}))
    return policy


def tell(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> None:
    """Show findings on stderr."""
    for found in diagnostics:
        print(render(found, sources), file=sys.stderr)
    errors = sum(found.severity == "error" for found in diagnostics)
    if errors:
        print(f"{errors} {'error' if errors == 1 else 'errors'}", file=sys.stderr)


def summary(policy: model.Policy, diagnostics: Sequence[Diagnostic]) -> str:
    """Say in one line what a valid policy consists of."""
    blocks = sum(1 for _ in policy.blocks)
    warned = f", {len(diagnostics)} warning{'s' * (len(diagnostics) != 1)}" if diagnostics else ""
    return f"valid: {blocks} blocks in {len(policy.files)} file{'s' * (len(policy.files) != 1)}{warned}"
