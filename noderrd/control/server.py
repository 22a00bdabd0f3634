"""The control socket: questions and answers as JSON lines, from whom the kernel says that they are.

One object a line: `{"do": VERB, ...}`; the answer is one object too, with `ok`. A no has `error` in words and `code`, the exit code for the shell.
"""

import dataclasses
import errno
import json
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

LINE_MAX = 1 << 20
CONNECTIONS_MAX = 64
IDLE_S = 60.0
SEND_S = 10.0

Answer = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Peer:
    """Who asks, from SO_PEERCRED (unix(7))."""

    pid: int
    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The login name, else the number."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


class Refused(Exception):
    """A no, with the exit code for the shell: 1 no, 64 usage, 77 refused by policy."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Taken(Exception):
    """Another daemon listens there."""


Handler = Callable[[str, dict[str, Any], Peer], Awaitable[Answer]]


def listen(path: Path) -> socket.socket:
    """Give a listening socket at `path`, mode 0660. Raises Taken when somebody answers there, OSError as bind does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            if _answers(path):
                message = f"another daemon answers at {path}"
                raise Taken(message)
            path.unlink()
        before = os.umask(0o117)
        try:
            line.bind(str(path))
        finally:
            os.umask(before)
        line.listen(CONNECTIONS_MAX)
        line.setblocking(False)
    except BaseException:
        line.close()
        raise
    return line


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as why:
            return why.errno not in {errno.ECONNREFUSED, errno.ENOENT}
        return True


def peer_of(line: socket.socket | trio.socket.SocketType) -> Peer:
    """Ask the kernel who is at the other end."""
    return Peer(*struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))


def allowed(peer: Peer, group: int) -> bool:
    """Whether a peer may speak: root, whoever runs the daemon, and members of the socket's group."""
    if peer.uid in {0, os.getuid()} or peer.gid == group:
        return True
    try:
        person = pwd.getpwuid(peer.uid)
    except KeyError:
        return False
    return group in os.getgrouplist(person.pw_name, person.pw_gid)


async def serve(line: socket.socket, handler: Handler, log: Any) -> None:
    """Answer until cancelled."""
    group = Path(line.getsockname()).stat().st_gid
    free = trio.CapacityLimiter(CONNECTIONS_MAX)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(line))
    await trio.serve_listeners(partial(_talk, handler=handler, group=group, free=free, log=log), [listener])


async def _talk(stream: trio.SocketStream, *, handler: Handler, group: int, free: trio.CapacityLimiter, log: Any) -> None:
    peer = peer_of(stream.socket)
    async with stream:
        if not allowed(peer, group):
            log.warning("refused", uid=peer.uid, pid=peer.pid)
            return
        try:
            async with free:
                await _lines(stream, handler, peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            return  # it went away, or does not read


async def _lines(stream: trio.SocketStream, handler: Handler, peer: Peer) -> None:
    held = bytearray()
    while True:
        with trio.move_on_after(IDLE_S) as waiting:
            data = await stream.receive_some(1 << 16)
        if waiting.cancelled_caught or not data:
            return
        held += data
        while (end := held.find(b"\n")) >= 0:
            said = bytes(held[:end])
            del held[: end + 1]
            answer = await _answer(said, handler, peer)
            with trio.fail_after(SEND_S):
                await stream.send_all(json.dumps(answer).encode() + b"\n")
        if len(held) > LINE_MAX:
            await stream.send_all(json.dumps({"ok": False, "error": f"a line is at most {LINE_MAX} bytes", "code": 64}).encode() + b"\n")
            return


async def _answer(said: bytes, handler: Handler, peer: Peer) -> Answer:
    try:
        asked = json.loads(said)
        verb = asked.pop("do")
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        return {"ok": False, "error": 'a question is {"do": VERB, ...}', "code": 64}
    if not isinstance(verb, str):
        return {"ok": False, "error": "do names a verb", "code": 64}
    try:
        return {"ok": True, **await handler(verb, asked, peer)}
    except Refused as no:
        return {"ok": False, "error": str(no), "code": no.code}
