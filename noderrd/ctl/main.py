"""`noderrctl`: the operator's command. The table of verbs is the help and the dispatcher."""

import argparse
import sys
from pathlib import Path

from noderrd.command import dispatch

ABOUT = "Ask and steer a running node; check and test what it is given."
VERBS: dict[str, tuple[str, str]] = {
    "status": ("noderrd.ctl.status", "what runs, what is connected, what is halted"),
    "books": ("noderrd.ctl.books", "the order books, level by level"),
    "positions": ("noderrd.ctl.positions", "positions and profit, by strategy, symbol and venue"),
    "position": ("noderrd.ctl.position", "adjust a position by hand, journaled; show what was adjusted"),
    "orders": ("noderrd.ctl.orders", "own orders, open and ended, and denials with their rule"),
    "feeds": ("noderrd.ctl.feeds", "the lines of the feeds: received, lost, late, twice, dropped by the kernel"),
    "instruments": ("noderrd.ctl.instruments", "instruments: ticks, lots, trading states and phases"),
    "latency": ("noderrd.ctl.latency", "latency by stage, in nanoseconds"),
    "slow": ("noderrd.ctl.slow", "orders that were slow, and why"),
    "counters": ("noderrd.ctl.counters", "what the lane counted"),
    "venues": ("noderrd.ctl.venues", "how good each venue is just now: score, distance, loss"),
    "logs": ("noderrd.ctl.logs", "the logs of the node's processes"),
    "alerts": ("noderrd.ctl.alerts", "alerts that are pending, fire or were resolved"),
    "silence": ("noderrd.ctl.alerts", "tell nobody of an alert for a time"),
    "acknowledge": ("noderrd.ctl.alerts", "say that you see to an alert"),
    "circuits": ("noderrd.ctl.circuits", "what alerts hold back: since when, why, until when"),
    "close": ("noderrd.ctl.circuits", "close a circuit before its time, for a reason"),
    "top": ("noderrd.ctl.top", "all of it on one terminal"),
    "halt": ("noderrd.ctl.order", "stop new orders of the node, or of a strategy, a symbol, a venue"),
    "resume": ("noderrd.ctl.order", "let new orders go out again"),
    "cancel-all": ("noderrd.ctl.order", "cancel every open order"),
    "flatten": ("noderrd.ctl.order", "cancel, then close every position"),
    "kill": ("noderrd.ctl.order", "stop new orders until another person releases it, also over restarts, and cancel all"),
    "release": ("noderrd.ctl.order", "lift a kill"),
    "drill": ("noderrd.ctl.drill", "prove guard, cancel-on-disconnect and kill switch for real, and time them"),
    "day": ("noderrd.ctl.day", "days that were ended and sealed; end one now"),
    "arm": ("noderrd.ctl.arm", "send a venue's orders for real until a time"),
    "disarm": ("noderrd.ctl.arm", "send no more orders to a venue"),
    "reconcile": ("noderrd.ctl.reconcile", "what a person has to look into"),
    "pause": ("noderrd.ctl.order", "call no strategy; feeds, acks and fills go on"),
    "continue": ("noderrd.ctl.order", "call the strategies again"),
    "reload": ("noderrd.ctl.order", "read the policy again; what runs keeps running when it is refused"),
    "stop": ("noderrd.ctl.order", "cancel, wait for the acks, end the node"),
    "journal": ("noderrd.ctl.journal", "verify, show and export the journal"),
    "reasons": ("noderrd.ctl.reasons", "why risk refuses an order, code by code"),
    "why": ("noderrd.ctl.why", "what led to an order, and what became of it"),
    "net": ("noderrd.ctl.net", "measure the network: a noderrd echo, the venues"),
    "report": ("noderrd.ctl.report", "write what a day brought as one HTML file"),
    "host": ("noderrd.ctl.host", "tune the machine, prove it, undo it"),
    "strategy": ("noderrd.ctl.strategy", "write a strategy from a template, or check one"),
    "rules": ("noderrd.ctl.rules", "check, format, compare, test and apply policy"),
}


def common(parser: argparse.ArgumentParser) -> None:
    """Declare what every verb takes."""
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's socket (else $NODERRD_SOCKET, /run/noderrd/noderrd.sock)")
    parser.add_argument("--json", action="store_true", help="one JSON object, or one a line where rows stream")


def main() -> int:
    """Entry point of the console script."""
    return dispatch("noderrctl", ABOUT, VERBS, sys.argv[1:], common=common)


if __name__ == "__main__":
    sys.exit(main())
