"""`noderrd echo`: the other end of `noderrctl net bench`. Sends every message back with the times at which it came and went.

A client opens a control connection and says in a line of JSON what it wants: `{"do": "udp" | "tcp" | "multicast", "size", "port", "group",
"interface", "count": true}`. The answer is a line `{"ok", "port"}`. UDP goes to the port of the answer and comes back to the client's; a stream is
the control connection itself; multicast is listened to and answered by UDP. With `count` messages are counted instead, and a line `{"do": "end"}`
asks how many came. A session ends with its control connection. At most SESSIONS at a time, each on a thread that spins in compiled code.
"""

import argparse
import ipaddress
import json
import socket
import sys
import threading
from typing import Any

from noderrd.lane import cache
from noderrd.net.message import CONTROL_BYTES, LEAST, MOST

HELP = "send back what `noderrctl net bench` sends, with times"
SESSIONS = 8
ASK_S = 10.0
RUN_NS = 50_000_000
BUFFER = 8 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where clients connect (port 0: a free one, which is printed)")
    parser.add_argument("--block", action="store_true", help="sleep for a message instead of spinning")


def main(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    cache.prepare()
    warm()
    host, _, port = args.listen.rpartition(":")
    if not port.isdigit():
        print(f"noderrd echo: --listen is HOST:PORT, not {args.listen}", file=sys.stderr)
        return 64
    with Server(host, int(port), spin=not args.block) as server:
        print(json.dumps({"listen": f"{host}:{server.port}"}), flush=True)
        try:
            server.serve()
        except KeyboardInterrupt:
            return 0
    return 0


def warm() -> None:
    """Compile the loops before the first client waits for them."""
    import numpy as np

    from noderrd.lane.syscalls import POLLFD
    from noderrd.net import echo_loop

    data, state, timespec, polls = np.zeros(64, np.uint8), np.zeros(echo_loop.STATE, np.int64), np.zeros(2, np.int64), np.zeros(1, POLLFD)
    echo_loop.echo(-1, -1, data, LEAST, 0, state, polls, timespec, 0, 1)
    echo_loop.sink(-1, data, LEAST, 0, state, polls, timespec, 0, 1)


class Refused(Exception):
    """A question that cannot be met; the text is the client's."""


class Server:
    """Accepts sessions. Raises OSError when the address is not to be had."""

    def __init__(self, host: str, port: int, *, spin: bool = True) -> None:
        self._host, self._spin = host, spin
        self._listener = socket.create_server((host, port))
        self.port = self._listener.getsockname()[1]
        self._free = threading.BoundedSemaphore(SESSIONS)

    def serve(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                line, peer = self._listener.accept()
            except OSError:
                return
            if not self._free.acquire(blocking=False):
                line.sendall(b'{"ok": false, "reason": "too many sessions"}\n')
                line.close()
                continue
            threading.Thread(target=self._session, args=(line, peer[0]), daemon=True).start()

    def _session(self, line: socket.socket, peer: str) -> None:
        opened: list[socket.socket] = []
        try:
            asked = question(line)
            session = self._open(asked, peer, line, opened)
            line.sendall(json.dumps({"ok": True, "port": session.port}).encode() + b"\n")
            session.run(line)
        except Refused as why:
            line.sendall(json.dumps({"ok": False, "reason": str(why)}).encode() + b"\n")
        except OSError as error:
            print(f"noderrd echo: {peer}: {error}", file=sys.stderr)
        finally:
            for one in (*opened, line):
                one.close()
            self._free.release()

    def _open(self, asked: dict[str, Any], peer: str, line: socket.socket, opened: list[socket.socket]) -> "Session":
        """Make the sockets of a session."""
        kind, size, count = asked.get("do"), asked.get("size", LEAST), bool(asked.get("count", False))
        if not isinstance(size, int) or not LEAST <= size <= MOST:
            raise Refused(f"size is {LEAST} to {MOST} bytes")
        if kind == "tcp":
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Session(line, line, size, stream=True, count=count, spin=self._spin)
        if kind not in {"udp", "multicast"} or not isinstance(asked.get("port"), int) or not 0 < asked["port"] < 1 << 16:
            raise Refused("do is udp, tcp or multicast; the first and the last need a port")
        back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.append(back)
        back.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        back.bind((self._host, 0))
        back.connect((peer, asked["port"]))
        if kind == "udp":
            return Session(back, back, size, stream=False, count=count, spin=self._spin)
        return Session(self._group(asked, opened), back, size, stream=False, count=count, spin=self._spin)

    def _group(self, asked: dict[str, Any], opened: list[socket.socket]) -> socket.socket:
        from noderrd.feeds import multicast

        host, _, port = str(asked.get("group", "")).rpartition(":")
        try:
            good = ipaddress.IPv4Address(host).is_multicast and 0 < int(port) < 1 << 16
        except ValueError:
            good = False
        if not good:
            raise Refused("group is a multicast GROUP:PORT")
        group = multicast.open_line(f"{host}:{port}", str(asked.get("interface") or self._host))
        opened.append(group)
        return group

    def close(self) -> None:
        """Accept nobody any more; sessions end with their clients."""
        self._listener.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def question(line: socket.socket) -> dict[str, Any]:
    """Read a line of JSON. Raises Refused, OSError."""
    line.settimeout(ASK_S)
    text = b""
    while not text.endswith(b"\n"):
        more = line.recv(1)  # a stream follows on the same connection: not a byte of it may be taken
        if not more or len(text) >= CONTROL_BYTES:
            raise Refused("a line of JSON was expected")
        text += more
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"no JSON: {error}") from error
    if not isinstance(asked, dict):
        raise Refused("an object was expected")
    return asked


class Session:
    """The loop of one client."""

    def __init__(self, inward: socket.socket, outward: socket.socket, size: int, *, stream: bool, count: bool, spin: bool) -> None:
        self._in, self._out, self._size = inward, outward, size
        self._stream, self._count, self._spin = int(stream), count, int(spin)
        self.port = outward.getsockname()[1]

    def run(self, control: socket.socket) -> None:
        """Run until the control connection ends. A counting session answers when it is asked, or when its stream ends."""
        import numpy as np

        from noderrd.lane.syscalls import POLLFD, POLLIN
        from noderrd.net import echo_loop

        data, state = np.zeros(1 << 16, np.uint8), np.zeros(echo_loop.STATE, np.int64)
        polls, timespec = np.zeros(1, POLLFD), np.zeros(2, np.int64)
        polls[0] = (self._in.fileno(), POLLIN, 0)
        self._in.setblocking(False)
        size = self._size if self._stream else len(data)
        fds = (self._in.fileno(), self._out.fileno())
        while True:
            if self._count:
                done = echo_loop.sink(fds[0], data, size, self._stream, state, polls, timespec, RUN_NS, self._spin)
            else:
                done = echo_loop.echo(*fds, data, size, self._stream, state, polls, timespec, RUN_NS, self._spin)
            if done == echo_loop.CLOSED or (not self._stream and _asked(control)):
                break
        if self._count:
            names = ("counted", "first_ns", "last_ns", "highest", "reordered")
            control.settimeout(ASK_S)
            control.sendall(json.dumps({name: int(state[k]) for k, name in enumerate(names)}).encode() + b"\n")


def _asked(control: socket.socket) -> bool:
    """Tell whether the control connection was closed, or asked for the end."""
    control.setblocking(False)
    try:
        control.recv(CONTROL_BYTES)
    except BlockingIOError:
        return False
    return True
