"""How sure a ratio of two medians is, from the samples alone (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RatioInterval:
    """The ratio median(a) / median(b) and its percentile confidence interval."""

    ratio: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def bootstrap_ratio_ci(
    a: ArrayLike, b: ArrayLike, n_boot: int, rng: np.random.Generator, alpha: float = 0.05
) -> RatioInterval:
    """Percentile interval of level 1 - `alpha` for the ratio of the medians of two independent samples.

    Each of `n_boot` rounds draws len(a) values of `a` with replacement and, independently, len(b) values of `b`,
    and takes the ratio of their medians; the interval is between the quantiles alpha/2 and 1 - alpha/2 of these
    ratios. The draws of `a` are taken from `rng` first.
    Raises ValueError for empty or non-positive samples, n_boot < 1, or an alpha outside (0, 1).
    """
    a, b = _positive("a", a), _positive("b", b)
    if n_boot < 1:
        raise ValueError(f"n_boot must be at least 1, got {n_boot}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
    ratios = _resampled_medians(a, n_boot, rng) / _resampled_medians(b, n_boot, rng)  # (n_boot,)
    low, high = np.quantile(ratios, [alpha / 2, 1 - alpha / 2])
    return RatioInterval(float(np.median(a) / np.median(b)), float(low), float(high))


def _positive(name: str, samples: ArrayLike) -> np.ndarray:
    values = np.asarray(samples, dtype=np.float64).ravel()
    if values.size == 0 or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(f"{name} must hold positive samples, got {values[:5].tolist()}")
    return values


def _resampled_medians(values: np.ndarray, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    return np.median(values[rng.integers(0, len(values), (n_boot, len(values)))], axis=1)  # (n_boot, n) -> (n_boot,)
