"""`scripts/demo`: see the whole path work on this machine."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from noderrd.command import Parser
from noderrd.demo import report
from noderrd.demo.run import Demo, Options, say
from noderrd.rig.process import Failed

INTERRUPTED = 130


def kill_time(text: str) -> float:
    """Read lane@T."""
    who, _, when = text.partition("@")
    if who != "lane" or not when:
        message = f"expected lane@SECOND, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return float(when)


def setting(text: str) -> tuple[str, str]:
    """Read K=V."""
    key, equal, value = text.partition("=")
    if not (key and equal and value):
        message = f"expected K=V, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return key, value


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long to trade (default 30)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the venues' order flow (default 1)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep configuration, logs and journal there (default: a temporary folder)")
    parser.add_argument("--cod", choices=("on", "off"), default="on", help="cancel on disconnect at the venues (default on)")
    parser.add_argument("--kill", type=kill_time, metavar="lane@T", help="SIGKILL to the lane at second T")
    parser.add_argument("--strategy", metavar="FILE|taker|quotes", help="trade all symbols with this strategy alone")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="K=V", help="a parameter of the strategy")
    parser.add_argument("--model", type=Path, metavar="FILE", help="score with this ONNX model")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="blocks that replace those of the same kind and name, or are added")
    parser.add_argument("--metrics-port", type=int, default=0, metavar="P", help="serve /metrics, /livez and /readyz on 127.0.0.1:P")
    parser.add_argument("--break", dest="lose", choices=("book", "position", "order"), help="lose one message before comparing: must exit 1")
    parser.add_argument("--json", action="store_true", help="close with one JSON object in place of the table")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Begin to stop; a second Ctrl-C is Python's own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise KeyboardInterrupt


def main() -> int:
    """0 when all was compared and equal; 1 when not, or when it could not start; 130 after Ctrl-C."""
    parser = Parser(prog="scripts/demo", description="Three simulated exchanges and a node, compared with each other at the end.")
    arguments(parser)
    args = parser.parse_args()
    state = args.state.absolute() if args.state else None
    options = Options(
        args.seconds,
        args.seed,
        state,
        args.cod == "on",
        args.kill,
        args.strategy,
        dict(args.set),
        args.model,
        args.rules,
        args.lose,
        args.metrics_port,
    )
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with Demo(options) as demo:
            print(f"state: {demo.state}", flush=True)
            refused = demo.write()
            if refused:
                say(refused)
                return 1
            demo.start()
            demo.trade()
            end = demo.compare()
        missing = report.passed(end)
        print(report.closing(end) if args.json else report.table(end), flush=True)
        for line in missing:
            say(line)
        if not missing:
            demo.forget()
        return 1 if missing else 0
    except Failed as why:
        say(str(why))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
