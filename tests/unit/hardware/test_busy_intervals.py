"""Utilisation of overlapping intervals against a timeline of single ticks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_monitor import merge_intervals, utilization

TICK = st.integers(-30, 130)


def by_ticks(intervals, start, end):
    busy = np.zeros(end - start, bool)
    for a, b in intervals:
        busy[max(0, a - start) : max(0, b - start)] = True
    return 100 * busy.sum() / busy.size


@given(st.lists(st.tuples(TICK, TICK)), st.integers(-20, 40), st.integers(1, 100))
def test_against_a_timeline(intervals, start, length):
    assert utilization(intervals, start, start + length) == pytest.approx(by_ticks(intervals, start, start + length))


@given(st.lists(st.tuples(TICK, TICK)), st.integers(-20, 40), st.integers(1, 100))
def test_the_union_is_disjoint_and_sorted(intervals, start, length):
    union = merge_intervals(intervals, start, start + length)
    assert all(start <= a < b <= start + length for a, b in union)
    assert all(b < c for (_, b), (c, _) in pairwise(union))


def test_examples_and_refusal():
    assert utilization([(0, 400), (300, 700), (900, 1300)], 0, 1000) == 80.0
    assert utilization([], 0, 1) == 0.0
    assert utilization([(0.25, 0.5), (0.5, 0.75)], 0.0, 1.0) == 50.0
    for end in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="end must be after start"):
            utilization([(0, 1)], 0, end)
