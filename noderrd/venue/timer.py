"""Sleeping to the microsecond. epoll, which trio waits in, rounds a time-out up to a whole millisecond; a timerfd wakes it when due."""

import ctypes
import os
import time
from typing import Self

import trio

CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1
SECOND = 1_000_000_000


class _Spec(ctypes.Structure):
    """struct itimerspec (timerfd_settime(2))."""

    _fields_ = (("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("value_s", ctypes.c_long), ("value_ns", ctypes.c_long))


class Timer:
    """One sleeper. Raises OSError when the host gives no timer."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    async def sleep_until(self, deadline_ns: int) -> None:
        """Wait for a time of CLOCK_MONOTONIC; a past one is a checkpoint."""
        if deadline_ns <= time.monotonic_ns():
            await trio.lowlevel.checkpoint()
            return
        spec = _Spec(0, 0, deadline_ns // SECOND, deadline_ns % SECOND)
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(spec), None)
        await trio.lowlevel.wait_readable(self._fd)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
