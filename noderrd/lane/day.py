"""When a trading day ends: a time of the day and the zone that it is of, "17:00 America/New_York"; "" is midnight UTC."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000_000


def parse(text: str) -> tuple[time, ZoneInfo]:
    """Read the time and its zone. Raises ValueError, which says what was expected."""
    clock, _, zone = (text or "00:00 Etc/UTC").partition(" ")
    try:
        at = time.fromisoformat(clock)
        where = ZoneInfo(zone)
    except (ValueError, ZoneInfoNotFoundError) as why:
        message = f"expected a time and its zone, such as 17:00 America/New_York, found {text!r}"
        raise ValueError(message) from why
    if at.tzinfo is not None or at.microsecond:
        message = f"expected a time in whole seconds, found {clock!r}"
        raise ValueError(message)
    return at, where


def end_after(text: str, now_ns: int) -> int:
    """Give the next end of a day after `now_ns`, ns since the epoch: by the zone's own clock, also where it was set that day. Raises ValueError."""
    at, where = parse(text)
    today = datetime.fromtimestamp(now_ns // SECOND, UTC).astimezone(where).date()
    for days in range(-1, 3):
        end_ns = int(datetime.combine(today + timedelta(days), at, where).timestamp()) * SECOND
        if end_ns > now_ns:
            return end_ns
    message = f"{text}: no end of a day within two days"  # no zone is set that far
    raise ValueError(message)


def name_of(text: str, end_ns: int) -> int:
    """Give the day that ended then as yyyymmdd, by its zone."""
    _, where = parse(text)
    it = datetime.fromtimestamp(end_ns // SECOND - 1, UTC).astimezone(where)
    return it.year * 10_000 + it.month * 100 + it.day
