"""`noderrctl rules reference`: every name of the language, in Markdown."""

import argparse
import json

from rules.reference import reference


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(args: argparse.Namespace) -> int:
    """Print the page."""
    print(json.dumps({"markdown": reference()}) if args.json else reference(), end="")
    return 0
