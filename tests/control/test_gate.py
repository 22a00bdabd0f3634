"""The gate before a venue is armed: each thing that must be so, not being so, is the line that refuses."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
import trio
from control import desk

from core.codes import Halt, OrdStatus, Session, Writer
from noderrd import config as configuration
from noderrd.control import gate
from noderrd.control.server import Refused


@pytest.fixture
def ready(node):
    """A node whose journal is written."""
    node.lane.shared.control[0]["writer_state"] = Writer.WRITING
    return node


def failing(node, venue="EDGE", positions=None, armed_ns=0):
    return gate.failures(node.lane, venue, node.folder, positions, armed_ns, 0)


def test_nothing_is_in_the_way_of_a_node_that_is_as_it_must_be(ready):
    assert failing(ready) == failing(ready, "NSDQ") == []


def spoil_session(node):
    node.lane.shared.venues[1]["session_state"] = Session.REFUSED


def spoil_symbol(node):
    node.lane.shared.halt_symbol[2] = Halt.RECONCILE


def spoil_order(node):
    node.lane.shared.orders[0]["venue"], node.lane.shared.orders[0]["ord_status"] = 1, OrdStatus.UNKNOWN


def spoil_writer(node):
    node.lane.shared.control[0]["writer_state"], node.lane.shared.control[0]["writer_errno"] = Writer.BLOCKED, 28


def spoil_disk(node, monkeypatch):
    monkeypatch.setattr(gate.shutil, "disk_usage", lambda _: SimpleNamespace(free=gate.DISK_LEAST - 1))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (spoil_session, "sequence: "),
        (spoil_symbol, "reconcile: MSFT is halted"),
        (spoil_order, "orders: the fate of 1 is not known"),
        (spoil_writer, "journal: No space left on device"),
    ],
)
def test_what_is_not_settled_is_the_line(ready, spoil, line):
    spoil(ready)
    (found,) = failing(ready)
    assert found.startswith(line)
    assert spoil is spoil_writer or failing(ready, "NSDQ") == []


def test_a_full_disk_is_the_line(ready, monkeypatch):
    spoil_disk(ready, monkeypatch)
    (found,) = failing(ready)
    assert found.startswith("disk: 511 MiB free")


def test_a_strategy_without_a_bound_is_the_line(make):
    node = make(desk.POLICY.replace("  max_position      1_000 shares\n", ""))
    node.lane.shared.control[0]["writer_state"] = Writer.WRITING
    assert failing(node) == ["limits: strategy quotes has no max_position in AAPL"], "MSFT has one of its own"


def test_positions_are_held_against_a_file_until_the_venue_was_armed_with_it(ready, tmp_path):
    file = tmp_path / "positions.csv"
    assert failing(ready, positions=file) == [f"positions: {file}: No such file or directory"]
    file.write_text("venue,symbol,position\nEDGE,MSFT,-300\nNSDQ,AAPL,5\n")
    ready.lane.shared.positions["position"][1] = 100  # the first strategy's AAPL at EDGE
    assert failing(ready, positions=file) == ["positions: AAPL: 0 in positions.csv, 100 here", "positions: MSFT: -300 in positions.csv, 0 here"]
    assert failing(ready, positions=file, armed_ns=file.stat().st_mtime_ns) == []
    ready.lane.shared.positions["position"][1], ready.lane.shared.positions["position"][2] = 0, -300
    assert failing(ready, positions=file) == []


def test_the_file_is_named_relative_to_the_configuration(tmp_path):
    path = desk.write(tmp_path, config=desk.CONFIG.replace("[rules]", 'positions = "held.csv"\n\n[rules]', 1))
    assert configuration.read(path).node.positions == tmp_path / "held.csv"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("symbol,position\n", 1),
        ("venue,symbol,position\nEDGE,MSFT,1.5\n", 2),
        ("venue,symbol,position\nA,B,1\nA,B,2\n", 3),
    ],
)
def test_a_file_that_cannot_be_read_says_where(ready, tmp_path, text, line):
    file = tmp_path / "positions.csv"
    file.write_text(text)
    (found,) = failing(ready, positions=file)
    assert f"line {line}: expected" in found


async def test_arm_is_refused_with_the_failing_line(ready):
    until = (datetime.now().astimezone() + timedelta(hours=1)).isoformat(timespec="seconds")
    lane = desk.Obeying(ready)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        spoil_order(ready)
        with pytest.raises(Refused, match="the fate of 1 is not known") as said:
            await desk.verbs(ready).handle("arm", {"venue": "EDGE", "until": until, "confirmed": True}, desk.PEER)
        assert said.value.code == 77
        nursery.cancel_scope.cancel()
    assert lane.seen == []


def test_a_lane_whose_file_was_put_away_is_gone_and_no_fault(ready):
    there = ready.lane.shared.path
    away = there.rename(there.with_name(there.name + ".away"))
    assert (ready.lane.ready, ready.lane.pid) == (False, 0)
    away.rename(there)
