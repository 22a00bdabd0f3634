"""A line that misbehaves as asked: packets are lost, sent twice, overtaken by the next, or late. What is asked for may change at any time.

Chance comes from a seed: the same packets through the same faults have the same fate.
"""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
import trio

from noderrd.venue.config import Itch
from noderrd.venue.feed import Line
from noderrd.venue.timer import Timer

LATE_MAX = 1 << 14  # packets that may be late at a time; more are lost


@dataclass
class Faults:
    """Shares of packets (0 to 1), and how late every packet is."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_us: int = 0


def faults_of(itch: Itch, line: str) -> Faults:
    """Give the faults of line `a` or `b` as the venue's file has them."""
    return Faults(*(getattr(fault, line) for fault in (itch.drop, itch.duplicate, itch.reorder, itch.delay_us)))


class FaultyLine:
    """A line before a line. `deliver` must run for late packets to go out."""

    def __init__(self, line: Line, faults: Faults, seed: list[int]) -> None:
        self._line, self.faults = line, faults
        self._chance = np.random.default_rng(seed)
        self._held: bytes | None = None  # waits to be overtaken
        self._late: deque[tuple[int, bytes]] = deque()
        self._news = trio.lowlevel.ParkingLot()
        self.dropped = self.duplicated = self.reordered = 0

    def send(self, packet: bytes) -> None:
        """Send a packet, or what is made of it."""
        faults = self.faults
        if faults.drop and self._chance.random() < faults.drop:
            self.dropped += 1
            return
        if faults.reorder and self._held is None and self._chance.random() < faults.reorder:
            self.reordered += 1
            self._held = packet
            return
        self._pass(packet)
        if faults.duplicate and self._chance.random() < faults.duplicate:
            self.duplicated += 1
            self._pass(packet)
        if self._held is not None:
            packet, self._held = self._held, None
            self._pass(packet)

    def _pass(self, packet: bytes) -> None:
        """Send a packet, later if the line is slow. A packet never overtakes one that is late already."""
        if not self.faults.delay_us and not self._late:
            self._line.send(packet)
        elif len(self._late) < LATE_MAX:
            self._late.append((time.monotonic_ns() + self.faults.delay_us * 1_000, packet))
            self._news.unpark()
        else:
            self.dropped += 1

    async def deliver(self) -> None:
        """Send late packets when their time has come."""
        with Timer() as timer:
            while True:
                if not self._late:
                    await self._news.park()
                    continue
                await timer.sleep_until(self._late[0][0])
                self._line.send(self._late.popleft()[1])
