"""A day ends at its time by its zone's clock, also when that is set; a drill is due on its weekdays."""

from datetime import UTC, datetime

import pytest

from noderrd import schedule
from noderrd.lane import day


def ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def said(at_ns):
    return datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat()


@pytest.mark.parametrize(
    ("text", "now", "end"),
    [
        ("", "2026-11-25T12:00:00+00:00", "2026-11-26T00:00:00+00:00"),
        ("17:00 America/New_York", "2026-11-25T12:00:00+00:00", "2026-11-25T22:00:00+00:00"),
        ("17:00 America/New_York", "2026-11-25T22:00:00+00:00", "2026-11-26T22:00:00+00:00"),
        ("17:00 America/New_York", "2026-10-31T21:30:00+00:00", "2026-11-01T22:00:00+00:00"),  # clocks were set back that night: 25 hours
        ("17:00 America/New_York", "2027-03-13T22:30:00+00:00", "2027-03-14T21:00:00+00:00"),  # and forward: 23
        ("09:00 Pacific/Auckland", "2026-11-25T19:59:59+00:00", "2026-11-25T20:00:00+00:00"),
    ],
)
def test_the_next_end_is_by_the_zone_s_clock(text, now, end):
    assert said(day.end_after(text, ns(now))) == end


def test_a_day_is_named_for_where_it_was(tmp_path):
    assert day.name_of("17:00 America/New_York", ns("2026-11-25T22:00:00+00:00")) == 20261125
    assert day.name_of("", ns("2026-11-26T00:00:00+00:00")) == 20261125


@pytest.mark.parametrize("text", ["17:00", "25:00 Etc/UTC", "17:00 Mars/Olympus", "17:00:00.5 Etc/UTC", "noon Etc/UTC"])
def test_what_is_no_time_is_told(text):
    with pytest.raises(ValueError, match="expected a time"):
        day.parse(text)
    assert schedule.wrong(text, weekdays=True)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("06:00 Etc/UTC", "2026-11-26T06:00:00+00:00"),
        ("Sun 06:00 Etc/UTC", "2026-11-29T06:00:00+00:00"),
        ("Wed, Fri 11:59 Etc/UTC", "2026-11-27T11:59:00+00:00"),
        ("Mon,Tue 00:30 Asia/Tokyo", "2026-11-29T15:30:00+00:00"),
    ],
)
def test_a_drill_is_due_on_its_days(text, due):
    assert said(schedule.after(text, ns("2026-11-25T12:00:00+00:00"))) == due


@pytest.mark.parametrize("text", ["Son 06:00 Etc/UTC", "Mon Tue 06:00 Etc/UTC", "06:00", ""])
def test_what_is_no_schedule_is_told(text):
    assert bool(schedule.wrong(text, weekdays=True)) == bool(text)
    assert not text or schedule.wrong(text, weekdays=False)


def test_an_end_of_day_has_no_weekdays():
    assert schedule.wrong("17:00 America/New_York", weekdays=False) == ""
    assert schedule.wrong("Mon 17:00 America/New_York", weekdays=False) == "a time and its zone, of every day"
