"""`noderrctl rules apply | confirm | undo | history | show`: the policy of a running node."""

import argparse
import datetime as dt
import json
import sys
from pathlib import Path

from noderrd.ctl.client import ask, table
from rules.scan import scan
from rules.span import Source
from rules.units import TIME, Quantity

SECOND = 1_000_000_000


def _seconds(text: str) -> float:
    """Read a duration as rules write them."""
    tokens = [token for token in scan(Source("", text)).tokens if token.type != "END"]
    value = tokens[0].value if len(tokens) == 1 else None
    if not isinstance(value, Quantity) or value.dimension != TIME:
        raise argparse.ArgumentTypeError(f"a duration such as 60s is wanted, found {text!r}")
    return float(value.value) / SECOND


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of each."""
    verb = parser.get_default("verb")
    if verb == "apply":
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="rules files or folders; else those that the node is configured with")
        parser.add_argument("--confirm", type=_seconds, default=0.0, metavar="60s", help="go back by itself unless `rules confirm` comes in time")
    elif verb in {"undo", "show"}:
        parser.add_argument(
            "version", nargs="?", type=int, metavar="VERSION", help="of `rules history`; else the one before (undo), the running one (show)"
        )


def main(args: argparse.Namespace) -> int:
    """Ask, and tell."""
    asked: dict[str, object] = {"verb": args.verb}
    if args.verb == "apply":
        asked |= {"paths": [str(path.absolute()) for path in args.files], "confirm_s": args.confirm}
    elif args.verb in {"undo", "show"} and args.version is not None:
        asked["version"] = args.version
    answer = ask(args, "rules", **asked)
    if args.verb in {"apply", "undo"}:
        applied, told = answer.pop("applied"), answer.pop("told", "")
        if args.json:
            print(json.dumps({"ok": applied, **answer, "inactive": answer.get("inactive", [])}))
        elif applied:
            _tell_applied(answer)
        if not applied:
            print(f"{told}\nnot applied: version {answer['version']} runs", file=sys.stderr)
        return 0 if applied else 1
    if args.json:
        print(json.dumps({"ok": True, **answer}))
    elif args.verb == "confirm":
        print(f"version {answer['version']} stays")
    elif args.verb == "history":
        rows = [[str(v["version"]), _when(v["at"]), v["who"], v["sha256"][:12], _trial(v)] for v in answer["versions"]]
        print("\n".join(table(["version", "at", "by", "sha256", ""], rows)))
    else:
        _tell_shown(answer)
    return 0


def _when(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND, dt.UTC).isoformat(sep=" ", timespec="seconds")


def _trial(version: dict[str, int]) -> str:
    return f"on trial until {_when(version['until_ns'])}" if version.get("until_ns") else ""


def _tell_applied(answer: dict[str, object]) -> None:
    print(f"version {answer['version']} runs")
    confirm_by = answer.get("confirm_by")
    if isinstance(confirm_by, int) and confirm_by:
        print(f"until {_when(confirm_by)}, unless: noderrctl rules confirm")
    inactive = answer.get("inactive")
    for name in inactive if isinstance(inactive, list) else []:
        print(f"not acted on yet: {name}")


def _tell_shown(answer: dict[str, object]) -> None:
    files, inactive = answer["files"], answer["inactive"]
    assert isinstance(files, dict)
    assert isinstance(inactive, list)
    for path, text in files.items():
        print(f"# version {answer['version']}: {path}\n{text.rstrip()}\n")
    for name in inactive:
        print(f"# not acted on yet: {name}")
