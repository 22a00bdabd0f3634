"""Waiting for a time of the wall clock, which somebody may set meanwhile."""

import time

import trio

SECOND = 1_000_000_000
LONGEST_S = 1.0  # so late a clock that was set is noticed
SHORTEST_S = 0.001


async def until(at_ns: int) -> None:
    """Wait until it is `at_ns`, ns since the epoch."""
    while time.time_ns() < at_ns:  # noqa: ASYNC110 - no event tells that a clock was set
        await trio.sleep(min(LONGEST_S, max((at_ns - time.time_ns()) / SECOND, SHORTEST_S)))
