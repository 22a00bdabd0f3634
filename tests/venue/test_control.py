"""What an operator, the calendar and the venue's file do to the market, as the feed and the clients hear of it."""

import struct
from decimal import Decimal

import trio
from venue.rig import cancel, configuration, enter, login, option, replace

from noderrd.venue import auction, config

HALF_NINE = 34_200 * 10**9


def news(venue, since):
    """Feed messages from a sequence number on, without locate, tracking and time."""
    return [m[:1] + m[11:] for m in venue.messages()[since - 1 :]]


def state(code, reason=b"    "):
    return b"HTEST    " + code + b" " + reason


def test_halt_refuses_orders_and_resume_crosses_what_waited(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 990_000))
    at = venue.record.feed_next
    assert venue.ask("halt", symbol="TEST", reason="T12")["ok"]
    assert news(venue, at) == [state(b"H", b"T12 ")]
    (rejected,) = venue.request(0, enter(2, b"B", 100, 1_000_000))
    assert rejected[13:15] == struct.pack(">H", 0x0007)
    assert venue.request(0, cancel(1, 50))[0][:1] == b"C"  # a cancel is always taken
    venue.request(0, enter(3, b"B", 300, 1_010_000, cross=b"H"))
    assert venue.ask("quote", symbol="TEST")["ok"]
    venue.request(0, enter(4, b"B", 100, 1_005_000))
    (accepted,) = venue.request(1, enter(1, b"S", 200, 1_000_000))  # crossed, and nobody trades
    assert accepted[:1] == b"A"
    assert venue.exchange.book(0)[0] == "quotation"
    at, first = venue.record.feed_next, venue.record.private_next(1)
    assert venue.ask("resume", symbol="TEST")["ok"]
    told = news(venue, at)
    assert [m[:1] for m in told] == [b"C", b"Q", b"H"]
    # 200 are for sale from 100.00 on, 300 wanted up to 101.00 and 100 up to 100.50: at 101.00 the fewest are left over
    price, match = 1_010_000, venue.exchange.take_match() - 1
    assert told[0] == b"C" + struct.pack(">QIQcI", 4, 200, match, b"N", price)
    assert told[1] == b"Q" + struct.pack(">Q8sIQc", 200, b"TEST    ", price, match, b"H")
    assert told[2] == state(b"T")
    (executed,) = venue.record.private_messages(1, first, 9)
    assert executed[9:] == struct.pack(">IIQcQH", 1, 200, price, b"H", match, 0)
    left = {int(o["user_ref"]): int(o["qty"]) for o in venue.exchange.open_orders(0)}
    assert left == {1: 50, 4: 100}  # the order for the cross got what was there and lost the rest


def test_closing_cross_has_an_indicator_and_late_orders_stay(make):
    venue = make()
    venue.request(0, enter(1, b"B", 500, 1_002_000, cross=b"C"))
    venue.request(1, enter(1, b"S", 300, 0x7FFFFFFF, cross=b"C"))
    at = venue.record.feed_next
    assert venue.ask("imbalance", symbol="TEST", cross="C")["ok"]
    assert news(venue, at) == [b"I" + struct.pack(">QQc8sIIIcc", 300, 200, b"B", b"TEST    ", 1_000_000, 1_000_000, 1_000_000, b"C", b"L")]
    assert venue.ask("late", symbol="TEST", on=True)["ok"]
    assert venue.request(0, cancel(1)) != []
    assert venue.request(0, cancel(1))[0][:1] == b"I"
    assert venue.request(0, replace(1, 2, 100, 1_000_000))[0][13:15] == struct.pack(">H", 0x0015)
    assert venue.request(0, enter(3, b"B", 1, 1_000_000, cross=b"C"))[0][13:15] == struct.pack(">H", 0x0014)
    first = venue.record.private_next(0)
    assert venue.ask("auction", symbol="TEST", cross="C")["ok"]
    told = [m[:1] + m[9:17] for m in venue.record.private_messages(0, first, 9)]
    assert told == [b"E" + struct.pack(">II", 1, 300), b"C" + struct.pack(">II", 1, 200)]
    assert venue.exchange.book(0)[0] == "trading"


def test_a_late_cancel_is_pending_and_takes_what_the_auction_leaves(make):
    venue = make(fees=config.Fees(cross_mils=15))
    assert venue.ask("halt", symbol="TEST")["ok"]
    venue.request(0, enter(1, b"B", 500, 1_002_000, cross=b"H"))
    venue.request(1, enter(1, b"S", 300, 0x7FFFFFFF, cross=b"H"))
    venue.request(1, enter(2, b"S", 100, 1_100_000, cross=b"H"))
    assert venue.ask("late", symbol="TEST", on=True)["ok"]
    (pending,) = venue.request(0, cancel(1))
    assert pending[:1] + pending[9:] == b"P" + struct.pack(">I", 1)
    assert venue.request(0, cancel(1, 400))[0][:1] == b"I"  # less of it is no longer to be had
    first = [venue.record.private_next(user) for user in range(2)]
    assert venue.ask("resume", symbol="TEST")["ok"]
    told = [m[:1] + m[9:17] for m in venue.record.private_messages(0, first[0], 9)]
    assert told == [b"E" + struct.pack(">II", 1, 300), b"C" + struct.pack(">II", 1, 200)]
    reasons = [venue.record.private_messages(user, first[user], 9)[-1][17:18] for user in range(2)]
    assert reasons == [b"U", b"Z"]
    assert [int(venue.exchange.holdings(user)[0]["fees"]) for user in range(2)] == [300 * 15, 300 * 15]
    match = venue.exchange.take_match() - 1
    assert venue.ask("bust", match=match)["ok"]
    assert [int(venue.exchange.holdings(user)[0]["fees"]) for user in range(2)] == [0, 0]


def test_a_day_begins_with_market_makers_and_the_circuit_breaker(make):
    users = (config.User("ONE", "x", "A1", mpid="MAKR"), config.User("TWO", "x", "A2"))
    ports = config.Ouch("127.0.0.1:0", users)
    venue = make(ouch=ports, circuit_breaker=config.CircuitBreaker(Decimal("4000.00")))
    told = news(venue, 1)
    levels = struct.pack(">QQQ", 3720 * 10**8, 3480 * 10**8, 3200 * 10**8)
    assert told[5:] == [b"LMAKRTEST    NNA", b"V" + levels, b"SQ"]
    at = venue.record.feed_next
    assert venue.ask("disable", user="ONE")["ok"]
    assert venue.ask("disable", user="TWO")["ok"]
    assert venue.ask("enable", user="ONE")["ok"]
    assert news(venue, at) == [b"LMAKRTEST    NNS", b"LMAKRTEST    NNA"]
    assert b"V" + levels in [m[:1] + m[11:] for m in _blocks(venue.exchange.snapshot()[0])]
    at = venue.record.feed_next
    assert venue.ask("breach", level=2)["ok"]
    assert news(venue, at) == [b"W2", state(b"H", b"MWC2")]
    assert not venue.ask("breach", level=4)["ok"]


def _blocks(data):
    """The messages of message blocks."""
    at = 0
    while at < len(data):
        size = data[at] << 8 | data[at + 1]
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def test_an_operational_halt_is_of_this_market_alone(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 990_000))
    at = venue.record.feed_next
    assert venue.ask("operational", symbol="TEST", on=True)["ok"]
    assert venue.request(0, enter(2, b"B", 100, 990_000))[0][13:15] == struct.pack(">H", 0x0007)
    assert venue.request(0, enter(3, b"B", 100, 990_000, cross=b"H"))[0][:1] == b"A"
    first = venue.record.private_next(0)
    assert venue.ask("operational", symbol="TEST", on=False)["ok"]
    assert news(venue, at) == [b"hTEST    QH", b"hTEST    QT"]
    assert [m[:1] + m[17:18] for m in venue.record.private_messages(0, first, 9)] == [b"CH"]
    assert venue.request(1, enter(1, b"S", 100, 990_000))[-1][:1] == b"E"


def test_listings_and_retail_interest_are_published(make):
    venue = make()
    assert venue.ask("quote", symbol="TEST")["ok"]
    venue.request(0, enter(1, b"B", 100, 1_000_000))
    venue.request(1, enter(1, b"S", 100, 1_000_000))
    at = venue.record.feed_next
    assert venue.ask("ipo", symbol="TEST", release="10:30:00", qualifier="A", price="17.50")["ok"]
    assert venue.ask("retail", symbol="TEST", interest="B")["ok"]
    assert venue.ask("discovery", symbol="TEST", eligible=True, lowest="80", highest="120")["ok"]
    told = news(venue, at)
    assert told[:2] == [b"KTEST    " + struct.pack(">IcI", 37_800, b"A", 175_000), b"NTEST    B"]
    now_ns = int.from_bytes(venue.messages()[-1][5:11], "big")
    assert told[2] == b"OTEST    Y" + struct.pack(">IIIQII", 800_000, 1_200_000, 1_000_000, now_ns, 900_000, 1_100_000)
    for wrong in ({"release": "25:00:00"}, {"qualifier": "B"}, {"price": "-1"}):
        assert not venue.ask("ipo", **{"symbol": "TEST", "release": "10:30:00", "qualifier": "A", "price": "17.50"} | wrong)["ok"]
    assert not venue.ask("retail", symbol="TEST", interest="X")["ok"]


def test_the_price_of_an_auction():
    def interest(*rows):
        return [auction.Interest(k, side, px, qty, True, k) for k, (side, px, qty) in enumerate(rows)]

    assert auction.outcome([], 100) == auction.Outcome(0, 0, 0)
    assert auction.outcome(interest((0, 90, 10), (1, 110, 10)), 100) == auction.Outcome(0, 0, 0)
    assert auction.outcome(interest((0, 110, 10), (1, 90, 10)), 100).px == 100  # the reference, of all that are equal
    assert auction.outcome(interest((0, 110, 10), (1, 90, 10)), 200).px == 110
    assert auction.outcome(interest((0, 110, 30), (0, 105, 10), (1, 90, 10), (1, 106, 20)), 100) == auction.Outcome(106, 30, 0)
    assert auction.outcome(interest((0, 110, 10), (1, 90, 10)), 200, 95, 105).px == 105  # a collar
    orders = [auction.Interest(0, 0, 100, 5, False, 1), auction.Interest(1, 0, 100, 5, True, 2), auction.Interest(2, 0, 101, 5, False, 3)]
    assert [(o.slot, q) for o, q in auction.fills([*orders, auction.Interest(3, 1, 99, 12, True, 4)], 100, 12)] == [(2, 5), (1, 5), (0, 2), (3, 12)]


def test_short_sales_are_restricted(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 1_000_000))
    at = venue.record.feed_next
    assert venue.ask("short_sale", symbol="TEST", action="1")["ok"]
    assert news(venue, at) == [b"YTEST    1"]
    assert venue.request(1, enter(1, b"T", 100, 1_000_000))[0][13:15] == struct.pack(">H", 0x0023)
    assert venue.request(1, enter(2, b"T", 100, 1_000_100))[0][:1] == b"A"  # above the bid
    assert venue.request(1, replace(2, 3, 100, 1_000_000))[0][:1] == b"C"  # an invalid replace cancels the order
    assert [m[:1] for m in venue.request(1, enter(4, b"E", 50, 1_000_000))] == [b"A", b"E"]  # exempt
    assert [m[:1] for m in venue.request(1, enter(5, b"S", 50, 1_000_000))] == [b"A", b"E"]  # long


def test_price_bands_bind_and_move_orders(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 1_010_000))
    at, first = venue.record.feed_next, venue.record.private_next(0)
    assert venue.ask("bands", symbol="TEST", lower="99.50", upper="100.50")["ok"]
    assert news(venue, at) == [b"U" + struct.pack(">QQII", 1, 2, 100, 1_005_000)]
    (moved,) = venue.record.private_messages(0, first, 9)
    assert moved[:1] + moved[9:] == b"T" + struct.pack(">IQcQ", 1, 1_005_000, b"Y", 2)
    (accepted,) = venue.request(1, enter(1, b"S", 10, 900_000, b"0"))[:1]
    assert struct.unpack_from(">Q", accepted, 26) == (995_000,)  # not what was asked for
    assert not venue.ask("bands", symbol="TEST", lower="101", upper="100")["ok"]


def test_luld_pause_has_collars(make):
    venue = make()
    at = venue.record.feed_next
    assert venue.ask("pause", symbol="TEST", reference="100", lower="95", upper="105")["ok"]
    assert news(venue, at) == [state(b"P", b"LUDP"), b"J" + struct.pack(">8sIIII", b"TEST    ", 1_000_000, 1_050_000, 950_000, 0)]
    venue.request(0, enter(1, b"B", 100, 1_100_000, cross=b"H"))
    venue.request(1, enter(1, b"S", 100, 1_090_000, cross=b"H"))
    venue.ask("resume", symbol="TEST")
    assert not any(m[:1] == b"E" for m in venue.record.private_messages(0, 1, 99))  # they meet beyond the collars


def test_bust_breaks_the_trade_for_both_and_the_feed(make):
    venue = make(fees=config.Fees(-20, 30))
    venue.request(0, enter(1, b"B", 100, 1_000_000))
    venue.request(1, enter(1, b"S", 40, 1_000_000))
    at, first = venue.record.feed_next, [venue.record.private_next(u) for u in (0, 1)]
    assert not venue.ask("bust", match=99)["ok"]
    assert venue.ask("bust", match=1)["ok"]
    assert news(venue, at) == [b"B" + struct.pack(">Q", 1)]
    for user in (0, 1):
        (broken,) = venue.record.private_messages(user, first[user], 9)
        assert broken[:1] + broken[9:] == b"B" + struct.pack(">IQc", 1, 1, b"S") + b"C1".ljust(14)
        held = venue.exchange.holdings(user)[0]
        assert [int(held[name]) for name in ("position", "cash", "fees", "fills")] == [0, 0, 0, 0]
    assert not venue.ask("bust", match=1)["ok"]


def test_a_disabled_user_is_canceled_and_refused(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 990_000))
    assert venue.ask("disable", user="ONE")["ok"]
    assert not len(venue.exchange.open_orders(0))
    assert venue.request(0, enter(2, b"B", 100, 990_000))[0][:1] == b"J"
    assert venue.request(1, enter(2, b"B", 100, 990_000))[0][:1] == b"A"
    assert venue.ask("enable", user="ONE")["ok"]
    assert venue.request(0, enter(3, b"B", 100, 990_000))[0][:1] == b"A"


def test_skipped_sequence_numbers_are_never_sent(make, tmp_path):
    venue = make(tmp_path / "v.record")
    before = venue.record.feed_next
    assert venue.ask("skip", count=5)["ok"]
    venue.request(0, enter(1, b"B", 100, 990_000))
    assert venue.line.messages()[-1][0] == before + 5
    assert venue.record.feed_blocks(before, 3, 1 << 16) == (b"", 0)
    assert venue.record.feed_blocks(before + 5, 3, 1 << 16)[1] == 1
    venue.record.close()
    again = make(tmp_path / "v.record")
    assert again.record.feed_next == before + 6


async def test_close_cancels_all_and_ends_the_session_for_everyone(make):
    async with make().open() as venue:
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 100, 990_000))
        await one.until(lambda: one.of(b"A"))
        assert venue.ask("close")["ok"]
        await one.until_closed()
        assert [m[:1] + m[9:10] for m in one.sequenced[-2:]] == [b"C\x00", b"SE"]
        assert one.other[-1] == b"Z"
        assert [m[11:] for m in venue.messages()[-3:]] == [b"M", b"E", b"C"]
        assert struct.unpack_from(">H", venue.line.packets[-1], 18) == (0xFFFF,)
        assert venue.request(1, enter(1, b"B", 1, 10_000))[0][13:15] == struct.pack(">H", 0x0002)
        assert not venue.ask("halt", symbol="TEST")["ok"]


async def test_answers_can_be_held_back(make):
    async with make().open() as venue:
        one = await login(venue.ouch)
        assert venue.ask("hold_acks", user="ONE", on=True)["ok"]
        await one.request(enter(1, b"B", 100, 990_000))
        with trio.move_on_after(0.3):
            await one.until(lambda: one.of(b"A"))
        assert not one.of(b"A")
        assert len(venue.exchange.open_orders(0)) == 1
        venue.ask("hold_acks", user="ONE", on=False)
        await one.until(lambda: one.of(b"A"))


async def test_heartbeats_can_be_stopped(make, autojump_clock):
    venue = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.feed.heartbeats)
        await trio.sleep(2.5)
        beats = len(venue.line.packets)
        assert beats
        assert venue.ask("heartbeats", on=False)["ok"]
        await trio.sleep(5)
        assert len(venue.line.packets) == beats
        nursery.cancel_scope.cancel()


def test_faults_are_set_a_line(make):
    venue = make()
    assert venue.ask("faults", line="a", drop=1)["ok"]
    before = len(venue.line.packets)
    venue.request(0, enter(1, b"B", 100, 990_000))
    assert len(venue.line.packets) == before
    assert venue.ask("counts")["counts"]["a_dropped"] == 1
    assert venue.ask("faults", line="a")["ok"]
    venue.request(0, enter(2, b"B", 100, 990_000))
    assert len(venue.line.packets) == before + 1
    assert not venue.ask("faults", line="c")["ok"]
    assert not venue.ask("faults", line="a", drop=2)["ok"]


def test_day_goes_by_its_calendar(make):
    """Quotation, indicators, opening cross, trading, closing cross, the end: all by virtual time."""
    venue = make(session=config.Session("09:30", "16:00"))
    assert venue.exchange.book(0)[0] == "quotation"
    venue.request(0, enter(1, b"B", 300, 1_001_000, cross=b"O"))
    venue.request(1, enter(1, b"S", 200, 999_000))
    at = venue.record.feed_next
    venue.ask("advance", seconds=600)
    kinds = [m[:1] for m in news(venue, at)]
    assert kinds[:12] == [b"I"] * 12
    assert kinds[12:] == [b"S", b"C", b"Q", b"H"]
    assert venue.exchange.book(0)[0] == "trading"
    assert int(venue.exchange.holdings(0)[0]["position"]) == 200
    venue.request(0, enter(2, b"B", 100, 990_000))
    venue.request(0, enter(3, b"S", 100, 0x7FFFFFFF, cross=b"C"))
    venue.request(1, enter(2, b"B", 100, 1_000_000, cross=b"C"))
    at = venue.record.feed_next
    venue.ask("advance", seconds=7 * 3600)
    kinds = [m[:1] for m in news(venue, at)]
    assert kinds == [b"I"] * 12 + [b"Q", b"D", b"S", b"S", b"S"]
    assert int(venue.exchange.holdings(0)[0]["position"]) == 100
    assert venue.exchange.closed
    assert not len(venue.exchange.open_orders(0))


def test_events_of_the_file_happen_at_their_time(make):
    events = (
        config.Event("2s", "halt", symbol="TEST", reason="T2"),
        config.Event("09:30:05", "resume", symbol="TEST"),
        config.Event("6s", "halt", symbol="NONE"),
    )
    venue = make(events=events)
    at = venue.record.feed_next
    venue.ask("advance", seconds=1.9)
    assert news(venue, at) == []
    venue.ask("advance", seconds=0.2)
    assert news(venue, at) == [state(b"H", b"T2  ")]
    venue.ask("advance", seconds=8)
    assert [m[:1] for m in news(venue, at)] == [b"H", b"Q", b"H"]
    assert struct.unpack_from(">HI", venue.messages()[at - 1], 5) == divmod(HALF_NINE + 2 * 10**9 + 2_000, 1 << 32)


def test_restart_repeats_what_operators_did(make, tmp_path):
    venue = make(tmp_path / "v.record", session=config.Session("09:30", "16:00"))
    venue.request(0, enter(1, b"B", 300, 1_001_000, cross=b"O"))
    venue.ask("advance", seconds=700)
    venue.request(1, enter(1, b"S", 200, 999_000))
    venue.request(0, enter(2, b"B", 100, 1_000_000))
    venue.ask("bust", match=2)
    venue.ask("short_sale", symbol="TEST", action="1")
    before = venue.messages(), venue.exchange.book(0), venue.exchange.counts()
    venue.record.close()
    again = make(tmp_path / "v.record", session=config.Session("09:30", "16:00"))
    assert (again.messages(), again.exchange.book(0), again.exchange.counts()) == before
    again.ask("advance", seconds=7 * 3600)
    assert again.exchange.closed


async def test_orders_expire_on_the_hosts_clock_too(make):
    async with make(time=config.Time("real")).open() as venue, trio.open_nursery() as nursery:
        nursery.start_soon(venue.service.run, venue.admin.ask)
        one = await login(venue.ouch)
        await one.request(enter(1, b"B", 100, 990_000, b"6", options=option(15, "I", 1)))
        await one.until(lambda: one.of(b"C"))
        assert one.of(b"C")[0][17:] == b"T"
        nursery.cancel_scope.cancel()


async def test_drop_copy_carries_an_accounts_executions_cancels_and_busts(make):
    users = (config.User("ONE", "x", "A1"), config.User("TWO", "x", "A1"), config.User("OTHER", "x", "A2"))
    drop = config.Drop("127.0.0.1:0", (config.DropUser("DROP", "copy", "A1"),))
    async with make(ouch=config.Ouch("127.0.0.1:0", users), drop=drop).open() as venue:
        venue.request(0, enter(1, b"B", 100, 1_000_000))
        venue.request(2, enter(1, b"S", 40, 1_000_000))
        venue.request(1, enter(1, b"B", 100, 990_000))
        venue.request(1, cancel(1))
        venue.ask("bust", match=1)
        reader = await login(venue.copies, "DROP", "copy")
        assert reader.other[0][:1] == b"A"
        await reader.until(lambda: len(reader.sequenced) == 3)
        assert [(m[:6].strip(), m[6:7]) for m in reader.sequenced] == [(b"ONE", b"E"), (b"TWO", b"C"), (b"ONE", b"B")]
        await reader.request(enter(9, b"B", 100, 1_000_000))  # it only reads
        again = await login(venue.copies, "DROP", "copy")
        assert again.other == [b"JS"]
        assert not len(venue.exchange.open_orders(1))


async def test_admin_socket_survives_nonsense(make, tmp_path):
    venue = make()
    async with trio.open_nursery() as nursery:
        await nursery.start(venue.admin.serve, tmp_path / "v.sock")
        assert (tmp_path / "v.sock").stat().st_mode & 0o777 == 0o660
        for line in (
            b"{",
            b"[]",
            b"7",
            b'{"do": []}',
            b'{"do": "books", "x": 1}',
            b'{"do": "positions"}',
            b'{"do": "bust", "match": "1"}',
            b"[" * 9_000,
        ):
            assert not venue.admin.answer(line)["ok"]
        async with await trio.open_unix_socket(str(tmp_path / "v.sock")) as line:
            await line.send_all(b'{"do": "help"}\n{"do": "nothing"}\n')
            held = b""
            while held.count(b"\n") < 2:
                held += await line.receive_some(1 << 16)
            assert b'"arguments"' in held.split(b"\n")[0]
            assert held.split(b"\n")[1].startswith(b'{"ok": false')
        nursery.cancel_scope.cancel()
    assert configuration().time.kind == "virtual"
