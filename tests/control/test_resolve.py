"""Configuration and policy become a lane's spec: indexes, px, the tightest limit and the rule that said it; every misfit with its line."""

import dataclasses
from fractions import Fraction

import pytest
from control import desk

from noderrd import config as configuration
from noderrd import settings
from noderrd.control import lanes, policy, resolve


def spec_of(tmp_path, text=desk.POLICY, last=None):
    config = configuration.read(desk.write(tmp_path, text))
    loaded = policy.from_disk(config.rules_paths())
    assert loaded.policy is not None, [str(d) for d in loaded.diagnostics]
    return resolve.lane_spec(config, loaded.policy, lanes.places("lane0", config.node.state), last)


def refused(tmp_path, *change):
    text = desk.POLICY
    for k in range(0, len(change), 2):
        assert change[k] in text
        text = text.replace(change[k], change[k + 1])
    with pytest.raises(resolve.Unresolved) as caught:
        spec_of(tmp_path, text)
    return [(found.span.line, found.message) for found in caught.value.found]


def test_names_become_places_and_prices_px(tmp_path):
    spec = spec_of(tmp_path)
    assert [(v.name, v.maker_mils, v.taker_mils, v.armed) for v in spec.venues] == [("NSDQ", 0, 0, False), ("EDGE", -25, 29, True)]
    assert spec.products == ["AAPL", "MSFT"]
    assert [(it.symbol, it.venue, it.tick, it.reference) for it in spec.instruments] == [
        ("AAPL", 0, 100, 0), ("AAPL", 1, 100, 0), ("MSFT", 1, 500, 4_100_000)
    ]  # fmt: skip
    assert spec.strategies[0].params == {"half_spread": 2.0, "clip": 50.0}
    assert spec.strategies[0].file.endswith("strategies/quotes.py")
    assert spec.table == 1024


def test_the_tightest_limit_binds_and_names_its_rule(tmp_path):
    spec = spec_of(tmp_path)
    rules = tmp_path / "rules.d" / "10-test.rules"
    found = {(it.strategy, it.instrument): {name: (value, spec.rules[rule]) for name, (value, rule) in it.limits.items()} for it in spec.limits}
    assert found[0, 0] == {
        "MAX_POSITION": (1_000, f"{rules}:2"), "PRICE_COLLAR": (50_000, f"{rules}:3"), "MAX_ORDER_VALUE": (2_500_000_000, f"{rules}:4")
    }  # fmt: skip
    assert found[0, 2]["MAX_POSITION"] == (300, f"{rules}:8")


def money(tmp_path, own, every):
    """Give the limit on gross exposure of SAP, which trades in USDT of 1.25 USD, for the strategy and for all; and the largest order."""
    rules = desk.POLICY.replace("risk default {", f"risk default {{\n  max_gross_exposure {every}", 1).replace("250_000 USD", "7 USDT")
    rules += f"\nrisk strategy quotes {{\n  max_gross_exposure {own}\n}}\n"
    text = desk.CONFIG.replace('name = "test"', 'name = "test"\ncurrency = "USD"')
    text += '\n[[instrument]]\nsymbol = "SAP"\nvenue = "EDGE"\ntick = "0.01"\ncurrency = "USDT"\nmultiplier = 5\n\n[rates]\nUSDT = "1.25"\n'
    config = configuration.read(desk.write(tmp_path, rules, config=text))
    loaded = policy.from_disk(config.rules_paths())
    assert loaded.policy is not None, [str(d) for d in loaded.diagnostics]
    spec = resolve.lane_spec(config, loaded.policy, lanes.places("lane0", config.node.state))
    assert spec.instruments[3].worth * 10_000 == Fraction(25, 4)
    own, every = spec.limits[3].limits, spec.limits[3].account
    return own["MAX_GROSS_EXPOSURE"][0], every["MAX_GROSS_EXPOSURE"][0], own["MAX_ORDER_VALUE"][0]


def test_sums_of_money_are_in_the_node_s_currency_whatever_a_symbol_trades_in(tmp_path):
    assert money(tmp_path, "1_000 USD", "900 USDT") == (10_000_000, 11_250_000, 70_000)
    assert money(tmp_path, "1_000 USDT", "900 USD") == (9_000_000, 9_000_000, 70_000)
    assert money(tmp_path, "1_000 USD", "700 USDT") == (8_750_000, 8_750_000, 70_000)


def test_a_sum_of_money_of_which_nobody_said_what_it_is_worth_is_refused(tmp_path):
    text = desk.POLICY.replace("250_000 USD", "7 USDT\n  max_daily_loss 5 USDT")
    with pytest.raises(resolve.Unresolved) as caught:
        spec_of(tmp_path, text)
    assert [found.message for found in caught.value.found] == ["'max_daily_loss' is in USDT, and noderrd.toml does not say what one is worth in USD"]


def test_a_rule_keeps_its_number_over_a_reload(tmp_path):
    before = spec_of(tmp_path)
    after = spec_of(tmp_path, "# a line more\n" + desk.POLICY, before)
    assert after.rules[: len(before.rules)] == before.rules
    now = dict(after.limits[0].limits)
    assert after.rules[now["MAX_POSITION"][1]].endswith("10-test.rules:3")


def test_a_strategy_keeps_its_slot_and_one_that_is_gone_is_retired(tmp_path):
    before = spec_of(tmp_path)
    taker = 'strategy taker {\n  file  "strategies/taker.py"\n  symbols  AAPL\n}\n'
    both = spec_of(tmp_path, desk.POLICY.replace("strategy quotes", taker + "\nstrategy quotes"), before)
    assert [it.name for it in both.strategies] == ["quotes", "taker"]
    alone = spec_of(tmp_path, desk.POLICY[: desk.POLICY.index("strategy quotes")] + taker, both)
    assert [(it.name, bool(it.symbols)) for it in alone.strategies] == [("quotes", False), ("taker", True)]
    assert alone.strategies[0].file == str(resolve.RETIRED)
    again = spec_of(tmp_path, desk.POLICY, alone)
    assert [(it.name, bool(it.symbols)) for it in again.strategies] == [("quotes", True), ("taker", False)]


def test_more_strategies_than_slots_are_refused(tmp_path):
    block = desk.POLICY[desk.POLICY.index("strategy quotes") :]
    many = desk.POLICY + "".join(block.replace("quotes {", f"quotes_{k} {{") for k in range(8))
    with pytest.raises(resolve.Unresolved, match="8 strategies at most"):
        spec_of(tmp_path, many)


def test_misfits_are_told_with_their_lines_all_at_once(tmp_path):
    told = refused(tmp_path, "AAPL, MSFT", "AAPL, TSLA", "half_spread = 2 ticks", "half_spred = 2 ticks", "clip = 50 shares", "clip = 5 USD")
    assert [line for line, _ in told] == [17, 18, 18]
    assert "TSLA" in told[0][1]
    assert "half_spred" in told[1][1]
    assert "'clip' is in shares" in told[2][1]


def test_a_parameter_out_of_bounds_or_not_whole_is_refused(tmp_path):
    assert "from 1 to 100000 shares" in refused(tmp_path, "clip = 50 shares", "clip = 200_000 shares")[0][1]
    assert "from 0.5 to 100 ticks" in refused(tmp_path, "half_spread = 2 ticks", "half_spread = 0.1 ticks")[0][1]


def test_a_limit_that_halts_says_so(tmp_path):
    spec = spec_of(tmp_path, desk.POLICY.replace("price_collar      5%", "max_daily_loss    1_000 USD  then halt"))
    assert spec.limits[0].limits["MAX_DAILY_LOSS"][0] == 10_000_000
    assert spec.limits[0].limits["LOSS_HALTS"][0] == 1


def test_limits_of_a_strategy_do_not_bind_all_of_them_together(tmp_path):
    spec = spec_of(tmp_path, desk.POLICY + "\nrisk strategy quotes {\n  max_position  50 shares\n}\n")
    assert spec.limits[0].limits["MAX_POSITION"][0] == 50
    assert spec.limits[0].account["MAX_POSITION"][0] == 1_000


def test_the_spec_survives_its_file(tmp_path):
    spec = spec_of(tmp_path)
    spec.write(tmp_path / "spec.json")
    assert type(spec).read(tmp_path / "spec.json") == spec
    assert dataclasses.asdict(spec)["venues"][0]["password"] == "secret"


TABLE = '\n[ticks.nms]\n"0" = "0.0001"\n"1" = "0.01"\n'


def configured(tmp_path, *changes, policy_text=desk.POLICY):
    """A spec of a changed noderrd.toml."""
    path = desk.write(tmp_path, policy_text)
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    config = configuration.read(path)
    loaded = policy.from_disk(config.rules_paths())
    return resolve.lane_spec(config, loaded.policy, lanes.places("lane0", config.node.state), None)


def test_a_tick_table_becomes_bands_of_px_and_its_finest_tick(tmp_path):
    spec = configured(
        tmp_path,
        ('tick = "0.05"', 'ticks = "nms"'),
        ('[[instrument]]\nsymbol = "AAPL"\nvenue = "NSDQ"', TABLE + '\n[[instrument]]\nsymbol = "AAPL"\nvenue = "NSDQ"'),
    )
    assert spec.tick_tables == [[(0, 1), (10_000, 100)]]
    assert [(it.tick, it.tick_table) for it in spec.instruments] == [(100, 0), (100, 0), (1, 1)]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "ticks: expected one of the tables under [ticks], found nms"),
        ('[ticks.nms]\n"1" = "0.01"\n', "the first one from 0 on"),
        ('[ticks.nms]\n"0" = "0"\n', "ticks of more than nothing"),
        ('[ticks.nms]\n"low" = "0.01"\n', "expected prices as keys, found low"),
        ('[ticks.nms]\n"0" = "0.00001"\n', "is no multiple of 1/10000"),
    ],
)
def test_a_tick_table_that_is_none_is_refused(tmp_path, table, expected):
    with pytest.raises(settings.SettingsError) as caught:
        configured(tmp_path, ('tick = "0.05"', 'ticks = "nms"'), ("[venue.NSDQ]", table + "\n[venue.NSDQ]"))
    assert expected in str(caught.value)


def test_sources_are_joined_where_there_is_a_group(tmp_path):
    spec = configured(
        tmp_path,
        ('itch_a = "127.0.0.1:1"', 'itch_a = "239.255.1.1:1"\nsource_a = "10.0.0.1, 10.0.0.2"\ninterface = "10.1.0.1"\ninterface_b = "10.1.0.2"'),
    )
    assert spec.venues[0].lines() == [("239.255.1.1:1", "10.1.0.1", "10.0.0.1, 10.0.0.2"), ("", "10.1.0.2", "")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('source_a = "10.0.0.1"', "source_a: expected a multicast line to join it for, found 127.0.0.1:1"),
        ('source_b = "nobody"', "source_b: expected IPv4 addresses, parted by commas"),
        ('interface = "eth0"', "interface: expected an IPv4 address"),
    ],
)
def test_a_source_or_interface_that_is_none_is_refused(tmp_path, line, expected):
    with pytest.raises(settings.SettingsError) as caught:
        configured(tmp_path, ('itch_a = "127.0.0.1:1"', f'itch_a = "127.0.0.1:1"\n{line}'))
    assert expected in str(caught.value)


def test_a_calendar_is_the_policy_s(tmp_path):
    regular = "schedule regular {\n  Mon-Fri 09:30-16:00 America/New_York\n}\n"
    spec = configured(tmp_path, ("armed = true", 'armed = true\ncalendar = "regular"'), policy_text=desk.POLICY + regular)
    assert [v.hours.get("name") for v in spec.venues] == [None, "regular"]
    with pytest.raises(resolve.Unresolved, match="the policy has no such"):
        configured(tmp_path, ("armed = true", 'armed = true\ncalendar = "other"'), policy_text=desk.POLICY + regular)
