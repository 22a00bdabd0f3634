"""Strategies inside the lane's own loop, on paper: lateness, faults, and parameters that change while it runs."""

import dataclasses

import numpy as np
import pytest

from core.codes import Counter, Halt
from noderrd.lane import prepare
from noderrd.lane.clock import calibrate
from noderrd.lane.loader import FAULTS
from noderrd.lane.memory import Shared
from noderrd.lane.rehearse import turn
from noderrd.lane.spec import InstrumentSpec, LaneSpec, StrategySpec, VenueSpec
from noderrd.lane.work import make

TEXT = '''"""Counts its calls; `a` and `b` are always set alike."""
import numpy as np
from noderrd.strategies import EventKind, note, strategy

PARAMS = (("a", "", 0, 1000, 1), ("b", "", 0, 1000, 1), ("turns", "", 0, 10_000_000, 0), ("fault", "", 0, 1, 0))
STATE = np.dtype([("calls", "i8"), ("torn", "i8"), ("params", "i8"), ("starts", "i8"), ("spun", "f8")], align=True)


@strategy(timer="100us")
def on_event(event, view, params, state, out):
    state[0]["calls"] += 1
    state[0]["torn"] += params[0]["a"] != params[0]["b"]
    state[0]["params"] += event[0]["kind"] == EventKind.PARAMS
    state[0]["starts"] += event[0]["kind"] == EventKind.START
    for _ in range(params[0]["turns"]):
        state[0]["spun"] = np.sqrt(state[0]["spun"] + 1.0)
    return -5 if params[0]["fault"] else 0
'''


class Log:
    """Keeps what was logged."""

    def __init__(self):
        self.said = []

    def error(self, event, **more):
        self.said.append(more)


class Lane:
    """A lane without sockets whose venue is on paper; `go` lets it turn."""

    def __init__(self, folder, budget_ns):
        self.file = folder / "mine.py"
        self.file.write_text(TEXT)
        self.spec = LaneSpec(
            "test", "", "",
            [VenueSpec("PAPER", "", "", "127.0.0.1", "", "", "", "")], [InstrumentSpec("AAA", 0, "AAA", 100, 1)], ["AAA"],
            [StrategySpec("mine", str(self.file), ["AAA"], {}, budget_ns), StrategySpec("other", str(self.file), ["AAA"], {}, budget_ns)],
            [], [], [], levels=16, table=64,
        )  # fmt: skip
        self.path, self.log = folder / "spec.json", Log()
        self.shared, self.work, self.stop = Shared(folder / "lane", self.spec.sizes(), create=True), make(), np.zeros(1, np.int64)
        calibrate(self.shared.control, 0.02)
        self.exposure = prepare.share_exposure(self.spec, self.shared)
        prepare.take_up(self.spec, self.shared)
        prepare.fill_venues(self.spec, self.shared)
        self.loaded = prepare.Loaded(self.spec, self.shared, self.work, self.log)
        self.loaded.load(self.spec)

    def go(self, until, most=2_000_000):
        """Turn until it is so; the state of the first strategy."""
        for _ in range(most // 1_000):
            turn(self.shared, self.work, self.stop, 1_000)
            if until(self):
                return self.state(0)
        raise AssertionError("never")

    def state(self, k):
        dtype = self.loaded.strategies[k].state_dtype
        return self.shared.states[k, 0, : dtype.itemsize].view(dtype)[0]

    def set(self, k=0, file=None, **params):
        """Change a strategy's parameters as the daemon does; 0 when they were taken."""
        named = list(self.spec.strategies)
        named[k] = dataclasses.replace(named[k], params=params, file=str(file or self.file))
        spec = dataclasses.replace(self.spec, strategies=named)
        try:
            self.loaded.reload(self.loaded.ready(spec))
        except FAULTS as why:
            self.log.error("refused", reason=str(why))
            return 1
        self.spec = spec
        return 0

    def halted(self, k):
        return Halt(int(self.shared.control[0]["halt_strategy"][k]))


@pytest.fixture
def lane(tmp_path):
    made = Lane(tmp_path, 10**9)
    made.go(lambda lane: lane.state(0)["calls"] > 3)
    return made


def test_parameters_change_all_at_once_and_memory_stays(lane):
    for value in range(2, 12):
        calls = int(lane.state(0)["calls"])
        assert lane.set(a=value, b=value) == 0
        lane.go(lambda lane, calls=calls: lane.state(0)["calls"] > calls + 2)
    state = lane.state(0)
    assert state["torn"] == 0, "never a call with one of the two"
    assert state["params"] == 10, "each change was told once"
    assert state["starts"] == 1, "and was no new start"


@pytest.mark.parametrize("wrong", [{"a": 1001}, {"nobody": 1}, {"a": 1.5}])
def test_wrong_parameters_are_refused_by_name_and_what_runs_goes_on(lane, wrong):
    assert lane.set(a=5, b=5) == 0
    before = lane.shared.params[0].copy()
    assert lane.set(**wrong) == 1
    assert f"{lane.file}:" in lane.log.said[-1]["reason"]
    assert next(iter(wrong)) in lane.log.said[-1]["reason"]
    assert np.array_equal(lane.shared.params[0], before)
    calls = int(lane.state(0)["calls"])
    lane.go(lambda lane: lane.state(0)["calls"] > calls + 3)


def test_a_file_that_does_not_compile_is_refused_and_what_runs_goes_on(lane):
    bad = lane.file.with_name("bad.py")
    bad.write_text(TEXT.replace('for _ in range(params[0]["turns"]):', "for _ in [1, 2]:"))
    assert lane.set(file=bad) == 1
    assert f"{bad}:15:" in lane.log.said[-1]["reason"]
    calls = int(lane.state(0)["calls"])
    lane.go(lambda lane: lane.state(0)["calls"] > calls + 3)


def test_an_edited_file_begins_anew(lane):
    lane.file.write_text(TEXT + "\n")
    assert lane.set() == 0
    state = lane.go(lambda lane: lane.state(0)["starts"] == 1 and lane.state(0)["calls"] > 3)
    assert state["params"] == 0


def test_one_that_is_late_again_and_again_is_halted_by_name_and_the_other_goes_on(tmp_path):
    lane = Lane(tmp_path, 2_000_000)
    lane.go(lambda lane: lane.state(1)["calls"] > 3)
    assert lane.set(turns=2_000_000) == 0
    lane.go(lambda lane: lane.halted(0) != Halt.NONE)
    assert lane.halted(0) == Halt.OVER_BUDGET
    assert lane.shared.control[0]["counters"][Counter.STRATEGY_OVER_BUDGET] >= 16, "not for once"
    calls, others = int(lane.state(0)["calls"]), int(lane.state(1)["calls"])
    lane.go(lambda lane: lane.state(1)["calls"] > others + 3)
    assert lane.state(0)["calls"] == calls, "a halted one is not called"


def test_a_fault_halts_at_once_and_is_told(lane):
    assert lane.set(fault=1) == 0
    lane.go(lambda lane: lane.halted(0) != Halt.NONE)
    assert lane.halted(0) == Halt.STRATEGY_FAULT
    assert lane.shared.strategies[0]["fault"] == -5
    assert lane.halted(1) == Halt.NONE
