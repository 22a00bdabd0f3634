"""The end of a day: nothing new goes out, everything open is canceled, what is left is compared, the day is sealed in the journal.

At the time and in the zone that [day] end says, by the lane itself, profit is counted afresh; the rest is done here. A day that ended with something
open or in doubt leaves the node halted (DAY_OVER) until a person resumes it. One whose end nobody was there for is ended at the next start.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from core.codes import Command, Halt, Scope
from noderrd import durable
from noderrd.control import answers, lanes, wallclock
from noderrd.control.node import Node
from noderrd.lane import day

CANCEL_S = 10.0
FLUSH_S = 10.0
POLL_S = 0.01
LATE_NS = 86_400 * 10**9
FOLDER = "days"
Day = dict[str, Any]


def told(folder: Path) -> list[Day]:
    """Give the days that were ended, the newest last. Raises OSError, ValueError."""
    return [json.loads(path.read_text()) for path in sorted((folder / FOLDER).glob("*.json"))]


async def run(node: Node, alarm: Callable[[str, str, str], None]) -> None:
    """End each day when it is over, until cancelled."""
    text = node.config.day.end
    now_ns = time.time_ns()
    last_ns = day.end_after(text, now_ns - LATE_NS)
    if last_ns <= now_ns and node.was != "none" and not _file(node, last_ns).exists():
        await _ended(node, last_ns, alarm)
    while True:
        end_ns = day.end_after(text, time.time_ns())
        await wallclock.until(end_ns)
        await _ended(node, end_ns, alarm)


async def _ended(node: Node, end_ns: int, alarm: Callable[[str, str, str], None]) -> None:
    while not node.lane.ready:  # noqa: ASYNC110 - another process writes it, and tells nobody
        await trio.sleep(POLL_S)
    try:
        said = await end(node, end_ns, "schedule")
    except (lanes.NoAnswer, OSError) as why:
        alarm("day", f"not ended: {why}", "[day] end")
        return
    if not said["clean"]:
        alarm("day", f"{said['day']}: {said['open']} open, {len(said['differences'])} in doubt, sealed: {said['sealed']}", "[day] end")


def _file(node: Node, end_ns: int) -> Path:
    return node.folder / FOLDER / f"{day.name_of(node.config.day.end, end_ns)}.json"


async def end(node: Node, end_ns: int, who: str) -> Day:
    """End the day that is over at `end_ns`; gives what is kept of it. Raises lanes.NoAnswer, OSError."""
    lane, number = node.lane, day.name_of(node.config.day.end, end_ns)
    node.log.info("the day ends", day=number, by=who)
    before = int(lane.shared.control[0]["halt_node"])
    if not before:
        lane.halt(Scope.NODE, 0, Halt.DAY_OVER)
    await lane.command(Command.CANCEL_ALL)
    left = await lane.emptied(CANCEL_S)
    found = [row for row in node.differences() if "is halted until" not in row["what"]]
    await lane.command(Command.SEAL, ref=number, text=f"by {who}: {left} open, {len(found)} in doubt")
    sealed = await _flushed(lane)
    clean = left == 0 and not found and sealed
    said = {
        "day": number, "at": time.time_ns(), "by": who, "clean": clean, "open": left, "differences": found, "sealed": sealed,
        "positions": answers.positions([lane])["positions"],
    }  # fmt: skip
    (node.folder / FOLDER).mkdir(exist_ok=True)
    durable.write(node.folder / FOLDER / f"{number}.json", json.dumps(said, indent=1))
    if clean:
        if not before:
            lane.turn_words(Scope.NODE, 0, (Halt.DAY_OVER,), Halt.NONE)
        node.log.info("the day is sealed", day=number)
    else:
        if not before:
            lane.halt(Scope.NODE, 0, Halt.DAY_OVER)
        node.log.error("the day is over, and not clean: halted until a person resumes", day=number, open=left, in_doubt=len(found), sealed=sealed)
    return said


async def _flushed(lane: lanes.Lane) -> bool:
    """Wait until the journal's writer has everything on the disk; False when it does not come to that."""
    control = lane.shared.control[0]
    head = int(control["journal_head"])
    with trio.move_on_after(FLUSH_S):
        while int(control["journal_tail"]) < head:  # noqa: ASYNC110 - another process raises it, and tells nobody
            await trio.sleep(POLL_S)
    return int(control["journal_tail"]) >= head
