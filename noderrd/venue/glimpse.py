"""GLIMPSE 5.0 (Nasdaq): the state of the market now, so that a late joiner need not ask for every message since the morning.

A client logs in for message 1 and is sent, as sequenced messages, what TotalView-ITCH would say if the day began now: the last System Event,
every Stock Directory and Trading Action, and an Add Order for each displayed order, in time priority within a price. A Snapshot message ends it:
`G` and, in 20 characters, the sequence number of the feed's first message that is not contained.
"""

from typing import Any

import trio

from core import soupbintcp
from noderrd.venue.config import split
from noderrd.venue.exchange import Exchange
from noderrd.venue.soup import SILENCE_S, Broken, Door, Judge, Packets, Refused, receive, send

CHUNK = 1 << 15  # bytes a write
SNAPSHOT = b"G"


class Glimpse:
    """The snapshot port. Whoever may enter orders may log in, as often as they like."""

    def __init__(self, exchange: Exchange, judge: Judge, log: Any) -> None:
        self._exchange, self._log = exchange, log
        self._door = Door(judge, log)
        self.served = 0

    async def serve(self, address: str, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections; the port is the task's word that it does. Raises OSError when the address is taken."""
        host, port = split(address)
        listeners = await trio.open_tcp_listeners(port, host=host)
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._meet, listeners)

    async def _meet(self, stream: trio.SocketStream) -> None:
        await self._door.meet(stream, self._attend)

    async def _attend(self, stream: trio.SocketStream, packets: Packets) -> None:
        """Serve one client: login, snapshot, and its leave."""
        login = await self._door.login(stream, packets)
        if login.number not in {0, 1} or login.session not in {"", self._exchange.session}:
            await self._door.reject(stream, login.name, Refused(soupbintcp.NO_SESSION, "a snapshot begins at message 1"))
        blocks, next_seq_num = self._exchange.snapshot()
        await send(stream, soupbintcp.login_accepted(self._exchange.session, 1))
        self._log.info("snapshot", user=login.name, next_seq_num=next_seq_num, bytes=len(blocks))
        packet, at = bytearray(), 0
        while at < len(blocks):
            size = blocks[at] << 8 | blocks[at + 1]
            packet += (size + 1).to_bytes(2, "big") + b"S" + blocks[at + 2 : at + 2 + size]
            at += 2 + size
            if len(packet) > CHUNK:
                await send(stream, bytes(packet))
                packet.clear()
        packet += soupbintcp.frame(b"S" + SNAPSHOT + f"{next_seq_num:<20}".encode())
        await send(stream, bytes(packet) + soupbintcp.END)
        self.served += 1
        try:
            with trio.move_on_after(SILENCE_S):
                while True:
                    for packet_of_client in packets.feed(await receive(stream)):
                        if packet_of_client[0] == soupbintcp.LOGOUT_REQUEST:
                            return
        except Broken:
            return
