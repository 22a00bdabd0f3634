"""Market data as it really comes: gaps, late joining, lines that differ, silence, and bytes that are none of ours."""

import random
import struct

import numpy as np
import pytest
from lane.exchange import SESSION, itch
from lane.rig import Lane

from core.codes import BookState, Counter


def book(lane, side):
    row = lane.shared.insts[0]
    n = row["n"][side]
    return list(zip(lane.shared.px[0, side, :n][::-1].tolist(), lane.shared.qty[0, side, :n][::-1].tolist(), strict=True))


def test_a_late_joiner_walks_up_from_message_one(tmp_path, venue):
    venue.open_market()
    for k in range(300):
        venue.add(1, 1000 + k, b"B", 10, 990_000 - 100 * (k % 40))
    lane = Lane(tmp_path, venue).start()
    lane.until(lambda: not (lane.shared.venues[0]["state"] | lane.shared.insts["state"]).any())
    assert lane.shared.venues[0]["next_seq"] == len(venue.feed.said) + 1
    assert book(lane, 0)[:2] == [(999_900, 1000), (999_800, 1000)]
    assert sum(q for _, q in book(lane, 0)) == 3 * 1000 + 300 * 10
    lane.close()


def test_a_message_lost_on_one_line_is_no_loss(lane, venue):
    before = lane.count(Counter.GAPS)
    venue.add(1, 501, b"B", 10, 999_700, lines="a")
    venue.add(1, 502, b"B", 20, 999_700, lines="b")
    venue.add(1, 503, b"B", 30, 999_700)
    lane.until(lambda: lane.shared.venues[0]["next_seq"] > len(venue.feed.said))
    assert dict(book(lane, 0))[999_700] == 1060
    assert lane.count(Counter.GAPS) in (before, before + 1)  # the lines are read one after the other: b may be ahead for a moment
    assert lane.count(Counter.DUPLICATES) > 0


def test_a_message_lost_on_both_is_asked_for_and_nobody_decides_meanwhile(lane, venue):
    venue.feed.deaf = True
    venue.add(1, 501, b"B", 10, 999_700, lines="")
    venue.add(1, 502, b"B", 20, 999_700)
    lane.until(lambda: lane.shared.venues[0]["state"] & BookState.GAP)
    lane.ask(b"B", 100, 999_900)
    lane.until(lambda: len(venue.feed.asked) >= 3)
    assert venue.feed.asked[-1][0] == len(venue.feed.said) - 2
    assert not venue.orders
    venue.feed.deaf = False
    lane.until(lambda: lane.shared.venues[0]["state"] == 0)
    assert dict(book(lane, 0))[999_700] == 1030
    assert (lane.count(Counter.GAPS), lane.count(Counter.REREQUESTS)) >= (1, 3)
    lane.order_is("NEW", 100, 0)  # the trade came late, and was told when the book was whole again


def test_another_session_s_datagrams_are_dropped(lane, venue):
    before = lane.count(Counter.DROP_SESSION)
    venue.feed.raw(b"OTHER00001" + venue.feed.packet(len(venue.feed.said) + 1, [itch(b"S", 0, b"M")])[10:])
    lane.until(lambda: lane.count(Counter.DROP_SESSION) == before + 2)
    assert lane.shared.venues[0]["state"] == 0


def test_the_end_of_the_session_closes_the_books(lane, venue):
    venue.feed.end()
    lane.until(lambda: lane.shared.venues[0]["state"] & BookState.CLOSED)


@pytest.mark.slow
def test_a_channel_that_falls_silent_is_stale_until_it_speaks(lane, venue):
    venue.silent = True
    lane.until(lambda: lane.shared.venues[0]["state"] & BookState.STALE)
    venue.silent = False
    lane.until(lambda: lane.shared.venues[0]["state"] == 0)


def test_bad_datagrams_are_counted_by_reason_and_dropped(lane, venue):
    next_seq = len(venue.feed.said) + 1
    whole = venue.feed.packet(next_seq, [itch(b"D", 1, struct.pack(">Q", 100))])
    wrong = {
        Counter.DROP_TRUNCATED: [b"", b"x", whole[:19], whole[:-1], whole + b"x", SESSION + struct.pack(">QH", next_seq, 3)],
        Counter.DROP_GARBAGE: [SESSION + struct.pack(">qH", -5, 0)],
        Counter.DROP_OVERSIZED: [bytes(9217), bytes(20_000)],
    }
    for counter, datagrams in wrong.items():
        for datagram in datagrams:
            before = lane.count(counter)
            venue.feed.raw(datagram, lines="a")
            lane.until(lambda counter=counter, before=before: lane.count(counter) == before + 1)
    before = lane.count(Counter.DROP_UNKNOWN)
    venue.feed.say(itch(b"?", 1, b"what"), itch(b"A", 1, b"short"), b"")
    lane.until(lambda: lane.count(Counter.DROP_UNKNOWN) == before + 3)
    assert lane.shared.venues[0]["next_seq"] == len(venue.feed.said) + 1, "what cannot be read still has its number"
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)


def test_noise_never_ends_the_lane(lane, venue):
    """Random bytes, and real packets with bytes changed, on every socket of the feed. Numbers near the top must not make it ask for the world."""
    noise = random.Random(7)
    good = [venue.feed.packet(k + 1, [m]) for k, m in enumerate(venue.feed.said)]
    for _ in range(3000):
        if noise.random() < 0.3:
            datagram = noise.randbytes(noise.randrange(200))
        else:
            changed = bytearray(noise.choice(good))
            for _ in range(noise.randrange(1, 4)):
                changed[noise.randrange(len(changed))] = noise.randrange(256)
            datagram = bytes(changed)
        venue.feed.raw(datagram, lines=noise.choice("ab"))
    lane.serve(0.5)
    counters = lane.shared.control[0]["counters"]
    seen = counters[[Counter.DROP_TRUNCATED, Counter.DROP_GARBAGE, Counter.DROP_SESSION, Counter.DUPLICATES, Counter.HEARTBEATS, Counter.GAPS]]
    assert np.sum(seen) > 2000
    heartbeat = lane.shared.control[0]["heartbeat_ns"]
    lane.until(lambda: lane.shared.control[0]["heartbeat_ns"] > heartbeat)
