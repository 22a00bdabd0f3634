"""One question to the daemon. Imports nothing heavy: `status` answers at once."""

import argparse
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

DEFAULT = Path("/run/noderrd/noderrd.sock")
USAGE, NO_DAEMON = 64, 69  # EX_USAGE, EX_UNAVAILABLE of sysexits.h
TIMEOUT_S = 30.0
LONG_S = 330.0  # of what may have to compile a strategy first
LONG = frozenset(("reload", "rules"))


class Away(OSError):
    """Nobody answers."""


class No(ValueError):
    """The daemon said no; `code` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def path_of(args: argparse.Namespace) -> Path:
    """Give the socket: --socket, else $NODERRD_SOCKET, else where the service has it."""
    return args.socket or Path(os.environ.get("NODERRD_SOCKET") or DEFAULT)


def put(path: Path, verb: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask, and give the answer without its `ok`. Raises Away, No."""
    patience = LONG_S if verb in LONG else TIMEOUT_S
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(patience)
            line.connect(str(path))
            line.sendall(json.dumps({"do": verb, **arguments}).encode() + b"\n")
            with line.makefile("rb") as answers:
                said = answers.readline()
    except TimeoutError as why:
        message = f"the daemon at {path} does not answer (waited {patience:.0f} s)"
        raise Away(message) from why
    except PermissionError as why:
        message = f"no right to talk to {path}: ask as root, as the user that noderrd runs as, or as a member of its group"
        raise Away(message) from why
    except OSError as why:
        message = f"no daemon answers at {path}: is noderrd running? (systemctl status noderrd; --socket names another)"
        raise Away(message) from why
    if not said:
        message = f"the daemon at {path} closed the connection"
        raise Away(message)
    answer: dict[str, Any] = json.loads(said)
    if not answer.pop("ok"):
        raise No(str(answer["error"]), int(answer.get("code", 1)))
    return answer


def ask(args: argparse.Namespace, verb: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask, and leave with the right exit code and a sentence when there is no answer, or the answer is no."""
    try:
        return put(path_of(args), verb, **arguments)
    except Away as why:
        print(f"noderrctl: {why}", file=sys.stderr)
        sys.exit(NO_DAEMON)
    except No as why:
        if args.json:
            print(json.dumps({"ok": False, "error": str(why)}))
        print(f"noderrctl: {verb}: {why}", file=sys.stderr)
        sys.exit(why.code)


def confirmed(args: argparse.Namespace, what: str) -> int:
    """Have what follows confirmed, unless --yes did: 0 go on, 1 no, 64 where nobody can be asked."""
    if args.yes:
        return 0
    if not sys.stdin.isatty():
        print(f"noderrctl: {args.verb}: {what}: confirm with --yes", file=sys.stderr)
        return USAGE
    print(f"{what.capitalize()}. Type yes to go on: ", end="", file=sys.stderr, flush=True)
    return 0 if sys.stdin.readline().strip() == "yes" else 1


def show(args: argparse.Namespace, answer: dict[str, Any], lines: list[str]) -> int:
    """Print the answer as one object, or as lines for a person."""
    print(json.dumps(answer) if args.json else "\n".join(lines))
    return 0


def table(names: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out rows; columns of numbers to the right."""
    columns = list(zip(names, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell == "" or cell.lstrip("-")[:1].isdigit() for cell in column[1:]) for column in columns]
    return [
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(row, widths, right, strict=True)).rstrip()
        for row in [names, *rows]
    ]
