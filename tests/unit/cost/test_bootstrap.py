"""The bootstrap interval: how often it holds the truth, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.latency import bootstrap_ratio_ci


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    # 300 experiments at level 0.8: the count is binomial(300, 0.8), whose standard deviation is 6.9; four of them
    # are allowed, and 3 % for the bootstrap's own error with 60 samples (Efron and Tibshirani 1993, chapter 13)
    rng, held = np.random.default_rng(0), 0
    true = 1.0 + 0.1 * np.log(2)  # the median of 1 + Exp(0.1)
    for _ in range(300):
        a, b = 1 + rng.exponential(0.1, 60), 2 * (1 + rng.exponential(0.1, 60))
        found = bootstrap_ratio_ci(a, b, 200, rng, alpha=0.2)
        held += found.low <= true / (2 * true) <= found.high
    assert 240 - 28 - 9 <= held <= 240 + 28 + 9


@given(st.lists(st.floats(0.1, 100), min_size=5, max_size=30), st.lists(st.floats(0.1, 100), min_size=5, max_size=30))
def test_scaling_one_sample_scales_the_interval(a, b):
    one = bootstrap_ratio_ci(a, b, 100, np.random.default_rng(0))
    four = bootstrap_ratio_ci([4 * v for v in a], b, 100, np.random.default_rng(0))  # times 4 is exact in binary
    assert (four.ratio, four.low, four.high) == pytest.approx((4 * one.ratio, 4 * one.low, 4 * one.high), rel=1e-12)
    assert one.low <= one.high and one.ratio == np.median(a) / np.median(b)


def test_more_samples_make_it_narrower():
    rng = np.random.default_rng(3)
    widths = []
    for n in (20, 2000):
        found = bootstrap_ratio_ci(1 + rng.exponential(0.1, n), 1 + rng.exponential(0.1, n), 300, rng)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3  # by the square root of 100 in theory


@pytest.mark.parametrize("a, n_boot, alpha, word", [
    ([], 10, 0.1, "positive"), ([1.0, 0.0], 10, 0.1, "positive"), ([1.0, float("nan")], 10, 0.1, "positive"),
    ([1.0], 0, 0.1, "n_boot"), ([1.0], 10, 0.0, "alpha"), ([1.0], 10, 1.0, "alpha")])
def test_refusals(a, n_boot, alpha, word):
    with pytest.raises(ValueError, match=word):
        bootstrap_ratio_ci(a, [1.0], n_boot, np.random.default_rng(0), alpha)
    assert bootstrap_ratio_ci([2.0], [1.0], 5, np.random.default_rng(0), 0.5).as_dict() == {
        "ratio": 2.0, "low": 2.0, "high": 2.0}
