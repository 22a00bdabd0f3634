"""`noderrctl why CL_ORD_ID`: the tick, features, model, strategy, risk verdict and every event of one order, out of the journal."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HELP = "what led to an order, and what became of it"


def number(text: str) -> int:
    """Read a ClOrdID as `orders` shows it. Raises argparse.ArgumentTypeError."""
    try:
        return int(text, 16)
    except ValueError:
        message = f"{text!r} is no ClOrdID: hexadecimal digits, as `noderrctl orders` shows them"
        raise argparse.ArgumentTypeError(message) from None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("cl_ord_id", type=number, metavar="CL_ORD_ID", help="as `noderrctl orders` shows it")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="a node's state folder or its journal (else that of the running node)")


def main(args: argparse.Namespace) -> int:
    """Tell. 0; 1 when the journal does not hold the order or cannot be read."""
    from noderrd.ctl.journal import folder
    from noderrd.journal.explain import explain
    from noderrd.journal.segment import Damaged

    try:
        said = explain(folder(args), args.cl_ord_id)
    except (Damaged, OSError) as error:
        print(f"noderrctl why: {error}", file=sys.stderr)
        return 1
    if not said:
        print(f"noderrctl why: the journal holds no order {args.cl_ord_id:014X}", file=sys.stderr)
        return 1
    print(json.dumps(said) if args.json else words(said))
    return 0


def words(said: dict[str, Any]) -> str:
    """Give a line a stage, and a line an event."""
    lines = [f"{stage:<10} {json.dumps(value) if value is not None else 'not in the journal'}" for stage, value in said.items() if stage != "events"]
    return "\n".join([*lines, *(f"{'event':<10} {json.dumps(event)}" for event in said["events"])])
