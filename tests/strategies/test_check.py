"""`strategy check`: what only shows when a strategy runs, and the command around it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import noderrd.strategies
from noderrd.strategies import check as room
from noderrd.strategies.check import Check

SHIPPED = Path(noderrd.strategies.__file__).parent
TEXT = """import numpy as np
from noderrd.strategies import EventKind, kernel, enter, cancel, uniform, strategy

STATE = np.dtype([("seen", "i8")], align=True)


@kernel
def meddle(view):
    view[0]["lot"] = 3
    return 0


@strategy()
def on_event(event, view, params, state, out):
    n = 0
    HERE
    return n
"""
FAULTS = {
    "an index out of range": ('n = view[0]["venues"][view[0]["n_venues"]]["n_bid"] * 0', "bounds", "out of bounds"),
    "a division by zero": ('n = (100 // view[0]["best_bid_qty"]) * 0', "division", "empty books"),
    "a fraction by zero": ('n = int(1.0 / np.float64(view[0]["best_bid_qty"])) * 0', "division", "division by zero"),
    "an overflow": ('n = min(view[0]["best_bid_qty"] * view[0]["best_bid_qty"] * view[0]["best_bid_qty"], 0)', "overflow", "2147483647 shares"),
    "a loop that does not end": ("while state[0]['seen'] == 0:\n        n = 0", "hangs", "not done"),
    "a write through a function": ("n = meddle(view)", "read-only", "writes into view"),
    "too many intents": ("n = 17", "intents", "17 intents"),
    "integers as only Python has them": ('n = 0 if int(view[0]["best_bid_qty"]) ** 5 >= 0 else -1', "differs", "compiled it does otherwise"),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "HANG_S", 0.3)
    monkeypatch.setattr(room, "SLOW_NS", 10**9)  # a busy machine is no reason

    def make(line):
        file = tmp_path / "mine.py"
        file.write_text(TEXT.replace("HERE", line))
        return file

    return make


def errors(path):
    return [d for d in Check(path).run() if d.severity == "error"]


@pytest.mark.parametrize("what", FAULTS)
def test_it_finds(write, what):
    line, code, said = FAULTS[what]
    (found,) = errors(write(line))
    assert found.code == code
    assert said in found.message
    if code in {"bounds", "division", "overflow", "hangs"}:
        assert found.span.line == 16 or code == "hangs"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("n = enter(out, n, 9, 0, 100, 10, 0, 0)", "a venue, side, time in force or flag that there is not"),
        ("n = enter(out, n, 0, 0, 0, 10, 0, 0)", "10 shares at 0 ticks"),
        ("n = cancel(out, n, 5)", "an order 5 that is not its own"),
        ("out[0]['kind'] = 7\n    n = 1", "kind 7"),
        ("n = -1 if event[0]['kind'] == EventKind.TRADE else 0", "tells a fault (-1)"),
    ],
)
def test_what_risk_would_refuse_is_a_warning(write, line, said):
    found = Check(write(line)).run()
    assert all(d.severity == "warning" for d in found)
    assert any(said in d.message for d in found)


def test_lateness_is_a_warning(write, monkeypatch):
    monkeypatch.setattr(room, "SLOW_NS", -1)
    (found,) = Check(write("n = 0")).run()
    assert (found.severity, found.code) == ("warning", "slow")


def test_chance_is_the_same_in_python(write):
    assert not errors(write('state[0]["seen"] += 1\n    n = enter(out, n, 0, 0, 1 + int(uniform(view) * 1000), 10, 0, 0)'))


@pytest.mark.parametrize("name", ["quotes", "taker", "template"])
def test_what_ships_is_good(name, monkeypatch):
    monkeypatch.setattr(room, "SLOW_NS", 10**9)
    done = Check(SHIPPED / f"{name}.py")
    assert done.run() == []
    assert done.calls > 1_000


def ctl(*words, cwd):
    program = [sys.executable, "-P", "-m", "noderrd.ctl.main", "strategy", *map(str, words)]
    return subprocess.run(program, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def test_new_writes_a_strategy_that_checks_and_never_overwrites(tmp_path):
    assert ctl("new", "mine", cwd=tmp_path).returncode == 0
    text = (tmp_path / "mine.py").read_text()
    assert text.startswith('"""mine:')
    assert "NAME" not in text
    done = ctl("check", "mine.py", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    assert [d for d in answer["diagnostics"] if d["severity"] == "error"] == []
    again = ctl("new", "mine", cwd=tmp_path)
    assert again.returncode == 1
    assert "File exists" in again.stderr
    assert (tmp_path / "mine.py").read_text() == text


def test_a_refusal_shows_the_line_with_a_caret(tmp_path):
    (tmp_path / "mine.py").write_text(TEXT.replace("HERE", "n = np.zeros(3).size"))
    done = ctl("check", "mine.py", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"^mine\.py:16:\d+: error\[allocation\]: .*\n +n = np\.zeros\(3\)\.size\n +\^", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "code"), [(("new", "a/b"), 1), (("new", ""), 1), (("check", "nobody.py"), 1), (("check",), 64), (("burn", "x"), 64), ((), 64)]
)
def test_bad_words_end_with_a_sentence(tmp_path, words, code):
    done = ctl(*words, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
