"""Order sockets handed from the lane to its guard: a datagram with the venue's index and a duplicate of the descriptor (SCM_RIGHTS, unix(7)).

The lane never waits: a guard that is away, or slow, gets nothing, and asks again (Command.HAND) when it is back.
"""

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

WORD = 8


def address(shared: Path) -> Path:
    """Give where the guard of the lane with that shared file listens."""
    return shared.with_name(shared.name + ".guard")


def give(shared: Path, v: int, line: socket.socket) -> bool:
    """Hand a venue's order socket over; False when nobody takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.setblocking(False)
        try:
            way.connect(str(address(shared)))
            way.sendmsg([v.to_bytes(WORD, "little")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [line.fileno()]))])
        except OSError:
            return False
    return True


def listen(shared: Path) -> socket.socket:
    """Open the guard's end. Raises OSError."""
    way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    way.setblocking(False)
    place = address(shared)
    place.unlink(missing_ok=True)
    way.bind(str(place))
    place.chmod(0o600)
    return way


def taken(way: socket.socket) -> Iterator[tuple[int, socket.socket]]:
    """Give what was handed over since the last call: venue and socket. What is neither is closed and left out."""
    while True:
        try:
            data, ancillary, _, _ = way.recvmsg(WORD, socket.CMSG_SPACE(4 * array.array("i").itemsize))
        except BlockingIOError:
            return
        fds = array.array("i")
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(raw[: len(raw) // fds.itemsize * fds.itemsize])
        if len(fds) == 1 and len(data) == WORD:
            yield int.from_bytes(data, "little"), socket.socket(fileno=fds[0])
        else:
            for fd in fds:
                os.close(fd)
