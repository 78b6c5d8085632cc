"""The percentile interval of a ratio of medians against scipy's bootstrap."""

import numpy as np
from scipy import stats

from utils.cost.latency import bootstrap_ratio_ci


def test_percentile_interval():
    rng = np.random.default_rng(0)
    a, b = 1 + rng.exponential(0.1, 80), 1.1 + rng.exponential(0.1, 50)
    theirs = stats.bootstrap(
        (a, b), lambda x, y, axis: np.median(x, axis=axis) / np.median(y, axis=axis), n_resamples=20_000,
        method="percentile", vectorized=True, confidence_level=0.9, rng=np.random.default_rng(1)).confidence_interval
    ours = bootstrap_ratio_ci(a, b, 20_000, np.random.default_rng(2), alpha=0.1)
    # both are quantiles of 20,000 draws of a ratio whose standard deviation is about 0.01: their standard error is
    # sqrt(0.05 * 0.95 / 20,000) / density, about 1.5e-4, and there are two of them
    assert abs(ours.low - theirs.low) < 1e-3 and abs(ours.high - theirs.high) < 1e-3
