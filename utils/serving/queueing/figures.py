"""What chapter 27's figures show: latency against utilisation, and a burst with clients that try again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from utils.cost.checks import positive
from utils.cost.latency import percentile
from utils.serving.queueing.arrivals import poisson_arrivals, service_times
from utils.serving.queueing.balancing import simulate_split
from utils.serving.queueing.deadlines import simulate_overload
from utils.serving.queueing.lines import simulate_fifo

WARMUP_SHARE = 0.1  # of the requests: the queue begins empty, which is not its usual state
GRID = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
BURST = ((0.7, 60.0), (1.3, 180.0), (0.7, 360.0))  # (share of the capacity, s): calm, burst, calm
STEP_S = 10.0  # of the overload figure


@dataclass(frozen=True)
class LatencyCurve:
    """Simulated mean and p99 in ms at each utilisation."""

    utilization: tuple[float, ...]
    mean_ms: tuple[float, ...]
    p99_ms: tuple[float, ...]

    def highest_within(self, slo_ms: float) -> float | None:
        """The largest simulated utilisation up to which every p99 stays within the objective; None if not one does."""
        best = None
        for share, p99 in zip(self.utilization, self.p99_ms):
            if p99 > slo_ms:
                break
            best = share
        return best


@cache
def latency_curve(service_ms: float, scv: float, servers: int, shared_queue: bool, n: int = 20_000,
                  seed: int = 0) -> LatencyCurve:
    """Simulate `servers` servers at nine utilisations, with one line or with a random line for each request.

    All points share one seed, so the curve is smooth. Raises ValueError for sizes that are not positive.
    """
    positive(service_ms=service_ms, servers=servers, n=n)
    means, tails = [], []
    for share in GRID:
        rng = np.random.default_rng(seed)
        arrivals = poisson_arrivals(share * servers / service_ms * 1e3, n, rng)
        services = service_times(service_ms / 1e3, scv, n, rng)
        if shared_queue:
            waits = simulate_fifo(arrivals, services, servers)
        else:
            waits = simulate_split(arrivals, services, servers, "random", rng=rng)
        latency_ms = 1e3 * (waits + services)[int(n * WARMUP_SHARE):]
        means.append(float(latency_ms.mean()))
        tails.append(percentile(latency_ms, 99))
    return LatencyCurve(GRID, tuple(means), tuple(tails))


def burst_arrivals(capacity_per_s: float, path: tuple[tuple[float, float], ...] = BURST, *,
                   rng: np.random.Generator) -> np.ndarray:
    """Poisson arrivals (n,) in s whose rate follows a path of (share of the capacity, seconds)."""
    positive(capacity_per_s=capacity_per_s)
    begin, parts = 0.0, []
    for share, seconds in path:
        count = rng.poisson(share * capacity_per_s * seconds)
        parts.append(begin + np.sort(rng.random(count)) * seconds)
        begin += seconds
    return np.concatenate(parts)


@dataclass(frozen=True)
class Overload:
    """Per interval of ten seconds: tries and answers in time (both per second), and the mean length of the queue."""

    begin_s: np.ndarray
    tries_per_s: np.ndarray
    good_per_s: np.ndarray
    queue_len: np.ndarray


@cache
def overload(policy: str, deadline_ms: float, retries: int, service_ms: float = 50.0, seed: int = 0) -> Overload:
    """One server, ten minutes: one at 70 % of its capacity, a burst of three at 130 %, then six at 70 % again."""
    positive(deadline_ms=deadline_ms, service_ms=service_ms)
    arrivals = burst_arrivals(1e3 / service_ms, rng=np.random.default_rng(seed))
    run = simulate_overload(arrivals.tolist(), service_ms / 1e3, deadline_ms / 1e3, policy, retries)
    edges = np.arange(0.0, sum(seconds for _, seconds in BURST) + STEP_S / 2, STEP_S)
    tries, _ = np.histogram(run.tries_s, edges)
    good, _ = np.histogram(run.good_s, edges)
    total, _ = np.histogram(run.tries_s, edges, weights=run.queue_len)
    return Overload(edges[:-1], tries / STEP_S, good / STEP_S, total / np.maximum(tries, 1))
