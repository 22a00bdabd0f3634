"""A user's file: what is refused, where it is said, and what the lane may rely on when it is not."""

import contextlib
import ctypes
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.jit import entry
from core.layout import EVENT, INTENT, MAX_INTENTS, STATE_BYTES, VIEW
from noderrd import strategies
from noderrd.strategies import source
from noderrd.strategies.compile import StrategyError, load

GOOD = '''"""A test's strategy."""
import numpy as np
from noderrd.strategies import strategy

PARAMS = (("half_spread", "ticks", 0.5, 50, 3), ("clip", "shares", 1, 1000, 100))
STATE = np.dtype([("seen", "i8"), ("mean", "f8")], align=True)


@strategy(timer="10ms")
def on_event(event, view, params, state, out):
    """Count."""
    state[0]["seen"] += params[0]["clip"]
    return 0
'''


@pytest.fixture
def write(tmp_path):
    def make(text, name="mine.py"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return make


def call(compiled, params, state, event=None, view=None):
    out = np.zeros(MAX_INTENTS, INTENT)
    arrays = (np.zeros(1, EVENT) if event is None else event, np.zeros(1, VIEW) if view is None else view, params, state, out)
    function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)(compiled.address)
    return function(*(a.ctypes.data for a in arrays)), out


def body(line, *, before="", params=None):
    text = GOOD.replace('state[0]["seen"] += params[0]["clip"]', line)
    return before + (text if params is None else text.replace(re.search("PARAMS = (.*)", GOOD)[1], params))


def line_of(text, part):
    return next(k for k, line in enumerate(text.splitlines(), 1) if part in line)


# What is refused: the text, a part of the line that must be named, a part of the reason.
REFUSED = {
    "an array": (body('state[0]["seen"] += np.zeros(1000).size'), "np.zeros", "memory is taken"),
    "an array, later": (body('state[0]["mean"] = (view[0]["score"] * 2)[0]'), "* 2", "memory is taken"),
    "a list": (body("x = [1, 2]"), "x = [", "a list is made"),
    "a string": (body('state[0]["seen"] = len(str(event[0]["kind"]))'), "len(str", "memory is taken"),
    "a formatted string": (body('x = f"{event}"'), "x = f", "a string is made"),
    "a dictionary": (body("x = {}"), "x = {", "a dictionary is made"),
    "an unknown name": (body('state[0]["seen"] = nobody'), "= nobody", "nobody"),
    "an unknown field": (body('state[0]["sen"] = 1'), '"sen"', "'sen'"),
    "print": (body("print(1)"), "print", "print may not be used"),
    "a file": (body('open("x")'), "open(", "open may not be used"),
    "raise": (body("raise ValueError"), "raise", "raise may not stand"),
    "assert": (body("assert view[0]['lot'] > 0"), "assert", "assert may not stand"),
    "try": (body("try:\n        return 1\n    except ValueError:\n        return 2"), "try:", "try may not stand"),
    "a clock": (body('state[0]["seen"] = time.time_ns()', before="import time\n"), "import time", "time may not be imported"),
    "numba": (body("pass", before="from numba import njit\n"), "from numba", "numba may not be imported"),
    "numpy's clock": (body('x = np.datetime64("now")'), "datetime64", "now_ns"),
    "numpy's chance": (body('state[0]["mean"] = np.random.rand()'), "random", "uniform"),
    "a write into the view": (body('view[0]["best_bid"] = 1'), "best_bid", "view is read-only"),
    "a write into the parameters": (body('params[0]["clip"] += 1'), "+= 1", "params is read-only"),
    "a write under another name": (
        body('venues = view[0]["venues"]\n    bids = venues[0]["bid_px"]\n    bids[0] = 3'),
        "bids[0] =",
        "bids is read-only",
    ),
    "four arguments": (GOOD.replace(", out)", ")"), "def on_event", "five arguments"),
    "a default": (GOOD.replace(", out)", ", out=0)"), "def on_event", "five arguments"),
    "a fraction returned": (GOOD.replace("return 0", "return 0.5"), "def on_event", "float64"),
    "nothing returned": (GOOD.replace("    return 0\n", ""), "def on_event", "nothing, on one path"),
    "nothing on one path": (GOOD.replace("return 0", 'if event[0]["kind"] == 3:\n        return 0'), "def on_event", "nothing, on one path"),
    "no mark": (GOOD.replace('@strategy(timer="10ms")\n', ""), "def on_event", "marked neither with @strategy"),
    "two strategies": (GOOD + GOOD.split("\n\n\n")[1].replace("on_event", "other"), "def other", "a second function is marked"),
    "a bad timer": (GOOD.replace("10ms", "soon"), "@strategy", "soon"),
    "a timer too short": (GOOD.replace("10ms", "1us"), "@strategy", "100us"),
    "a mark without brackets": (GOOD.replace('@strategy(timer="10ms")', "@strategy"), "@strategy", "@strategy()"),
    "code at the top": (GOOD.replace("PARAMS =", "while True:\n    pass\nPARAMS ="), "while True", "only imports"),
    "a state too large": (GOOD.replace('("mean", "f8")', '("mean", "f8", (1000,))'), "STATE =", "4096"),
    "a packed state": (GOOD.replace(", align=True", ""), "STATE =", "align=True"),
    "a state of objects": (GOOD.replace('"f8")', '"O")'), "STATE =", "Python objects"),
    "no record as state": (GOOD.replace('np.dtype([("seen", "i8"), ("mean", "f8")], align=True)', "3"), "STATE =", "record type"),
    "a syntax error": (GOOD.replace("return 0", "return ("), "return (", "never closed"),
    "a constant that fails": (GOOD.replace("PARAMS =", "X = 1 // 0\nPARAMS ="), "1 // 0", "ZeroDivisionError"),
    "parameters that are computed": (body("pass", params="tuple([])"), "PARAMS =", "literals"),
    "a parameter of four": (body("pass", params='(("clip", "shares", 1, 1000),)'), "PARAMS =", "(name, unit, least, most, default)"),
    "a default out of bounds": (body("pass", params='(("clip", "shares", 1, 10, 100),)'), "PARAMS =", "not between 1 and 10"),
    "a parameter twice": (body("pass", params='(("a", "", 1, 2, 1), ("a", "", 1, 2, 1))'), "PARAMS =", "twice"),
    "an infinite bound": (body("pass", params='(("a", "", 1, 1e999, 1),)'), "PARAMS =", "2**53"),
    "too many parameters": (body("pass", params=repr(tuple((f"p{k}", "", 0, 1, 0) for k in range(33)))), "PARAMS =", "32"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_the_reason_and_the_line(write, what):
    text, place, reason = REFUSED[what]
    file = write(text)
    with pytest.raises(StrategyError) as refused:
        load(file)
    assert f"{file}:{line_of(text, place)}:" in str(refused.value)
    assert reason in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert str(refused.value).count("\n") <= 2, "a few lines, not numba's pages"


def test_an_allocation_in_a_function_that_is_called_is_named_where_it_stands(write):
    text = GOOD.replace("import strategy", "import kernel, strategy").replace(
        "@strategy", "@kernel\ndef far(n):\n    return np.ones(n).sum()\n\n\n@strategy"
    )
    file = write(text.replace('+= params[0]["clip"]', "+= far(3)"))
    with pytest.raises(StrategyError, match="memory is taken") as refused:
        load(file)
    assert f"{file}:{line_of(text, 'np.ones')}:" in str(refused.value)


def test_every_reason_that_the_text_gives_is_told_at_once(write):
    with pytest.raises(StrategyError) as refused:
        load(write(body("print(1)\n    x = [1]\n    view[0]['lot'] = 2")))
    assert len(refused.value.found) == 3


def test_what_is_asked_for_comes_back(write):
    """The callback gets the arrays that the lane hands over, and `state` lasts."""
    compiled = load(write(GOOD))
    assert compiled.timer_ns == 10_000_000
    assert compiled.state_dtype.itemsize <= STATE_BYTES
    params, state = compiled.params({"clip": 7}), np.zeros(1, compiled.state_dtype)
    for _ in range(3):
        assert call(compiled, params, state)[0] == 0
    assert state[0]["seen"] == 21


def test_a_file_without_parameters_and_state_runs(write):
    compiled = load(write("from noderrd.strategies import strategy\n@strategy()\ndef f(a, b, c, d, e):\n    return 3\n"))
    assert call(compiled, compiled.params({}), np.zeros(1, compiled.state_dtype))[0] == 3
    assert compiled.timer_ns == 0


def test_parameters_take_defaults_and_types_from_their_declaration(write):
    compiled = load(write(GOOD))
    block = compiled.params({"half_spread": 1.5})
    assert block.dtype == np.dtype([("half_spread", "f8"), ("clip", "i8")], align=True)
    assert block[0].tolist() == (1.5, 100)
    assert compiled.params({"half_spread": 0.5, "clip": 1000.0})[0].tolist() == (0.5, 1000), "bounds are inclusive"


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"clip": 0}, "clip = 0: 1 to 1000 shares is allowed"),
        ({"clip": 1001}, "clip = 1001"),
        ({"clip": 1.5}, "a whole number of shares"),
        ({"half_spread": float("nan")}, "half_spread = nan"),
        ({"half_spraed": 1.0}, "no parameter half_spraed (it has half_spread, clip)"),
    ],
)
def test_wrong_parameters_are_named(write, given_, said):
    file = write(GOOD)
    with pytest.raises(StrategyError) as refused:
        load(file).params(given_)
    assert said in str(refused.value)
    assert f"{file}:{line_of(GOOD, 'PARAMS')}:" in str(refused.value)


def test_all_wrong_parameters_are_named_at_once(write):
    with pytest.raises(StrategyError, match=r"clip = 0.*half_spread = 99|half_spread = 99.*clip = 0"):
        load(write(GOOD)).params({"clip": 0, "half_spread": 99})


def test_the_same_content_has_one_address_and_an_edit_another(write):
    file = write(GOOD)
    first = load(file)
    assert load(file).address == first.address
    write(GOOD.replace('params[0]["clip"]', "1_000"))
    second = load(file)
    assert second.address != first.address
    state = np.zeros(1, second.state_dtype)
    call(second, second.params({}), state)
    assert state[0]["seen"] == 1_000, "the new text runs, not the old machine code"
    call(first, first.params({}), state)
    assert state[0]["seen"] == 1_100, "and the old address still does what it did"


def test_a_refused_edit_leaves_what_was_loaded(write):
    file = write(GOOD)
    first = load(file)
    write(GOOD.replace("return 0", "return ("))
    with pytest.raises(StrategyError):
        load(file)
    assert call(first, first.params({}), np.zeros(1, first.state_dtype))[0] == 0


def test_a_second_process_takes_it_from_the_cache(write):
    """No kernel is compiled again: numba's own count of cache misses says so."""
    file = write(GOOD)
    load(file)
    program = (
        "import sys; from pathlib import Path; from noderrd.strategies.compile import load; c = load(Path(sys.argv[1]));"
        "print(sum(c.module._decide.stats.cache_misses.values()), sum(c.module._decide.stats.cache_hits.values()))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program, file], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.split() == ["0", "1"]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nobody.py")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "x.py"
    for content in (b"\xff\xfe\x00", b"a = '\x00'", b"(" * 5_000):
        file.write_bytes(content)
        with pytest.raises(StrategyError):
            load(file)


words = [
    "import os\n",
    "@strategy()\n",
    "def f(event, view, params, state, out):\n",
    "    return 0\n",
    "PARAMS = ",
    "((1,2),)\n",
    "lambda: 0\n",
    "    ",
]


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from([*words, GOOD, GOOD[:200]]), max_size=8).map("".join)))
def test_no_text_does_worse_than_be_refused(text):
    with contextlib.suppress(StrategyError):
        source.read_text("fuzz.py", text)


# ---- the helpers


@entry
def draw(view: np.ndarray) -> float:
    return strategies.uniform(view)


def test_chance_is_splitmix64_and_goes_on_from_the_seed():
    view, state = np.zeros(1, VIEW), 42
    view["seed"] = state
    for _ in range(100):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
        assert draw(view) == ((z >> 11) + 0.5) / 2**53
        assert view[0]["seed"] == state


@entry
def fill(out: np.ndarray, view: np.ndarray, most: int) -> int:
    n = 0
    for k in range(most):
        n = strategies.enter(out, n, 1, 0, 100 + k, 10, 0, 1)
        n = strategies.replace(out, n, 7, 101, 20)
        n = strategies.cancel(out, n, 8)
        n = strategies.cancel_all(out, n)
        strategies.note(view, k, -k)
    return n


def test_intents_and_notes_have_a_bound():
    out, view = np.zeros(MAX_INTENTS + 1, INTENT), np.zeros(1, VIEW)
    out["kind"] = 99
    assert fill(out, view, 50) == MAX_INTENTS
    assert out["kind"].tolist() == [1, 2, 3, 4] * 4 + [99]
    assert view[0]["n_notes"] == 8
    assert view[0]["note_value"].tolist() == [-k for k in range(8)]


def test_an_intent_says_everything():
    """What an earlier call left in `out` does not show through."""
    out, view = np.zeros(MAX_INTENTS, INTENT), np.zeros(1, VIEW)
    for name in INTENT.names:
        out[name] = 55
    fill(out, view, 1)
    rows = [tuple(int(out[k][name]) for name in ("kind", "venue", "side", "time_in_force", "flags", "px", "qty", "order_id")) for k in range(4)]
    assert rows == [(1, 1, 0, 0, 1, 100, 10, 0), (2, 0, 0, 0, 0, 101, 20, 7), (3, 0, 0, 0, 0, 0, 0, 8), (4, 0, 0, 0, 0, 0, 0, 0)]
