"""The control socket, by real clients over a real socket."""

import json
import os
import socket
import stat
from functools import partial

import pytest
import trio

from noderrd import logs
from noderrd.control import server
from noderrd.control.server import Peer, Refused, Taken


async def handler(verb, arguments, peer):
    if verb == "no":
        raise Refused("policy says no", 77)
    if verb == "slow":
        await trio.sleep(0.2)
    return {"verb": verb, "arguments": arguments, "uid": peer.uid}


@pytest.fixture
async def path(tmp_path, nursery):
    where = tmp_path / "folder" / "noderrd.sock"
    line = server.listen(where)
    nursery.start_soon(server.serve, line, handler, logs.get("test"))
    yield where
    nursery.cancel_scope.cancel()


async def talk(path, *lines, end=False):
    """Send bytes as they are; gives every answer until the server closes, or one for each line."""
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        for line in lines:
            await stream.send_all(line)
        if end:
            await stream.send_eof()
        held = b""
        with trio.fail_after(20):
            while held.count(b"\n") < len(lines) or end:
                data = await stream.receive_some(1 << 16)
                if not data:
                    break
                held += data
    return [json.loads(line) for line in held.splitlines()]


async def test_a_question_is_answered_to_whom_the_kernel_names(path):
    assert await talk(path, b'{"do": "status", "x": 1}\n') == [{"ok": True, "verb": "status", "arguments": {"x": 1}, "uid": os.getuid()}]


async def test_a_no_has_its_exit_code(path):
    assert await talk(path, b'{"do": "no"}\n') == [{"ok": False, "error": "policy says no", "code": 77}]


async def test_several_questions_on_one_connection_and_one_in_pieces(path):
    answers = await talk(path, b'{"do": "a"}\n{"do": "b"}\n', b'{"do"', end=True)
    assert [a["verb"] for a in answers] == ["a", "b"]
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        for piece in (b'{"do"', b': "a"', b"}\n"):
            await stream.send_all(piece)
            await trio.sleep(0.01)
        assert json.loads(await stream.receive_some(4096))["verb"] == "a"


@pytest.mark.parametrize(
    "line", [b"\n", b"x\n", b"[]\n", b"7\n", b'{"do": 7}\n', b'{"x": 1}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'"\\ud800"\n']
)
async def test_nonsense_is_told_and_the_next_one_is_served(path, line):
    assert (await talk(path, line))[0]["code"] == 64
    assert (await talk(path, b'{"do": "a"}\n'))[0]["ok"]


async def test_a_line_without_end_is_bounded(path):
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * (64 << 20))
    assert (await talk(path, b'{"do": "a"}\n'))[0]["ok"]


async def test_one_slow_answer_does_not_hold_up_another(path):
    async with trio.open_nursery() as nursery:
        slow = partial(talk, path, b'{"do": "slow"}\n')
        nursery.start_soon(slow)
        await trio.sleep(0.02)
        with trio.fail_after(0.15):
            assert (await talk(path, b'{"do": "a"}\n'))[0]["ok"]


async def test_only_owner_and_group_may_open_it(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_a_stranger_gets_no_answer(path, monkeypatch):
    monkeypatch.setattr(server, "allowed", lambda peer, group: False)
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        with trio.fail_after(20):
            assert await stream.receive_some(4096) == b""


def test_who_may_speak():
    own = os.getgid()
    assert server.allowed(Peer(1, 0, 12345), 54321)
    assert server.allowed(Peer(1, os.getuid(), 12345), 54321)
    assert server.allowed(Peer(1, 4_000_000, own), own)
    assert not server.allowed(Peer(1, 4_000_000, 12345), 54321)


def test_a_living_daemon_is_not_pushed_aside_and_a_dead_one_s_socket_is(tmp_path):
    path = tmp_path / "noderrd.sock"
    with server.listen(path), pytest.raises(Taken):
        server.listen(path)
    assert path.exists()
    server.listen(path).close()


def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "noderrd.sock"
    path.write_text("a person's file")
    with pytest.raises(OSError, match="in use"):
        server.listen(path)
    assert path.read_text() == "a person's file"


def test_the_kernel_says_who_is_there():
    a, b = socket.socketpair()
    with a, b:
        assert server.peer_of(a) == Peer(os.getpid(), os.getuid(), os.getgid())
