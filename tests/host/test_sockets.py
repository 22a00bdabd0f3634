"""Socket options are read back from the kernel, on real sockets."""

import socket

import pytest

from noderrd.host import sockets

CAPABLE = {"SO_PREFER_BUSY_POLL", "SO_BUSY_POLL", "SO_INCOMING_CPU"}  # may need CAP_NET_ADMIN or a newer kernel


@pytest.fixture
def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.connect(listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            yield line, peer


def test_an_order_session_has_its_options(pair):
    line, peer = pair
    found = sockets.order(line, core=0)
    assert set(found.refused) <= CAPABLE
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == sockets.DEAD_MS
    assert line.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == sockets.PRIORITY
    assert line.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == sockets.EXPEDITED
    assert (found.now["TCP_KEEPIDLE"], found.now["TCP_KEEPINTVL"], found.now["TCP_KEEPCNT"]) == (5, 1, 5)
    line.sendall(b"order")
    assert peer.recv(16) == b"order"


def test_a_feed_gets_its_stamps():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        line.bind(("127.0.0.1", 0))
        assert set(sockets.feed(line).refused) <= CAPABLE
        sender.sendto(b"tick", line.getsockname())
        line.settimeout(10)
        _, control, _, _ = line.recvmsg(16, 64)
        assert [(level, kind, len(data)) for level, kind, data in control] == [(socket.SOL_SOCKET, 35, 16)]


def test_what_the_kernel_does_not_take_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        found = sockets.order(line)  # no TCP
    assert {"TCP_NODELAY", "TCP_QUICKACK", "TCP_USER_TIMEOUT"} <= set(found.refused)
    assert "TCP_NODELAY" not in found.now
    assert found.now["SO_PRIORITY"] == sockets.PRIORITY


def test_buffers_say_what_was_granted(pair):
    line, _ = pair
    assert sockets.buffers(line, 65_536, 32_768) == (65_536, 32_768)
    granted, _ = sockets.buffers(line, 1 << 30, 32_768)
    assert granted > 65_536  # what the host allows, which is not hidden


def test_congestion_control_by_connection(pair):
    line, _ = pair
    assert sockets.congestion(line, "reno") == ""
    assert sockets.congestion(line, "no-such-control") != ""


def test_fast_open_is_read_back():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        assert sockets.fast_open(line) == ""
        assert line.getsockopt(socket.IPPROTO_TCP, sockets.TCP_FASTOPEN_CONNECT) == 1
