"""The journal's writer as a process: `python -P -m noderrd.journal --shared FILE --spec SPEC.json --dir DIR [--name lane0]`.

SIGTERM (and SIGINT) drains the ring and ends it. Exit 0 when all that was published is on the disk, 1 when another writer holds the journal, 65
(EX_DATAERR) when the disk lacks what was said to be on it, 74 (EX_IOERR) when it ends with records left in the ring.
"""

import signal
import sys
import time
from pathlib import Path
from types import FrameType

from core.codes import Writer as State
from noderrd import logs
from noderrd.command import Parser
from noderrd.journal.lock import Busy
from noderrd.journal.segment import Damaged
from noderrd.journal.shelf import Shelf
from noderrd.journal.writer import CAPACITY, Writer
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

POLL_S = 0.001
DRAIN_S = 10.0
DATA_ERROR, IO_ERROR = 65, 74


def arguments(parser: Parser) -> None:
    """Declare the command line."""
    parser.add_argument("--shared", type=Path, required=True, metavar="FILE", help="the lane's shared file")
    parser.add_argument("--spec", type=Path, required=True, metavar="SPEC.json", help="what the lane was told, for the file's sizes")
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="folder of the segments")
    parser.add_argument("--name", default="lane0", help="of the lane; its segments begin with it")
    parser.add_argument("--capacity", type=int, default=CAPACITY, metavar="N", help=f"records a segment ({CAPACITY})")
    parser.add_argument("--raw", type=int, default=4, metavar="N", help="newest segments left unpacked (4)")
    parser.add_argument("--keep", type=int, default=0, metavar="N", help="newest segments kept; 0: all (0)")


def main() -> int:
    """Write until told to end."""
    parser = Parser(prog="noderrd.journal", description="Write a lane's journal.")
    arguments(parser)
    args = parser.parse_args()
    if args.capacity < 1 or args.raw < 1 or args.keep < 0:
        parser.error("--capacity and --raw are at least 1, --keep at least 0")
    log = logs.get(f"journal-{args.name}")
    ending: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        ending.append(number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        shared = Shared(args.shared, LaneSpec.read(args.spec).sizes())
        writer = Writer(shared, args.dir, args.name, log, capacity=args.capacity)
    except (Busy, OSError, ValueError) as error:
        log.error("journal not taken up", reason=str(error))
        return 1
    shelf = Shelf(args.dir, args.name, log, raw_kept=args.raw, kept=args.keep)
    try:
        left = run(writer, shelf, ending)
    except Damaged as bad:
        log.error("journal damaged", segment=bad.segment, offset=bad.offset, reason=bad.reason)
        writer.close(State.BLOCKED)
        return DATA_ERROR
    writer.close()
    shelf.close(1.0)
    log.info("journal closed", left=left)
    return IO_ERROR if left else 0


def run(writer: Writer, shelf: Shelf, ending: list[int]) -> int:
    """Turn until `ending` is not empty and the ring is, or DRAIN_S later; gives how many records were left."""
    end_s, number = 0.0, 0
    while True:
        taken = writer.turn(time.time_ns())
        if writer.segment != number:
            number = writer.segment
            shelf.turned()
        if ending:
            end_s = end_s or time.monotonic() + DRAIN_S
            if writer.backlog == 0 or time.monotonic() > end_s:
                return writer.backlog
        if taken == 0:
            time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(main())
