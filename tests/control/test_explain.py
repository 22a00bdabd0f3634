"""Every kind of rule explained: whether it is true now, with the values, where it stands."""

import datetime as dt

import pytest
import trio
from control import desk

from core.codes import Denial, Halt, OrdStatus
from core.feature import Feature
from core.layout import MAX_STRATEGIES
from noderrd.control.explain import Explainer
from noderrd.control.server import Refused

POLICY = (
    desk.POLICY
    + """
let tight = 3 ticks

risk strategy quotes {
  max_open_orders  4
  max_daily_loss   100 USD then halt
}

venue NSDQ {
  fee  -20 mils maker, 30 mils taker
  cap  60%
}

model alpha {
  file      "models/alpha.onnx"
  symbols   AAPL
  act when  edge > 1.5 ticks and spread < tight
}

notify ops {
  webhook  "http://127.0.0.1:9/x"
}

alert quotes_lost warning {
  when  fills > 5
  do    log
}

blackout night {
  Mon-Sun 22:00-06:00 America/New_York
}

reputation {
  half_life  30d
  tier all   otherwise  weight 1.0
}
"""
)
AT = int(dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC).timestamp()) * 10**9  # 07:00 in New York


@pytest.fixture
def node(make):
    return make(POLICY)


def explain(node, name, now_ns=AT):
    alerting = desk.verbs(node)._alerting
    alerting.watcher.watch(node.loaded.policy)
    return Explainer(node.loaded.policy, node.lane, alerting.watcher, alerting.read, now_ns).explain(name)


def place(node, text):
    """Give file:line of what a line of the policy begins with."""
    return f"{node.folder.parent}/rules.d/10-test.rules:{POLICY[: POLICY.index(text)].count(chr(10)) + 1}"


def said(found, word):
    """Give the one line of a trace that has a word in it."""
    (line,) = [line for line in found["trace"] if word in line]
    return line


def test_a_limit_shows_how_far_it_is_used_and_what_it_denied(node):
    shared, n = node.lane.shared, len(node.lane.spec.instruments)
    shared.positions[1]["position"], shared.positions[1]["open_buy"] = 600, 150  # quotes in AAPL at EDGE
    found = explain(node, "risk default")
    assert (found["value"], found["threshold"], found["true"]) == (750, 1_000, False)
    assert "max_position 1_000 shares: 750 now" in said(found, "max_position")
    assert "AAPL at EDGE" in said(found, "max_position")
    assert "asked of every order" in said(found, "price_collar")
    shared.positions[1]["open_buy"] = 400
    found = explain(node, "default")
    assert (found["value"], found["true"]) == (1_000, True), "nothing more passes"
    rule = node.lane.spec.limits[0].limits["PRICE_COLLAR"][1]
    for k, value in enumerate((70_000, 80_000)):
        row = shared.denials[k]
        row["cl_ord_id"], row["denial"], row["denial_limit"], row["denial_value"], row["denial_rule"] = k + 1, 7, 50_000, value, rule
    assert "denied 2 of late" in said(explain(node, "risk default"), "price_collar")
    assert "80000 against 50000" in said(explain(node, "risk default"), "price_collar")
    shared.positions[2]["position"] = -290  # MSFT: its own block binds, not the default's
    found = explain(node, "risk symbol MSFT")
    assert (found["rule"], found["value"], found["threshold"]) == (place(node, "risk symbol MSFT"), 290, 300)
    assert n == 3


def test_a_line_that_a_denial_names_can_be_asked_for(node):
    found = explain(node, place(node, "  max_order_value"))
    assert (found["rule"], len(found["trace"])) == (place(node, "  max_order_value"), 1)
    assert found["true"] is None, "it is about single orders"
    assert explain(node, "10-test.rules:2")["trace"][0].startswith("max_position")


def test_a_loss_limit_that_was_broken_is_true(node):
    accounts = node.lane.shared.accounts
    accounts[0]["profit"] = -90 * 10_000
    found = explain(node, "risk strategy quotes")
    assert (found["value"], found["threshold"], found["true"]) == (90, 100, False)
    accounts[0]["latched"], accounts[0]["latched_rule"] = Denial.MAX_DAILY_LOSS, node.lane.spec.limits[0].limits["MAX_DAILY_LOSS"][1]
    accounts[MAX_STRATEGIES]["latched_rule"] = -1
    found = explain(node, "risk strategy quotes")
    assert found["true"] is True
    assert "until a person resumes" in said(found, "was broken")


def test_a_model_s_condition_is_shown_symbol_by_symbol(node):
    row = node.lane.shared.products[0]
    node.lane.shared.products["model"] = -1
    assert explain(node, "model alpha")["trace"] == ["scores nothing here"]
    row["model"], row["score_ns"], row["score"] = 0, AT, (0.05, 0.1, 0.85)
    row["row"][Feature.SPREAD], row["row"][Feature.BID_VENUES], row["row"][Feature.ASK_VENUES] = 2, 1, 1
    found = explain(node, "model alpha")
    move = node.lane.spec.models[0].move
    assert move > 2, "the shipped model says how far prices move"
    assert found["value"] == pytest.approx(0.8 * move)
    assert found["threshold"] == 1.5
    assert found["true"] is True
    assert said(found, "AAPL: spread <") == "AAPL: spread < 3 ticks: true"
    row["row"][Feature.ASK_VENUES] = 0
    found = explain(node, "alpha")
    assert said(found, "AAPL: spread <") == "AAPL: spread < 3 ticks: unknown"
    assert found["true"] is False, "what is unknown is not acted on"


def test_a_calendar_says_until_when(node):
    found = explain(node, "blackout night")
    assert found["true"] is False
    assert said(found, "it is") == "it is Wed 2026-11-25 07:00 in America/New_York"
    assert said(found, "until") == "off until 2026-11-26 03:00:00+00:00"
    night = explain(node, "night", AT - 3 * 3600 * 10**9)
    assert night["true"] is True
    assert said(night, "until") == "on until 2026-11-25 11:00:00+00:00"


def test_a_cap_is_held_against_the_flow(node):
    orders = node.lane.shared.orders
    for k, (venue, qty) in enumerate(((0, 300), (1, 100))):
        orders[k]["cl_ord_id"], orders[k]["venue"], orders[k]["order_qty"], orders[k]["ord_status"] = k + 1, venue, qty, OrdStatus.NEW
    found = explain(node, "venue NSDQ")
    assert (found["value"], found["threshold"], found["true"]) == (0.75, 0.6, True)
    assert said(found, "nothing acts").endswith("venue NSDQ: cap")
    assert said(explain(node, "EDGE"), "counts")


def test_a_strategy_that_is_halted_is_not_true(node):
    node.lane.shared.strategies[0]["address"] = 1
    assert explain(node, "strategy quotes")["true"] is True
    node.lane.shared.control[0]["halt_strategy"][0] = Halt.OVER_BUDGET
    found = explain(node, "strategy quotes")
    assert found["true"] is False
    assert said(found, "halted") == "strategy quotes is halted: OVER_BUDGET"


def test_everything_that_is_declared_can_be_asked_for(node):
    for block in node.loaded.policy.blocks:
        found = explain(node, block.title)
        assert set(found) == {"rule", "value", "threshold", "true", "trace"}
        assert found["rule"].rpartition(":")[0] == f"{node.folder.parent}/rules.d/10-test.rules"
        assert found["trace"], block.title
    assert explain(node, "tight")["trace"] == ["tight = 3 ticks"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("risk defualt", "risk default"),
        ("quotes", "several rules"),
        ("other.rules:3", "no rule"),
        ("", "no rule"),
        ("10-test.rules:9999", "no rule"),
    ],
)
def test_a_name_that_is_none_is_told(node, name, told):
    verbs = desk.verbs(node)

    async def ask():
        await verbs.handle("explain", {"rule": name}, desk.PEER)

    with pytest.raises(Refused, match=told):
        trio.run(ask)
