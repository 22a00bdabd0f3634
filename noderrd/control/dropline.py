"""The session of a drop copy port: SoupBinTCP 3.00 as a client that only listens, and connects for ever; what comes goes to a Comparison."""

import time
from typing import Any

import trio

from core import soupbintcp
from noderrd.control.dropcopy import Comparison

CONNECT_S = 5.0
HEARTBEAT_S, SILENCE_S = soupbintcp.HEARTBEAT_NS / 1e9, soupbintcp.SILENCE_NS / 1e9
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
STEP_S = 0.1
LARGEST = 4096  # no packet of a drop copy is as long


class Broken(Exception):
    """The session cannot go on; the text says why."""


class Line:
    """One venue's drop copy."""

    def __init__(self, it: Comparison, address: str, user: str, password: str, log: Any) -> None:
        host, _, port = address.rpartition(":")
        self.compared, self._host, self._port = it, host, int(port)
        self._user, self._password, self._log = user, password, log
        self._why = ""

    async def run(self) -> None:
        """Keep a session, and compare, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._step)
            wait_s = FIRST_WAIT_S
            while True:
                began = trio.current_time()
                try:
                    await self._session()
                except* (Broken, OSError, trio.BrokenResourceError, trio.TooSlowError) as found:
                    self._say(found)
                self.compared.down()
                wait_s = FIRST_WAIT_S if trio.current_time() - began > LONGEST_WAIT_S else min(2 * wait_s, LONGEST_WAIT_S)
                await trio.sleep(wait_s)

    def _say(self, found: BaseException) -> None:
        """Tell once why there is no session."""
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        why = str(found) or type(found).__name__
        if why != self._why:
            self._why = why
            self._log.warning("no drop copy", venue=self.compared.venue, reason=why)

    async def _step(self) -> None:
        while True:
            try:
                self.compared.step(time.time_ns())
            except OSError as why:
                self._log.error("drop copy's place not kept", venue=self.compared.venue, reason=str(why))
            await trio.sleep(STEP_S)

    async def _session(self) -> None:
        with trio.fail_after(CONNECT_S):
            stream = await trio.open_tcp_stream(self._host, self._port)
        async with stream, trio.open_nursery() as nursery:
            packets = Packets(stream)
            with trio.fail_after(CONNECT_S):
                await self._login(stream, packets)
            self._why = ""
            nursery.start_soon(_beat, stream)
            while True:
                with trio.fail_after(SILENCE_S):
                    packet = await packets.next()
                if packet[:1] == b"S":
                    self.compared.take(packet[1:], time.time_ns())
                elif packet[:1] == b"Z":
                    message = "the venue ended the session"
                    raise Broken(message)

    async def _login(self, stream: trio.SocketStream, packets: "Packets") -> None:
        """Log in where it was left; a venue that has begun another session since is asked for that one, from its first message."""
        it = self.compared
        session = it.session
        await stream.send_all(soupbintcp.login_request(self._user, self._password, session, it.seq))
        answer = await packets.next()
        while answer[:1] in b"H+":
            answer = await packets.next()
        if answer == b"JS" and session:
            it.session, it.seq = "", 1
        if answer[:1] != b"A" or len(answer) < 31:
            message = f"login rejected: {answer[1:2].decode('ascii', 'replace')}" if answer[:1] == b"J" else "no answer to the login"
            raise Broken(message)
        it.up(answer[1:11].decode("ascii", "replace").strip(), int(answer[11:31]), time.time_ns())
        self._log.info("drop copy", venue=it.venue, session=it.session, sequence=it.seq)


class Packets:
    """Cuts a stream into packets, type first. Raises Broken at its end and at what is none."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream, self._held = stream, b""

    async def next(self) -> bytes:
        """Give the next one."""
        while len(self._held) < 2 or len(self._held) < 2 + int.from_bytes(self._held[:2], "big"):
            more = await self._stream.receive_some(1 << 16)
            if not more:
                message = "the venue closed the connection"
                raise Broken(message)
            self._held += more
        size = int.from_bytes(self._held[:2], "big")
        if not 1 <= size <= LARGEST:
            message = f"a packet of {size} bytes"
            raise Broken(message)
        packet, self._held = self._held[2 : 2 + size], self._held[2 + size :]
        return packet


async def _beat(stream: trio.SocketStream) -> None:
    while True:
        await trio.sleep(HEARTBEAT_S)
        await stream.send_all(soupbintcp.HEARTBEAT_OF_CLIENT)
