"""How likely a paired gate is to notice a model that really is worse, and to block one that is not."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from utils.cost.edge_metrics import mcnemar_p

NEGLIGIBLE = 1e-12  # binomial weights below this are left out: their sum stays far below what a figure shows


def gate_power(n: int, drop: float, disagreement: float, max_p: float = 0.05) -> float:
    """Probability that the one-sided exact McNemar test is significant (p <= max_p) on n samples.

    In the long run the candidate is right on `drop` fewer of all samples, and exactly one of the two models is right on
    a share `disagreement` of them. Exact: a sum over how many samples disagree, and how many of those are lost.
    Raises ValueError unless n >= 1, |drop| <= disagreement <= 1 and 0 < max_p <= 1.

    >>> round(gate_power(200, 0.02, 0.06), 2), round(gate_power(2000, 0.02, 0.06), 2)
    (0.22, 0.98)
    """
    _check_rates(n, drop, disagreement)
    if not 0 < max_p <= 1:
        raise ValueError(f"max_p must lie in (0, 1], got {max_p}")
    if disagreement == 0:
        return float(max_p >= 1)
    share_lost = (1 + drop / disagreement) / 2
    weights = _binomial(n, disagreement)
    return float(sum(w * _rejected(d, share_lost, max_p) for d, w in enumerate(weights) if w > NEGLIGIBLE))


def drop_alarm(n: int, max_drop: float, disagreement: float, drop: float = 0.0) -> float:
    """Probability that the drop seen on n samples is above `max_drop`; at a true `drop` of 0 it is a false alarm.

    What `drop` and `disagreement` mean, and what is refused, is as in `gate_power`.

    >>> round(drop_alarm(200, 0.01, 0.06), 2), round(drop_alarm(2000, 0.01, 0.06), 2)
    (0.23, 0.03)
    """
    _check_rates(n, drop, disagreement)
    if disagreement == 0:
        return float(max_drop < 0)
    share_lost = (1 + drop / disagreement) / 2
    alarm = 0.0
    for flips, weight in enumerate(_binomial(n, disagreement)):
        if weight > NEGLIGIBLE:
            net = 2 * np.arange(flips + 1) - flips  # losses minus gains
            alarm += weight * _binomial(flips, share_lost)[net / n > max_drop].sum()
    return float(alarm)


def _check_rates(n: int, drop: float, disagreement: float) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if not abs(drop) <= disagreement <= 1:
        raise ValueError(f"disagreement must lie between the drop and 1, got {disagreement} and a drop of {drop}")


@cache
def critical_losses(disagreements: int, max_p: float) -> int:
    """The fewest losses among so many disagreements with a p of at most `max_p`, or one more than all of them."""
    low, high = 0, disagreements + 1  # p falls with the losses
    while low < high:
        middle = (low + high) // 2
        if mcnemar_p(middle, disagreements - middle, "greater") <= max_p:
            high = middle
        else:
            low = middle + 1
    return low


@cache
def _log_factorials(n: int) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # (n + 1,)


def _rejected(disagreements: int, share_lost: float, max_p: float) -> float:
    return float(_binomial(disagreements, share_lost)[critical_losses(disagreements, max_p):].sum())


def _binomial(n: int, p: float) -> np.ndarray:
    """P(X = 0), ..., P(X = n), shape (n + 1,)."""
    if p in (0, 1):
        return np.eye(n + 1)[n if p else 0]
    k = np.arange(n + 1)
    log_factorial = _log_factorials(n)
    ways = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    return np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
