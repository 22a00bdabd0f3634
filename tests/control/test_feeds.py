"""What `feeds` and `instruments` show of a lane's shared memory."""

import dataclasses
import time
from types import SimpleNamespace

import pytest
from control import desk
from control.desk import PEER

from core.codes import BookState, Counter, Phase, Stamp
from noderrd.control import feeds

pytestmark = pytest.mark.usefixtures("untried")


async def test_a_line_shows_whose_stamps_it_has_and_what_the_kernel_dropped(node):
    row = node.lane.shared.venues[0]
    row["stamp"], row["waited_ns"], row["buffer"], row["kernel_drops"] = [Stamp.HARDWARE, 0], [1_500, 0], [8 << 20, 0], [7, 0]
    row["received"] = [10, 0]
    row = node.lane.shared.venues[1]
    row["stamp"], row["fd_a"] = [Stamp.LANE, 0], -2  # out of a ring
    first, second = (await desk.verbs(node).handle("feeds", {}, PEER))["lines"]
    assert (first["stamp"], first["waited_ns"], first["buffer"], first["kernel_drops"], first["received"]) == ("hardware", 1_500, 8 << 20, 7, 10)
    assert (second["stamp"], second["waited_ns"], second["kernel_drops"], second["receive"]) == ("lane", None, None, "af_xdp")


async def test_an_instrument_shows_what_its_venue_and_its_calendar_say(node):
    lane, shared = node.lane, node.lane.shared
    spec = lane.spec
    instruments = [dataclasses.replace(spec.instruments[0], tick=1, tick_table=1), *spec.instruments[1:]]
    venues = [dataclasses.replace(spec.venues[0], hours={"name": "regular"}), *spec.venues[1:]]
    lane.spec = dataclasses.replace(spec, instruments=instruments, venues=venues, tick_tables=[[(0, 1), (10_000, 100)]])
    now = time.time_ns()
    row, venue = shared.insts[0], shared.venues[0]
    venue["scheduled"], venue["shut"], venue["phase"], venue["breached"] = 1, 0, Phase.START_OF_MARKET_HOURS, 2
    venue["hours"][0], venue["hours"][1] = (now - 10**9, now + 10**12), (now + 10**13, now + 10**14)
    said = b"QN" + (100).to_bytes(4, "big") + b"YCZ PNN1N" + (3).to_bytes(4, "big") + b"Y"
    row["directory"], row["round_lot"], row["own_lot"], row["lot"] = list(said), 100, 1, 100
    row["operational"], row["short_sale"], row["trading"], row["state"] = ord("H"), ord("1"), ord("T"), BookState.HALTED
    row["collar"] = [1_000_000, 1_050_000, 950_000]
    first, second, _ = (await desk.verbs(node).handle("instruments", {}, PEER))["instruments"]
    assert first["ticks"] == [["0.0000", "0.0001"], ["1.0000", "0.0100"]]
    assert (first["lot"], first["phase"], first["trading"], first["breaker"]) == (100, "START_OF_MARKET_HOURS", "trading", 2)
    assert first["session"] == {"calendar": "regular", "open": True, "opens": now - 10**9, "closes": now + 10**12}
    assert first["conflict"] == "the lot is 100, not 1: the venue takes round lots only"
    assert first["state"] == ["HALTED"]
    told = first["directory"]
    assert (told["round_lot"], told["round_lots_only"], told["market_category"], told["authenticity"], told["luld_tier"]) == (
        100,
        True,
        "Q",
        "P",
        "1",
    )
    assert (told["operational_halt"], told["reg_sho_action"], told["etp_leverage_factor"], told["inverse_indicator"]) == ("H", "1", 3, "Y")
    assert told["auction_collar"] == {"reference": "100.0000", "upper": "105.0000", "lower": "95.0000"}
    assert (second["session"], second["conflict"], second["breaker"]) == (None, None, None)
    assert second["ticks"] == [["0.0000", second["tick"]]]
    assert set(second["directory"].values()) == {None}


async def test_a_conflict_is_logged_once_and_again_after_it_was_over(node):
    row = node.lane.shared.insts[0]
    row["own_lot"] = row["lot"] = 1
    assert feeds.conflict(row) == ""
    row["lot"] = 100
    told = node._clashes(set())
    assert len(told) == 1
    assert node._clashes(told) == told
    row["lot"] = 1
    assert node._clashes(told) == set()


async def test_a_full_book_is_an_error_that_names_the_symbol(node):
    said = []
    node.log = SimpleNamespace(error=lambda event, **facts: said.append((event, facts)))
    shared = node.lane.shared
    assert node._full(0) == 0
    shared.control[0]["counters"][Counter.BOOK_FULL] = 3
    shared.insts["state"] = [BookState.GAP, 0, BookState.HALTED]
    assert node._full(1) == 3
    ((event, facts),) = said
    assert (event, facts["messages"], facts["out_of_service"]) == ("book full", 2, ["AAPL at NSDQ"])
    assert node._full(3) == 3
    assert len(said) == 1
