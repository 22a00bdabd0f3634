"""A whole node against a simulated exchange, steered as an operator would: one story, because a start takes seconds.

`node` is the daemon's process; the venue's own word (its admin socket) is what the node's is compared with.
"""

import json
import os
import signal
import time

import pytest
from control.house import EXCHANGE, RULES, SOON_S, START_S, House

from noderrd.demo import plan, snapshot
from noderrd.rig.process import Failed, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    it = House(tmp_path_factory.mktemp("house"))
    yield it
    it.venue.child.stop()


@pytest.fixture
def node(house):
    it = house.start()
    yield it
    it.stop()
    it.child.kill()


def grows(node, counter):
    """Wait until a counter of the lane has grown."""
    before = node.counters()[counter]
    assert wait_until(lambda: node.counters()[counter] > before, SOON_S), counter


def stands_still(node, counter, seconds=1.0):
    """Tell whether a counter of the lane stays as it is, once what was under way is over."""
    time.sleep(0.3)
    before = node.counters()[counter]
    time.sleep(seconds)
    return node.counters()[counter] == before


def denied(node, code):
    """Give the denials with a code."""
    return [o["denial"] for o in node.ask("orders")["orders"] if o.get("denial", {}).get("code") == code]


def test_an_operator_s_day(house, node):
    grows(node, "fills")

    status = node.ask("status")
    assert (status["state"], status["mode"], status["halts"]) == ("ready", "armed", [])
    assert [p["name"] for p in status["processes"]] == ["lane0", "journal", "guard"]
    assert all(p["state"] == "ready" and p["pid"] for p in status["processes"])
    assert {o["ord_status"] for o in node.ask("orders")["orders"]} >= {"FILLED"}
    assert wait_until(lambda: node.ask("latency")["tick_to_trade"]["n"] > 0, SOON_S)

    assert house.ctl("halt") == (0, {"ok": True, "acted": 1, "failed": 0})
    assert node.ask("status")["halts"] == [{"scope": "node", "reason": "OPERATOR"}]
    assert stands_still(node, "orders")
    assert house.ctl("resume")[0] == 0
    grows(node, "orders")
    assert house.ctl("halt", "--symbol", "MSFT")[0] == 0
    assert node.ask("status")["halts"] == [{"scope": "symbol MSFT", "reason": "OPERATOR"}]
    assert house.ctl("resume", "--symbol", "MSFT")[0] == 0

    assert house.ctl("pause")[0] == 0
    assert house.ctl("cancel-all")[0] == 0
    assert wait_until(lambda: house.open_at_venue() == 0, SOON_S)
    assert house.ctl("flatten")[0] in {0, 1}
    assert house.ctl("continue")[0] == 0
    grows(node, "orders")

    house.rules.write_text("# one line more\n" + RULES.format(most=1))
    code, answer = house.ctl("reload")
    assert (code, answer["version"]) == (0, 2)
    assert wait_until(lambda: bool(denied(node, "MAX_OPEN_ORDERS")), SOON_S)
    assert denied(node, "MAX_OPEN_ORDERS")[-1]["rule"].endswith("house.rules:8")
    assert house.ctl("rules", "undo")[0] == 0
    house.rules.write_text("risk default {\n")
    assert house.ctl("reload")[0] == 1
    house.rules.write_text(RULES.format(most=64))
    grows(node, "orders")

    assert house.ctl("disarm", "--venue", EXCHANGE.name)[0] == 0
    assert wait_until(lambda: house.open_at_venue() == 0, SOON_S)
    assert node.ask("status")["mode"] == "off"
    assert house.ctl("arm", "--venue", EXCHANGE.name, "--until", "2000-01-01T00:00:00+00:00", "--yes")[0] == 64
    tomorrow = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 86_400))
    assert house.ctl("arm", "--venue", EXCHANGE.name, "--until", tomorrow, "--yes")[0] == 0
    assert node.ask("status")["mode"] == "armed"
    grows(node, "orders")

    code, drill = house.ctl("drill", "--yes")
    assert (code, [check["name"] for check in drill["checks"]]) == (0, ["guard", "sessions", "cancel_on_disconnect", "kill"])
    assert {check["name"]: check["open_after"] for check in drill["checks"] if check["open_before"]}.items() <= {
        "guard": 0, "sessions": 1, "cancel_on_disconnect": 0, "kill": 0,
    }.items()  # fmt: skip
    grows(node, "orders")


ALERTS = """
strategy looker {
  file     "looker.py"
  symbols  AAPL
}

model alpha {
  file      "models/alpha.onnx"
  act when  ACT
}

alert busy info {
  when  rate(orders) over 3s > 0.1/s for 1s
  do    log
}

alert halted warning {
  when  node is halted
  do    log
}
"""
LOOKER = """\
from noderrd.strategies import note, strategy


@strategy(timer="50ms")
def on_event(event, view, params, state, out):
    note(view, 7, view[0]["score_on"])
    return 0
"""
STEP_NS = 10**9


def logged(house, event, since=0):
    """Give what the daemon's log says of an event, but for its first lines."""
    lines = (house.state / "logs" / "daemon.jsonl").read_text().splitlines()[since:]
    return [line for line in map(json.loads, lines) if line["event"] == event]


def test_rules_decide_in_the_lane_and_what_fired_is_found_again(house, node):
    """`act when` keeps scores from strategies; denials are logged with their line; a backtest of the journal finds what fired, and when."""

    def reload(text):
        house.rules.write_text(text)
        code, answer = house.ctl("reload")
        assert code == 0, answer

    def alert(name):
        rows = node.ask("alerts", "--history")["alerts"]
        return [(row["state"], row["since"]) for row in rows if row["alert"] == name and row["since"] > since_ns]

    def is_now(name, state):
        return wait_until(lambda: [s for s, _ in alert(name)][-1:] == [state], SOON_S)

    def denied_by(line):
        return [it for it in logged(house, "denied", lines) if it["rule"].endswith(f"house.rules:{line}")]

    def looks():
        seen = len(logged(house, "note"))
        assert wait_until(lambda: len(logged(house, "note")) > seen + 3, SOON_S)
        return {line["value"] for line in logged(house, "note")[seen + 1 :]}

    since_ns, lines = time.time_ns(), len((house.state / "logs" / "daemon.jsonl").read_text().splitlines())
    (house.rules.parent / "looker.py").write_text(LOOKER)
    reload(RULES.format(most=64) + ALERTS.replace("ACT", "uncertainty < 1.0 and spread > 1_000_000 ticks"))
    lane = node.lane_pid()
    assert wait_until(lambda: node.counters()["scores_held"] > 0, SOON_S)
    assert looks() == {0}, "a score that may not be acted on is not shown"
    code, said = house.ctl("rules", "explain", "model", "alpha")
    assert (code, said["true"]) == (0, False)
    assert any("spread > 1_000_000 ticks: false" in line for line in said["trace"])
    assert is_now("busy", "firing")
    reload(RULES.format(most=64) + ALERTS.replace("ACT", "spread < 1_000_000 ticks or uncertainty <= 1"))
    assert wait_until(lambda: looks() == {1}, SOON_S)
    assert (node.lane_pid(), house.ctl("rules", "explain", "alpha")[1]["true"]) == (lane, True)
    held = node.counters()["scores_held"]
    grows(node, "model_runs")
    assert node.counters()["scores_held"] == held

    for k in range(2):
        reload("# a line\n" * k + RULES.format(most=1) + ALERTS.replace("ACT", "uncertainty <= 1"))
        assert wait_until(lambda line=7 + k: bool(denied_by(line)), SOON_S)
        it = denied_by(7 + k)[-1]
        assert (it["code"], it["limit"], it["strategy"], it["value"] > 1) == ("MAX_OPEN_ORDERS", 1, "quotes", True)
    assert denied_by(7), "the first one stays as it was when it was decided"
    reload(RULES.format(most=64) + ALERTS.replace("ACT", "uncertainty <= 1"))

    assert is_now("busy", "firing")
    since_ns = time.time_ns()
    assert house.ctl("halt")[0] == 0
    assert is_now("halted", "firing")
    assert is_now("busy", "resolved")
    assert house.ctl("resume")[0] == 0
    assert is_now("halted", "resolved")
    assert is_now("busy", "firing")
    time.sleep(2.5)  # the last of it is on the disk, and the backtest has stepped over it
    code, past = house.ctl("rules", "backtest", str(house.rules), str(house.state / "journal"))
    assert code == 0
    for name in ("busy", "halted"):
        fired = alert(name)
        found = [(row["state"], row["since"]) for row in past["transitions"] if row["alert"] == name and row["since"] > since_ns]
        assert [state for state, _ in found[: len(fired)]] == [state for state, _ in fired]
        assert max(abs(a - b) for (_, a), (_, b) in zip(found, fired, strict=False)) <= 5 * STEP_NS, "each is stepped once a second, by its own clock"
    house.rules.write_text(RULES.format(most=64))


def test_a_lane_that_dies_comes_back_and_all_is_equal(house, node):
    grows(node, "fills")
    first = node.lane_pid()
    node.kill_lane()
    node.child.wait_until(lambda: node.lane().get("pid") not in {0, first, None} and node.lane()["state"] == "ready", START_S, "has no lane")
    assert node.lane()["restarts"] == 1
    node.wait_trading([EXCHANGE.name])
    grows(node, "fills")
    same(house, node)


def test_a_lane_s_spare_takes_its_place_and_the_venue_sees_nothing(house):
    config = house.state / "noderrd.toml"
    plain = config.read_text()
    config.write_text(plain.replace("[lane]\n", "[lane]\nspare = true\n"))
    node = house.start()
    try:
        grows(node, "fills")

        def spare():
            rows = {p["name"]: p for p in node.ask("status")["processes"]}
            return rows["lane0-spare"] if rows.get("lane0-spare", {}).get("state") == "ready" else {}

        assert wait_until(lambda: bool(spare()), START_S)
        first, warm, logins = node.lane_pid(), spare()["pid"], node.counters()["logins"]
        node.kill_lane()
        node.child.wait_until(lambda: node.lane().get("pid") == warm and node.lane()["state"] == "ready", SOON_S, "has no lane")
        assert node.lane()["restarts"] == 1
        node.wait_trading([EXCHANGE.name])
        grows(node, "fills")
        same(house, node)
        assert node.counters()["logins"] in {logins, logins + 1}  # one more where the kill hit it in the middle of a message
        assert wait_until(lambda: spare().get("pid") not in {None, warm, first}, START_S), "there is another one"
        renewed = spare()["pid"]
        house.rules.write_text(RULES.format(most=64) + '\nmodel alpha {\n  file "models/alpha.onnx"\n}\n')
        assert house.ctl("reload")[0] == 0
        assert wait_until(lambda: spare().get("pid") not in {None, renewed}, START_S), "it has loaded what the lane has"
    finally:
        house.rules.write_text(RULES.format(most=64))
        assert node.stop() == 0
        config.write_text(plain)
    assert not house.shared.exists()


def same(house, node):
    """Stop the flow and compare books, positions and orders with the venue's."""
    house.venue.ask("flow", on=False)
    node.ask("pause")

    def ours():
        return snapshot.of_node(node.ask("books"), node.ask("positions"), node.ask("orders"))

    def theirs():
        said = [house.venue.ask("books"), *(house.venue.ask(what, user=plan.USER) for what in ("positions", "orders"))]
        return snapshot.of_venues({EXCHANGE.name: tuple(said)})

    wait_until(lambda: ours() == theirs(), 20.0)
    mine, its = ours(), theirs()
    house.venue.ask("flow", on=True)
    node.ask("continue")
    assert mine.books == its.books
    assert mine.positions == its.positions
    assert mine.orders == its.orders


def test_a_daemon_that_dies_leaves_its_lane_trading_and_the_next_takes_it_over(house, node):
    lane, orders = node.lane_pid(), node.counters()["orders"]
    os.kill(node.child.pid, signal.SIGKILL)
    assert wait_until(lambda: not node.child.alive, SOON_S)
    os.kill(lane, 0)
    with pytest.raises(Failed):
        node.ask("status")
    again = house.start()
    try:
        assert again.lane_pid() == lane
        assert again.lane()["restarts"] == 0
        assert again.counters()["orders"] >= orders
        same(house, again)
    finally:
        assert again.stop() == 0
    assert not house.shared.exists()


def test_a_kill_holds_over_a_restart_until_somebody_else_releases_it(house, node):
    grows(node, "orders")
    assert house.ctl("kill")[0] == 0
    assert wait_until(lambda: house.open_at_venue() == 0, SOON_S)
    assert stands_still(node, "orders")
    assert house.ctl("resume")[0] == 77
    assert house.ctl("release")[0] == 77
    assert node.stop() == 0
    again = house.start()
    try:
        assert again.ask("status")["halts"] == [{"scope": "node", "reason": "KILLED"}]
        assert stands_still(again, "orders")
        assert house.ctl("release")[0] == 77
    finally:
        again.stop()
    latches = house.state / "latches.json"
    said = json.loads(latches.read_text())
    said["kills"][0]["uid"] += 1  # as if another person had killed
    latches.write_text(json.dumps(said))
    last = house.start()
    try:
        assert house.ctl("release")[0] == 0
        grows(last, "orders")
    finally:
        last.stop()


def test_a_stop_cancels_keeps_positions_and_leaves_nothing_behind(house, node):
    grows(node, "fills")
    node.ask("pause")
    time.sleep(0.5)
    held = {(p["symbol"], p["strategy"]): (p["position"], p["realised"], p["fills"]) for p in node.ask("positions")["positions"]}
    assert held
    pids = [p["pid"] for p in node.ask("status")["processes"]]
    code, answer = house.ctl("stop")
    assert (code, answer["failed"]) == (0, 0)
    assert wait_until(lambda: not node.child.alive, SOON_S)
    assert house.open_at_venue() == 0
    assert not house.shared.exists()
    assert not (house.state / "noderrd.sock").exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    again = house.start()
    again.ask("pause")
    try:
        taken = {(p["symbol"], p["strategy"]): (p["position"], p["realised"], p["fills"]) for p in again.ask("positions")["positions"]}
        assert {key: taken[key][2] >= held[key][2] for key in held} == dict.fromkeys(held, True)
    finally:
        again.stop()


def test_a_second_ctrl_c_leaves_at_once(house, node):
    grows(node, "orders")
    pids = [p["pid"] for p in node.ask("status")["processes"]]
    os.kill(pids[0], signal.SIGSTOP)  # a lane that does not end by itself
    os.kill(node.child.pid, signal.SIGINT)
    time.sleep(0.5)
    assert node.child.alive
    os.kill(node.child.pid, signal.SIGINT)
    assert wait_until(lambda: not node.child.alive, SOON_S)
    assert node.child.stop() == 130
    assert not house.shared.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
