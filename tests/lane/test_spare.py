"""A dead lane's spare takes its place: the venue's connection goes on where nothing was half done, and is made anew where something was."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.codes import Command, Counter, Session
from noderrd.host.sockets import taken_and_given
from noderrd.lane import hand


@pytest.fixture
def beside(make):
    """Give a desk, and a function that starts its lane's guard or spare."""
    desk, started = make(), []

    def start(module, *words):
        with desk.lane.log.open("ab") as out:
            started.append(subprocess.Popen([sys.executable, "-P", "-m", module, *map(str, words)], stdout=out, stderr=out, start_new_session=True))
        return started[-1]

    yield desk, start
    for process in started:
        process.kill()
        process.wait()


def equip(desk, start):
    """Start a guard that holds the lane's socket, and a spare that waits."""
    lane, control = desk.lane, desk.shared.control[0]
    spec = lane.folder / "spec.json"
    start("noderrd.guard", "--spec", spec)
    lane.until(lambda: control["guard_pid"] != 0)
    desk.command(Command.HAND)
    spare = start("noderrd.lane", spec, "spare")
    lane.until(lambda: control["spare_pid"] == spare.pid, 600)
    lane.until(lambda: "S" in Path(f"/proc/{spare.pid}/stat").read_text().rpartition(")")[2].split()[0])
    return spare


def test_the_connection_goes_on_and_nothing_is_cancelled(beside):
    desk, start = beside
    lane, venue, control = desk.lane, desk.venue, desk.shared.control[0]
    spare = equip(desk, start)
    desk.ask(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    logins, epoch = len(venue.logins), lane.epoch()
    lane.until(lambda: desk.shared.venues[0]["tx_len"] == 0)
    lane.kill()
    venue.fill(venue.orders[1], 40)
    lane.until(lambda: control["ready"] and lane.epoch() == epoch + 1 and desk.shared.venues[0]["session_state"] == Session.UP)
    assert control["pid"] == spare.pid
    assert len(venue.logins) == logins, "the venue saw nothing"
    assert (control["guard_cuts"], control["spare_pid"]) == (0, 0)
    desk.order_is("PARTIALLY_FILLED", 60, 40, k=0)  # a trade that the feed tells again may have made another
    lane.wait_live()
    desk.ask(b"B", 10, 999_900)
    desk.order_is("NEW", 10, 0)
    assert desk.count(Counter.IMPOSSIBLE) == 0
    os.kill(spare.pid, signal.SIGTERM)
    while spare.poll() is None:
        venue.poll()
        time.sleep(0.001)
    assert spare.returncode == 0


@pytest.mark.parametrize("what", ["order_rx_bytes", "order_tx_bytes", "rx_len"])
def test_a_connection_that_was_left_in_the_middle_of_something_is_made_anew(beside, what):
    desk, start = beside
    lane, venue, control = desk.lane, desk.venue, desk.shared.control[0]
    spare = equip(desk, start)
    desk.ask(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    logins = len(venue.logins)
    os.kill(lane.process.pid, signal.SIGSTOP)  # so that what is written below stays
    desk.shared.venues[0][what] += 1
    lane.kill()
    lane.until(lambda: control["ready"] and control["pid"] == spare.pid and desk.shared.venues[0]["session_state"] == Session.UP)
    assert len(venue.logins) == logins + 1
    desk.order_is("NEW", 100, 0)


def test_without_a_guard_it_logs_in(beside):
    desk, start = beside
    lane, control = desk.lane, desk.shared.control[0]
    spare = start("noderrd.lane", lane.folder / "spec.json", "spare")
    lane.until(lambda: control["spare_pid"] == spare.pid, 600)
    logins = len(desk.venue.logins)
    lane.kill()
    lane.until(lambda: control["ready"] and control["pid"] == spare.pid and desk.shared.venues[0]["session_state"] == Session.UP)
    assert len(desk.venue.logins) == logins + 1


def test_a_spare_that_is_not_needed_goes_at_once(beside):
    desk, start = beside
    spare = start("noderrd.lane", desk.lane.folder / "spec.json", "spare")
    desk.until(lambda: desk.shared.control[0]["spare_pid"] == spare.pid, 600)
    spare.terminate()
    assert spare.wait(60) == -signal.SIGTERM
    desk.ask(b"B", 10, 999_900)
    desk.order_is("NEW", 10, 0)


def test_bytes_of_a_connection_are_counted_as_programs_count_them():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            assert taken_and_given(ours) == (0, 0)
            ours.sendall(b"12345")
            assert taken_and_given(ours) == (0, 5)
            assert theirs.recv(100) == b"12345"
            theirs.sendall(b"abcdefg")
            assert ours.recv(3, socket.MSG_WAITALL) == b"abc"
            assert taken_and_given(ours) == (3, 5)
            theirs.shutdown(socket.SHUT_WR)
            ours.recv(100)
            ours.recv(100)
            assert taken_and_given(ours) != (7, 5), "its end was seen: nobody goes on with it"


def test_nobody_is_asked_for_sockets_in_vain_for_long(tmp_path):
    began = time.monotonic()
    assert hand.ask(tmp_path / "lane0", 3, 600.0) == {}
    assert time.monotonic() - began < 300
    assert not hand.heir(tmp_path / "lane0").exists()
