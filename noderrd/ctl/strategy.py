"""`noderrctl strategy new NAME | check FILE`: write a strategy, and find out what is wrong with it. Needs no daemon."""

import argparse
import json
import re
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[1] / "strategies" / "template.py"
HELP = "write a strategy from a template, or check one"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is done, and to what."""
    doing = parser.add_subparsers(dest="action", required=True, metavar="new | check")
    new = doing.add_parser("new", help="write NAME.py here, a strategy to begin with")
    new.add_argument("name", metavar="NAME")
    check = doing.add_parser("check", help="compile it as a lane would, and run it over made-up events with every index checked")
    check.add_argument("file", metavar="FILE", type=Path)
    for one in (new, check):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object")


def main(args: argparse.Namespace) -> int:
    """Do it: 0 good, 1 not."""
    return write(args.name, as_json=args.json) if args.action == "new" else check(args.file, as_json=args.json)


def write(name: str, *, as_json: bool) -> int:
    """Write NAME.py into the working directory; a file that is there is left alone."""
    stem = name.removesuffix(".py")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", stem):
        print(f"noderrctl strategy new: {name!r} is no name: letters, digits and _, a letter first", file=sys.stderr)
        return 1
    path = Path(f"{stem}.py")
    text = TEMPLATE.read_text("utf-8").replace("NAME", stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        print(f"noderrctl strategy new: {path}: {error.strerror}", file=sys.stderr)
        return 1
    print(json.dumps({"ok": True, "file": str(path)}) if as_json else f"{path} written: noderrctl strategy check {path}")
    return 0


def check(path: Path, *, as_json: bool) -> int:
    """Say what is wrong with a strategy, as `rules check` does."""
    from noderrd.lane import cache

    cache.prepare()
    from noderrd.strategies.check import Check
    from rules.diagnostic import render
    from rules.span import Source

    done = Check(path)
    try:
        found = done.run()
    except OSError as error:
        print(f"noderrctl strategy check: {path}: {error.strerror}", file=sys.stderr)
        return 1
    ok = not any(d.severity == "error" for d in found)
    if as_json:
        print(json.dumps({"ok": ok, "diagnostics": [d.as_dict() for d in found], "calls": done.calls}))
        return 0 if ok else 1
    sources = {str(path): Source(str(path), path.read_text("utf-8", errors="replace"))}
    for one in found:
        print(render(one, sources), file=sys.stderr)
    print(f"{path}: {'good' if ok else 'refused'}, {done.calls} calls tried")
    return 0 if ok else 1
