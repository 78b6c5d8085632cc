"""Exercise 43.peak_tops: cells times two times the clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import accelerators

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _peak(rule: Callable[[int, int, float], float], check: bool = True) -> Callable:
    def answer(rows: int, cols: int, ghz: float) -> float:
        if check and min(rows, cols, ghz) <= 0:
            raise ValueError("rows, cols and ghz must be positive")
        return rule(rows, cols, ghz)

    return answer


def _both(rule: Callable[[int, int, float], float]) -> dict:
    return {"answer": _peak(rule), "also": (_peak(rule, check=False),)}


def _by_seconds(rows: int, cols: int, ghz: float) -> float:
    if not (rows > 0 and cols > 0 and ghz > 0):
        raise ValueError("all three must be positive")
    macs_per_s = rows * cols * (ghz * 1e9)
    return 2 * macs_per_s / 1e12


def _with_numpy(rows: int, cols: int, ghz: float) -> float:
    values = np.array([rows, cols, ghz], float)
    if (values <= 0).any():
        raise ValueError("all three must be positive")
    return float(values.prod() * 2e-3)


peak_tops = Exercise(
    id="43.peak_tops", points=2, difficulty=1, minutes=5, idea="a multiply-accumulate is two operations",
    reference=accelerators.peak_tops,
    cases=[Case(256, 256, 0.7), Case(32, 16, 1.0)],
    hidden=[Case(1, 1, 1.0), Case(128, 128, 0.94), Case(64, 1, 0.5), Case(3, 5, 2.5)],
    draw=lambda rng: Case(int(rng.integers(1, 513)), int(rng.integers(1, 513)), round(float(rng.uniform(0.1, 3)), 3)), draws=20,
    compare=close(1e-9),
    raises=[Case(0, 256, 0.7, word="positive"), Case(256, 0, 0.7, word="positive"), Case(256, 256, 0.0, word="positive"), Case(-2, -2, 1.0, word="positive"), Case(4, 4, -1.0, word="positive")],
    misconceptions=[
        Misconception("one_op", **_both(lambda r, c, g: r * c * g / 1000),
                      message="You count a multiply-accumulate as one operation. TOPS count the multiplication and the addition.", title="A MAC is two operations."),
        Misconception("sum", **_both(lambda r, c, g: (r + c) * 2 * g / 1000),
                      message="You add rows and columns. Every cell of the array works: how many are there?", title="The edges were counted, not the cells."),
        Misconception("rows_only", **_both(lambda r, c, g: r * 2 * g / 1000),
                      message="One edge of the array is missing in your answer.", title="An array has two sides."),
        Misconception("giga", **_both(lambda r, c, g: r * c * 2 * g),
                      message="Your result is in GOPS, 1e9 operations a second. A TOPS is 1e12.", title="These are giga-operations."),
        Misconception("hertz", **_both(lambda r, c, g: r * c * 2 * g / 1e12),
                      message="You take the clock in Hz. The argument is in GHz, 1e9 cycles a second.", title="The clock is in GHz."),
        Misconception("megahertz", **_both(lambda r, c, g: r * c * 2 * g / 1e6),
                      message="You take the clock in MHz. The argument is in GHz, 1e9 cycles a second.", title="The clock is in GHz, not MHz."),
        Misconception("bytes", **_both(lambda r, c, g: r * c * 2 * g * 8 / 1000),
                      message="You multiply by the 8 bits of a number. A multiplication is one operation, however wide its numbers are.", title="Bits are not operations."),
        Misconception("unchecked", _peak(lambda r, c, g: r * c * 2 * g / 1000, check=False),
                      "Sizes or a clock that are not positive pass. Raise ValueError for them, and say \"positive\".", "Bad values are not refused.",
                      also=(_peak(lambda r, c, g: abs(r * c * 2 * g / 1000), check=False),)),
    ],
    alternatives=[_by_seconds, _with_numpy],
    hints=("How many cells does the array have, and what does a cell do in a cycle?", "GHz times operations a cycle are 1e9 operations a second; a TOPS is a thousand of that."),
    worth_knowing="TPU v1: 65,536 cells at 0.7 GHz, 91.75 TOPS. They are integer operations; it has no floating-point matrix unit.",
)
