"""Back-tests on recordings that are short enough to reckon by hand, and on a real one."""

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest

from core.feature import NAMES
from noderrd.feeds import recording
from noderrd.feeds.binaryfile import Recording
from noderrd.lane.ort import ModelError
from noderrd.replay import backtest
from noderrd.strategies.compile import StrategyError

ALPHA = Path(backtest.__file__).parents[1] / "models" / "alpha.onnx"
SECOND = 1_000_000_000
OPEN = 34_200 * SECOND
HEAD = """import numpy as np
from noderrd.strategies import EventKind, OrderFlag, OrdStatus, Side, TimeInForce, cancel, enter, replace, strategy

PARAMS = (("px", "ticks", 0, 1_000_000, 0),)
STATE = np.dtype([("sent", "i8")], align=True)


@strategy(timer="1s")
def on_event(event, view, params, state, out):
    kind, sent = event[0]["kind"], state[0]["sent"]
"""
ONCE = """    if kind != EventKind.BOOK or sent:
        return 0
    state[0]["sent"] = 1
    return enter(out, 0, 0, {side}, {px}, {qty}, {tif}, {flags})
"""


class Tape:
    """Messages of one or more symbols, a second apart unless said otherwise."""

    def __init__(self):
        self.messages, self.now = [], OPEN

    def add(self, body, kind, locate=1, wait=SECOND):
        self.now += wait
        self.messages.append(struct.pack(">cHH6s", kind, locate, 0, self.now.to_bytes(6, "big")) + body)

    def directory(self, name=b"AAA     ", locate=1):
        self.add(name + b"QN" + struct.pack(">I", 1) + b"NCZ PNN1N" + struct.pack(">I", 0) + b"N", b"R", locate, 0)

    def order(self, ref, side, qty, px, wait=SECOND, name=b"AAA     ", locate=1):
        self.add(struct.pack(">QcI8sI", ref, side, qty, name, px), b"A", locate, wait)

    def execute(self, ref, qty, wait=SECOND):
        self.add(struct.pack(">QIQ", ref, qty, 1), b"E", 1, wait)

    def delete(self, ref):
        self.add(struct.pack(">Q", ref), b"D")

    def recording(self):
        data = b"".join(struct.pack(">H", len(m)) + m for m in self.messages)
        offsets = np.cumsum([0] + [2 + len(m) for m in self.messages[:-1]]) + 2
        return Recording(np.frombuffer(data, np.uint8), offsets.astype(np.int64), None)


@pytest.fixture
def tape():
    """Bid 100.00 for 100, ask 100.02 for 100, in one event."""
    made = Tape()
    made.directory()
    made.order(1, b"B", 100, 1_000_000)
    made.order(2, b"S", 100, 1_000_200, wait=0)
    return made


@pytest.fixture
def write(tmp_path):
    def make(text):
        file = tmp_path / "mine.py"
        file.write_text(HEAD + text)
        return str(file)

    return make


def once(side="Side.BUY", px='view[0]["best_ask"]', qty=50, tif="TimeInForce.IOC", flags="0"):
    return ONCE.format(side=side, px=px, qty=qty, tif=tif, flags=flags)


def test_a_taker_pays_what_the_book_shows_and_is_marked_where_it_can_close(tape, write):
    end = backtest.run(tape.recording(), write(once()), {})
    assert (end["orders"], end["fills"], end["position"]) == (1, 1, 50)
    assert end["pnl_usd"] == "-1.0000", "50 shares, bought at 100.02, that sell at 100.00"
    assert end["messages"] == 3
    assert end["by_type"] == {"A": 2, "R": 1}


def test_a_taker_gets_no_more_than_is_shown_up_to_its_price(tape, write):
    tape.messages.pop()
    tape.order(3, b"S", 30, 1_000_200, wait=0)
    tape.order(4, b"S", 40, 1_000_300, wait=0)
    tape.order(5, b"S", 500, 1_000_400, wait=0)
    end = backtest.run(tape.recording(), write(once(px='view[0]["best_ask"] + 1', qty=200)), {})
    assert (end["fills"], end["position"]) == (2, 70)


def test_a_maker_waits_behind_those_before_it(tape, write):
    program = write(once(px='view[0]["best_bid"]', tif="TimeInForce.DAY", flags="OrderFlag.POST_ONLY"))
    tape.execute(1, 60)
    assert backtest.run(tape.recording(), program, {})["fills"] == 0
    tape.order(6, b"B", 100, 1_000_000)
    tape.execute(1, 40)
    tape.execute(6, 20)
    end = backtest.run(tape.recording(), program, {})
    assert (end["orders"], end["position"]) == (1, 20), "100 shares stood before it; 120 have traded"
    assert end["pnl_usd"] == "0.0000", "marked at the bid, which it paid"


def test_a_maker_is_filled_when_the_book_goes_through_its_price(tape, write):
    program = write(once(px='view[0]["best_bid"] - 1', tif="TimeInForce.DAY"))
    tape.delete(1)
    tape.order(7, b"S", 10, 999_800)
    end = backtest.run(tape.recording(), program, {})
    assert end["position"] == 50


def test_post_only_does_not_take(tape, write):
    end = backtest.run(tape.recording(), write(once(tif="TimeInForce.DAY", flags="OrderFlag.POST_ONLY")), {})
    assert (end["orders"], end["fills"]) == (1, 0)


def test_its_clock_is_the_recording_s(tape, write):
    """A timer of a second over ten seconds without a message: ten calls, and the order of each is taken at once."""
    program = write("    return enter(out, 0, 0, Side.BUY, 100, 1, TimeInForce.DAY, 0) if kind == EventKind.TIMER else 0\n")
    before = backtest.run(tape.recording(), program, {})["orders"]
    tape.order(9, b"B", 1, 500_000, wait=10 * SECOND)
    assert backtest.run(tape.recording(), program, {})["orders"] == before + 10


def test_messages_of_one_time_are_one_event(tape, write):
    counts = write("    return enter(out, 0, 0, Side.BUY, 100, 1, TimeInForce.DAY, 0) if kind == EventKind.BOOK else 0\n")
    assert backtest.run(tape.recording(), counts, {})["orders"] == 1, "bid and ask came together"


def test_it_knows_no_market_before_the_recording_opens_it(tape, write):
    """With System Events in it, the recording says when trading begins."""
    program = write(once())
    tape.messages.insert(0, struct.pack(">cHH6sc", b"S", 0, 0, OPEN.to_bytes(6, "big"), b"O"))
    assert backtest.run(tape.recording(), program, {})["orders"] == 0
    tape.add(b"Q", b"S", 0)
    tape.order(8, b"B", 1, 999_900)
    assert backtest.run(tape.recording(), program, {})["orders"] == 1


def test_the_same_recording_gives_the_same_end(tape, write):
    program = write(once())
    assert backtest.run(tape.recording(), program, {}) == backtest.run(tape.recording(), program, {})


def test_parameters_reach_it(tape, write):
    program = write(once(px='params[0]["px"]'))
    assert backtest.run(tape.recording(), program, {"px": 10_002})["fills"] == 1
    assert backtest.run(tape.recording(), program, {"px": 10_001})["fills"] == 0
    with pytest.raises(StrategyError, match="px = -1"):
        backtest.run(tape.recording(), program, {"px": -1})


def test_a_model_scores_it(tape):
    end = backtest.run(tape.recording(), "taker", {}, model=ALPHA)
    assert end["model_runs"] >= 1
    assert backtest.run(tape.recording(), "taker", {})["model_runs"] == 0


def test_a_card_that_names_other_features_is_refused(tape, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(ALPHA.read_bytes())
    model.with_suffix(".json").write_text('{"features": ["imbalance"]}')
    with pytest.raises(ModelError, match=f"1 features are named.*|{len(NAMES)}"):
        backtest.run(tape.recording(), "taker", {}, model=model)
    model.with_suffix(".json").write_text('{"features": ["momentum"]}')
    with pytest.raises(backtest.Unusable, match="no such feature: momentum"):
        backtest.run(tape.recording(), "taker", {}, model=model)


def test_several_symbols_need_a_name(tape, write):
    tape.directory(b"BBB     ", 2)
    with pytest.raises(backtest.Unusable, match="AAA, BBB"):
        backtest.run(tape.recording(), write(once()), {})
    assert backtest.run(tape.recording(), write(once()), {}, symbol="AAA")["fills"] == 1


def test_a_finer_tick_is_told_by_the_orders(tape, write):
    tape.order(3, b"S", 10, 1_000_150, wait=0)
    end = backtest.run(tape.recording(), write(once(qty=10)), {})
    assert (end["fills"], end["pnl_usd"]) == (1, "-0.1500")


@pytest.mark.slow
def test_a_market_maker_on_a_real_morning(data):
    tape = recording.read(data / "itch_from_lobster" / "goog10.itch50.gz")
    end = backtest.run(dataclasses.replace(tape, offsets=tape.offsets[:30_000]), "quotes", {"half_spread": 10.0})
    assert end["anomalies"] == 0
    assert end["orders"] > 20
    assert end["fills"] > 5
    assert abs(end["position"]) <= 500
    assert end["halted"] == 0
