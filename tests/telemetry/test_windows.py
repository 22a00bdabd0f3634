"""Windows of latency against a list of every value with its time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.layout import BUCKETS, STAGES
from noderrd.telemetry.windows import SECOND, Windows


@given(
    st.lists(st.lists(st.tuples(st.integers(0, STAGES - 1), st.integers(0, BUCKETS - 1)), max_size=5), min_size=1, max_size=12), st.integers(1, 14)
)
def test_a_window_holds_what_was_counted_in_it(steps, seconds):
    counts, windows = np.zeros((STAGES, BUCKETS), np.int64), Windows()
    for second, values in enumerate(steps, start=1):
        for stage, bucket in values:
            counts[stage, bucket] += 1
        windows.take(second * SECOND, counts)
    expected = np.zeros((STAGES, BUCKETS), np.int64)
    for second, values in enumerate(steps, start=1):
        if second > len(steps) - seconds:
            for stage, bucket in values:
                expected[stage, bucket] += 1
    assert (windows.over(seconds * SECOND, len(steps) * SECOND) == expected).all()


def test_a_lane_that_begins_anew_is_no_negative_growth():
    counts, windows = np.zeros((STAGES, BUCKETS), np.int64), Windows()
    counts[1, 5] = 9
    windows.take(SECOND, counts)
    counts[1, 5] = 2
    windows.take(2 * SECOND, counts)
    assert windows.over(10 * SECOND, 2 * SECOND)[1, 5] == 2


def test_what_is_older_than_kept_is_let_go():
    counts, windows = np.zeros((STAGES, BUCKETS), np.int64), Windows(keep_ns=3 * SECOND)
    for second in range(1, 10):
        counts[0, 0] += 1
        windows.take(second * SECOND, counts)
    assert windows.over(100 * SECOND, 9 * SECOND)[0, 0] == 3
