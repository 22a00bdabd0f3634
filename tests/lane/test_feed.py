"""Market data as it really comes: gaps, late joining, lines that differ, silence, and bytes that are none of ours."""

import random
import struct

import numpy as np
import pytest
from lane.exchange import SESSION, Exchange, itch

from core.codes import BookState, Counter


def book(desk, side):
    n, i = desk.shared.insts[desk.inst]["n"][side], desk.inst
    return list(zip(desk.shared.px[i, side, :n][::-1].tolist(), desk.shared.qty[i, side, :n][::-1].tolist(), strict=True))


def test_a_late_joiner_walks_up_from_message_one(make):
    venue = Exchange()
    venue.open_market()
    for k in range(300):
        venue.add(1, 1000 + k, b"B", 10, 990_000 - 100 * (k % 40))
    desk = make(open_market=False, exchange=venue)
    desk.until(lambda: not (desk.shared.venues[0]["state"] | desk.shared.insts["state"]).any())
    assert desk.shared.venues[0]["next_seq"] == len(venue.feed.said) + 1
    assert book(desk, 0)[:2] == [(999_900, 1000), (999_800, 1000)]
    assert sum(q for _, q in book(desk, 0)) == 3 * 1000 + 300 * 10


def test_a_late_joiner_is_told_no_trade_of_the_past(make):
    """Halts and trades of the morning lie in one datagram of the retransmission: what halts is told, what traded is not."""
    venue = Exchange()
    venue.open_market()
    for _ in range(60):
        venue.trading(1, b"T")
        venue.print_trade(1, b"B", 100, 999_900)
    venue.add(1, 1000, b"B", 10, 990_000)
    desk = make(open_market=False, exchange=venue)
    desk.until(lambda: not (desk.shared.venues[0]["state"] | desk.shared.insts["state"]).any())
    assert desk.shared.venues[0]["next_seq"] == len(venue.feed.said) + 1
    assert desk.count(Counter.INTENTS) == 0
    desk.send(b"B", 100, 999_900)  # one of the present is
    assert desk.count(Counter.INTENTS) == 1


def test_a_message_lost_on_one_line_is_no_loss(desk):
    before = desk.count(Counter.GAPS)
    desk.venue.add(desk.inst + 1, desk.ref + 1, b"B", 10, 999_700, lines="a")
    desk.venue.add(desk.inst + 1, desk.ref + 2, b"B", 20, 999_700, lines="b")
    desk.venue.add(desk.inst + 1, desk.ref + 3, b"B", 30, 999_700)
    desk.until(lambda: desk.shared.venues[0]["next_seq"] > len(desk.venue.feed.said))
    assert dict(book(desk, 0))[999_700] == 1060
    assert desk.count(Counter.GAPS) in (before, before + 1)  # the lines are read one after the other: b may be ahead for a moment
    desk.venue.add(desk.inst + 1, desk.ref + 4, b"B", 10, 999_700)
    desk.until(lambda: desk.count(Counter.DUPLICATES) > 0)
    assert dict(book(desk, 0))[999_700] == 1070


def test_a_message_lost_on_both_is_asked_for_and_nobody_decides_meanwhile(desk):
    desk.venue.feed.deaf = True
    desk.venue.feed.asked.clear()
    desk.venue.add(desk.inst + 1, desk.ref + 1, b"B", 10, 999_700, lines="")
    desk.venue.add(desk.inst + 1, desk.ref + 2, b"B", 20, 999_700)
    desk.until(lambda: desk.shared.venues[0]["state"] & BookState.GAP)
    desk.ask(b"B", 100, 999_900)
    desk.until(lambda: len(desk.venue.feed.asked) >= 3)
    assert desk.venue.feed.asked[-1][0] == len(desk.venue.feed.said) - 2
    assert not desk.entered()
    desk.venue.feed.deaf = False
    desk.until(lambda: desk.shared.venues[0]["state"] == 0)
    assert dict(book(desk, 0))[999_700] == 1030
    assert (desk.count(Counter.GAPS), desk.count(Counter.REREQUESTS)) >= (1, 3)
    desk.serve(0.05)
    assert not desk.entered(), "a trade of the time without a book is told to nobody"
    desk.send(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)


def test_another_session_s_datagrams_are_dropped(desk):
    before = desk.count(Counter.DROP_SESSION)
    desk.venue.feed.raw(b"OTHER00001" + desk.venue.feed.packet(len(desk.venue.feed.said) + 1, [itch(b"S", 0, b"M")])[10:])
    desk.until(lambda: desk.count(Counter.DROP_SESSION) == before + 2)
    assert desk.shared.venues[0]["state"] == 0


def test_the_end_of_the_session_closes_the_books(make):
    desk = make()
    desk.venue.feed.end()
    desk.until(lambda: desk.shared.venues[0]["state"] & BookState.CLOSED)


@pytest.mark.slow
def test_a_channel_that_falls_silent_is_stale_until_it_speaks(desk):
    desk.venue.silent = True
    desk.until(lambda: desk.shared.venues[0]["state"] & BookState.STALE)
    desk.venue.silent = False
    desk.until(lambda: desk.shared.venues[0]["state"] == 0)


def test_bad_datagrams_are_counted_by_reason_and_dropped(desk):
    next_seq = len(desk.venue.feed.said) + 1
    whole = desk.venue.feed.packet(next_seq, [itch(b"D", 1, struct.pack(">Q", 100))])
    wrong = {
        Counter.DROP_TRUNCATED: [b"", b"x", whole[:19], whole[:-1], whole + b"x", SESSION + struct.pack(">QH", next_seq, 3)],
        Counter.DROP_GARBAGE: [SESSION + struct.pack(">qH", -5, 0)],
        Counter.DROP_OVERSIZED: [bytes(9217), bytes(20_000)],
    }
    for counter, datagrams in wrong.items():
        for datagram in datagrams:
            before = desk.count(counter)
            desk.venue.feed.raw(datagram, lines="a")
            desk.until(lambda counter=counter, before=before: desk.count(counter) == before + 1)
    before = desk.count(Counter.DROP_UNKNOWN)
    desk.venue.feed.say(itch(b"?", 1, b"what"), itch(b"A", 1, b"short"), b"")
    desk.until(lambda: desk.count(Counter.DROP_UNKNOWN) == before + 3)
    assert desk.shared.venues[0]["next_seq"] == len(desk.venue.feed.said) + 1, "what cannot be read still has its number"
    desk.send()
    desk.order_is("NEW", 100, 0)


def test_one_number_out_of_this_world_opens_no_gap_two_that_agree_do(make):
    desk = make()
    heard = desk.count(Counter.DATAGRAMS)
    far = 1 << 40
    for seq in (far, far + (1 << 30), 1 << 62):
        desk.venue.feed.raw(SESSION + struct.pack(">QH", seq, 0), lines="a")
    desk.until(lambda: desk.count(Counter.DATAGRAMS) >= heard + 3)
    desk.send()
    desk.order_is("NEW", 100, 0)
    assert desk.shared.venues[0]["state"] == 0
    desk.venue.feed.raw(SESSION + struct.pack(">QH", far, 0), lines="a")
    desk.venue.feed.raw(SESSION + struct.pack(">QH", far + 5, 0), lines="b")
    desk.until(lambda: desk.shared.venues[0]["state"] & BookState.GAP)
    assert desk.shared.venues[0]["high_seq"] == far + 5


def test_noise_never_ends_the_lane(make):
    """Random bytes, and real packets with bytes changed, on every socket of the feed. Numbers near the top must not make it ask for the world."""
    desk = make()
    noise = random.Random(7)
    good = [desk.venue.feed.packet(k + 1, [m]) for k, m in enumerate(desk.venue.feed.said)]
    for _ in range(3000):
        if noise.random() < 0.3:
            datagram = noise.randbytes(noise.randrange(200))
        else:
            changed = bytearray(noise.choice(good))
            for _ in range(noise.randrange(1, 4)):
                changed[noise.randrange(len(changed))] = noise.randrange(256)
            datagram = bytes(changed)
        desk.venue.feed.raw(datagram, lines=noise.choice("ab"))
    desk.serve(0.5)
    counters = desk.shared.control[0]["counters"]
    seen = counters[[Counter.DROP_TRUNCATED, Counter.DROP_GARBAGE, Counter.DROP_SESSION, Counter.DUPLICATES, Counter.HEARTBEATS, Counter.GAPS]]
    assert np.sum(seen) > 2000
    heartbeat = desk.shared.control[0]["heartbeat_ns"]
    desk.until(lambda: desk.shared.control[0]["heartbeat_ns"] > heartbeat)
