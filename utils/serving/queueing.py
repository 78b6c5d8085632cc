"""Queues: arrivals, the exact recursion of a first-come-first-served queue, and the formulas that it obeys.

The load generator, which does the same to a real function, is in `utils.serving.load`; its names can be had
from here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive
from utils.serving.load import LoadGenerator, LoadResult, closed_loop, latency_from_schedule, open_loop

__all__ = [
    "LoadGenerator", "LoadResult", "closed_loop", "fifo", "fifo_latencies", "latency_from_schedule",
    "max_rate_under_slo", "md1_time_s", "mean_in_flight", "mg1_wait_s", "mm1_time_s", "open_loop",
    "poisson_arrivals", "service_times", "simulate_fifo",
]

SLOW_SHARE = 0.01  # of the requests, in the two-point distribution of `service_times`


# --- arrivals and services --------------------------------------------------------------------


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


# --- first come, first served -----------------------------------------------------------------


def simulate_fifo(arrivals_s: ArrayLike, services_s: ArrayLike, servers: int = 1) -> np.ndarray:
    """Waits (n,) in s before service: the request that came first gets the server that is free first.

    Raises ValueError for arrivals that are not sorted, another number of services, negative services or no server.
    """
    arrivals, services = np.asarray(arrivals_s, np.float64), np.asarray(services_s, np.float64)
    if arrivals.shape != services.shape or arrivals.ndim != 1:
        raise ValueError(f"services_s must have one entry a request, got {services.shape} for {arrivals.shape}")
    if np.any(np.diff(arrivals) < 0):
        raise ValueError("arrivals_s must be sorted, got a time before the one ahead of it")
    if len(services):
        non_negative(services_s=float(services.min()))
    positive(servers=servers)
    return _one_server(arrivals, services) if servers == 1 else _many_servers(arrivals, services, servers)


def _one_server(arrivals: np.ndarray, services: np.ndarray) -> np.ndarray:
    """Lindley's recursion end_i = max(arrival_i, end_{i-1}) + service_i, solved by a running maximum."""
    done = np.cumsum(services)
    before = done - services  # work of all requests ahead
    starts = before + np.maximum.accumulate(arrivals - before)
    return np.maximum(starts - arrivals, 0.0)


def _many_servers(arrivals: np.ndarray, services: np.ndarray, servers: int) -> np.ndarray:
    free = [0.0] * servers  # when each server is done, as a heap
    waits = np.empty(len(arrivals))
    for i, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist())):
        start = max(arrival, free[0])
        heapq.heapreplace(free, start + service)
        waits[i] = start - arrival
    return waits


def fifo_latencies(arrivals_s: ArrayLike, services_s: ArrayLike, servers: int = 1) -> np.ndarray:
    """Latencies (n,) in s, wait plus service. Raises what `simulate_fifo` raises."""
    return simulate_fifo(arrivals_s, services_s, servers) + np.asarray(services_s, np.float64)


def fifo(arrivals: list[float], service: list[float]) -> list[float]:
    """Wait plus service of each request at one first-come-first-served server, in the order of the arguments."""
    return fifo_latencies(arrivals, service).tolist()


def mean_in_flight(arrivals_s: ArrayLike, ends_s: ArrayLike) -> float:
    """Requests in the system, averaged over the time from the first arrival to the last end.

    The area under the step function that goes up at each arrival and down at each end, over that time.
    """
    arrivals, ends = np.asarray(arrivals_s, np.float64), np.asarray(ends_s, np.float64)
    times = np.concatenate((arrivals, ends))
    order = np.argsort(times, kind="stable")
    steps = np.concatenate((np.ones(len(arrivals)), -np.ones(len(ends))))[order]
    times = times[order]
    return float(np.sum(np.cumsum(steps)[:-1] * np.diff(times)) / (times[-1] - times[0]))


# --- formulas ---------------------------------------------------------------------------------


def mg1_wait_s(rate_per_s: float, service_s: float, scv: float) -> float:
    """Mean wait in s of Poisson arrivals at one server: rho s (1 + scv) / (2 (1 - rho)), Pollaczek and Khinchine.

    Raises ValueError "unstable" at a utilisation rho = rate * service of 1 or more.

    >>> round(mg1_wait_s(80, 0.01, 0), 6)
    0.02
    """
    positive(rate_per_s=rate_per_s, service_s=service_s)
    non_negative(scv=scv)
    utilization = rate_per_s * service_s
    if utilization >= 1:
        raise ValueError(f"rate_per_s must stay below 1 / service_s, got utilisation {utilization:.3g} >= 1: unstable")
    return utilization * service_s * (1 + scv) / (2 * (1 - utilization))


def md1_time_s(rate_per_s: float, service_s: float) -> float:
    """Mean latency in s, wait plus service, with a constant service time. ValueError "unstable" as in `mg1_wait_s`."""
    return mg1_wait_s(rate_per_s, service_s, 0.0) + service_s


def mm1_time_s(rate_per_s: float, service_s: float, quantile: float | None = None) -> float:
    """Latency in s with exponential service: the mean s / (1 - rho), or a quantile, -ln(1 - quantile) times it.

    The latency of M/M/1 is exponential itself (Kleinrock, Queueing Systems I, 1975). ValueError "unstable" as in
    `mg1_wait_s`, and for a quantile that does not lie between 0 and 1.

    >>> round(mm1_time_s(80, 0.01, 0.99), 3)
    0.23
    """
    mean_s = mg1_wait_s(rate_per_s, service_s, 1.0) + service_s
    if quantile is None:
        return mean_s
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    return float(-np.log1p(-quantile)) * mean_s


# --- an objective -----------------------------------------------------------------------------


def max_rate_under_slo(simulate: Callable[[float], float], slo_ms: float, lo: float, hi: float, tol: float) -> float:
    """The largest rate in [lo, hi] whose latency `simulate(rate)` in ms stays within `slo_ms`, to within `tol`.

    Bisection, as MLPerf's load generator does it: `simulate` should not fall with the rate. Raises ValueError if the
    objective is missed at `lo`, or for lo > hi or a tolerance that is not positive.
    """
    positive(tol=tol)
    if lo > hi:
        raise ValueError(f"lo must not exceed hi, got {lo} and {hi}")
    at_lo = simulate(lo)
    if at_lo > slo_ms:
        raise ValueError(f"lo must meet the objective, got {at_lo:.3g} ms at {lo:g}/s against {slo_ms:g} ms")
    if simulate(hi) <= slo_ms:
        return float(hi)
    while hi - lo > tol:
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if simulate(middle) <= slo_ms else (lo, middle)
    return float(lo)
