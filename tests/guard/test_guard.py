"""The guard against lanes that die, stop or are busy, with real sockets; its own cancel session against a small venue."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog

from core import layout as at
from core.codes import Loss, Mode, OrdStatus
from noderrd.guard.cancel import Login, NoSession, cancel
from noderrd.guard.watch import AWAY_NS, COD_WAIT_NS, NO_COD_WAIT_NS, QUIET_NS, Guard
from noderrd.lane import hand
from noderrd.lane.memory import Shared
from noderrd.lane.spec import InstrumentSpec, LaneSpec, VenueSpec

NOW = 10**18
SECOND = 10**9
LOG = structlog.get_logger()


def spec_of(tmp_path, port=1, *, cod=True):
    venue = VenueSpec("NSDQ", "", "", "", "", f"127.0.0.1:{port}", "USER", "secret", armed=True, cancel_on_disconnect=cod)
    return LaneSpec("lane0", str(tmp_path / "lane0"), "", [venue], [InstrumentSpec("S", 0, "S", 100, 1)], ["S"], [], [], [], [], levels=1, table=2)


def make(spec):
    shared = Shared(Path(spec.shared), spec.sizes(), create=True)
    control = shared.control[0]
    control["ready"], control["heartbeat_ns"] = 1, NOW
    shared.venues[0]["mode"] = Mode.ARMED
    shared.venues[0]["order_session"] = list(b"SESSION001")
    shared.venues[0]["order_seq"] = 42
    return shared


def place(shared, slot, ref, status, pending=0):
    row = shared.orders[slot]
    row["cl_ord_id"], row["user_ref"], row["pending_ref"], row["ord_status"] = slot + 1, ref, pending, status


@pytest.fixture
def connection():
    """A lane's end of a TCP connection, and the venue's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.settimeout(20)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def watched(tmp_path):
    spec = spec_of(tmp_path)
    shared = make(spec)
    guard = Guard(spec, shared, LOG)
    yield guard, shared
    guard.close()


def test_lane_that_lives_is_left_alone(watched, connection):
    guard, shared = watched
    ours, theirs = connection
    assert hand.give(shared.path, 0, ours)
    for k in range(100):
        shared.control[0]["heartbeat_ns"] = NOW + k * QUIET_NS
        guard.turn(NOW + k * QUIET_NS + QUIET_NS - 1)
    assert guard.held == 1
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_sessions_of_a_quiet_lane_are_shut_though_it_still_holds_them(watched, connection):
    guard, shared = watched
    ours, theirs = connection
    hand.give(shared.path, 0, ours)
    guard.turn(NOW + QUIET_NS - 1)
    guard.turn(NOW + QUIET_NS)
    assert theirs.recv(1) == b""
    assert (guard.held, shared.control[0]["guard_cuts"]) == (0, 1)
    with pytest.raises(OSError, match="Broken pipe"):
        ours.send(b"an order of a lane that wakes up")


def test_busy_lane_is_left_alone_while_its_process_lives(watched, connection):
    guard, shared = watched
    hand.give(shared.path, 0, connection[0])
    shared.control[0]["leave_until_ns"] = NOW + 100 * QUIET_NS
    owner = Shared(shared.path, shared.sizes)
    assert owner.own()
    guard.turn(NOW + 50 * QUIET_NS)
    assert guard.held == 1
    fcntl.flock(owner._fd, fcntl.LOCK_UN)  # as a death does
    guard.turn(NOW + 51 * QUIET_NS)
    assert guard.held == 0


def test_newer_socket_takes_the_place_of_the_older(watched, connection):
    guard, shared = watched
    other, far = socket.socketpair()
    with other, far:
        hand.give(shared.path, 0, other)
        hand.give(shared.path, 0, connection[0])
        hand.give(shared.path, 7, other)  # no such venue
        guard.turn(NOW)
        assert guard.held == 1
        guard.turn(NOW + QUIET_NS)
        assert connection[1].recv(1) == b""
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)


def test_nobody_takes_it_where_there_is_no_guard(tmp_path, connection):
    assert not hand.give(tmp_path / "lane0", 0, connection[0])


class SmallVenue:
    """Takes one login, cancels what it is asked to and holds, answers the query."""

    def __init__(self, open_refs, *, accepts=True):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.login, self.asked = b"", []
        self._open, self._accepts = open_refs, accepts
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self):
        self._thread.join(20)
        self._server.close()

    def _run(self):
        line, _ = self._server.accept()
        with contextlib.suppress(ConnectionError), line, line.makefile("rb") as packets:

            def say(packet):
                line.sendall(len(packet).to_bytes(2, "big") + packet)

            while head := packets.read(2):
                packet = packets.read(int.from_bytes(head, "big"))
                if packet[:1] == b"L":
                    self.login = packet
                    say(b"ASESSION001" + b"42".rjust(20) if self._accepts else b"JA")
                elif packet[:2] == b"UX":
                    ref = int.from_bytes(packet[2:6], "big")
                    self.asked.append(ref)
                    if ref in self._open:
                        say(b"SC" + bytes(8) + packet[2:6] + (100).to_bytes(4, "big") + b"U")
                elif packet[:2] == b"UQ":
                    say(b"H")
                    say(b"SQ" + bytes(8) + (99).to_bytes(4, "big"))


@pytest.mark.parametrize(("cod", "wait"), [(True, COD_WAIT_NS), (False, NO_COD_WAIT_NS)])
def test_orders_of_a_lane_that_stays_away_are_canceled(tmp_path, connection, cod, wait):
    venue = SmallVenue({5, 9})
    spec = spec_of(tmp_path, venue.port, cod=cod)
    shared = make(spec)
    place(shared, 0, 5, OrdStatus.NEW)
    place(shared, 1, 6, OrdStatus.FILLED)
    place(shared, 2, 7, OrdStatus.UNKNOWN)
    place(shared, 3, 8, OrdStatus.PENDING_REPLACE, pending=9)
    guard = Guard(spec, shared, LOG)
    hand.give(shared.path, 0, connection[0])
    guard.turn(NOW)
    with structlog.testing.capture_logs() as said:
        guard.turn(NOW + QUIET_NS)
        guard.turn(NOW + QUIET_NS + wait - 1)
        assert venue.login == b""
        guard.turn(NOW + QUIET_NS + wait)
        guard.turn(NOW + QUIET_NS + wait + 1)
    venue.join()
    guard.close()
    assert venue.login.split() == [b"LUSER", b"secret", b"SESSION001", b"42"]
    assert venue.asked == [5, 7, 8, 9]
    assert next(row for row in said if row["event"].startswith("canceled"))["remain"] == [7, 8]


def test_nothing_is_canceled_when_a_new_lane_is_there(tmp_path, connection):
    venue = SmallVenue({5})
    spec = spec_of(tmp_path, venue.port)
    shared = make(spec)
    place(shared, 0, 5, OrdStatus.NEW)
    guard = Guard(spec, shared, LOG)
    hand.give(shared.path, 0, connection[0])
    guard.turn(NOW + QUIET_NS)
    shared.control[0]["ready"] = 0  # it takes the state up
    guard.turn(NOW + QUIET_NS + COD_WAIT_NS)
    shared.control[0]["ready"], shared.control[0]["heartbeat_ns"] = 1, NOW + QUIET_NS + COD_WAIT_NS
    guard.turn(NOW + QUIET_NS + COD_WAIT_NS + 1)
    guard.close()
    assert venue.login == b""


def test_a_venue_that_is_away_is_tried_again_until_the_orders_are_canceled(tmp_path, connection):
    venue = SmallVenue({5})
    spec = spec_of(tmp_path, 1)  # nobody listens there
    shared = make(spec)
    place(shared, 0, 5, OrdStatus.NEW)
    guard = Guard(spec, shared, LOG)
    hand.give(shared.path, 0, connection[0])
    at_ns = NOW + QUIET_NS
    with structlog.testing.capture_logs() as said:
        guard.turn(at_ns)
        for k in range(4):
            guard.turn(at_ns + COD_WAIT_NS + k * AWAY_NS)
        guard.turn(at_ns + COD_WAIT_NS + 3 * AWAY_NS + 1)  # not again at once
        assert [row["event"] for row in said].count("cannot cancel") == 1
        guard._spec = spec_of(tmp_path, venue.port)
        guard.turn(at_ns + COD_WAIT_NS + 4 * AWAY_NS)
        guard.turn(at_ns + COD_WAIT_NS + 6 * AWAY_NS)
    venue.join()
    guard.close()
    assert venue.asked == [5]
    assert next(row for row in said if row["event"].startswith("canceled"))["remain"] == []


@pytest.mark.parametrize(("then", "again"), [(Loss.REDUCE_ONLY, 0), (Loss.CANCEL, Loss.CANCEL)])
def test_a_lost_daemon_is_what_the_policy_says(watched, then, again):
    guard, shared = watched
    control = shared.control[0]
    control["heartbeat_ns"] = at.NO_LIMIT  # the lane lives
    control["loss_then"], control["loss_after_ns"] = then, 10 * SECOND
    guard.turn(NOW + 99 * SECOND)
    assert control["wish"] == 0, "a daemon that never was is not lost"
    control["daemon_ns"] = NOW
    guard.turn(NOW + 10 * SECOND - 1)
    assert control["wish"] == 0
    guard.turn(NOW + 10 * SECOND)
    assert control["wish"] == then
    control["wish"], shared.lane[0]["n_live"] = 0, 3  # the lane did what it could
    guard.turn(NOW + 11 * SECOND - 1)
    assert control["wish"] == 0
    guard.turn(NOW + 11 * SECOND)
    assert control["wish"] == again, "what is still open is asked for again"
    control["wish"], control["daemon_ns"] = 0, NOW + 20 * SECOND
    guard.turn(NOW + 21 * SECOND)
    assert control["wish"] == 0


def test_trade_on_asks_for_nothing_whatever_the_time(watched):
    guard, shared = watched
    shared.control[0]["heartbeat_ns"], shared.control[0]["daemon_ns"] = at.NO_LIMIT, NOW
    guard.turn(NOW + 10**6 * SECOND)
    assert shared.control[0]["wish"] == Loss.TRADE_ON == 0


def test_a_drill_shuts_the_sessions_of_a_lane_that_lives_once(watched, connection):
    guard, shared = watched
    control = shared.control[0]
    hand.give(shared.path, 0, connection[0])
    guard.turn(NOW)
    control["drill_asked"] = 3
    guard.turn(NOW + 1)
    assert connection[1].recv(1) == b""
    assert (control["drill_done"], control["guard_cuts"], guard.held) == (3, 1, 0)
    guard.turn(NOW + 2)
    assert control["guard_cuts"] == 1


def test_venue_that_refuses_is_told():
    venue = SmallVenue(set(), accepts=False)
    with pytest.raises(NoSession, match="login rejected: A"):
        cancel(Login("127.0.0.1", venue.port, "USER", "secret", "", 1), [1], lambda: False)
    venue.join()


LANE = """
import socket, sys, time
from pathlib import Path
from noderrd.lane import hand
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
spec = LaneSpec.read(Path(sys.argv[1]))
shared = Shared(Path(spec.shared), spec.sizes())
shared.own()
line = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
while not hand.give(Path(spec.shared), 0, line):
    time.sleep(0.01)
while True:
    shared.control[0]["heartbeat_ns"] = time.time_ns()
    line.send(b".")
    time.sleep(0.001)
"""


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_process_of_a_lane_that_is_stopped_or_killed_loses_its_session(tmp_path, number):
    """The guard's process holds a duplicate, so the venue would hear nothing if it did not act."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        spec = spec_of(tmp_path, server.getsockname()[1])
        spec.write(tmp_path / "SPEC.json")
        shared = make(spec)
        shared.control[0]["heartbeat_ns"] = time.time_ns()
        shared.control[0]["leave_until_ns"] = at.NO_LIMIT
        guard = subprocess.Popen([sys.executable, "-P", "-m", "noderrd.guard", "--spec", str(tmp_path / "SPEC.json")], stderr=subprocess.PIPE)
        lane = subprocess.Popen([sys.executable, "-P", "-c", LANE, str(tmp_path / "SPEC.json"), str(server.getsockname()[1])])
        theirs, _ = server.accept()
        theirs.settimeout(60)
        with theirs:
            assert theirs.recv(1) == b"."
            shared.control[0]["leave_until_ns"] = 0
            shared.control[0]["ready"] = 0  # no cancel session in this test
            os.kill(lane.pid, number)
            while theirs.recv(1 << 16):
                pass
        assert shared.control[0]["guard_cuts"] >= 1
        guard.terminate()
        said = guard.communicate()[1]
        lane.kill()
        lane.wait()
    assert guard.returncode == 0, said
    assert b"lane is quiet" in said
