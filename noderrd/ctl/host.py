"""`noderrctl host plan | apply | verify | undo | audit | jitter`: the machine under the node. Needs no daemon; apply and undo need root."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noderrd import config
from noderrd.host import address, audits, saved, tune
from noderrd.host.knob import Absent, Denied, Look
from noderrd.host.settings import AREAS, HostSettings
from noderrd.host.wanted import Machine, knobs
from noderrd.settings import SettingsError

HELP = "tune the machine, prove it, undo it"
OK, ERROR, DIFFERS = 0, 1, 2
DEFAULT_CONFIG = Path("/etc/noderrd/noderrd.toml")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (_, words) in ACTIONS.items():
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object")
        if name == "jitter":
            action.add_argument("--cpu", type=int, required=True, metavar="N", help="the core to sit on")
            action.add_argument("--seconds", type=_positive, default=10.0, metavar="S", help="how long (10)")
            action.add_argument("--threshold", type=_duration, default=1_000, metavar="T", help="what counts as an interruption, as 1us, 500ns (1us)")
            continue
        action.add_argument(
            "--interface", action="append", default=[], metavar="IF", help="an interface that carries feeds or orders, in place of noderrd.toml's"
        )
        action.add_argument("--config", type=Path, metavar="FILE", help=f"noderrd.toml (else {DEFAULT_CONFIG}, where it is there)")
        action.add_argument(
            "--state", type=Path, default=saved.DEFAULT, metavar="DIR", help=f"where the values from before are kept ({saved.DEFAULT})"
        )
        action.add_argument("--area", action="append", default=[], choices=AREAS, metavar="AREA", help=f"only these: {', '.join(AREAS)}")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("0 to 3600 seconds")
    return value


def _duration(text: str) -> int:
    for unit, ns in (("ns", 1), ("us", 1_000), ("ms", 1_000_000)):
        number = text.removesuffix(unit)
        if number != text and number.isdigit() and int(number) > 0:
            return int(number) * ns
    raise argparse.ArgumentTypeError(f"a duration like 1us, 500ns or 2ms, not {text!r}")


def machine(args: argparse.Namespace) -> Machine:
    """Give the machine that configuration and command line describe. Raises SettingsError."""
    settings, cores = HostSettings(), frozenset[int]()
    path = args.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    if path is not None:
        settings, cores = configured(path)
    if args.interface:
        settings = dataclasses.replace(settings, interfaces=tuple(args.interface))
    if args.area:
        settings = dataclasses.replace(settings, areas=tuple(args.area))
    return Machine(settings, cores)


def plan(args: argparse.Namespace) -> int:
    """What is, what should be, and why."""
    return _show(args, tune.plan(knobs(machine(args)), saved.Saved(args.state).refused(saved.Era.now())))


def verify(args: argparse.Namespace) -> int:
    """Read everything again and compare with what is wanted."""
    return _show(args, tune.plan(knobs(machine(args)), saved.Saved(args.state).refused(saved.Era.now())))


def _show(args: argparse.Namespace, looks: list[Look]) -> int:
    if args.json:
        print(json.dumps({"knobs": [dataclasses.asdict(found) for found in looks]}))
    else:
        for found in looks:
            print(
                f"{found.state:<7}{found.id}: {_value(found.now)} -> {found.wanted or '(nothing)'}"
                if found.state == "change"
                else f"{found.state:<7}{found.id}: {_value(found.now)}"
            )
            print(f"       {found.detail or found.why} ({found.source})")
            if found.state == "change":
                print(f"       revert: {found.revert}")
        counts = {state: sum(found.state == state for found in looks) for state in ("ok", "change", "absent", "denied")}
        print(", ".join(f"{n} {state}" for state, n in counts.items()))
    return DIFFERS if tune.differs(looks) else OK


def _value(now: str | None) -> str:
    return "not there" if now is None else now or "(nothing)"


def apply(args: argparse.Namespace) -> int:
    """Set what differs, having saved what is there."""
    return _report(args, tune.apply(knobs(machine(args)), saved.Saved(args.state), saved.Era.now()), {"set", "refused"})


def undo(args: argparse.Namespace) -> int:
    """Bring back what was saved."""
    return _report(args, tune.undo(address.port, saved.Saved(args.state), saved.Era.now()), {"restored", "gone"})


def _report(args: argparse.Namespace, done: list[tune.Done], good: set[str]) -> int:
    bad = [one for one in done if one.result not in good]
    if args.json:
        print(json.dumps({"ok": not bad, "knobs": [dataclasses.asdict(one) for one in done]}))
    else:
        for one in done:
            print(f"{one.result:<9}{one.id}: {_value(one.before)} -> {_value(one.now)}" + (f" ({one.detail})" if one.detail else ""))
        print(f"{len(done) - len(bad)} of {len(done)}" if done else "nothing to do")
    for one in done:
        if one.detail:
            print(f"noderrctl: {one.id}: {one.result}: {one.detail}", file=sys.stderr)
    return ERROR if bad else OK


def audit(args: argparse.Namespace) -> int:
    """Tell what is not as it should be and can only be changed elsewhere."""
    findings = audits.findings(machine(args))
    if args.json:
        print(json.dumps({"findings": [dataclasses.asdict(one) for one in findings]}))
    else:
        for one in findings:
            print(f"{one.state:<7}{one.id}: {one.detail}" + (f"\n       {one.cost}" if one.state == "warn" else ""))
    return DIFFERS if any(one.state == "warn" for one in findings) else OK


def jitter(args: argparse.Namespace) -> int:
    """Measure how quiet a core is."""
    from noderrd.lane import cache

    cache.prepare()
    from noderrd.host.jitter import measure

    found = measure(args.cpu, args.seconds, args.threshold)
    if args.json:
        print(json.dumps(dataclasses.asdict(found)))
        return OK
    lost = f"{found.lost_fraction:.4%} of the time"
    print(f"core {found.cpu}, {found.seconds} s: {found.interruptions} interruptions over {found.threshold_ns} ns, {lost}")
    print(f"p50 {found.p50_ns} ns, p99 {found.p99_ns} ns, max {found.max_ns} ns")
    for bound, count in found.histogram.items():
        print(f"  up to {int(bound):>12} ns  {count}")
    for cause, count in found.causes.items():
        print(f"  {cause}  {count}")
    return OK


ACTIONS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "plan": (plan, "what each knob is, should be, and why; changes nothing"),
    "apply": (apply, "save what is there, set what differs, read it back"),
    "verify": (verify, "read everything again: 0 as wanted, 2 something differs"),
    "undo": (undo, "bring back exactly what was there before apply"),
    "audit": (audit, "what no knob can set: boot parameters, isolation, sleep states, NUMA, limits"),
    "jitter": (jitter, "sit on a core and count what interrupts it, and by whom"),
}


def main(args: argparse.Namespace) -> int:
    """Run one action. 0 as wanted, 1 something failed, 2 something differs."""
    try:
        return ACTIONS[args.action][0](args)
    except (SettingsError, Denied, Absent) as problem:
        print(f"noderrctl: {problem}", file=sys.stderr)
    except OSError as error:
        print(f"noderrctl: {error.filename or 'host'}: {error.strerror or error}", file=sys.stderr)
    return ERROR


def configured(path: Path) -> tuple[HostSettings, frozenset[int]]:
    """Give `[host]` and the lanes' cores of a noderrd.toml. Raises SettingsError."""
    found = config.read(path)
    return found.host, frozenset({found.lane.core} - {-1})


__all__: list[Any] = ["HELP", "arguments", "main"]
