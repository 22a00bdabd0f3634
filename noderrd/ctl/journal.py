"""`noderrctl journal verify | tail | export`: the journal of a running node, or of a stopped node's folder with --dir."""

import argparse
import collections
import json
import sys
from pathlib import Path
from typing import Any

HELP = "verify, show and export the journal"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("what", choices=("verify", "tail", "export"), help="look at every byte; show the last records; write a table")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="a node's state folder or its journal (else that of the running node)")
    parser.add_argument("-n", type=int, default=20, metavar="N", help="tail: how many records (20)")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="export: the file to write")


def folder(args: argparse.Namespace) -> Path:
    """Give the journal's folder: --dir, or what the daemon says. Raises FileNotFoundError."""
    from noderrd.journal.segment import folder_of

    if args.dir is not None:
        return folder_of(args.dir)
    from noderrd.ctl.client import ask

    return folder_of(Path(ask(args, "status")["paths"]["journal"]))


def main(args: argparse.Namespace) -> int:
    """Do it. 0; 1 for a journal that is not what was written or cannot be read; 64 for an export without a file."""
    from noderrd.journal.segment import Damaged

    if args.what == "export" and args.parquet is None:
        print("noderrctl journal: export writes a file: name it with --parquet", file=sys.stderr)
        return 64
    try:
        place = folder(args)
        return {"verify": verify, "tail": tail, "export": export}[args.what](place, args)
    except Damaged as bad:
        print(f"noderrctl journal: {bad}", file=sys.stderr)
    except (OSError, ImportError) as error:
        print(f"noderrctl journal: {error}", file=sys.stderr)
    return 1


def verify(place: Path, args: argparse.Namespace) -> int:
    """Look at every byte."""
    from noderrd.journal import verify

    it = verify.verify(place)
    bad = {"segment": it.first_bad.segment, "offset": it.first_bad.offset, "reason": it.first_bad.reason} if it.first_bad else None
    said: dict[str, Any] = {
        "ok": it.ok,
        "records": it.records,
        "segments": it.segments,
        "torn_tail": it.torn_tail,
        "first_bad": bad,
        "links": it.links,
        "sealed": it.sealed,
    }
    if args.json:
        print(json.dumps(said))
    elif it.first_bad:
        print(f"damaged after {it.records} good records: {it.first_bad}")
    else:
        print(f"{it.records} records in {it.segments} segments are as they were written" + (", but for a torn last one" if it.torn_tail else ""))
        for name, link in it.links.items():
            print(f"{name} ends with {link}")
        if it.sealed:
            print(f"sealed days: {', '.join(map(str, it.sealed))}")
    return 0 if it.ok else 1


def tail(place: Path, args: argparse.Namespace) -> int:
    """Show the last records."""
    from noderrd.journal import decode

    for said in collections.deque(decode.stream(place), maxlen=max(args.n, 0)):
        if args.json:
            print(json.dumps(said))
        else:
            rest = " ".join(f"{name}={json.dumps(value)}" for name, value in said.items() if name not in {"seq", "ts_ns", "kind"})
            print(f"{said['seq']:>10} {said['ts_ns']} {said['kind']:<9} {rest}")
    return 0


def export(place: Path, args: argparse.Namespace) -> int:
    """Write a table."""
    from noderrd.journal import export

    n = export.parquet(place, args.parquet)
    print(json.dumps({"records": n, "file": str(args.parquet)}) if args.json else f"{n} records in {args.parquet}")
    return 0
