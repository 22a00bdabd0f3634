"""`noderrctl rules diff OLD NEW`: exit 0 if the policy is the same, 2 if it changes, 1 if one of the two is not valid."""

import argparse
import json
from pathlib import Path

from noderrd.ctl import rules_check
from rules.diff import diff


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("old", type=Path, metavar="OLD", help="a rules file, or a folder of *.rules")
    parser.add_argument("new", type=Path, metavar="NEW", help="the same")


def main(args: argparse.Namespace) -> int:
    """Compare; print a line per change."""
    old = rules_check.load([args.old], as_json=args.json)
    new = rules_check.load([args.new], as_json=args.json) if old is not None else None
    if old is None or new is None:
        return 1
    changes = diff(old, new)
    if args.json:
        print(json.dumps({"changes": [change.as_dict() for change in changes]}))
    else:
        for change in changes:
            print(change)
    return 2 if changes else 0
