"""`noderrctl rules backtest POLICY PAST`: when a policy's alerts would have fired over a journal or a recording."""

import argparse
import datetime as dt
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noderrd.ctl import rules_check
from rules import model
from rules.expression import text, unit_of

if TYPE_CHECKING:
    import numpy as np

    from noderrd.alerts.backtest import Backtest

SECOND = 1_000_000_000


def _day(said: str) -> int:
    """Read a date: its midnight in UTC, ns since the epoch."""
    try:
        return int(dt.datetime.fromisoformat(said).replace(tzinfo=dt.UTC).timestamp()) * SECOND
    except ValueError:
        raise argparse.ArgumentTypeError(f"a date such as 2026-11-25 is wanted, not {said!r}") from None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("policy", type=Path, metavar="POLICY", help="a rules file, or a folder of *.rules")
    parser.add_argument("past", type=Path, metavar="PAST", help="a node's journal (a folder), or an ITCH 5.0 recording, gzipped or not")
    parser.add_argument("--date", type=_day, default=0, metavar="D", help="the day of a recording, which holds times of day only (1970-01-01)")


def main(args: argparse.Namespace) -> int:
    """Run; exit 0 also when nothing fired, 1 when the policy or the past cannot be read."""
    policy = rules_check.load([args.policy], as_json=args.json)
    if policy is None:
        return 1
    from noderrd.lane import cache

    cache.prepare()
    try:
        done = _journal(policy, args.past) if args.past.is_dir() else _recording(policy, args.past, args.date)
    except (OSError, ValueError) as why:
        return _refuse(args, f"{args.past}: {why}")
    _tell(args, policy, done)
    return 0


def _refuse(args: argparse.Namespace, why: str) -> int:
    import sys

    if args.json:
        print(json.dumps({"ok": False, "error": why}))
    print(f"noderrctl rules backtest: {why}", file=sys.stderr)
    return 1


def _journal(policy: model.Policy, folder: Path) -> "Backtest":
    from noderrd.alerts.backtest import Backtest
    from noderrd.alerts.recorded import Journal
    from noderrd.journal.read import records

    def rows() -> Iterator[tuple[int, "np.void"]]:
        for block in records(folder):
            for row in block:
                yield int(row["ts_ns"]), row

    done = Backtest(policy, Journal())
    done.run(rows())
    return done


def _recording(policy: model.Policy, file: Path, midnight_ns: int) -> "Backtest":
    from core import itch
    from noderrd.alerts.backtest import Backtest
    from noderrd.alerts.recorded import Tops
    from noderrd.feeds import binaryfile
    from noderrd.replay.play import Replay, Stop

    replay = Replay(binaryfile.read(file))
    replay.keep(tops=1 << 16)

    def rows() -> Iterator[tuple[int, "np.void"]]:
        while True:
            why = replay.step()
            for row in replay.tops[: replay.desk[0]["n_tops"]].copy():
                yield int(row["ts_ns"]) + midnight_ns, row
            replay.desk[0]["n_tops"] = 0
            if why == Stop.END:
                return

    done = Backtest(policy, Tops([itch.symbol(int(packed)) for packed in replay.instruments["stock"]], midnight_ns))
    done.run(rows())
    return done


def _tell(args: argparse.Namespace, policy: model.Policy, done: "Backtest") -> None:
    alerts = {alert.name: alert for alert in policy.alerts}
    moved: list[dict[str, Any]] = [
        {
            "alert": one.alert,
            "state": one.state,
            "since": one.at_ns,
            "value": None if math.isnan(one.value) else one.value,
            "threshold": None if math.isnan(one.threshold) else one.threshold,
            "rule": str(alerts[one.alert].span),
        }
        for one in done.transitions
    ]
    missing = [text(leaf) for leaf in done.unmeasured()]
    if args.json:
        print(json.dumps({"ok": True, "from": done.begin_ns, "to": done.end_ns, "transitions": moved, "unmeasured": missing}))
        return
    for row in moved:
        alert = alerts[row["alert"]]
        when = dt.datetime.fromtimestamp(row["since"] // SECOND, dt.UTC).isoformat(sep=" ")
        value = "" if row["value"] is None else f"  {row['value']:_.10g} {unit_of(_first(alert))}".rstrip()
        print(f"{when}  {row['alert']} {row['state']}{value}")
    fired = sum(row["state"] == "firing" for row in moved)
    print(f"{fired} would have fired over {max(done.end_ns - done.begin_ns, 0) // SECOND} s")
    for name in missing:
        print(f"never measured there: {name}")


def _first(alert: model.Alert) -> Any:
    """Give the left side of an alert's first comparison, whose unit its value has."""
    from rules.expression import Compare, parts

    waiting = [alert.when.when]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Compare):
            return one.left
        waiting += reversed(parts(one))
    return alert.when.when
