"""A cascade: a small model answers at once, and what it is unsure of goes to a big one elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive


def cascade(confidence: ArrayLike, small_ok: ArrayLike, big_ok: ArrayLike, threshold: float) -> tuple[float, float]:
    """(accuracy, upload share) when samples with a confidence below `threshold` are escalated to the big model.

    confidence: float (n,), the small model's. small_ok, big_ok: bool (n,), whether each model is right.
    Raises ValueError for no samples or lengths that differ.

    >>> cascade([0.9, 0.4, 0.8], [True, False, False], [True, True, True], 0.5)
    (0.6666666666666666, 0.3333333333333333)
    """
    confidence, small, big = np.asarray(confidence, np.float64), np.asarray(small_ok, bool), np.asarray(big_ok, bool)
    if confidence.ndim != 1 or len(confidence) == 0 or not confidence.shape == small.shape == big.shape:
        raise ValueError(f"confidence, small_ok and big_ok must have one length above 0, got {confidence.shape}, "
                         f"{small.shape} and {big.shape}")
    up = confidence < threshold
    return float(np.where(up, big, small).mean()), float(up.mean())


def cascade_cost(small_cost: float, big_cost: float, escalated: float) -> float:
    """Cost of one request: each one pays the small model, the share `escalated` pays the big one on top."""
    non_negative(small_cost=small_cost, escalated=escalated)
    positive(big_cost=big_cost)
    return small_cost + escalated * big_cost


def cascade_break_even(small_cost: float, big_cost: float) -> float:
    """The share of escalated requests at which a cascade costs as much as the big model alone; never below 0.

    >>> cascade_break_even(2, 10)
    0.8
    """
    non_negative(small_cost=small_cost)
    positive(big_cost=big_cost)
    return max(0.0, 1 - small_cost / big_cost)


@dataclass(frozen=True)
class CascadePoint:
    """One threshold: the accuracy of the cascade and the share of samples that it sends."""

    threshold: float
    accuracy: float
    upload_share: float


def cascade_curve(confidence: ArrayLike, small_ok: ArrayLike, big_ok: ArrayLike,
                  thresholds: Sequence[float]) -> list[CascadePoint]:
    """The cascade at each threshold."""
    return [CascadePoint(t, *cascade(confidence, small_ok, big_ok, t)) for t in thresholds]


@cache
def digits_cascade(seed: int = 0) -> dict[str, Any]:
    """Two real models on the test digits: logistic regression, small, and the course's CNN, big.

    The small one is trained on 100 images, as if it had been made early. confidence, small_ok, big_ok: arrays (540,);
    small_bytes, big_bytes: float32 parameters.
    """
    from sklearn.linear_model import LogisticRegression

    from utils.networks.digits import load_digits_split, predict, trained_digits

    X, X_test, y, y_test = load_digits_split()
    small = LogisticRegression(max_iter=500, random_state=seed).fit(X[:100], y[:100])
    shares = small.predict_proba(X_test)  # (540, 10)
    big = trained_digits("cnn", seed)
    return {"confidence": shares.max(1), "small_ok": small.classes_[shares.argmax(1)] == y_test,
            "big_ok": predict(big, X_test).argmax(1).numpy() == y_test,
            "small_bytes": 4 * (small.coef_.size + small.intercept_.size),
            "big_bytes": 4 * sum(p.numel() for p in big.parameters())}
