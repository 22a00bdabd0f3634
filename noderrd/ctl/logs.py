"""`noderrctl logs [-f]`: the logs of the node's processes, merged by time."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from noderrd.ctl.client import ask

HELP = "the logs of the node's processes"
POLL_S = 0.2
KNOWN = ("timestamp", "level", "process", "event")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    parser.add_argument("-n", type=int, default=50, metavar="N", help="the last N lines first (50)")
    parser.add_argument("--process", default="", metavar="NAME", help="of this process only")


def main(args: argparse.Namespace) -> int:
    """Show what is there, then follow."""
    folder = Path(ask(args, "status")["paths"]["logs"])
    files = {path: path.stat().st_size for path in sorted(folder.glob(f"{args.process or '*'}.jsonl"))}
    lines = sorted((entry for path, size in files.items() for entry in entries(path, 0, size)), key=lambda entry: str(entry.get("timestamp", "")))
    for entry in lines[-args.n :] if args.n > 0 else []:
        tell(entry, as_json=args.json)
    while args.follow:
        time.sleep(POLL_S)
        for path in sorted(folder.glob(f"{args.process or '*'}.jsonl")):
            before, now = files.get(path, 0), path.stat().st_size
            for entry in entries(path, before, now):
                tell(entry, as_json=args.json)
            files[path] = now
    return 0


def entries(path: Path, start: int, end: int) -> Iterator[dict[str, object]]:
    """Read whole lines of a log; what is no JSON (a traceback) comes as an event of its own."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file.read(end - start).decode("utf-8", "replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            yield entry if isinstance(entry, dict) else {"process": path.stem, "level": "raw", "event": line}


def tell(entry: dict[str, object], *, as_json: bool) -> None:
    """Print one line."""
    if as_json:
        print(json.dumps(entry), flush=True)
        return
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in KNOWN)
    head = [str(entry.get(key, ""))[:most] for key, most in (("timestamp", 23), ("level", 8), ("process", 16))]
    print(f"{head[0]:<23} {head[1]:<8} {head[2]:<12} {entry.get('event', '')} {rest}".rstrip(), flush=True)
    sys.stdout.flush()
