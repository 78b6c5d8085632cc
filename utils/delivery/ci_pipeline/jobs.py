"""Jobs with dependencies on a few executors: list scheduling, the critical path, and what no schedule can beat."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

Deps = Mapping[str, Sequence[str]]


def critical_path(durations: Mapping[str, float], deps: Deps) -> tuple[float, list[str]]:
    """Length of the longest chain of jobs that wait for each other, and its jobs in order; ties go to the first name.

    A job without an entry in `deps` waits for none. Raises ValueError "unknown" or "cycle". (0.0, []) without jobs.

    >>> critical_path({"a": 2, "b": 3, "c": 1}, {"c": ["a"]})
    (3.0, ['a', 'c'])
    """
    remaining = remaining_paths(durations, deps)
    after = _successors(durations, deps)
    ready = {name for name in durations if not deps.get(name)}
    path: list[str] = []
    while ready:
        path.append(min(ready, key=lambda name: (-remaining[name], name)))
        ready = after[path[-1]]
    return float(remaining[path[0]]) if path else 0.0, path


def remaining_paths(durations: Mapping[str, float], deps: Deps) -> dict[str, float]:
    """For each job its own duration plus the longest chain of jobs that have to follow it."""
    after = _successors(durations, deps)
    waits = {name: len(set(deps.get(name, ()))) for name in durations}
    order = [name for name in durations if not waits[name]]
    for name in order:  # grows while it is read
        for follower in after[name]:
            waits[follower] -= 1
            if not waits[follower]:
                order.append(follower)
    if len(order) < len(durations):
        raise ValueError(f"deps must have no cycle, got one among {', '.join(sorted(set(durations) - set(order)))}")
    remaining: dict[str, float] = {}
    for name in reversed(order):
        remaining[name] = durations[name] + max((remaining[f] for f in after[name]), default=0)
    return remaining


def _successors(durations: Mapping[str, float], deps: Deps) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {name: set() for name in durations}
    for name, needed in deps.items():
        for other in (name, *needed):
            if other not in durations:
                raise ValueError(f"deps must name jobs that have a duration, got the unknown {other!r}")
        for other in needed:
            after[other].add(name)
    return after


def schedule(durations: dict[str, float], deps: dict[str, list[str]], executors: int) -> tuple[dict[str, float], float]:
    """Start times by job and the makespan of list scheduling (R. L. Graham, 1969), longest remaining path first.

    Whenever executors are free, the ready jobs with the longest remaining path (themselves included) start, ties by
    name. All jobs that end at an instant free their executors before new ones start; a job of zero duration begins in
    one round of starts and has ended in the next round, at the same time.
    Raises ValueError for executors below 1, "unknown" or "cycle". ({}, 0.0) without jobs.

    >>> schedule({"a": 4, "b": 3, "c": 3}, {}, 2)
    ({'a': 0.0, 'b': 0.0, 'c': 3.0}, 6.0)
    """
    if executors < 1:
        raise ValueError(f"executors must be at least 1, got {executors}")
    remaining = remaining_paths(durations, deps)
    waiting = {name: set(deps.get(name, ())) for name in durations}
    starts: dict[str, float] = {}
    running: list[tuple[float, str]] = []  # heap of (end, job)
    now = 0.0
    while waiting or running:
        ready = sorted((n for n, needed in waiting.items() if not needed), key=lambda n: (-remaining[n], n))
        for name in ready[: executors - len(running)]:
            del waiting[name]
            starts[name] = now
            heapq.heappush(running, (now + durations[name], name))
        now = running[0][0]
        while running and running[0][0] == now:
            done = heapq.heappop(running)[1]
            for needed in waiting.values():
                needed.discard(done)
    return starts, now


def lower_bound(durations: Mapping[str, float], deps: Deps, executors: int) -> float:
    """No schedule on so many executors is shorter: the critical path, or the work shared out evenly."""
    if executors < 1:
        raise ValueError(f"executors must be at least 1, got {executors}")
    return max(critical_path(durations, deps)[0], math.fsum(durations.values()) / executors)
