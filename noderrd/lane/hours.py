"""A venue's trading hours, from the calendar of the policy to what the loop looks at: the next stretches of time in which it is open."""

import time
from typing import Any

import numpy as np

from core.layout import HOURS
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from rules import calendar
from rules.model import Calendar, Special, Window
from rules.span import Span

HORIZON_NS = 30 * 86_400 * 10**9  # so far ahead it is looked


def told(it: Calendar) -> dict[str, Any]:
    """Give a calendar as JSON holds it."""
    return {
        "name": it.name,
        "windows": [[sorted(w.days), w.begin, w.end, w.zone] for w in it.windows],
        "specials": [[s.date, s.begin, s.end, s.zone] for s in it.specials],
        "left_out": list(it.left_out),
    }


def read(said: dict[str, Any]) -> Calendar:
    """Read what `told` gave."""
    return Calendar(
        kind="schedule", name=said["name"], span=Span("", 0, 0, 0), left_out=tuple(said["left_out"]),
        windows=tuple(Window(frozenset(days), begin, end, zone) for days, begin, end, zone in said["windows"]),
        specials=tuple(Special(*one) for one in said["specials"]),
    )  # fmt: skip


def fill_all(spec: LaneSpec, shared: Shared) -> None:
    """Tell the loop the next hours of every venue."""
    for v, venue in enumerate(spec.venues):
        fill(shared.venues[v], venue.hours, time.time_ns())


def fill(row: np.void, said: dict[str, Any], now_ns: int) -> None:
    """Tell the loop a venue's next hours, and until when it knows them: VENUE's `scheduled`, `shut`, `hours`, `hours_until`."""
    row["scheduled"], row["shut"], row["hours"] = int(bool(said)), 0, 0
    if not said:
        return
    found = calendar.stretches(read(said), now_ns, now_ns + HORIZON_NS)[:HOURS]
    for k, stretch in enumerate(found):
        row["hours"][k] = stretch
    row["hours_until"] = found[-1][0] if len(found) == HOURS else now_ns + HORIZON_NS // 2
    row["shut"] = int(not calendar.inside(read(said), now_ns))
