"""What can be ordered of a node, its lane played by a task that obeys the ring: order of effects, refusals, and what outlives a restart."""

import contextlib
import json
import os
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from control import desk
from control.desk import OTHER, PEER

import noderrd
from core import layout as at
from core.codes import Command, Halt, Loss, Scope, Session
from noderrd.control import days, drills, lanes, policy
from noderrd.control.server import Refused
from noderrd.control.verbs import moment
from noderrd.host.files import processors
from noderrd.lane.spec import LaneSpec
from noderrd.net.probe import Probe

pytestmark = pytest.mark.usefixtures("untried")
LATER = """\
schedule day {
  Mon-Fri 09:30-16:00 America/New_York
}
reputation {
  half_life 30d
  tier all otherwise weight 1
}
"""
NOON = datetime.fromisoformat("2026-11-25T12:00:00+01:00")


@contextlib.asynccontextmanager
async def obeying(node, *refuse):
    """A lane that obeys, and the node's verbs."""
    lane = desk.Obeying(node, refuse=set(refuse))
    node.lane.shared.own()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        yield desk.verbs(node), lane
        nursery.cancel_scope.cancel()


async def refusal(asked):
    with pytest.raises(Refused) as caught:
        await asked
    return caught.value.code


def halts(node):
    return int(node.lane.shared.control[0]["halt_node"])


async def test_an_unknown_verb_is_bad_usage(node):
    for verb in ("nonsense", "", "__init__", "rules/apply", "do_status"):
        assert await refusal(desk.verbs(node).handle(verb, {}, PEER)) == 64


async def test_status_shows_what_the_kernel_says_of_a_lane_and_how_far_its_venues_are(node):
    verbs = desk.verbs(node)
    assert (await verbs.handle("status", {}, PEER))["host"] == [{"lane": "lane0", "sockets": {}}]
    node.lane.shared.own()
    node.lane.shared.control[0]["pid"] = os.getpid()
    verbs._watch.probes.latest["EDGE"] = Probe("EDGE", 120_000, None, None, {"ping": "timed out"})
    answer = await verbs.handle("status", {}, PEER)
    (seen,) = answer["host"]
    assert (seen["lane"], processors(seen["cores"])) == ("lane0", os.sched_getaffinity(0))
    assert sum(seen.get("nodes", {"0": 1}).values()) > 0
    found = {venue["name"]: venue.get("probe") for venue in answer["venues"]}
    assert found.pop("EDGE") == {"tcp_ns": 120_000, "tls_ns": None, "ping_ns": None, "failed": {"ping": "timed out"}}
    assert set(found.values()) == {None}


async def test_venues_are_scored_by_the_policys_weights(node):
    verbs = desk.verbs(node)
    assert await verbs.handle("venues", {}, PEER) == {"venues": []}
    weights = {it.name: {"cost": Decimal("0.5"), "latency": Decimal("0.5")} for it in node.lane.spec.venues}
    verbs._watch.scores.probed("EDGE", 1_000, 4, 1)
    verbs._watch.scores.look(node.lane.spec, node.lane.shared, weights, 1)
    found = {row["venue"]: row for row in (await verbs.handle("venues", {}, PEER))["venues"]}
    assert list(found) == [it.name for it in node.lane.spec.venues]
    assert (found["EDGE"]["parts"]["latency"], found["EDGE"]["distance_ns"], found["EDGE"]["lost"]) == (1.0, 1_000, 0.25)
    assert found["EDGE"]["weights"]["liquidity"] == 0


async def test_a_scope_is_one_thing_that_exists(node):
    async with obeying(node) as (verbs, lane):
        await verbs.handle("cancel-all", {}, PEER)
        await verbs.handle("cancel-all", {"symbol": "MSFT"}, PEER)
        await verbs.handle("flatten", {"venue": "EDGE"}, PEER)
        await verbs.handle("halt", {"strategy": "quotes"}, PEER)
        assert await refusal(verbs.handle("halt", {"strategy": "quotes", "venue": "EDGE"}, PEER)) == 64
        assert await refusal(verbs.handle("halt", {"symbol": "TSLA"}, PEER)) == 1
    assert lane.seen == [
        (Command.CANCEL_ALL, Scope.NODE, 0), (Command.CANCEL_ALL, Scope.SYMBOL, 1), (Command.FLATTEN, Scope.VENUE, 1),
        (Command.HALT, Scope.STRATEGY, 0),
    ]  # fmt: skip


async def test_a_halt_holds_although_the_lane_is_away(node, monkeypatch):
    monkeypatch.setattr(lanes, "ANSWER_S", 0.05)
    assert await refusal(desk.verbs(node).handle("halt", {}, PEER)) == 1
    assert halts(node) == Halt.OPERATOR
    assert await refusal(desk.verbs(node).handle("halt", {"symbol": "AAPL"}, PEER)) == 1
    assert list(node.lane.shared.halt_symbol) == [Halt.OPERATOR, Halt.OPERATOR, 0]


async def test_a_venue_that_refused_the_session_is_not_resumed_but_settled(node):
    node.lane.shared.venues[0]["session_state"] = Session.REFUSED
    async with obeying(node) as (verbs, lane):
        with pytest.raises(Refused, match="reconcile --accept NSDQ") as caught:
            await verbs.handle("resume", {"venue": "NSDQ"}, PEER)
        assert (caught.value.code, lane.seen) == (77, [])
        await verbs.handle("resume", {"venue": "EDGE"}, PEER)
        assert lane.seen == [(Command.RESUME, Scope.VENUE, 1)]


async def test_a_kill_is_on_disk_and_in_force_before_the_lane_is_asked(node, monkeypatch):
    monkeypatch.setattr(lanes, "ANSWER_S", 0.05)
    assert await refusal(desk.verbs(node).handle("kill", {}, PEER)) == 1
    assert halts(node) == Halt.KILLED
    assert json.loads((node.folder / "latches.json").read_text())["kills"][0]["uid"] == PEER.uid


async def test_nothing_but_another_person_s_release_lifts_a_kill(node):
    async with obeying(node) as (verbs, _):
        await verbs.handle("kill", {}, PEER)
        assert await refusal(verbs.handle("resume", {}, OTHER)) == 77
        assert await refusal(verbs.handle("resume", {"venue": "EDGE"}, OTHER)) == 77
        assert await refusal(verbs.handle("arm", {"venue": "NSDQ", "until": "23:59", "confirmed": True}, OTHER)) == 77
        assert await refusal(verbs.handle("drill", {}, OTHER)) == 77
        assert await refusal(verbs.handle("release", {}, PEER)) == 77
        await verbs.handle("halt", {}, OTHER)
        assert halts(node) == Halt.KILLED
        await verbs.handle("kill", {}, OTHER)  # whoever kills again does not become the one who killed
        assert await refusal(verbs.handle("release", {}, PEER)) == 77
        await verbs.handle("release", {}, OTHER)
        assert halts(node) == Halt.NONE
        assert await refusal(verbs.handle("release", {}, OTHER)) == 1


async def test_one_person_s_host(make):
    node = make(two_person=False)
    async with obeying(node) as (verbs, _):
        await verbs.handle("kill", {"venue": "EDGE"}, PEER)
        assert await refusal(verbs.handle("release", {}, PEER)) == 1  # the node as a whole was not killed
        await verbs.handle("release", {"venue": "EDGE"}, PEER)


async def test_a_kill_outlives_the_daemon_and_the_machine(make):
    node = make()
    async with obeying(node) as (verbs, _):
        await verbs.handle("kill", {"symbol": "MSFT"}, PEER)
        await verbs.handle("kill", {}, PEER)
    desk.remove(node)  # as a power loss does
    again = make()
    assert again.was == "lost"
    async with obeying(again) as (_, lane), trio.open_nursery() as nursery:
        for kill in again.latches.kills.values():
            again._raise(kill)
        assert halts(again) == Halt.KILLED
        assert list(again.lane.shared.halt_symbol) == [0, 0, Halt.KILLED]
        again.lane.shared.control[0]["epoch"] = 1
        nursery.start_soon(again._see_to)
        await desk.until(lambda: len(lane.seen) == 2)
        nursery.cancel_scope.cancel()
    assert set(lane.seen) == {(Command.KILL, Scope.SYMBOL, 1), (Command.KILL, Scope.NODE, 0)}


def test_a_node_whose_latches_cannot_be_read_does_not_start(tmp_path):
    path = desk.write(tmp_path)
    (tmp_path / "state" / "latches.json").write_text('{"kills": [')
    with pytest.raises(ValueError, match="what was killed"):
        desk.node_of(path)


async def test_arming_is_told_first_and_done_when_confirmed(make):
    node = make()
    until = (datetime.now().astimezone() + timedelta(hours=1)).isoformat(timespec="seconds")
    async with obeying(node) as (verbs, lane):
        would = await verbs.handle("arm", {"venue": "NSDQ", "until": until}, PEER)
        assert "127.0.0.1:2" in would["confirm"]
        assert lane.seen == []
        await verbs.handle("arm", {"venue": "NSDQ", "until": until, "confirmed": True}, PEER)
        assert lane.seen == [(Command.ARM, Scope.NODE, 0)]
        written = LaneSpec.read(node.folder / "run" / "lane0.json").venues[0]
        assert (written.armed, written.until_ns) == (True, would["until"])
        await verbs.handle("disarm", {"venue": "EDGE"}, PEER)
    again = make()
    assert [(v.armed, v.until_ns > 0) for v in again.lane.spec.venues] == [(True, True), (False, False)]


async def test_nothing_is_armed_without_a_guard(make):
    node = make()
    until = (datetime.now().astimezone() + timedelta(hours=1)).isoformat(timespec="seconds")
    async with obeying(node) as (verbs, lane):
        node.lane.shared.control[0]["guard_ns"] = 1
        assert await refusal(verbs.handle("arm", {"venue": "NSDQ", "until": until, "confirmed": True}, PEER)) == 77
    assert lane.seen == []


async def test_an_arming_that_the_lane_refuses_leaves_no_trace(make):
    node = make()
    until = (datetime.now().astimezone() + timedelta(hours=1)).isoformat(timespec="seconds")
    async with obeying(node, Command.ARM) as (verbs, _):
        assert await refusal(verbs.handle("arm", {"venue": "NSDQ", "until": until, "confirmed": True}, PEER)) == 1
    assert not LaneSpec.read(node.folder / "run" / "lane0.json").venues[0].armed
    assert not make().lane.spec.venues[0].armed


async def test_a_disarm_that_the_lane_refuses_holds_at_the_next_start(make):
    node = make()
    async with obeying(node, Command.ARM) as (verbs, _):
        assert await refusal(verbs.handle("disarm", {}, PEER)) == 1
    assert not make().lane.spec.venues[0].armed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("16:00", 4 * 3600), ("12:00:01", 1), ("2026-11-26T12:00:00+01:00", 24 * 3600), ("2026-11-25T11:30:00+00:00", 1800)],
)
def test_until_is_a_time_of_today_or_a_whole_date(text, seconds):
    assert moment(text, NOON) == (int(NOON.timestamp()) + seconds) * 10**9


@pytest.mark.parametrize("text", ["", "12:00", "11:59", "25:00", "noon", "2026-11-25T16:00:00", "2026-12-25T16:00:00+00:00", "16:00:00:00"])
def test_until_is_neither_over_nor_far_nor_vague(text):
    with pytest.raises(Refused) as caught:
        moment(text, NOON)
    assert caught.value.code == 64


async def test_a_drill_kills_times_and_lifts(node):
    node.lane.shared.lane[0]["n_live"] = 3
    async with obeying(node) as (verbs, lane):
        checks = (await verbs.handle("drill", {}, PEER))["checks"]
    assert [(it["name"], it["ok"]) for it in checks] == [("guard", True), ("sessions", True), ("kill", True)]
    assert (checks[-1]["open_before"], checks[-1]["open_after"]) == (3, 0)
    assert [verb for verb, _, _ in lane.seen] == [Command.KILL, Command.RELEASE, Command.TELL]
    assert halts(node) == Halt.NONE
    assert not (node.folder / "latches.json").exists()


async def test_a_drill_that_leaves_orders_open_fails_and_lifts_all_the_same(node, monkeypatch):
    monkeypatch.setattr("noderrd.control.drills.SETTLE_S", 0.05)
    node.lane.halt(Scope.NODE, 0, Halt.OPERATOR)
    async with obeying(node) as (verbs, lane):
        monkeypatch.setattr(lane, "obey", lambda verb, scope: int(node.lane.shared.lane[0].__setitem__("n_live", 2) or 0))
        node.lane.shared.lane[0]["n_live"] = 2
        *_, check = (await verbs.handle("drill", {}, PEER))["checks"]
    assert not check["ok"]
    assert halts(node) == Halt.KILLED  # this lane obeys nothing: what was halted before is not lowered either


async def test_a_drill_without_a_guard_fails(node):
    async with obeying(node) as (verbs, _):
        node.lane.shared.control[0]["guard_ns"] = 0
        checks = (await verbs.handle("drill", {}, PEER))["checks"]
    assert [(it["name"], it["ok"]) for it in checks] == [("guard", False), ("kill", True)]


async def test_a_drill_is_held_when_it_is_due_and_one_that_fails_is_an_alarm(node, monkeypatch):
    alarms = []
    due = iter([time.time_ns(), time.time_ns() + 10**18])
    monkeypatch.setattr(drills.schedule, "after", lambda text, now_ns: next(due))
    async with obeying(node), trio.open_nursery() as nursery:
        node.lane.shared.control[0]["guard_ns"] = 0
        nursery.start_soon(drills.run, node, lambda *told: alarms.append(told))
        await desk.until(lambda: alarms)
        nursery.cancel_scope.cancel()
    (name, said, config) = alarms[0]
    assert (name, said, config) == ("drill", "failed: guard it does not show itself", "[day] drill")


async def test_a_position_is_adjusted_where_it_is_clear_which_one(node):
    async with obeying(node) as (verbs, lane):
        for wrong in ({"qty": 0}, {"qty": "5"}, {"qty": 10**10}, {"qty": 5, "reason": ""}, {"qty": 5, "symbol": "XYZ"}, {"qty": 5, "symbol": "AAPL"}):
            assert await refusal(verbs.handle("adjust", {"symbol": "MSFT", "reason": "so", **wrong}, PEER)) == 64
        assert lane.seen == []
        answer = await verbs.handle("adjust", {"symbol": "MSFT", "qty": -5, "reason": "found"}, PEER)
        assert (answer["venue"], answer["strategy"], answer["qty"]) == ("EDGE", "quotes", -5)
        assert lane.seen == [(Command.ADJUST, Scope.NODE, 2)]
        row = node.lane.shared.commands[int(node.lane.shared.control[0]["command_head"]) - 1]
        assert (int(row["ref"]), bytes(row["text"]).rstrip(b"\0")) == (-5, bytes(8) + f"{PEER.name}: found".encode())
        await verbs.handle("adjust", {"symbol": "AAPL", "qty": 7, "reason": "found", "venue": "EDGE"}, PEER)
        node.lane.shared.positions[0]["position"] = 10  # AAPL at NSDQ: the only one that is held
        await verbs.handle("adjust", {"symbol": "AAPL", "qty": 7, "reason": "found"}, PEER)
        assert [index for _, _, index in lane.seen] == [2, 1, 0]


async def test_a_day_that_ends_clean_is_kept_and_one_that_does_not_leaves_the_node_halted(node, monkeypatch):
    monkeypatch.setattr(days, "CANCEL_S", 0.05)
    async with obeying(node) as (verbs, lane):
        day = (await verbs.handle("end-day", {}, PEER))["day"]
        assert (day["clean"], day["open"], halts(node)) == (True, 0, Halt.NONE)
        assert [verb for verb, _, _ in lane.seen] == [Command.CANCEL_ALL, Command.SEAL]
        node.lane.shared.orders[3]["cl_ord_id"], node.lane.shared.orders[3]["ord_status"] = 9, desk.OrdStatus.UNKNOWN
        day = (await verbs.handle("end-day", {}, PEER))["day"]
        assert (day["clean"], len(day["differences"]), halts(node)) == (False, 1, Halt.DAY_OVER)
        assert [it["day"] for it in (await verbs.handle("days", {}, PEER))["days"]] == [day["day"]]


async def test_a_day_whose_end_nobody_was_there_for_is_ended_at_the_start(make):
    config = desk.CONFIG + '\n[day]\nend = "00:00 Etc/UTC"\n'
    node, alarms = make(config=config), []
    node.was = "kept"
    async with obeying(node) as (_, lane), trio.open_nursery() as nursery:
        nursery.start_soon(days.run, node, lambda *told: alarms.append(told))
        await desk.until(lambda: days.told(node.folder))
        await desk.until(lambda: not halts(node))
        nursery.cancel_scope.cancel()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert [it["day"] for it in days.told(node.folder)] == [int(yesterday.strftime("%Y%m%d"))]
    assert (lane.seen[1][0], alarms) == (Command.SEAL, [])


async def test_the_daemon_shows_itself_and_what_the_policy_wants_when_it_is_lost(make):
    node = make(desk.POLICY + "\non daemon_loss reduce_only after 7s\n")
    control = node.lane.shared.control[0]
    control["reduce_only"] = 1
    node.pet()
    assert (control["loss_then"], control["loss_after_ns"], control["reduce_only"]) == (Loss.REDUCE_ONLY, 7 * 10**9, 0)
    assert time.time_ns() - int(control["daemon_ns"]) < 60 * 10**9


async def test_reconcile_shows_what_is_not_known(node):
    shared = node.lane.shared
    shared.orders[7]["cl_ord_id"], shared.orders[7]["ord_status"], shared.orders[7]["leaves_qty"] = 99, desk.OrdStatus.UNKNOWN, 40
    shared.venues[1]["session_state"], shared.venues[1]["reject_code"] = desk.Session.REFUSED, ord("A")
    shared.halt_symbol[2] = Halt.RECONCILE
    found = (await desk.verbs(node).handle("reconcile", {}, PEER))["differences"]
    assert [(row["venue"], row["symbol"], row["cl_ord_id"]) for row in found] == [("NSDQ", "AAPL", "00000000000063"), ("EDGE", "", ""), ("", "", "")]
    assert "40 shares" in found[0]["what"]
    assert "(A)" in found[1]["what"]
    assert "symbol MSFT" in found[2]["what"]


async def test_a_person_s_word_reaches_the_lane_with_who_and_why(node):
    async with obeying(node) as (verbs, lane):
        assert await refusal(verbs.handle("accept", {"what": "00000000000063", "reason": " "}, PEER)) == 64
        assert await refusal(verbs.handle("accept", {"what": "00000000000063", "reason": "x" * 61}, PEER)) == 64
        assert await refusal(verbs.handle("accept", {"what": "nobody", "reason": "so"}, PEER)) == 64
        assert lane.seen == []
        ring = node.lane.shared.commands
        answer = await verbs.handle("accept", {"what": "00000000000063", "reason": "never arrived"}, PEER)
        assert answer["differences"] == []
        row = ring[int(node.lane.shared.control[0]["command_head"]) - 1]
        assert (int(row["verb"]), int(row["ref"])) == (Command.ACCEPT, 99)
        assert bytes(row["text"]).rstrip(b"\0").decode() == f"{PEER.name}: never arrived"
        await verbs.handle("accept", {"what": "EDGE", "reason": "a new day"}, PEER)
        assert lane.seen[-1] == (Command.ACCEPT, Scope.VENUE, 1)


async def test_a_reload_finds_a_file_that_was_added(make, tmp_path):
    node = make()
    async with obeying(node) as (verbs, _lane):
        (tmp_path / "rules.d" / "90-more.rules").write_text("risk symbol AAPL {\n  max_position  77 shares\n}\n")
        await verbs.handle("reload", {}, PEER)
        assert [it.limits["MAX_POSITION"][0] for it in node.lane.spec.limits] == [77, 77, 300]
        (tmp_path / "rules.d" / "90-more.rules").write_text("risk symbol AAPL {\n  max_position  77 USD\n}\n")
        with pytest.raises(Refused, match=r"90-more\.rules:2:17"):
            await verbs.handle("reload", {}, PEER)


async def test_a_policy_is_taken_whole_or_not_at_all(make, tmp_path):
    node = make()
    rules = tmp_path / "rules.d" / "10-test.rules"
    async with obeying(node, Command.RELOAD) as (verbs, lane):
        before = LaneSpec.read(node.folder / "run" / "lane0.json")
        rules.write_text(desk.POLICY.replace("1_000 shares", "900 shares"))
        assert await refusal(verbs.handle("reload", {}, PEER)) == 1
        assert LaneSpec.read(node.folder / "run" / "lane0.json") == before
        lane.refuse.clear()
        rules.write_text(desk.POLICY.replace("1_000 shares", "900 sheep"))
        lane.seen.clear()
        assert await refusal(verbs.handle("reload", {}, PEER)) == 1
        assert lane.seen == []
        rules.write_text(desk.POLICY.replace("1_000 shares", "900 shares"))
        answer = await verbs.handle("reload", {}, PEER)
        assert answer["version"] == 2
        assert node.lane.spec.limits[0].limits["MAX_POSITION"][0] == 900
    assert LaneSpec.read(node.folder / "run" / "lane0.json") == node.lane.spec


async def test_a_policy_on_trial_goes_back_by_itself(make, tmp_path):
    node = make()
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY.replace("1_000 shares", "500 shares"))
    async with obeying(node) as (verbs, _), trio.open_nursery() as nursery:
        applied = await verbs.handle("rules", {"verb": "apply", "paths": [str(other)], "confirm_s": 0.2}, PEER)
        assert applied["applied"]
        assert applied["confirm_by"] > time.time_ns() - 10**9
        assert node.lane.spec.limits[0].limits["MAX_POSITION"][0] == 500
        nursery.start_soon(node._see_to)
        await desk.until(lambda: node.lane.spec.limits[0].limits["MAX_POSITION"][0] == 1_000)
        nursery.cancel_scope.cancel()


async def test_a_confirmed_policy_stays_and_can_be_undone(make, tmp_path):
    node = make()
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY.replace("1_000 shares", "500 shares"))
    async with obeying(node) as (verbs, _):
        await verbs.handle("rules", {"verb": "apply", "paths": [str(other)], "confirm_s": 60}, PEER)
        await verbs.handle("rules", {"verb": "confirm"}, PEER)
        assert await refusal(verbs.handle("rules", {"verb": "confirm"}, PEER)) == 1
        history = (await verbs.handle("rules", {"verb": "history"}, PEER))["versions"]
        assert [row["version"] for row in history] == [1, 2]
        assert (await verbs.handle("rules", {"verb": "undo"}, PEER))["applied"]
        assert node.lane.spec.limits[0].limits["MAX_POSITION"][0] == 1_000
        assert (await verbs.handle("rules", {"verb": "undo", "version": 2}, PEER))["version"] == 4
        assert node.lane.spec.limits[0].limits["MAX_POSITION"][0] == 500
        who = {(row["who"], row["at"] > 0) for row in (await verbs.handle("rules", {"verb": "history"}, PEER))["versions"][1:]}
        assert who == {(PEER.name, True)}
        shown = await verbs.handle("rules", {"verb": "show", "version": 2}, PEER)
        assert "500 shares" in "".join(shown["files"].values())
        assert await refusal(verbs.handle("rules", {"verb": "show", "version": 99}, PEER)) == 1


async def test_what_nothing_acts_on_yet_is_named_when_applied_and_when_shown(make, tmp_path):
    node = make()
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY + LATER)
    async with obeying(node) as (verbs, _):
        applied = await verbs.handle("rules", {"verb": "apply", "paths": [str(other)]}, PEER)
        assert {"schedule day", "reputation"} <= set(applied["inactive"])
        shown = await verbs.handle("rules", {"verb": "show"}, PEER)
        assert shown["inactive"] == applied["inactive"]
        assert "half_life 30d" in "".join(shown["files"].values())


async def test_a_policy_too_long_to_be_journaled_in_pieces_is_taken_by_command(make, tmp_path, monkeypatch):
    node = make()
    monkeypatch.setattr(at, "STAGED_TEXT", 100)
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY.replace("1_000 shares", "500 shares"))
    async with obeying(node) as (verbs, lane):
        assert (await verbs.handle("rules", {"verb": "apply", "paths": [str(other)]}, PEER))["applied"]
        assert Command.RELOAD in [command for command, *_ in lane.seen]
    assert int(node.lane.shared.staged[0]["seq"]) == 0, "nothing was staged"


async def test_a_strategy_whose_file_was_edited_is_loaded_anew(make, tmp_path):
    node = make()
    file = tmp_path / "rules.d" / "mine.py"
    file.write_text((Path(noderrd.__file__).parent / "strategies" / "quotes.py").read_text())
    (tmp_path / "rules.d" / "10-test.rules").write_text(desk.POLICY.replace("strategies/quotes.py", "mine.py"))
    async with obeying(node) as (verbs, lane):
        await verbs.handle("reload", {}, PEER)
        lane.seen.clear()
        before = int(node.lane.shared.staged[0]["terms"])
        file.write_text(file.read_text() + "\n# edited\n")
        await verbs.handle("reload", {}, PEER)
        assert Command.RELOAD in [command for command, *_ in lane.seen]
        assert int(node.lane.shared.staged[0]["terms"]) == before, "nothing was staged: tables alone would not bring the new code"


async def test_a_daemon_that_dies_while_a_policy_is_put_into_force_comes_back_with_the_one_that_was_kept(make, tmp_path):
    node = make()
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY.replace("1_000 shares", "500 shares"))
    async with obeying(node):
        await node._take(policy.from_disk([other]))  # the lane runs by it, and the daemon is gone before the version is kept
    assert LaneSpec.read(node.folder / "run" / "lane0.json").limits[0].limits["MAX_POSITION"][0] == 500
    after = make()
    assert after.version.version == 1
    assert after.lane.spec.limits[0].limits["MAX_POSITION"][0] == 1_000
    assert LaneSpec.read(after.folder / "run" / "lane0.json") == after.lane.spec
    assert after._changed, "a lane that is taken over is told"


async def test_files_with_faults_are_told_and_nothing_changes(node, tmp_path):
    other = tmp_path / "other.rules"
    other.write_text(desk.POLICY.replace("1_000 shares", "500 sheep").replace("strategies/quotes.py", "strategies/none.py"))
    async with obeying(node) as (verbs, lane):
        answer = await verbs.handle("rules", {"verb": "apply", "paths": [str(other)]}, PEER)
    assert not answer["applied"]
    assert answer["version"] == 1
    assert "other.rules:2:" in answer["told"]
    assert [d["line"] for d in answer["diagnostics"] if d["severity"] == "error"]
    assert lane.seen == []
