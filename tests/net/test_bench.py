"""The network benchmark against a real echo on loopback, and its arithmetic against known values."""

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest

from noderrd.net import bench
from noderrd.net.echo import Server, warm
from noderrd.rig import ports


@pytest.fixture(scope="module")
def echo():
    """An echo in this process: sessions on threads that leave the interpreter's lock alone."""
    warm()
    with Server("127.0.0.1", 0, spin=False) as server:
        threading.Thread(target=server.serve, daemon=True).start()
        yield server


@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("size", [40, 1400])
def test_every_message_comes_back_once_and_is_timed(echo, kind, size):
    found = bench.measure(kind, bench.Target("127.0.0.1", echo.port), size, 300, 200_000)
    assert (found.sent, found.received, found.lost, found.duplicate) == (300, 300, 0, 0)
    assert found.rtt_ns["n"] == 300
    assert 1_000 < found.rtt_ns["p50"] <= found.rtt_ns["p99"] <= found.rtt_ns["max"]
    # One clock, so the offset that was found is within its own bound of zero.
    assert abs(found.clock_offset_ns) <= found.clock_bound_ns
    assert found.messages_per_s > 100
    assert found.bytes_per_s == found.messages_per_s * size


def test_multicast(echo):
    group = ports.group()
    if not ports.multicast_works(group):
        pytest.skip("multicast does not come back on loopback here")
    target = bench.Target("127.0.0.1", echo.port, f"{group}:{ports.free(1)[0]}", "127.0.0.1")
    found = bench.measure("multicast", target, 64, 300, 200_000)
    assert (found.received, found.lost) == (300, 0)


def test_what_is_lost_and_reordered_is_counted():
    """A relay of our own answers every third message not at all, and each pair of others the wrong way round."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        relay.bind(("127.0.0.1", 0))
        mine.bind(("127.0.0.1", 0))
        mine.connect(relay.getsockname())
        mine.setblocking(False)

        def run():
            held = None
            for _ in range(90):
                data, peer = relay.recvfrom(2048)
                if struct.unpack_from("<q", data)[0] % 3 == 0:
                    continue
                if held is None:
                    held = data
                    continue
                relay.sendto(data, peer)
                relay.sendto(held, peer)
                held = None

        thread = threading.Thread(target=run)
        thread.start()
        way = type("Way", (), {"out": mine, "back": mine, "stream": 0})()
        times, counts = bench.trips(way, 64, 90, 1_000_000)
        thread.join(30)
    assert int((times[:, 4] == 0).sum()) == 30
    assert int(counts[bench.ping_loop.REORDERED]) == 30


def test_clocks_are_bounded_by_the_fastest_messages():
    """The other clock is 1000 ahead; the fastest way out takes 30, the fastest way back 50."""
    out, back = np.array([1030, 1100, 1500]), np.array([-950, -800, -900])
    offset, bound = bench.clock(out, back)
    assert (offset, bound) == (990, 40)
    assert abs(offset - 1000) <= bound
    assert bench.clock(np.zeros(0, np.int64), np.zeros(0, np.int64)) == (0, 0)


def test_jitter_is_rfc_3550s():
    assert bench.jitter(np.array([100, 100, 100])) == 0
    assert bench.jitter(np.array([100, 260])) == 10  # |160| / 16


def test_percentiles_of_nothing_and_of_times_that_ran_backwards():
    assert bench.percentiles(np.zeros(0, np.int64))["n"] == 0
    assert bench.percentiles(np.array([-5, 1000]))["max"] == 1000


@pytest.mark.parametrize(
    "asked",
    [b"", b"\n", b"[]\n", b"nonsense\n", b'{"do": "fly"}\n', b'{"do": "udp"}\n', b'{"do": "udp", "port": 70000}\n', b'{"do": "tcp", "size": 1}\n',
     b'{"do": "multicast", "port": 9, "group": "10.0.0.1:5"}\n', b"[" * 4097],
)  # fmt: skip
def test_a_bad_question_is_refused_and_the_next_is_answered(echo, asked):
    with socket.create_connection(("127.0.0.1", echo.port), 10) as line:
        line.sendall(asked)
        line.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: line.recv(4096), b""))
    assert json.loads(said)["ok"] is False
    assert bench.measure("udp", bench.Target("127.0.0.1", echo.port), 40, 5, 100_000).received == 5


def test_nobody_there_and_somebody_else():
    with pytest.raises(bench.Unreachable):
        bench.measure("udp", bench.Target("127.0.0.1", ports.free(1)[0]), 64, 1, 1000)
    with socket.create_server(("127.0.0.1", 0)) as other:

        def rude():
            line, _ = other.accept()
            with line, contextlib.suppress(OSError):  # the client leaves as soon as it has seen enough
                line.recv(100)
                line.sendall(b"SSH-2.0-nothing\n")

        threading.Thread(target=rude, daemon=True).start()
        with pytest.raises(bench.Unreachable, match="no noderrd echo"):
            bench.measure("tcp", bench.Target("127.0.0.1", other.getsockname()[1]), 64, 1, 1000)


def test_the_command_prints_one_object(echo):
    command = [
        sys.executable,
        "-P",
        "-m",
        "noderrd.ctl.main",
        "net",
        "bench",
        f"127.0.0.1:{echo.port}",
        "--kind",
        "udp",
        "--size",
        "64",
        "--count",
        "50",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=300, check=True)
    (found,) = json.loads(done.stdout)["results"]
    assert (found["kind"], found["size"], found["received"]) == ("udp", 64, 50)
    wrong = subprocess.run([*command, "--kind", "carrier-pigeon"], capture_output=True, text=True, timeout=300, check=False)
    assert wrong.returncode == 64
