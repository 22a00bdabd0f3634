"""Every word of OUCH 5.0 that this exchange says, against the specification's offsets; and what real clients and exchanges said."""

import struct

import pytest
from venue.rig import POST_ONLY, cancel, configuration, enter, floor, least, listing, modify, option, replace

from noderrd.venue import config


def stamped(m):
    """A message without its time, which stands at 1 to 9."""
    return m[:1] + m[9:]


def order(ref, side, qty, px, order_ref, *, tif=b"0", display=b"Y", cross=b"N", options=b"", new=None, cl_ord_id=None, state=b"L"):
    """Accepted, or Replaced when `new` is given (sections 3.2, 3.3), without the time."""
    head = b"A" + struct.pack(">I", ref) if new is None else b"U" + struct.pack(">II", ref, new)
    body = struct.pack(">cI8sQ", side, qty, b"TEST    ", px) + tif + display + struct.pack(">Q", order_ref) + b"PN" + cross + state
    return head + body + (cl_ord_id or f"C{new or ref}".encode()).ljust(14) + struct.pack(">H", len(options)) + options


def executed(ref, qty, px, flag, match):
    return b"E" + struct.pack(">IIQcQH", ref, qty, px, flag, match, 0)


def say(venue, user, message):
    return [stamped(m) for m in venue.request(user, message)]


def test_accepted_executed_canceled_replaced(make):
    venue = make()
    assert stamped(venue.record.private_messages(0, 1, 1)[0]) == b"SS"
    assert say(venue, 0, enter(1, b"B", 500, 1_000_000)) == [order(1, b"B", 500, 1_000_000, 1)]
    assert say(venue, 1, enter(1, b"S", 100, 1_000_000)) == [order(1, b"S", 100, 1_000_000, 2), executed(1, 100, 1_000_000, b"R", 1)]
    assert stamped(venue.record.private_messages(0, 3, 1)[0]) == executed(1, 100, 1_000_000, b"A", 1)
    assert say(venue, 0, replace(1, 2, 500, 999_900)) == [order(1, b"B", 400, 999_900, 3, new=2)]  # open shares; the request had the chain's total
    assert say(venue, 0, cancel(2, 350)) == [b"C" + struct.pack(">II", 2, 150) + b"U"]
    assert say(venue, 0, modify(2, b"B", 300)) == [b"M" + struct.pack(">IcI", 2, b"B", 200)]
    assert say(venue, 0, b"Q") == [b"Q" + struct.pack(">I", 3)]


def test_time_is_nanoseconds_since_midnight(make):
    venue = make()
    (accepted,) = venue.request(0, enter(1, b"B", 500, 1_000_000))
    assert 34_200 * 10**9 < struct.unpack_from(">Q", accepted, 1)[0] < 34_201 * 10**9


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (0x0003, enter(1, b"B", 1, 10_000, display=b"Z")),
        (0x0004, enter(1, b"B", 9, 10_000, display=b"N", options=floor(1))),
        (0x0005, enter(1, b"B", 1, 10_000, options=option(6, "c", b"?"))),
        (0x0009, enter(1, b"Q", 1, 10_000)),
        (0x000D, enter(1, b"B", 1, 10_000, options=least(1))),  # displayed and resting
        (0x000D, enter(1, b"B", 1, 10_000, b"3", options=least(2))),
        (0x000F, enter(1, b"B", 1, 10_000, b"9")),
        (0x000F, enter(1, b"B", 1, 10_000, b"6")),  # good till time, without a time
        (0x000F, enter(1, b"B", 1, 10_000, options=b"\x09\x0cP")),  # longer than it is
        (0x000F, enter(1, b"B", 1, 10_000, options=b"\x02\x7f?")),
        (0x0011, enter(1, b"B", 1, 10_000, options=option(6, "c", b"M"))),
        (0x0013, enter(1, b"B", 0, 10_000)),
        (0x0013, enter(1, b"B", 1_000_000, 10_000)),
        (0x0014, enter(1, b"B", 1, 10_000, cross=b"S")),
        (0x0014, enter(1, b"B", 1, 10_000, cross=b"O")),  # it has opened
        (0x0016, enter(1, b"B", 1, 10_000, options=option(14, "4s", b"DOT "))),
        (0x0017, enter(1, b"B", 1, 10_000, stock=b"ELSE")),
        (0x001A, enter(1, b"B", 1, 10_000, options=option(4, "c", b"R"))),
        (0x001D, enter(1, b"B", 1, 10_050)),
        (0x001D, enter(1, b"B", 1, 2_000_000_000)),
    ],
)
def test_what_is_wrong_or_not_offered_is_rejected_with_its_reason(make, reason, message):
    assert say(make(), 0, message) == [b"J" + struct.pack(">IH", 1, reason) + b"C1".ljust(14)]


def test_silence(make):
    venue = make()
    venue.request(0, enter(5, b"B", 100, 990_000))
    for message in (enter(5, b"B", 1, 10_000), enter(4, b"B", 1, 10_000), cancel(77), cancel(5, 200), replace(77, 78, 1, 10_000), modify(77, b"B", 1),
                    modify(5, b"S", 50), replace(5, 5, 100, 980_000), b"", b"O", b"~~~", enter(9, b"B", 1, 10_000)[:-1]):  # fmt: skip
        assert say(venue, 0, message) == []


def test_reserve_is_restated_and_loses_its_place(make):
    venue = make()
    options = floor(100)
    assert say(venue, 0, enter(1, b"B", 250, 1_000_000, options=options)) == [order(1, b"B", 250, 1_000_000, 1, options=options)]
    venue.request(0, enter(2, b"B", 100, 1_000_000))
    assert venue.exchange.book(0)[1] == [(1_000_000, 200, 2)]
    first = venue.record.private_next(0)
    venue.request(1, enter(1, b"S", 100, 1_000_000))
    told = [stamped(m) for m in venue.record.private_messages(0, first, 9)]
    restated = b"R" + struct.pack(">I", 1) + b"R" + struct.pack(">HBBQBBI", 16, 9, 1, 4, 5, 22, 100)
    assert told == [executed(1, 100, 1_000_000, b"A", 1), restated]
    first = venue.record.private_next(0)
    venue.request(1, enter(2, b"S", 100, 1_000_000))
    assert [stamped(m) for m in venue.record.private_messages(0, first, 9)] == [executed(2, 100, 1_000_000, b"A", 2)]
    assert [m[:1] for m in venue.messages()[-3:]] == [b"E", b"A", b"E"]


def test_hidden_orders_trade_without_a_name(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 1_000_000, display=b"N"))
    assert venue.exchange.book(0)[1] == []
    before = venue.record.feed_next
    venue.request(1, enter(1, b"S", 40, 1_000_000))
    (trade,) = venue.messages()[before - 1 :]
    assert trade[:1] + trade[11:] == b"P" + struct.pack(">QcI8sIQ", 0, b"B", 40, b"TEST    ", 1_000_000, 1)
    assert stamped(venue.record.private_messages(0, 3, 1)[0]) == executed(1, 40, 1_000_000, b"J", 1)


def test_attributed_orders_carry_their_firm(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 1_000_000, display=b"A", options=option(2, "4s", b"ABCD")))
    assert venue.messages()[-1][:1] + venue.messages()[-1][19:] == b"F" + struct.pack(">cI8sI4s", b"B", 100, b"TEST    ", 1_000_000, b"ABCD")


@pytest.mark.parametrize(
    ("how", "strategy", "incoming", "resting"),
    [("cancel_incoming", b"N", 70, 0), ("cancel_resting", b"O", 0, 100), ("decrement", b"D", 70, 70)],
)
def test_self_match_is_prevented(make, how, strategy, incoming, resting):
    users = (config.User("ONE", "x", "A1", self_match=how), config.User("TWO", "x", "A1", self_match=how))
    venue = make(ouch=config.Ouch("127.0.0.1:0", users))
    venue.request(0, enter(1, b"B", 100, 1_000_000))
    first = venue.record.private_next(0)
    told = say(venue, 1, enter(1, b"S", 70, 990_000, b"3"))
    aiq = b"D" + struct.pack(">I", 1) + struct.pack(">IcIQc", incoming, b"Q", 70, 1_000_000, b"R") + strategy
    others = [stamped(m) for m in venue.record.private_messages(0, first, 9)]
    assert told[1:] == ([aiq] if incoming else [b"C" + struct.pack(">II", 1, 70) + b"I"])
    assert others == ([b"D" + struct.pack(">IIcIQc", 1, resting, b"Q", 70, 1_000_000, b"A") + strategy] if resting else [])
    left = 100 - resting
    assert venue.exchange.book(0)[1] == ([(1_000_000, left, 1)] if left else [])
    assert not any(m[:1] == b"E" for m in venue.messages())


def test_mass_cancel_by_firm_and_symbol(make):
    venue = make(instruments=(listing(), listing("ELSE")))
    firm = option(2, "4s", b"ABCD")
    for ref, stock, options in ((1, b"TEST", b""), (2, b"ELSE", b""), (3, b"TEST", firm), (4, b"ELSE", firm)):
        venue.request(0, enter(ref, b"B", 100, 990_000, stock=stock, options=options))
    answer = struct.pack(">I4s8s", 5, b"ABCD", b"TEST    ")
    assert say(venue, 0, b"C" + answer + bytes(2)) == [b"X" + answer, b"C" + struct.pack(">II", 3, 100) + b"U"]
    assert say(venue, 0, b"C" + answer + bytes(2)) == []  # a used UserRefNum
    told = say(venue, 0, b"C" + struct.pack(">I4s8s", 6, b"    ", b" " * 8) + bytes(2))
    assert [m[:1] for m in told] == [b"X", b"C", b"C", b"C"]
    assert not len(venue.exchange.open_orders(0))


def test_order_entry_is_disabled_and_enabled(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 990_000))
    for ref, firm, options in ((2, b"ABCD", option(2, "4s", b"ABCD")), (6, b"    ", b"")):
        body = struct.pack(">I4s", ref, firm)
        assert say(venue, 0, b"D" + body + bytes(2)) == [b"G" + body]
        assert say(venue, 0, enter(ref + 1, b"B", 100, 990_000, options=options))[0][5:7] == struct.pack(">H", 0x000C)
        body = struct.pack(">I4s", ref + 2, firm)
        assert say(venue, 0, b"E" + body + bytes(2)) == [b"K" + body]
        assert say(venue, 0, enter(ref + 3, b"B", 100, 990_000, options=options))[0][:1] == b"A"
    assert say(venue, 0, cancel(1)) == [b"C" + struct.pack(">II", 1, 100) + b"U"]


def test_orders_expire(make):
    venue = make()
    options = option(15, "I", 5)
    venue.request(0, enter(1, b"B", 100, 990_000, b"6", options=options))
    venue.request(0, enter(2, b"B", 100, 990_000))
    first = venue.record.private_next(0)
    venue.ask("advance", seconds=4.9)
    assert venue.record.private_next(0) == first
    venue.ask("advance", seconds=0.2)
    (canceled,) = venue.record.private_messages(0, first, 9)
    assert stamped(canceled) == b"C" + struct.pack(">II", 1, 100) + b"T"


def test_post_only_is_canceled_rather_than_trade(make):
    venue = make()
    venue.request(1, enter(1, b"S", 100, 1_000_000))
    told = say(venue, 0, enter(1, b"B", 100, 1_000_000, options=POST_ONLY))
    assert told[1:] == [b"C" + struct.pack(">II", 1, 100) + b"G"]
    assert say(venue, 0, enter(2, b"B", 100, 999_900, options=POST_ONLY))[1:] == []


def test_minimum_quantity(make):
    venue = make()
    venue.request(0, enter(1, b"B", 100, 1_000_000, display=b"N", options=least(100)))
    assert say(venue, 1, enter(1, b"S", 50, 1_000_000, b"3"))[1:] == [b"C" + struct.pack(">II", 1, 50) + b"I"]
    assert say(venue, 1, enter(2, b"S", 150, 1_000_000, b"3", options=least(101)))[1:] == [b"C" + struct.pack(">II", 2, 150) + b"I"]
    assert say(venue, 1, enter(3, b"S", 150, 1_000_000, b"3", options=least(100)))[1] == executed(3, 100, 1_000_000, b"R", 1)


def frames(path):
    """SoupBinTCP packets of a capture: pcap, Ethernet, IPv4, TCP."""
    data, at, found = path.read_bytes(), 24, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        packet, at = data[at + 16 : at + 16 + size], at + 16 + size
        ip = packet[14:]
        tcp = ip[(ip[0] & 15) * 4 : struct.unpack_from(">H", ip, 2)[0]]
        payload = tcp[(tcp[12] >> 4) * 4 :]
        while len(payload) > 2:
            (size,) = struct.unpack_from(">H", payload)
            found.append(payload[2 : 2 + size])
            payload = payload[2 + size :]
    return found


def test_what_a_real_exchange_said_we_say(make, data):
    """A captured Accepted and its Canceled, from requests that must have led to them: equal but for time and reference number."""
    folder = data / "omi_pcaps" / "Nasdaq" / "Nasdaq.Nsm.Ouch.v5.0"
    (accepted,) = frames(folder / "OrderAcceptedMessage.pcap")
    (canceled,) = frames(folder / "CanceledMessage.pcap")
    (cancellation,) = frames(folder / "CancelOrderMessage.pcap")
    accepted, canceled = accepted[1:], canceled[1:]
    ref, side, qty, stock, px, tif, display = struct.unpack_from(">IcI8sQcc", accepted, 9)
    capacity, sweep, cross = accepted[44:45], accepted[45:46], accepted[46:47]
    request = struct.pack(">cIcI8sQ", b"O", ref, side, qty, stock, px) + tif + display + capacity + sweep + cross + accepted[48:]
    venue = make(instruments=(listing(stock.decode().strip(), "400.00"),))
    (ours,) = venue.request(0, request)
    assert stamped(ours)[:26] == stamped(accepted)[:26]
    assert ours[44:] == accepted[44:]
    (ours,) = venue.request(0, b"X" + struct.pack(">I", ref) + cancellation[6:])
    assert stamped(ours) == stamped(canceled)


def test_a_real_request_is_taken(make, data):
    """A short sale, immediate or cancel, for firm LIME."""
    capture = (data / "omi_pcaps" / "Nasdaq" / "Nasdaq.Nsm.Ouch.v5.0" / "EnterOrderMessage.pcap").read_bytes()
    at = capture.index(b"UO\x00")
    size = struct.unpack_from(">H", capture, at - 2)[0]
    request = capture[at + 1 : at + size]
    venue = make(instruments=(listing("CVLT", "60.00"),))
    (accepted,) = venue.request(0, request)
    assert accepted[:1] + accepted[9:14] == b"A" + request[1:6]
    assert accepted[-8:] == request[-8:]
    assert configuration().name == "V1"
