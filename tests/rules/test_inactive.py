"""What is checked and kept and that nothing acts on yet is named, each by its name; what is acted on is not."""

import pytest
from policies import policy

from noderrd.control.circuits import PARTS
from rules import catalog, model

BLOCKS = """
venue NSDQ {
  fee     -20 mils maker, 30 mils taker
  weight  latency 0.4, cost 0.2, liquidity 0.3, reliability 0.1
  cap     60%
}

venue ARCX {
  fee  1 bps taker
}

schedule session {
  Mon-Fri 09:35-15:55 America/New_York
}

blackout night {
  Mon-Fri 20:00-04:00 America/New_York
}

strategy quotes {
  file     "quotes.py"
  symbols  GOOG
  during   session
}

model alpha {
  file      "alpha.onnx"
  act when  edge > 1.5 ticks
}

chaos delay {
  every   Sun 03:00 Etc/UTC
  inject  network.loss { on eth1  loss 1%  for 60s }
  steady  p99(tick_to_trade) over 5s < 200us
  recover within 2s
}

reputation {
  half_life  30d
  tier all   otherwise weight 1.0
}

risk default {
  max_position  10 shares
}
"""
ALERT = "alert a info {{\n  when  {}\n  do    {}\n}}\n"


def test_every_block_and_field_that_waits_for_its_feature_is_named():
    found = model.inactive(policy(BLOCKS))
    assert found == [
        "venue NSDQ: cap", "venue ARCX: fee as a ratio", "strategy quotes: during", "schedule session", "chaos delay",
        "reputation",
    ]  # fmt: skip
    kinds = {name.split(":")[0].split()[0] for name in found}
    assert kinds >= {kind for kind, spec in catalog.BLOCKS.items() if not spec.active}


@pytest.mark.parametrize(
    ("when", "do", "named"),
    [
        ("edge > 1 tick", "log, circuit_break(mesh) for 1min", "circuit_break(mesh)"),
        ("edge > 1 tick", "circuit_break(model) for 1min", "circuit_break(model)"),
        ("score < 0.5 or edge > 1 tick", "log", "score"),
        ("rate(rejects[venue = NSDQ]) over 30s > 1/s", "log", "rejects by venue"),
        ("p99(ack[symbol = GOOG, venue = NSDQ]) over 30s > 1ms", "log", "ack by symbol, venue"),
        ("max(edge, 2 * pnl[symbol = GOOG] / 1 USD * 1 tick) > 3 ticks", "log", "pnl by symbol"),
        ("ewma(ack) over 5s > 1ms", "log", "ewma of a latency"),
        ("delta(position[symbol = GOOG]) over 5s > 10 shares and pnl[strategy = quotes] < 0 USD", "circuit_break(router) for 1s", None),
        ("bandwidth[interface = eth1] > 5 Gbps and rate(rejects) over 30s > 1/s", "halt, flatten, cancel_all", None),
    ],
)
def test_what_an_alert_asks_in_vain_is_named(when, do, named):
    known = model.inactive(policy(BLOCKS))
    found = [name for name in model.inactive(policy(BLOCKS + ALERT.format(when, do))) if name not in known]
    assert found == ([f"alert a: {named}"] if named else [])


def test_parts_that_are_not_idle_are_taken_out_of_service():
    assert set(PARTS) == set(catalog.PARTS) - set(catalog.IDLE_PARTS)
