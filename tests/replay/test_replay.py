"""`noderrd replay` and `noderrd decode`, on recordings whose books are known."""

import csv
import gzip
import io
import zipfile

import numpy as np
import pyarrow.parquet
import pytest

from core import itch
from noderrd.feeds import binaryfile, recording
from noderrd.replay import clock, text
from noderrd.replay.export import Bars
from noderrd.replay.play import TRADE, NoSuchSymbol, Replay, Stop

AAPL, GOOG = "itch_aapl_20190130_open/aapl_20190130_open_4000.itch50.gz", "itch_from_lobster/goog10.itch50.gz"


def rows_of(tape, depth=10, symbol=None):
    """{message: the book's fields} as --book-csv writes them."""
    replay, out = Replay(tape, symbol), io.BytesIO()
    replay.write_rows(depth, text.row_most(depth), 1 << 16)
    while replay.step() == Stop.TEXT:
        out.write(replay.text[: replay.desk[0]["text_at"]].tobytes())
        replay.desk["text_at"] = 0
    out.write(replay.text[: replay.desk[0]["text_at"]].tobytes())
    return {int(row[0]): row[3:] for row in csv.reader(out.getvalue().decode().splitlines())}, replay


def compared(wanted, ours):
    """How many of {message: fields} equal the last book before or at it; asserts that all do."""
    carried, position, indexes = [""] * 40, 0, sorted(ours)
    for index in sorted(wanted):
        while position < len(indexes) and indexes[position] <= index:
            carried = ours[indexes[position]]
            position += 1
        assert carried == wanted[index], index
    return len(wanted)


def test_every_row_of_a_real_open(data):
    ours, replay = rows_of(recording.read(data / AAPL), symbol="AAPL")
    with gzip.open(data / "itch_aapl_20190130_open" / "reference_top10.csv.gz", "rt") as lines:
        wanted = {int(row[0]): (row[3:43] + [""] * 40)[:40] for row in csv.reader(lines) if row[0].isdigit()}
    assert compared({k: row for k, row in wanted.items() if k < len(replay.offsets)}, ours) == 4000
    assert replay.anomalies() == 0
    assert replay.state(0) == []


@pytest.mark.slow
def test_every_row_of_a_days_published_book(data):
    """147,916 rows that LOBSTER published."""
    folder = data / "itch_from_lobster"
    ours, replay = rows_of(recording.read(folder / "goog10.itch50.gz"))
    with zipfile.ZipFile(data / "lobster" / "LOBSTER_SampleFile_GOOG_2012-06-21_10.zip") as packed:
        published = packed.read(next(n for n in packed.namelist() if "orderbook" in n)).decode().split()
    wanted = {}
    with gzip.open(folder / "goog10.rows.csv.gz", "rt") as lines:
        for _, row, index in csv.reader(lines):
            flat = published[int(row)].split(",")
            wanted[int(index)] = [x for k in range(20) for x in (("", "") if abs(int(flat[2 * k])) >= 9_999_999_999 else flat[2 * k : 2 * k + 2])]
    assert compared(wanted, ours) > 140_000
    assert replay.by_type()["A"] == 128_881


def test_books_grow_when_they_must(data):
    """From 64 levels and a small table to what a recording with stale orders needs, and nothing is lost on the way."""
    replay = Replay(recording.read(data / "itch_from_lobster" / "goog10_deep.itch50.gz"))
    replay.table = np.zeros(256, replay.table.dtype)
    assert replay.step() == Stop.END
    assert replay.anomalies() == 0
    assert len(replay.table) > 256
    assert replay.px.shape[2] > 64
    for side in (0, 1):
        prices = [px for px, _, _ in replay.levels(0, side, 5000)]
        assert prices == sorted(prices, reverse=side == 0)
        assert len(set(prices)) == len(prices)
    orders = replay.table[replay.table["key"] != 0]
    assert len(orders) == replay.desk[0]["head"][0]["used"]
    for side in (0, 1):
        total = sum(qty for _, qty, _ in replay.levels(0, side, 5000))
        assert total == orders["qty"][orders["side"] == side].sum()


def test_a_file_cut_or_bent_anywhere_keeps_what_came_before(data):
    whole = gzip.decompress((data / AAPL).read_bytes())[:3000]
    for cut in range(0, len(whole), 7):
        replay = Replay(binaryfile.frames(whole[:cut]))
        replay.step()
        known = Replay(binaryfile.frames(whole))
        assert (known.offsets[: len(replay.offsets)] == replay.offsets).all()
        assert replay.damaged_at is None or replay.damaged_at <= cut
        bent = whole[:cut] + b"\xff\xff" + whole[cut + 2 :]
        assert Replay(binaryfile.frames(bent)).step() == Stop.END


def test_a_symbol_that_is_not_there(data):
    with pytest.raises(NoSuchSymbol, match="it has AAPL"):
        Replay(recording.read(data / AAPL), "MSFT")


def test_bars_are_what_the_trades_say():
    trades = np.zeros(5, TRADE)
    trades["ts_ns"] = np.array([1, 2, 59, 61, 125]) * 10**9
    trades["px"], trades["qty"] = [10, 14, 8, 9, 7], [1, 2, 3, 4, 5]
    bars = Bars(60)
    ended = bars.add(trades[:2]) + bars.add(trades[2:]) + bars.rest()
    assert [bar[2:] for bar in ended] == [[10, 14, 8, 8, 6, 3], [9, 9, 9, 9, 4, 1], [7, 7, 7, 7, 5, 1]]


@pytest.mark.parametrize(("given", "ns"), [("09:30:05", 34_205_000_000_000), ("9:30", 34_200_000_000_000), ("00:00:00.000000001", 1)])
def test_times_of_day(given, ns):
    assert clock.of_day(given) == ns
    assert clock.of_day(clock.shown(ns)) == ns


@pytest.mark.parametrize("given", ["", "24:00", "12:60", "12", "12:00:00.", "12:00:61", "noon"])
def test_what_is_no_time_of_day(given):
    with pytest.raises(ValueError, match="time of day"):
        clock.of_day(given)


def test_the_command_at_a_time(noderrd, data):
    code, (book,), _ = noderrd("replay", data / AAPL, "--symbol", "AAPL", "--at", "09:30:05", "--depth", 2, "--json")
    assert code == 0
    assert book["bids"] == [["162.9200", 100, 1], ["162.9100", 100, 1]]
    assert book["asks"][0] == ["163.0000", 100, 1]
    assert (book["state"], book["timestamp_ns"]) == ([], 34_204_999_264_252)


def test_the_command_on_damage_and_on_bad_flags(noderrd, data, tmp_path):
    whole = gzip.decompress((data / AAPL).read_bytes())
    (tmp_path / "cut").write_bytes(whole[:20_001])
    code, (end,), said = noderrd("replay", tmp_path / "cut", "--json")
    assert code == 1
    assert 19_900 < end["damaged_at"] <= 20_001
    assert f"offset {end['damaged_at']}" in said
    assert end["messages"] > 500
    assert noderrd("replay", tmp_path / "missing")[0] == 1
    assert noderrd("replay", tmp_path / "cut", "--at", "09:30")[0] == 64
    assert noderrd("replay", tmp_path / "cut", "--no-such-flag")[0] == 64


def test_exports(noderrd, data, tmp_path):
    code, (end,), _ = noderrd(
        "replay", data / AAPL, "--json", "--export-top", tmp_path / "top.parquet", "--export-trades", tmp_path / "trades.csv",
        "--export-bars", tmp_path / "bars.parquet", "--bar", 10, "--book-csv", tmp_path / "book.csv",
    )  # fmt: skip
    assert code == 0
    tops = pyarrow.parquet.read_table(tmp_path / "top.parquet").to_pylist()
    with (tmp_path / "book.csv").open() as lines:
        book = {int(row["msg_index"]): row for row in csv.DictReader(lines)}
    seen = [row for row in tops if row["msg_index"] in book]
    assert len(seen) > 500
    for row in seen:
        line = book[row["msg_index"]]
        assert (row["bid_px"], row["ask_px"]) == (int(line["bid_px1"] or 0), int(line["ask_px1"] or 0))
        assert (row["bid_qty"], row["ask_qty"]) == (int(line["bid_sz1"] or 0), int(line["ask_sz1"] or 0))
    with (tmp_path / "trades.csv").open() as lines:
        trades = list(csv.DictReader(lines))
    assert len(trades) == end["by_type"]["E"] + end["by_type"]["C"]  # this recording has no P, and every C is printable
    bars = pyarrow.parquet.read_table(tmp_path / "bars.parquet").to_pylist()
    assert sum(bar["volume"] for bar in bars) == sum(int(row["qty"]) for row in trades)


def test_decoding_a_real_capture(noderrd, data):
    folder = data / "omi_pcaps" / "Nasdaq"
    code, rows, _ = noderrd("decode", folder / "Nasdaq.Equities.TotalView.Itch.v5.0" / "Multiple.Packets.pcap", "--json")
    assert (code, len(rows)) == (0, 39)
    assert rows[0]["Session"] == "000010059B"
    assert [row["Sequence Number"] for row in rows[1:]] == list(range(19_009_117, 19_009_155))
    assert rows[0]["Message Type"] == "D"
    code, (row,), _ = noderrd("decode", folder / "Nasdaq.Nsm.Ouch.v5.0" / "OrderAcceptedMessage.pcap", "--json")
    assert (code, row["Packet Type"], row["Symbol"], row["Price"], row["Quantity"]) == (0, "S", "ADBE", "477.7800", 40)
    code, (row,), _ = noderrd("decode", data / "omi_pcaps" / "Jnx" / "JnxEquities.Pts.Ouch.v1.11" / "LoginAcceptedPacket.pcap", "--json")
    assert (code, row["Session"], row["Sequence Number"]) == (0, "1689192121", "135")


def test_decoding_what_is_unknown_shows_it_and_exits_1(noderrd, data, tmp_path):
    code, rows, said = noderrd("decode", data / "omi_pcaps" / "Nasdaq" / "Uqdf.Output.Utp.v1.5" / "QuoteShortFormMessage.pcap", "--json")
    assert code == 1
    assert rows[0]["Unknown Message"]
    assert "1 that" in said
    tape = bytes((data / "itch_start_of_day_heads" / "20190130_first4096bytes.itch50").read_bytes())
    (tmp_path / "head").write_bytes(tape)
    code, rows, said = noderrd("decode", tmp_path / "head", "--json")
    assert (code, len(rows)) == (1, 101)
    assert "offset" in said
    assert {row["Message Type"] for row in rows} == set("SRHY")
    assert itch.symbol(itch.stock(rows[1]["Stock"])) == rows[1]["Stock"]
