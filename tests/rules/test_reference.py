"""What is written about the language is what the language is."""

import json
import re
from pathlib import Path

import pytest

from noderrd.ctl.rules import VERBS
from rules import catalog
from rules.parse import KEYWORDS
from rules.reference import reference
from rules.units import UNITS

ROOT = Path(__file__).resolve().parents[2]
GRAMMAR = json.loads((ROOT / "etc/noderrd/editors/noderrd-rules.tmLanguage.json").read_text())


def test_the_reference_is_written_from_the_catalogue():
    """To write it anew: noderrctl rules reference > docs/rules-reference.md."""
    assert (ROOT / "docs/rules-reference.md").read_text() == reference()


def test_every_tool_is_documented():
    text = (ROOT / "docs/rules.md").read_text()
    for verb in VERBS:
        assert f"`noderrctl rules {verb}" in text, verb


def scopes(text):
    """Colour a line as an editor would that tries the patterns in order at each place: [(scope, text)]."""
    rules = []
    for pattern in GRAMMAR["patterns"]:
        entry = GRAMMAR["repository"][pattern["include"][1:]]
        rules += [entry] if "begin" in entry or "match" in entry else entry["patterns"]
    found, at = [], 0
    while at < len(text):
        hits = [(m.start(), k, rule, m) for k, rule in enumerate(rules) if (m := re.compile(rule.get("match") or rule["begin"]).search(text, at))]
        if not hits:
            break
        _, _, rule, match = min(hits, key=lambda hit: hit[:2])
        if "begin" in rule:
            end = re.compile(rule["end"]).search(text, match.end())
            found.append((rule["name"], text[match.start() : end.end()]))
            at = end.end()
            continue
        groups = [(group["name"], match[int(k)]) for k, group in rule.get("captures", {}).items() if match[int(k)]]
        found += groups or [(rule["name"], match[0])]
        at = max(match.end(), at + 1)
    return [(scope.removesuffix(".noderrd-rules"), part.strip()) for scope, part in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("alert slow critical {", [("keyword.control.block", "alert"), ("entity.name.section", "slow critical")]),
        ("}  # why", [("comment.line.number-sign", "# why")]),
        ("let a = 5", [("keyword.control", "let"), ("variable.other.constant", "a"), ("keyword.operator", "="), ("constant.numeric", "5")]),
        ("  file  \"a.py\"", [("support.type.property-name", "file"), ("string.quoted.double", '"a.py"')]),
        ("  Mon-Fri 09:30 Etc/UTC", [("constant.language.day", "Mon-Fri"), ("constant.other.time", "09:30"), ("constant.other.zone", "Etc/UTC")]),
        ("  max_order_rate  500/s", [("support.type.property-name", "max_order_rate"), ("constant.numeric", "500"), ("keyword.other.unit", "/s")]),
    ],
)  # fmt: skip
def test_colours(line, expected):
    assert scopes(line) == expected


def test_a_condition_is_coloured():
    found = scopes("  when      p99(tick_to_trade) over 10s > 50us and book is stale")
    assert found == [
        ("support.type.property-name", "when"),
        ("support.function", "p99"),
        ("support.variable.metric", "tick_to_trade"),
        ("keyword.operator.word", "over"),
        ("constant.numeric", "10"),
        ("keyword.other.unit", "s"),
        ("keyword.operator", ">"),
        ("constant.numeric", "50"),
        ("keyword.other.unit", "us"),
        ("keyword.operator.word", "and"),
        ("support.variable.metric", "book"),
        ("keyword.operator.word", "is"),
        ("constant.language.state", "stale"),
    ]


def test_the_grammar_knows_every_name():
    text = json.dumps(GRAMMAR)
    known = [*catalog.KINDS, *KEYWORDS, *catalog.METRICS, *catalog.FUNCTIONS, *catalog.ACTIONS, *(u for u in UNITS if u != "%")]
    known += [field for spec in catalog.KINDS.values() for field in spec.fields]
    known += [state for states, _ in catalog.STATES.values() for state in states]
    for name in known:
        assert re.search(rf"[(|:]{re.escape(name)}[)|]", text), name
