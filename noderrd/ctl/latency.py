"""`noderrctl latency`: percentiles of every stage of the path."""

import argparse
from pathlib import Path

from noderrd.ctl.client import ask, show, table

HELP = "latency by stage, in nanoseconds"
COLUMNS = ("n", "p50", "p90", "p99", "p999", "max")


def seconds(text: str) -> float:
    """Read 10s, 5min or 250ms."""
    units = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
    number = text.rstrip("".join(sorted(set("".join(units)))))
    if text[len(number) :] not in units:
        message = f"a duration such as 10s or 5min is wanted, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return float(number) * units[text[len(number) :]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the window."""
    parser.add_argument(
        "--interval", type=seconds, default=0.0, metavar="10s", help="of the last so long, an hour at most (default: since the start)"
    )
    parser.add_argument("--hlog", type=Path, metavar="FILE", help="write the histograms to a log that HdrHistogram's tools read")
    parser.add_argument("--by-venue", action="store_true", help="where the time of single orders went, by venue and class of symbol")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    if args.by_venue:
        it = ask(args, "latency", paths=True)
        rows = [
            [path["venue"], path["class"], stage, *(str(row[name]) for name in COLUMNS)]
            for path in it["paths"]
            for stage, row in path["latency"].items()
        ]
        return show(args, it, table(["venue", "class", "stage", *COLUMNS], rows))
    if args.hlog:
        it = ask(args, "latency", log=True, **({"interval_s": args.interval} if args.interval else {}))
        args.hlog.write_text(it["log"])
        return show(args, {"ok": True, "file": str(args.hlog)}, [f"{args.hlog}: written"])
    it = ask(args, "latency", **({"interval_s": args.interval} if args.interval else {}))
    return show(args, it, table(["stage", *COLUMNS], [[stage, *(str(row[name]) for name in COLUMNS)] for stage, row in it.items()]))
