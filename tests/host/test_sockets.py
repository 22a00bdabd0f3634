"""Socket options are read back from the kernel, on real sockets."""

import dataclasses
import socket

import pytest

from noderrd.config import Config
from noderrd.host import sockets
from noderrd.settings import _Reader

CAPABLE = {"SO_PREFER_BUSY_POLL", "SO_BUSY_POLL", "SO_INCOMING_CPU", "SO_RCVBUF", "SO_SNDBUF"}  # may need CAP_NET_ADMIN or a newer kernel
USUAL = sockets.OrderOptions()


@pytest.fixture
def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.connect(listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            yield line, peer


def test_an_order_session_has_its_options(pair):
    line, peer = pair
    found = sockets.order(line, USUAL, core=0)
    assert set(found.refused) <= CAPABLE
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert line.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == 6
    assert line.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
    assert (found.now["TCP_KEEPIDLE"], found.now["TCP_KEEPINTVL"], found.now["TCP_KEEPCNT"]) == (5, 1, 5)
    line.sendall(b"order")
    assert peer.recv(16) == b"order"


def test_each_option_is_what_was_chosen(pair):
    line, _ = pair
    chosen = sockets.OrderOptions(
        nodelay=False, quickack=False, busy_poll_us=0, prefer_busy_poll=False, incoming_cpu=False, priority=2, tos=0x20, user_timeout_ms=1234,
        keepalive_idle_s=7, keepalive_interval_s=3, keepalive_count=4, notsent_lowat=4096, receive_buffer=65_536, send_buffer=32_768,
        congestion="reno",
    )  # fmt: skip
    found = sockets.order(line, chosen, core=0)
    assert found.refused == {}
    assert found.now == {
        "TCP_NODELAY": 0, "TCP_QUICKACK": 0, "TCP_USER_TIMEOUT": 1234, "TCP_NOTSENT_LOWAT": 4096, "SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 7,
        "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 4, "IP_TOS": 0x20, "SO_PRIORITY": 2, "TCP_CONGESTION": "reno", "SO_RCVBUF": 65_536, "SO_SNDBUF": 32_768,
        "SO_BUSY_POLL": 0,
    }  # fmt: skip
    off = sockets.order(line, dataclasses.replace(chosen, keepalive_idle_s=0))
    assert (off.now["SO_KEEPALIVE"], "TCP_KEEPIDLE" in off.now) == (0, False)


def test_a_feed_has_its_options():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        found = sockets.feed(line, sockets.FeedOptions(busy_poll_us=0, receive_buffer=100_000, priority=3), core=0)
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 200_000
    assert (found.now["SO_RCVBUF"], found.now["SO_PRIORITY"], found.now["SO_BUSY_POLL"]) == (100_000, 3, 0)
    assert set(found.refused) <= CAPABLE


def test_what_the_kernel_does_not_take_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        found = sockets.order(line, USUAL)  # no TCP
    assert {"TCP_NODELAY", "TCP_QUICKACK", "TCP_USER_TIMEOUT"} <= set(found.refused)
    assert "TCP_NODELAY" not in found.now
    assert found.now["SO_PRIORITY"] == 6


def test_a_control_that_is_not_there_and_a_buffer_that_is_not_granted_are_told(pair):
    line, _ = pair
    found = sockets.order(line, dataclasses.replace(USUAL, congestion="nonesuch", receive_buffer=sockets.MOST_BUFFER))
    assert "TCP_CONGESTION" in found.refused
    assert "SO_RCVBUF" in found.refused
    assert 65_536 < found.now["SO_RCVBUF"] <= sockets.MOST_BUFFER


def test_the_first_bytes_travel_with_the_syn():
    """A server with Fast Open gets a login in the SYN from a client that holds its cookie; the first connection fetches the cookie."""
    chosen = dataclasses.replace(USUAL, fast_open=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN: so many may wait with their data
        for _ in range(2):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
                assert sockets.order(line, chosen).now["TCP_FASTOPEN_CONNECT"] == 1
                line.connect(listener.getsockname())
                assert line.send(b"login") == 5
                peer, _ = listener.accept()
                with peer:
                    assert peer.recv(16) == b"login"


def test_what_the_kernel_took_is_told_by_file(tmp_path):
    file = str(tmp_path / "lane0.sockets")
    assert sockets.told(file) == sockets.told("") == {}
    sockets.tell(file, "NSDQ orders", sockets.Result({"TCP_NODELAY": 1}, {}))
    sockets.tell(file, "NSDQ feed a", sockets.Result({"SO_RCVBUF": 8}, {"SO_RCVBUF": "asked for 9, the kernel says 8"}))
    sockets.tell(file, "NSDQ orders", sockets.Result({"TCP_NODELAY": 0}, {}))
    assert sockets.told(file) == {
        "NSDQ orders": {"now": {"TCP_NODELAY": 0}, "refused": {}},
        "NSDQ feed a": {"now": {"SO_RCVBUF": 8}, "refused": {"SO_RCVBUF": "asked for 9, the kernel says 8"}},
    }
    sockets.tell(str(tmp_path / "no" / "folder"), "x", sockets.Result({}, {}))  # only shown: nothing ends
    (tmp_path / "lane0.sockets").write_text("{")
    assert sockets.told(file) == {}


@pytest.mark.parametrize(("table", "wrong"), [
    ({"orders": {"tos": 3}}, "socket.orders.tos"), ({"orders": {"priority": 7}}, "socket.orders.priority"),
    ({"orders": {"congestion": "b b r"}}, "socket.orders.congestion"), ({"feeds": {"receive_buffer": -1}}, "socket.feeds.receive_buffer"),
    ({"order": {}}, "socket.order"),
])  # fmt: skip
def test_what_may_not_be_chosen_is_refused(tmp_path, table, wrong):
    reader = _Reader(tmp_path)
    reader.table(Config, {"socket": table}, "")
    assert any(wrong in problem for problem in reader.problems)
