"""A server that merges requests into batches, simulated from event to event: nothing is rounded to a time step.

One server, first come, first served. `service(n)` is the time of a batch of n requests.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive

Service = Callable[[int], float]


class Batch(NamedTuple):
    """One batch: when it starts and ends, and how many requests are in it."""

    start_ms: float
    size: int
    finish_ms: float


@dataclass(frozen=True)
class BatcherResult:
    """One run: the arrivals (n,) in ms, and the batches that served them in order."""

    arrivals_ms: np.ndarray
    batches: tuple[Batch, ...]

    @property
    def starts_ms(self) -> np.ndarray:
        """When the batch of each request started (n,)."""
        return np.repeat([b.start_ms for b in self.batches], [b.size for b in self.batches])

    @property
    def finishes_ms(self) -> np.ndarray:
        """When the batch of each request ended (n,)."""
        return np.repeat([b.finish_ms for b in self.batches], [b.size for b in self.batches])

    @property
    def latency_ms(self) -> np.ndarray:
        """Wait and service of each request (n,), in the order of arrival."""
        return self.finishes_ms - self.arrivals_ms

    @property
    def mean_batch(self) -> float:
        """Requests per batch."""
        return len(self.arrivals_ms) / len(self.batches)

    @property
    def wall_ms(self) -> float:
        """Time from the first arrival to the last end."""
        return self.batches[-1].finish_ms - float(self.arrivals_ms[0])

    @property
    def throughput_per_s(self) -> float:
        """Requests per second, over the whole run."""
        return 1e3 * len(self.arrivals_ms) / self.wall_ms

    @property
    def utilization(self) -> float:
        """Busy share of the server."""
        return sum(b.finish_ms - b.start_ms for b in self.batches) / self.wall_ms


def simulate_batcher(arrivals_ms: ArrayLike, max_batch: int, max_delay_ms: float, service: Service) -> BatcherResult:
    """Dynamic batching: a batch starts when it is full, or when its oldest request has waited for `max_delay_ms`.

    It starts later than that if the server is busy, and then takes everyone who has come by its start, oldest first, at
    most `max_batch`. With `max_batch` 1 this is the queue of `utils.serving.queueing.simulate_fifo`.
    Raises ValueError for unsorted or no arrivals, a batch below 1, a negative delay or service time.
    """
    arrivals = _checked(arrivals_ms, max_batch)
    non_negative(max_delay_ms=max_delay_ms)

    def ready(first: int) -> float:
        filler = first + max_batch - 1  # the request that fills the batch
        full = arrivals[filler] if filler < len(arrivals) else float("inf")
        return min(arrivals[first] + max_delay_ms, full)

    return _simulate(arrivals, max_batch, ready, service)


def simulate_full_batches(arrivals_ms: ArrayLike, batch: int, service: Service) -> BatcherResult:
    """Static batching: a batch starts only when it is full; what is left at the end starts with the last arrival.

    Raises what `simulate_batcher` raises.
    """
    arrivals = _checked(arrivals_ms, batch)
    return _simulate(arrivals, batch, lambda first: arrivals[min(first + batch, len(arrivals)) - 1], service)


def batcher_schedule(arrivals: list[float], max_batch: int, max_delay: float,
                     service: Callable[[int], float]) -> list[tuple[float, int, float]]:
    """Batches (start, size, finish) of one server that waits for at most `max_delay` to fill a batch."""
    if not arrivals:
        return []
    return [tuple(b) for b in simulate_batcher(arrivals, max_batch, max_delay, service).batches]


def _checked(arrivals_ms: ArrayLike, max_batch: int) -> list[float]:
    arrivals = np.asarray(arrivals_ms, np.float64)
    if arrivals.ndim != 1 or len(arrivals) == 0 or np.any(np.diff(arrivals) < 0):
        raise ValueError(f"arrivals_ms must be sorted and not empty, got an array of shape {arrivals.shape}")
    positive(max_batch=max_batch)
    return arrivals.tolist()


def _simulate(arrivals: list[float], max_batch: int, ready: Callable[[int], float], service: Service) -> BatcherResult:
    """`ready(first)` is when a batch whose oldest request is `first` would start on an idle server."""
    batches, free, first = [], float("-inf"), 0
    while first < len(arrivals):
        start = max(free, ready(first))
        come = bisect.bisect_right(arrivals, start, lo=first) - first
        size = min(come, max_batch)
        cost = service(size)
        non_negative(service=cost)
        free = start + cost
        batches.append(Batch(start, size, free))
        first += size
    return BatcherResult(np.array(arrivals), tuple(batches))
