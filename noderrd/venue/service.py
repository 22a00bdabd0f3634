"""A venue that runs: the exchange, its clock, and everything that makes things happen by themselves."""

import time
from typing import Any

import trio

from noderrd.venue import engine, recording
from noderrd.venue.clock import OPENING, Clock, Real, Scaled, Virtual, midnight
from noderrd.venue.config import Config
from noderrd.venue.exchange import Exchange
from noderrd.venue.feed import Feed, Line
from noderrd.venue.orders import Port
from noderrd.venue.record import Cause, Kind, Record
from noderrd.venue.timer import Timer

TIMEZONE = "America/New_York"  # whose midnight stamps count from
STEP_NS = 1_000_000  # the flow acts at most once in this time: its events within it go out together
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SESSION_MAX = 10


def session_name(name: str, number: int) -> str:
    """Give a session's name: the venue's letters, then a number (seconds since the epoch, or a seed) in base 36."""
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    letters = "".join(c for c in name.upper() if c.isalnum())[:4]
    return (letters + digits[-(SESSION_MAX - len(letters)) :]) or "0"


class Service:
    """The parts of a venue and how they hang together. Raises what Exchange raises."""

    def __init__(self, config: Config, record: Record, log: Any) -> None:
        self._log = log
        self.exchange = Exchange(config, record)
        self._flow_changed = trio.lowlevel.ParkingLot()
        day_ns = self.exchange.midnight_ns or midnight(TIMEZONE)
        virtual, tape = config.time.kind == "virtual", config.flow.kind == "replay"
        continued = bool(self.exchange.session)
        first_ns = self.exchange.next_due() if tape else None
        self.clock: Clock
        if virtual:
            self.clock = Virtual(max(OPENING, self.exchange.now_ns))
        elif first_ns is not None:
            self.clock = Scaled(first_ns, config.flow.speed)
        else:
            self.clock = Real(day_ns)
        number = config.seed if virtual else int(time.time())
        self.exchange.open(session_name(config.name, number), 0 if virtual else day_ns, self.clock.now())
        if continued and self.exchange.flow_on:
            self.act(Kind.FLOW_ON)  # what the flow would have done meanwhile did not happen
        log.info("session", session=self.exchange.session, continued=continued, next_seq_num=record.feed_next)

    def listen(self, lines: dict[str, Line]) -> tuple[Feed, Port]:
        """Give the feed and the order port."""
        return Feed(self.exchange, lines, self._log), Port(self.exchange.config, self.exchange, self.clock, self._log)

    def act(self, kind: Kind, user: int = 0, argument: int = 0, payload: bytes = b"") -> None:
        """Do what an operator asks for."""
        self.exchange.do(Cause(kind, self.clock.now(), user, argument, payload))
        self._flow_changed.unpark_all()

    async def flow(self) -> None:
        """Let the flow, or the recording, act when its time has come."""
        kind = Kind.TAPE if self.exchange.config.flow.kind == "replay" else Kind.FLOW
        with Timer() as timer:
            while True:
                due = self.exchange.next_due()
                deadline = self.clock.deadline(due) if due is not None else None
                if due is None or deadline is None:
                    await self._flow_changed.park()
                    continue
                await timer.sleep_until(max(deadline, time.monotonic_ns() + STEP_NS) if deadline else 0)
                until = max(self.clock.now(), due) if deadline else recording.EVER
                while self.exchange.flow_on and self.exchange.do(Cause(kind, until, 0, until)) == engine.MORE:
                    await trio.lowlevel.checkpoint()  # requests come in between

    def counts(self) -> dict[str, int]:
        """Give what has been counted outside the market."""
        return {}
