"""Windows over a trace: against ticks, their mean, their number, and nested windows' spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_monitor import plain, point_sample, sample_series, utilization

INTERVALS = st.lists(st.tuples(st.integers(-20, 60), st.integers(0, 20)).map(lambda v: (v[0], v[0] + v[1])), max_size=8)


@given(INTERVALS, st.integers(1, 9), st.integers(0, 10), st.integers(0, 50))
def test_against_ticks(intervals, period, start, length):
    busy = [any(a <= t < b for a, b in intervals) for t in range(start, start + length)]
    whole = length // period
    expected = [100 * sum(busy[i * period: (i + 1) * period]) / period for i in range(whole)]
    got = sample_series(intervals, period, start, start + length)
    assert got.tolist() == pytest.approx(expected, abs=1e-9)
    instants = [100.0 * busy[i * period] for i in range(whole)]
    assert point_sample(intervals, period, start, start + length).tolist() == instants


@given(INTERVALS, st.sampled_from([1 / 6, 0.5, 1.0, 0.1]), st.integers(1, 12))
def test_the_mean_of_whole_windows_is_the_utilisation(intervals, period, seconds):
    means = sample_series(intervals, period, 0, seconds)
    assert len(means) == round(seconds / period)
    assert means.mean() == pytest.approx(utilization(intervals, 0, seconds), abs=1e-6)


@given(INTERVALS, st.integers(1, 10))
def test_windows_made_of_windows_spread_less(intervals, seconds):
    """The law of total variance: means of groups vary no more than their members."""
    spread = [sample_series(intervals, period, 0, seconds).var() for period in (1 / 6, 0.5, 1.0)]
    assert spread[0] >= spread[1] - 1e-6 and spread[1] >= spread[2] - 1e-6


def test_rounding_loses_no_window():
    for count in range(1, 200):
        assert len(sample_series([], 0.1, 0, count / 10)) == count
        assert len(sample_series([], 1 / 6, 0, count / 6)) == count
    assert len(sample_series([], 1, 0, 2.9)) == 2 and len(sample_series([], 2, 0, 1)) == 0


def test_given_examples():
    assert plain.windowed_util([(0, 0.2), (1.0, 1.5)], 0.5, 0, 2) == pytest.approx([40, 0, 100, 0])
    assert sample_series([(i, i + 0.3) for i in range(3)], 1, 0, 3) == pytest.approx([30, 30, 30])
    assert np.allclose(sample_series([(i, i + 0.3) for i in range(3)], 0.5, 0, 2), [60, 0, 60, 0])


@pytest.mark.parametrize("period", [0, -1])
def test_refuses_a_period(period):
    with pytest.raises(ValueError, match="period"):
        sample_series([], period, 0, 1)
