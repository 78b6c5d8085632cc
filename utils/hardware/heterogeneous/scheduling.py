"""HEFT, the list scheduler of Topcuoglu, Hariri and Wu (IEEE TPDS 13(3), 2002), and what a schedule has to keep."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise

from utils.hardware.heterogeneous.task_graph import TaskGraph, graph_from_lists, upward_rank

RANK_DIGITS = 9  # ranks are means of thirds and the like: equal ones may differ in the last bits of a float


@dataclass(frozen=True, order=True)
class Placement:
    """One task on its device, from `start_ms` to `end_ms`."""

    start_ms: float
    end_ms: float
    device: str
    task: Hashable


@dataclass(frozen=True)
class Schedule:
    """Where and when each task runs, in the order in which the scheduler decided."""

    placements: tuple[Placement, ...]

    @property
    def makespan_ms(self) -> float:
        """When the last task ends."""
        return max((p.end_ms for p in self.placements), default=0.0)

    @cached_property
    def by_task(self) -> dict[Hashable, Placement]:
        """The placement of each task."""
        return {p.task: p for p in self.placements}

    def on(self, device: str) -> list[Placement]:
        """What runs on a device, in time order."""
        return sorted((p for p in self.placements if p.device == device), key=lambda p: (p.start_ms, p.end_ms))

    def busy_ms(self, device: str) -> float:
        """How long a device works in all."""
        return sum(p.end_ms - p.start_ms for p in self.on(device))

    def as_dict(self) -> dict[Hashable, dict]:
        """Task -> its placement, as plain data."""
        return {p.task: asdict(p) for p in self.placements}


def ready_ms(graph: TaskGraph, placed: Mapping[Hashable, Placement], task: Hashable, device: str) -> float:
    """When all inputs of `task` are on `device`. A result that was made there needs no copy."""
    return max((placed[p].end_ms + (0 if placed[p].device == device else graph.edges[p, task])
                for p in graph.predecessors[task]), default=0.0)


def earliest_slot(busy: Sequence[tuple[float, float]], ready: float, cost: float) -> float:
    """The first start from `ready` on at which `cost` ms fit between sorted (start, end) intervals.

    >>> earliest_slot([(0, 3), (10, 12)], 2, 5), earliest_slot([(0, 3), (10, 12)], 2, 8)
    (3, 12)
    """
    start = ready
    for begins, ends in busy:
        if start + cost <= begins:
            break
        start = max(start, ends)
    return start


def heft(graph: TaskGraph, devices: Sequence[str] | None = None, *, insertion: bool = True) -> Schedule:
    """Tasks by falling upward rank, each to the device where it ends first.

    With `insertion` a task may use an idle gap before tasks that were placed earlier; without, it comes after
    them. Equal ranks: the task that stands first in the graph. Equal ends: the first of `devices` (all of the
    graph if None). Raises ValueError "device" for a task that none of them can run.
    """
    devices = graph.devices if devices is None else tuple(devices)
    ranks, position = upward_rank(graph), {task: i for i, task in enumerate(graph.tasks)}
    order = sorted(graph.tasks, key=lambda t: (-round(ranks[t], RANK_DIGITS), position[t]))
    placed: dict[Hashable, Placement] = {}
    busy: dict[str, list[tuple[float, float]]] = {device: [] for device in devices}
    for task in order:
        costs = graph.tasks[task].costs
        able = [device for device in devices if device in costs]
        if not able:
            raise ValueError(f"devices must have one that can run task {task!r}, got device {', '.join(devices)}")
        found = []
        for device in able:
            ready = ready_ms(graph, placed, task, device)
            if insertion or not busy[device]:
                start = earliest_slot(busy[device], ready, costs[device])
            else:
                start = max(ready, busy[device][-1][1])
            found.append(Placement(start, start + costs[device], device, task))
        placed[task] = min(found, key=lambda p: p.end_ms)
        insort(busy[placed[task].device], (placed[task].start_ms, placed[task].end_ms))
    return Schedule(tuple(placed.values()))


def heft_makespan(costs: dict[int, list[float]], edges: dict[tuple[int, int], float], n_devices: int) -> float:
    """When the last task ends in the HEFT schedule with insertion, in ms.

    >>> heft_makespan({1: [4, 2], 2: [6, 7]}, {(1, 2): 3}, 2)
    9.0
    """
    graph = graph_from_lists(costs, edges)
    return float(heft(graph, [str(d) for d in range(n_devices)]).makespan_ms)


def validate_schedule(graph: TaskGraph, schedule: Schedule) -> None:
    """Check that a schedule runs every task once, for its cost, after its inputs, one at a time on a device.

    Raises ValueError that names the task, the edge or the overlap.
    """
    placed = schedule.by_task
    if len(placed) != len(schedule.placements) or set(placed) != set(graph.tasks):
        raise ValueError(f"the schedule must run each task once, got {[p.task for p in schedule.placements]}")
    for p in schedule.placements:
        cost = graph.tasks[p.task].costs.get(p.device)
        if cost is None:
            raise ValueError(f"task {p.task!r} must run on a device that can run it, got device {p.device}")
        if p.start_ms < 0 or abs(p.end_ms - p.start_ms - cost) > 1e-9 * max(1.0, p.end_ms):
            raise ValueError(f"task {p.task!r} must take its {cost} ms from 0 on, got {p.start_ms} to {p.end_ms}")
    for task in graph.tasks:
        _check_inputs(graph, placed, task)
    for device in {p.device for p in schedule.placements}:
        row = schedule.on(device)
        for one, other in pairwise(row):
            if other.start_ms < one.end_ms - 1e-9 * max(1.0, one.end_ms):
                raise ValueError(f"tasks on {device} must not overlap, got {one.task!r} and {other.task!r}")


def _check_inputs(graph: TaskGraph, placed: Mapping[Hashable, Placement], task: Hashable) -> None:
    for before in graph.predecessors[task]:
        crossing = 0 if placed[before].device == placed[task].device else graph.edges[before, task]
        if placed[task].start_ms < placed[before].end_ms + crossing - 1e-9 * max(1.0, placed[task].start_ms):
            raise ValueError(f"edge {(before, task)} must be kept: {task!r} starts at {placed[task].start_ms}, "
                             f"its input arrives at {placed[before].end_ms + crossing}")

