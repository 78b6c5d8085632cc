"""Exercise 22.plan_arena: greedy by size, judged by validity and by the size of the arena."""

from __future__ import annotations

from typing import Any

import numpy as np

from utils.cost import arena

from ...compare import brief, prop
from ...exercise import Case, Exercise, Misconception

Uses = list[tuple[int, int, int]]


def plan_reference(uses: Uses) -> tuple[list[int], int]:
    """The reference under the exercise's arguments."""
    plan = arena.plan_arena([arena.TensorUse(*use) for use in uses])
    return list(plan.offsets), plan.total_bytes


def fault(uses: Uses, expected: Any, got: Any) -> tuple[str, str] | None:
    """A kind and a phrase for what is wrong with a plan, or None."""
    if not isinstance(got, (list, tuple)) or len(got) != 2 or not isinstance(got[0], (list, tuple, np.ndarray)):
        return "form", f"{brief(got)} is not a pair (offsets, arena size)"
    offsets, total = list(got[0]), got[1]
    if len(offsets) != len(uses):
        return "form", f"{len(offsets)} offsets for {len(uses)} tensors"
    for value in (*offsets, total):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer)) or value != int(value) or value < 0:
            return "form", f"{brief(value)} is not a whole number of bytes from 0 on"
    for i, (size, first, last) in enumerate(uses):
        for j, (other, begin, end) in enumerate(uses[:i]):
            alive = first <= end and begin <= last
            if alive and size and other and offsets[i] < offsets[j] + other and offsets[j] < offsets[i] + size:
                return "overlap", f"tensors {j} and {i} share bytes while both live at step {max(first, begin)}"
    top = max((at + use[0] for at, use in zip(offsets, uses)), default=0)
    if total != top:
        return "total", f"the arena size is {brief(total)}, but the highest tensor ends at {top}"
    if total > expected[1]:
        return "large", f"the arena takes {total}, the greedy plan of the text {expected[1]}"
    return None


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    found = fault(case.args[0], expected, got)
    return found and found[1]


def _same(one: Any, other: Any, case: Case) -> str | None:
    infinite = ([], float("inf"))
    faults = [fault(case.args[0], infinite, got) for got in (one, other)]
    kinds = [f and f[0] for f in faults]
    return None if kinds[0] == kinds[1] and (kinds[0] == "overlap" or list(one) == list(other)) else "another plan"


def _place(uses: Uses, order: list[int], *, meets=lambda a, b: a[1] <= b[2] and b[1] <= a[2], gap: str = "smallest", recent: int | None = None) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    for i in order:
        seen = list(offsets) if recent is None else list(offsets)[-recent:]
        taken = sorted((offsets[j], offsets[j] + uses[j][0]) for j in seen if meets(uses[i], uses[j]))
        rooms, end = [], 0
        for start, stop in taken:
            if start - end >= uses[i][0] and gap != "none":
                rooms.append((start - end, end))
            end = max(end, stop)
        best = None if not rooms else min(rooms)[1] if gap == "smallest" else max(rooms, key=lambda r: r[0])[1] if gap == "largest" else rooms[0][1]
        offsets[i] = end if best is None else best
    return [offsets[i] for i in range(len(uses))], max((offsets[i] + uses[i][0] for i in offsets), default=0)


def _by_size(uses: Uses) -> list[int]:
    return sorted(range(len(uses)), key=lambda i: (-uses[i][0], uses[i][1], i))


def _by_time(uses: Uses) -> list[int]:
    return sorted(range(len(uses)), key=lambda i: (uses[i][1], i))


def _half_open(uses: Uses) -> tuple[list[int], int]:
    return _place(uses, _by_size(uses), meets=lambda a, b: a[1] < b[2] and b[1] < a[2])


def _bump(uses: Uses) -> tuple[list[int], int]:
    ends = np.cumsum([0, *(u[0] for u in uses)]).tolist()
    return ends[:-1], ends[-1]


def _best_of_two(uses: Uses) -> tuple[list[int], int]:
    return min((_place(uses, order(uses)) for order in (_by_size, _by_time)), key=lambda plan: plan[1])


def _byte_map(uses: Uses) -> tuple[list[int], int]:
    """Marks bytes step by step; takes the smallest hole by walking over them."""
    offsets, steps = {}, sorted({s for _, a, b in uses for s in (a, b)})
    size = sum(u[0] for u in uses) + 1
    taken = {s: bytearray(size) for s in steps}
    for i in _by_size(uses):
        n, first, last = uses[i]
        mine = [s for s in steps if first <= s <= last]
        busy = [any(taken[s][at] for s in mine) for at in range(size)]
        holes, at = [], 0
        while at < size:
            if busy[at]:
                at += 1
                continue
            end = at
            while end < size and not busy[end]:
                end += 1
            if end - at >= n:
                holes.append((end - at if end < size else size * 2, at))
            at = end
        offsets[i] = min(holes)[1]
        for s in mine:
            taken[s][offsets[i] : offsets[i] + n] = b"\x01" * n
    return [offsets[i] for i in range(len(uses))], max((offsets[i] + uses[i][0] for i in offsets), default=0)


def _draw(rng: np.random.Generator) -> Case:
    steps = int(rng.integers(2, 9))
    uses = []
    for _ in range(int(rng.integers(1, 12))):
        first = int(rng.integers(0, steps))
        uses.append((int(rng.choice([1, 2, 4, 5, 8, 13, 16, 24, 32])), first, min(steps, first + int(rng.integers(0, 4)))))
    return Case(uses)


_CHAIN = [(16, 0, 1), (8, 1, 2), (64, 2, 3), (32, 3, 4), (8, 4, 5)]
_NINE = [(32, 0, 1), (32, 1, 4), (8, 2, 5), (16, 3, 5), (8, 4, 5), (64, 5, 7), (8, 6, 8), (8, 7, 8), (16, 8, 9)]
# Found by search: taking the first gap, or the largest one, makes the arena larger.
_GAPS = [
    [(14, 2, 3), (14, 1, 3), (4, 2, 2), (13, 1, 1), (13, 1, 2), (16, 3, 4), (5, 0, 0), (13, 0, 3)],
    [(11, 2, 4), (4, 2, 4), (5, 2, 4), (14, 0, 3), (14, 0, 1), (10, 3, 4), (15, 1, 1), (4, 0, 3), (12, 0, 3)],
    [(6, 2, 3), (1, 1, 3), (7, 0, 3), (15, 0, 1), (15, 0, 3), (10, 1, 2), (10, 0, 1), (16, 0, 0), (3, 2, 3)],
    [(11, 2, 2), (12, 1, 4), (10, 0, 3), (9, 3, 6), (10, 4, 5), (10, 2, 4), (14, 0, 3), (3, 3, 5)],
]

plan_arena = Exercise(
    id="22.plan_arena", points=5, difficulty=3, minutes=20, idea="large tensors first, small ones into the gaps",
    reference=plan_reference,
    cases=[Case(_CHAIN, label="the chain of five of the text"), Case(_NINE, label="the nine tensors of the text")],
    hidden=[Case([]), Case([(7, 3, 3)]), Case([(4, 0, 1), (4, 1, 2), (4, 2, 3)]), Case([(0, 0, 4), (5, 0, 4)]), *(Case(uses) for uses in _GAPS), Case([(5, 0, 9), (5, 0, 9)]), Case([(8, 0, 0), (8, 1, 1), (16, 0, 1)]), Case([(3, 0, 5), (9, 0, 1), (9, 4, 5), (4, 2, 3), (5, 1, 2)]), Case([(6, 0, 1), (5, 2, 2), (9, 0, 2), (2, 1, 2), (4, 0, 0)])],
    draw=_draw, draws=80, compare=prop(_judge, same=_same),
    misconceptions=[
        Misconception("bump", _bump,
                      "Every tensor gets bytes of its own, behind the one before. Tensors whose lifetimes don't meet can lie in the same place.", "Nothing is shared."),
        Misconception("half_open", _half_open,
                      "You let tensors share bytes whose lifetimes touch. In the step in which one ends and the other begins, both live.", "Touching lifetimes meet."),
        Misconception("in_time", lambda uses: _place(uses, _by_time(uses)),
                      "You place the tensors in the order of time. Small early ones then cut the arena to pieces. Begin with the largest.", "Large tensors come first."),
        Misconception("in_list", lambda uses: _place(uses, list(range(len(uses)))),
                      "You place the tensors as they are listed. Sort them by size first.", "Sort by size.",
                      also=(lambda uses: _place(uses, sorted(range(len(uses)), key=lambda i: (uses[i][0], uses[i][1]))),)),
        Misconception("no_gaps", lambda uses: _place(uses, _by_size(uses), gap="none"),
                      "You always put a tensor on top. There may be a gap between two tensors that live with it.", "Gaps are not used."),
        Misconception("first_gap", lambda uses: _place(uses, _by_size(uses), gap="first"),
                      "You take the first gap that fits. A larger tensor of a later turn may need it: take the smallest one that fits.", "The smallest gap, not the first."),
        Misconception("largest_gap", lambda uses: _place(uses, _by_size(uses), gap="largest"),
                      "You take the largest gap. It is the one that others need most: take the smallest one that fits.", "The smallest gap, not the largest."),
        Misconception("last_only", lambda uses: _place(uses, _by_size(uses), recent=1),
                      "You look at the tensor that was placed last. All that live at the same time have to be avoided.", "All placed tensors count."),
        Misconception("max_size", lambda uses: (_place(uses, _by_size(uses))[0], max([u[0] for u in uses], default=0)),
                      "The offsets are right, and the arena's size is that of the largest tensor. It reaches to the highest end.", "The arena ends with the highest tensor."),
        Misconception("sum_size", lambda uses: (_place(uses, _by_size(uses))[0], sum(u[0] for u in uses)),
                      "The offsets are right, and the arena's size is the sum of all tensors. It reaches to the highest end.", "The arena is smaller than the sum."),
    ],
    alternatives=[_byte_map, _best_of_two],
    hints=(
        "Sort the indices by (-size, first, index).",
        "For a tensor: the intervals of placed tensors that live with it, sorted. Walk along them, and note each gap that is large enough.",
        "The smallest of these gaps; if there is none, the end of the highest of those intervals (0 if there is none).",
    ),
    worth_knowing="TensorFlow Lite's GPU delegate plans so. Its own test of nine tensors is the second example.",
)
