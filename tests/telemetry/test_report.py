"""The day report: figures that can be reckoned by hand, charts that show what they are given, a file that needs nothing else."""

import datetime as dt
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from matplotlib import image

from core import layout as at
from core.codes import Denial, JournalKind, Stage
from noderrd.lane.spec import InstrumentSpec, LaneSpec, StrategySpec, VenueSpec
from noderrd.telemetry import chart, day, hdr, pathlog, report, trading

SECOND = 10**9
ON = dt.date(2026, 11, 25)
T0 = int(dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC).timestamp()) * SECOND


class Tape:
    """Rows of a journal; times are seconds after noon."""

    def __init__(self, **contract):
        venues = [VenueSpec("V", "", "", "", "", "", "u", "p", -20, 30)]
        listed = [InstrumentSpec("GOOG", 0, "GOOG", 100, 1, **contract)]
        spec = LaneSpec("l", "", "", venues, listed, ["GOOG"], [StrategySpec("s", "/dev/null", ["GOOG"], {})], [], [], [])
        self.rows, told = [], spec.told()
        for k in range(0, len(told), at.JOURNAL_DATA):
            self.add(JournalKind.SPEC, 0, told[k : k + at.JOURNAL_DATA], ref=len(told), size=len(told) - k)

    def add(self, kind, second, data=b"", ref=0, size=None):
        row = np.zeros(1, at.JOURNAL)[0]
        row["seq"], row["ts_ns"], row["kind"], row["ref"] = len(self.rows) + 1, T0 + round(second * SECOND), kind, ref
        row["size"] = len(data) if size is None else size
        row["data"][: len(data)] = np.frombuffer(data, np.uint8)
        self.rows.append(row)

    def tick(self, second, bid, ask):
        self.add(JournalKind.TICK, second, struct.pack("<qq3f", bid, ask, 0.2, 0.2, 0.6))

    def enter(self, second, ref, side, quantity, px):
        message = struct.pack(">cIcI8sQcccc c14sH", b"O", ref, side, quantity, b"GOOG    ", px, b"0", b"Y", b"P", b"N", b"N", b"X" * 14, 0)
        self.add(JournalKind.SENT, second, message)

    def execute(self, second, ref, quantity, px, flag=b"R"):
        self.add(JournalKind.RECEIVED, second, struct.pack(">cQIIQcQH", b"E", 0, ref, quantity, px, flag, 100 + ref, 0))

    def bust(self, second, ref):
        self.add(JournalKind.RECEIVED, second, struct.pack(">cQIQc14sH", b"B", 0, ref, 100 + ref, b"E", b"X" * 14, 0))


@pytest.fixture
def tape():
    return traded()


def traded(**contract):
    it = Tape(**contract)
    it.tick(0.5, 1_000_000, 1_000_200)  # 100.00 to 100.02
    it.enter(1, 1, b"B", 100, 1_000_200)
    it.execute(1.002, 1, 100, 1_000_200)
    it.tick(3, 1_001_000, 1_001_200)
    it.enter(4, 2, b"S", 100, 1_001_000)
    it.execute(4.001, 2, 100, 1_001_000, b"A")
    it.add(JournalKind.DENIED, 5, np.array([Denial.MAX_POSITION, 1, 2, 0]).tobytes())
    it.tick(6, 1_001_000, 1_001_200)
    return it


def test_what_a_day_brought(tape):
    found = day.learn(day.of(ON), tape.rows)
    assert (found.counts["orders"], len(found.fills), found.denials) == (2, 2, {"MAX_POSITION": 1})
    assert [fill["side"] for fill in found.fills] == [1, -1]
    assert [fill["fee"] for fill in found.fills] == pytest.approx([0.3, -0.2])
    assert [fill["arrival_mid"] for fill in found.fills] == pytest.approx([100.01, 100.11])
    assert found.latencies["fill"] == pytest.approx([2e6, 1e6], rel=1e-4)
    assert found.equity[0][1] == 0
    assert found.equity[-1][1] == pytest.approx(100 * (100.10 - 100.02) - 0.3 + 0.2)


def test_a_contract_in_another_currency_counts_what_it_is_worth():
    found, plain = (day.learn(day.of(ON), traded(**contract).rows) for contract in ({"multiplier": 50, "rate": "1.2"}, {}))
    assert [fill["fee"] for fill in found.fills] == pytest.approx([18, -12])
    assert found.equity[-1][1] == pytest.approx(60 * plain.equity[-1][1])
    assert trading.closed(found.table()) == pytest.approx(60 * trading.closed(plain.table()))
    assert trading.slippage_bps(found.table()) == pytest.approx(trading.slippage_bps(plain.table()))
    assert [fill["px"] for fill in found.fills] == [fill["px"] for fill in plain.fills], "charts are in prices"


def test_a_bust_takes_its_execution_back(tape):
    tape.bust(7, 2)
    tape.bust(7, 9)
    tape.tick(8, 1_001_000, 1_001_200)
    found = day.learn(day.of(ON), tape.rows)
    assert [(fill["side"], fill["qty"]) for fill in found.fills] == [(1, 100)]
    assert found.equity[-1][1] == pytest.approx(100 * (100.11 - 100.02) - 0.3)


def test_another_day_is_left_out_but_learnt_from(tape):
    found = day.learn(day.of(ON + dt.timedelta(days=1)), tape.rows)
    assert (found.fills, found.equity, found.counts) == ([], [], {})
    tape.tick(86_400, 1_002_000, 1_002_200)
    found = day.learn(day.of(ON + dt.timedelta(days=1)), tape.rows)
    assert found.equity[-1][1] == pytest.approx(7.9)


def test_a_day_of_very_many_prices_is_kept_to_its_end(tape, monkeypatch):
    monkeypatch.setattr(day, "MOST_MIDS", 100)
    for k in range(5_000):
        tape.tick(10 + k, 1_000_000 + 100 * k, 1_000_200 + 100 * k)
    series = day.learn(day.of(ON), tape.rows).mids["GOOG"]
    assert 50 <= len(series) <= 100
    assert [t for t, _ in series] == sorted(t for t, _ in series)
    assert T0 + 4_000 * SECOND < series[-1][0] <= T0 + 5_010 * SECOND
    assert series[-1][1] > 140


def test_the_page_needs_nothing_else_and_says_the_figures(tape):
    text = report.page(day.learn(day.of(ON), tape.rows), "a <node>")
    assert not re.search(r"(src|href)=|https?://|<script", text)
    assert "<node>" not in text
    assert "MAX_POSITION" in text
    assert ">7.90<" in text
    assert "1 times bought, 1 times sold" in text
    charts = re.findall(r"<svg.*?</svg>", text)
    assert len(charts) == 3
    for one in charts:
        ET.fromstring(one)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "paper", "line"), [(1, (255, 255, 255), (31, 111, 235)), (0, (20, 23, 27), (110, 168, 255))])
def test_a_real_browser_draws_it_light_and_dark(tape, tmp_path, scheme, paper, line):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here (Debian: apt install chromium)")
    (tmp_path / "report.html").write_text(report.page(day.learn(day.of(ON), tape.rows), "node"), "utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=960,2000",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={tmp_path / 'report.png'}", (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=300, start_new_session=True)
    drawn = (image.imread(tmp_path / "report.png")[..., :3] * 255).round().astype(int)
    assert tuple(drawn[1, 1]) == paper
    assert (drawn == line).all(axis=2).sum() > 500  # the curves and bars
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50


def test_where_the_time_went_by_venue_and_class(tape, tmp_path):
    paths = {("V", "all"): np.zeros((len(Stage), at.BUCKETS), np.int64), ("W <x>", "etf"): np.zeros((len(Stage), at.BUCKETS), np.int64)}
    begin = T0 - T0 % SECOND
    kept = pathlog.PathLog(tmp_path, begin)
    kept.write(paths, begin + 1)
    assert not (tmp_path / "latency").exists(), "nothing was counted"
    for key, ns in (("V", "all"), 2_000), (("W <x>", "etf"), 70_000):
        for stage in (Stage.DECODE, Stage.SEND, Stage.TICK_TO_TRADE):
            for k in range(10):
                hdr.add(paths[key][stage], ns * (1 + stage) + k)
    kept.write(paths, begin + 300 * SECOND)
    hdr.add(paths["V", "all"][Stage.FILL], 5_000_000)
    kept.write(paths, begin + 600 * SECOND)
    file = pathlog.path(tmp_path, ON)
    with file.open("a") as out:
        out.write("Tag=V/all/send,1,2,3,HIST")  # cut short by a crash
    read = pathlog.read(file)
    assert read.keys() == paths.keys()
    for key, counts in paths.items():
        assert (read[key] == counts).all()
    found = day.learn(day.of(ON), tape.rows)
    found.paths = read
    text = report.page(found, "node")
    section = text[text.index("Waterfall") :]
    assert "W &lt;x&gt;, etf" in section
    assert section.count("<svg") == 2
    for one in re.findall(r"<svg.*?</svg>", section):
        ET.fromstring(one)
    assert report.micro(hdr.summary(paths["V", "all"][Stage.SEND])["p50"]) in section
    assert pathlog.read(tmp_path / "no.hlog") == {}


def test_other_tools_read_a_day_s_log(tmp_path):
    counts = {("V", "all"): np.zeros((len(Stage), at.BUCKETS), np.int64)}
    kept = pathlog.PathLog(tmp_path, T0)
    for k in range(3):
        hdr.add(counts["V", "all"][Stage.SEND], 1_000 * (k + 1))
        kept.write(counts, T0 + (k + 1) * SECOND)
    reader = HistogramLogReader(str(pathlog.path(tmp_path, ON)), HdrHistogram(hdr.LOWEST, hdr.HIGHEST, hdr.DIGITS))
    found = []
    while (one := reader.get_next_interval_histogram()) is not None:
        found.append((one.get_tag(), one.get_total_count(), one.get_value_at_percentile(50)))
    reader.close()
    assert found == [("V/all/send", 1, hdr.VALUES[np.searchsorted(hdr.VALUES, 1_000 * (k + 1))]) for k in range(3)]


def test_old_days_are_deleted(tmp_path):
    counts = {("V", "all"): np.zeros((len(Stage), at.BUCKETS), np.int64)}
    for days in (0, 20, 31, 60):
        hdr.add(counts["V", "all"][Stage.SEND], 7)
        pathlog.PathLog(tmp_path, T0 + days * 86_400 * SECOND).write(counts, T0 + days * 86_400 * SECOND + 1)
    assert sorted(file.name for file in (tmp_path / "latency").iterdir()) == ["2026-12-26.hlog", "2027-01-24.hlog"]


def test_an_empty_day_is_a_page_too():
    text = report.page(day.of(ON), "node")
    assert "No position was held" in text
    assert "nan" not in text.lower().replace("nance", "")


@pytest.mark.parametrize(("ns", "text"), [(0, "0 ns"), (316, "316 ns"), (2_500, "2.5 us"), (31_622_776, "31.6 ms"), (1e9, "1 s"), (1e12, "1000 s")])
def test_times_on_an_axis(ns, text):
    assert report.span(ns) == text


def test_a_long_series_keeps_its_extremes():
    rng = np.random.default_rng(1)
    points = [(float(k), float(v)) for k, v in enumerate(rng.normal(size=100_000))]
    kept = chart.thin(points)
    assert len(kept) <= chart.MOST
    assert max(v for _, v in kept) == max(v for _, v in points)
    assert min(v for _, v in kept) == min(v for _, v in points)
    assert [t for t, _ in kept] == sorted(t for t, _ in kept)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 1e9), (100.01, 100.02), (5, 5), (0, 1e-7)])
def test_ticks_are_round_and_inside(low, high):
    found = chart.ticks(low, high)
    assert all(low - 1e-9 * abs(low) <= t <= high + 1e-9 * abs(high) + 1e-15 for t in found)
    assert 1 <= len(found) <= 11
    drawn = chart.Chart("t", (low, high), (low, high))
    drawn.line([(low, low), (high, high)], "a")
    drawn.marks([(low, high)], "buy", up=True)
    drawn.bars([(low, high, high)], "bar")
    ET.fromstring(drawn.svg())
    assert "nan" not in drawn.svg()
