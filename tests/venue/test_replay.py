"""A recorded day on the wire: itself while nobody trades on it, and still a market when somebody does."""

import gzip
import struct

import pytest
from venue.rig import cancel, enter, listing

from noderrd.venue import config
from noderrd.venue.record import Cause, Kind
from noderrd.venue.recording import EVER

SYNTHETIC = 0xFFFE


def play(venue, until=EVER):
    while venue.exchange.do(Cause(Kind.TAPE, 0, 0, until)):
        pass


def blocks(messages):
    return b"".join(struct.pack(">H", len(m)) + m for m in messages)


def itch(kind, ts_ns, rest):
    return kind + struct.pack(">HHHI", 7, 0, ts_ns >> 32, ts_ns & 0xFFFFFFFF) + rest


def add(ts_ns, ref, side, qty, px):
    return itch(b"A", ts_ns, struct.pack(">QcI8sI", ref, side, qty, b"TEST    ", px))


@pytest.fixture
def tape(make, tmp_path):
    """Give what makes a venue that plays messages."""

    def build(*messages):
        (tmp_path / "t.itch50").write_bytes(blocks(messages) + b"\0\0")
        return make(flow=config.Flow("replay", tmp_path / "t.itch50"))

    return build


@pytest.mark.parametrize(
    ("name", "symbol"), [("itch_from_lobster/goog10.itch50.gz", "GOOG"), ("itch_aapl_20190130_open/aapl_20190130_open_4000.itch50.gz", "AAPL")]
)
def test_output_is_the_recording(make, data, name, symbol):
    venue = make(flow=config.Flow("replay", data / name), instruments=(listing(symbol, "500.00"),))
    play(venue)
    content, at, whole = gzip.decompress((data / name).read_bytes()), 0, []
    while at + 2 <= len(content) and (size := content[at] << 8 | content[at + 1]):
        whole.append(content[at + 2 : at + 2 + size])
        at += 2 + size
    ours = [m for m in venue.messages() if m[3:5] != struct.pack(">H", SYNTHETIC)]
    assert ours == whole
    added = [m for m in venue.messages() if m[3:5] == struct.pack(">H", SYNTHETIC)]
    assert {m[:1] for m in added} <= {b"H"}
    assert venue.exchange.counts()["tape_clamped"] == 0
    book = {}
    for m in whole:
        kind, ref = m[:1], m[11:19]
        if kind in {b"A", b"F"}:
            book[ref] = list(struct.unpack_from(">cI8xI", m, 19))
        elif kind in {b"E", b"C", b"X"} and ref in book:
            book[ref][1] -= struct.unpack_from(">I", m, 19)[0]
            if book[ref][1] <= 0:
                del book[ref]
        elif kind == b"D":
            book.pop(ref, None)
        elif kind == b"U" and ref in book:
            new, qty, px = struct.unpack_from(">8sII", m, 19)
            book[new] = [book.pop(ref)[0], qty, px]
    levels = {}
    for side, qty, px in book.values():
        total, n = levels.get((side, px), (0, 0))
        levels[side, px] = (total + qty, n + 1)
    _, bids, asks = venue.exchange.book(0)
    assert {(b"B", px): (qty, n) for px, qty, n in bids} | {(b"S", px): (qty, n) for px, qty, n in asks} == levels


def test_a_recorded_execution_fills_the_clients_better_order_first(tape):
    execution = itch(b"E", 3, struct.pack(">QIQ", 11, 300, 55))
    venue = tape(add(1, 11, b"B", 500, 999_900), execution, itch(b"D", 4, struct.pack(">Q", 11)))
    play(venue, 2)
    venue.request(0, enter(1, b"B", 100, 1_000_000))
    at, first = venue.record.feed_next, venue.record.private_next(0)
    play(venue, 3)
    mine, theirs, lost = venue.messages()[at - 1 :]
    (executed,) = venue.record.private_messages(0, first, 9)
    assert struct.unpack_from(">IQc", executed, 13) == (100, 1_000_000, b"A")  # at its own, better price
    assert (mine[:1], struct.unpack_from(">I", mine, 19)[0]) == (b"E", 100)
    assert theirs[:1] + theirs[11:] == b"E" + struct.pack(">QIQ", 11, 200, 55)  # what was left of the aggressor
    assert lost[:1] + lost[11:] == b"X" + struct.pack(">QI", 11, 100)  # and the recorded order ends as it did
    assert venue.exchange.book(0)[1] == [(999_900, 200, 1)]
    play(venue)
    assert venue.exchange.book(0)[1] == []
    assert venue.exchange.counts()["tape_clamped"] == 1


def test_an_order_behind_the_recorded_one_is_not_filled(tape):
    venue = tape(add(1, 11, b"B", 500, 999_900), itch(b"E", 3, struct.pack(">QIQ", 11, 500, 55)))
    play(venue, 2)
    venue.request(0, enter(1, b"B", 100, 999_900))
    first = venue.record.private_next(0)
    play(venue)
    assert venue.record.private_next(0) == first
    assert venue.exchange.book(0)[1] == [(999_900, 100, 1)]


def test_shares_that_a_client_took_are_clamped_off_later_messages(tape):
    messages = [add(1, 11, b"S", 300, 1_000_000), itch(b"E", 3, struct.pack(">QIQ", 11, 100, 55)), itch(b"X", 4, struct.pack(">QI", 11, 100))]
    venue = tape(*messages, itch(b"U", 5, struct.pack(">QQII", 11, 12, 100, 1_000_100)), itch(b"E", 6, struct.pack(">QIQ", 12, 100, 56)))
    play(venue, 2)
    told = venue.request(0, enter(1, b"B", 250, 1_000_000, b"3"))
    assert [m[:1] for m in told] == [b"A", b"E"]
    at = venue.record.feed_next
    play(venue)
    assert [m[:1] + m[11:23] for m in venue.messages()[at - 1 :]] == [b"E" + struct.pack(">QI", 11, 50)]  # all that was there
    assert venue.exchange.counts()["tape_clamped"] >= 3
    assert venue.exchange.book(0)[2] == []


def test_a_recorded_order_that_meets_a_client_trades(tape):
    venue = tape(add(1, 11, b"B", 500, 990_000), add(5, 12, b"B", 300, 1_000_000))
    play(venue, 2)
    venue.request(0, enter(1, b"S", 100, 1_000_000))
    at = venue.record.feed_next
    play(venue)
    traded, rest = venue.messages()[at - 1 :]
    assert (traded[:1], struct.unpack_from(">I", traded, 19)[0]) == (b"E", 100)
    assert (rest[:1], struct.unpack_from(">QcI", rest, 11)) == (b"A", (12, b"B", 200))
    assert venue.exchange.book(0)[1:] == ([(1_000_000, 200, 1), (990_000, 500, 1)], [])


def test_clients_numbers_are_apart_from_the_recordings(tape):
    venue = tape(add(1, 11, b"B", 500, 990_000))
    play(venue)
    venue.request(0, enter(1, b"B", 100, 980_000))
    assert struct.unpack_from(">Q", venue.messages()[-1], 11)[0] >= 1 << 40
    venue.request(0, cancel(1))
    assert venue.messages()[-1][:1] == b"D"


def test_a_recording_that_cannot_be_read_is_an_error(make, tmp_path):
    (tmp_path / "t.itch50").write_bytes(b"\0\0")
    with pytest.raises(ValueError, match="no whole message"):
        make(flow=config.Flow("replay", tmp_path / "t.itch50"))
