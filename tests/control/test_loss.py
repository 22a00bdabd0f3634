"""A daemon that is killed and does not come back, a whole node that loses its power: each against a simulated exchange, whose word is the truth."""

import json
import os
import signal

import pytest
from control.house import RULES, SOON_S, House

from core.codes import Counter, Halt, OrdStatus
from noderrd.demo import plan
from noderrd.journal import segment
from noderrd.journal.verify import verify
from noderrd.rig.process import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path):
    it = House(tmp_path)
    yield it
    it.venue.child.stop()


def lost(house, policy):
    """Start a node with a policy, have it trade, kill its daemon; gives the lane's memory and its process."""
    house.rules.write_text(RULES.format(most=64) + f"\non daemon_loss {policy}\n")
    node = house.start()
    assert wait_until(lambda: node.counters()["fills"] > 0 and house.open_at_venue() > 0, SOON_S)
    lane, shared = node.lane_pid(), house.memory()
    os.kill(node.child.pid, signal.SIGKILL)
    assert wait_until(lambda: not node.child.alive, SOON_S)
    return node, lane, shared


def back(house, lane):
    """Start the next daemon, which finds the lane as it is."""
    again = house.start()
    assert again.lane_pid() == lane
    return again


def orders(shared):
    return int(shared.control[0]["counters"][Counter.ORDERS])


def test_trade_on_changes_nothing(house):
    _, lane, shared = lost(house, "trade_on")
    before = orders(shared)
    assert wait_until(lambda: orders(shared) > before + 20, SOON_S)
    assert (shared.control[0]["reduce_only"], shared.control[0]["halt_node"]) == (0, 0)
    assert back(house, lane).stop() == 0


def test_reduce_only_cancels_and_opens_nothing_more_until_a_daemon_is_back(house):
    _, lane, shared = lost(house, "reduce_only after 2s")
    assert wait_until(lambda: shared.control[0]["reduce_only"] == 1, SOON_S)

    def exposed():
        return int(abs(shared.positions["position"]).sum())

    assert wait_until(lambda: not ((shared.orders["ord_status"] == OrdStatus.PENDING_CANCEL).any()), SOON_S)
    held = exposed()
    denials = int(shared.control[0]["counters"][Counter.DENIALS])
    assert wait_until(lambda: int(shared.control[0]["counters"][Counter.DENIALS]) > denials + 5, SOON_S), "strategies still ask"
    assert exposed() <= held
    again = back(house, lane)
    assert wait_until(lambda: shared.control[0]["reduce_only"] == 0, SOON_S)
    before = orders(shared)
    assert wait_until(lambda: orders(shared) > before, SOON_S)
    assert again.stop() == 0


def test_cancel_leaves_nothing_open_and_the_node_halted_until_a_person_resumes(house):
    _, lane, shared = lost(house, "cancel after 2s")
    assert wait_until(lambda: shared.control[0]["halt_node"] == Halt.DAEMON_LOST, SOON_S)
    assert wait_until(lambda: house.open_at_venue() == 0, SOON_S)
    again = back(house, lane)
    assert again.ask("status")["halts"] == [{"scope": "node", "reason": "DAEMON_LOST"}]
    before = orders(shared)
    assert house.ctl("resume")[0] == 0
    assert wait_until(lambda: orders(shared) > before, SOON_S)
    assert again.stop() == 0


def test_after_a_power_loss_the_journal_and_the_venue_give_everything_back(house):
    """All processes die at once, shared memory is gone, the journal's last record is torn; the exchange trades on meanwhile."""
    node = house.start()
    assert wait_until(lambda: node.counters()["fills"] > 20 and house.open_at_venue() > 0, SOON_S)
    pids = [p["pid"] for p in node.ask("status")["processes"]]
    before = house.memory()
    session, number = bytes(before.venues[0]["order_session"]), int(before.venues[0]["order_seq"])
    for pid in (node.child.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not node.child.alive, SOON_S)
    house.shared.unlink()
    path = segment.places(house.state / "journal")["lane0"][-1].path
    raw = path.read_bytes()
    used = len(raw.rstrip(b"\0"))
    path.write_bytes(raw[: used - 50].ljust(len(raw), b"\0"))
    again = house.start()
    try:
        said = [json.loads(line) for line in (house.state / "logs" / "daemon.jsonl").read_text().splitlines()]
        assert any("made anew from the journal" in row.get("event", "") for row in said)
        shared = house.memory()
        assert bytes(shared.venues[0]["order_session"]) == session
        assert int(shared.venues[0]["order_seq"]) >= number
        house.venue.ask("flow", on=False)
        again.ask("pause")

        def ours():
            rows = again.ask("positions")["positions"]
            live = [(o["user_ref_num"], o["leaves_qty"]) for o in again.ask("orders", "--open")["orders"]]
            return {r["symbol"]: r["position"] for r in rows if r["position"]}, sorted(live)

        def theirs():
            held = house.venue.ask("positions", user=plan.USER)["positions"]
            live = [(o["user_ref_num"], o["leaves_qty"]) for o in house.venue.ask("orders", user=plan.USER)["orders"]]
            return {symbol: row["position"] for symbol, row in held.items() if row["position"]}, sorted(live)

        assert wait_until(lambda: ours() == theirs(), SOON_S), (ours(), theirs())
        assert ours()[0]
        assert int(shared.control[0]["halt_node"]) == Halt.NONE
        for symbol in {h["scope"].split()[1] for h in again.ask("status")["halts"]}:  # orders whose records the disk had not yet got
            assert house.ctl("reconcile", "--accept", symbol, "--reason", "seen")[0] in {0, 2}
        house.venue.ask("flow", on=True)
        again.ask("continue")
        filled = again.counters()["fills"]
        assert wait_until(lambda: again.counters()["fills"] > filled, SOON_S)
    finally:
        again.stop()
    assert verify(house.state / "journal").ok
