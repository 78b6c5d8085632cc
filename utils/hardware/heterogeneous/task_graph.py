"""Tasks, what they cost on each device, and what their results cost to move: the input of a scheduler."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from utils.cost.checks import non_negative, positive
from utils.graphs.order import topological_order

Edges = Mapping[tuple[Hashable, Hashable], float]


@dataclass(frozen=True)
class Task:
    """One task: its cost in ms on each device that can run it. Raises ValueError "device" when there is none."""

    costs: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.costs:
            raise ValueError("costs must name at least one device, got none")
        for device, cost in self.costs.items():
            positive(**{f"cost on {device}": cost})

    @property
    def mean_ms(self) -> float:
        """The mean cost over the devices that can run the task."""
        return math.fsum(self.costs.values()) / len(self.costs)


@dataclass(frozen=True)
class TaskGraph:
    """Tasks by id, and for each edge (u, v) the ms that u's result takes to reach v on another device.

    Where two tasks rank equal, the one that stands first in `tasks` goes first.
    Raises ValueError "cycle", and for an edge to an unknown task or with a negative cost.
    """

    tasks: Mapping[Hashable, Task]
    edges: Edges

    def __post_init__(self) -> None:
        for edge, cost in self.edges.items():
            if not all(end in self.tasks for end in edge):
                raise ValueError(f"each edge must join known tasks, got {edge}")
            non_negative(**{f"edge {edge}": cost})
        self.order  # noqa: B018 - finds a cycle now

    @cached_property
    def order(self) -> tuple[Hashable, ...]:
        """The tasks, each after its predecessors; otherwise as they stand in `tasks`."""
        ids = list(self.tasks)
        number = {task: str(i) for i, task in enumerate(ids)}
        pairs = [([number[p] for p in self.predecessors[task]], [number[task]]) for task in ids]
        return tuple(ids[i] for i in topological_order(pairs, []))

    @cached_property
    def predecessors(self) -> dict[Hashable, list[Hashable]]:
        """For each task those whose results it reads."""
        return {task: [u for u, v in self.edges if v == task] for task in self.tasks}

    @cached_property
    def successors(self) -> dict[Hashable, list[Hashable]]:
        """For each task those that read its result."""
        return {task: [v for u, v in self.edges if u == task] for task in self.tasks}

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """All devices, in the order in which the tasks name them."""
        return tuple(dict.fromkeys(device for task in self.tasks.values() for device in task.costs))


def upward_rank(graph: TaskGraph) -> dict[Hashable, float]:
    """The mean time from the start of each task to the end of the graph, along the longest path.

    rank(t) = mean cost of t + max over its successors s of (edge (t, s) + rank(s)); the eq. 9 of Topcuoglu,
    Hariri and Wu (IEEE TPDS 13(3), 2002).

    >>> upward_rank(TaskGraph({"a": Task({"cpu": 4, "npu": 2}), "b": Task({"cpu": 6})}, {("a", "b"): 1}))
    {'a': 10.0, 'b': 6.0}
    """
    rank: dict[Hashable, float] = {}
    for task in reversed(graph.order):
        after = max((graph.edges[task, s] + rank[s] for s in graph.successors[task]), default=0)
        rank[task] = graph.tasks[task].mean_ms + after
    return {task: rank[task] for task in graph.tasks}


def graph_from_lists(costs: Mapping[int, Sequence[float]], edges: Edges) -> TaskGraph:
    """A graph from lists of costs, device 0 first; tasks in the order of their ids, devices named "0", "1", ….

    Raises ValueError "length" for lists of different lengths, and what TaskGraph raises.

    >>> graph_from_lists({2: [3, 4], 1: [5, 6]}, {}).devices
    ('0', '1')
    """
    if len({len(row) for row in costs.values()}) > 1:
        raise ValueError(f"the lists of costs must have one length, got {sorted({len(r) for r in costs.values()})}")
    tasks = {task: Task({str(d): c for d, c in enumerate(costs[task])}) for task in sorted(costs)}
    return TaskGraph(tasks, edges)


def heft_ranks(costs: dict[int, list[float]], edges: dict[tuple[int, int], float]) -> dict[int, float]:
    """The upward rank of each task, in ms.

    >>> heft_ranks({1: [4, 2], 2: [6, 6]}, {(1, 2): 1})
    {1: 10.0, 2: 6.0}
    """
    return upward_rank(graph_from_lists(costs, edges))
