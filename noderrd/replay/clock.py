"""Times of day as people write them: 09:30:05, 09:30:05.25."""

import re

DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?")


def of_day(text: str) -> int:
    """Give nanoseconds since midnight. Raises ValueError."""
    found = DAY.fullmatch(text)
    hour, minute, second = (int(found[k] or 0) for k in (1, 2, 3)) if found else (24, 0, 0)
    if found is None or hour > 23 or minute > 59 or second > 59:
        message = f"a time of day is HH:MM:SS[.fraction], not {text!r}"
        raise ValueError(message)
    return (hour * 3600 + minute * 60 + second) * 1_000_000_000 + int((found[4] or "").ljust(9, "0"))


def shown(ns: int) -> str:
    """Write nanoseconds since midnight."""
    second, fraction = divmod(ns, 1_000_000_000)
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{fraction:09}"
