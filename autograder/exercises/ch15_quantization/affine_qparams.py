"""Exercise 15.affine_qparams: scale and zero point of a range."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from utils.compression import quantization

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception


def _agrees(case: Case, expected: Any, got: Any) -> str | None:
    """Whether (scale, zero point) is right: the scale to 1e-9, the zero point an integer."""
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return f"{brief(got)}, expected (scale, zero_point)"
    if found := close(1e-9)(float(expected[0]), got[0]):
        return f"scale {found}"
    if type(got[1]) is not int:
        return f"zero_point {brief(got[1])}, expected an int"
    return None if got[1] == expected[1] else f"zero_point {got[1]}, expected {expected[1]}"


def _same(expected: Any, got: Any, case: Case | None = None) -> str | None:
    """Two answers agree when values and the kind of the zero point do."""
    kinds = [type(v[1]) if isinstance(v, (tuple, list)) and len(v) == 2 else None for v in (expected, got)]
    return close(1e-9, dtype="any")(expected, got, case) or (None if kinds[0] is kinds[1] else "another type")


def _parameters(lo: float, hi: float, qmin: int, qmax: int, *, levels_off: int = 0, with_qmin: bool = True,
                widen: bool = True, rounding: Callable[[float], Any] = round, clamp: bool = True, guard: bool = True,
                finite: bool = True, from_hi: bool = False) -> tuple[float, Any]:
    """The parameters with one mistake; with its defaults it is right (an independent formulation)."""
    if lo > hi or (finite and not (abs(lo) < math.inf and abs(hi) < math.inf)):
        raise ValueError("not a range")
    if widen:
        lo, hi = min(0.0, lo), max(0.0, hi)
    span = hi - lo
    if guard and span == 0:
        return 1.0, min(max(qmin, 0), qmax)
    scale = span / (qmax - qmin + levels_off)
    zero_point = rounding(qmax - hi / scale if from_hi else (qmin if with_qmin else 0) - lo / scale)
    return scale, (min(max(zero_point, qmin), qmax) if clamp else zero_point)


def _symmetric(lo: float, hi: float, qmin: int, qmax: int) -> tuple[float, int]:
    if not lo <= hi or math.isinf(lo) or math.isinf(hi):
        raise ValueError("not a range")
    return 2 * max(abs(lo), abs(hi)) / (qmax - qmin) or 1.0, 0


def _half_up(value: float) -> int:
    return math.floor(value + 0.5)


def _with_numpy(lo: float, hi: float, qmin: int, qmax: int) -> tuple[float, int]:
    bounds = np.array([lo, hi])
    if not np.isfinite(bounds).all() or lo > hi:
        raise ValueError("lo and hi must be finite and in order")
    lo, hi = np.append(bounds, 0.0).min(), np.append(bounds, 0.0).max()
    scale = (hi - lo) / (qmax - qmin) if hi > lo else 1.0
    zero = np.round(qmin - lo / scale) if hi > lo else 0.0
    return float(scale), int(np.clip(zero, qmin, qmax))


def _with_fractions(lo: float, hi: float, qmin: int, qmax: int) -> tuple[float, int]:
    """Exact until the end; Python rounds fractions half to even as well."""
    try:
        low, high = Fraction(lo), Fraction(hi)
    except OverflowError:
        raise ValueError("infinite") from None
    if low > high:
        raise ValueError("in the wrong order")
    low, high = min(low, Fraction(0)), max(high, Fraction(0))
    if low == high:
        return 1.0, sorted((qmin, 0, qmax))[1]
    scale = (high - low) / (qmax - qmin)
    return float(scale), round(qmin - low / scale)


_RANGES = ((0, 255), (-128, 127), (-127, 127), (0, 15), (-8, 7), (0, 65535), (-32768, 32767))


def _draw(rng: np.random.Generator) -> Case:
    qmin, qmax = _RANGES[int(rng.integers(len(_RANGES)))]
    while True:
        size = 10.0 ** rng.uniform(-3, 3)
        offset = float(rng.choice([0, 0, 0, -1.5, 1.5]))
        lo, hi = sorted(float(f"{(v + offset) * size:.6g}") for v in rng.uniform(-1, 1, 2))
        low, high = min(lo, 0.0), max(hi, 0.0)
        place = -low / (high - low) * (qmax - qmin)
        if abs(place - math.floor(place) - 0.5) > 1e-3:  # the text leaves near ties to the arithmetic
            return Case(lo, hi, qmin, qmax)


affine_qparams = Exercise(
    id="15.affine_qparams", points=3, difficulty=1, minutes=12, idea="zero is one of the levels",
    reference=quantization.affine_qparams_of,
    cases=[Case(-1.0, 3.0, 0, 255), Case(-1.0, 3.0, -128, 127), Case(0.5, 2.0, 0, 255), Case(0.0, 0.0, -128, 127)],
    hidden=[
        Case(0.0, 0.0, 5, 10), Case(0.0, 0.0, -20, -10), Case(2.0, 2.0, 0, 255), Case(-3.0, -3.0, -128, 127),
        Case(-4.0, -1.0, 0, 255), Case(-0.5, 254.5, 0, 255), Case(-1.5, 253.5, 0, 255), Case(-2.5, 252.5, 0, 255),
        Case(-128.5, 126.5, -128, 127), Case(0.0, 6.0, 0, 15), Case(-6.0, 0.0, -8, 7), Case(-1, 1, -127, 127),
        Case(-0.25, 1.0, 0, 15),
    ],
    draw=_draw, draws=60,
    raises=[Case(2.0, 1.0, 0, 255), Case(math.nan, 1.0, 0, 255), Case(-1.0, math.nan, 0, 255), Case(0.0, math.inf, 0, 255),
            Case(-math.inf, 0.0, -128, 127), Case(-math.inf, math.inf, 0, 255)],
    compare=prop(_agrees, same=_same),
    misconceptions=[
        Misconception(
            "steps_256", partial(_parameters, levels_off=1),
            "256 levels have 255 steps between them, as five fingers have four gaps. The scale is the width of one step.",
            "You divide by the number of levels.", also=(partial(_parameters, levels_off=1, finite=False),)),
        Misconception(
            "no_qmin", partial(_parameters, with_qmin=False),
            "−lo / scale counts the steps from lo to 0. That is the zero point only if the codes begin at 0. lo has to "
            "land on qmin, and the count starts there.",
            "The codes do not begin at 0.", also=(partial(_parameters, with_qmin=False, clamp=False),)),
        Misconception(
            "not_widened", partial(_parameters, widen=False),
            "The range 0.5 … 2 does not contain 0. Padding, ReLU and empty slots are exactly 0, so 0 must be one of the "
            "levels: move the nearer end of the range first.",
            "Zero is left outside.",
            also=(partial(_parameters, widen=False, clamp=False),
                  partial(_parameters, widen=False, guard=False, clamp=False))),
        Misconception(
            "truncates", partial(_parameters, rounding=int),
            "`int()` cuts the fraction off. The zero point then lies up to a whole step away from where it belongs, and every "
            "value is shifted. Round to the nearest integer.",
            "You are truncating.",
            also=(partial(_parameters, rounding=math.floor), partial(_parameters, rounding=lambda v: int(v // 1)))),
        Misconception(
            "float_zero_point", partial(_parameters, rounding=lambda v: float(round(v))),
            "The zero point is itself a code: an integer of the quantized type. A float cannot be stored beside int8 codes, "
            "and without rounding 0.0 would fall between two levels.",
            "The zero point is a float.",
            also=(partial(_parameters, rounding=float), partial(_parameters, rounding=float, clamp=False),
                  lambda *a: (lambda s, z: (s, float(z)))(*_parameters(*a)))),
        Misconception(
            "symmetric", _symmetric,
            "This is the symmetric scheme: the larger end decides and the zero point is 0. Here lo and hi have a code each, "
            "and the zero point moves with them.",
            "These are symmetric parameters."),
        Misconception(
            "zero_divides", partial(_parameters, guard=False),
            "A tensor of zeros has a range of width 0, and then the scale would be 0. The text says what to return there.",
            "The range of width 0 was forgotten."),
        Misconception(
            "ties_up", partial(_parameters, rounding=_half_up),
            "Nearly right: exact ties always go up. 0.5 and 2.5 should become 0 and 2. Python's `round` and `np.rint` go to "
            "the even neighbour.",
            "Ties go up."),
        Misconception(
            "infinite_range", partial(_parameters, finite=False),
            "The values are right. But an infinite bound gives an infinite scale, and NaN compares as false with "
            "everything, so `lo > hi` does not stop it. Ask for finite bounds explicitly.",
            "Bounds that are not finite slip through."),
    ],
    alternatives=[_parameters, partial(_parameters, from_hi=True), _with_numpy, _with_fractions],
    hints=(
        "First the checks, then `lo = min(lo, 0.0)` and `hi = max(hi, 0.0)`.",
        "The scale spreads hi − lo over qmax − qmin steps. If both are 0, return at once.",
        "lo must land on qmin: from there, −lo / scale steps lead to 0. Round the sum, then keep it within [qmin, qmax].",
    ),
    worth_knowing="ONNX Runtime and TensorRT store exactly these two numbers beside each tensor. A wrong zero point "
                  "shifts a whole layer's output, and padding shows it first.",
)
