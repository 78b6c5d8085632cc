"""Exercise 13.heft_ranks: how long the rest of the graph takes from each task on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from utils.hardware import heterogeneous

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .graphs import GAP, PUBLISHED, PUBLISHED_LABEL, Costs, Edges, draw_graph, label


def _mean(row: list[float]) -> float:
    return sum(row) / len(row)


def _ranked(*, own: Callable[[list[float]], float] = _mean, edge: Callable[[float, int], float] = lambda c, d: c,
            join: Callable[[list[float]], float] = lambda after: max(after, default=0)) -> Callable:
    """The recursion from the sinks, with one mistake; with its defaults it is right."""

    def answer(costs: Costs, edges: Edges) -> dict[int, float]:
        @functools.cache
        def rank(task: int) -> float:
            row = costs[task]
            return own(row) + join([edge(c, len(row)) + rank(v) for (u, v), c in edges.items() if u == task])

        return {task: rank(task) for task in costs}

    return answer


def _downward(with_own: bool) -> Callable:
    """From the sources: the longest way to a task."""

    def answer(costs: Costs, edges: Edges) -> dict[int, float]:
        @functools.cache
        def before(task: int) -> float:
            return max((before(u) + _mean(costs[u]) + c for (u, v), c in edges.items() if v == task), default=0.0)

        return {task: before(task) + (_mean(costs[task]) if with_own else 0) for task in costs}

    return answer


def _tails_only(costs: Costs, edges: Edges) -> dict[int, float]:
    """The time after the task, without its own."""
    ranks = _ranked()(costs, edges)
    return {task: ranks[task] - _mean(costs[task]) for task in costs}


def _ids_backward(costs: Costs, edges: Edges) -> dict[int, float]:
    """Goes through the ids from the highest to the lowest, as if arrows led upward."""
    ranks: dict[int, float] = {}
    for task in sorted(costs, reverse=True):
        after = [c + ranks.get(v, 0) for (u, v), c in edges.items() if u == task]
        ranks[task] = _mean(costs[task]) + max(after, default=0)
    return ranks


def _ids_backward_strict(costs: Costs, edges: Edges) -> dict[int, float]:
    ranks: dict[int, float] = {}
    for task in sorted(costs, reverse=True):
        after = [c + ranks[v] for (u, v), c in edges.items() if u == task]
        ranks[task] = _mean(costs[task]) + max(after, default=0)
    return ranks


def _last_successor(costs: Costs, edges: Edges) -> dict[int, float]:
    follows = {u: (v, c) for (u, v), c in edges.items()}

    @functools.cache
    def rank(task: int) -> float:
        v, c = follows.get(task, (None, 0))
        return _mean(costs[task]) + c + (rank(v) if v is not None else 0)

    return {task: rank(task) for task in costs}


# --- right answers ------------------------------------------------------------------------------


def _until_nothing_changes(costs: Costs, edges: Edges) -> dict[int, float]:
    ranks = {task: _mean(row) for task, row in costs.items()}
    for _ in costs:
        for (u, v), c in edges.items():
            ranks[u] = max(ranks[u], _mean(costs[u]) + c + ranks[v])
    return ranks


def _sinks_first(costs: Costs, edges: Edges) -> dict[int, float]:
    """Takes out tasks without successors, one after the other."""
    left, ranks = list(costs), {}
    while left:
        task = next(t for t in left if all(v in ranks for u, v in edges if u == t))
        left.remove(task)
        after = [c + ranks[v] for (u, v), c in edges.items() if u == task]
        ranks[task] = float(np.mean(costs[task])) + max(after, default=0)
    return ranks


def _by_max_plus(costs: Costs, edges: Edges) -> dict[int, float]:
    """Longest paths by repeated relaxation of a matrix."""
    ids = list(costs)
    at = {task: i for i, task in enumerate(ids)}
    own = np.array([np.mean(costs[t]) for t in ids])
    step = np.full((len(ids), len(ids)), -np.inf)
    for (u, v), c in edges.items():
        step[at[u], at[v]] = c
    rank = own.copy()
    for _ in ids:
        rank = own + np.maximum(0, (step + rank).max(axis=1))
    return dict(zip(ids, rank.tolist()))


def _case(costs: Costs, edges: Edges) -> Case:
    return Case(costs, edges, label=label(costs, edges))


def _draw(rng: np.random.Generator) -> Case:
    return _case(*draw_graph(rng, devices=(1, 2, 3, 4), most_tasks=7))


SMALL = {1: [4, 2], 2: [6, 6], 3: [1, 3]}, {(1, 2): 1, (1, 3): 7}

heft_ranks = Exercise(
    id="13.heft_ranks", points=4, difficulty=2, minutes=15, idea="the longest way to the end says what is urgent",
    reference=heterogeneous.heft_ranks,
    cases=[Case(*SMALL), Case(*PUBLISHED, label=PUBLISHED_LABEL)],
    hidden=[
        _case({5: [3, 4, 5]}, {}), _case({1: [2, 2], 2: [5, 1]}, {}), _case({1: [2], 2: [5], 3: [7]}, {(3, 2): 4, (2, 1): 6}), _case(*GAP),
        _case({9: [4, 4], 4: [2, 2], 7: [6, 6], 1: [8, 8]}, {(9, 7): 0, (9, 4): 0, (7, 1): 0, (4, 1): 0}),
        _case({1: [1, 1], 2: [1, 1], 3: [20, 20]}, {(1, 2): 1, (2, 3): 1}), _case({3: [20, 2], 1: [1, 1], 2: [1, 1]}, {(3, 1): 9, (3, 2): 9}),
    ],
    draw=_draw, draws=30, compare=close(1e-9), pure=True,
    misconceptions=[
        Misconception(
            "downward", _downward(with_own=False),
            "This is the longest way from the start to the task. The upward rank looks at the successors: from the task to the end.",
            "You look the other way.", also=[_downward(with_own=True)]),
        Misconception(
            "fastest_device", _ranked(own=min),
            "You use the cost on the fastest device. Where a task will run is not known yet, so HEFT ranks by the mean over all devices.",
            "Mean, not minimum."),
        Misconception(
            "slowest_device", _ranked(own=max),
            "You use the cost on the slowest device. Where a task will run is not known yet, so HEFT ranks by the mean over all devices.",
            "Mean, not maximum.", also=[_ranked(own=sum)]),
        Misconception(
            "first_device", _ranked(own=lambda row: row[0]),
            "You use the cost on device 0. Where a task will run is not known yet, so HEFT ranks by the mean over all devices.",
            "All devices count."),
        Misconception(
            "no_edges", _ranked(edge=lambda c, d: 0),
            "The communication is missing. On the way to a successor comes the cost of the edge, then the successor's rank.",
            "Edges take time."),
        Misconception(
            "edges_shared_out", _ranked(edge=lambda c, d: c * (d - 1) / d),
            "You average the edge over all pairs of devices, also the pairs of a device with itself. Here the cost of an edge counts as it is.",
            "The edge counts in full."),
        Misconception(
            "sums_up", _ranked(join=sum),
            "You add up all successors. They can run at the same time, so the slowest way decides: the maximum.",
            "Maximum, not sum."),
        Misconception(
            "shortest_way", _ranked(join=lambda after: min(after, default=0)),
            "You take the shortest way to the end. The end has to wait for the longest one.",
            "Maximum, not minimum.", also=[_last_successor]),
        Misconception(
            "counts_hops", _ranked(own=lambda row: 1, edge=lambda c, d: 0),
            "You count tasks. Ranks are times in ms: a way with two long tasks outranks one with three short ones.",
            "Times, not hops.", also=[_ranked(own=lambda row: 0, edge=lambda c, d: 1)]),
        Misconception(
            "own_cost_missing", _tails_only,
            "You leave out the task itself. Its rank begins when it starts, so a task without successors has its own mean cost.",
            "The task itself counts."),
        Misconception(
            "ids_in_order", _ids_backward,
            "You go through the ids from high to low, as if every arrow led to a higher id. Here ids come in any order: compute a rank when all "
            "successors have theirs.",
            "Ids have no order.", also=[_ids_backward_strict]),
    ],
    alternatives=[_ranked(), _until_nothing_changes, _sinks_first, _by_max_plus],
    hints=(
        "Start at a task that no edge leaves: its rank is its own mean cost. Which tasks can be computed next?",
        "A recursive function with a dict of known ranks is enough: rank(t) needs the ranks of t's successors.",
        "`max(values, default=0)` covers tasks without successors.",
    ),
    worth_knowing="The largest rank is the longest way through the graph in mean costs (its critical path): 108 for the published graph.",
)
