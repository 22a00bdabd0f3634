"""The server's end of SoupBinTCP 3.00 (Nasdaq, 22 February 2017) that every port has in common: packets, the login, and the end of patience."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import trio

from core import soupbintcp
from noderrd.venue.exchange import REQUEST_MAX

SILENCE_S = soupbintcp.SILENCE_NS / 1e9
HEARTBEAT_S = soupbintcp.HEARTBEAT_NS / 1e9
STRANGERS = 64  # connections that have not logged in, a port
RECEIVED = 1 << 16


class Broken(Exception):
    """A connection ends; the text says why."""


class Packets:
    """Takes bytes as they come and gives packets, type byte and payload, wherever the bytes were split."""

    def __init__(self, most: int = REQUEST_MAX) -> None:
        self._held, self._most = bytearray(), most

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give every packet that is whole now. Raises Broken for one without a type, or larger than any that a client may send."""
        held = self._held
        held += data
        at = 0
        while len(held) - at >= 2:
            size = held[at] << 8 | held[at + 1]
            if size == 0 or size > self._most:
                message = f"a packet of {size} bytes"
                raise Broken(message)
            if len(held) - at < 2 + size:
                break
            yield bytes(held[at + 2 : at + 2 + size])
            at += 2 + size
        del held[:at]


@dataclass(frozen=True)
class Login:
    """Who asks to be let in, and from which message on; `rest` are packets that came with it."""

    user: int
    name: str
    session: str
    number: int
    rest: list[bytes]


class Refused(Exception):
    """A login is rejected with a code; the text is for the log."""

    def __init__(self, code: bytes, reason: str) -> None:
        super().__init__(reason)
        self.code = code


Judge = Callable[[str, str], int | None]  # user and password to the user's index, None: not authorized


class Door:
    """Lets connections in: at most STRANGERS that have not said who they are, and no one without a login for longer than SILENCE_S."""

    def __init__(self, judge: Judge, log: Any) -> None:
        self._judge, self._log = judge, log
        self._strangers = 0

    async def login(self, stream: trio.SocketStream, packets: "Packets") -> Login:
        """Wait for a Login Request. Raises Broken when there is none, or it is rejected."""
        if self._strangers >= STRANGERS:
            message = f"{STRANGERS} connections have not logged in"
            raise Broken(message)
        self._strangers += 1
        rest: list[bytes] = []
        try:
            with trio.move_on_after(SILENCE_S):
                while not rest:
                    rest = list(packets.feed(await receive(stream)))
        finally:
            self._strangers -= 1
        asked = soupbintcp.read_login(rest[0]) if rest else None
        if asked is None:
            message = "no login request"
            raise Broken(message)
        name, password, session, number = asked
        user = self._judge(name, password)
        if user is None:
            await self.reject(stream, name, Refused(soupbintcp.NOT_AUTHORIZED, "user or password wrong"))
        assert user is not None
        return Login(user, name, session, number, rest[1:])

    async def reject(self, stream: trio.SocketStream, name: str, why: Refused) -> None:
        """Send a Login Rejected. Raises Broken."""
        await send(stream, soupbintcp.login_rejected(why.code))
        message = f"login of {name!r} rejected: {why}"
        raise Broken(message)

    async def meet(self, stream: trio.SocketStream, serve: Callable[[trio.SocketStream, "Packets"], Any]) -> None:
        """Serve one connection to its end, which is logged."""
        try:
            async with stream:
                await serve(stream, Packets())
        except Broken as why:
            self._log.info("connection ended", reason=str(why))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._log.info("connection lost", reason=str(error.__cause__ or error))


async def receive(stream: trio.SocketStream) -> bytes:
    """Give what came. Raises Broken at the end."""
    data: bytes = await stream.receive_some(RECEIVED)
    if not data:
        message = "closed by the client"
        raise Broken(message)
    return data


async def send(stream: trio.SocketStream, data: bytes) -> None:
    """Send. Raises Broken when a client takes nothing for as long as it may be silent."""
    with trio.move_on_after(SILENCE_S) as patience:
        await stream.send_all(data)
    if patience.cancelled_caught:
        message = f"took nothing for {SILENCE_S:.0f} s"
        raise Broken(message)
