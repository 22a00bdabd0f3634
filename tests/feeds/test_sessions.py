"""What a venue says besides orders: phases, halts, circuit breakers, auctions, short sale tests, lots; and what its calendar says."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from feeds.channel import SYMBOLS, flow, head, packets
from policies import policy

from core.codes import BookState, Change, Phase
from noderrd.lane import hours

NEW_YORK = ZoneInfo("America/New_York")
LIVE = 0


def ns(text):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 10**9


@pytest.fixture
def channel(channel_of):
    """Three symbols that trade, at message 93."""
    made = channel_of(flow(1, 85))
    for datagram in packets(made.said, 1):
        made.arrive(0, datagram)
    made.seq = len(made.said) + 1
    return made


def say(channel, *messages):
    from feeds.channel import SESSION

    from noderrd.feeds import moldudp64

    channel.arrive(0, moldudp64.write(SESSION, channel.seq, messages))
    channel.seq += len(messages)
    assert channel.row["next_seq"] == channel.seq


def name(k):
    return SYMBOLS[k].encode().ljust(8)


def states(channel):
    return [int(state) for state in channel.shared.insts["state"] & ~np.int32(BookState.CROSSED)]


def action(k, code):
    return head(b"H", k + 1) + name(k) + code + b" MWC1"


@pytest.mark.parametrize(("code", "state"), [(b"H", BookState.HALTED), (b"P", BookState.HALTED), (b"Q", BookState.AUCTION), (b"T", LIVE)])
def test_trading_action(channel, code, state):
    say(channel, action(1, code))
    assert states(channel) == [LIVE, state, LIVE]


def test_an_operational_halt_and_a_trading_halt_do_not_lift_each_other(channel):
    say(channel, head(b"h", 2) + name(1) + b"QH")
    assert states(channel) == [LIVE, BookState.HALTED, LIVE]
    say(channel, action(1, b"T"))
    assert states(channel) == [LIVE, BookState.HALTED, LIVE]
    say(channel, action(1, b"H"), head(b"h", 2) + name(1) + b"QT")
    assert states(channel) == [LIVE, BookState.HALTED, LIVE]
    say(channel, action(1, b"T"))
    assert states(channel) == [LIVE, LIVE, LIVE]


def test_an_auction_collar_holds_until_the_symbol_trades(channel):
    collar = (1_000_000).to_bytes(4, "big") + (1_050_000).to_bytes(4, "big") + (950_000).to_bytes(4, "big") + (1).to_bytes(4, "big")
    say(channel, action(0, b"P"), head(b"J", 1) + name(0) + collar)
    assert states(channel)[0] == BookState.HALTED | BookState.AUCTION
    assert channel.shared.insts[0]["collar"].tolist() == [1_000_000, 1_050_000, 950_000]
    say(channel, action(0, b"T"))
    assert states(channel)[0] == LIVE
    assert not channel.shared.insts[0]["collar"].any()


def test_the_circuit_breaker_halts_every_symbol_until_each_is_told_to_trade(channel):
    say(channel, head(b"V", 0) + b"".join(level.to_bytes(8, "big") for level in (300, 200, 100)))
    assert channel.row["breaker"].tolist() == [300, 200, 100]
    say(channel, head(b"W", 0) + b"2")
    assert channel.row["breached"] == 2
    assert states(channel) == [BookState.HALTED] * 3
    say(channel, action(2, b"T"))
    assert states(channel) == [BookState.HALTED, BookState.HALTED, LIVE]


def test_a_short_sale_test_is_known_and_does_not_halt(channel):
    say(channel, head(b"Y", 3) + name(2) + b"1")
    assert channel.shared.insts[2]["short_sale"] == ord("1")
    assert states(channel) == [LIVE] * 3


@pytest.mark.parametrize(("only", "lot"), [(b"Y", 100), (b"N", 1)])
def test_a_venue_that_takes_round_lots_only_has_its_way(channel, only, lot):
    say(channel, head(b"R", 1) + name(0) + b"QN" + (100).to_bytes(4, "big") + only + b"CZ PNN1N" + bytes(4) + b"N")
    row = channel.shared.insts[0]
    assert (row["round_lot"], row["lot"], row["own_lot"]) == (100, lot, 1)
    assert bytes(row["directory"])[:2] == b"QN"


@pytest.mark.parametrize("code", "OSMEC")
def test_outside_market_hours_a_venue_is_closed(channel, code):
    say(channel, head(b"S", 0) + code.encode())
    assert channel.row["state"] == BookState.CLOSED
    say(channel, head(b"S", 0) + b"Q")
    assert channel.row["state"] == 0


def schedule(*lines):
    fields = "\n  ".join(lines)
    return hours.told(policy(f"schedule regular {{\n  {fields}\n}}\n").calendars[0])


REGULAR = schedule("Mon-Fri 09:30-16:00 America/New_York", "on 2026-11-27 09:30-13:00 America/New_York", "except 2026-11-26")


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-25T09:29:59", False), ("2026-11-25T09:30:00", True), ("2026-11-25T15:59:59", True), ("2026-11-25T16:00:00", False),
        ("2026-11-26T12:00:00", False), ("2026-11-27T12:59:59", True), ("2026-11-27T13:00:00", False), ("2026-11-28T12:00:00", False),
    ],
)  # fmt: skip
def test_a_calendar_closes_what_the_phase_would_open(channel, at, open_):
    """Thanksgiving is a holiday, the day after a half day."""
    hours.fill(channel.row, REGULAR, ns("2026-11-24T12:00:00"))
    channel.now = ns(at)
    assert not channel.schedule()
    assert bool(channel.row["state"] & BookState.CLOSED) is not open_
    say(channel, head(b"S", 0) + b"M")
    channel.schedule()
    assert channel.row["state"] & BookState.CLOSED


def test_a_venue_that_publishes_no_phase_goes_by_its_calendar(channel):
    channel.row["phase"] = Phase.UNKNOWN
    hours.fill(channel.row, REGULAR, ns("2026-11-24T20:00:00"))
    channel.now = ns("2026-11-25T12:00:00")
    channel.schedule()
    assert not channel.row["state"] & BookState.CLOSED
    channel.now = ns("2026-11-25T17:00:00")
    channel.schedule()
    assert channel.row["state"] & BookState.CLOSED


def test_the_hours_ahead_are_told_anew_before_they_run_out(channel):
    hours.fill(channel.row, REGULAR, ns("2026-11-24T12:00:00"))
    channel.now = ns("2026-12-03T12:00:00")
    assert not channel.schedule()
    channel.now = ns("2026-12-04T12:00:00")  # the last stretch of those that are known
    assert channel.schedule()
    assert not channel.row["shut"]
    hours.fill(channel.row, REGULAR, channel.now)
    assert not channel.schedule()
    assert not channel.row["shut"]


def test_a_calendar_survives_its_way_to_the_lane():
    assert hours.told(hours.read(REGULAR)) == REGULAR


def test_the_kernel_tells_what_changed(channel):
    channel.work[0]["changed"]["what"] = 0
    say(channel, head(b"Y", 3) + name(2) + b"1")
    assert channel.work[0]["changed"][0]["what"] == Change.STATUS
