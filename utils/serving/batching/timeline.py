"""What the figures of chapter 21 show: a batcher's run, and what a delay does to its tail. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.cost.latency import percentile
from utils.serving.batching.batcher import BatcherResult, simulate_batcher
from utils.serving.batching.service import AffineService
from utils.serving.queueing import poisson_arrivals


@dataclass(frozen=True)
class DelayPoint:
    """What one maximum delay brings: p99 and mean latency in ms, requests per batch, busy share of the server."""

    max_delay_ms: float
    p99_ms: float
    mean_ms: float
    mean_batch: float
    utilization: float


def batcher_timeline(rate_per_s: float, max_batch: int, max_delay_ms: float, service: AffineService, n: int = 4000,
                     seed: int = 0) -> BatcherResult:
    """n Poisson arrivals, `rate_per_s` on average, served in batches; simulated."""
    arrivals_ms = 1e3 * poisson_arrivals(rate_per_s, n, np.random.default_rng(seed))
    return simulate_batcher(arrivals_ms, max_batch, max_delay_ms, service)


def delay_curve(rate_per_s: float, max_batch: int, delays_ms: Sequence[float], service: AffineService, n: int = 4000,
                seed: int = 0) -> list[DelayPoint]:
    """The same arrivals under each of some maximum delays."""
    runs = [batcher_timeline(rate_per_s, max_batch, delay, service, n, seed) for delay in delays_ms]
    return [DelayPoint(delay, percentile(run.latency_ms, 99), float(run.latency_ms.mean()), run.mean_batch,
                       run.utilization) for delay, run in zip(delays_ms, runs)]
