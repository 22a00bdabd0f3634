"""The kernel's counts are HdrHistogram's counts, index for index."""

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from core import histogram
from core.jit import entry


@entry
def record_all(row, values):
    for value in values:
        histogram.record(row, value)


def test_the_row_is_as_long_as_the_library_s():
    assert HdrHistogram(histogram.LOWEST, histogram.HIGHEST, histogram.DIGITS).counts_len == histogram.BUCKETS


@given(st.lists(st.integers(0, histogram.HIGHEST), min_size=1, max_size=50))
def test_counts_equal_the_library_s(values):
    theirs = HdrHistogram(histogram.LOWEST, histogram.HIGHEST, histogram.DIGITS)
    for value in values:
        theirs.record_value(value)
    row = np.zeros(histogram.BUCKETS, np.int64)
    record_all(row, np.array(values, np.int64))
    assert [theirs.get_count_at_index(i) for i in np.flatnonzero(row)] == list(row[row > 0])
    assert row.sum() == len(values)


def test_values_out_of_range_are_counted_at_the_ends():
    row = np.zeros(histogram.BUCKETS, np.int64)
    record_all(row, np.array([-5, 2**62], np.int64))
    assert row[0] == 1
    assert row.sum() == 2
