"""Exercise 13.best_split: which layer of a chain runs on which device."""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable

import numpy as np

from utils.hardware import heterogeneous

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Cost = list[tuple[float, ...]]
Answer = tuple[float, list[int]]


def _planned(*, pays: Callable[[int, int, int, list[float]], float] | None = None, home: bool = True,
             last_tie: bool = False, n_devices: int = 0, start: Callable[[int], list[int]] = lambda d: [0],
             told: Callable[[Cost, list[float], list[int]], float] | None = None) -> Callable:
    """Dynamic programming with one mistake; with its defaults it is right.

    pays(i, before, after, move) is what going into layer i costs; `told` prices the plan that was found.
    """
    pays = pays or (lambda i, before, after, move: move[i] if before != after else 0)

    def answer(cost: Cost, move: list[float]) -> Answer:
        devices, n, sign = n_devices or len(cost[0]), len(cost), -1 if last_tie else 1
        best = dict.fromkeys(start(devices), (0.0, ()))
        for i, row in enumerate(cost):
            best = {d: min((total + pays(i, before, d, move) + row[d], (*plan, sign * d)) for before, (total, plan) in best.items())
                    for d in range(devices)}
        total, plan = min((total + (pays(n, d, 0, move) if home else 0), plan) for d, (total, plan) in best.items())
        plan = [sign * d for d in plan]
        return (total if told is None else told(cost, move, plan)), plan

    return answer


def _price(cost: Cost, move: list[float], plan: list[int]) -> float:
    total, at = 0.0, 0
    for i, d in enumerate(plan):
        total += cost[i][d] + (move[i] if d != at else 0)
        at = d
    return total + (move[-1] if at else 0)


def _only_layers(cost: Cost, move: list[float], plan: list[int]) -> float:
    return sum(row[d] for row, d in zip(cost, plan))


def _fastest_each(price: Callable[[Cost, list[float], list[int]], float]) -> Callable:
    def answer(cost: Cost, move: list[float]) -> Answer:
        plan = [row.index(min(row)) for row in map(list, cost)]
        return price(cost, move, plan), plan

    return answer


def _one_step_ahead(cost: Cost, move: list[float]) -> Answer:
    """Each layer where it is cheapest now, its move included."""
    at, plan = 0, []
    for row, m in zip(cost, move):
        at = min(range(len(row)), key=lambda d: (row[d] + (m if d != at else 0), d))
        plan.append(at)
    return _price(cost, move, plan), plan


def _one_run(whole: bool) -> Callable:
    """Device 0 but for one run of layers, or all layers, on another device."""

    def answer(cost: Cost, move: list[float]) -> Answer:
        n, plans = len(cost), [[0] * len(cost)]
        for d in range(1, len(cost[0])):
            borders = [(0, n)] if whole else itertools.combinations(range(n + 1), 2)
            plans += [[0] * a + [d] * (b - a) + [0] * (n - b) for a, b in borders]
        return min((_price(cost, move, plan), plan) for plan in plans)

    return answer


def _shifted(i: int, before: int, after: int, move: list[float]) -> float:
    """Pays the next border's move: off by one."""
    return move[min(i + 1, len(move) - 1)] if before != after else 0


class TimeLimit(Exception):
    """Has the name of what stops an answer that takes too long, so that this one does not have to wait for it."""


def _all_plans(cost: Cost, move: list[float]) -> Answer:
    """Tries every plan; the clock stops it on long chains."""
    if len(cost[0]) ** len(cost) > 100_000:
        raise TimeLimit
    return min((_price(cost, move, list(plan)), list(plan)) for plan in itertools.product(range(len(cost[0])), repeat=len(cost)))


# --- right answers ------------------------------------------------------------------------------


def _dijkstra(cost: Cost, move: list[float]) -> Answer:
    """The shortest path through nodes (layers done, device)."""
    n, heap, done = len(cost), [(0.0, (), 0, 0, False)], set()
    while heap:
        total, plan, i, at, finished = heapq.heappop(heap)
        if finished:
            return total, list(plan)
        if (i, at) in done:
            continue
        done.add((i, at))
        if i == n:
            heapq.heappush(heap, (total + (move[n] if at else 0), plan, i, at, True))
            continue
        for d, own in enumerate(cost[i]):
            heapq.heappush(heap, (total + own + (move[i] if d != at else 0), (*plan, d), i + 1, d, False))
    raise AssertionError("no path")


def _recursive(cost: Cost, move: list[float]) -> Answer:
    n = len(cost)

    @functools.cache
    def rest(i: int, at: int) -> tuple[float, tuple[int, ...]]:
        if i == n:
            return (move[n] if at else 0.0), ()
        options = []
        for d, own in enumerate(cost[i]):
            after, plan = rest(i + 1, d)
            options.append((own + (move[i] if d != at else 0) + after, (d, *plan)))
        return min(options)

    total, plan = rest(0, 0)
    return total, list(plan)


def _backward(cost: Cost, move: list[float]) -> Answer:
    """Costs to go from the end, then the plan from the start."""
    costs, n = np.array(cost, float), len(cost)
    crossing = 1 - np.eye(costs.shape[1])
    to_go = np.zeros((n + 1, costs.shape[1]))
    to_go[n, 1:] = move[n]
    for i in range(n - 1, -1, -1):
        to_go[i] = (costs[i] + to_go[i + 1] + move[i] * crossing).min(axis=1)
    plan, at = [], 0
    for i in range(n):
        at = int(np.argmin(costs[i] + to_go[i + 1] + move[i] * crossing[at]))
        plan.append(at)
    return float(to_go[0, 0]), plan


def _quarters(rng: np.random.Generator, low: int, high: int, size: int | tuple[int, ...]) -> list:
    return (rng.integers(low, high, size) / 4).tolist()


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a ms, so sums are exact; small ranges, so ties happen."""
    n, devices = int(rng.integers(1, 8)), int(rng.choice([2, 3], p=[0.65, 0.35]))
    high = int(rng.choice([6, 16, 40]))
    cost = [tuple(row) for row in _quarters(rng, 1, high, (n, devices))]
    return Case(cost, _quarters(rng, 0, int(rng.choice([4, 12, 40])), n + 1))


def _long(n: int, devices: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    cost = [tuple(row) for row in _quarters(rng, 1, 24, (n, devices))]
    return Case(cost, _quarters(rng, 1, 20, n + 1), label=f"a chain of {n} layers on {devices} devices")


best_split = Exercise(
    id="13.best_split", points=5, difficulty=3, minutes=18, idea="the cheapest plan, one layer at a time",
    reference=heterogeneous.best_split, time_limit_s=3.0,
    cases=[Case([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5]), Case([(2, 1), (2, 1)], [3, 1, 3]), Case([(5, 3), (5, 3)], [1, 2, 3])],
    hidden=[
        Case([(3, 1)], [1, 1]), Case([(3, 1)], [0.5, 1]), Case([(3, 1)], [1, 1.5]), Case([(1, 2, 3)], [0, 0]),
        Case([(4, 1), (6, 1), (1, 4), (8, 2)], [100] * 5), Case([(4, 1, 3), (4, 3, 1), (4, 1, 3)], [1, 1, 1, 1]),
        Case([(9, 5, 1), (9, 1, 5), (9, 5, 1)], [1, 2, 2, 1]), Case([(2, 2), (2, 2), (2, 2)], [0, 0, 0, 0]),
        Case([(3, 1), (3, 1), (3, 1)], [2, 9, 9, 4]), Case([(8, 1), (1, 3), (8, 1)], [1, 1.5, 0.5, 1]), Case([(8, 1), (1, 3), (8, 1)], [1, 0.5, 1, 1]),
    ],
    draw=_draw, draws=40, limits=[_long(60, 2, 1), _long(40, 3, 2)], compare=exact(), pure=True,
    misconceptions=[
        Misconception(
            "fastest_each", _fastest_each(_price),
            "You take the fastest device for each layer. A crossing may cost more than it gains: the second example is cheapest without any.",
            "Crossings cost.", also=[_fastest_each(_only_layers), _planned(pays=lambda *_: 0, told=_price)]),
        Misconception(
            "one_step_ahead", _one_step_ahead,
            "You decide layer by layer with the move of that layer only. Going over may not pay for one layer and pay for five: a plan has "
            "to be weighed as a whole.",
            "You look one layer ahead."),
        Misconception(
            "no_return", _planned(home=False),
            "The result has to end on device 0. When the last layer ran elsewhere, `move[n]` is part of the total, and it may change the plan.",
            "The way home is missing.", also=[_planned(home=False, told=_price)]),
        Misconception(
            "no_way_over", _planned(start=lambda d: list(range(d))),
            "You let the chain begin on any device. The data lies on device 0 before the first layer, so `move[0]` is paid when that layer "
            "runs elsewhere.",
            "The way over is missing.", also=[_planned(start=lambda d: list(range(d)), told=_price)]),
        Misconception(
            "always_moves", _planned(pays=lambda i, before, after, move: move[i] if before or after else 0),
            "You pay a move for layers that follow on the same device. Data that is there already needs no copy: pay when the device changes.",
            "You pay without moving.",
            also=[_planned(pays=lambda i, before, after, move: move[i]), _planned(pays=lambda i, before, after, move: move[i] if after else 0)]),
        Misconception(
            "one_run", _one_run(whole=False),
            "You look for one run of layers on one other device. In the first example a run is left for a layer that device 0 does better, "
            "and 9.5 is below every single run.",
            "More than one run.", also=[_one_run(whole=True)]),
        Misconception(
            "wrong_border", _planned(pays=_shifted),
            "You pay the move of another border. `move[i]` stands *before* layer i: between layers i − 1 and i.",
            "Off by one."),
        Misconception(
            "two_devices", _planned(n_devices=2),
            "You look at two devices. A row of `cost` may have three entries or more.",
            "There may be more devices."),
        Misconception(
            "tries_all", _all_plans,
            "Your plans are right, and there are too many of them: each further layer doubles their number, or triples it. Of two ways to have "
            "reached the same layer on the same device only the cheaper one can be part of the best plan.",
            "Too many plans."),
        Misconception(
            "other_tie", _planned(last_tie=True),
            "The total is right; of plans with an equal total you take another one. Asked is the smallest list, as Python compares lists.",
            "A tie goes to the smaller list."),
    ],
    alternatives=[_dijkstra, _recursive, _backward],
    hints=(
        "Suppose you knew, for each device d, the cheapest way to have run layers 0 to i − 1 with the last of them on d. How does layer i continue it?",
        "Keep one pair (total, list of devices) for each device, and take the minimum of pairs: Python compares totals first, then lists.",
        "Before layer 0 there is one entry, device 0 with (0, []). After the last layer add `move[n]` where the device isn't 0.",
    ),
    worth_knowing="n layers on d devices take n · d² comparisons. Trying all plans takes d to the power n: for 60 layers on two devices 1.15 · 10^18.",
)
