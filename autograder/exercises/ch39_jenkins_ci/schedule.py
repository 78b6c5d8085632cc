"""Exercise 39.schedule: jobs with dependencies on a few executors, longest remaining path first."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import ci_pipeline as ci

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Jobs = dict[str, float]
Deps = dict[str, list[str]]


def _checked(durations: Jobs, deps: Deps, executors: int) -> None:
    if executors < 1:
        raise ValueError("executors must be at least 1")
    for name, needed in deps.items():
        if name not in durations or any(d not in durations for d in needed):
            raise ValueError("unknown job")
    left = set(durations)
    while left:
        free = {n for n in left if not left & set(deps.get(n, []))}
        if not free:
            raise ValueError("cycle")
        left -= free


def _remaining(durations: Jobs, deps: Deps, itself: bool = True) -> dict[str, float]:
    """Longest path from each job; a job on a cycle is cut off after as many steps as there are jobs."""
    after = {n: [m for m in durations if n in deps.get(m, [])] for n in durations}
    path = dict(durations)
    for _ in durations:
        path = {n: durations[n] + max((path[m] for m in after[n]), default=0) for n in durations}
    return path if itself else {n: path[n] - durations[n] for n in durations}


def _by_path(durations: Jobs, deps: Deps) -> Callable[[str], Any]:
    path = _remaining(durations, deps)
    return lambda n: (-path[n], n)


def _list(durations: Jobs, deps: Deps, executors: int, order: Callable = _by_path, *, barrier: bool = False,
          one_at_a_time: bool = False, at_once: bool = False) -> tuple[dict, float]:
    """List scheduling from its parts; jobs that never become ready are left out.

    `barrier`: nothing starts while a job of an earlier round runs. `one_at_a_time`: of jobs that end together only one
    frees its executor before new starts. `at_once`: a job of no duration has ended when it starts.
    """
    rank = order(durations, deps)
    starts: dict[str, float] = {}
    done: set[str] = set()
    running: list[tuple[float, str]] = []
    now = 0.0
    while True:
        while True:
            ready = sorted((n for n in durations if n not in starts and set(deps.get(n, [])) <= done), key=rank)
            if not ready or len(running) >= executors or (barrier and running and min(starts[n] for _, n in running) < now):
                break
            starts[ready[0]] = now
            if at_once and not durations[ready[0]]:
                done.add(ready[0])
            else:
                heapq.heappush(running, (now + durations[ready[0]], ready[0]))
        if not running:
            return starts, max((starts[n] + durations[n] for n in starts), default=0.0)
        now = running[0][0]
        while running and running[0][0] == now:
            done.add(heapq.heappop(running)[1])
            if one_at_a_time:
                break


def _answer(solve: Callable[[Jobs, Deps, int], tuple[dict, float]], check: bool = True) -> Callable:
    def answer(durations: Jobs, deps: Deps, executors: int) -> tuple[dict, float]:
        if check:
            _checked(durations, deps, executors)
        return solve(durations, deps, max(1, executors))

    return answer


def _wrong(*solves: Callable) -> dict:
    first, *rest = [_answer(solve, check) for solve in solves for check in (True, False)]
    return {"answer": first, "also": tuple(rest)}


def _ordered(rank: Callable[[Jobs, Deps], Callable]) -> Callable:
    return lambda durations, deps, k: _list(durations, deps, k, rank)


def _with_end(end: Callable[[Jobs, Deps, int, dict], float], limit: bool = True) -> Callable:
    """The right starts (or those without a limit), another makespan."""

    def solve(durations: Jobs, deps: Deps, k: int) -> tuple[dict, float]:
        starts, _ = _list(durations, deps, k if limit else 10**9)
        return starts, end(durations, deps, k, starts)

    return solve


def _level_barriers(durations: Jobs, deps: Deps, k: int) -> tuple[dict, float]:
    """Level after level of the dependency graph; within a level list scheduling."""
    level: dict[str, int] = {}
    for _ in durations:
        level = {n: 1 + max((level.get(d, 0) for d in deps.get(n, [])), default=-1) for n in durations}
    rank = _by_path(durations, deps)
    starts, now = {}, 0.0
    for depth in range(max(level.values(), default=-1) + 1):
        free = [now] * k
        for n in sorted((n for n in durations if level[n] == depth), key=rank):
            i = free.index(min(free))
            starts[n] = free[i]
            free[i] += durations[n]
        now = max(free)
    return starts, now


def _earliest(durations: Jobs, deps: Deps, k: int) -> tuple[dict, float]:
    return _list(durations, deps, 10**9)


def _successors(durations: Jobs, deps: Deps) -> Callable:
    return lambda n: (-sum(n in deps.get(m, []) for m in durations), n)


# --- right answers ------------------------------------------------------------------------------


def _time_stepped(durations: Jobs, deps: Deps, executors: int) -> tuple[dict, float]:
    """From one end of a job to the next, everything looked up anew."""
    if executors < 1:
        raise ValueError("no executors")
    if not {*deps, *(d for needed in deps.values() for d in needed)} <= set(durations):
        raise ValueError("unknown")
    memo: dict[str, float] = {}

    def path(n: str, above: tuple = ()) -> float:
        if n in above:
            raise ValueError("cycle")
        if n not in memo:
            memo[n] = durations[n] + max([path(m, (*above, n)) for m in durations if n in deps.get(m, [])] or [0])
        return memo[n]

    for n in durations:
        path(n)
    start: dict[str, float] = {}
    done: list[str] = []
    t = 0.0
    while len(done) < len(durations):
        busy = [n for n in start if n not in done]
        ready = [n for n in durations if n not in start and all(d in done for d in deps.get(n, []))]
        for n in sorted(ready, key=lambda n: (-memo[n], n))[: executors - len(busy)]:
            start[n] = t
        t = min(start[n] + durations[n] for n in start if n not in done)
        done += [n for n in start if n not in done and start[n] + durations[n] <= t]
    return start, t


def _with_counts(durations: Jobs, deps: Deps, executors: int) -> tuple[dict, float]:
    """Counts of open dependencies and a heap of events."""
    if executors <= 0:
        raise ValueError("executors")
    after: dict[str, list[str]] = {n: [] for n in durations}
    open_: dict[str, int] = dict.fromkeys(durations, 0)
    for n, needed in deps.items():
        for d in needed:
            if d not in after or n not in after:
                raise ValueError("unknown")
            after[d].append(n)
            open_[n] += 1
        if n not in after:
            raise ValueError("unknown")
    order, count = [n for n in durations if not open_[n]], dict(open_)
    for n in order:
        for m in after[n]:
            count[m] -= 1
            if count[m] == 0:
                order.append(m)
    if len(order) != len(durations):
        raise ValueError("cycle")
    tail: dict[str, float] = {}
    for n in order[::-1]:
        tail[n] = durations[n] + max([tail[m] for m in after[n]], default=0)
    ready = [(-tail[n], n) for n in durations if not open_[n]]
    heapq.heapify(ready)
    events: list[tuple[float, str]] = []
    starts, free, now = {}, executors, 0.0
    while ready or events:
        while ready and free:
            n = heapq.heappop(ready)[1]
            starts[n], free = now, free - 1
            heapq.heappush(events, (now + durations[n], n))
        now = events[0][0]
        while events and events[0][0] == now:
            free += 1
            for m in after[heapq.heappop(events)[1]]:
                open_[m] -= 1
                if open_[m] == 0:
                    heapq.heappush(ready, (-tail[m], m))
    return starts, now


# --- cases --------------------------------------------------------------------------------------

CI_MINUTES = {"lint": 2, "unit": 6, "export": 3, "int8": 4, "parity": 2, "bench": 5, "image": 4, "deploy": 1}
CI_DEPS = {"export": ["lint"], "int8": ["export"], "parity": ["int8"], "bench": ["int8"], "image": ["unit", "parity"],
           "deploy": ["image", "bench"]}
PAIRS, PAIR_DEPS = {"a": 4, "b": 3, "c": 3, "d": 2, "e": 2, "f": 2}, {"d": ["a"], "e": ["b"], "f": ["c"]}


def _label(durations: Jobs, deps: Deps, k: int) -> str:
    jobs = ", ".join(f"{n} {t:g}" + (f" (after {' '.join(deps[n])})" if deps.get(n) else "") for n, t in durations.items())
    return f"{jobs or 'no jobs'}; {k} executor{'s' * (k != 1)}"


def _case(durations: Jobs, deps: Deps, k: int, label: str = "", **more: Any) -> Case:
    return Case(durations, deps, k, label=label or _label(durations, deps, k), **more)


def _draw(rng: np.random.Generator) -> Case:
    """Names in no order, durations in half minutes and often equal, a few zeros, sparse or dense dependencies."""
    n = int(rng.integers(3, 11))
    names = [f"j{i}" for i in rng.permutation(20)[:n]]
    density = float(rng.choice([0.1, 0.25, 0.5]))
    deps: Deps = {}
    for i, name in enumerate(names):
        needed = [other for other in names[:i] if rng.random() < density]
        if needed or rng.random() < 0.5:
            deps[name] = needed
    top = int(rng.choice([3, 4, 13]))  # few different durations: many jobs end at the same instant
    zeros = float(rng.choice([0, 0.3]))
    durations = {names[i]: 0.0 if rng.random() < zeros else int(rng.integers(1, top)) / 2 for i in rng.permutation(n)}
    return _case(durations, deps, int(rng.integers(1, 5)))


schedule = Exercise(
    id="39.schedule", points=4, difficulty=3, minutes=20, idea="list scheduling, and why the critical path is a floor",
    reference=ci.schedule,
    cases=[_case(CI_MINUTES, CI_DEPS, 1, "the eight jobs, 1 executor"), _case(CI_MINUTES, CI_DEPS, 2, "the eight jobs, 2 executors"),
           _case(CI_MINUTES, CI_DEPS, 3, "the eight jobs, 3 executors"), _case(PAIRS, PAIR_DEPS, 2), _case(PAIRS, PAIR_DEPS, 3)],
    hidden=[_case({}, {}, 1), _case({"a": 2.5}, {}, 4), _case({"b": 1, "a": 1, "c": 1}, {}, 2),
            _case({"a": 0, "b": 0, "c": 1}, {"c": ["a"]}, 1), _case({"a": 0, "b": 0, "c": 0}, {"b": ["a"], "c": ["b"]}, 1),
            _case({"z": 0, "a": 3, "b": 1}, {"b": ["z"]}, 2), _case({"a": 2, "b": 2, "c": 3, "d": 1}, {"c": ["a"], "d": ["b"]}, 2),
            _case({"a": 1, "b": 5, "c": 9}, {"c": ["a"]}, 1), _case({"long": 6, "first": 1, "tail": 7}, {"tail": ["first"]}, 1),
            _case({"p": 2, "q": 2, "r": 4, "s": 1, "t": 1}, {"r": ["p"], "s": ["p", "q"], "t": ["q"]}, 2),
            _case({"a": 4, "b": 4, "x": 1, "y": 6}, {"x": ["a"], "y": ["b"]}, 2),
            _case({"a": 4, "b": 4, "z": 3, "x": 6, "w": 5}, {"x": ["b"], "w": ["b"]}, 2),
            _case({"z": 0, "long": 9, "short": 1, "p": 0.5}, {"long": ["z"], "short": ["z"]}, 2),
            _case({"m": 3, "n": 3, "o": 2, "p": 2}, {"m": [], "p": ["o"]}, 3)],
    draw=_draw, draws=40, compare=close(1e-9, 1e-9), pure=True,
    raises=[_case({"a": 1}, {}, 0), _case({}, {}, 0), _case({"a": 1, "b": 2, "c": 1}, {}, -1), _case({"a": 1}, {"a": ["b"]}, 1), _case({"a": 1}, {"b": ["a"]}, 1),
            _case({"a": 1, "b": 1}, {"a": ["b"], "b": ["a"]}, 2), _case({"a": 1}, {"a": ["a"]}, 1),
            _case({"a": 1, "b": 2, "c": 3}, {"b": ["a", "c"], "c": ["b"]}, 1)],
    misconceptions=[
        Misconception(
            "work_over_executors", **_wrong(_with_end(lambda d, p, k, s: sum(d.values()) / k)),
            message="Your makespan is the work divided by the executors. That would need jobs that can be cut up, and that never wait. It is a "
                    "lower bound, and on one executor the truth.",
            title="Jobs can't be cut up."),
        Misconception(
            "longest_job", **_wrong(_with_end(lambda d, p, k, s: max(d.values(), default=0)),
                                    _with_end(lambda d, p, k, s: max(d.values(), default=0), limit=False),
                                    lambda d, p, k: (dict.fromkeys(d, 0.0), max(d.values(), default=0.0))),
            message="Your makespan is the longest job. Jobs that wait for each other form a chain, and a chain adds up.",
            title="A chain adds up."),
        Misconception(
            "level_barriers", **_wrong(_level_barriers, lambda d, p, k: _list(d, p, k, barrier=True)),
            message="You run level after level, or round after round, and let all wait for the slowest. A job may start as soon as its *own* "
                    "dependencies have ended and an executor is free.",
            title="No barriers between levels."),
        Misconception(
            "own_duration_first", **_wrong(_ordered(lambda d, p: lambda n: (-d[n], n)), _ordered(lambda d, p: lambda n: (d[n], n)),
                                           _ordered(_successors)),
            message="You order the ready jobs by their own duration, or by how many wait for them. A short job at the head of a long chain then "
                    "comes late. Use the longest path from the job to the end.",
            title="Look down the chain."),
        Misconception(
            "no_priority", **_wrong(_ordered(lambda d, p: lambda n: n), _ordered(lambda d, p: list(d).index)),
            message="You start ready jobs by name, or in the order of the dict. Names decide only between equal remaining paths.",
            title="The remaining path first."),
        Misconception(
            "path_without_itself", **_wrong(_ordered(lambda d, p: lambda n: (-_remaining(d, p, itself=False)[n], n))),
            message="Your remaining path leaves out the job itself. A job that nobody waits for then has a path of 0, however long it is.",
            title="The job is a part of its path."),
        Misconception(
            "ties_the_other_way", **_wrong(_ordered(lambda d, p: lambda n: (-_remaining(d, p)[n], [-ord(c) for c in n])),
                                           _ordered(lambda d, p: lambda n: (-_remaining(d, p)[n], list(d).index(n)))),
            message="Of two ready jobs with equal remaining paths the wrong one starts. Ties go by name, the smaller first, so that everybody "
                    "gets the same plan.",
            title="Ties go by name."),
        Misconception(
            "no_limit", **_wrong(_earliest),
            message="You start every job as soon as its dependencies have ended, however many executors there are. That plan's length is the "
                    "critical path: a lower bound.",
            title="The executors are limited."),
        Misconception(
            "one_executor_freed", **_wrong(lambda d, p, k: _list(d, p, k, one_at_a_time=True)),
            message="When several jobs end at the same instant you start new ones after the first of them. Free all their executors and let "
                    "all that waited become ready; then choose.",
            title="All ends first, then starts."),
        Misconception(
            "zero_takes_no_round", **_wrong(lambda d, p, k: _list(d, p, k, at_once=True)),
            message="A job of zero duration frees its executor in the very round in which it starts. As the task says, it holds it for that "
                    "round, and what waits for it comes in the next one, at the same time.",
            title="Zero minutes, one round."),
        Misconception(
            "last_start", **_wrong(_with_end(lambda d, p, k, s: max(s.values(), default=0))),
            message="Your makespan is the last start. The job that starts then takes its time too; and a job that started earlier may end later.",
            title="The last end, not the last start."),
        Misconception(
            "anything_goes", _answer(_list, check=False),
            "You accept jobs on a cycle, unknown ones, or no executor. The pipeline would never run them, and a plan should say so.",
            "Some plans can't exist."),
    ],
    alternatives=[_time_stepped, _with_counts],
    hints=(
        "First the remaining path of every job: its duration plus the largest remaining path of those that wait for it.",
        "Then go from event to event: start what may start, move the time to the next end, take in *all* jobs that end there, repeat.",
        "If some jobs wait and nothing runs or is ready, there is a cycle.",
    ),
    worth_knowing="No order is always best: a shorter job or one executor more can even lengthen a list schedule (Graham, 1969).",
)
