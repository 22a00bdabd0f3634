"""When something is done again and again: a time of the day with its zone, on some weekdays or on all: "Mon, Fri 06:00 Etc/UTC"."""

from datetime import UTC, datetime

from noderrd.lane import day
from rules.catalog import DAYS


def parse(text: str) -> tuple[frozenset[int], str]:
    """Give the weekdays (0 is Monday) and what noderrd.lane.day reads. Raises ValueError."""
    words = text.split()
    named = "".join(words[:-2])
    days = frozenset(DAYS.index(name) if name in DAYS else -1 for name in named.split(",")) if named else frozenset(range(7))
    if len(words) < 2 or -1 in days:
        message = f"expected a time and its zone, with weekdays or without (Mon, Fri 06:00 Etc/UTC), found {text!r}"
        raise ValueError(message)
    clock = " ".join(words[-2:])
    day.parse(clock)
    return days, clock


def wrong(text: str, *, weekdays: bool) -> str:
    """Say what was expected in place of a text; "" when it is good, or is nothing."""
    if not text:
        return ""
    try:
        found, _ = parse(text)
    except ValueError as why:
        return str(why).removeprefix("expected ").partition(", found")[0]
    return "" if weekdays or len(found) == len(DAYS) else "a time and its zone, of every day"


def after(text: str, now_ns: int) -> int:
    """Give when it is due next after `now_ns`, ns since the epoch. Raises ValueError."""
    days, clock = parse(text)
    _, where = day.parse(clock)
    at_ns = now_ns
    while True:
        at_ns = day.end_after(clock, at_ns)
        if datetime.fromtimestamp(at_ns // day.SECOND, UTC).astimezone(where).weekday() in days:
            return at_ns
