"""Whatever the two lines lose, double, reorder or delay: the final books are exact, and no message is applied twice."""

import random

import numpy as np
import pytest
from feeds.channel import MILLISECOND, REQUEST, SESSION, flow, naive, packets

from core.codes import BookState, Counter, Rebuild
from noderrd.feeds import moldudp64

RATES = {
    "clean": {},
    "drop a little": {"drop": (0.01, 0.01)},
    "drop much": {"drop": (0.3, 0.3)},
    "drop one line": {"drop": (0.0, 1.0)},
    "twice": {"twice": (0.2, 0.5)},
    "reorder": {"swap": (0.2, 0.2)},
    "delay b": {"delay": (0, 7)},
    "everything": {"drop": (0.15, 0.2), "twice": (0.1, 0.1), "swap": (0.1, 0.3), "delay": (3, 0), "answers": 0.3},
}


def arrivals(datagrams, seed, drop=(0, 0), twice=(0, 0), swap=(0, 0), delay=(0, 0), answers=0):
    """[(line, datagram)] in the order in which they arrive."""
    draw, queue = random.Random(seed), []
    for line in (0, 1):
        times = []
        for k, datagram in enumerate(datagrams):
            if draw.random() < drop[line]:
                continue
            at = k + delay[line] + (draw.uniform(1, 6) if draw.random() < swap[line] else 0)
            times.append((at, line, datagram))
            if draw.random() < twice[line]:
                times.append((at + draw.uniform(0, 3), line, datagram))
        queue += times
    return [(line, datagram) for _, line, datagram in sorted(queue, key=lambda one: one[:2])]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rates", RATES)
def test_the_final_book_is_exact_and_nothing_is_applied_twice(channel_of, rates, seed):
    messages = flow(seed + 1, 1500)
    channel, draw = channel_of(messages), random.Random(seed)
    lost = RATES[rates].get("answers", 0)
    for line, datagram in arrivals(packets(messages, seed), seed, **RATES[rates]):
        channel.now += 50_000
        channel.arrive(line, datagram)
        for _, first, count in channel.requests():
            if draw.random() >= lost:
                channel.arrive(REQUEST, channel.answer(first, count))
        if draw.random() < 0.05:
            channel.tick(MILLISECOND)
    channel.recover()
    channel.equals(naive(messages))
    assert channel.count(Counter.MESSAGES) == len(messages)
    assert channel.count(Counter.UNKNOWN_ORDER) == channel.count(Counter.BOOK_FULL) == 0
    assert not channel.shared.insts["state"].any()
    assert channel.row["state"] == 0


def test_each_line_keeps_its_own_account(channel_of):
    """Of 100 datagrams of one message, b loses 3, sends 2 twice and 1 after the next."""
    messages = flow(1, 92)
    channel, one_each = channel_of(messages), packets(messages, 0, most=1)
    assert len(one_each) == len(messages) == 100
    order = [k for k in range(100) if k not in {10, 11, 50}]
    order[order.index(70) : order.index(70) + 2] = [71, 70]
    for k in range(100):
        channel.now += 1000
        channel.arrive(0, one_each[k])
        channel.now += 700
        for which in order[k : k + 1]:
            channel.arrive(1, one_each[which])
            if which in {20, 21}:
                channel.arrive(1, one_each[which])
    channel.arrive(1, moldudp64.write(SESSION, 101))
    row = channel.row
    assert row["lost"].tolist() == [0, 3]
    assert row["duplicate"].tolist() == [0, 2]
    assert row["out_of_order"].tolist() == [0, 1]
    assert row["received"].tolist() == [100, 100]
    assert row["late"].tolist() == [0, 10]  # then b leaves one out and is ahead
    assert channel.count(Counter.GAP_MESSAGES) <= 2  # line a had it all: b was ahead for a moment, where it had left one out
    channel.equals(naive(messages))


def test_how_far_a_line_is_behind_the_other(channel_of):
    messages = flow(1, 300)
    channel = channel_of(messages)
    for datagram in packets(messages, 0, most=1):
        for line in (0, 1):
            channel.now += 700
            channel.arrive(line, datagram)
    assert channel.row["skew_ns"][0] == 0
    assert 500 < channel.row["skew_ns"][1] <= 700


def test_what_comes_late_fills_its_hole_from_either_end(channel_of):
    messages = flow(1, 40)
    channel, each = channel_of(messages), packets(messages, 0, most=1)
    for k in (*range(10), *range(20, 30), 10, 19, 12, 11, *range(13, 19)):
        channel.arrive(1, each[k])
    assert channel.row["out_of_order"][1] >= 9
    assert channel.row["lost"][1] + channel.row["out_of_order"][1] == 10
    assert channel.row["duplicate"][1] == channel.row["lost"][1]


def test_servers_are_asked_one_after_the_other(channel_of):
    messages = flow(2, 200)
    channel, each = channel_of(messages, servers=3), packets(messages, 0, most=1)
    for k in (0, 1, 50):
        channel.arrive(0, each[k])
    for _ in range(40):
        channel.tick(MILLISECOND)
        channel.requests()
    servers = [server for server, first, _ in channel.asked if first == 3]
    assert servers[:6] == [0, 1, 2, 0, 1, 2]
    assert len(servers) < 12  # bounded: one in five milliseconds
    assert channel.row["state"] & BookState.GAP
    channel.recover()
    channel.equals(naive(messages))


def test_a_gap_is_never_live(channel_of):
    messages = flow(3, 300)
    channel, each = channel_of(messages), packets(messages, 0, most=1)
    for k in range(100):
        channel.arrive(0, each[k])
    assert channel.row["state"] == 0
    channel.arrive(0, each[101])
    assert channel.row["state"] == BookState.GAP
    channel.arrive(1, each[100])  # the other line has it
    channel.arrive(1, each[101])
    assert channel.row["state"] == 0
    assert channel.row["next_seq"] == 103


def test_a_channel_is_stale_and_a_quiet_symbol_is_not(channel_of):
    messages = flow(4, 50)
    channel = channel_of(messages)
    for datagram in packets(messages, 4):
        channel.arrive(0, datagram)
    for _ in range(10):
        channel.tick(1000 * MILLISECOND)
        channel.arrive(1, moldudp64.write(SESSION, len(messages) + 1))  # heartbeats only
    assert channel.row["state"] == 0
    channel.tick(3001 * MILLISECOND)
    assert channel.row["state"] == BookState.STALE
    channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1))
    assert channel.row["state"] == 0


def test_an_unknown_order_puts_its_symbol_and_no_other_out_of_service(channel_of):
    messages = flow(5, 80)
    stray = messages[-1][:1].replace(messages[-1][:1], b"D") + (2).to_bytes(2, "big") + bytes(8) + (10**9).to_bytes(8, "big")
    channel = channel_of([*messages, stray])
    for datagram in packets(channel.said, 5):
        channel.arrive(0, datagram)
    assert [int(state) for state in channel.shared.insts["state"]] == [0, BookState.GAP, 0]
    assert channel.count(Counter.UNKNOWN_ORDER) == 1


@pytest.mark.parametrize("how", ["ended", "silent"])
def test_another_session_begins_when_the_one_before_is_over(channel_of, how):
    messages = flow(6, 100)
    channel = channel_of(messages)
    for datagram in packets(messages, 6):
        channel.arrive(0, datagram)
    stranger = moldudp64.write(b"SEED000002", 1, tuple(messages[:4]))
    channel.arrive(0, stranger)
    assert channel.count(Counter.DROP_SESSION) == 1
    assert channel.row["rebuild"] == Rebuild.NONE
    if how == "ended":
        channel.arrive(0, moldudp64.write(SESSION, len(messages) + 1, end=True))
        assert channel.row["state"] & BookState.CLOSED
    else:
        channel.tick(3001 * MILLISECOND)
    channel.arrive(0, stranger)
    assert channel.row["rebuild"] == Rebuild.RESTART
    assert bytes(channel.row["session"]) == b"SEED000002"


def test_noise_changes_no_account_by_much(channel_of):
    channel, draw = channel_of(flow(7, 50)), random.Random(7)
    good = packets(channel.said, 7)
    for datagram in good:
        channel.arrive(0, datagram)
    for _ in range(2000):
        changed = bytearray(draw.choice(good))
        changed[draw.randrange(10, len(changed))] = draw.randrange(256)
        channel.arrive(draw.randrange(2), bytes(changed))
    assert np.abs(channel.row["lost"]).max() < 1 << 40
    assert channel.shared.table_head[0]["used"] == np.count_nonzero(channel.shared.table["key"])
