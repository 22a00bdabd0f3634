"""The policies that ship: valid without a word, laid out in the one way, and tried by their scenarios."""

import json
from pathlib import Path

import pytest
from policies import ctl

from noderrd import rulefiles
from rules.format import format_text
from rules.parse import POLICY, SCENARIOS, parse
from rules.span import Source

ETC = Path(__file__).resolve().parents[2] / "etc" / "noderrd"
FILES = sorted([*ETC.rglob("*.rules"), *ETC.rglob("*.scenario")])


def test_four_policies_ship():
    assert len([f for f in FILES if f.suffix == ".rules" and f.parent.name == "examples"]) == 3
    assert len([f for f in FILES if f.suffix == ".rules" and f.parent.name == "rules.d"]) >= 1


@pytest.mark.parametrize("path", [f for f in FILES if f.suffix == ".rules"], ids=lambda p: p.name)
def test_each_is_valid_by_itself_and_says_what_it_is(path):
    policy, diagnostics, sources = rulefiles.load([path])
    assert policy is not None
    assert diagnostics == []
    assert next(iter(sources.values())).text.startswith("# ")


def test_the_default_is_one_policy():
    policy, diagnostics, _ = rulefiles.load([ETC / "rules.d"])
    assert policy is not None
    assert diagnostics == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_layout(path):
    text = path.read_text()
    assert format_text(parse(Source(path.name, text), POLICY | SCENARIOS)) == text


def test_scenarios_pass_and_every_block_acts():
    done = ctl("test", ETC, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["failed"], found["diagnostics"]) == (0, 0, [])
    assert found["passed"] >= 39
    assert found["coverage"]["blocks"] == 1
    assert found["coverage"]["branches"] > 0.85
