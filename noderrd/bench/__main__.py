"""`scripts/bench [NAME ...] [--list] [--quick] [--json]`: run benchmarks and print a row per case."""

import argparse
import importlib
import sys

from noderrd.bench.compiler import NoCompiler
from noderrd.bench.recordings import NoRecordings
from noderrd.bench.row import shown
from noderrd.command import Parser

# Name to module; a module has HELP and `run(quick) -> Iterator[Row]`.
BENCHES = {
    "alerts": "noderrd.bench.alerts",
    "feed": "noderrd.bench.feed",
    "layout": "noderrd.bench.layout",
    "histogram": "noderrd.bench.histogram",
    "isolation": "noderrd.bench.isolation",
    "matching": "noderrd.bench.matching",
    "journal": "noderrd.bench.journal",
    "net": "noderrd.bench.net",
    "receive": "noderrd.bench.receive",
    "risk": "noderrd.bench.risk",
    "rules-swap": "noderrd.bench.rules_swap",
    "slot-swap": "noderrd.bench.slot_swap",
    "telemetry": "noderrd.bench.telemetry",
    "tick-to-trade": "noderrd.bench.tick_to_trade",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; all when none is named")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: shows that it works, not how fast it is")
    parser.add_argument("--json", action="store_true", help="one object a line")


def main() -> int:
    """Run what was asked. 0 also when a part was skipped, which is named and counted on stderr; 64 for an unknown name."""
    parser = Parser(prog="scripts/bench", description="Benchmarks of the product, side by side with a reference.")
    arguments(parser)
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)} (there are: {', '.join(BENCHES)})")
    skipped, first = 0, True
    for name in args.names or BENCHES:
        bench = importlib.import_module(BENCHES[name])
        if args.list:
            print(f"{name:<15}{bench.HELP}")
            continue
        try:
            for row in bench.run(args.quick):
                print(shown(row.facts(), as_json=args.json, first=first), flush=True)
                first = False
        except (NoCompiler, NoRecordings) as why:
            print(f"skipped {name}: {why}", file=sys.stderr)
            skipped += 1
    if skipped:
        print(f"{skipped} skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
