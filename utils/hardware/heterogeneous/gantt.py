"""A schedule as rows of a chart: what runs where and when, and what travels between devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from utils.hardware.heterogeneous.rivals import fastest_device, optimal, single_device
from utils.hardware.heterogeneous.scheduling import Schedule, heft
from utils.hardware.heterogeneous.task_graph import TaskGraph

SCHEDULERS: Mapping[str, Callable[[TaskGraph], Schedule]] = MappingProxyType({
    "single device": single_device, "greedy": fastest_device, "HEFT": heft, "optimal": optimal})


@dataclass(frozen=True)
class Row:
    """One bar: a task on a device, in ms."""

    device: str
    task: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Copy:
    """One result on its way from a device to another, in ms."""

    source: str
    target: str
    start_ms: float
    end_ms: float
    tasks: tuple[str, str]


def gantt_rows(schedule: Schedule) -> list[Row]:
    """The bars of a schedule, by device and then by time."""
    rows = [Row(p.device, str(p.task), p.start_ms, p.end_ms) for p in schedule.placements]
    return sorted(rows, key=lambda r: (r.device, r.start_ms))


def copies(graph: TaskGraph, schedule: Schedule) -> list[Copy]:
    """Every result that crosses to another device: it leaves when its task ends."""
    placed = schedule.by_task
    return [Copy(placed[u].device, placed[v].device, placed[u].end_ms, placed[u].end_ms + cost, (str(u), str(v)))
            for (u, v), cost in graph.edges.items() if placed[u].device != placed[v].device]
