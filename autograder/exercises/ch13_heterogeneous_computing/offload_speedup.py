"""Exercise 13.offload_speedup: old time over new time, with the part that stays and the copies."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import heterogeneous

from ...compare import close
from ...exercise import Case, Exercise, Misconception

New = Callable[[float, float, float, float], float]


def _refuse(total_ms: float, accel_ms: float) -> None:
    if not 0 <= accel_ms <= total_ms:
        raise ValueError("accel_ms must lie between 0 and total_ms")


def _old_over(new: New, check: bool = True) -> Callable:
    """An answer that divides the old time by `new(total, accel, factor, copy)`."""

    def answer(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
        if check:
            _refuse(total_ms, accel_ms)
        return total_ms / new(total_ms, accel_ms, factor, copy_ms)

    return answer


def _result(of: New, check: bool = True) -> Callable:
    """An answer that returns `of(total, accel, factor, copy)`."""

    def answer(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
        if check:
            _refuse(total_ms, accel_ms)
        return of(total_ms, accel_ms, factor, copy_ms)

    return answer


def _old(new: New) -> dict:
    return {"answer": _old_over(new), "also": [_old_over(new, check=False)]}


def _told(of: New) -> dict:
    return {"answer": _result(of), "also": [_result(of, check=False)]}


def _right(t: float, a: float, f: float, c: float) -> float:
    return t - a + a / f + c


def _strictly_inside(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
    if not 0 < accel_ms < total_ms:
        raise ValueError("accel_ms must lie between 0 and total_ms")
    return total_ms / _right(total_ms, accel_ms, factor, copy_ms)


# --- right answers ------------------------------------------------------------------------------


def _by_shares(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
    """Amdahl's form: p is the share that is accelerated."""
    _refuse(total_ms, accel_ms)
    p = accel_ms / total_ms
    return 1 / ((1 - p) + p / factor + copy_ms / total_ms)


def _by_savings(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
    if accel_ms < 0 or accel_ms > total_ms:
        raise ValueError("accel_ms is out of range")
    saved = accel_ms * (1 - 1 / factor) - copy_ms
    return total_ms / (total_ms - saved)


def _with_numpy(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> np.float64:
    _refuse(total_ms, accel_ms)
    return np.float64(total_ms) / np.sum([total_ms - accel_ms, np.divide(accel_ms, factor), copy_ms])


def _draw(rng: np.random.Generator) -> Case:
    total = int(rng.integers(5, 200)) / 2
    share = rng.choice([0.0, 1.0, -1.0], p=[0.05, 0.1, 0.85])
    accel = total * share if share >= 0 else int(rng.integers(1, int(2 * total))) / 2
    factor = float(rng.choice([0.5, 1.5, 2, 4, 8, 10, 16, 20, 50]))
    copy = int(rng.integers(0, 40)) / 4 if rng.random() < 0.8 else total * 2
    return Case(total, float(accel), factor, copy)


offload_speedup = Exercise(
    id="13.offload_speedup", points=2, difficulty=1, minutes=8, idea="the part that stays, and the copies, bound the gain",
    reference=heterogeneous.offload_speedup,
    cases=[Case(30, 24, 20, 0), Case(30, 24, 20, 2)],
    hidden=[Case(30, 24, math.inf, 0), Case(30, 24, math.inf, 4), Case(30, 0, 20, 0), Case(30, 30, 10, 0), Case(30, 24, 20, 40),
            Case(10, 5, 0.5, 0), Case(8, 8, 4, 6)],
    draw=_draw, compare=close(1e-9),
    raises=[Case(30, 31, 20, 0, word="accel"), Case(30, -1, 20, 0, word="accel"), Case(5, 5.5, 2, 1, word="accel")],
    misconceptions=[
        Misconception(
            "everything_shrinks", message="You divide the whole time by the factor. Only the accelerated part shrinks: in the first "
            "example 6 ms stay on the CPU.",
            title="The rest stays.", **_old(lambda t, a, f, c: t / f + c)),
        Misconception(
            "returns_the_factor", message="This is the gain of the accelerated part alone. The rest of the job takes as long as before, "
            "so the whole gains less.",
            title="That is the part's gain.", **_old(lambda t, a, f, c: t * (a / f + c) / a if a else t)),
        Misconception(
            "copy_shrinks", message="You divide the copies by the factor too. A copy takes the time of the link, however fast the "
            "accelerator is.",
            title="Copies don't get faster.", **_old(lambda t, a, f, c: t - a + (a + c) / f)),
        Misconception(
            "copy_ignored", message="The copies are missing. They did not exist before, and every one is part of the new time.",
            title="Copies take time.", **_old(lambda t, a, f, c: t - a + a / f)),
        Misconception(
            "returns_new_time", message="You return the new time in ms. Asked is how many times shorter it is: the old time over the "
            "new one.",
            title="That is a time.", **_told(_right)),
        Misconception(
            "new_over_old", message="You divide the new time by the old one. A gain is above 1 here: old over new.",
            title="Upside down.", **_told(lambda t, a, f, c: _right(t, a, f, c) / t)),
        Misconception(
            "other_part", message="You speed up the part that stays. `accel_ms` is what moves to the accelerator: in the first example 24 of "
            "30 ms, not 6.",
            title="The other part.", **_old(lambda t, a, f, c: a + (t - a) / f + c)),
        Misconception(
            "never_below_one", message="You cut the result off at 1. When the copies cost more than the accelerator saves, the job gets "
            "slower, and the number has to say so.",
            title="Slow-downs exist.", **_told(lambda t, a, f, c: max(1.0, t / _right(t, a, f, c)))),
        Misconception(
            "ends_refused", _strictly_inside,
            "A job may move to the accelerator as a whole, or not at all: `accel_ms` may be `total_ms`, and it may be 0.",
            "Both ends are allowed."),
        Misconception(
            "anything_goes", _old_over(_right, check=False),
            "The values are right. But a part can't be longer than the whole, or shorter than nothing: refuse such an `accel_ms`.",
            "Bad input gets through."),
    ],
    alternatives=[_by_shares, _by_savings, _with_numpy],
    hints=(
        "Write the new time as three terms: what stays, what moves, what is copied.",
        "What stays takes total_ms − accel_ms. What moves takes accel_ms / factor.",
    ),
    worth_knowing="With factor → ∞ and no copies this is total / (total − accel): Amdahl's limit, 5 in the first example.",
)
