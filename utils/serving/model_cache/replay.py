"""Replay a trace of requests through a cache that only counts: hits, load cost, evictions, who is resident when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from utils.cost.checks import non_negative, positive
from utils.serving.model_cache.orders import eviction_order

PerModel = Mapping[Any, float] | Sequence[float]


@dataclass(frozen=True)
class SimResult:
    """What a trace cost: requests served from memory, summed cost of the loads, models evicted."""

    hits: int
    load_cost: float
    evictions: int

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class CacheStep:
    """After one request: its name, whether it was a hit, who is resident, cost of the loads so far, who had to go."""

    name: Any
    hit: bool
    resident: tuple[Any, ...]
    load_cost: float
    evicted: tuple[Any, ...]


def simulate_cache(trace: Sequence[Any], sizes: PerModel, costs: PerModel, capacity: float, policy: str) -> SimResult:
    """Hits, load cost and evictions of a trace under "lru", "lfu", "gds" or "belady".

    A model larger than the capacity is loaded at each request, is not kept and evicts nothing. Raises ValueError for
    an unknown policy, a negative capacity, or sizes that are not positive.

    >>> simulate_cache("ABCABDABCD", dict.fromkeys("ABCD", 1), dict.fromkeys("ABCD", 1), 3, "lru")
    SimResult(hits=4, load_cost=6.0, evictions=3)
    """
    hits, cost, evictions = 0, 0.0, 0
    for step in _steps(trace, sizes, costs, capacity, policy):
        hits, cost, evictions = hits + step.hit, step.load_cost, evictions + len(step.evicted)
    return SimResult(hits, cost, evictions)


def cache_timeline(trace: Sequence[Any], sizes: PerModel, costs: PerModel, capacity: float,
                   policy: str) -> list[CacheStep]:
    """The same trace step by step."""
    return list(_steps(trace, sizes, costs, capacity, policy))


def _steps(trace: Sequence[Any], sizes: PerModel, costs: PerModel, capacity: float, policy: str) -> Iterator[CacheStep]:
    non_negative(capacity=capacity)
    for name in dict.fromkeys(trace):
        positive(sizes=sizes[name])
    order, resident, used, paid = eviction_order(policy, trace), {}, 0.0, 0.0
    for name in trace:
        hit, size, evicted = name in resident, sizes[name], []
        if not hit:
            paid += costs[name]
            while size <= capacity < used + size:
                victim = order.victim(resident)
                used -= resident.pop(victim)
                evicted.append(victim)
        order.use(name, size, costs[name])
        if not hit and size <= capacity:
            resident[name] = size
            used += size
        yield CacheStep(name, hit, tuple(resident), paid, tuple(evicted))


def gds_load_cost(trace: Sequence[str], size: Mapping[str, float], cost: Mapping[str, float], capacity: float) -> float:
    """Total cost of the loads that a trace needs under GreedyDual-Size.

    >>> gds_load_cost("BCABCABCADBC", dict(A=4, B=1, C=1, D=1), dict(A=4, B=3, C=3, D=1), 5)
    34.0
    """
    return simulate_cache(trace, size, cost, capacity, "gds").load_cost


def zipf_trace(models: int, length: int, s: float, seed: int) -> list[int]:
    """Requests for models 0, 1, …: independent, number k with a probability proportional to 1 / (k + 1)^s.

    s = 0 makes all equally likely. Raises ValueError for no models or a negative length or exponent.
    """
    positive(models=models)
    non_negative(length=length, s=s)
    weights = 1.0 / np.arange(1, models + 1) ** s
    return np.random.default_rng(seed).choice(models, length, p=weights / weights.sum()).tolist()
