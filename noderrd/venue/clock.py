"""What time it is at a venue: nanoseconds since a midnight, as ITCH and OUCH have it. It may pass 24 hours; it never goes back."""

import datetime as dt
import time
import zoneinfo
from typing import Protocol

SECOND = 1_000_000_000
OPENING = (9 * 60 + 30) * 60 * SECOND  # where virtual time begins
STEP = 1_000  # virtual time between two requests


class Clock(Protocol):
    """A source of venue time."""

    def now(self) -> int:
        """Give the time."""
        ...

    def deadline(self, venue_ns: int) -> int | None:
        """Give the time of CLOCK_MONOTONIC when it will be that late; None when nobody knows."""
        ...


def midnight(timezone: str) -> int:
    """Give the last midnight of a time zone, in nanoseconds since the epoch."""
    today = dt.datetime.now(zoneinfo.ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(today.timestamp()) * SECOND


class Real:
    """The host's clock, counted from a midnight (nanoseconds since the epoch)."""

    def __init__(self, midnight_ns: int) -> None:
        self._midnight = midnight_ns

    def now(self) -> int:
        """Give the time."""
        return time.time_ns() - self._midnight

    def deadline(self, venue_ns: int) -> int | None:
        """Give the time of CLOCK_MONOTONIC when it will be that late."""
        return time.monotonic_ns() + venue_ns - self.now()


class Virtual:
    """Stands still: a request takes STEP, all else is told. So the same inputs give the same stamps."""

    def __init__(self, now_ns: int) -> None:
        self.value = now_ns

    def now(self) -> int:
        """Give the time, one step on."""
        self.value += STEP
        return self.value

    def deadline(self, _venue_ns: int) -> int | None:
        """Nobody knows."""
        return None


class Scaled:
    """The time of a recording: begins at its first message and runs `speed` times as fast as the host's; at 0 every moment has come."""

    def __init__(self, first_ns: int, speed: float) -> None:
        self._speed = speed
        self.resume(first_ns)

    def resume(self, first_ns: int) -> None:
        """Go on from this time: after a pause, what lies between did not happen."""
        self._first, self._began = first_ns, time.monotonic_ns()

    def now(self) -> int:
        """Give the time."""
        return self._first + int((time.monotonic_ns() - self._began) * self._speed)

    def deadline(self, venue_ns: int) -> int | None:
        """Give the time of CLOCK_MONOTONIC when it will be that late."""
        return 0 if self._speed == 0 else self._began + int((venue_ns - self._first) / self._speed)
