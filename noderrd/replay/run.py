"""`noderrd replay`: a recording through the lane's kernels, to a book, rows of a book, exports, or a strategy's fills."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noderrd.lane import cache

if TYPE_CHECKING:
    from noderrd.feeds.binaryfile import Recording

HELP = "run a recording through the lane's kernels"
EPILOG = """FILE is an ITCH 5.0 BinaryFILE or a packet capture (pcap, pcapng) of MoldUDP64, either gzipped or not. It exits 1, naming the offset,
when the file is damaged or ends within a message; what came before is kept. FILE may also be a node's journal (a folder): its decisions are taken
again, and it exits 1 when one comes out differently."""


def time_of_day(text: str) -> int:
    """Read --at. Raises argparse.ArgumentTypeError."""
    from noderrd.replay import clock

    try:
        return clock.of_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def setting(text: str) -> tuple[str, float]:
    """Read K=V of --set. Raises argparse.ArgumentTypeError."""
    name, equals, value = text.partition("=")
    try:
        if name and equals:
            return name, float(value)
    except ValueError:
        pass
    message = f"a parameter is NAME=NUMBER, not {text!r}"
    raise argparse.ArgumentTypeError(message)


def depth(text: str) -> int:
    """Read --depth. Raises argparse.ArgumentTypeError."""
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        message = f"a depth is 1 to 1000 levels, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.epilog = EPILOG
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--symbol", metavar="S", help="this symbol only")
    parser.add_argument("--depth", type=depth, default=10, metavar="N", help="levels of --book-csv and --at (10)")
    parser.add_argument("--book-csv", type=Path, metavar="OUT", help="the book after each message that touches it; prices in 1e-4")
    parser.add_argument("--at", type=time_of_day, metavar="HH:MM:SS[.F]", help="stop there and show the book of --symbol")
    parser.add_argument("--export-top", type=Path, metavar="OUT", help="best prices whenever they change, to .parquet or .csv")
    parser.add_argument("--export-trades", type=Path, metavar="OUT", help="trades, to .parquet or .csv")
    parser.add_argument("--export-bars", type=Path, metavar="OUT", help="open, high, low, close, volume a --bar, to .parquet or .csv")
    parser.add_argument("--bar", type=int, default=60, metavar="SECONDS", help="length of a bar (60)")
    parser.add_argument("--strategy", metavar="FILE", help="a strategy's file, or quotes or taker, which ship: its fills and P&L on the recording")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="K=V", help="a parameter of --strategy")
    parser.add_argument("--model", type=Path, metavar="FILE", help="an ONNX model whose scores --strategy sees")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def wrong(args: argparse.Namespace) -> str:
    """Say what the flags ask for that cannot be; empty when nothing."""
    if args.at is not None and not args.symbol:
        return "--at shows one book: name it with --symbol"
    if args.strategy and (args.at is not None or args.book_csv or args.export_top or args.export_trades or args.export_bars):
        return "--strategy plays alone: without --at, --book-csv and exports"
    if (args.set or args.model) and not args.strategy:
        return "--set and --model are for --strategy"
    if args.bar < 1:
        return "--bar is at least a second"
    for out in (args.export_top, args.export_trades, args.export_bars):
        if out is not None and out.suffix not in {".parquet", ".csv"}:
            return f"{out}: an export ends in .parquet or .csv"
    return ""


class Refused(Exception):
    """The strategy or the model cannot be used; the text says why, with file and line."""


def tried(tape: "Recording", args: argparse.Namespace) -> dict[str, Any]:
    """Try a strategy on a recording; gives the closing object. Raises Refused; ValueError and OSError as backtest.run."""
    from noderrd.lane.ort import ModelError
    from noderrd.replay import backtest
    from noderrd.strategies.compile import StrategyError

    try:
        return backtest.run(tape, args.strategy, dict(args.set), args.symbol, args.model)
    except (StrategyError, ModelError) as error:
        raise Refused(str(error)) from error


def decisions(args: argparse.Namespace) -> int:
    """Take the decisions of a journal again: 0 when they are the same, 1 when not or when it cannot be read."""
    from noderrd.journal.replay import replay
    from noderrd.journal.segment import Damaged, folder_of
    from noderrd.strategies.compile import StrategyError

    try:
        end = replay(folder_of(args.file), Path(args.strategy) if args.strategy else None)
    except (Damaged, StrategyError, OSError, ValueError) as error:
        print(f"noderrd replay: {error}", file=sys.stderr)
        return 1
    print(json.dumps(end) if args.json else "\n".join(f"{name:<17} {value}" for name, value in end.items()))
    return 0 if end["equal"] else 1


def main(args: argparse.Namespace) -> int:
    """Replay. 0, or 1 for a file that is missing or damaged, a symbol it lacks, a strategy that is refused; 64 for flags that do not go together."""
    said = wrong(args)
    if said:
        print(f"noderrd replay: {said}", file=sys.stderr)
        return 64
    cache.prepare()
    if args.file.is_dir():
        return decisions(args)
    from noderrd.feeds import recording
    from noderrd.replay import books

    try:
        tape = recording.read(args.file)
        end = tried(tape, args) if args.strategy else books.run(tape, args)
    except (OSError, ValueError, MemoryError, Refused) as error:
        print(f"noderrd replay: {error}", file=sys.stderr)
        return 1
    print(json.dumps(end) if args.json else books.words(end))
    damaged = end.get("damaged_at") if "bids" not in end else tape.damaged_at
    if damaged is not None:
        print(f"noderrd replay: {args.file}: damaged at offset {damaged}; what came before it was used", file=sys.stderr)
        return 1
    return 0
