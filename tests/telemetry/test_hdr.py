"""The lane's counts against the hdrhistogram package, recorded value by value."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from core import histogram as kernels
from core.jit import exposed
from core.layout import BUCKETS
from noderrd.telemetry import hdr

record = exposed(kernels.record)
VALUES = st.lists(st.integers(0, 2000) | st.integers(0, 70_000_000_000), max_size=60)


def both(values):
    counts, twin = np.zeros(BUCKETS, np.int64), HdrHistogram(hdr.LOWEST, hdr.HIGHEST, hdr.DIGITS)
    for value in values:
        record(counts, value)
        twin.record_value(min(value, hdr.HIGHEST))
    return counts, twin


@given(VALUES)
def test_counts_are_the_packages_own(values):
    counts, twin = both(values)
    ours = hdr.histogram(counts)
    assert list(ours.counts) == list(twin.counts)
    assert ours.total_count == twin.total_count
    for q in (0, 50, 90, 99, 99.9, 100):
        assert ours.get_value_at_percentile(q) == twin.get_value_at_percentile(q)


@given(VALUES)
def test_a_summary_says_what_the_package_says(values):
    counts, twin = both(values)
    said = hdr.summary(counts)
    assert said["n"] == len(values)
    if values:
        for name, q in hdr.QUANTILES.items():
            assert said[name] == twin.get_value_at_percentile(q)
        assert said["max"] == twin.get_highest_equivalent_value(twin.get_max_value())


@given(VALUES, st.lists(st.sampled_from([1, 100, 999, 1_000, 2_500, 10**6, 10**9]), min_size=1))
def test_values_at_or_below_a_bound(values, bounds):
    counts, _ = both(values)
    resolved = [int(hdr.values()[kernels_index(v)]) for v in values]
    assert hdr.below(counts, bounds) == [sum(v <= b for v in resolved) for b in bounds]


index = exposed(kernels.index_of)


def kernels_index(value):
    return index(min(value, hdr.HIGHEST))


def test_round_trip_through_the_packages_own_encoding():
    counts, twin = both([3, 5_000, 77_000_000, 59_000_000_000])
    assert HdrHistogram.decode(hdr.histogram(counts).encode()).get_total_count() == 4
    assert hdr.histogram(counts).encode() == twin.encode()


def test_a_log_is_read_by_the_packages_own_reader(tmp_path):
    wanted = {"risk": both([3, 5_000, 77_000_000])[0], "send": both([59_000_000_000])[0]}
    path = tmp_path / "a.hlog"
    path.write_text(hdr.log(((tag, hdr.histogram(counts)) for tag, counts in wanted.items()), 1_800_000_000 * 10**9, 1_800_000_010 * 10**9))
    reader, seen = HistogramLogReader(str(path), HdrHistogram(hdr.LOWEST, hdr.HIGHEST, hdr.DIGITS)), {}
    while (found := reader.get_next_interval_histogram()) is not None:
        seen[found.get_tag()] = found
        assert (found.get_start_time_stamp(), found.get_end_time_stamp()) == (1_800_000_000_000, 1_800_000_010_000)
    reader.close()
    assert {tag: list(found.counts)[: len(found.counts)] for tag, found in seen.items()} == {
        tag: list(hdr.histogram(counts).counts) for tag, counts in wanted.items()
    }


@pytest.mark.parametrize("name", ["jHiccup-2.0.7S.logV2.hlog", "tagged-Log.logV2.hlog"])
def test_logs_of_other_tools_go_through_ours_and_back(data, tmp_path, name):
    def read(path):
        reader, found = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000_000, 3)), []
        while (one := reader.get_next_interval_histogram()) is not None:
            found.append(one)
        reader.close()
        return found

    theirs, path = read(data / "hdrhistogram" / name), tmp_path / "ours.hlog"
    assert len(theirs) > 10
    path.write_text(hdr.log(((f"t{k}", one) for k, one in enumerate(theirs)), 10**9, 2 * 10**9))
    ours = read(path)
    assert [one.get_tag() for one in ours] == [f"t{k}" for k in range(len(theirs))]
    for a, b in zip(theirs, ours, strict=True):
        assert (a.total_count, a.get_max_value(), a.get_value_at_percentile(99)) == (b.total_count, b.get_max_value(), b.get_value_at_percentile(99))
