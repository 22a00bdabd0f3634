"""The alert state machine, step by step, and over random histories against what its rules promise."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import policy

from rules.alert import FIRING, INACTIVE, PENDING, RESOLVED, State, needs, step
from rules.catalog import SECOND

NAN = math.nan


def alert(fields):
    return policy(f"alert a info {{\n  {fields}\n  do  log\n}}\n").alerts[0]


def run(one, values, quiet=(), seconds=1):
    """Step once a second with one value of the only metric; give the transitions as (second, state)."""
    state, found = State(), []
    for k, value in enumerate(values):
        now = k * seconds * SECOND
        state, new = step(one, state, dict.fromkeys(needs(one), value), now, quiet=k in quiet)
        found += [(t.at_ns // SECOND, t.state) for t in new]
    return found, state


@pytest.mark.parametrize(
    ("fields", "values", "expected"),
    [
        ("when edge > 2 ticks", [0, 3, 3, 0, 3], [(1, PENDING), (1, FIRING), (3, RESOLVED), (4, PENDING), (4, FIRING)]),
        ("when edge > 2 ticks for 2s", [3, 3, 0, 3, 3, 3, 0], [(0, PENDING), (2, INACTIVE), (3, PENDING), (5, FIRING), (6, RESOLVED)]),
        ("when edge > 2 ticks for 2s", [3, NAN, 3, 3, 3], [(0, PENDING), (1, INACTIVE), (2, PENDING), (4, FIRING)]),  # unknown restarts `for`
        ("when edge > 2 ticks", [3, NAN, NAN, 0], [(0, PENDING), (0, FIRING), (3, RESOLVED)]),  # and resolves nothing
        ("when edge > 2 ticks\n  cooldown 5s", [3, 0, 3, 3, 3, 3, 3], [(0, PENDING), (0, FIRING), (1, RESOLVED), (2, PENDING), (5, FIRING)]),
        ("when edge > 4 ticks\n  until edge < 2 ticks", [5, 3, 3, 1, 3, 5], [(0, PENDING), (0, FIRING), (3, RESOLVED), (5, PENDING), (5, FIRING)]),
        ("when edge > 4 ticks\n  until edge < 2 ticks for 2s", [5, 1, 1, 3, 1, 1, 1], [(0, PENDING), (0, FIRING), (6, RESOLVED)]),
        ("when edge > 4 ticks\n  until edge < 2 ticks for 2s", [5, 1, NAN, 1, 1, 1], [(0, PENDING), (0, FIRING), (5, RESOLVED)]),
    ],
)
def test_transitions(fields, values, expected):
    assert run(alert(fields), values)[0] == expected


def test_a_blackout_starts_nothing_and_resolves_as_always():
    assert run(alert("when edge > 2 ticks"), [3, 3, 0, 3], quiet={0, 2, 3})[0] == [(1, PENDING), (1, FIRING), (2, RESOLVED)]
    assert run(alert("when edge > 2 ticks for 2s"), [3, 3, 3, 3, 3], quiet={1})[0] == [(0, PENDING), (1, INACTIVE), (2, PENDING), (4, FIRING)]


def test_a_transition_carries_value_and_threshold():
    one = alert("when edge > 2 ticks")
    _, found = step(one, State(), dict.fromkeys(needs(one), 3.0), 7)
    assert [(t.alert, t.at_ns, t.value, t.threshold) for t in found] == [("a", 7, 3.0, 2.0)] * 2


VALUES = st.lists(st.sampled_from([0.0, 3.0, 5.0, NAN]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.integers(0, 4), st.integers(0, 6), st.booleans())
def test_promises(values, lasting, cooldown, hysteresis):
    fields = "when edge > 4 ticks" + (f" for {lasting}s" if lasting else "")
    fields += f"\n  cooldown {cooldown}s" + ("\n  until edge < 1 tick" if hysteresis else "")
    one = alert(fields)
    found, _ = run(one, values)
    fired = [t for t, state in found if state == FIRING]
    assert all(b - a >= cooldown for a, b in pairwise(fired))
    for t in fired:  # it held, without a gap, for so long
        assert all(v == 5.0 for v in values[t - lasting : t + 1])
    for t in [t for t, state in found if state == RESOLVED]:
        assert values[t] == 0.0 if hysteresis else values[t] < 4
    order = [state for _, state in found]
    follows = {INACTIVE: {PENDING}, PENDING: {FIRING, INACTIVE}, FIRING: {RESOLVED}, RESOLVED: {PENDING}}
    assert all(b in follows[a] for a, b in zip([INACTIVE, *order], order, strict=False))
