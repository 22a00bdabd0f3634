"""The order port: SoupBinTCP 3.00 (Nasdaq, 22 February 2017), one connection a user.

What a client is told is its sequenced stream, kept by the record: a connection is a place in that stream that moves on as its socket takes
bytes. So a replay and the live stream are the same bytes by the same way, and a slow reader costs its own connection's place, not memory.
"""

import hmac
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import trio

from core import ouch, soupbintcp
from noderrd.venue.clock import Clock
from noderrd.venue.config import Config, split
from noderrd.venue.exchange import Exchange
from noderrd.venue.record import Cause, Kind
from noderrd.venue.soup import HEARTBEAT_S, SILENCE_S, Broken, Door, Login, Packets, Refused, receive, send
from noderrd.venue.timer import Timer

BATCH = 256  # messages a write
GIVE_WAY_S = 0.2  # how long a second login waits for the first connection's end to be noticed
REPLIES = 1 << 16  # answers that may wait for their latency to be over


class Session:
    """A user's place: who is connected as that user, and answers that wait for their latency to be over."""

    def __init__(self) -> None:
        self.connected = False
        self.gone = trio.lowlevel.ParkingLot()  # where a second login waits for the first one's end
        self.news = trio.lowlevel.ParkingLot()
        self.waiting: deque[tuple[int, int]] = deque(maxlen=REPLIES)  # (number of the last message, when it may go, CLOCK_MONOTONIC)
        self.last_due = 0
        self.held = False
        self.heard = time.monotonic()

    def due(self, number: int) -> int:
        """Give when a message may go."""
        while self.waiting and self.waiting[0][0] < number:
            self.waiting.popleft()
        return self.waiting[0][1] if self.waiting else 0


@dataclass(frozen=True)
class Seat:
    """A login: whose stream it reads, whose requests it makes (None: it only reads), and whether orders end with its connection."""

    name: str
    password: str
    stream: int
    user: int | None
    cancels: bool


def order_seats(config: Config) -> list[Seat]:
    """Give the logins of the order port."""
    port = config.ouch
    return [
        Seat(u.user, u.password, k, k, port.cancel_on_disconnect if u.cancel_on_disconnect is None else u.cancel_on_disconnect)
        for k, u in enumerate(port.users)
    ]


def drop_seats(config: Config, exchange: Exchange) -> list[Seat]:
    """Give the logins of the drop copy port."""
    return [Seat(u.user, u.password, exchange.drop_stream(u.account), None, cancels=False) for u in config.drop.users] if config.drop else []


class Port:
    """A port of an exchange: orders, or drop copies."""

    def __init__(self, seats: list[Seat], exchange: Exchange, clock: Clock, log: Any) -> None:
        self._seats, self._exchange, self._clock, self._log = seats, exchange, clock, log
        self._sessions = [Session() for _ in seats]
        self._of_stream: dict[int, list[Session]] = {}
        for seat, session in zip(seats, self._sessions, strict=True):
            self._of_stream.setdefault(seat.stream, []).append(session)
        self._chance = np.random.default_rng([exchange.config.seed, len(seats)])
        self._door = Door(self.judge, log)
        self.ended = False
        self.heartbeats = True
        self.extra_us = 0  # how much slower than configured its answers are
        exchange.private_listeners.append(self._told)

    # What the exchange said.

    def _told(self, stream: int) -> None:
        """Let the connections of a stream know that there is news."""
        latency = self._exchange.config.latency
        for session in self._of_stream.get(stream, ()):
            delay = (latency.ack_us + self.extra_us) * 1_000 + int(self._chance.random() * latency.jitter_us * 1_000)
            if delay:
                session.last_due = max(session.last_due, time.monotonic_ns() + delay)
                session.waiting.append((self._exchange.record.private_next(stream) - 1, session.last_due))
            session.news.unpark_all()

    def hold(self, user: int, *, on: bool) -> None:
        """Hold a user's answers back, or let them go."""
        self._sessions[user].held = on
        self._sessions[user].news.unpark_all()

    def end(self) -> None:
        """Tell every client that the session is over."""
        self.ended = True
        for session in self._sessions:
            session.news.unpark_all()

    def logged_in(self, user: int) -> bool:
        """Tell whether a user is connected."""
        return self._sessions[user].connected

    # Connections.

    def judge(self, name: str, password: str) -> int | None:
        """Give the index of a login, if the password is right."""
        for k, seat in enumerate(self._seats):
            if seat.name == name:
                return k if hmac.compare_digest(seat.password.encode(), password.encode()) else None
        return None

    async def serve(self, address: str, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections; the port is the task's word that it does. Raises OSError when the address is taken."""
        host, port = split(address)
        listeners = await trio.open_tcp_listeners(port, host=host)
        task_status.started(listeners[0].socket.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            await trio.serve_listeners(self._meet, listeners)

    async def _meet(self, stream: trio.SocketStream) -> None:
        await self._door.meet(stream, self._login)

    async def _watch(self) -> None:
        """Cancel the orders of users who did not come back: after a restart nobody is connected, and that is silence like any other."""
        while True:
            await trio.sleep(HEARTBEAT_S)
            for seat, session in zip(self._seats, self._sessions, strict=True):
                away = not session.connected and time.monotonic() - session.heard > SILENCE_S
                if away and seat.cancels and seat.user is not None and not self.ended and len(self._exchange.open_orders(seat.user)):
                    self._cancel_all(seat.user)

    def _cancel_all(self, user: int) -> None:
        self._exchange.do(Cause(Kind.CANCEL_ALL, self._clock.now(), user, ouch.CANCEL_SUPERVISORY))

    async def _login(self, stream: trio.SocketStream, packets: Packets) -> None:
        """Judge a Login Request, and serve the user."""
        login = await self._door.login(stream, packets)
        session = self._sessions[login.user]
        if session.connected:
            with trio.move_on_after(GIVE_WAY_S):
                await session.gone.park()
        end = self._exchange.record.private_next(self._seats[login.user].stream)
        fault = ""
        if session.connected:
            fault = "already connected"
        elif login.session not in {"", self._exchange.session} or self.ended:
            fault = f"no session {login.session!r}"
        elif login.number > end:
            fault = f"no message {login.number}, the next is {end}"
        if fault:
            await self._door.reject(stream, login.name, Refused(soupbintcp.NO_SESSION, fault))
        first = login.number or max(end - 1, 1)  # 0: from the newest message on
        await self._attend(stream, packets, login, first)

    async def _attend(self, stream: trio.SocketStream, packets: Packets, login: Login, first: int) -> None:
        """Serve a user who is logged in."""
        seat, session = self._seats[login.user], self._sessions[login.user]
        reason = "end of session"
        with trio.CancelScope() as scope:
            session.connected = True  # before anything is awaited: the place is taken
            try:
                await stream.send_all(soupbintcp.login_accepted(self._exchange.session, first))
                self._log.info("logged in", user=seat.name, number=first)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream, seat.stream, session, first, scope)
                    reason = await self._read(stream, packets, login.rest, seat)
                    nursery.cancel_scope.cancel()
            except* (trio.BrokenResourceError, trio.ClosedResourceError, Broken) as group:
                reason = "; ".join(str(error.__cause__ or error) for error in group.exceptions)
            finally:
                session.connected = False
                session.gone.unpark()
                session.heard = time.monotonic()
        if not self.ended and seat.cancels and seat.user is not None:  # not reached when the venue itself stops
            self._cancel_all(seat.user)
        self._log.info("logged out", user=seat.name, reason=reason)

    async def _read(self, stream: trio.SocketStream, packets: Packets, rest: list[bytes], seat: Seat) -> str:
        """Take what a client says until it goes; gives why it went. Raises Broken."""
        for packet in rest:
            if not self._take(packet, seat):
                return "logout"
        while True:
            with trio.move_on_after(SILENCE_S) as patience:
                data = await receive(stream)
            if patience.cancelled_caught:
                return f"silent for {SILENCE_S:.0f} s"
            for packet in packets.feed(data):
                if not self._take(packet, seat):
                    return "logout"

    def _take(self, packet: bytes, seat: Seat) -> bool:
        """Do what a packet asks for; False: the client wants to go. Raises Broken for one that no client may send."""
        kind = packet[0]
        if kind == soupbintcp.UNSEQUENCED:
            if not self.ended and seat.user is not None:
                self._exchange.do(Cause(Kind.REQUEST, self._clock.now(), seat.user, payload=packet[1:]))
        elif kind not in {soupbintcp.CLIENT_HEARTBEAT, soupbintcp.DEBUG, soupbintcp.LOGOUT_REQUEST}:
            message = f"a packet of type {chr(kind)!r}"
            raise Broken(message)
        return kind != soupbintcp.LOGOUT_REQUEST

    async def _write(self, stream: trio.SocketStream, of: int, session: Session, number: int, scope: trio.CancelScope) -> None:
        """Send a stream from a number on; a heartbeat when there is nothing to say for a second."""
        record = self._exchange.record
        with Timer() as timer:
            while True:
                with trio.move_on_after(HEARTBEAT_S) as patience:
                    while session.held or (number >= record.private_next(of) and not self.ended):
                        await session.news.park()
                if patience.cancelled_caught:
                    if self.heartbeats:
                        await send(stream, soupbintcp.HEARTBEAT_OF_SERVER)
                    continue
                messages = record.private_messages(of, number, BATCH)
                if not messages:  # the session is over and all is said
                    await send(stream, soupbintcp.END)
                    scope.cancel()
                    return
                packet = bytearray()
                for message in messages:
                    due = session.due(number)
                    if due > time.monotonic_ns():
                        if packet:
                            break
                        await timer.sleep_until(due)
                    packet += (len(message) + 1).to_bytes(2, "big") + b"S" + message
                    number += 1
                await send(stream, bytes(packet))
