"""Order sockets handed from the lane to its guard: a datagram with the venue's index and a duplicate of the descriptor (SCM_RIGHTS, unix(7)).

The lane never waits: a guard that is away, or slow, gets nothing, and asks again (Command.HAND) when it is back. A lane that takes a dead one's place
asks the guard for them the same way: a datagram with ASK and nothing else, answered at the heir's address.
"""

import array
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

WORD = 8
ASK = (1 << 64) - 1


def address(shared: Path) -> Path:
    """Give where the guard of the lane with that shared file listens."""
    return shared.with_name(shared.name + ".guard")


def heir(shared: Path) -> Path:
    """Give where a lane that takes that shared file up waits for the sockets of the one before."""
    return shared.with_name(shared.name + ".heir")


def give(shared: Path, v: int, line: socket.socket) -> bool:
    """Hand a venue's order socket to the guard; False when nobody takes it."""
    return send(address(shared), v, line)


def send(place: Path, word: int, line: socket.socket | None = None) -> bool:
    """Send a word, and a socket with it; False when nobody takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.setblocking(False)
        try:
            way.connect(str(place))
            way.sendmsg([word.to_bytes(WORD, "little")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [line.fileno()]))] if line else [])
        except OSError:
            return False
    return True


def ask(shared: Path, n: int, seconds: float) -> dict[int, socket.socket]:
    """Have the guard give the order sockets of up to `n` venues; those that came before `seconds` were over."""
    found: dict[int, socket.socket] = {}
    try:
        way = listen(heir(shared))
    except OSError:
        return found
    with way:
        if send(address(shared), ASK):
            end = time.monotonic() + seconds
            while len(found) < n and (left := end - time.monotonic()) > 0:
                select.select([way], [], [], left)
                found.update((v, line) for v, line in taken(way) if line is not None)
    heir(shared).unlink(missing_ok=True)
    return found


def listen(place: Path) -> socket.socket:
    """Open the receiver's end. Raises OSError."""
    way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    way.setblocking(False)
    place.unlink(missing_ok=True)
    way.bind(str(place))
    place.chmod(0o600)
    return way


def taken(way: socket.socket) -> Iterator[tuple[int, socket.socket | None]]:
    """Give what came since the last call: venue and socket, or ASK and None. What is neither is closed and left out."""
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
        elif not fds and data == ASK.to_bytes(WORD, "little"):
            yield ASK, None
        else:
            for fd in fds:
                os.close(fd)
