"""Queues that leak: what a live stream does when the worker is too slow. The names are GStreamer's (`queue leaky=`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from utils.cost.checks import positive

MODES = ("no", "upstream", "downstream")


@dataclass(frozen=True)
class QueueResult:
    """done: (index, start, end) of each frame that was served, in order. dropped: indices, in the order of dropping."""

    arrivals: tuple[int, ...]
    done: tuple[tuple[int, int, int], ...]
    dropped: tuple[int, ...]

    @property
    def latencies(self) -> np.ndarray:
        """Wait plus service (done,) of each frame that was served, in the unit of the arrivals."""
        return np.array([end - self.arrivals[i] for i, _, end in self.done], np.float64)

    @property
    def drop_rate(self) -> float:
        return len(self.dropped) / len(self.arrivals) if self.arrivals else 0.0


def simulate_leaky_queue(arrivals_us: Sequence[int], service_us: int, capacity: int, mode: str) -> QueueResult:
    """One worker with a constant service time, and `capacity` places to wait in beside the frame in service.

    mode: "no" never drops (the capacity does not matter), "upstream" drops the newcomer that finds no place,
    "downstream" drops the oldest frame that waits, to make a place. Without places both drop the newcomer. A
    completion comes before an arrival at the same time; times are integers.
    Raises ValueError for another mode, a negative capacity, a service below 1 or arrivals that are not sorted.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if capacity < 0:
        raise ValueError(f"capacity must not be negative, got {capacity}")
    positive(service_us=service_us)
    if any(later < earlier for earlier, later in pairwise(arrivals_us)):
        raise ValueError("arrivals_us must be sorted, got a time before the one ahead of it")
    waiting: deque[int] = deque()
    done: list[tuple[int, int, int]] = []
    dropped: list[int] = []
    free_us: int | None = None  # when the worker ends what it has begun
    for i, now in enumerate(arrivals_us):
        while waiting and free_us <= now:
            free_us = _serve(waiting.popleft(), free_us, service_us, done)
        if free_us is None or free_us <= now:
            free_us = _serve(i, now, service_us, done)
        elif mode == "no" or len(waiting) < capacity:
            waiting.append(i)
        elif mode == "downstream" and capacity:
            dropped.append(waiting.popleft())
            waiting.append(i)
        else:
            dropped.append(i)
    while waiting:
        free_us = _serve(waiting.popleft(), free_us, service_us, done)
    return QueueResult(tuple(arrivals_us), tuple(done), tuple(dropped))


def _serve(index: int, start: int, service: int, done: list[tuple[int, int, int]]) -> int:
    done.append((index, start, start + service))
    return start + service


def leaky_queue(arrivals: list[int], service: int, capacity: int, mode: str) -> tuple[list[tuple[int, int]], list[int]]:
    """(index, latency) of each frame that is served, and the dropped indices. ValueError for a mode that never leaks.

    >>> leaky_queue([0, 10, 20, 30, 40], 25, 1, "upstream")
    ([(0, 25), (1, 40), (3, 45)], [2, 4])
    """
    if mode not in MODES[1:]:
        raise ValueError(f"mode must be 'upstream' or 'downstream', got {mode!r}")
    result = simulate_leaky_queue(arrivals, service, capacity, mode)
    return [(i, end - arrivals[i]) for i, _, end in result.done], list(result.dropped)


def no_room_loss(rate_per_s: float, service_s: float) -> float:
    """Share of Poisson arrivals that are lost with one worker and no place to wait: rho / (1 + rho).

    Erlang's loss formula for one server; it holds for any distribution of the service time (Erlang 1917; Sevastyanov
    1957).
    """
    positive(rate_per_s=rate_per_s, service_s=service_s)
    rho = rate_per_s * service_s
    return rho / (1 + rho)
