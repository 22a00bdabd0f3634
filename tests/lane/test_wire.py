"""What waits to be sent goes out whole and in order, and nothing new meanwhile; nothing goes out that could not be journaled."""

import socket

import numpy as np
import pytest

from core.codes import Counter, Denial, Session
from core.jit import entry
from core.layout import JOURNAL_SLOTS, LANE
from noderrd.lane import orders, wire
from noderrd.lane.record import RESERVE

PIECE = 4_000


@entry
def flush(lane):
    return wire.flush(lane, 0, 5)


@entry
def ready(lane):
    return orders.ready(lane, 0)


@pytest.fixture
def line():
    """A lane's memory whose order session is one end of a socket that takes little; the other end."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    ours.setblocking(False)
    theirs.setblocking(False)
    lane = np.zeros(1, LANE)
    lane[0]["venues"][0]["fd_order"], lane[0]["venues"][0]["session_state"] = ours.fileno(), Session.UP
    yield lane, theirs
    ours.close()
    theirs.close()


def wait(lane, data):
    """Put bytes behind what waits, as an order does."""
    venue = lane[0]["venues"][0]
    n = int(venue["tx_len"])
    venue["tx"][n : n + len(data)] = np.frombuffer(data, np.uint8)
    venue["tx_len"] = n + len(data)


def test_a_socket_that_takes_no_more_holds_new_orders_back_until_all_is_sent(line):
    lane, theirs = line
    venue, said, heard = lane[0]["venues"][0], b"", b""
    assert ready(lane) == Denial.PASS
    for k in range(1_000):
        piece = bytes([k % 251]) * PIECE
        wait(lane, piece)
        said += piece
        if flush(lane) != 1:
            break
    assert venue["tx_len"] - venue["tx_at"] > 0, "something waits"
    assert ready(lane) == Denial.SEND_PENDING
    while len(heard) < len(said):
        heard += theirs.recv(700)
        flush(lane)
        assert ready(lane) == (Denial.PASS if venue["tx_len"] == 0 else Denial.SEND_PENDING)
    assert heard == said, "whole, in order, nothing twice"
    assert (venue["tx_len"], venue["tx_at"], ready(lane)) == (0, 0, Denial.PASS)


def test_part_of_a_message_is_followed_by_its_rest(line):
    lane, theirs = line
    wait(lane, bytes(range(200)))
    lane[0]["venues"][0]["tx_at"] = 90  # as after a send of which the kernel took 90 bytes
    assert flush(lane) == 1
    assert theirs.recv(1_000) == bytes(range(90, 200))


def test_a_connection_that_is_broken_is_told(line):
    lane, theirs = line
    theirs.close()
    wait(lane, b"x")
    assert flush(lane) == -1
    assert lane[0]["control"][0]["counters"][Counter.PARTIAL_SENDS] == 0


def test_nothing_is_sent_that_a_full_journal_would_not_tell(line):
    lane, _ = line
    control = lane[0]["control"][0]
    control["journal_head"] = JOURNAL_SLOTS - RESERVE
    assert ready(lane) == Denial.PASS
    control["journal_head"] += 1
    assert ready(lane) == Denial.JOURNAL_FULL
    lane[0]["venues"][0]["session_state"] = Session.DOWN
    assert ready(lane) == Denial.VENUE_DOWN
