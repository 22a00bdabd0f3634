"""What `noderrd replay` makes of a recording without a strategy: rows of books, exports, the book at a time, and counts."""

import argparse
import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import Progress

from core import itch
from noderrd.feeds.binaryfile import Recording
from noderrd.replay import clock, text
from noderrd.replay.export import Exports
from noderrd.replay.play import Replay, Stop

ROWS = 1 << 16  # of an export, held at a time


def price(px: int) -> str:
    """Write a price in 1e-4 as a decimal number."""
    return f"{px // 10_000}.{px % 10_000:04}"


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[IO[bytes] | None]:
    """Open a file to write, where one is asked for."""
    if path is None:
        yield None
        return
    with path.open("wb") as out:
        yield out


def run(recording: Recording, args: argparse.Namespace) -> dict[str, Any]:
    """Replay as asked; gives the closing object, or with --at the book. Raises NoSuchSymbol, TooLarge, OSError."""
    replay = Replay(recording, args.symbol)
    if args.at is not None:
        replay.desk["until_ns"] = args.at
    if args.book_csv is not None:
        replay.write_rows(args.depth, text.row_most(args.depth))
    trades = args.export_trades is not None or args.export_bars is not None
    replay.keep(tops=ROWS if args.export_top is not None else 0, trades=ROWS if trades else 0)
    console = Console(stderr=True)
    with (
        opened(args.book_csv) as out,
        Exports(replay, args.export_top, args.export_trades, args.export_bars, args.bar) as exports,
        Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress,
    ):
        bar = progress.add_task("replay", total=len(replay.offsets))
        if out is not None:
            out.write(text.header(args.depth).encode())
        while True:
            why = replay.step()
            if out is not None:
                out.write(replay.text[: replay.desk[0]["text_at"]].tobytes())
                replay.desk["text_at"] = 0
            exports.take()
            progress.update(bar, completed=int(replay.desk[0]["next"]))
            if why in (Stop.END, Stop.TIME):
                break
    return book(replay, args.symbol, args.depth) if args.at is not None else closing(replay)


def closing(replay: Replay) -> dict[str, Any]:
    """Give the closing object of a replay without a strategy."""
    return {
        "messages": int(replay.desk[0]["next"]),
        "by_type": replay.by_type(),
        "anomalies": replay.anomalies(),
        "damaged_at": replay.damaged_at,
        "orders": 0,
        "fills": 0,
        "pnl_usd": "0.00",
    }


def book(replay: Replay, symbol: str, depth: int) -> dict[str, Any]:
    """Give a symbol's book as it stands: levels as [price, quantity, orders], best first."""
    inst = [itch.symbol(packed) for packed in replay.instruments["stock"]].index(symbol)
    sides = {name: [[price(px), qty, n] for px, qty, n in replay.levels(inst, side, depth)] for side, name in enumerate(("bids", "asks"))}
    return {"symbol": symbol, "timestamp_ns": int(replay.desk[0]["ts_ns"]), "state": replay.state(inst), **sides}


def words(end: dict[str, Any]) -> str:
    """Put a closing object, or a book, into lines for people."""
    if "bids" in end:
        lines = [f"{end['symbol']} at {clock.shown(end['timestamp_ns'])} {' '.join(end['state']) or 'LIVE'}"]
        sides = [[f"{row[0]:>12} {row[1]:>9} {row[2]:>5}" for row in end[name]] for name in ("bids", "asks")]
        lines += [f"{bid}   |{ask}" for bid, ask in itertools.zip_longest(*sides, fillvalue=" " * 28)]
        return "\n".join(lines)
    counts = ", ".join(f"{kind} {n}" for kind, n in end["by_type"].items())
    said = f"{end['messages']} messages ({counts}), {end['anomalies']} that no book could take"
    return said if not end["orders"] else f"{said}; {end['orders']} orders, {end['fills']} fills, P&L {end['pnl_usd']} USD"
