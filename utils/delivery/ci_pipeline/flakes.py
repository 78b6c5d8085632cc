"""Flaky tests: how often a suite of them is green, and how long one has to look for a rare failure."""

from __future__ import annotations

import math


def flake_pass_rate(n_tests: int, p_flake: float, retries: int = 0) -> float:
    """Probability that a build of `n_tests` independent tests is green although nothing is wrong.

    Each fails by chance with probability `p_flake`, and is tried again up to `retries` times. Raises ValueError for
    negative counts or a probability outside [0, 1].

    >>> round(flake_pass_rate(500, 0.001), 3), round(flake_pass_rate(500, 0.001, 1), 4)
    (0.606, 0.9995)
    """
    _share(p_flake=p_flake)
    if n_tests < 0 or retries < 0:
        raise ValueError(f"n_tests and retries must not be negative, got {n_tests} and {retries}")
    return (1 - p_flake ** (retries + 1)) ** n_tests


def runs_to_see(rate: float, confidence: float = 0.95) -> int:
    """Runs that show a failure of this rate at least once with this confidence.

    >>> runs_to_see(0.01)
    299
    """
    if not (0 < rate < 1 and 0 < confidence < 1):
        raise ValueError(f"rate and confidence must lie between 0 and 1, got {rate} and {confidence}")
    return math.ceil(math.log1p(-confidence) / math.log1p(-rate))


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {value}")
