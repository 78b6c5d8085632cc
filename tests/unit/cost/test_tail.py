"""Sample sizes against MLPerf's table, order-statistic intervals against exact binomials, fan-out by enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.tail import fanout_tail, mlperf_round, percentile_ci, queries_needed, samples_for_percentile

# MLPerf Inference rules v0.5 (20 Sept 2019), mlcommons/inference_policies inference_rules.adoc, table under "Scenarios"
MLPERF = [(0.90, 0.0050, 23_886, 24_576), (0.95, 0.0025, 50_425, 57_344), (0.97, 0.0015, 85_811, 90_112),
          (0.99, 0.0005, 262_742, 270_336)]


@pytest.mark.parametrize(("p", "margin", "inferences", "rounded"), MLPERF)
def test_the_mlperf_table(p, margin, inferences, rounded):
    assert queries_needed(p, margin, 0.99) == samples_for_percentile(p) == inferences
    assert samples_for_percentile(p, margin=margin) == inferences
    assert mlperf_round(inferences) == rounded


def test_the_normal_quantile_is_scipys():
    from scipy.stats import norm

    for p, margin, confidence in itertools.product((0.5, 0.9, 0.999), (0.01, 0.002), (0.8, 0.95, 0.999)):
        exact = norm.ppf((1 + confidence) / 2) ** 2 * p * (1 - p) / margin**2
        assert abs(queries_needed(p, margin, confidence) - exact) <= 0.5 + 1e-6


@pytest.mark.parametrize("bad", [(0, 0.1, 0.9), (1, 0.1, 0.9), (0.9, 0, 0.9), (0.9, 1, 0.9), (0.9, 0.1, 0), (0.9, 0.1, 1), (99, 0.1, 0.9)])
def test_arguments_are_fractions(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        queries_needed(*bad)
    with pytest.raises(ValueError, match="p must"):
        samples_for_percentile(1.5)


def exact_coverage(low, high, n, q):
    """P(low <= count < high) for a binomial count, in exact arithmetic."""
    p = Fraction(q, 100)
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(max(low, 0), min(high, n + 1)))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 99), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_interval_covers_and_is_tight(n, q, confidence):
    low, high = percentile_ci(np.arange(1, n + 1), q, confidence)  # a sample is its own rank
    low, high = (0 if low == -math.inf else int(low)), (n + 1 if high == math.inf else int(high))
    tail = Fraction(str(1 - confidence)) / 2 + Fraction(1, 10**12)  # the rounding of binary floats
    assert exact_coverage(0, low, n, q) <= tail and exact_coverage(high, n + 1, n, q) <= tail
    tail -= Fraction(2, 10**12)
    assert exact_coverage(0, low + 1, n, q) > tail and exact_coverage(high - 1, n + 1, n, q) > tail


def test_a_hundred_samples_do_not_bound_p99_from_above():
    samples = np.random.default_rng(0).exponential(size=100)
    low, high = percentile_ci(samples, 99)
    assert high == math.inf and low in samples  # all 100 lie below the true p99 with probability 0.99^100 = 37 %
    assert percentile_ci(samples, 50)[1] < math.inf
    assert percentile_ci([5.0], 50) == (-math.inf, math.inf)


def test_the_interval_holds_the_true_percentile_as_often_as_it_says():
    rng, true = np.random.default_rng(1), -math.log(0.1)
    inside = 0
    for _ in range(400):
        low, high = percentile_ci(rng.exponential(size=300), 90)
        inside += low <= true <= high
    assert inside / 400 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)  # three standard deviations of 400 trials


def test_interval_errors():
    with pytest.raises(ValueError, match="empty"):
        percentile_ci([], 50)
    with pytest.raises(ValueError, match="q must"):
        percentile_ci([1.0], 100)
    with pytest.raises(ValueError, match="confidence"):
        percentile_ci([1.0], 50, 1.0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fanout_by_enumeration(n):
    p = 0.25  # one of four
    outcomes = list(itertools.product(range(4), repeat=n))
    assert fanout_tail(p, n) == sum(0 in o for o in outcomes) / len(outcomes)


def test_fanout_figure_and_errors():
    assert fanout_tail(0.01, 100) == pytest.approx(0.634, abs=5e-4)  # Dean and Barroso 2013: 63 %
    with pytest.raises(ValueError, match="p_slow"):
        fanout_tail(1.1, 3)
    with pytest.raises(ValueError, match="n must"):
        fanout_tail(0.1, 0)
    with pytest.raises(ValueError, match="n must"):
        mlperf_round(0)
