"""A venue that runs: the exchange, its clock, and everything that happens at its time: the flow, expiries, the day, what the file scripts."""

import dataclasses
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import trio

from noderrd.venue import control, engine, recording
from noderrd.venue.clock import OPENING, SECOND, Clock, Real, Scaled, Virtual, midnight
from noderrd.venue.config import Config, Event, seconds
from noderrd.venue.exchange import Exchange
from noderrd.venue.record import Cause, Kind, Record
from noderrd.venue.timer import Timer

TIMEZONE = "America/New_York"  # whose midnight stamps count from, where the file names no other
STEP_NS = 1_000_000  # the flow acts at most once in this time: its events within it go out together
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SESSION_MAX = 10
INDICATE_NS = 60 * SECOND  # how long before a cross its indicator begins
INDICATE_EVERY_NS = 5 * SECOND
LOOK_S = 0.5  # how often it is looked whether an order came that expires sooner than anything else happens
LATE_NS = 10 * SECOND  # how long before a cross its orders can no longer be changed
BEFORE_NS = 600 * SECOND  # virtual time begins so long before the open


def session_name(name: str, number: int) -> str:
    """Give a session's name: the venue's letters, then a number (seconds since the epoch, or a seed) in base 36."""
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    letters = "".join(c for c in name.upper() if c.isalnum())[:4]
    return (letters + digits[-(SESSION_MAX - len(letters)) :]) or "0"


@dataclasses.dataclass(frozen=True, order=True)
class Task:
    """Something that is told to the venue at a venue time."""

    at_ns: int
    order: int  # of tasks at the same time
    asked: dict[str, Any] = dataclasses.field(compare=False)


class Service:
    """The parts of a venue that act. Raises what Exchange raises."""

    def __init__(self, config: Config, record: Record, log: Any) -> None:
        self._log, self._config = log, config
        self.exchange = Exchange(config, record, control.act)
        self._changed = trio.lowlevel.ParkingLot()
        self.on_close: list[Callable[[], None]] = []
        zone = config.session.timezone if config.session else TIMEZONE
        virtual = config.time.kind == "virtual"
        day_ns = 0 if virtual else self.exchange.midnight_ns or midnight(zone)
        continued = bool(self.exchange.session)
        first_ns = self.exchange.next_due() if config.flow.kind == "replay" else None
        self.clock: Clock
        if virtual:
            begin_ns = seconds(config.session.open) * SECOND - BEFORE_NS if config.session else OPENING
            self.clock = Virtual(max(begin_ns, self.exchange.now_ns))
        elif first_ns is not None:
            self.clock = Scaled(first_ns, config.flow.speed)
        else:
            self.clock = Real(day_ns)
        number = config.seed if virtual else int(time.time())
        now_ns = self.clock.now()
        self.exchange.open(session_name(config.name, number), day_ns, now_ns)
        self._agenda = sorted(self._day() + self._scripted(self.exchange.opened_ns, config.events))
        if continued:
            self._agenda = [task for task in self._agenda if task.at_ns > self.exchange.now_ns]
            if self.exchange.flow_on:
                self.exchange.do(Cause(Kind.FLOW_ON, now_ns))  # what the flow would have done meanwhile did not happen
        elif config.session and now_ns >= seconds(config.session.close) * SECOND:
            self._agenda = []
            self.tell({"do": "close"})  # today is over
        log.info("session", session=self.exchange.session, continued=continued, next_seq_num=record.feed_next)

    # The day.

    def _day(self) -> list[Task]:
        """Give what the calendar asks for: indicators, late orders, crosses, the end."""
        session = self._config.session
        if session is None:
            return []
        symbols = [one.symbol for one in self._config.instruments]
        open_ns, close_ns = seconds(session.open) * SECOND, seconds(session.close) * SECOND
        tasks: list[Task] = []

        def add(at_ns: int, **asked: Any) -> None:
            tasks.append(Task(at_ns, len(tasks), asked))

        for cross, at_ns in (("O", open_ns), ("C", close_ns)):
            for when in range(at_ns - INDICATE_NS, at_ns, INDICATE_EVERY_NS):
                for symbol in symbols:
                    add(when, do="imbalance", symbol=symbol, cross=cross)
            for symbol in symbols:
                add(at_ns - LATE_NS, do="late", symbol=symbol, on=True)
        add(open_ns, do="system", event="Q")
        for cross, at_ns in (("O", open_ns), ("C", close_ns)):
            for symbol in symbols:
                add(at_ns, do="auction", symbol=symbol, cross=cross)
        add(close_ns, do="close")
        return tasks

    def _scripted(self, opened_ns: int, events: tuple[Event, ...]) -> list[Task]:
        """Give what the file's [[event]]s ask for."""
        tasks: list[Task] = []
        for event in events:
            if event.at.endswith("s"):
                at_ns = opened_ns + int(Decimal(event.at[:-1]) * SECOND)
            else:
                at_ns = seconds(event.at) * SECOND
            fields = {name: value for name, value in dataclasses.asdict(event).items() if value is not None and name != "at"}
            asked = {name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
            tasks.append(Task(at_ns, 1 << 20 | len(tasks), asked))
        return tasks

    # Acting.

    def tell(self, asked: dict[str, Any]) -> None:
        """Do what an operator asks of the market. Raises control.Refused."""
        control.check(self.exchange, asked["do"], asked)
        now_ns = self.clock.now()
        if asked["do"] == "skip":
            self.exchange.do(Cause(Kind.SKIP, now_ns, argument=asked["count"]))
        else:
            self.exchange.do(Cause(Kind.CONTROL, now_ns, payload=json.dumps(asked).encode()))
        if asked["do"] == "close":
            for listener in self.on_close:
                listener()
        self._changed.unpark_all()

    def set_flow(self, *, on: bool) -> None:
        """Let the flow act, or pause it."""
        if on and not self.exchange.flow_on and isinstance(self.clock, Scaled):
            due = self.exchange.next_due_on_tape()
            if due is not None:
                self.clock.resume(due)
        self.exchange.do(Cause(Kind.FLOW_ON if on else Kind.FLOW_OFF, self.clock.now()))
        self._changed.unpark_all()

    def next_ns(self) -> int | None:
        """Give the venue time of whatever happens next by itself."""
        times = [self.exchange.next_due(), self.exchange.next_expiry(), self._agenda[0].at_ns if self._agenda else None]
        known = [when for when in times if when is not None]
        return min(known) if known else None

    def act(self, until_ns: int, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Let one thing happen whose time has come by `until_ns`: False when there is none. `answer` does what the agenda tells."""
        due, expiry = self.exchange.next_due(), self.exchange.next_expiry()
        task = self._agenda[0] if self._agenda else None
        rest = [when for when in (expiry, task.at_ns if task else None) if when is not None]
        if task is not None and task.at_ns <= until_ns and (due is None or task.at_ns <= due) and (expiry is None or task.at_ns <= expiry):
            self._agenda.pop(0)
            self._move(task.at_ns)
            said = answer(dict(task.asked))
            if not said.get("ok"):
                self._log.warning("scripted event refused", asked=task.asked, reason=said.get("error"))
            return True
        if expiry is not None and expiry <= until_ns and (due is None or expiry <= due):
            self._move(expiry)
            self.exchange.do(Cause(Kind.EXPIRE, expiry))
            return True
        if due is None or due > until_ns:
            return False
        kind = Kind.TAPE if self._config.flow.kind == "replay" else Kind.FLOW
        stop = min([until_ns, *(when - 1 for when in rest if when > due)])
        return self.exchange.do(Cause(kind, stop, 0, stop)) == engine.MORE or (self.next_ns() is not None and (self.next_ns() or 0) <= until_ns)

    def _move(self, now_ns: int) -> None:
        """Let virtual time be this late."""
        if isinstance(self.clock, Virtual):
            self.clock.value = max(self.clock.value, now_ns)

    def advance(self, until_ns: int, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let virtual time pass, with all that happens in it."""
        while self.act(until_ns, answer):
            pass
        self._move(until_ns)

    async def run(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let everything happen at its time."""
        with Timer() as timer:
            while True:
                due = self.next_ns()
                deadline = self.clock.deadline(due) if due is not None else None
                if due is None or deadline is None:
                    with trio.move_on_after(LOOK_S):
                        await self._changed.park()
                    continue
                with trio.move_on_after(LOOK_S):
                    await timer.sleep_until(max(deadline, time.monotonic_ns() + STEP_NS) if deadline else 0)
                until = self.clock.now() if deadline else recording.EVER
                while self.act(until, answer):
                    await trio.lowlevel.checkpoint()  # requests come in between
