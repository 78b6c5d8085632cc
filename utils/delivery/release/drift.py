"""Drift: did the inputs move after the release? It needs no labels."""

from __future__ import annotations

import numpy as np

EMPTY_SHARE = 1e-4  # of an empty bin, whose logarithm would be infinite


def psi(expected: np.ndarray, actual: np.ndarray, bins: int = 10) -> float:
    """Population stability index: sum of (a - e) ln(a / e) over the shares of `bins` bins.

    The edges are quantiles of `expected`, so that about the same number of its values lies in each; equal edges are
    merged. 0 for equal shares, never negative. An empty bin counts as a share of 1e-4.
    Raises ValueError for empty input, values that are not finite, or fewer than 2 bins.
    """
    expected, actual = (np.asarray(x, np.float64).ravel() for x in (expected, actual))
    for name, x in (("expected", expected), ("actual", actual)):
        if not x.size or not np.isfinite(x).all():
            raise ValueError(f"{name} must hold finite values and must not be empty")
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1]))
    bins_of = [np.searchsorted(edges, x, side="right") for x in (expected, actual)]
    counts = [np.bincount(found, minlength=len(edges) + 1) for found in bins_of]
    e, a = (np.maximum(count / count.sum(), EMPTY_SHARE) for count in counts)
    return float(((a - e) * np.log(a / e)).sum())
