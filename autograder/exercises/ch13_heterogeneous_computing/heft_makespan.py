"""Exercise 13.heft_makespan: the list scheduler HEFT, with insertion into idle gaps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import heterogeneous
from utils.hardware.heterogeneous import heft_ranks

from ...compare import exact
from ...exercise import Case, Exercise, Misconception
from .graphs import GAP, GAP_LABEL, PUBLISHED, PUBLISHED_LABEL, Costs, Edges, draw_graph, label

Slot = tuple[int, int, int]  # start, end, task


def _first_fit(row: list[Slot], ready: int, cost: int) -> int:
    start = ready
    for begin, end, _ in sorted(row):
        if start + cost <= begin:
            break
        start = max(start, end)
    return start


def _after_all(row: list[Slot], ready: int, cost: int) -> int:
    return max([ready, *(end for _, end, _ in row)])


def _larger_gap(row: list[Slot], ready: int, cost: int) -> int:
    """Leaves out gaps that the task would fill exactly."""
    start = ready
    for begin, end, _ in sorted(row):
        if start + cost < begin:
            break
        start = max(start, end)
    return start


def _any_gap(row: list[Slot], ready: int, cost: int) -> int:
    """The first idle moment, whether the task fits or not."""
    start = ready
    for begin, end, _ in sorted(row):
        if begin <= start < end:
            start = end
    return start


def _by_rank(costs: Costs, edges: Edges) -> list[int]:
    ranks = heft_ranks(costs, edges)
    return sorted(costs, key=lambda t: (-round(ranks[t], 9), t))


def _ready_first(costs: Costs, edges: Edges) -> list[int]:
    """Of the tasks whose inputs are there, the lowest id."""
    order: list[int] = []
    while len(order) < len(costs):
        order.append(min(t for t in costs if t not in order and all(u in order for u, v in edges if v == t)))
    return order


def _by_other_rank(own: Callable[[list[int]], float], with_edges: bool = True) -> Callable:
    def order(costs: Costs, edges: Edges) -> list[int]:
        ranks = heft_ranks({t: [own(row)] for t, row in costs.items()}, edges if with_edges else dict.fromkeys(edges, 0))
        return sorted(costs, key=lambda t: (-round(ranks[t], 9), t))

    return order


def _tie_to_higher_id(costs: Costs, edges: Edges) -> list[int]:
    ranks = heft_ranks(costs, edges)
    return sorted(costs, key=lambda t: (-round(ranks[t], 9), -t))


def _scheduled(*, order: Callable[[Costs, Edges], list[int]] = _by_rank, fit: Callable[[list[Slot], int, int], int] = _first_fit,
               crossing: Callable[[int, bool], int] = lambda c, same: 0 if same else c, seen: Callable[[bool], bool] = lambda same: True,
               score: Callable[[int, int, int], tuple] = lambda start, end, d: (end, d),
               told: Callable[[list[list[Slot]]], float] = lambda rows: max(end for row in rows for _, end, _ in row)) -> Callable:
    """HEFT with one mistake; with its defaults it is right.

    crossing(cost, same): what an edge costs; seen(same): which predecessors are waited for; score: the best device has
    the least (start, end, device).
    """

    def answer(costs: Costs, edges: Edges, n_devices: int) -> float:
        rows: list[list[Slot]] = [[] for _ in range(n_devices)]
        placed: dict[int, tuple[int, int]] = {}  # task -> (device, end)
        for task in order(costs, edges):
            options = []
            for d in range(n_devices):
                inputs = [(placed[u][1] + crossing(c, placed[u][0] == d), placed[u][0] == d)
                          for (u, v), c in edges.items() if v == task]
                ready = max((at for at, same in inputs if seen(same)), default=0)
                start = fit(rows[d], ready, costs[task][d])
                options.append((start, start + costs[task][d], d))
            start, end, d = min(options, key=lambda o: score(*o))
            rows[d].append((start, end, task))
            placed[task] = (d, end)
        return float(told(rows))

    return answer


def _fastest_device(costs: Costs, edges: Edges, n_devices: int) -> float:
    """Each task on its fastest device; the order and the gaps as in HEFT."""
    only = {t: [c if d == row.index(min(row)) else 10**9 for d, c in enumerate(row)] for t, row in costs.items()}
    return _scheduled(order=lambda _, e: _by_rank(costs, e))(only, edges, n_devices)


def _last_of(order: Callable[[Costs, Edges], list[int]]) -> Callable:
    """The end of the task that was scheduled last."""

    def answer(costs: Costs, edges: Edges, n_devices: int) -> float:
        last = order(costs, edges)[-1]
        return _scheduled(told=lambda rows: next(end for row in rows for _, end, task in row if task == last))(costs, edges, n_devices)

    return answer


# --- right answers ------------------------------------------------------------------------------


def _by_candidates(costs: Costs, edges: Edges, n_devices: int) -> float:
    """A task may start when its inputs are there, or when another one ends: try these moments."""
    placed: dict[int, tuple[int, int, int]] = {}
    for task in _by_rank(costs, edges):
        best = None
        for d in range(n_devices):
            own, here = costs[task][d], [(s, e) for s, e, on in placed.values() if on == d]
            ready = max([placed[u][1] + (c if placed[u][2] != d else 0) for (u, v), c in edges.items() if v == task] or [0])
            for start in sorted({ready, *(e for _, e in here if e > ready)}):
                if all(e <= start or start + own <= s for s, e in here):
                    break
            if best is None or start + own < best[1]:
                best = (start, start + own, d)
        placed[task] = best
    return max(end for _, end, _ in placed.values())


def _on_a_grid(costs: Costs, edges: Edges, n_devices: int) -> float:
    """A flag for each whole ms of each device."""
    ranks = heft_ranks(costs, edges)
    horizon = sum(map(max, costs.values())) + sum(edges.values()) + 1
    taken = np.zeros((n_devices, 2 * horizon), bool)
    device, end = {}, {}
    for task in sorted(sorted(costs), key=lambda t: round(ranks[t], 6), reverse=True):
        ends = []
        for d in range(n_devices):
            start = max([end[u] + (c if device[u] != d else 0) for (u, v), c in edges.items() if v == task], default=0)
            while taken[d, start : start + costs[task][d]].any():
                start += 1
            ends.append(start + costs[task][d])
        d = int(np.argmin(ends))
        device[task], end[task] = d, ends[d]
        taken[d, ends[d] - costs[task][d] : ends[d]] = True
    return float(max(end.values()))


def _case(costs: Costs, edges: Edges, n_devices: int) -> Case:
    return Case(costs, edges, n_devices, label=f"{label(costs, edges)}, n_devices = {n_devices}")


def _draw(rng: np.random.Generator) -> Case:
    costs, edges = draw_graph(rng)
    return _case(costs, edges, len(next(iter(costs.values()))))


heft_makespan = Exercise(
    id="13.heft_makespan", points=6, difficulty=3, minutes=27, idea="urgent tasks first, each where it ends first",
    reference=heterogeneous.heft_makespan,
    cases=[Case(*PUBLISHED, 3, label=PUBLISHED_LABEL), Case(*GAP, 2, label=GAP_LABEL), Case({1: [4, 2], 2: [6, 7]}, {(1, 2): 3}, 2)],
    hidden=[
        _case({3: [5, 7]}, {}, 2), _case({1: [3, 3], 2: [3, 3]}, {}, 2), _case({1: [3, 4], 2: [3, 9], 3: [3, 9]}, {}, 2),
        _case({4: [2, 2], 2: [2, 2], 9: [6, 6]}, {(4, 9): 5, (2, 9): 1}, 2), _case({1: [4], 2: [5], 3: [6]}, {(1, 3): 9}, 1),
        _case({27: [20, 3], 5: [4, 7], 3: [3, 6]}, {(27, 5): 0}, 2), _case({2: [19, 2], 6: [12, 5], 16: [3, 6]}, {(16, 2): 2}, 2),
        _case({24: [10, 16], 26: [5, 6], 0: [2, 8]}, {(26, 0): 4}, 2), _case({0: [4, 12], 25: [3, 1], 22: [10, 12]}, {(0, 25): 1}, 2),
        _case({1: [2, 9], 2: [9, 2], 3: [4, 4]}, {(1, 3): 3, (2, 3): 3}, 2), _case({1: [10, 10], 2: [1, 1], 3: [1, 8]}, {(1, 2): 20}, 2),
    ],
    draw=_draw, draws=60, compare=exact(), pure=True,
    misconceptions=[
        Misconception(
            "no_insertion", _scheduled(fit=_after_all),
            "You append to the end of a device. A task may also go into an idle gap before others, if it fits: the second graph takes 59 ms "
            "with gaps and 63 without.",
            "Gaps may be used."),
        Misconception(
            "gap_too_small", _scheduled(fit=_any_gap),
            "You use a gap without looking at its length, so two tasks run on one device at the same time. The task has to end before the next "
            "one begins.",
            "It must fit into the gap.", also=[_scheduled(fit=lambda row, ready, cost: ready)]),
        Misconception(
            "exact_fit_refused", _scheduled(fit=_larger_gap),
            "You leave out gaps that the task fills exactly. It may end at the moment when the next one starts.",
            "An exact fit is a fit."),
        Misconception(
            "pays_on_the_same_device", _scheduled(crossing=lambda c, same: c),
            "You pay for communication on the same device. A result that was made there is there already.",
            "Data already there is free."),
        Misconception(
            "never_pays", _scheduled(crossing=lambda c, same: 0),
            "You let results appear everywhere at once. When a predecessor ran on another device, its result arrives after the cost of the edge.",
            "Copies take time."),
        Misconception(
            "earliest_start", _scheduled(score=lambda start, end, d: (start, d)),
            "You choose the device where a task can start first. HEFT chooses where it *ends* first: the F in its name is for finish.",
            "Finish, not start.", also=[_scheduled(score=lambda start, end, d: (start, end, d))]),
        Misconception(
            "fastest_device", _fastest_device,
            "You send each task to the device that runs it fastest, however long it has to wait there. Compare the ends, with waiting and copies.",
            "The fastest may be busy."),
        Misconception(
            "waits_for_neighbours_only", _scheduled(seen=lambda same: same),
            "You wait only for predecessors on the same device. All of them must have ended, wherever they ran.",
            "All inputs must be there.", also=[_scheduled(seen=lambda same: not same)]),
        Misconception(
            "in_id_order", _scheduled(order=_ready_first),
            "You take the ready task with the lowest id. HEFT takes the most urgent one, by falling upward rank.",
            "The rank decides the order."),
        Misconception(
            "ranks_without_edges", _scheduled(order=_by_other_rank(np.mean, with_edges=False)),
            "Your ranks leave out the communication, so the order is another one. See the exercise before.",
            "Another rank."),
        Misconception(
            "ranks_by_minimum", _scheduled(order=_by_other_rank(min)),
            "You rank by the cost on the fastest device, so the order is another one. The upward rank takes the mean.",
            "Another rank.", also=[_scheduled(order=_by_other_rank(max))]),
        Misconception(
            "ranks_by_sum", _scheduled(order=_by_other_rank(sum)),
            "You rank by the sum of a task's times. The edges then weigh too little beside it: the upward rank takes the mean.",
            "Another rank."),
        Misconception(
            "last_task_ends", _last_of(_by_rank),
            "You return the end of the task that was placed last. A task that was placed earlier may end later: take the latest end of all.",
            "The latest end counts."),
        Misconception(
            "other_tie", _scheduled(score=lambda start, end, d: (end, -d)),
            "When two devices end at the same time, take the lower number; when two tasks rank equal, the lower id. You take the other one.",
            "A tie goes to the lower number.", also=[_scheduled(order=_tie_to_higher_id)]),
    ],
    alternatives=[_scheduled(), _by_candidates, _on_a_grid],
    hints=(
        "Keep for each device a sorted list of (start, end), and for each task its device and its end.",
        "Ready on device d: the latest of all predecessors' ends, plus the edge where the predecessor ran elsewhere.",
        "Begin with start = ready and go through the device's tasks in order of time: if start + cost is no later than the next one's start, it "
        "fits; else start = max(start, that one's end).",
    ),
    worth_knowing="HEFT gives 80 for the published graph. The best schedule there is takes 73: a list scheduler never takes a decision back.",
)
