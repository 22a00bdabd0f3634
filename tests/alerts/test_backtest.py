"""Alerts over the past: a journal made by hand, whose every figure is known, and a real recording."""

import json
import struct

import numpy as np
import pytest
from policies import ctl, policy

from core import layout as at
from core.codes import JournalKind
from noderrd.alerts.backtest import QUIET_S, Backtest
from noderrd.alerts.recorded import Journal
from noderrd.lane.spec import InstrumentSpec, LaneSpec, StrategySpec, VenueSpec
from rules.catalog import SECOND
from rules.expression import Measured
from rules.units import NUMBER

T0 = 1_760_000_000 * SECOND


class Writer:
    """Rows of a journal."""

    def __init__(self):
        venues = [VenueSpec("V", "", "", "", "", "", "u", "p", -20, 30)]
        spec = LaneSpec(
            "l", "", "", venues, [InstrumentSpec("GOOG", 0, "GOOG", 100, 1)], ["GOOG"], [StrategySpec("s", "/dev/null", ["GOOG"], {})], [], [], []
        )
        self.rows = []
        told = spec.told()
        for k in range(0, len(told), at.JOURNAL_DATA):
            self.add(JournalKind.SPEC, 0, told[k : k + at.JOURNAL_DATA], ref=len(told), size=len(told) - k)

    def add(self, kind, second, data=b"", ref=0, size=None):
        row = np.zeros(1, at.JOURNAL)[0]
        row["seq"], row["ts_ns"], row["kind"], row["ref"] = len(self.rows) + 1, T0 + int(second * SECOND), kind, ref
        row["size"] = len(data) if size is None else size
        row["data"][: len(data)] = np.frombuffer(data, np.uint8)
        self.rows.append(row)

    def tick(self, second, bid, ask, scores=(0.2, 0.2, 0.6)):
        self.add(JournalKind.TICK, second, struct.pack("<qq3f", bid, ask, *scores))

    def enter(self, second, ref, side, quantity, px):
        message = struct.pack(">cIcI8sQcccc c14sH", b"O", ref, side, quantity, b"GOOG    ", px, b"0", b"Y", b"P", b"N", b"N", b"X" * 14, 0)
        self.add(JournalKind.SENT, second, message)

    def accept(self, second, ref):
        fixed = struct.pack(
            ">cQIcI8sQccQccccc14sH", b"A", 0, ref, b"B", 100, b"GOOG    ", 1_000_000, b"0", b"Y", 1, b"P", b"N", b"N", b"L", b"X", b"X" * 14, 0
        )
        self.add(JournalKind.RECEIVED, second, fixed[:-17] + fixed[-16:])

    def execute(self, second, ref, quantity, px, flag=b"R"):
        self.add(JournalKind.RECEIVED, second, struct.pack(">cQIIQcQH", b"E", 0, ref, quantity, px, flag, 1, 0))

    def reject(self, second, ref):
        self.add(JournalKind.RECEIVED, second, struct.pack(">cQIH14sH", b"J", 0, ref, 3, b"X" * 14, 0))


def run(text, writer):
    done = Backtest(policy(text), Journal())
    done.run((int(row["ts_ns"]), row) for row in writer.rows)
    return done


def read(done, name, second, **labels):
    metric = Measured(name, tuple((k, True, v) for k, v in sorted(labels.items())), NUMBER, None, None)
    return done.learner.history.read(metric, T0 + int(second * SECOND))


ALERT = "alert a info {{\n  when  {}\n  do    log\n}}\n"


def moved(done):
    return [((t.at_ns - T0) // SECOND, t.alert, t.state) for t in done.transitions]


def test_market_data_becomes_metrics():
    writer = Writer()
    writer.tick(1.5, 1_000_000, 1_000_400)
    writer.tick(6.5, 1_000_000, 1_000_100)
    done = run(ALERT.format("spread[symbol = GOOG] > 2 ticks for 2s"), writer)
    assert moved(done) == [(2, "a", "pending"), (4, "a", "firing"), (7, "a", "resolved")]
    assert read(done, "mid", 2, symbol="GOOG", venue="V") == pytest.approx(100.02)
    assert read(done, "uncertainty", 2, symbol="GOOG") == pytest.approx(0.6)


def test_own_orders_become_metrics():
    writer = Writer()
    writer.tick(0.5, 1_000_000, 1_000_200)
    writer.enter(1, 1, b"B", 100, 1_000_200)
    writer.accept(1.001, 1)
    writer.execute(1.002, 1, 60, 1_000_200)
    writer.enter(2, 2, b"B", 10, 1_000_000)
    writer.reject(2.001, 2)
    writer.execute(3, 1, 40, 1_000_200, b"A")
    writer.tick(5, 999_000, 999_200)
    done = run(ALERT.format("daily_loss > 5 USD"), writer)
    of = {"strategy": "s", "symbol": "GOOG", "venue": "V"}
    assert read(done, "orders", 5, **of) == 2
    assert read(done, "fills", 5, **of) == 2
    assert read(done, "rejects", 5, **of) == 1
    assert read(done, "position", 2, **of) == 60
    assert read(done, "position", 5, **of) == 100
    assert read(done, "open_orders", 2, **of) == 1
    assert read(done, "open_orders", 5, **of) == 0
    assert read(done, "ack", 1.001, **of) == pytest.approx(1_000_000, rel=1e-5)
    fees = 60 * 30e-4 - 40 * 20e-4
    assert read(done, "pnl", 6, **of) == pytest.approx(100 * (99.91 - 100.02) - fees)
    assert [state for _, _, state in moved(done)] == ["pending", "firing"]


def test_what_was_never_measured_is_named():
    writer = Writer()
    writer.tick(1, 1_000_000, 1_000_200)
    done = run(ALERT.format("edge > 1 tick or spread > 9 ticks"), writer)
    assert [leaf.name for leaf in done.unmeasured()] == ["edge"]


def test_time_without_records_is_skipped():
    writer = Writer()
    writer.tick(1, 1_000_000, 1_000_200)
    writer.tick(86_400, 1_000_000, 1_000_900)
    done = run(ALERT.format("spread > 5 ticks"), writer)
    assert moved(done) == [(86_401, "a", "pending"), (86_401, "a", "firing")]
    assert len(next(iter(done.learner.history._series["lane_restarts"].values())).times) < QUIET_S + 100


@pytest.mark.slow
def test_a_real_recording(data, tmp_path):
    recording = data / "itch_from_lobster" / "goog10.itch50.gz"
    if not recording.exists():
        pytest.skip(f"{recording} is not there")
    (tmp_path / "a.rules").write_text(
        ALERT.format("spread > 20 ticks") + ALERT.format("imbalance > 2 or edge > 1 tick").replace("alert a", "alert b")
    )
    done = ctl("backtest", tmp_path / "a.rules", recording, "--date", "2012-06-21", "--json", seconds=400)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert {row["alert"] for row in found["transitions"]} == {"a"}
    assert any(row["state"] == "firing" and row["value"] > 20 for row in found["transitions"])
    assert found["unmeasured"] == ["edge"]
    assert "T09:30" in str(np.datetime64(found["from"], "ns"))


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "a.rules").write_text(ALERT.format("spread > 20 ticks"))
    done = ctl("backtest", tmp_path / "a.rules", tmp_path / "nothing.itch")
    assert done.returncode == 1
    assert "nothing.itch" in done.stderr
    assert "Traceback" not in done.stderr
