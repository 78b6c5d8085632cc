"""Tails: how many samples a percentile needs, how wrong it may be, and what a fan-out makes of it."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive

MLPERF_UNIT = 8192  # MLPerf Inference rules v0.5: query counts are rounded up to multiples of 2^13


def samples_for_percentile(p: float, confidence: float = 0.99, margin: float | None = None) -> int:
    """Samples that place the p-quantile within `margin` of its rank, z^2 p (1 - p) / margin^2 to the nearest integer.

    All three arguments are fractions; z is two-sided. The default margin (1 - p) / 20 is MLPerf's (Inference rules
    v0.5, appendix "Number of Queries"). Raises ValueError for an argument that does not lie between 0 and 1.

    >>> samples_for_percentile(0.99)
    262742
    """
    _between_0_and_1(p=p)
    return queries_needed(p, (1 - p) / 20 if margin is None else margin, confidence)


def queries_needed(percentile: float, margin: float, confidence: float) -> int:
    """Queries that a percentile needs, by the normal approximation; all three arguments are fractions.

    Raises ValueError for an argument that does not lie between 0 and 1, both excluded.
    """
    _between_0_and_1(percentile=percentile, margin=margin, confidence=confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return round(z**2 * percentile * (1 - percentile) / margin**2)


def mlperf_round(n: int) -> int:
    """`n` rounded up to a multiple of 8192, as MLPerf Inference v0.5 rounded its query counts.

    >>> mlperf_round(262_742)
    270336
    """
    positive(n=n)
    return math.ceil(n / MLPERF_UNIT) * MLPERF_UNIT


def percentile_ci(samples: ArrayLike, q: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two samples between which the true q-th percentile lies with at least `confidence`, whatever the distribution.

    How many of n independent samples fall at or below the percentile is binomial (n, q / 100); the two ranks cut off
    at most half of 1 - confidence on each side (David and Nagaraja, Order Statistics, section 7.1). An end is
    -inf or inf where the samples are too few to bound it. q lies in (0, 100), confidence in (0, 1).
    Raises ValueError for no samples, or for q or confidence out of range.
    """
    from scipy.special import bdtr

    ordered = np.sort(np.asarray(samples, dtype=np.float64).ravel())
    n = len(ordered)
    if n == 0:
        raise ValueError("samples must not be empty, got 0 samples")
    if not 0 < q < 100:
        raise ValueError(f"q must lie between 0 and 100, got {q}")
    _between_0_and_1(confidence=confidence)
    tail = (1 - confidence) / 2
    at_most = bdtr(np.arange(n + 1), n, q / 100)  # P(count <= k) for k = 0 ... n
    low = int(np.searchsorted(at_most, tail))  # P(count < low) <= tail
    high = int(np.searchsorted(at_most, 1 - tail)) + 1  # P(count >= high) <= tail
    padded = np.concatenate(([-np.inf], ordered, [np.inf]))  # rank 1 at index 1
    return float(padded[low]), float(padded[high])


def fanout_tail(p_slow: float, n: int) -> float:
    """Probability that a request to n servers at once meets a slow one: 1 - (1 - p_slow)^n.

    Dean and Barroso, The Tail at Scale, CACM 2013. Raises ValueError for p_slow outside [0, 1] or n < 1.

    >>> round(fanout_tail(0.01, 100), 3)
    0.634
    """
    if not 0 <= p_slow <= 1:
        raise ValueError(f"p_slow must lie in [0, 1], got {p_slow}")
    positive(n=n)
    return 1 - (1 - p_slow) ** n


def _between_0_and_1(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {value}")
