"""A lane's shared memory as telemetry meets it."""

import numpy as np
import pytest

from core.codes import Session, Stage
from noderrd.lane.memory import Shared, Sizes
from noderrd.lane.spec import InstrumentSpec, LaneSpec, StrategySpec, VenueSpec
from noderrd.telemetry.metrics import LaneView
from noderrd.telemetry.scores import Score

NOW = 1_800_000_000_000_000_000


@pytest.fixture
def lane(tmp_path):
    venues = [VenueSpec(name, "", "", "", "", "", "", "") for name in ("NSDQ", "EDGE")]
    insts = [InstrumentSpec(symbol, v, symbol, 100, 1) for symbol in ("AAPL", "GOOG") for v in (0, 1)]
    strategies = [StrategySpec("quotes", "q.py", ["AAPL", "GOOG"], {}), StrategySpec("taker", "t.py", ["GOOG"], {})]
    spec = LaneSpec("lane0", "", "", venues, insts, ["AAPL", "GOOG"], strategies, [], [], [])
    shared = Shared(tmp_path / "lane", Sizes(2, 4, 2, 2, 16, 64), create=True)
    shared.control[0]["counters"] = np.arange(len(shared.control[0]["counters"])) * 7
    shared.control[0]["heartbeat_ns"] = NOW - 500_000_000
    shared.control[0]["halt_venue"][1] = 1
    shared.insts["product"] = [0, 0, 1, 1]
    shared.halt_symbol[3] = 4
    shared.venues[0]["session_state"], shared.venues[0]["feed_ns"], shared.venues[0]["received"] = Session.UP, NOW - 2_000_000_000, (11, 12)
    shared.insts[2]["n"], shared.px[2, 0, 0] = (1, 0), 1_753_100
    shared.positions[2]["position"], shared.positions[4 + 3]["open_sell"] = -300, 40
    rng = np.random.default_rng(5)
    for stage in Stage:
        np.add.at(shared.histograms[stage], rng.integers(0, 12_000, 500), 1)
    scores = {"NSDQ": Score(0.75, {}, {}, 100_000, 0.25), "EDGE": Score(None, {}, {}, None, None)}
    return LaneView("lane0", spec, shared, 3, up=True, probes={("NSDQ", "tcp"): 120_000}, scores=scores)
