"""The order port: SoupBinTCP 3.00 (Nasdaq, 22 February 2017), one connection a user.

What a client is told is its sequenced stream, kept by the record: a connection is a place in that stream that moves on as its socket takes
bytes. So a replay and the live stream are the same bytes by the same way, and a slow reader costs its own connection's place, not memory.
"""

import time
from collections import deque
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
        self.heard = time.monotonic()

    def due(self, number: int) -> int:
        """Give when a message may go."""
        while self.waiting and self.waiting[0][0] < number:
            self.waiting.popleft()
        return self.waiting[0][1] if self.waiting else 0


class Port:
    """The order port of an exchange."""

    def __init__(self, config: Config, exchange: Exchange, clock: Clock, log: Any) -> None:
        self._config, self._exchange, self._clock, self._log = config, exchange, clock, log
        self._sessions = [Session() for _ in config.ouch.users]
        self._chance = np.random.default_rng([config.seed, len(config.ouch.users)])
        self._door = Door(self.judge, log)
        self.ended = False
        exchange.private_listeners.append(self._told)

    # What the exchange said.

    def _told(self, user: int) -> None:
        """Let a user's connection know that there is news."""
        session, latency = self._sessions[user], self._config.latency
        if latency.ack_us or latency.jitter_us:
            delay = latency.ack_us * 1_000 + int(self._chance.random() * latency.jitter_us * 1_000)
            session.last_due = max(session.last_due, time.monotonic_ns() + delay)
            session.waiting.append((self._exchange.record.private_next(user) - 1, session.last_due))
        session.news.unpark_all()

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
        """Give a user's index, if the password is right."""
        user = self._exchange.user_index(name)
        return user if user is not None and self._config.ouch.users[user].password == password else None

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections; the port is the task's word that it does. Raises OSError when the address is taken."""
        host, port = split(self._config.ouch.listen)
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
            for user, session in enumerate(self._sessions):
                away = not session.connected and time.monotonic() - session.heard > SILENCE_S
                if away and self._cancels(user) and len(self._exchange.open_orders(user)):
                    self._cancel_all(user)

    def _cancels(self, user: int) -> bool:
        """Tell whether a user's orders end with the connection."""
        own = self._config.ouch.users[user].cancel_on_disconnect
        return self._config.ouch.cancel_on_disconnect if own is None else own

    def _cancel_all(self, user: int) -> None:
        self._exchange.do(Cause(Kind.CANCEL_ALL, self._clock.now(), user, ouch.CANCEL_SUPERVISORY))

    async def _login(self, stream: trio.SocketStream, packets: Packets) -> None:
        """Judge a Login Request, and serve the user."""
        login = await self._door.login(stream, packets)
        session = self._sessions[login.user]
        if session.connected:
            with trio.move_on_after(GIVE_WAY_S):
                await session.gone.park()
        end = self._exchange.record.private_next(login.user)
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
        user, name, session = login.user, login.name, self._sessions[login.user]
        reason = "end of session"
        with trio.CancelScope() as scope:
            session.connected = True  # before anything is awaited: the place is taken
            try:
                await stream.send_all(soupbintcp.login_accepted(self._exchange.session, first))
                self._log.info("logged in", user=name, number=first)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream, user, first, scope)
                    reason = await self._read(stream, packets, login.rest, user)
                    nursery.cancel_scope.cancel()
            except* (trio.BrokenResourceError, trio.ClosedResourceError, Broken) as group:
                reason = "; ".join(str(error.__cause__ or error) for error in group.exceptions)
            finally:
                session.connected = False
                session.gone.unpark()
                session.heard = time.monotonic()
        if not self.ended and self._cancels(user):  # not reached when the venue itself stops
            self._cancel_all(user)
        self._log.info("logged out", user=name, reason=reason)

    async def _read(self, stream: trio.SocketStream, packets: Packets, rest: list[bytes], user: int) -> str:
        """Take what a client says until it goes; gives why it went. Raises Broken."""
        for packet in rest:
            if not self._take(packet, user):
                return "logout"
        while True:
            with trio.move_on_after(SILENCE_S) as patience:
                data = await receive(stream)
            if patience.cancelled_caught:
                return f"silent for {SILENCE_S:.0f} s"
            for packet in packets.feed(data):
                if not self._take(packet, user):
                    return "logout"

    def _take(self, packet: bytes, user: int) -> bool:
        """Do what a packet asks for; False: the client wants to go. Raises Broken for one that no client may send."""
        kind = packet[0]
        if kind == soupbintcp.UNSEQUENCED:
            if not self.ended:
                self._exchange.do(Cause(Kind.REQUEST, self._clock.now(), user, payload=packet[1:]))
        elif kind not in {soupbintcp.CLIENT_HEARTBEAT, soupbintcp.DEBUG, soupbintcp.LOGOUT_REQUEST}:
            message = f"a packet of type {chr(kind)!r}"
            raise Broken(message)
        return kind != soupbintcp.LOGOUT_REQUEST

    async def _write(self, stream: trio.SocketStream, user: int, number: int, scope: trio.CancelScope) -> None:
        """Send a user's stream from a number on; a heartbeat when there is nothing to say for a second."""
        session, record = self._sessions[user], self._exchange.record
        with Timer() as timer:
            while True:
                with trio.move_on_after(HEARTBEAT_S) as patience:
                    while number >= record.private_next(user) and not self.ended:
                        await session.news.park()
                if patience.cancelled_caught:
                    await send(stream, soupbintcp.HEARTBEAT_OF_SERVER)
                    continue
                messages = record.private_messages(user, number, BATCH)
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
