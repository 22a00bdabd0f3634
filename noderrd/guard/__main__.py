"""The guard as a process: `python -P -m noderrd.guard --spec SPEC.json`. SIGTERM and SIGINT end it and leave the lane's sessions as they are.

Exit 0 when told to end, 1 when it cannot begin.
"""

import signal
import sys
import time
from pathlib import Path

from noderrd import logs
from noderrd.command import Parser
from noderrd.guard.watch import Guard
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

POLL_S = 0.005


def main() -> int:
    """Watch until told to end."""
    parser = Parser(prog="noderrd.guard", description="Watch a lane, and shut its order sessions down when it is gone.")
    parser.add_argument("--spec", type=Path, required=True, metavar="SPEC.json", help="what the lane was told")
    args = parser.parse_args()
    log = logs.get("guard")
    ending: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: ending.append(n))
    try:
        spec = LaneSpec.read(args.spec)
        guard = Guard(spec, Shared(Path(spec.shared), spec.sizes()), log)
    except (OSError, ValueError) as error:
        log.error("no guard", reason=str(error))
        return 1
    log.info("on guard", lane=spec.name)
    while not ending:
        guard.turn(time.time_ns())
        time.sleep(POLL_S)
    guard.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
