"""Offsets of the activations in one block of memory: the shared planner of utils.cost.arena, by name and aligned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from utils.cost.arena import Plan, TensorUse
from utils.cost.arena import plan_arena as plan_uses

ALIGNMENT = 64  # bytes; a cache line of the CPU


@dataclass(frozen=True)
class MemoryPlan:
    """Offset (bytes) of each tensor, the end of the highest one, and what no plan can go below."""

    offsets: dict[str, int]
    peak_bytes: int
    lower_bound_bytes: int
    sum_bytes: int
    uses: dict[str, TensorUse] = field(repr=False)


def plan_memory(tensors: Mapping[str, tuple[int, int, int]], alignment: int = ALIGNMENT) -> MemoryPlan:
    """A plan for tensors given as name -> (bytes, first step, last step), both steps included: largest first, each
    into the smallest gap that holds it (Pisarchyk and Lee, 2020).

    Raises ValueError for a negative size, last < first, or an alignment below 1.
    """
    uses = {name: TensorUse(*use) for name, use in tensors.items()}
    plan: Plan = plan_uses(list(uses.values()), alignment)
    return MemoryPlan(dict(zip(uses, plan.offsets)), plan.total_bytes, _lower_bound(list(uses.values()), alignment),
                      sum(use.size for use in uses.values()), uses)


def _lower_bound(uses: list[TensorUse], alignment: int) -> int:
    """Most bytes that live at one step, each size rounded up; only the topmost tensor may do without its padding."""
    most = 0
    for step in {use.first for use in uses}:
        live = [use.size for use in uses if use.first <= step <= use.last]
        padding = [-size % alignment for size in live]
        most = max(most, sum(live) + sum(padding) - max(padding))
    return most


def plan_arena(tensors: dict[str, tuple[int, int, int]], alignment: int = ALIGNMENT) -> tuple[dict[str, int], int]:
    """Offsets by name and the end of the highest tensor, for tensors given as name -> (bytes, first, last).

    >>> plan_arena({"a": (1024, 0, 1), "b": (512, 1, 2), "c": (1024, 2, 3), "d": (256, 1, 3)})
    ({'a': 0, 'b': 1024, 'c': 0, 'd': 1536}, 1792)
    """
    plan = plan_memory(tensors, alignment)
    return plan.offsets, plan.peak_bytes
