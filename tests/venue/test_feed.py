"""MoldUDP64: what goes out, and what is given again."""

import socket
import struct

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from venue.rig import Kept, enter, login

from noderrd.venue import config
from noderrd.venue.faults import Faults, FaultyLine
from noderrd.venue.feed import PACKET_MAX, UdpLine
from noderrd.venue.record import Cause, Kind

HALF_NINE = 34_200 * 10**9


def advance(venue, ns):
    while venue.exchange.do(Cause(Kind.FLOW, HALF_NINE, 0, HALF_NINE + ns)):
        pass


def test_packets_carry_every_message_once_in_order(make):
    venue = make(flow=config.Flow("zero", rate=20_000))
    before = venue.record.feed_next
    advance(venue, 3 * 10**9)
    sent = venue.line.messages()
    assert [n for n, _ in sent] == list(range(before, venue.record.feed_next))
    assert [m for _, m in sent] == venue.messages()[before - 1 :]
    assert len(sent) > 10_000
    assert all(len(packet) <= PACKET_MAX for packet in venue.line.packets)
    assert any(len(packet) > PACKET_MAX - 100 for packet in venue.line.packets)  # and they are filled


async def ask(port, session, first, count, request=None):
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        await line.connect(("127.0.0.1", port))
        await line.send(struct.pack(">10sQH", session, first, count) if request is None else request)
        with trio.move_on_after(0.5 if request is not None else 5):
            return await line.recv(65536)
        return b""


async def test_every_message_can_be_asked_for_again(make):
    venue = make(flow=config.Flow("zero", rate=5_000))
    advance(venue, 10**9)
    session, whole = venue.exchange.session.encode().ljust(10), venue.messages()
    async with venue.open():
        got = []
        while len(got) < len(whole):
            answer = await ask(venue.rerequest, session, len(got) + 1, 200)
            name, first, count = struct.unpack_from(">10sQH", answer)
            assert (name, first) == (session, len(got) + 1)
            assert 1 <= count <= 200
            assert len(answer) <= PACKET_MAX
            at = 20
            for _ in range(count):
                (size,) = struct.unpack_from(">H", answer, at)
                got.append(answer[at + 2 : at + 2 + size])
                at += 2 + size
        assert got == whole
        (one,) = struct.unpack_from(">H", await ask(venue.rerequest, session, 3, 1), 18)
        assert one == 1


@pytest.mark.parametrize(
    "request_", [b"", bytes(19), bytes(21), b"OTHER     " + struct.pack(">QH", 1, 1), struct.pack(">10sQH", b" " * 10, 2**63, 65535)]
)
async def test_what_is_no_request_is_not_answered(make, request_):
    async with make().open() as venue:
        assert await ask(venue.rerequest, b"", 0, 0, request_) == b""
        assert venue.feed.refused == 1
        session = venue.exchange.session.encode().ljust(10)
        assert await ask(venue.rerequest, session, venue.record.feed_next, 1, struct.pack(">10sQH", session, venue.record.feed_next, 1)) == b""
        assert await ask(venue.rerequest, session, 1, 1)


async def test_heartbeats_say_what_comes_next_and_then_the_end(make, autojump_clock):
    venue = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.feed.heartbeats)
        await trio.sleep(3.5)
        beats = [struct.unpack(">10sQH", p[:20]) for p in venue.line.packets]
        assert beats
        assert set(beats) == {(venue.exchange.session.encode().ljust(10), venue.record.feed_next, 0)}
        venue.feed.end()
        assert struct.unpack(">10sQH", venue.line.packets[-1])[1:] == (venue.record.feed_next, 0xFFFF)
        nursery.cancel_scope.cancel()


def test_a_line_goes_over_multicast_and_unicast():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        line = UdpLine(f"127.0.0.1:{listener.getsockname()[1]}", "127.0.0.1")
        assert not line.multicast
        line.send(b"hello")
        assert listener.recv(100) == b"hello"
        line.close()
    line = UdpLine("239.255.1.2:9", "127.0.0.1")
    assert line.multicast
    line.close()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_faulty_lines_lose_double_and_swap_and_count_it(drop, duplicate, reorder, seed):
    kept = Kept()
    line = FaultyLine(kept, Faults(drop, duplicate, reorder), [seed])
    sent = [bytes([k]) for k in range(200)]
    for packet in sent:
        line.send(packet)
    got = [packet[0] for packet in kept.packets]
    held = line.reordered - sum(got[k] > got[k + 1] for k in range(len(got) - 1)) if not duplicate else 0
    assert len(got) == 200 - line.dropped + line.duplicated - (1 if line._held is not None else 0)
    assert held in {0, 1}
    assert set(got) <= set(range(200))
    if not (drop or duplicate or reorder):
        assert kept.packets == sent
    if drop == 1:
        assert not got


async def test_a_slow_line_is_late_and_keeps_the_order():
    kept = Kept()
    line = FaultyLine(kept, Faults(delay_us=50_000), [1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.deliver)
        began = trio.current_time()
        for k in range(5):
            line.send(bytes([k]))
        assert not kept.packets
        with trio.fail_after(5):
            while len(kept.packets) < 5:  # noqa: ASYNC110 - a kept line tells nobody
                await trio.sleep(0.005)
        assert trio.current_time() - began >= 0.05
        assert kept.packets == [bytes([k]) for k in range(5)]
        nursery.cancel_scope.cancel()


async def test_glimpse_is_the_market_as_the_feed_says_it(make):
    """Snapshot, then the feed from the number it names, give the same book as the whole feed."""
    venue = make(flow=config.Flow("zero", rate=5_000))
    advance(venue, 10**9)
    async with venue.open():
        client = await login(venue.snapshots)
        await client.until(lambda: b"Z" in client.other)
        end = client.sequenced[-1]
        assert (len(end), end[:1]) == (21, b"G")
        number = int(end[1:])
        assert number == venue.record.feed_next
        trader = await login(venue.ouch, "TWO")
        await trader.request(enter(1, b"B", 5_000, 1_100_000))
        await trader.until(lambda: trader.of(b"E"))
    late = book(client.sequenced[:-1] + venue.messages()[number - 1 :])
    assert late == book(venue.messages())
    assert len(late) > 100
    assert [m[:1] for m in client.sequenced[:3]] == [b"S", b"R", b"H"]


def book(messages):
    """Order reference number to (side, shares, price, symbol), from ITCH 5.0 messages."""
    orders = {}
    for m in messages:
        kind, ref = m[:1], m[11:19]
        if kind == b"A":
            side, qty, stock, px = struct.unpack_from(">cI8sI", m, 19)
            orders[ref] = [side, qty, px, stock]
        elif kind in {b"E", b"X"}:
            orders[ref][1] -= struct.unpack_from(">I", m, 19)[0]
            if not orders[ref][1]:
                del orders[ref]
        elif kind == b"D":
            del orders[ref]
        elif kind == b"U":
            new, qty, px = struct.unpack_from(">8sII", m, 19)
            old = orders.pop(ref)
            orders[new] = [old[0], qty, px, old[3]]
    return orders
