"""`noderrctl books`: the order books as the lane holds them."""

import argparse

from noderrd.ctl.client import ask, show, table

HELP = "the order books, level by level"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare filters."""
    parser.add_argument("--symbol", default="", help="of this symbol only")
    parser.add_argument("--venue", default="", help="of this venue only")
    parser.add_argument("--depth", type=int, default=0, metavar="N", help="the best N levels a side (default: all with --json, else 5)")


def main(args: argparse.Namespace) -> int:
    """Ask and show."""
    it = ask(args, "books", symbol=args.symbol, venue=args.venue, depth=args.depth or (0 if args.json else 5))
    lines = []
    for book in it["books"]:
        lines.append(f"{book['venue']} {book['symbol']}  {','.join(book['state']) or 'LIVE'}  at message {book['seq_num']}")
        empty = ["", "", ""]
        rows = []
        for k in range(max(len(book["bids"]), len(book["asks"]))):
            bid = book["bids"][k] if k < len(book["bids"]) else empty
            ask_side = book["asks"][k] if k < len(book["asks"]) else empty
            rows.append([str(bid[2]), str(bid[1]), str(bid[0]), str(ask_side[0]), str(ask_side[1]), str(ask_side[2])])
        lines += [*table(["orders", "qty", "bid", "ask", "qty", "orders"], rows), ""]
    return show(args, it, lines)
