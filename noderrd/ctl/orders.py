"""`noderrctl orders`: own orders, open and ended, and what risk refused with the rule that did."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "own orders, open and ended, and denials with their rule"
COLUMNS = ("cl_ord_id", "user_ref_num", "venue", "symbol", "strategy", "side", "px", "order_qty", "cum_qty", "leaves_qty", "ord_status")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the filter."""
    parser.add_argument("--open", action="store_true", help="only those that can still fill")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "orders", open=args.open)
    rows = []
    for row in it["orders"]:
        denial = row.get("denial")
        why = f"{denial['code']}: {denial['value']} against {denial['limit']}, {denial['rule']}" if denial else str(row.get("reason", ""))
        rows.append([*(str(row[name]) for name in COLUMNS), why])
    return show(args, it, table([*COLUMNS, "why"], rows))
