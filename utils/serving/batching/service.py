"""How long a batch of n takes: measured, fitted by a + b n, padded up to buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive
from utils.cost.latency import percentile, time_callable
from utils.serving.batching.batcher import Service
from utils.serving.batching.buckets import assign_bucket


@dataclass(frozen=True)
class AffineService:
    """A batch of n takes a + b n: `a_ms` for the batch, `b_ms` for each request. `r2` tells how well a fit agrees."""

    a_ms: float
    b_ms: float
    r2: float = 1.0

    def __call__(self, n: int) -> float:
        """Time in ms of a batch of n."""
        return self.a_ms + self.b_ms * n


def measure_latency(fn: Callable[[], object], repeats: int = 30) -> float:
    """Median time of a call in ms, after a warm-up."""
    return percentile(time_callable(fn, warmup=3, repeats=repeats), 50)


def fit_service_time(ns: ArrayLike, ms: ArrayLike) -> AffineService:
    """Least squares of ms = a + b n; a fit whose a or b would be negative is made with 0 in its place.

    `r2` is the share of the variance that is explained. Raises ValueError for fewer than two different sizes.
    """
    n, y = np.asarray(ns, np.float64), np.asarray(ms, np.float64)
    if n.shape != y.shape or len(np.unique(n)) < 2:
        raise ValueError(f"ns must hold two different sizes and as many as ms, got {n.shape} and {y.shape}")
    b, a = np.polyfit(n, y, 1)
    if a < 0:
        a, b = 0.0, float(n @ y / (n @ n))
    elif b < 0:
        a, b = float(y.mean()), 0.0
    spread = float(((y - y.mean()) ** 2).sum())
    left = float(((y - a - b * n) ** 2).sum())
    return AffineService(float(a), float(b), 1 - left / spread if spread else 1.0)


def padded_service(service: Service, buckets: Sequence[int]) -> Service:
    """The service time of a server whose model has fixed batch sizes: a batch of n costs that of its bucket."""
    if not buckets:
        raise ValueError("buckets must not be empty")
    return lambda n: service(assign_bucket(n, buckets))


def capacity_per_s(service: Service, max_batch: int) -> float:
    """Requests per second of a server that runs batches of `max_batch` back to back, `service` in ms.

    >>> round(capacity_per_s(AffineService(4, 1), 8), 1)
    666.7
    """
    positive(max_batch=max_batch)
    cost = service(max_batch)
    positive(service=cost)
    return 1e3 * max_batch / cost
