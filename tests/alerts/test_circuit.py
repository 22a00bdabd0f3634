"""A circuit break over time: open, half open, closed, open again, and what a person says."""

import pytest

from noderrd.alerts import circuit as it

S = 10**9


def after(one, *steps):
    """Take (second, fires, holds) one after the other; gives the states."""
    found = []
    for second, fires, holds in steps:
        one = it.turn(one, second * S, fires=fires, holds=holds)
        found.append(one.state if one is not None else "")
    return found


@pytest.fixture
def one():
    return it.opened("router", "busy", 5 * S, "11 against 10", 100 * S)


def test_it_opens_for_its_time_then_lets_a_probe_through_then_closes(one):
    assert after(one, (104, True, True), (105, True, False), (109, True, False), (110, True, False), (111, True, False), (112, False, False)) == [
        "open", "half-open", "half-open", "closed", "closed", "",
    ]  # fmt: skip


def test_it_opens_again_when_its_condition_still_holds_after_the_probe(one):
    assert after(one, (105, True, True), (109, True, True), (110, True, True), (114, True, True), (115, True, False)) == [
        "half-open", "half-open", "open", "open", "half-open",
    ]  # fmt: skip


def test_what_is_not_known_closes_and_opens_again_as_soon_as_it_holds(one):
    assert after(one, (105, True, None), (110, True, None), (111, True, None), (112, True, True)) == ["half-open", "closed", "closed", "open"]


def test_a_person_s_word_holds_until_the_alert_is_over(one):
    shut = it.closed(one, "ann", "it was the feed", 102 * S)
    assert (shut.state, shut.by, shut.why, shut.since_ns) == ("closed", "ann", "it was the feed", 102 * S)
    assert after(shut, (103, True, True), (200, True, None), (201, False, None)) == ["closed", "closed", ""]


@pytest.mark.parametrize(("for_ns", "probe_ns"), [(1, S), (5 * S, 5 * S), (3600 * S, 30 * S)])
def test_the_probe_is_bounded(for_ns, probe_ns):
    one = it.turn(it.opened("router", "a", for_ns, "", 0), for_ns, fires=True, holds=True)
    assert (one.state, one.until_ns - one.since_ns) == ("half-open", probe_ns)


def test_an_alert_that_the_policy_has_no_more_closes(one):
    assert after(one, (105, False, False), (110, False, False), (111, False, False)) == ["half-open", "closed", ""]


def test_reduce_only_lasts_until_a_person_resumes():
    assert after(it.reduced("venue EDGE", "a", "", 0), (1, True, True), (10**6, False, False)) == ["reduce-only", "reduce-only"]
