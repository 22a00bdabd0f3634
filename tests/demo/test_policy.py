"""The demo's policy: a user's blocks replace those of the same kind and name, and keep their own file."""

import pytest

from noderrd.demo import policy
from rules import parse
from rules.span import Source


def blocks(path):
    parsed = parse.parse(Source(str(path), path.read_text()))
    assert parsed.diagnostics == []
    return [one.title for one in parsed.statements if hasattr(one, "title")]


def test_without_wishes_both_strategies_trade(tmp_path):
    path = policy.write(tmp_path, None, {}, None, None)
    assert blocks(path) == ["risk default", "venue NSDQ", "venue EDGE", "venue ARCX", "strategy quotes", "strategy taker", "model alpha"]


def test_a_users_block_replaces_ours_and_is_included(tmp_path):
    theirs = tmp_path / "tight.rules"
    theirs.write_text("risk default {\n  max_position  300 shares\n}\nrisk symbol GOOG {\n  max_position 1 shares\n}\n")
    path = policy.write(tmp_path, None, {}, None, theirs)
    assert "risk default" not in blocks(path)
    assert f'include "{theirs}"' in path.read_text()
    assert "300" not in path.read_text()


def test_a_users_file_with_faults_still_replaces_what_can_be_read(tmp_path):
    theirs = tmp_path / "bad.rules"
    theirs.write_text("risk default {\n  max_position\n}\nnonsense\n")
    assert "risk default" not in policy.write(tmp_path, None, {}, None, theirs).read_text()


def test_a_strategy_of_ones_own_trades_alone_with_its_parameters(tmp_path):
    mine = tmp_path / "1 mine.py"
    mine.write_text("")
    path = policy.write(tmp_path, str(mine), {"clip": "200 shares"}, None, None)
    assert [title for title in blocks(path) if title.startswith("strategy")] == ["strategy s_1_mine"]
    assert "clip = 200 shares" in path.read_text()


def test_a_bare_number_is_in_the_unit_that_the_strategy_declares(tmp_path):
    text = policy.write(tmp_path, "quotes", {"clip": "200", "half_spread": "2.5", "rest": "10ms"}, None, None).read_text()
    assert "set      clip = 200 shares, half_spread = 2.5 ticks, rest = 10ms" in text


@pytest.mark.parametrize(
    ("asked", "settings", "rules", "said"),
    [
        (None, {"a": "1"}, None, "--set needs --strategy"),
        ("nowhere.py", {}, None, "no such file"),
        (None, {}, "nowhere.rules", "No such file"),
    ],
)
def test_what_makes_no_policy_is_refused(tmp_path, asked, settings, rules, said):
    with pytest.raises(policy.Unusable, match=said):
        policy.write(tmp_path, asked, settings, None, tmp_path / rules if rules else None)
