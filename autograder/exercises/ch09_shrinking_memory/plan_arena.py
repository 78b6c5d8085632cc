"""Exercise 09.plan_arena: offsets in one block of memory, judged by validity and by the size of the arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from utils.compression import memory_planner

from ...compare import brief, prop
from ...exercise import Case, Exercise, Misconception

Tensors = Mapping[str, tuple[int, int, int]]  # name -> (first, last, bytes)


def lower_bound(tensors: Tensors) -> int:
    """Largest sum of bytes live at one step."""
    starts = {first for first, _, _ in tensors.values()}
    return max((sum(n for first, last, n in tensors.values() if first <= step <= last) for step in starts), default=0)


def fault(tensors: Tensors, got: Any) -> tuple[str, str] | None:
    """What is wrong with a plan: a kind, and a phrase with the tensors and bytes concerned; None if it holds."""
    if not isinstance(got, (list, tuple)) or len(got) != 2 or not isinstance(got[0], dict):
        return "form", f"{brief(got)} is not a pair (offsets, arena size)"
    offsets, total = got
    if offsets.keys() != tensors.keys():
        odd = next(iter(offsets.keys() ^ tensors.keys()))
        return "names", f"the offsets do not name every tensor once: look at {odd!r}"
    for name, at in (*offsets.items(), ("the arena size", total)):
        if isinstance(at, bool) or not isinstance(at, (int, float)) or at != int(at) or at < 0:
            return "form", f"{name}: {brief(at)} is not a whole number of bytes from 0 on"
    names = list(tensors)
    for i, one in enumerate(names):
        for other in names[:i]:
            if _collide(tensors[one], offsets[one], tensors[other], offsets[other]):
                step = max(tensors[one][0], tensors[other][0])
                return "overlap", f"{other} and {one} share bytes while both live at step {step}"
    top = max((offsets[name] + tensors[name][2] for name in names), default=0)
    if total != top:
        return "total", f"the arena size is {brief(total)}, but the highest tensor ends at {top:g}"
    bound = lower_bound(tensors)
    if 2 * total > 3 * bound:
        return "bound", f"{total:g} bytes are more than 1.5 × {bound}, the most that live at one step"
    return None


def _collide(one: tuple, at: int, other: tuple, there: int) -> bool:
    alive = one[0] <= other[1] and other[0] <= one[1]
    return alive and one[2] > 0 and other[2] > 0 and at < there + other[2] and there < at + one[2]


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    found = fault(case.args[0], got)
    return found and found[1]


def _same(one: Any, other: Any, case: Case) -> str | None:
    """Two answers are alike when they have the same kind of fault and the same arena size."""
    faults = [fault(case.args[0], got) for got in (one, other)]
    kinds = [f and f[0] for f in faults]
    return None if kinds[0] == kinds[1] and (kinds[0] == "overlap" or one[1] == other[1]) else "another plan"


# --- planners ------------------------------------------------------------------------------------


def _place(tensors: Tensors, order: list[str], *, half_open: bool = False, gaps: bool = True, tight: bool = False,
           looks_back: int | None = None) -> tuple[dict, int]:
    """First fit in this order; `tight` takes the smallest gap, `half_open` an exclusive `last`, `looks_back` the latest."""
    offsets: dict[str, int] = {}
    for name in order:
        first, last, size = tensors[name]
        placed = list(offsets) if looks_back is None else list(offsets)[-looks_back:]
        rooms, at = [], 0  # gaps that are large enough, as (bytes, where they begin)
        for start, end in sorted((offsets[n], offsets[n] + tensors[n][2]) for n in placed
                                 if _meets(tensors[n], (first, last), half_open)):
            if gaps and start - at >= size:
                rooms.append((start - at, at))
            at = max(at, end)
        offsets[name] = (min(rooms) if tight else rooms[0])[1] if rooms else at
    return offsets, max((offsets[n] + tensors[n][2] for n in tensors), default=0)


def _meets(one: tuple, other: tuple, half_open: bool) -> bool:
    if half_open:
        return one[0] < other[1] and other[0] < one[1]
    return one[0] <= other[1] and other[0] <= one[1]


def _by_size(tensors: Tensors) -> list[str]:
    return sorted(tensors, key=lambda n: (-tensors[n][2], tensors[n][0]))


def _by_time(tensors: Tensors) -> list[str]:
    return sorted(tensors, key=lambda n: (tensors[n][0], -tensors[n][2]))


def _first_fit_decreasing(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_size(tensors))


def _best_of_three(tensors: Tensors) -> tuple[dict, int]:
    area = sorted(tensors, key=lambda n: -tensors[n][2] * (tensors[n][1] - tensors[n][0] + 1))
    orders = (_by_size(tensors), _by_time(tensors), area)
    return min((_place(tensors, order) for order in orders), key=lambda plan: plan[1])


def _sweeps_bytes(tensors: Tensors) -> tuple[dict, int]:
    """Marks every byte in every step, for the largest tensor first."""
    end = max((last for _, last, _ in tensors.values()), default=0) + 1
    taken = np.zeros((end, sum(n for _, _, n in tensors.values()) + 1), bool)
    offsets = {}
    for name in _by_size(tensors):
        first, last, size = tensors[name]
        busy = taken[first : last + 1].any(axis=0)
        at = 0
        while busy[at : at + size].any():
            at += 1
        offsets[name] = at
        taken[first : last + 1, at : at + size] = True
    return offsets, max((at + tensors[n][2] for n, at in offsets.items()), default=0)


def _bump(tensors: Tensors) -> tuple[dict, int]:
    offsets, end = {}, 0
    for name, (_, _, size) in tensors.items():
        offsets[name], end = end, end + size
    return offsets, end


def _half_open(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_size(tensors), half_open=True)


def _half_open_in_time(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_time(tensors), half_open=True)


def _in_time(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_time(tensors))


def _stacks_in_time(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_time(tensors), gaps=False)


def _equal_sizes(tensors: Tensors) -> tuple[dict, int]:
    """A buffer is used again only for a tensor of exactly its size."""
    buffers: list[tuple[int, int, list[str]]] = []  # offset, size, the tensors in it
    offsets, end = {}, 0
    for name in _by_time(tensors):
        first, last, size = tensors[name]
        fits = (b for b in buffers if b[1] == size and not any(_meets(tensors[n], (first, last), False) for n in b[2]))
        buffer = next(fits, None)
        if buffer is None:
            buffer = (end, size, [])
            buffers.append(buffer)
            end += size
        buffer[2].append(name)
        offsets[name] = buffer[0]
    return offsets, end


def _two_buffers(tensors: Tensors) -> tuple[dict, int]:
    """Ping and pong: every second tensor behind the largest of the others."""
    names = _by_time(tensors)
    half = max((tensors[n][2] for n in names[::2]), default=0)
    offsets = {n: half * (i % 2) for i, n in enumerate(names)}
    return offsets, max((at + tensors[n][2] for n, at in offsets.items()), default=0)


def _last_one_only(tensors: Tensors) -> tuple[dict, int]:
    return _place(tensors, _by_size(tensors), looks_back=1)


def _tells(total: Callable[[Tensors], int]) -> Callable[[Tensors], tuple[dict, int]]:
    return lambda tensors: (_first_fit_decreasing(tensors)[0], total(tensors))


# --- cases ---------------------------------------------------------------------------------------


def _named(lives: list[tuple[int, int, int]]) -> dict:
    return {f"t{i}": life for i, life in enumerate(lives)}


def _largest_first_arenas(tensors: Tensors) -> list[int]:
    """Arenas of "largest first" as it can be read: any rule among equal sizes, into the first or the smallest gap."""
    listed = list(tensors)
    rules = (listed.index, lambda n: tensors[n][0], lambda n: tensors[n][1])
    orders = [sorted(listed, key=lambda n, rule=rule, sign=sign: (-tensors[n][2], sign * rule(n)))
              for rule in rules for sign in (1, -1)]
    return [_place(tensors, order, tight=tight)[1] for order in orders for tight in (False, True)]


def _draw(rng: np.random.Generator) -> Case:
    """Long random sets and residual networks; never one that "largest first" brings close to the bound."""
    while True:
        n = int(rng.integers(12, 31))
        if rng.random() < 0.3:  # a chain whose every third tensor is read again three steps later
            lives = [(i, i + (3 if i % 3 == 0 else 1), int(s)) for i, s in enumerate(rng.integers(1, 60, n))]
        else:
            lives = [(int(f), int(f + d), int(s)) for f, d, s in zip(
                rng.integers(0, n, n), rng.integers(0, 5, n), rng.integers(0, 100, n))]
        tensors = _named(lives)
        bound = lower_bound(tensors)
        if bound and sum(s for _, _, s in lives) > 1.6 * bound and max(_largest_first_arenas(tensors)) <= 1.4 * bound:
            return Case(tensors, label=f"{n} tensors, at most {bound} bytes live at one step")


def show_plan(value: Any) -> str:
    """A plan as its arena size and the first offsets; tensors as first–last:bytes."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], dict):
        inner = ", ".join(f"{name} {brief(at)}" for name, at in list(value[0].items())[:6])
        return f"arena {brief(value[1])}: {inner}" + (", …" if len(value[0]) > 6 else "")
    if isinstance(value, dict) and value and all(isinstance(v, (list, tuple)) and len(v) == 3 for v in value.values()):
        return "{" + ", ".join(f"{n}: {v[0]}–{v[1]}, {v[2]} B" for n, v in value.items()) + "}"
    return brief(value)


FOUR = {"a": (0, 1, 10), "b": (1, 2, 20), "c": (2, 3, 10), "d": (3, 4, 5)}
RESIDUAL = {"x": (0, 3, 8), "h": (1, 2, 24), "g": (2, 3, 24), "y": (3, 4, 8)}
# TensorFlow Lite's own test of its planner (memory_management_test.cc, ComplexRecords), as (first, last, bytes).
TFLITE = [(0, 1, 32), (1, 4, 32), (2, 5, 8), (3, 5, 16), (4, 5, 8), (5, 7, 64), (6, 8, 8), (7, 8, 8), (8, 9, 16)]

plan_arena = Exercise(
    id="09.plan_arena", points=5, difficulty=3, minutes=20, idea="tensors that never meet may share bytes",
    reference=memory_planner.plan_arena, show=show_plan,
    cases=[Case(FOUR), Case(RESIDUAL), Case({})],
    hidden=[
        Case(_named(TFLITE), label="9 tensors of a planner's own test, at most 96 bytes live at one step"),
        Case(_named([(0, 1, 3), (1, 2, 2), (2, 3, 2), (3, 4, 3)]), label="a chain of 3, 2, 2, 3 bytes"),
        Case(_named([(0, 1, 7), (1, 1, 4), (1, 2, 1), (2, 2, 12), (3, 4, 9)]), label="5 tensors, at most 13 bytes live at one step"),
        Case(_named([(0, 1, 4), (0, 3, 4), (2, 3, 3), (2, 3, 3), (3, 4, 2), (4, 5, 12), (6, 7, 5), (7, 11, 8)]),
             label="8 tensors, at most 14 bytes live at one step"),
        Case(_named([(1, 4, 5), (0, 3, 3), (2, 3, 4), (4, 7, 2), (6, 8, 10)]), label="5 tensors, at most 12 bytes live at one step"),
        Case(_named([(5, 8, 10), (2, 3, 9), (3, 4, 11), (4, 5, 10), (6, 7, 9)]), label="5 tensors, at most 21 bytes live at one step"),
        Case(_named([(1, 3, 11), (4, 6, 9), (1, 4, 2), (4, 5, 1)]), label="4 tensors, at most 13 bytes live at one step"),
        Case({"a": (0, 2, 5), "empty": (1, 3, 0), "b": (2, 3, 5)}, label="a tensor of 0 bytes"),
        Case({"only": (3, 3, 7)}, label="one tensor"),
        Case(_named([(0, 9, 10)] * 5), label="5 tensors that all live at once"),
        Case(_named([(i, i, 10 + i) for i in range(12)]), label="12 tensors that never meet"),
        Case(_named([(i, i + 1, 1 + i % 4) for i in range(20)]), label="a chain of 20 tensors"),
        Case({"late": (8, 9, 4), "early": (0, 1, 4), "whole": (0, 9, 2), "middle": (2, 7, 9)}, label="4 tensors, the last one listed first"),
        Case({"zero": (0, 3, 0), "nothing": (1, 2, 0)}, label="nothing but tensors of 0 bytes"),
    ],
    draw=_draw, draws=25, compare=prop(_judge, same=_same), time_limit_s=8,
    misconceptions=[
        Misconception("bump", _bump,
            "Every tensor got bytes of its own. Tensors whose lifetimes share no step may have the same bytes: look for space "
            "that is free in *all* steps of a lifetime.", "No byte was used twice."),
        Misconception("half_open", _half_open,
            "`last` is included: in the first example a and b both live at step 1, because an operator reads a while it writes "
            "b. Tensors that meet in one step may not share a byte.", "The last step is missing.",
            also=(_half_open_in_time,)),
        Misconception("in_order_of_time", _in_time,
            "The plan is valid, and small tensors that came first cut the space into pieces in which no large one fits. Which "
            "tensors are hardest to place? Begin with those.", "Valid, but the arena is too large.", also=(_stacks_in_time,)),
        Misconception("equal_sizes", _equal_sizes,
            "You use a buffer again only for a tensor of exactly its size. A dead tensor's bytes are free for anything that "
            "fits, and two dead neighbours together hold a larger one.", "Only equal sizes share."),
        Misconception("two_buffers", _two_buffers,
            "Two buffers in turn are enough for a plain chain. With a tensor that is read again later, three or more live at "
            "once: compare lifetimes, not positions.", "Two buffers are not always enough."),
        Misconception("looks_at_the_last_one", _last_one_only,
            "Each tensor was compared with the one placed just before it. It has to stay clear of *every* placed tensor that "
            "lives in one of its steps.", "Earlier tensors were forgotten."),
        Misconception("tells_the_bound", _tells(lower_bound),
            "The offsets are fine. As arena size you return the largest sum of live bytes. Gaps count too: the arena ends where "
            "its highest tensor ends.", "The arena ends higher."),
        Misconception("tells_the_sum", _tells(lambda tensors: sum(size for _, _, size in tensors.values())),
            "The offsets are fine. As arena size you return the sum of all tensors, as if none shared. It ends where the "
            "highest tensor ends.", "The arena ends lower."),
    ],
    alternatives=[_first_fit_decreasing, _best_of_three, _sweeps_bytes],
    hints=(
        "Two tensors meet if each begins no later than the other ends. Only those that meet have to stay apart.",
        "Place one tensor at a time. Sort the placed ones that it meets by their offsets, and walk upward until a gap is large "
        "enough.",
        "The order matters: large tensors first leave gaps that small ones fit into.",
    ),
    worth_knowing="TensorFlow Lite's GPU delegate places by size and takes the smallest gap that fits. On chains this is not always "
                  "optimal: 3, 2, 2, 3 bytes get 7, where 5 would do.",
)
