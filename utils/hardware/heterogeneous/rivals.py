"""Other ways to schedule a graph: one device, the fastest device for each task, and the best there is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

from utils.hardware.heterogeneous.chain import split_chain
from utils.hardware.heterogeneous.scheduling import Placement, Schedule, heft, ready_ms
from utils.hardware.heterogeneous.task_graph import TaskGraph

MOST_TASKS = 10


def place_in_order(graph: TaskGraph, choice: Sequence[tuple[Hashable, str]]) -> Schedule:
    """The schedule of (task, device) pairs, each as early as its inputs and the latest task on its device allow.

    Raises KeyError when a task comes before one of its predecessors or on a device that can't run it.
    """
    placed: dict[Hashable, Placement] = {}
    free: dict[str, float] = {}
    for task, device in choice:
        start = max(free.get(device, 0.0), ready_ms(graph, placed, task, device))
        placed[task] = Placement(start, start + graph.tasks[task].costs[device], device, task)
        free[device] = placed[task].end_ms
    return Schedule(tuple(placed.values()))


def single_device(graph: TaskGraph, device: str | None = None) -> Schedule:
    """All tasks on one device, which can run them all; by default the one that ends first.

    Raises ValueError "device" when there is none.
    """
    able = [d for d in graph.devices if all(d in task.costs for task in graph.tasks.values())]
    wanted = able if device is None else [d for d in able if d == device]
    if not wanted:
        raise ValueError(f"one device must be able to run all tasks, got device {device or ', '.join(graph.devices)}")
    found = [place_in_order(graph, [(task, d) for task in graph.order]) for d in wanted]
    return min(found, key=lambda s: s.makespan_ms)


def fastest_device(graph: TaskGraph) -> Schedule:
    """Each task on the device where it runs fastest, whatever the copies cost."""
    return place_in_order(graph, [(task, min(costs := graph.tasks[task].costs, key=costs.__getitem__))
                                  for task in graph.order])


def brute_force_schedule(graph: TaskGraph) -> Schedule:
    """A schedule with the smallest makespan, by trying orders and devices.

    Every schedule can be made by placing its tasks in the order of their starts, so appending is enough. Branches
    that can't beat the best so far are left out: from each open task the cheapest path to the end must still run.
    Raises ValueError for more than 10 tasks.

    >>> from utils.hardware.heterogeneous.task_graph import Task
    >>> graph = TaskGraph({"a": Task({"cpu": 4, "npu": 1}), "b": Task({"cpu": 3, "npu": 9})}, {("a", "b"): 5})
    >>> brute_force_schedule(graph).makespan_ms, heft(graph).makespan_ms
    (7.0, 9.0)
    """
    if len(graph.tasks) > MOST_TASKS:
        raise ValueError(f"graph must have at most {MOST_TASKS} tasks, got {len(graph.tasks)}")
    return _Search(graph).best


class _Search:
    """Depth first, with the best schedule so far as the bound."""

    def __init__(self, graph: TaskGraph) -> None:
        self.graph, self.best = graph, heft(graph)
        self.rest: dict[Hashable, float] = {}  # the cheapest path from a task to the end, copies free
        for task in reversed(graph.order):
            after = max((self.rest[s] for s in graph.successors[task]), default=0.0)
            self.rest[task] = min(graph.tasks[task].costs.values()) + after
        self.placed: dict[Hashable, Placement] = {}
        self.seen: set[tuple] = set()
        self.descend({})

    def descend(self, free: dict[str, float]) -> None:
        open_tasks = [t for t in self.graph.order if t not in self.placed]
        if not open_tasks:
            found = Schedule(tuple(self.placed.values()))
            self.best = min(self.best, found, key=lambda s: s.makespan_ms)  # the first of equals stays
            return
        state = (tuple(sorted(free.items())), frozenset((p.task, p.device, p.end_ms) for p in self.placed.values()))
        if state in self.seen:  # another order led to the same placements
            return
        self.seen.add(state)
        for task in open_tasks:
            if all(p in self.placed for p in self.graph.predecessors[task]):
                self._try(task, free)

    def _try(self, task: Hashable, free: dict[str, float]) -> None:
        for device, cost in self.graph.tasks[task].costs.items():
            start = max(free.get(device, 0.0), ready_ms(self.graph, self.placed, task, device))
            self.placed[task] = Placement(start, start + cost, device, task)
            if self._bound() < self.best.makespan_ms:
                self.descend({**free, device: start + cost})
            del self.placed[task]

    def _bound(self) -> float:
        """No completion of the placements so far can end before this."""
        earliest: dict[Hashable, float] = {}
        for task in self.graph.order:
            if task in self.placed:
                earliest[task] = self.placed[task].end_ms
            else:
                begins = max((earliest[p] for p in self.graph.predecessors[task]), default=0.0)
                earliest[task] = begins + min(self.graph.tasks[task].costs.values())
        return max(earliest.values())


def chain_optimum(graph: TaskGraph) -> Schedule:
    """The best schedule of a graph that is one chain, by dynamic programming over any number of tasks.

    Raises ValueError "chain" for another graph.
    """
    order = graph.order
    if set(graph.edges) != set(pairwise(order)):
        raise ValueError(f"graph must be one chain, got {len(graph.edges)} edges between {len(order)} tasks")
    costs = [[graph.tasks[task].costs.get(d, float("inf")) for d in graph.devices] for task in order]
    moves = [0.0, *(graph.edges[edge] for edge in pairwise(order)), 0.0]
    split = split_chain(costs, moves)
    return place_in_order(graph, [(task, graph.devices[d]) for task, d in zip(order, split.devices)])


def optimal(graph: TaskGraph) -> Schedule:
    """The best schedule of a chain, or of a graph of at most 10 tasks. Raises ValueError for other graphs."""
    if set(graph.edges) == set(pairwise(graph.order)):
        return chain_optimum(graph)
    return brute_force_schedule(graph)
