"""Requests, batches and instances over time, simulated: what `dynamic_batching` and `instance_group` do to a model."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.cost.checks import non_negative, positive


@dataclass(frozen=True)
class Execution:
    """One execution: which instance ran which requests (indices), and from when to when (ms)."""

    instance: int
    first: int
    size: int
    start_ms: float
    finish_ms: float


@dataclass(frozen=True)
class Timeline:
    """A simulated run: arrivals (n,) in ms, and the executions in the order of their requests."""

    arrivals_ms: np.ndarray
    executions: tuple[Execution, ...]

    @property
    def latency_ms(self) -> np.ndarray:
        """Wait and service of each request (n,) in ms."""
        finishes = np.repeat([e.finish_ms for e in self.executions], [e.size for e in self.executions])
        return finishes - self.arrivals_ms

    @property
    def mean_batch(self) -> float:
        """Requests per execution."""
        return len(self.arrivals_ms) / len(self.executions)

    @property
    def throughput_per_s(self) -> float:
        """Requests per second from the first arrival to the last end."""
        return 1e3 * len(self.arrivals_ms) / (max(e.finish_ms for e in self.executions) - float(self.arrivals_ms[0]))


def batch_timeline(
    arrivals_ms: Sequence[float],
    max_batch: int,
    delay_us: float,
    service_ms: Callable[[int], float],
    instances: int = 1,
) -> Timeline:
    """Requests served first come, first served by `instances` copies of a model, each of which runs a batch at a time.

    `max_batch` 0 or 1: every request is an execution. Otherwise a batch starts when an instance is free and it is
    full, or its oldest request has waited for `delay_us`; it takes all that have come by its start, at most
    `max_batch`. `service_ms(n)` is the time of a batch of n.
    With one instance this is `utils.serving.batching.simulate_batcher`.
    Raises ValueError for no or unsorted arrivals, a negative `max_batch` or delay, or no instance.
    """
    arrivals = np.asarray(arrivals_ms, np.float64)
    if arrivals.ndim != 1 or len(arrivals) == 0 or np.any(np.diff(arrivals) < 0):
        raise ValueError(f"arrivals_ms must be sorted and not empty, got an array of shape {arrivals.shape}")
    non_negative(max_batch=max_batch, delay_us=delay_us)
    positive(instances=instances)
    times, size, delay = arrivals.tolist(), max(max_batch, 1), delay_us / 1e3
    free = [(float("-inf"), i) for i in range(instances)]  # when each instance is done, as a heap
    executions, first = [], 0
    while first < len(times):
        ready, instance = heapq.heappop(free)
        full = times[first + size - 1] if first + size <= len(times) else float("inf")
        start = max(ready, min(times[first] + delay, full))
        last = first + 1
        while last < len(times) and last - first < size and times[last] <= start:
            last += 1
        finish = start + service_ms(last - first)
        executions.append(Execution(instance, first, last - first, start, finish))
        heapq.heappush(free, (finish, instance))
        first = last
    return Timeline(arrivals, tuple(executions))
