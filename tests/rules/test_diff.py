"""Differences are of meaning: every field of every kind of block is one, and layout, order and units are none."""

from pathlib import Path

import pytest
from policies import policy

from rules.diff import diff
from rules.format import format_text
from rules.parse import parse
from rules.span import Source

UNTIL = "p99(tick_to_trade) over 10s < 40us"
TEXT = (Path(__file__).parent / "policy.good.rules").read_text()


def changes(old, new):
    return [(c.block, c.field, c.old, c.new) for c in diff(policy(old), policy(new))]


def test_layout_units_constants_and_order_are_no_change():
    same = (
        TEXT.replace("cooldown  30s", "cooldown  30_000 ms  # half a minute")
        .replace("fast = 50us", "fast = 0.00005s")
        .replace('GOOG, "BTC-USD"', '"BTC-USD", GOOG')
    )
    lets, rest = same[: same.index("risk default")], same[same.index("risk default") :]
    blocks = rest.split("\n\n")
    assert changes(TEXT, lets + "\n\n".join(reversed(blocks))) == []
    assert changes(TEXT, format_text(parse(Source("", same)))) == []


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("cooldown  30s", "cooldown  31s", ("alert slow_tick", "cooldown", "30s", "31s")),
        ("slow_tick critical", "slow_tick warning", ("alert slow_tick", "severity", "critical", "warning")),
        ("for 30s", "for 31s", ("alert slow_tick", "until", f"{UNTIL} for 30s", f"{UNTIL} for 31s")),
        ("max_position  2_000 shares", "max_position  1_999 shares", ("risk symbol GOOG", "max_position", "2_000 shares", "1_999 shares")),
        (
            "desk_loss then halt\n}\n\nrisk symbol G",
            "desk_loss\n}\n\nrisk symbol G",
            ("risk default", "max_daily_loss", "50_000 USD then halt", "50_000 USD"),
        ),
        ("-20 mils", "-21 mils", ("venue NSDQ", "fee maker", "-20 mils", "-21 mils")),
        ("latency 0.4, cost 0.2", "latency 0.6", ("venue NSDQ", "weight latency", "0.4", "0.6")),
        ("decay = 250ms, ", "", ("strategy quotes", "set decay", "250ms", None)),
        ("  budget   20us\n", "", ("strategy quotes", "budget", "20us", None)),
        ("imbalance, microprice", "microprice, imbalance", ("model alpha", "features", "imbalance, microprice", "microprice, imbalance")),
        (
            "edge > 1.5 ticks and",
            "edge > 2 ticks and",
            ("model alpha", "act when", "edge > 1.5 ticks and uncertainty < 0.3", "edge > 2 ticks and uncertainty < 0.3"),
        ),
        ("?team=desk", "", ("notify ops", "webhook", "https://alerts.example/hook?team=desk", "https://alerts.example/hook")),
        ("2026-12-25, ", "", ("schedule open", "except", "2026-12-25, 2027-01-01", "2027-01-01")),
        ("on eth1", "on eth2", None),
        ("within 2s", "within 3s", ("chaos weekly_latency", "recover", "within 2s", "within 3s")),
        ("half_life  30d", "half_life  31d", ("reputation", "half_life", "30d", "31d")),
        ("0.25", "0.2", ("reputation", "tier probation", "otherwise weight 0.25", "otherwise weight 0.2")),
    ],
)
def test_a_changed_field_is_told(old, new, change):
    assert old in TEXT
    found = changes(TEXT, TEXT.replace(old, new, 1))
    assert found[0][1] == "inject" if change is None else change in found
    assert len(found) == (2 if "latency 0.6" in new else 1)


def test_blocks_come_and_go():
    block = TEXT[TEXT.index("alert stale") : TEXT.index("schedule open")]
    without = TEXT.replace(block, "")
    facts = "severity info; when book[symbol = GOOG, venue != NSDQ] is stale or venue[venue = NSDQ] is not up; do log"
    assert changes(TEXT, without) == [("alert stale", None, facts, None)]
    assert changes(without, TEXT) == [("alert stale", None, None, facts)]
