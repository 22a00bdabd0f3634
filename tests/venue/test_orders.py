"""The order port: a client that shares no code with it, over loopback."""

import struct

import pytest
import trio
import trio.lowlevel
from venue.rig import cancel, configuration, connect, enter, login, replace

from noderrd.venue import config, orders, soup


async def test_login_is_judged(make):
    async with make().open() as venue:
        session = venue.exchange.session
        assert (await login(venue.ouch)).other == [b"A" + session.rjust(10).encode() + b"1".rjust(20)]
        assert (await login(venue.ouch, "TWO", "wrong")).other == [b"JA"]
        assert (await login(venue.ouch, "NONE")).other == [b"JA"]
        assert (await login(venue.ouch, "TWO", session="OTHER")).other == [b"JS"]
        assert (await login(venue.ouch, "TWO", number=99)).other == [b"JS"]
        assert (await login(venue.ouch, "TWO", session=session)).other[0][:1] == b"A"


async def test_number_0_begins_with_the_newest_message(make):
    async with make().open() as venue:
        first = await login(venue.ouch)
        for k in range(1, 4):
            await first.request(enter(k, b"B", 100, 990_000))
        await first.until(lambda: len(first.of(b"A")) == 3)
        await first.send(b"O")
        await first.until_closed()
        newest = venue.record.private_next(0) - 1
        again = await login(venue.ouch, number=0)
        assert int(again.other[0][11:]) == newest
        await again.until(lambda: again.sequenced)
        assert again.sequenced[0][:1] == b"C"


async def test_second_connection_of_a_user_is_refused_and_the_first_lives_on(make):
    async with make().open() as venue:
        first = await login(venue.ouch)
        assert (await login(venue.ouch)).other == [b"JS"]
        await first.request(enter(1, b"B", 100, 990_000))
        await first.until(lambda: first.of(b"A"))


async def test_user_comes_back_although_the_end_of_the_old_connection_was_not_yet_read(make):
    async with make().open() as venue:
        for _ in range(20):
            client = await login(venue.ouch)
            assert client.other[0][:1] == b"A"
            await client.stream.aclose()


async def test_replay_is_byte_for_byte(make):
    async with make().open() as venue:
        one, two = await login(venue.ouch), await login(venue.ouch, "TWO")
        for k in range(2, 60, 2):
            await one.request(enter(k, b"B", 100 + k, 1_000_000 - 100 * (k % 5)))
            await two.request(enter(k, b"S", 60, 1_000_000 - 100 * (k % 7)))
            await one.request(replace(k, k + 1, 90, 999_900))
            await one.request(cancel(k + 1, 10))
        await one.request(enter(100, b"B", 1, 100))
        await one.until(lambda: any(m[9:13] == struct.pack(">I", 100) for m in one.sequenced))
        await one.send(b"O")
        await one.until_closed()
        assert {m[:1] for m in one.sequenced} == {b"S", b"A", b"E", b"U", b"C"}
        for number in (1, 2, 40, len(one.sequenced)):
            again = await login(venue.ouch, number=number)
            total = venue.record.private_next(0) - number
            await again.until(lambda again=again, total=total: len(again.sequenced) >= total)
            kept = one.sequenced[number - 1 :]
            assert again.sequenced[: len(kept)] == kept
            await again.send(b"O")
            await again.until_closed()


async def test_cancel_on_disconnect_is_told_in_the_replay(make):
    async with make().open() as venue:
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))
        await one.stream.aclose()
        again = await login(venue.ouch)
        await again.until(lambda: again.of(b"C"))
        (canceled,) = again.of(b"C")
        assert struct.unpack_from(">II", canceled, 9) == (1, 300)
        assert not len(venue.exchange.open_orders(0))


async def test_a_user_may_keep_orders_over_a_disconnect(make):
    users = (config.User("ONE", "secret", "A1", cancel_on_disconnect=False), config.User("TWO", "secret", "A2"))
    async with make(ouch=config.Ouch("127.0.0.1:0", users)).open() as venue:
        for user in ("ONE", "TWO"):
            client = await login(venue.ouch, user)
            await client.request(enter(1, b"B", 300, 990_000))
            await client.until(lambda client=client: client.of(b"A"))
            await client.stream.aclose()
        with trio.fail_after(5):
            while venue.port.logged_in(1):  # noqa: ASYNC110 - as a user sees it
                await trio.sleep(0.01)
        assert [len(venue.exchange.open_orders(user)) for user in (0, 1)] == [1, 0]


async def test_silent_client_is_dropped_and_canceled(make, monkeypatch):
    monkeypatch.setattr(orders, "SILENCE_S", 0.3)
    async with make().open() as venue:
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))
        await one.until_closed()
        again = await login(venue.ouch)
        await again.until(lambda: again.of(b"C"))
        assert not len(venue.exchange.open_orders(0))


async def test_heartbeats_keep_a_connection(make, monkeypatch):
    monkeypatch.setattr(orders, "SILENCE_S", 0.5)
    monkeypatch.setattr(orders, "HEARTBEAT_S", 0.1)
    async with make().open() as venue:
        one = await login(venue.ouch)
        for _ in range(4):
            await one.send(b"R")
            await trio.sleep(0.3)
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))
        assert b"H" in one.other


@pytest.mark.parametrize("junk", [b"\x00\x00", b"\xff\xff" + b"A" * 100, b"\x00\x01Z", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01S"])
async def test_garbage_ends_the_connection_and_nothing_else(make, junk):
    async with make().open() as venue:
        for stranger in (await connect(venue.ouch), await login(venue.ouch, "TWO")):
            await stranger.stream.send_all(junk + bytes(64))
            await stranger.until_closed()
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))


async def test_orders_before_garbage_are_taken(make):
    users = configuration().ouch.users
    async with make(ouch=config.Ouch("127.0.0.1:0", users, cancel_on_disconnect=False)).open() as venue:
        one = await login(venue.ouch)
        message = b"U" + enter(1, b"B", 300, 990_000)
        await one.stream.send_all(struct.pack(">H", len(message)) + message + b"\x00\x01Z")
        await one.until_closed()
        assert len(venue.exchange.open_orders(0)) == 1


async def test_connection_is_the_same_wherever_its_bytes_are_cut(make):
    """One byte a segment: login, debug packet, order, heartbeat, malformed request, cancel."""
    async with make().open() as venue:
        client = await connect(venue.ouch)
        packets = [b"LONE   secret    " + b" " * 10 + b"1".rjust(20), b"+hello", b"U" + enter(1, b"B", 300, 990_000), b"R", b"UO", b"U" + cancel(1)]
        for packet in packets:
            for byte in struct.pack(">H", len(packet)) + packet:
                await client.stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
        await client.until(lambda: client.of(b"C"))
        assert [m[:1] for m in client.sequenced] == [b"S", b"A", b"C"]
        assert venue.exchange.counts()["malformed"] == 1


def test_packets_come_out_whole_at_every_cut():
    stream = b"".join(struct.pack(">H", len(p)) + p for p in (b"R", b"U" + bytes(300), b"+x"))
    whole = list(soup.Packets().feed(stream))
    for at in range(len(stream)):
        cut = soup.Packets()
        assert list(cut.feed(stream[:at])) + list(cut.feed(stream[at:])) == whole


async def test_a_reader_that_reads_nothing_does_not_hold_the_venue(make):
    async with make().open() as venue:
        slow, quick = await login(venue.ouch), await login(venue.ouch, "TWO")
        for k in range(1, 3_000):
            await slow.request(enter(k, b"B", 1, 500_000))
            if k % 50 == 0:
                await slow.send(b"R")
        await quick.request(enter(1, b"B", 300, 990_000))
        await quick.until(lambda: quick.of(b"A"))
        await slow.until(lambda: len(slow.of(b"A")) == 2_999)


async def test_answers_wait_for_the_latency(make):
    async with make(latency=config.Latency(ack_us=80_000)).open() as venue:
        one = await login(venue.ouch)
        began = trio.current_time()
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))
        assert trio.current_time() - began >= 0.08


async def test_end_of_session_is_told_and_ends_the_port(make):
    async with make().open() as venue:
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 300, 990_000))
        await one.until(lambda: one.of(b"A"))
        venue.port.end()
        await one.until_closed()
        assert one.other[-1] == b"Z"
        assert (await login(venue.ouch)).other == [b"JS"]
