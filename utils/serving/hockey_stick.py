"""The figure behind "latency explodes as utilisation approaches one": one point, and the curve through it."""

from __future__ import annotations

from functools import cache

import numpy as np

from utils.cost.checks import positive
from utils.cost.latency import percentile
from utils.serving.queueing import poisson_arrivals, service_times, simulate_fifo

WARMUP_SHARE = 0.1  # of the requests: the queue begins empty, which is not its usual state


def queue_point(rate: float, service_ms: float, scv: float, servers: int, n: int, seed: int, closed: bool) -> dict:
    """Latencies of `n` simulated requests at one point of the hockey stick.

    Poisson arrivals at `rate` per second; service times of mean `service_ms` and squared coefficient of variation
    `scv` (see `service_times`); first come, first served. With `closed` the clock starts when the request is sent,
    and each server has one client that waits for its answer before it sends the next: the wait is not seen.
    The first tenth of the requests is left out. Returns latency_ms (an array), p50_ms, p95_ms, p99_ms, mean_ms,
    utilization (rate times service over servers) and stable (utilization below 1: otherwise the latencies grow
    with the length of the run). Raises ValueError for rate, service, servers or n that are not positive.
    """
    positive(rate=rate, service_ms=service_ms, servers=servers, n=n)
    rng = np.random.default_rng(seed)
    arrivals = poisson_arrivals(rate, n, rng)
    services = service_times(service_ms / 1e3, scv, n, rng)
    waits = 0.0 if closed else simulate_fifo(arrivals, services, servers)
    latency_ms = ((waits + services) * 1e3)[int(n * WARMUP_SHARE):]
    p50, p95, p99 = (percentile(latency_ms, q) for q in (50, 95, 99))
    utilization = rate * service_ms / 1e3 / servers
    return {"latency_ms": latency_ms, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "mean_ms": float(latency_ms.mean()),
            "utilization": utilization, "stable": utilization < 1}


@cache
def p99_curve(utilizations: tuple[float, ...], service_ms: float, scv: float, servers: int, n: int, seed: int,
              closed: bool = False) -> tuple[float, ...]:
    """p99 in ms at each utilisation. All points share one seed, so the curve is smooth."""
    rates = [u * servers / service_ms * 1e3 for u in utilizations]
    return tuple(queue_point(rate, service_ms, scv, servers, n, seed, closed)["p99_ms"] for rate in rates)
