"""What was published is read again; what was changed, cut, moved or torn is found, and where."""

import gzip

import numpy as np
import pytest
from journal import ring

from core import layout as at
from noderrd.journal import segment, shelf
from noderrd.journal.read import records
from noderrd.journal.verify import verify

HEAD, SIZE = segment.HEADER.itemsize, segment.RECORD.itemsize


def read(folder):
    return np.concatenate([*records(folder), np.zeros(0, at.JOURNAL)])


@pytest.fixture
def written(tmp_path):
    """50 records in segments of 20."""
    shared = ring.make(tmp_path / "lane0")
    ring.publish(shared, 50)
    ring.write_all(shared, tmp_path / "journal", capacity=20)
    return tmp_path / "journal"


def test_what_was_published_is_read(written):
    rows = read(written)
    assert list(rows["seq"]) == [*range(1, 51)]
    assert list(rows["ref"]) == [*range(1, 51)]
    for k, row in enumerate(rows):
        size = min(k % (at.JOURNAL_DATA + 9), at.JOURNAL_DATA)
        assert bytes(row["data"]) == (k.to_bytes(8, "little") * 11)[:size].ljust(at.JOURNAL_DATA, b"\0")
    verdict = verify(written)
    assert (verdict.ok, verdict.records, verdict.segments, verdict.torn_tail) == (True, 50, 3, False)


def test_chain_goes_on_over_writers_and_over_rings(tmp_path):
    folder = tmp_path / "journal"
    for k in range(3):
        shared = ring.make(tmp_path / f"ring{k}")
        for _ in range(2):
            ring.publish(shared, 7)
            ring.write_all(shared, folder, capacity=10)
    assert list(read(folder)["seq"]) == [*range(1, 15)] * 3
    assert verify(folder).ok


def test_two_lanes_share_a_folder(tmp_path):
    folder = tmp_path / "journal"
    for name, n in (("lane0", 5), ("lane1", 6)):
        shared = ring.make(tmp_path / name)
        ring.publish(shared, n)
        ring.write_all(shared, folder, name)
    assert [len(rows) for rows in records(folder)] == [5, 6]
    assert verify(folder).records == 11


def last_segment(folder):
    return max(folder.glob("*.journal"))


def test_every_length_of_a_torn_record_is_ok_and_cut_off(written, tmp_path):
    """10 records are in the last segment; the last of them ends anywhere."""
    path = last_segment(written)
    whole = path.read_bytes()
    start = HEAD + 9 * SIZE
    used = len(whole.rstrip(b"\0"))
    for written_bytes in range(used - start):
        path.write_bytes(whole[: start + written_bytes].ljust(len(whole), b"\0"))
        verdict = verify(written)
        assert verdict.ok, (written_bytes, verdict.first_bad)
        assert verdict.records == 49
        assert verdict.torn_tail == any(whole[start : start + written_bytes])
        assert len(read(written)) == 49
    # The next start, with a new ring, cuts it off and the chain goes on.
    shared = ring.make(tmp_path / "later")
    ring.publish(shared, 3)
    ring.write_all(shared, written, capacity=20)
    verdict = verify(written)
    assert (verdict.ok, verdict.records, verdict.torn_tail) == (True, 52, False)


def test_every_changed_byte_is_found_where_it_is(tmp_path):
    """In a full segment and in the last one, in the header, in records and past the tail."""
    shared, written = ring.make(tmp_path / "lane0"), tmp_path / "journal"
    ring.publish(shared, 9)
    ring.write_all(shared, written, capacity=6)
    for path in sorted(written.glob("*.journal")):
        whole = path.read_bytes()
        for offset in range(len(whole)):
            other = whole[offset] ^ 0x5A or 0x5B  # a last byte that is 0 was perhaps never written: the record is torn, and that is told
            path.write_bytes(whole[:offset] + bytes([other]) + whole[offset + 1 :])
            bad = verify(written).first_bad
            assert bad is not None, (path.name, offset)
            assert bad.segment == path.name
            assert bad.offset <= offset < max(bad.offset + SIZE, HEAD), (offset, bad.offset, bad.reason)
        path.write_bytes(whole)
    assert verify(written).ok


def test_records_cut_out_repeated_or_exchanged_are_found(written):
    path = sorted(written.glob("*.journal"))[1]
    whole = path.read_bytes()
    at_byte = HEAD + 5 * SIZE
    one, two = whole[at_byte : at_byte + SIZE], whole[at_byte + SIZE : at_byte + 2 * SIZE]
    for spoilt in (
        whole[:at_byte] + whole[at_byte + SIZE :],
        whole[:at_byte] + one + whole[at_byte:],
        whole[:at_byte] + two + one + whole[at_byte + 2 * SIZE :],
        whole[:at_byte] + whole[at_byte + 64 :],
        whole[:at_byte] + whole[at_byte - 64 :],
    ):
        path.write_bytes(spoilt)
        bad = verify(written).first_bad
        assert bad is not None
        assert bad.offset >= at_byte


def test_record_made_anew_with_its_checksum_breaks_the_chain(written):
    """Whoever changes a row and its checksum must make the whole rest anew."""
    path = sorted(written.glob("*.journal"))[1]
    raw = bytearray(path.read_bytes())
    rows = np.frombuffer(memoryview(raw)[HEAD : HEAD + 3 * SIZE], segment.RECORD)
    rows["row"]["ref"][1] += 1
    rows["crc"][1] = segment.google_crc32c.value(rows[1].tobytes()[: segment.BODY])
    path.write_bytes(raw)
    bad = verify(written).first_bad
    assert bad is not None
    assert (bad.offset, bad.reason) == (HEAD + SIZE + segment.ROW, "does not follow the record before it")


def test_missing_segment_is_found(written):
    sorted(written.glob("*.journal"))[1].unlink()
    bad = verify(written).first_bad
    assert bad is not None
    assert "segment 2 is missing" in bad.reason


def test_segments_that_a_restoration_needs_are_not_deleted(written):
    touched = shelf.tidy(written, "lane0", raw_kept=9, kept=1)
    assert touched == [], "no checkpoint: nobody knows what is needed"
    assert [p.number for p in segment.places(written)["lane0"]] == [1, 2, 3]


def test_old_segments_are_packed_and_deleted(written, monkeypatch):
    monkeypatch.setattr(shelf, "_needed", lambda folder, name: 9)
    touched = shelf.tidy(written, "lane0", raw_kept=1, kept=2)
    assert [p.name for p in touched] == ["lane0-00000001.journal", "lane0-00000002.journal.gz"]
    assert list(read(written)["seq"]) == [*range(21, 51)]
    verdict = verify(written)
    assert (verdict.ok, verdict.records) == (True, 30)
    packed = touched[1]
    raw = packed.read_bytes()
    for offset in range(10, len(raw)):  # behind what gzip's header says of the file
        packed.write_bytes(raw[:offset] + bytes([raw[offset] ^ 0x5A]) + raw[offset + 1 :])
        bad = verify(written).first_bad
        if bad is None:  # bits that deflate does not use: nothing of the content is another
            assert gzip.decompress(packed.read_bytes()) == gzip.decompress(raw)
        else:
            assert bad.segment == packed.name


def test_crash_while_packing_counts_nothing_twice(written):
    path = min(written.glob("*.journal"))
    whole = path.read_bytes()
    shelf.pack(segment.Place(path, "lane0", 1))
    path.write_bytes(whole)
    assert verify(written).records == 50
    assert len(read(written)) == 50
    shelf.tidy(written, "lane0", raw_kept=1, kept=0)
    assert not path.exists()
