"""Weekdays, times of day, dates and time zones, as rules write them."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from rules.catalog import DAY, DAYS, SECOND
from rules.model import Calendar, Moment

MINUTES = 24 * 60


@cache
def zones() -> frozenset[str]:
    """Give the names of the IANA time zones, from the tzdata package."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def days(texts: Sequence[str]) -> frozenset[int]:
    """Give the weekdays (0 is Monday) of `Mon-Fri`, `Sat`, ...; a range may go over Sunday."""
    found: set[int] = set()
    for text in texts:
        first, _, last = text.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update((begin + k) % 7 for k in range((end - begin) % 7 + 1))
    return frozenset(found)


def clock(text: str) -> tuple[int, int | None]:
    """Give minutes since midnight of `09:30`, or of both ends of `09:30-16:00`. Raises ValueError for times there are not."""
    begin, dash, end = text.partition("-")
    return _minute(begin, MINUTES - 1), _minute(end, MINUTES) if dash else None


def _minute(text: str, most: int) -> int:
    hour, _, minute = text.partition(":")
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > most:
        raise ValueError(f"there is no time {text}")
    return found


def date(text: str) -> dt.date:
    """Give a date; raises ValueError for dates there are not."""
    return dt.date.fromisoformat(text)


def always_inside(moment: Moment, calendar: Calendar) -> bool:
    """Whether every occurrence of a weekly moment lies in a calendar's weekly windows (compared in one time zone only)."""
    if moment.interval_ns or calendar.left_out or calendar.specials:
        return False
    return all(any(_inside(day, moment, window.days, window.begin, window.end, window.zone) for window in calendar.windows) for day in moment.days)


def inside(calendar: Calendar, now_ns: int) -> bool:
    """Whether a time (ns since the epoch) lies in a calendar. A window belongs to the day that it begins on, also where it ends on the next."""
    return any(_open(calendar, zone, now_ns) for zone in {w.zone for w in calendar.windows} | {s.zone for s in calendar.specials})


def local(now_ns: int, zone: str) -> dt.datetime:
    """Give the wall clock of a zone."""
    return dt.datetime.fromtimestamp(now_ns // SECOND, ZoneInfo(zone))


def next_change(calendar: Calendar, after_ns: int, days: int) -> int:
    """Give the first time (ns since the epoch) after `after_ns`, within so many days, at which a calendar goes on or off; 0 if none."""
    until_ns = after_ns + days * DAY
    edges = (edge for stretch in stretches(calendar, after_ns, until_ns) for edge in stretch)
    return min((edge for edge in edges if after_ns < edge < until_ns), default=0)


def _open(calendar: Calendar, zone: str, now_ns: int) -> bool:
    """Whether a window of one zone is open: one that began today, or yesterday and goes past midnight."""
    now = dt.datetime.fromtimestamp(now_ns // SECOND, ZoneInfo(zone))
    minute = now.hour * 60 + now.minute
    for day, since in ((now.date(), minute), (now.date() - dt.timedelta(days=1), minute + MINUTES)):
        if any(begin <= since < (end if end > begin else end + MINUTES) for begin, end in _times(calendar, zone, day)):
            return True
    return False


def stretches(calendar: Calendar, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """Give the stretches of time [from, to), ns since the epoch, that a calendar has between two times: ascending, apart, whole at both ends."""
    found: list[tuple[int, int]] = []
    for zone in {w.zone for w in calendar.windows} | {s.zone for s in calendar.specials}:
        first, last = (dt.datetime.fromtimestamp(ns // SECOND, ZoneInfo(zone)).date() for ns in (begin_ns, end_ns))
        for k in range(-1, (last - first).days + 1):
            day = first + dt.timedelta(days=k)
            for begin, end in _times(calendar, zone, day):
                found.append((_instant(day, begin, zone), _instant(day, end if end > begin else end + MINUTES, zone)))
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return [(begin, end) for begin, end in merged if end > begin_ns and begin < end_ns]


def _instant(day: dt.date, minute: int, zone: str) -> int:
    """Give the time at which a zone's clocks have come so many minutes past a day's midnight, counted as they show it."""
    at = dt.datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + dt.timedelta(minutes=minute)
    return int(at.timestamp()) * SECOND


def _times(calendar: Calendar, zone: str, day: dt.date) -> list[tuple[int, int]]:
    """Give a day's windows in a zone, minutes since its midnight: none on a day that is left out, other ones on a day that has its own."""
    if day.isoformat() in calendar.left_out:
        return []
    if any(s.date == day.isoformat() for s in calendar.specials):
        return [(s.begin, s.end) for s in calendar.specials if s.date == day.isoformat() and s.zone == zone]
    return [(w.begin, w.end) for w in calendar.windows if w.zone == zone and day.weekday() in w.days]


def next_time(moment: Moment, after_ns: int) -> int:
    """Give the first time after `after_ns` that a moment is due. A minute that a clock change skips is due when the clock passes it."""
    if moment.interval_ns:
        return (after_ns // moment.interval_ns + 1) * moment.interval_ns
    zone = ZoneInfo(moment.zone)
    day = dt.datetime.fromtimestamp(after_ns // SECOND, zone).date()
    while True:
        if day.weekday() in moment.days:
            at = dt.datetime(day.year, day.month, day.day, moment.minute // 60, moment.minute % 60, tzinfo=zone)
            due_ns = int(at.timestamp()) * SECOND
            if due_ns > after_ns:
                return due_ns
        day += dt.timedelta(days=1)


def always(calendar: Calendar) -> bool:
    """Whether a calendar's weekly windows cover the whole week (those of one time zone together)."""
    if calendar.left_out or calendar.specials:
        return False
    for zone in {window.zone for window in calendar.windows}:
        moments = (Moment(frozenset((day,)), minute, zone, 0) for day in range(7) for minute in _edges(calendar, zone))
        if all(always_inside(moment, calendar) for moment in moments):
            return True
    return False


def _edges(calendar: Calendar, zone: str) -> set[int]:
    """Give the minutes of a day at which being inside can change."""
    return {0, *(edge % MINUTES for window in calendar.windows if window.zone == zone for edge in (window.begin, window.end))}


def _inside(day: int, moment: Moment, on: frozenset[int], begin: int, end: int, zone: str) -> bool:
    if zone != moment.zone:
        return False
    if begin < end:
        return day in on and begin <= moment.minute < end
    return (day in on and moment.minute >= begin) or ((day - 1) % 7 in on and moment.minute < end)
