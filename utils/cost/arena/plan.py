"""Offsets of tensors in one block of memory, the arena: a planner as runtimes use it, and two to compare it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utils.cost.arena.tensor_use import TensorUse, live_peak
from utils.cost.checks import positive

MOST_TENSORS = 8  # of the exhaustive search


@dataclass(frozen=True)
class Plan:
    """An offset (bytes) for each tensor, in the order of the tensors, and the size of the arena."""

    offsets: tuple[int, ...]
    total_bytes: int


def plan_arena(uses: Sequence[TensorUse], align: int = 1) -> Plan:
    """Greedy by size: the largest tensor first, each into the smallest gap that holds it.

    Gaps lie between the tensors that were placed before and live at the same time; where none fits, the tensor goes
    on top of them. Among equal sizes the one that begins first goes first, then the one that is listed first.
    Offsets are multiples of `align`; sizes stay as they are. The rule is that of TensorFlow Lite's GPU delegate
    (Pisarchyk and Lee, 2020, "greedy by size for offset calculation").

    >>> plan_arena([TensorUse(s, i, i + 1) for i, s in enumerate((16, 8, 64, 32, 8))])
    Plan(offsets=(0, 64, 0, 64, 0), total_bytes=96)
    """
    positive(align=align)
    offsets: dict[int, int] = {}
    for i in sorted(range(len(uses)), key=lambda i: (-uses[i].size, uses[i].first, i)):
        taken = sorted((at, at + uses[j].size) for j, at in offsets.items() if uses[i].meets(uses[j]))
        offsets[i] = _smallest_gap(taken, uses[i].size, align)
    return _plan(uses, [offsets[i] for i in range(len(uses))])


def _smallest_gap(taken: Iterable[tuple[int, int]], size: int, align: int) -> int:
    """Start of the smallest gap between the sorted intervals `taken` that holds `size`, else the end of them all."""
    best, best_room, end = None, 0, 0
    for start, stop in taken:
        room = start - end
        if room >= size and (best is None or room < best_room):
            best, best_room = end, room
        end = max(end, _up(stop, align))
    return end if best is None else best


def _up(n: int, align: int) -> int:
    return -(-n // align) * align


def _plan(uses: Sequence[TensorUse], offsets: Sequence[int]) -> Plan:
    return Plan(tuple(offsets), max((at + u.size for at, u in zip(offsets, uses)), default=0))


def plan_naive(uses: Sequence[TensorUse], align: int = 1) -> Plan:
    """Every tensor behind the one before it: no byte is used twice."""
    positive(align=align)
    offsets, end = [], 0
    for use in uses:
        offsets.append(_up(end, align))
        end = offsets[-1] + use.size
    return _plan(uses, offsets)


def plan_optimal(uses: Sequence[TensorUse], align: int = 1) -> Plan:
    """A plan with the smallest possible arena, by exhaustive search over at most 8 tensors.

    Every plan can be pushed down until each tensor lies on the floor or on one that was placed before it, when they
    are placed in the order of their offsets. So it is enough to try every order of stacking.
    Raises ValueError for more tensors.
    """
    positive(align=align)
    if len(uses) > MOST_TENSORS:
        raise ValueError(f"uses must hold at most {MOST_TENSORS} tensors, got {len(uses)}")
    best, floor = plan_arena(uses, align), live_peak(uses)
    stack: list[dict[int, int]] = [{}]
    while stack and best.total_bytes > floor:
        placed = stack.pop()
        if len(placed) == len(uses):
            best = _plan(uses, [placed[i] for i in range(len(uses))])
            continue
        for i in set(range(len(uses))) - placed.keys():
            at = max((_up(placed[j] + uses[j].size, align) for j in placed if uses[i].meets(uses[j])), default=0)
            if max([at + uses[i].size, *(placed[j] + uses[j].size for j in placed)]) < best.total_bytes:
                stack.append({**placed, i: at})
    return best


def validate_plan(uses: Sequence[TensorUse], plan: Plan) -> None:
    """Raise ValueError unless no two tensors overlap in time and in address, and all lie inside the arena."""
    if len(plan.offsets) != len(uses):
        raise ValueError(f"plan must have one offset for each of {len(uses)} tensors, got {len(plan.offsets)}")
    for i, (at, use) in enumerate(zip(plan.offsets, uses)):
        if at < 0 or at + use.size > plan.total_bytes:
            raise ValueError(f"plan must keep tensor {i} inside the arena of {plan.total_bytes}, got "
                             f"bytes {at} to {at + use.size}")
        for j in range(i):
            below, above = sorted(((at, use.size), (plan.offsets[j], uses[j].size)))
            if use.size and uses[j].size and use.meets(uses[j]) and sum(below) > above[0]:
                raise ValueError(f"plan must not let live tensors overlap, got tensors {j} and {i} at bytes "
                                 f"{plan.offsets[j]} and {at}")
