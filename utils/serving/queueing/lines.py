"""First come, first served: the exact waits of one line in front of one server or several."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive


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


def fifo_waits(arrivals: list[float], services: list[float], servers: int) -> list[float]:
    """Waits of each request before its service, in the unit of the arguments, for one line and several servers.

    `arrivals` are sorted; equal times are served in the order given. Raises ValueError for unsorted arrivals, lists of
    different lengths, or fewer than one server.

    >>> fifo_waits([0, 1, 2, 3], [3, 3, 1, 1], 2)
    [0.0, 0.0, 1.0, 1.0]
    """
    return simulate_fifo(arrivals, services, servers).tolist()
