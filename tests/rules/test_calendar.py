"""Calendars on days when clocks change, over midnight, on half days; next times against a search minute by minute."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from policies import policy

from rules import calendar
from rules.catalog import DAY, SECOND
from rules.model import Moment

NEW_YORK = ZoneInfo("America/New_York")


def one(fields):
    lines = "\n  ".join(fields)
    return policy(f"schedule s {{\n  {lines}\n}}\n").calendars[0]


def ns(text, zone=NEW_YORK):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


TRADING = one(
    ["Mon-Fri 09:30-16:00 America/New_York", "on 2026-11-27 09:30-13:00 America/New_York", "except 2026-12-25", "Sun-Mon 22:00-02:00 Etc/UTC"]
)


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        ("2026-11-25T09:29:59", NEW_YORK, False),
        ("2026-11-25T09:30:00", NEW_YORK, True),
        ("2026-11-25T15:59:59", NEW_YORK, True),
        ("2026-11-25T16:00:00", NEW_YORK, False),
        ("2026-11-27T12:59:00", NEW_YORK, True),  # a half day
        ("2026-11-27T13:00:00", NEW_YORK, False),
        ("2026-12-25T12:00:00", NEW_YORK, False),  # left out
        ("2026-11-28T12:00:00", NEW_YORK, False),  # Saturday
        ("2026-03-09T09:30:00", NEW_YORK, True),  # the Monday after clocks went forward
        ("2026-11-02T09:30:00", NEW_YORK, True),  # and back
        ("2026-11-22T23:00:00", ZoneInfo("Etc/UTC"), True),  # Sunday night
        ("2026-11-24T01:59:00", ZoneInfo("Etc/UTC"), True),  # Tuesday morning still belongs to Monday's window
        ("2026-11-25T01:59:00", ZoneInfo("Etc/UTC"), False),
    ],
)
def test_inside(at, zone, expected):
    assert calendar.inside(TRADING, ns(at, zone)) is expected


def test_a_whole_day_ends_at_midnight():
    weekend = one(["Sat-Sun 00:00-24:00 Etc/UTC"])
    utc = ZoneInfo("Etc/UTC")
    assert calendar.inside(weekend, ns("2026-11-29T23:59:59", utc))
    assert not calendar.inside(weekend, ns("2026-11-30T00:00:00", utc))


@pytest.mark.parametrize("begin", ["2026-03-05T12:00:00", "2026-10-29T12:00:00", "2026-11-24T15:00:00", "2026-12-23T23:30:00"])
def test_stretches_are_the_times_inside(begin):
    """Minute by minute over two weeks, days included on which clocks change, a half day and a holiday."""
    first = ns(begin)
    found = calendar.stretches(TRADING, first, first + 14 * DAY)
    assert found == sorted(found)
    assert all(found[k][1] < found[k + 1][0] for k in range(len(found) - 1))
    for now in range(first, first + 14 * DAY, 60 * SECOND):
        assert any(a <= now < b for a, b in found) == calendar.inside(TRADING, now), now


def test_a_stretch_is_whole_also_where_it_began_before():
    noon = ns("2026-11-25T12:00:00")
    assert calendar.stretches(TRADING, noon, noon + 1)[0] == (ns("2026-11-25T09:30:00"), ns("2026-11-25T16:00:00"))


@pytest.mark.parametrize("after", ["2026-11-25T00:00:00", "2026-11-29T02:59:59", "2026-11-29T03:00:00", "2026-03-07T12:00:00", "2026-10-31T12:00:00"])
def test_next_time_is_the_first_minute_that_fits(after):
    moment = Moment(calendar.days(["Sun"]), 180, "America/New_York", 0)
    begin = ns(after)
    due = calendar.next_time(moment, begin)
    local = dt.datetime.fromtimestamp(due // SECOND, NEW_YORK)
    assert (local.weekday(), local.hour, local.minute) == (6, 3, 0)
    minutes = range((begin // (60 * SECOND) + 1) * 60 * SECOND, due, 60 * SECOND)
    for at in minutes:
        there = dt.datetime.fromtimestamp(at // SECOND, NEW_YORK)
        assert (there.weekday(), there.hour, there.minute) != (6, 3, 0)


def test_a_time_that_a_clock_change_skips():
    moment = Moment(calendar.days(["Sun"]), 150, "America/New_York", 0)  # 02:30, which 2026-03-08 lacks
    due = calendar.next_time(moment, ns("2026-03-08T00:00:00"))
    assert dt.datetime.fromtimestamp(due // SECOND, NEW_YORK).isoformat() == "2026-03-08T03:30:00-04:00"


def test_an_interval_is_due_at_its_multiples():
    moment = Moment(frozenset(), 0, "", DAY // 4)
    assert calendar.next_time(moment, 5 * DAY) == 5 * DAY + DAY // 4
    assert calendar.next_time(moment, 5 * DAY - 1) == 5 * DAY


WEEK, TOGETHER = "Mon-Fri 09:30-16:00 America/New_York", ["Mon 09:00-10:00 Etc/UTC", "Mon 10:00-11:00 Etc/UTC"]


@pytest.mark.parametrize(
    ("fields", "at", "change"),
    [
        ([WEEK], "2026-11-25T07:00", "2026-11-25T09:30"),
        ([WEEK], "2026-11-25T10:00", "2026-11-25T16:00"),
        ([WEEK], "2026-11-27T17:00", "2026-11-30T09:30"),  # a weekend
        ([WEEK, "except 2026-11-26"], "2026-11-25T17:00", "2026-11-27T09:30"),
        ([WEEK, "on 2026-11-27 09:30-13:00 America/New_York"], "2026-11-27T10:00", "2026-11-27T13:00"),
        (["Mon 22:00-06:00 America/New_York"], "2026-11-24T01:00", "2026-11-24T06:00"),
        ([WEEK], "2026-03-06T17:00", "2026-03-09T09:30"),  # summer time has begun
    ],
)
def test_the_next_change(fields, at, change):
    assert calendar.next_change(one(fields), ns(at), 30) == ns(change)


def test_one_window_after_the_other_is_no_change():
    utc = ZoneInfo("Etc/UTC")
    assert calendar.next_change(one(TOGETHER), ns("2026-11-23T09:30", utc), 30) == ns("2026-11-23T11:00", utc)


def test_a_calendar_that_is_always_on_never_changes():
    assert calendar.next_change(one(["Mon-Sun 00:00-24:00 Etc/UTC"]), ns("2026-11-25T07:00"), 30) == 0
