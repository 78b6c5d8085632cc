"""Is a difference in accuracy real? Intervals for shares, and exact tests on the samples where two models disagree."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive

Alternative = Literal["two-sided", "greater", "less"]


def wilson_interval(k: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval for the true share behind k of n (Wilson, JASA 1927).

    It holds the shares p from which k / n is at most z standard deviations sqrt(p (1 - p) / n) away. Unlike
    k / n ± z sd it never leaves [0, 1] and is not empty at k = 0 or k = n. k may be a fraction (accuracy · n).
    Raises ValueError for n < 1, k outside 0 ... n, or a confidence outside (0, 1).

    >>> low, high = wilson_interval(950, 1000)
    >>> round(low, 4), round(high, 4)
    (0.9347, 0.9619)
    """
    positive(n=n)
    if not 0 <= k <= n:
        raise ValueError(f"k must be between 0 and n, got {k} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = k / n
    middle = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    return (0.0 if k == 0 else low), (1.0 if k == n else high)  # exact there; rounding would leave 1e-17


def newcombe_diff(k0: float, n0: int, k1: float, n1: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for p1 - p0 of two *independent* samples, from their Wilson limits (Newcombe 1998, method 10).

    For two models on the same images use `mcnemar_p`: these samples are paired. Raises ValueError as
    `wilson_interval` does.

    >>> tuple(round(end, 4) for end in newcombe_diff(10, 1000, 10, 1000))
    (-0.0095, 0.0095)
    """
    low0, high0 = wilson_interval(k0, n0, confidence)
    low1, high1 = wilson_interval(k1, n1, confidence)
    p0, p1 = k0 / n0, k1 / n1
    difference = p1 - p0
    return difference - math.hypot(p1 - low1, high0 - p0), difference + math.hypot(high1 - p1, p0 - low0)


def discordant(ok_a: ArrayLike, ok_b: ArrayLike) -> tuple[int, int]:
    """(samples that only a has right, samples that only b has right) of two boolean arrays of shape (n,).

    Raises ValueError for shapes that differ, TypeError for other dtypes than bool.

    >>> discordant([True, True, False], [True, False, False])
    (1, 0)
    """
    a, b = np.asarray(ok_a), np.asarray(ok_b)
    if a.shape != b.shape:
        raise ValueError(f"ok_a and ok_b must have one shape, got {a.shape} and {b.shape}")
    if a.size and (a.dtype != bool or b.dtype != bool):
        raise TypeError(f"ok_a and ok_b must be boolean, got {a.dtype} and {b.dtype}")
    a, b = a.astype(bool), b.astype(bool)
    return int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))


def mcnemar_p(only_a: int, only_b: int, alternative: Alternative = "two-sided") -> float:
    """Exact p-value of the paired comparison of two classifiers (McNemar, Psychometrika 1947).

    `only_a` and `only_b` count the samples that only one of them has right. If they were equally good, `only_a`
    would be the number of heads in only_a + only_b throws of a fair coin. "greater" asks whether a is better,
    P(heads >= only_a); "less" whether b is; "two-sided" whether either is. 1.0 for no disagreement.
    Raises ValueError for negative counts or an unknown alternative.

    >>> round(mcnemar_p(18, 9), 4), round(mcnemar_p(30, 10), 5)
    (0.1221, 0.00222)
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"only_a and only_b must not be negative, got {only_a} and {only_b}")
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(f"alternative must be 'two-sided', 'greater' or 'less', got {alternative!r}")
    n = only_a + only_b
    if alternative == "greater":
        return _at_most(only_b, n)  # heads >= only_a is the same as tails <= only_b
    if alternative == "less":
        return _at_most(only_a, n)
    return min(1.0, 2 * _at_most(min(only_a, only_b), n))


def _at_most(k: int, n: int) -> float:
    """P(heads <= k) in n throws of a fair coin: the largest term exactly, the others from it downwards."""
    if 2 * k >= n:
        return 1.0 - _at_most(n - k - 1, n) if k < n else 1.0
    if k < 0:
        return 0.0
    term, total = math.comb(n, k) / 2**n, 0.0  # a quotient of integers is rounded once, however long they are
    for i in range(k, -1, -1):
        total += term
        term *= i / (n - i + 1)
    return total


def is_better(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    """Exact two-sided McNemar p-value of two classifiers, and whether a is significantly more accurate than b.

    The arguments are label arrays of shape (n,). Raises ValueError for shapes that differ.
    """
    if not np.shape(pred_a) == np.shape(pred_b) == np.shape(y):
        raise ValueError(f"pred_a, pred_b and y must have one shape, got {np.shape(pred_a)}, {np.shape(pred_b)} "
                         f"and {np.shape(y)}")
    only_a, only_b = discordant(np.equal(pred_a, y), np.equal(pred_b, y))
    p = mcnemar_p(only_a, only_b)
    return p, p < alpha and only_a > only_b
