"""Scenario files: what they may say, what a failure shows, what counts as exercised."""

import json
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from policies import ctl, policy

from rules import scenario
from rules.coverage import Coverage
from rules.decide import Order, Rates, Standing, decide
from rules.rehearse import run

POLICY = """\
risk default {
  max_order_size  100 shares
}

risk symbol GOOG {
  max_position  150 shares
}

notify ops {
  webhook  "http://localhost:1/hook"
}

alert wide warning {
  when      spread > 5 ticks and edge > 1 tick for 2s
  cooldown  10s
  do        log, webhook(ops)
}
"""


def read(text):
    return scenario.read("s.scenario", text.encode())


def scenarios(fields):
    lines = "\n  ".join(fields)
    found, faults, _ = read(f'scenario s {{\n  policy "p"\n  {lines}\n}}\n')
    assert faults == []
    return found[0]


def failures(*fields):
    found = policy(POLICY)
    return [f.message for f in run(found, scenarios(fields), Coverage(found))]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("given sprad = 5 ticks", "unknown metric 'sprad'"),
        ("given spread = 5 USD", "this is ticks, found 5 USD"),
        ("given orders rising 5", "this is a rate (/s), found 5"),
        ("given spread[symbl = GOOG] = 5 ticks", "'spread' is given by labels that are equal to something and that it has"),
        ("given spread[symbol != GOOG] = 5 ticks", "'spread' is given by labels that are equal to something and that it has"),
        ("given book is stael", "unknown state or subject 'stael'"),
        ("given bok is stale", "unknown state or subject 'bok'"),
        ("given spread 5 ticks", "'given' says: METRIC = VALUE, METRIC rising RATE, or SUBJECT is STATE"),
        ("given spread = 5 ticks every 0s", "a duration of 1ns to 1d is wanted here, this is 0ns"),
        ("given spread = 5 ticks every 1ns to 1h", "3_600_000_000_001 samples are given: at most 1_000_000 are allowed"),
        ("expect wide is firng at 5s", "an alert is never 'firng'"),
        ("expect wide is firing", "'expect' says: ALERT is [not] STATE at TIME"),
        ("order byu 5 shares GOOG for 1 USD on N by s at 1s is passed", "an order is to buy or to sell, not to 'byu'"),
        ("order buy 0.5 shares GOOG for 1 USD on N by s at 1s is passed", "an order is for whole shares or contracts, found 0.5 shares"),
        ("order buy 5 shares GOOG for 1 tick on N by s at 1s is passed", "a price is in USD, USDT, BTC, found 1 ticks"),
        ("order buy 5 shares GOOG for 1 USD on N by s at 1s is denied max_positon", "unknown limit 'max_positon'"),
        ("order buy 5 shares GOOG for 1 USD on N by s at 1s is granted", "an order is passed, or denied, or denied and a limit's name"),
        ("start 2026-11-27", "'start' wants a date, a time and a zone: start 2026-11-27 09:30 America/New_York"),
        ("start 2026-11-31 09:30 Etc/UTC", "day is out of range for month"),
        ("when spread > 5 ticks", "unknown field 'when' in scenario"),
    ],
)
def test_faults(field, message):
    found, faults, _ = read(f'scenario s {{\n  policy "p"\n  {field}\n}}\n')
    assert [(f.span.line in {1, 3}, f.message) for f in faults] == [(True, message)]
    assert found == []


def test_a_scenario_needs_a_policy_and_a_name_of_its_own():
    faults = [f.message for f in read('scenario s {\n}\nscenario s {\n  policy "p"\n}\n')[1]]
    assert faults == ["scenario s has no 'policy'", "scenario 's' is declared twice"]


def test_policy_blocks_do_not_belong_here_nor_scenarios_in_a_policy(tmp_path):
    assert read("venue NSDQ {\n}\n")[1][0].message == "unknown block 'venue'"
    (tmp_path / "a.rules").write_text('scenario s {\n  policy "p"\n}\n')
    assert "unknown block 'scenario'" in ctl("check", tmp_path / "a.rules").stderr


def test_expectations_that_hold():
    assert (
        failures(
            "given spread = 7 ticks from 1s to 6s",
            "given edge = 2 ticks",
            "expect wide is inactive at 0s",
            "expect wide is pending at 2s",
            "expect wide is not firing at 2s",
            "expect wide is firing at 3s",
            "expect wide is firing at 5_900ms",
        )
        == []
    )


def test_a_failure_says_what_was_and_why():
    found = policy(POLICY)
    failed = run(found, scenarios(["given spread = 3 ticks", "expect wide is firing at 5s"]), Coverage(found))
    assert [f.message for f in failed] == ["wide is inactive"]
    assert failed[0].why == (
        "spread: 3 ticks",
        "spread > 5 ticks: false",
        "edge: missing",
        "edge > 1 ticks: unknown",
        "spread > 5 ticks and edge > 1 ticks: false",
    )


def test_orders():
    assert failures("order buy 100 shares AAPL for 1 USD on N by s at 1s is passed") == []
    assert failures("order buy 101 shares AAPL for 1 USD on N by s at 1s is passed") == [
        "the order was denied by max_order_size at test.rules:2:3: 100 allowed, 101 asked"
    ]
    assert failures("order buy 100 shares AAPL for 1 USD on N by s at 1s is denied") == ["the order passed"]
    assert failures("order buy 101 shares AAPL for 1 USD on N by s at 1s is denied max_position") != []
    assert (
        failures(
            "given position[symbol = GOOG, strategy = s] = 60 shares", "order buy 91 shares GOOG for 1 USD on N by s at 1s is denied max_position"
        )
        == []
    )
    assert failures("given position[symbol = GOOG, strategy = s] = 60 shares", "order sell 91 shares GOOG for 1 USD on N by s at 1s is passed") == []


def test_coverage_of_blocks_and_branches():
    found = policy(POLICY)
    seen = Coverage(found)
    run(found, scenarios(["given spread = 3 ticks", "order buy 101 shares A for 1 USD on N by s at 1s is denied"]), seen)
    assert [said for _, said in seen.never()] == [
        "risk symbol GOOG never acted",
        "alert wide never acted",
        "notify ops never acted",
        "risk default: max_order_size was never passed",
        "risk symbol GOOG: max_position was never passed",
        "risk symbol GOOG: max_position was never denied",
        "alert wide: when spread > 5 ticks was never true",
        "alert wide: when edge > 1 ticks was never true",
        "alert wide: when edge > 1 ticks was never false",
    ]
    run(found, scenarios(["given spread = 9 ticks", "given edge = 2 ticks", "expect wide is firing at 3s"]), seen)
    assert "alert wide never acted" not in [said for _, said in seen.never()]


LIMITS = policy(
    """\
risk default {
  max_order_size   100 shares
  max_order_value  1_000 USD
  price_collar     5%
  max_position     200 shares
  max_open_orders  3
  max_order_rate   2/s
  max_daily_loss   50 USD
}

risk strategy a {
  max_position  50 shares
}
"""
)


@pytest.mark.parametrize(
    ("change", "own", "account", "limit"),
    [
        ({}, Standing(), Standing(), None),
        ({"quantity": 100, "price": 10}, Standing(), Standing(), None),
        ({"quantity": 101, "price": 1}, Standing(), Standing(), "max_order_size"),
        ({"quantity": 100, "price": 11}, Standing(), Standing(), "max_order_value"),
        ({"price": "10.50"}, Standing(), Standing(), None),
        ({"price": "10.51"}, Standing(), Standing(), "price_collar"),
        ({"price": "9.49"}, Standing(), Standing(), "price_collar"),
        ({"strategy": "a"}, Standing(40), Standing(40), None),
        ({"strategy": "a"}, Standing(41), Standing(41), "max_position"),
        ({"strategy": "a", "side": "sell"}, Standing(-41), Standing(-41), "max_position"),
        ({"strategy": "a"}, Standing(0), Standing(191), "max_position"),
        ({}, Standing(open_orders=2), Standing(open_orders=2), None),
        ({}, Standing(open_orders=3), Standing(open_orders=3), "max_open_orders"),
        ({}, Standing(loss=50), Standing(loss=50), None),
        ({}, Standing(loss=51), Standing(loss=51), "max_daily_loss"),
    ],
)
def test_decisions_by_one_unit(change, own, account, limit):
    facts = {"side": "buy", "quantity": 10, "symbol": "GOOG", "price": 10, "venue": "N", "strategy": "b"} | change
    order = Order(**(facts | {"price": Fraction(facts["price"])}))
    denial = decide(LIMITS, order, own, account, Fraction(10), Rates(), 0)
    assert (denial.limit if denial else None) == limit


def test_a_collar_without_a_reference_denies():
    denial = decide(LIMITS, Order("buy", 1, "GOOG", Fraction(10), "N", "b"), Standing(), Standing(), None, Rates(), 0)
    assert denial.limit == "price_collar"
    assert "there is no mid" in str(denial)


def test_rates_refill():
    rates = Rates()
    second = 10**9
    assert [rates.take("a", 2, t) for t in (0, 0, 0, second // 2, second // 2, 10 * second, 10 * second, 10 * second)] == [
        True, True, False, True, False, True, True, False,
    ]  # fmt: skip


MODEL = """\
model alpha {
  file      "alpha.onnx"
  act when  edge > 1 tick and uncertainty < 0.5
}

model plain {
  file  "plain.onnx"
}
"""


def test_a_model_acts_while_its_condition_holds():
    found = policy(MODEL)
    coverage = Coverage(found)
    one = scenarios(
        (
            "given edge = 2 ticks from 2s to 20s", "given uncertainty = 0.1", "expect alpha is not acting at 1s", "expect alpha is acting at 3s",
            "expect alpha is not acting at 40s", "expect alpha is not acting at 10s",
        )
    )  # fmt: skip
    (failure,) = run(found, one, coverage)
    assert failure.message == "alpha is acting"
    assert "edge > 1 ticks: true" in failure.why
    assert coverage.blocks == {"model alpha"}
    assert [said for _, said in coverage.never()] == [
        "model alpha: act when edge > 1 ticks was never false",
        "model alpha: act when uncertainty < 0.5 was never false",
    ]
    assert [d.message for d in scenario.unknown(scenarios(["expect plain is acting at 1s"]), found)] == [
        "the policy has no model with 'act when' called 'plain'"
    ]


def test_the_tool(tmp_path):
    (tmp_path / "p.rules").write_text(POLICY)
    (tmp_path / "a.scenario").write_text(
        'scenario good {\n  policy "p.rules"\n  given spread = 3 ticks\n  expect wide is inactive at 3s\n}\n'
        'scenario bad {\n  policy "p.rules"\n  given spread = 3 ticks\n  expect wide is firing at 3s\n}\n'
    )
    junit = tmp_path / "junit.xml"
    done = ctl("test", tmp_path, "--json", "--junit", junit)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["passed"], found["failed"]) == (1, 1)
    assert found["failures"][0]["rule"] == f"{tmp_path}/a.scenario:9:3"
    suite = ET.fromstring(junit.read_text())
    assert suite.attrib == {"name": "rules", "tests": "2", "failures": "1", "errors": "0"}
    assert suite[1][0].attrib["message"].endswith("wide is inactive")
    human = ctl("test", tmp_path).stdout
    assert "expect wide is firing at 3s: wide is inactive" in human
    assert "spread > 5 ticks: false" in human


def test_the_tool_tells_what_it_cannot_run(tmp_path):
    (tmp_path / "a.scenario").write_text('scenario a {\n  policy "nowhere.rules"\n}\n')
    assert "no file is called nowhere.rules" in ctl("test", tmp_path).stderr
    (tmp_path / "p.rules").write_text(POLICY)
    (tmp_path / "a.scenario").write_text('scenario a {\n  policy "p.rules"\n  expect wdie is firing at 1s\n}\n')
    assert "the policy has no alert 'wdie'" in ctl("test", tmp_path).stderr
    (tmp_path / "p.rules").write_text("venue {")
    assert ctl("test", tmp_path).returncode == 1
    (tmp_path / "a.scenario").unlink()
    assert "there is no scenario" in ctl("test", Path(tmp_path)).stderr
