"""A sealed day ends its segment, and its seal shows what the chain alone cannot: records taken off the end."""

import json

import pytest
from journal import ring

from core import layout as at
from core.codes import JournalKind
from noderrd.journal import seal, segment
from noderrd.journal.verify import verify


def put(shared, kind, ref):
    control = shared.control[0]
    head = int(control["journal_head"])
    row = shared.journal[head & (at.JOURNAL_SLOTS - 1)]
    row["seq"], row["kind"], row["ref"], row["size"] = head + 1, kind, ref, 0
    control["journal_head"] = head + 1


@pytest.fixture
def sealed(tmp_path):
    """Two days and the beginning of a third: 20, 30 and 5 records, each day with its seal's."""
    shared = ring.make(tmp_path / "lane0")
    for day, n in ((20261124, 20), (20261125, 30)):
        ring.publish(shared, n)
        put(shared, JournalKind.SEALED, day)
    ring.publish(shared, 5)
    ring.write_all(shared, tmp_path / "journal")
    return tmp_path / "journal"


def test_each_day_has_its_segments_and_its_seal(sealed):
    found = [it for _, it in seal.read(sealed, "lane0")]
    assert [(it.day, it.segment, it.records) for it in found] == [(20261124, 1, 21), (20261125, 2, 52)]
    verdict = verify(sealed)
    assert (verdict.ok, verdict.records, verdict.segments, verdict.sealed) == (True, 57, 3, [20261124, 20261125])


def test_records_taken_off_the_end_of_a_sealed_day_are_found(sealed):
    last = segment.path_of(sealed, "lane0", 3)
    last.unlink()
    assert verify(sealed).ok, "the days that were sealed are whole"
    path = segment.path_of(sealed, "lane0", 2)
    raw = path.read_bytes()
    path.write_bytes(raw[: segment.offset_of(29)].ljust(len(raw), b"\0"))
    bad = verify(sealed).first_bad
    assert bad is not None
    assert "day 20261125 ended with record 52" in bad.reason
    path.unlink()
    bad = verify(sealed).first_bad
    assert bad is not None
    assert bad.segment == "lane0-20261125.seal"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"day": 1, "segment": 2, "records": "x", "link": ""}', "\x00"])
def test_a_seal_that_is_none_is_found(sealed, text):
    (sealed / "lane0-20261125.seal").write_text(text)
    bad = verify(sealed).first_bad
    assert bad is not None
    assert bad.reason == "is no seal"


def test_another_history_does_not_fit_the_seal(sealed):
    path = sealed / "lane0-20261124.seal"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "link": "00" * 28}))
    assert not verify(sealed).ok


def test_a_day_that_was_deleted_needs_no_seal(sealed):
    segment.path_of(sealed, "lane0", 1).unlink()
    verdict = verify(sealed)
    assert (verdict.ok, verdict.sealed) == (True, [20261125])
