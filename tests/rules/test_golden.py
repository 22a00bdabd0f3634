"""Each *.bad.rules has one fault and ends with what must be said of it, and nothing else; *.good.rules are valid, every one a kind of text."""

from pathlib import Path

import pytest

from rules import check
from rules.diagnostic import render
from rules.format import format_text
from rules.parse import parse
from rules.span import Source

HERE = Path(__file__).parent
GOOD = sorted(HERE.glob("*.good.rules"))
BAD = sorted(HERE.glob("*.bad.rules"))


def load(path):
    return check.load([path.name], lambda name: (HERE / name).read_bytes(), lambda pattern, _: [])


def told(diagnostics):
    lines = []
    for d in diagnostics:
        lines.append(f"# {d.span.line}:{d.span.col} {d.severity}[{d.code}]: {d.message}")
        lines += [f"#     {d.hint}"] if d.hint else []
    return lines


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.name)
def test_valid_policy(path):
    policy, diagnostics, _ = load(path)
    assert policy is not None
    assert diagnostics == []


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.name)
def test_one_fault_and_its_message(path):
    policy, diagnostics, sources = load(path)
    expected = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert told(diagnostics) == expected
    assert len(diagnostics) == 1
    assert (policy is None) == (diagnostics[0].severity == "error")
    shown = render(diagnostics[0], sources).splitlines()
    assert shown[0].startswith(f"{path.name}:{diagnostics[0].span.line}:{diagnostics[0].span.col}: ")
    assert set(shown[2].strip()) == {"^"}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.name)
def test_layout_keeps_the_meaning_and_is_stable(path):
    source = Source(path.name, path.read_text())
    once = format_text(parse(source))
    assert format_text(parse(Source(path.name, once))) == once
    assert [c for _, c in parse(Source("", once)).scanned.comments] == [c for _, c in parse(source).scanned.comments]


@pytest.mark.parametrize("name", ["policy.good.rules", "expressions.good.rules", "targets.good.rules"])
def test_layout_leaves_these_as_they_are(name):
    text = (HERE / name).read_text()
    assert format_text(parse(Source(name, text))) == text


def test_layout_of_odd_text():
    text = (HERE / "layout.good.rules").read_text()
    assert format_text(parse(Source("layout", text))) == (HERE / "layout.expected").read_text()
