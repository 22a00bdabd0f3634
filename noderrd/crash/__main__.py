"""`scripts/crash-test [--kills N] [--seed S] [--cod on|off] [--targets ...] [--break STEP]`: kill a busy node at random, and judge what is left."""

import dataclasses
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter as Tally
from pathlib import Path

from core.codes import Counter
from noderrd.command import Parser
from noderrd.crash import judge
from noderrd.crash.rig import TARGETS, Failed, Rig
from noderrd.crash.without import STEPS

CALM_S = (0.4, 1.6)  # between a recovery and the next kill


@dataclasses.dataclass
class Course:
    """What was done and seen."""

    by_target: Tally[str] = dataclasses.field(default_factory=Tally)
    open_at_kill: int = 0
    pending_at_kill: int = 0  # kills that found something pending
    recovery_ms: list[float] = dataclasses.field(default_factory=list)
    busy_s: float = 0.0  # time under load, recoveries left out
    orders: int = 0  # in that time
    stuck: str = ""


def arguments(parser: Parser) -> None:
    """Declare the command line."""
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="how often (20)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the order of targets, the times and the exchanges (1)")
    parser.add_argument("--cod", choices=("on", "off"), default="on", help="cancel on disconnect at the exchanges (on)")
    parser.add_argument("--targets", default=",".join(TARGETS), metavar="LIST", help=f"what is killed: {','.join(TARGETS)} (all of them)")
    parser.add_argument("--break", dest="leave_out", choices=STEPS, default="", help="run a node that leaves a step of its recovery out")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep everything there (else a temporary folder)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def main() -> int:
    """0 when the judge found nothing, 1 when it did or the node did not recover, 64 for wrong flags."""
    parser = Parser(prog="scripts/crash-test", description="Kill a busy node at random; the exchanges' records and the journal tell what was lost.")
    arguments(parser)
    args = parser.parse_args()
    targets = args.targets.split(",")
    if args.kills < 1 or not set(targets) <= set(TARGETS):
        parser.error(f"--kills is at least 1, --targets are of {','.join(TARGETS)}")
    state = args.state or Path(tempfile.mkdtemp(prefix="noderrd-crash-"))
    print(f"state: {state}", file=sys.stderr, flush=True)
    found, course = judge.Findings(), Course()
    try:
        with Rig(state, args.seed, cod=args.cod == "on", leave_out=args.leave_out) as rig:
            rig.start()
            run(rig, course, targets, args.kills, random.Random(args.seed))
            positions, orders, told = rig.settle()
            judge.snapshot(found, told, positions, orders)
            rig.stop()
            by_then, told = {venue: len(it.messages) for venue, it in told.items()}, rig.told()
            judge.journal(found, state / "journal", told, by_then)
    except Failed as why:
        print(why, file=sys.stderr)
        return 1
    said = {
        "kills": course.by_target.total(),
        "by_target": dict(course.by_target),
        "orders": sum(it.entered for it in told.values()),
        "orders_per_s": round(course.orders / course.busy_s) if course.busy_s else 0,
        "fills": sum(it.fills for it in told.values()),
        "open_at_kill": course.open_at_kill,
        "pending_at_kill": course.pending_at_kill,
        **found.counts,
        "recovery_ms": {"p50": round(statistics.median(course.recovery_ms or [0])), "max": round(max(course.recovery_ms, default=0))},
    }
    for line in [*found.words, course.stuck]:
        if line:
            print(line, file=sys.stderr)
    print(json.dumps(said) if args.json else "\n".join(f"{name:<22} {value}" for name, value in said.items()))
    good = found.good and not course.stuck
    if args.state is None and good:
        shutil.rmtree(state, ignore_errors=True)
    return 0 if good else 1


def run(rig: Rig, course: Course, targets: list[str], kills: int, chance: random.Random) -> None:
    """Kill and wait, `kills` times; a node that does not come back ends it, and the judge has the rest."""
    wanted = [targets[k % len(targets)] for k in range(kills)]
    chance.shuffle(wanted)
    for k, target in enumerate(wanted):
        began, before = time.monotonic(), rig.counter(Counter.ORDERS)
        time.sleep(chance.uniform(*CALM_S))
        course.busy_s += time.monotonic() - began
        course.orders += rig.counter(Counter.ORDERS) - before
        mark = rig.mark()
        n_open, n_pending = rig.kill(target, chance, pending=k % 2 == 0)  # at random, and each second one between an order and its answer
        course.by_target[target] += 1
        course.open_at_kill += n_open
        course.pending_at_kill += n_pending > 0
        try:
            course.recovery_ms.append(rig.recover(mark))
            rig.operate()
        except Failed as why:
            course.stuck = f"kill {k + 1} ({target}): {why}"
            return
        print(
            f"kill {k + 1} of {kills}: {target}, {n_open} open, {n_pending} pending, back in {course.recovery_ms[-1]:.0f} ms",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
