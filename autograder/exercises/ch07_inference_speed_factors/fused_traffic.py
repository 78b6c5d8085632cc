"""Exercise 07.fused_traffic: the bytes that fusing a chain of elementwise operators saves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost.roofline import op_costs

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _unfused(ops: list[int]) -> int:
    return sum(k + 1 for k in ops)


def _fused(ops: list[int]) -> int:
    return 2 + sum(k - 1 for k in ops)


def _making(unfused: Callable[[list[int]], int] = _unfused, fused: Callable[[list[int]], int] = _fused, items: bool = True) -> Callable:
    def answer(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
        size = n_elems * (item_bytes if items else 1)
        return unfused(ops) * size, fused(ops) * size

    return answer


def _simulated(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
    """Walks through the kernels and notes each read and write."""
    size = n_elems * item_bytes
    moved = [0, 0]
    for fused in (0, 1):
        for place, operands in enumerate(ops):
            for operand in range(operands):
                if not fused or operand or place == 0:
                    moved[fused] += size
            if not fused or place == len(ops) - 1:
                moved[fused] += size
    return tuple(moved)


def _by_saving(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
    """Each of the inner boundaries saves a write and a read."""
    unfused = (sum(ops) + len(ops)) * n_elems * item_bytes
    return unfused, unfused - 2 * (len(ops) - 1) * n_elems * item_bytes


def _numpy(n_elems: int, item_bytes: int, ops: list[int]) -> tuple[int, int]:
    k = np.asarray(ops, dtype=object)
    return int((k + 1).sum()) * n_elems * item_bytes, int((k - 1).sum() + 2) * n_elems * item_bytes


def _draw(rng: np.random.Generator) -> Case:
    ops = rng.choice([1, 1, 2, 2, 3, 4, 5], int(rng.integers(1, 8))).tolist()
    return Case(int(rng.integers(1, 10**7)), int(rng.choice([1, 2, 4, 8])), ops)


fused_traffic = Exercise(
    id="07.fused_traffic", points=4, difficulty=2, minutes=12, idea="fusion saves a write and a read at each boundary",
    reference=op_costs.fused_traffic,
    cases=[Case(802_816, 4, [1, 2]), Case(1000, 2, [2])],
    hidden=[
        Case(1, 1, [1]), Case(802_816, 4, [1, 1, 2]), Case(100, 8, [3]), Case(100, 8, [3, 4, 5]), Case(50, 2, [2, 1]), Case(7, 4, [1] * 30),
        Case(2**33, 2, [2, 2]), Case(64, 1, [5, 1, 1, 2]),
    ],
    draw=_draw, draws=30, compare=exact(),
    misconceptions=[
        Misconception(
            "always_two", _making(fused=lambda ops: 2),
            "Your fused chain reads one tensor and writes one. A residual that is added comes from outside: it still has to be "
            "read.",
            "The other operands are still read."),
        Misconception(
            "intermediates_move", _making(fused=lambda ops: sum(ops) + 1),
            "Inside your fused chain a value between two steps still goes through memory: it is written, or read again. In one kernel "
            "it stays in a register. Only the first running value is read, and only the last result is written.",
            "An intermediate value moved.", also=(_making(fused=lambda ops: 2 + sum(k - 1 for k in ops) + 2 * (len(ops) - 1)),)),
        Misconception(
            "no_write", _making(lambda ops: sum(ops), lambda ops: 1 + sum(k - 1 for k in ops)),
            "The writes are missing. A result that is stored takes as much bandwidth as a tensor that is read.",
            "Writing counts.", also=(_making(lambda ops: sum(ops)), _making(fused=lambda ops: 1 + sum(k - 1 for k in ops)))),
        Misconception(
            "extra_operands", _making(lambda ops: sum(k + 2 for k in ops), lambda ops: 2 + sum(ops)),
            "You take the numbers for operands *besides* the running value. The running value is included: 1 means ReLU, 2 an "
            "addition of a residual.",
            "The running value was counted twice.", also=(_making(lambda ops: sum(k + 2 for k in ops)), _making(fused=lambda ops: 2 + sum(ops)))),
        Misconception(
            "unfused_keeps_it", _making(lambda ops: 1 + sum(k - 1 for k in ops) + len(ops)),
            "In your unfused chain the running value is read only once. Separate kernels share nothing but memory: each one "
            "reads it again.",
            "Registers don't outlive a kernel.", also=(_making(lambda ops: sum(ops) + 1), _making(lambda ops: 1 + sum(ops) + 1))),
        Misconception(
            "elements", _making(items=False),
            "You count elements. Multiply by `item_bytes`.",
            "Elements are not bytes."),
        Misconception(
            "swapped", lambda *a: _simulated(*a)[::-1],
            "Both numbers are right and in the wrong order: first unfused, then fused.",
            "Unfused comes first."),
    ],
    alternatives=[_simulated, _by_saving, _numpy],
    hints=(
        "Draw ReLU and a residual addition as two boxes, with an arrow for each tensor. Which arrows does one larger box hide?",
        "A separate operator with k operands reads k tensors and writes one.",
        "Fused: one read of the running value, k − 1 further operands at each step, one write.",
    ),
    worth_knowing="Fusion also saves launches. In a launch-bound network that is the larger part.",
)
