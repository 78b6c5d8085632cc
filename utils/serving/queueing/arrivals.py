"""When requests come, and how long each takes: the random inputs of a queue."""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive

SLOW_SHARE = 0.01  # of the requests, in the two-point distribution of `service_times`


def poisson_arrivals(rate_per_s: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Times (n,) in s of n arrivals that come independently of each other, `rate_per_s` on average."""
    positive(rate_per_s=rate_per_s)
    return np.cumsum(rng.exponential(1 / rate_per_s, n))


def service_times(mean_s: float, scv: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Service times (n,) in s with a mean and a squared coefficient of variation, variance / mean^2.

    scv 0 is constant, up to 1 a gamma distribution (1 is exponential). Above 1 it has two values: 1 % of the requests
    are slow, the others alike. Raises ValueError for scv outside [0, 99], the largest that 1 % can make.
    """
    positive(mean_s=mean_s)
    if not 0 <= scv <= (1 - SLOW_SHARE) / SLOW_SHARE:
        raise ValueError(f"scv must lie in [0, 99], got {scv}")
    if scv == 0:
        return np.full(n, float(mean_s))
    if scv <= 1:
        return rng.gamma(1 / scv, mean_s * scv, n)
    slow, fast = two_point(mean_s, scv)
    return np.where(rng.random(n) < SLOW_SHARE, slow, fast)


def two_point(mean_s: float, scv: float) -> tuple[float, float]:
    """The slow value (1 % of the requests) and the fast one that give a mean and a squared coefficient of variation."""
    odds = (1 - SLOW_SHARE) / SLOW_SHARE
    return mean_s * (1 + (scv * odds) ** 0.5), mean_s * (1 - (scv / odds) ** 0.5)
