"""Separate lines in front of each server, and four rules that choose one."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import positive

POLICIES = ("random", "round_robin", "jsq", "two_choices")


def simulate_split(arrivals_s: ArrayLike, services_s: ArrayLike, servers: int, policy: str, *,
                   rng: np.random.Generator) -> np.ndarray:
    """Waits (n,) in s where every server has a line of its own and a request can't change its line.

    "random" takes any line, "round_robin" one after another, "jsq" the shortest (join the shortest queue, the first of
    equals), "two_choices" the shorter of two different random ones. The length counts the request in service. Raises
    ValueError for another policy, unsorted arrivals, lists of different lengths or no server.
    """
    arrivals, services = np.asarray(arrivals_s, np.float64), np.asarray(services_s, np.float64)
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {POLICIES}, got {policy!r}")
    if arrivals.shape != services.shape or np.any(np.diff(arrivals) < 0):
        raise ValueError("arrivals_s must be sorted and as many as services_s")
    positive(servers=servers)
    first = rng.integers(servers, size=len(arrivals)).tolist()
    # the second choice is another server: one of the servers - 1 that follow the first in a circle
    steps = rng.integers(1, servers, size=len(arrivals)).tolist() if servers > 1 else [0] * len(arrivals)
    lines: list[deque[float]] = [deque() for _ in range(servers)]  # ends of the requests at each server
    waits = np.empty(len(arrivals))
    for i, (now, service) in enumerate(zip(arrivals.tolist(), services.tolist())):
        line = lines[_choose(policy, lines, now, i, first[i], (first[i] + steps[i]) % servers)]
        start = max(now, line[-1]) if line else now
        line.append(start + service)
        waits[i] = start - now
    return waits


def _choose(policy: str, lines: list[deque[float]], now: float, turn: int, one: int, other: int) -> int:
    if policy == "round_robin":
        return turn % len(lines)
    if policy == "random":
        candidates: tuple[int, ...] | range = (one,)
    else:
        candidates = range(len(lines)) if policy == "jsq" else (one, other)
    for k in candidates:
        while lines[k] and lines[k][0] <= now:
            lines[k].popleft()
    return min(candidates, key=lambda k: len(lines[k]))
