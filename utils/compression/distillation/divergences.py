"""Which way round to measure: forward KL covers the teacher's modes, reverse KL seeks one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Direction = Literal["forward", "reverse"]


def forward_kl(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """KL(p || q) in nats over the last axis: the teacher p weighs. inf where q is 0 and p is not."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0).sum(axis=-1)


def reverse_kl(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """KL(q || p) in nats over the last axis: the student q weighs."""
    return forward_kl(q, p)


def js_divergence(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """The Jensen-Shannon divergence in nats over the last axis: symmetric, and at most log 2."""
    middle = (np.asarray(p, np.float64) + np.asarray(q, np.float64)) / 2
    return (forward_kl(p, middle) + forward_kl(q, middle)) / 2


@dataclass(frozen=True)
class GaussianFit:
    """The best single Gaussian for a mixture of two: mean, standard deviation, divergence in nats."""

    mean: float
    std: float
    divergence: float

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


GRID = np.linspace(-12, 12, 241)  # 0.1 apart: fine enough for deviations above 0.5


def gaussian(x: np.ndarray, mean: ArrayLike, std: ArrayLike) -> np.ndarray:
    """The normal density at x."""
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (np.sqrt(2 * np.pi) * std)


def mixture(x: np.ndarray, separation: float, share: float = 0.6) -> np.ndarray:
    """The teacher of the demonstration: two unit Gaussians, `separation` apart around 0; the left one has `share`."""
    return share * gaussian(x, -separation / 2, 1.0) + (1 - share) * gaussian(x, separation / 2, 1.0)


def fit_gaussian_to_mixture(direction: Direction, separation: float = 6.0, share: float = 0.6) -> GaussianFit:
    """The Gaussian student nearest to a mixture with two modes: a coarse search over means and deviations, then a
    fine one around the best.

    "forward" minimises KL(mixture || student), "reverse" KL(student || mixture), both as sums over a grid. The means
    end up on multiples of 0.02, the standard deviations too. Made for separations up to 8.
    ValueError for another direction.
    """
    if direction not in ("forward", "reverse"):
        raise ValueError(f"direction must be 'forward' or 'reverse', got {direction!r}")
    coarse = _search(direction, separation, share, np.arange(-50, 51) / 10, np.arange(5, 51) / 10)
    near = np.arange(-6, 7) / 50
    means, stds = np.round(coarse.mean * 50) / 50 + near, np.round(coarse.std * 50) / 50 + near
    return _search(direction, separation, share, means, stds)


def _search(direction: Direction, separation: float, share: float, means: np.ndarray,
            stds: np.ndarray) -> GaussianFit:
    step = GRID[1] - GRID[0]
    p = mixture(GRID, separation, share) * step  # (x,)
    m, s = means[:, None, None], stds[:, None]
    log_q = -0.5 * ((GRID - m) / s) ** 2 - np.log(np.sqrt(2 * np.pi) * s / step)  # (means, stds, x)
    if direction == "forward":
        found = (p * (np.log(p) - log_q)).sum(axis=-1)
    else:
        found = (np.exp(log_q) * (log_q - np.log(p))).sum(axis=-1)
    i, j = np.unravel_index(np.argmin(found), found.shape)
    return GaussianFit(round(float(means[i]), 2) + 0.0, round(float(stds[j]), 2), float(found[i, j]))
