"""Intervals of a share and paired tests: coverage by simulation, exact enumeration, the edges."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.edge_metrics.proportions import discordant, is_better, mcnemar_p, newcombe_diff, wilson_interval


def test_golden():
    # scipy's binomtest: proportion_ci(method="wilson"), pvalue
    assert wilson_interval(950, 1000) == pytest.approx((0.934686, 0.961870), abs=1e-6)
    assert mcnemar_p(18, 9) == pytest.approx(0.12207812, abs=1e-8)
    assert mcnemar_p(30, 10) == pytest.approx(0.00222143, abs=1e-8)
    assert mcnemar_p(12, 4, "greater") == pytest.approx(0.0384064, abs=1e-7)


@given(st.integers(1, 400), st.integers(0, 400), st.sampled_from([0.8, 0.95]))
def test_a_wilson_end_is_z_deviations_from_the_share(n, k, confidence):
    k = min(k, n)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = wilson_interval(k, n, confidence)
    assert 0 <= low <= k / n <= high <= 1
    for end in (low, high):
        if 0 < end < 1:  # the definition: |k/n - p| = z sqrt(p (1 - p) / n)
            assert abs(k / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-6)


def test_wilson_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for p in (0.5, 0.9, 0.98):
        inside = [low <= p <= high for low, high in (wilson_interval(int(k), 200) for k in rng.binomial(200, p, 4000))]
        assert 0.93 < np.mean(inside) < 0.98


def test_newcombe_covers_a_true_difference():
    rng = np.random.default_rng(1)
    draws = zip(rng.binomial(150, 0.9, 3000), rng.binomial(250, 0.96, 3000))
    inside = [low <= 0.06 <= high for low, high in (newcombe_diff(int(a), 150, int(b), 250) for a, b in draws)]
    assert np.mean(inside) > 0.93
    low, high = newcombe_diff(3, 40, 9, 50)
    assert newcombe_diff(9, 50, 3, 40) == pytest.approx((-high, -low))


def test_mcnemar_by_listing_all_coins():
    for n in range(9):
        throws = list(itertools.product((0, 1), repeat=n))
        for a in range(n + 1):
            greater = sum(sum(t) >= a for t in throws) / 2**n
            rarer = sum(min(sum(t), n - sum(t)) <= min(a, n - a) for t in throws) / 2**n
            assert mcnemar_p(a, n - a, "greater") == pytest.approx(greater, abs=1e-15)
            assert mcnemar_p(n - a, a, "less") == pytest.approx(greater, abs=1e-15)
            assert mcnemar_p(a, n - a) == pytest.approx(rarer, abs=1e-15)


def test_many_disagreements_do_not_overflow():
    n = 40_000  # against the bell curve with continuity correction, 3 deviations out
    expected = 2 * NormalDist().cdf((-300 + 0.5) / math.sqrt(n / 4))
    assert mcnemar_p(n // 2 - 300, n // 2 + 300) == pytest.approx(expected, rel=1e-2)


def test_discordant_and_is_better():
    y = np.array([0, 1, 2, 3, 4, 5])
    a, b = np.array([0, 1, 2, 3, 9, 9]), np.array([9, 9, 9, 3, 4, 9])
    assert discordant(a == y, b == y) == (3, 1)
    assert is_better(a, b, y) == (0.625, False)
    n = np.arange(40)
    assert is_better(n, np.where(n < 30, -1, n), n) == (2 * 0.5**30, True)
    p, better = is_better(np.where(n < 30, -1, n), n, n)
    assert p < 1e-8 and not better  # b is the better one
    assert is_better(n, n, n) == (1.0, False)


def test_errors():
    for call in (lambda: wilson_interval(5, 4), lambda: wilson_interval(-1, 4)):
        with pytest.raises(ValueError, match="k must be between 0 and n"):
            call()
    with pytest.raises(ValueError, match="n must be positive"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, 1.0)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_p(-1, 2)
    with pytest.raises(ValueError, match="alternative"):
        mcnemar_p(1, 2, "both")
    with pytest.raises(ValueError, match="one shape"):
        discordant([True], [True, False])
    with pytest.raises(TypeError, match="boolean"):
        discordant([1, 0], [1, 1])
    with pytest.raises(ValueError, match="one shape"):
        is_better(np.zeros(3, int), np.zeros(3, int), np.zeros(2, int))
