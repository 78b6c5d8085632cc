"""Exercise 24.plan_arena: aligned offsets in one arena, judged by validity and against the planner of the course."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from utils.engines.tensorrt_optimizer import plan_arena as reference

from ...compare import brief, prop
from ...exercise import Case, Exercise, Misconception

Tensors = Mapping[str, tuple[int, int, int]]  # name -> (bytes, first, last)
WORST = 1.10  # times the reference's peak


@lru_cache(maxsize=4096)
def _peak_by_size(tensors: tuple, alignment: int) -> int:
    return reference(dict(tensors), alignment)[1]


def _enough(tensors: Tensors, alignment: int) -> int:
    """Bytes that the reference needs."""
    return _peak_by_size(tuple(tensors.items()), alignment)


def _alignment(case: Case) -> int:
    return case.args[1] if len(case.args) > 1 else 64


def fault(case: Case, got: Any) -> tuple[str, str] | None:
    """What is wrong with a plan: a kind, and a phrase; None if it holds."""
    tensors, alignment = case.args[0], _alignment(case)
    if not isinstance(got, (list, tuple)) or len(got) != 2 or not isinstance(got[0], dict):
        return "form", f"{brief(got)} is not a pair (offsets, peak)"
    offsets, peak = got
    if offsets.keys() != tensors.keys():
        odd = next(iter(offsets.keys() ^ tensors.keys()))
        return "names", f"the offsets do not name every tensor once: look at {odd!r}"
    for name, at in (*offsets.items(), ("the peak", peak)):
        if isinstance(at, bool) or not isinstance(at, (int, float)) or at != int(at) or at < 0:
            return "form", f"{name}: {brief(at)} is not a whole number of bytes from 0 on"
    for name, at in offsets.items():
        if at % alignment:
            return "alignment", f"{name} begins at {at:g}, no multiple of {alignment}"
    names = list(tensors)
    for i, one in enumerate(names):
        for other in names[:i]:
            if _collide(tensors[one], offsets[one], tensors[other], offsets[other]):
                step = max(tensors[one][1], tensors[other][1])
                return "overlap", f"{other} and {one} share bytes while both live at step {step}"
    top = max((offsets[name] + tensors[name][0] for name in names), default=0)
    if peak != top:
        return "total", f"the peak is {brief(peak)}, but the highest tensor ends at {top:g}"
    enough = _enough(tensors, alignment)
    if peak > WORST * enough:
        return "bound", f"{peak:g} bytes are more than 1.10 times {enough}, which placing by size needs"
    return None


def _collide(one: tuple, at: int, other: tuple, there: int) -> bool:
    alive = one[1] <= other[2] and other[1] <= one[2]
    return alive and one[0] > 0 and other[0] > 0 and at < there + other[0] and there < at + one[0]


def _judge(case: Case, expected: Any, got: Any) -> str | None:
    found = fault(case, got)
    return found and found[1]


def _same(one: Any, other: Any, case: Case) -> str | None:
    """Two answers are alike when they have the same kind of fault and the same peak."""
    faults = [fault(case, got) for got in (one, other)]
    kinds = [f and f[0] for f in faults]
    if kinds[0] == kinds[1] and (kinds[0] in ("overlap", "alignment", "names") or one[1] == other[1]):
        return None
    return "another plan"


# --- planners ------------------------------------------------------------------------------------


def _up(n: int, alignment: int) -> int:
    return -(-n // alignment) * alignment


def _by_size(tensors: Tensors) -> list[str]:
    return sorted(tensors, key=lambda n: (-tensors[n][0], tensors[n][1]))


def _by_time(tensors: Tensors) -> list[str]:
    return sorted(tensors, key=lambda n: (tensors[n][1], -tensors[n][0]))


def _meets(one: tuple, other: tuple) -> bool:
    return one[1] <= other[2] and other[1] <= one[2]


def _meets_half_open(one: tuple, other: tuple) -> bool:
    return one[1] < other[2] and other[1] < one[2]


def _meets_next_only(one: tuple, other: tuple) -> bool:
    """As if each tensor died after the step that follows its first."""
    ends = [min(t[2], t[1] + 1) for t in (one, other)]
    return one[1] <= ends[1] and other[1] <= ends[0]


def _place(tensors: Tensors, order: list[str], alignment: int, meets: Callable = _meets, gaps: bool = True,
           tight: bool = False) -> dict[str, int]:
    """Each tensor of `order` into the first gap that holds it (`tight`: the smallest one)."""
    offsets: dict[str, int] = {}
    for name in order:
        size, rooms, at = tensors[name][0], [], 0
        for start, stop in sorted((offsets[n], offsets[n] + tensors[n][0]) for n in offsets if meets(tensors[n], tensors[name])):
            if gaps and start - at >= size:
                rooms.append((start - at, at))
            at = max(at, _up(stop, alignment))
        offsets[name] = (min(rooms) if tight else rooms[0])[1] if rooms else at
    return offsets


def _peak(tensors: Tensors, offsets: Mapping[str, int], alignment: int) -> int:
    return max((offsets[n] + tensors[n][0] for n in offsets), default=0)


def _planner(order: Callable = _by_size, peak: Callable = _peak, aligned: bool = True, **rules: Any) -> Callable:
    """An answer with one rule replaced; with its defaults it is right."""

    def answer(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
        offsets = _place(tensors, order(tensors), alignment if aligned else 1, **rules)
        return offsets, peak(tensors, offsets, alignment)

    return answer


def _best_of_three(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    area = sorted(tensors, key=lambda n: -tensors[n][0] * (tensors[n][2] - tensors[n][1] + 1))
    plans = [_place(tensors, order, alignment) for order in (_by_size(tensors), _by_time(tensors), area)]
    return min(((plan, _peak(tensors, plan, alignment)) for plan in plans), key=lambda pair: pair[1])


def _marks_blocks(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    """Marks every aligned block in every step, for the largest tensor first."""
    end = max((last for _, _, last in tensors.values()), default=0) + 1
    blocks = {name: -(-size // alignment) for name, (size, _, _) in tensors.items()}
    taken = np.zeros((end, sum(blocks.values()) + 1), bool)
    offsets, peak = {}, 0
    for name in _by_size(tensors):
        size, first, last = tensors[name]
        busy = taken[first : last + 1].any(axis=0)
        at = 0
        while busy[at : at + blocks[name]].any():
            at += 1
        taken[first : last + 1, at : at + blocks[name]] = True
        offsets[name] = at * alignment
        peak = max(peak, offsets[name] + size)
    return offsets, peak


def _bump(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    offsets, end, peak = {}, 0, 0
    for name, (size, _, _) in tensors.items():
        offsets[name], peak = end, max(peak, end + size)
        end = _up(end + size, alignment)
    return offsets, peak


def _bump_rounded(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    offsets, _ = _bump(tensors, alignment)
    return offsets, sum(_up(size, alignment) for size, _, _ in tensors.values())


def _no_empty(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    full = {name: use for name, use in tensors.items() if use[0] > 0}
    offsets = _place(full, _by_size(full), alignment)
    return offsets, _peak(full, offsets, alignment)


def _two_buffers(tensors: Tensors, alignment: int = 64) -> tuple[dict[str, int], int]:
    names = _by_time(tensors)
    half = _up(max((tensors[n][0] for n in names[::2]), default=0), alignment)
    offsets = {n: half * (i % 2) for i, n in enumerate(names)}
    return offsets, _peak(tensors, offsets, alignment)


# --- cases ---------------------------------------------------------------------------------------


def _named(lives: list[tuple[int, int, int]]) -> dict:
    return {f"t{i}": life for i, life in enumerate(lives)}


def _by_size_is_near(tensors: Tensors, alignment: int) -> bool:
    """Whether every reading of "largest first" (ties in any order, first or smallest gap) stays within the bound."""
    listed = list(tensors)
    rules = (listed.index, lambda n: tensors[n][1], lambda n: tensors[n][2])
    orders = [sorted(listed, key=lambda n, rule=rule, sign=sign: (-tensors[n][0], sign * rule(n)))
              for rule in rules for sign in (1, -1)]
    peaks = [_peak(tensors, _place(tensors, order, alignment, tight=tight), alignment)
             for order in orders for tight in (False, True)]
    return max(peaks) <= 1.08 * _enough(tensors, alignment)


def _first_come_is_far(tensors: Tensors, alignment: int) -> bool:
    peak = _peak(tensors, _place(tensors, _by_time(tensors), alignment), alignment)
    return peak > 1.12 * _enough(tensors, alignment)


def _draw(rng: np.random.Generator) -> Case:
    """Random sets, chains and residual networks with odd sizes; in half of them "first come" is too large."""
    wants_far = rng.random() < 0.5
    for attempt in range(400):
        n, alignment = int(rng.integers(8, 25)), int(rng.choice([1, 16, 64, 256]))
        if rng.random() < 0.4:  # a chain whose every third tensor is read again three steps later
            lives = [(int(s), i, i + (3 if i % 3 == 0 else 1)) for i, s in enumerate(rng.integers(1, 4000, n))]
        else:
            lives = [(int(s), int(f), int(f + d)) for s, f, d in zip(
                rng.integers(0, 4000, n), rng.integers(0, n, n), rng.integers(0, 5, n))]
        tensors = _named(lives)
        if _by_size_is_near(tensors, alignment) and (attempt > 200 or _first_come_is_far(tensors, alignment) == wants_far):
            return Case(tensors, alignment, label=f"{n} tensors, alignment {alignment}, by size "
                                                  f"{_enough(tensors, alignment)} bytes")
    return Case(FOUR)


def _show(value: Any) -> str:
    """A plan as its peak and first offsets; tensors as bytes and steps."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], dict):
        inner = ", ".join(f"{name} {brief(at)}" for name, at in list(value[0].items())[:6])
        return f"peak {brief(value[1])}: {inner}" + (", …" if len(value[0]) > 6 else "")
    if isinstance(value, dict) and value and all(isinstance(v, (list, tuple)) and len(v) == 3 for v in value.values()):
        return "{" + ", ".join(f"{n}: {v[0]} B, {v[1]}–{v[2]}" for n, v in value.items()) + "}"
    return brief(value)


FOUR = {"a": (1024, 0, 1), "b": (512, 1, 2), "c": (1024, 2, 3), "d": (256, 1, 3)}
ODD = {"a": (100, 0, 1), "b": (100, 1, 2)}
RESIDUAL = {"x": (800, 0, 3), "h": (2400, 1, 2), "g": (2400, 2, 3), "y": (800, 3, 4)}
# Small tensors come first, and leave no gap for the large one.
CUT = {"a": (64, 0, 5), "b": (128, 0, 0), "c": (64, 0, 5), "d": (512, 1, 5), "e": (128, 2, 5)}

plan_arena = Exercise(
    id="24.plan_arena", points=6, difficulty=3, minutes=20, idea="one block of memory, planned before the first run",
    reference=reference, show=_show,
    cases=[Case(FOUR), Case(ODD), Case(RESIDUAL, 64), Case({})],
    hidden=[
        Case(_named([(4096, i, i + 1) for i in range(20)]), label="a chain of 20 equal tensors: two buffers are enough"),
        Case(_named([(4096, i, i + 1) for i in range(10)] + [(4096, 0, 10)]), label="a chain of 10 and one tensor over all of it"),
        Case(_named([(1000, i, i + 1) for i in range(9)]), 256, label="a chain of 1000 bytes each, alignment 256"),
        Case({"a": (500, 0, 2), "empty": (0, 1, 3), "b": (500, 2, 3)}, label="a tensor of 0 bytes"),
        Case({"zero": (0, 0, 3), "nothing": (0, 1, 2)}, label="nothing but tensors of 0 bytes"),
        Case({"only": (7, 3, 3)}, label="one tensor"),
        Case(_named([(100, 0, 9)] * 5), label="5 tensors that all live at once"),
        Case(_named([(100 + i, i, i) for i in range(12)]), label="12 tensors that never meet"),
        Case({"late": (400, 8, 9), "early": (400, 0, 1), "whole": (200, 0, 9), "middle": (900, 2, 7)}, 1,
             label="4 tensors, the last one listed first"),
        Case(CUT, label="a large tensor that comes after small ones"),
        Case({"a": (65, 0, 1), "b": (1, 1, 1), "c": (63, 1, 2)}, 64, label="sizes around the alignment"),
        Case(_named([(300, 0, 1), (200, 1, 2), (200, 2, 3), (300, 3, 4)]), 100, label="a chain of 300, 200, 200, 300 bytes"),
    ],
    draw=_draw, draws=40, compare=prop(_judge, same=_same), time_limit_s=8,
    misconceptions=[
        Misconception(
            "half_open", _planner(meets=_meets_half_open),
            "`last` is included. A consumer reads its input in the same step in which it writes its output, so both are alive then and "
            "may not share a byte.", "The last step is missing.", also=(_planner(_by_time, meets=_meets_half_open),)),
        Misconception(
            "unaligned", _planner(aligned=False),
            "Your offsets are no multiples of `alignment`. Vector units load whole lines, and GPU kernels want aligned pointers: round "
            "the end of a tensor up before the next one begins.", "Not aligned.", also=(_planner(_by_time, aligned=False),)),
        Misconception(
            "first_come", _planner(_by_time),
            "The plan is valid, and small tensors that came first cut the space into pieces in which no large one fits. Sort by size "
            "first.", "Valid, but too large.", also=(_planner(_by_time, gaps=False),)),
        Misconception(
            "forgets_residual", _planner(meets=_meets_next_only),
            "You give a tensor's bytes away after the next step. A skip connection is read much later: compare whole lifetimes, up to "
            "`last`.", "A tensor that is read again later.", also=(_two_buffers,)),
        Misconception(
            "bump", _bump,
            "Every tensor got bytes of its own. Those whose lifetimes share no step may have the same ones.", "No byte was used twice.",
            also=(_bump_rounded,)),
        Misconception(
            "no_gaps", _planner(gaps=False),
            "You always put a tensor on top of all that it meets. Look for a free gap below as well.", "Gaps stay empty."),
        Misconception(
            "drops_empty", _no_empty,
            "A tensor of 0 bytes has no offset in your plan. Whoever runs it looks one up for every tensor.", "A tensor is missing."),
        Misconception(
            "rounds_the_peak", _planner(peak=lambda t, offsets, a: max((_up(offsets[n] + t[n][0], a) for n in offsets), default=0)),
            "The offsets are fine. Your peak is rounded up to the alignment; asked is the end of the highest tensor, offset + size.",
            "The peak is not rounded."),
        Misconception(
            "tells_the_bound", _planner(peak=lambda t, offsets, a: max(
                (sum(s for s, f, e in t.values() if f <= step <= e) for _, step, _ in t.values()), default=0)),
            "The offsets are fine. As peak you return the largest sum of live bytes. Gaps and padding count too: it ends where the "
            "highest tensor ends.", "The arena ends higher."),
    ],
    alternatives=[_planner(), _planner(tight=True), _best_of_three, _marks_blocks],
    hints=(
        "Two tensors meet if each begins no later than the other ends. Only those that meet have to stay apart.",
        "Place one tensor at a time. Sort the placed ones that it meets by offset and walk upward, rounding each end up to the "
        "alignment, until a gap is large enough.",
        "Take the tensors by size, largest first: small ones fit into the gaps that large ones leave.",
    ),
    worth_knowing="Finding the smallest arena is NP-hard. On 200 random sets of 2 to 6 tensors placing by size was optimal for 195, and 27 % too large at worst.",
)
