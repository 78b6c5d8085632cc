"""Exercise 36.fp16_risk: what FP16 does to the values of a tensor."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from utils.engines import tensorrt_build

from ...compare import close
from ...exercise import Case, Exercise, Misconception

TIE, TINY, TOP = 2.0**-25, 2.0**-14, 65520.0


def _risk(x: Any, *, top: float = TOP, strict_top: bool = False, tie: float = TIE, strict_tie: bool = False,
          tiny: float = TINY, loose_tiny: bool = False, zeros: bool = False, signed: bool = False, finite: bool = False,
          nonzero: bool = False, dtype: type = np.float64, cumulative: bool = False) -> tuple[float, float, float]:
    """A parametrised count; with its defaults it is right (an independent formulation)."""
    a = np.array(x, dtype=np.float64).ravel()
    if np.isnan(a).any():
        raise ValueError("NaN")
    a = a.astype(dtype).astype(np.float64)
    a = a if signed else np.abs(a)
    if finite:
        a = a[np.isfinite(a)]
    size = max(1, int(np.count_nonzero(a)) if nonzero else a.size)
    over = a > top if strict_top else a >= top
    lost = a < tie if strict_tie else a <= tie
    under = lost if zeros else lost & (a != 0)
    small = (a <= tiny if loose_tiny else a < tiny) & ((a != 0) if cumulative else ~lost)
    return tuple(float(m.sum() / size) for m in (over, under, small))


def _one_by_one(x: Any) -> tuple[float, float, float]:
    values = [abs(float(v)) for v in np.asarray(x).ravel().tolist()]
    counts = [0, 0, 0]
    for v in values:
        if v != v:
            raise ValueError("x holds NaN")
        if v >= 65520:
            counts[0] += 1
        elif 0 < v <= 2**-25:
            counts[1] += 1
        elif 0 < v < 2**-14:
            counts[2] += 1
    return tuple(c / len(values) if values else 0.0 for c in counts)


def _by_bins(x: Any) -> tuple[float, float, float]:
    a = np.abs(np.asarray(x, float)).reshape(-1)
    if np.isnan(a.sum()) and np.isnan(a).any():
        raise ValueError("NaN in x")
    if not a.size:
        return 0.0, 0.0, 0.0
    edges = [np.nextafter(0, 1), np.nextafter(2**-25, 1), 2**-14, 65520.0]
    kind = np.searchsorted(edges, a, side="right")
    return float((kind == 4).mean()), float((kind == 1).mean()), float((kind == 2).mean())


def _converts(tree: ast.AST) -> str | None:
    texts = ("float16", "half", "f2", "<f2", ">f2", "=f2", "e")
    for node in ast.walk(tree):
        if ((isinstance(node, ast.Attribute) and node.attr in ("float16", "half"))
                or (isinstance(node, ast.Name) and node.id == "float16")
                or (isinstance(node, ast.Constant) and node.value in texts)):
            return "Decide from the three limits, without converting anything to FP16. Which numbers are they?"
    return None


def _draw(rng: np.random.Generator) -> Case:
    size = int(rng.integers(1, 40))
    x = rng.choice([-1, 1], size) * rng.uniform(1, 2, size) * 2.0 ** rng.integers(-30, 20, size)
    special = [0.0, TIE, -TIE, math.nextafter(TIE, 1), 2.0**-24, TINY, math.nextafter(TINY, 0), 65504.0, 65510.0, 65519.999, 65520.0,
               -65520.0, math.inf, -math.inf]
    at = rng.random(size) < 0.3
    x[at] = rng.choice(special, int(at.sum()))
    if rng.random() < 0.5:
        return Case([float(v) for v in x])
    return Case(x.reshape(1, size))


fp16_risk = Exercise(
    id="36.fp16_risk", points=3, difficulty=2, minutes=12, idea="three limits of FP16",
    reference=tensorrt_build.fp16_risk_triple,
    cases=[
        Case([0.0, 1e-8, 3e-8, 1e-5, 1.0, 65504, 65520, 1e6]),
        Case([65504.0, 65519.0, -70000.0, 2.0]),
        Case([2.0**-25, 2.0**-24, 2.0**-14, 1.0]),
        Case([]),
    ],
    hidden=[
        Case([65519.999]), Case([-65519.999, 65520.0]), Case([TIE, math.nextafter(TIE, 1)]), Case([math.nextafter(TINY, 0), TINY]),
        Case([math.inf, -math.inf, 1.0]), Case([0.0, 0.0, -0.0, 1e-9]), Case([-1e-8, -1e-5, -1e6]), Case([[1e6, 1.0], [0.0, 1e-30]]),
        Case([1, 70000, 0, 3]), Case(np.array(1e6)), Case(np.array([[1e-5, 2.0]], np.float32)), Case(np.array([100000, 7], np.int64)),
        Case(np.zeros((0, 3))), Case([0.0, 0.0]),
    ],
    draw=_draw, draws=40, time_limit_s=2,
    raises=[Case([1.0, math.nan]), Case([math.nan]), Case([math.nan, math.inf]), Case(np.array([[0.0, math.nan]]))],
    compare=close(1e-9, 1e-12, dtype="any"), forbid=_converts,
    misconceptions=[
        Misconception(
            "overflow_above_65504", lambda x: _risk(x, top=65504.0, strict_top=True),
            "65504 is the largest FP16 number, but not yet the border: what lies below 65520, half a step above it, is "
            "rounded down to 65504. Infinity begins at 65520.",
            "Infinity starts at 65520.",
            also=(lambda x: _risk(x, top=65504.0), lambda x: _risk(x, top=65536.0), lambda x: _risk(x, strict_top=True),
                  lambda x: _risk(x, top=65535.0, strict_top=True))),
        Misconception(
            "underflow_below_normal", lambda x: _risk(x, tie=TINY, strict_tie=True),
            "2^-14 (6.1e-5) is the smallest normal number. Below it the subnormal numbers begin: fewer bits, but not zero. "
            "Only what rounds to 0 is lost.",
            "Subnormal is not zero.", also=(lambda x: _risk(x, tie=6.1e-5, strict_tie=True),
                                           lambda x: _risk(x, tie=TINY, strict_tie=True, cumulative=True))),
        Misconception(
            "underflow_below_2_24", lambda x: _risk(x, tie=2.0**-24, strict_tie=True),
            "2^-24 is the smallest number that FP16 has, and values down to half of it are rounded up to it. The border of "
            "zero is 2^-25.",
            "Values above 2^-25 survive.", also=(lambda x: _risk(x, tie=2.0**-24),)),
        Misconception(
            "tie_survives", lambda x: _risk(x, strict_tie=True),
            "2^-25 lies exactly between 0 and 2^-24. Round to nearest even takes the even one of the two, which is 0: it "
            "underflows.",
            "The tie goes to zero."),
        Misconception(
            "zeros_counted", lambda x: _risk(x, zeros=True),
            "An exact 0 loses nothing, FP16 has it. After a ReLU half of a tensor can be zeros, and it would look "
            "dangerous.",
            "A zero is no underflow."),
        Misconception(
            "sign_ignored", lambda x: _risk(x, signed=True, zeros=False),
            "Negative values have the same limits. As they stand they are all below 2^-25. Take magnitudes first.",
            "Take the magnitude first."),
        Misconception(
            "infinities_left_out", lambda x: _risk(x, finite=True),
            "An infinity is still infinite in FP16: it counts as overflow, and it counts in the number of elements.",
            "Infinities count."),
        Misconception(
            "share_of_nonzero", lambda x: _risk(x, nonzero=True),
            "The counts are right. The fractions are of all elements, zeros included.",
            "Divide by all elements."),
        Misconception(
            "normal_limit_included", lambda x: _risk(x, loose_tiny=True),
            "2^-14 itself is the smallest normal number, with all its bits. Only what lies below it is subnormal.",
            "2^-14 is normal."),
        Misconception(
            "subnormal_holds_underflow", lambda x: _risk(x, cumulative=True),
            "A value that becomes 0 is counted twice: as underflow and as subnormal. The two do not overlap; subnormal "
            "begins above 2^-25.",
            "Each value has one class."),
        Misconception(
            "float32_first", lambda x: _risk(x, dtype=np.float32),
            "A value just below 65520 becomes 65520 when it is rounded to FP32 first. Keep float64 until the comparison.",
            "It is rounded twice."),
    ],
    alternatives=[_risk, _one_by_one, _by_bins],
    hints=(
        "`a = np.abs(np.asarray(x, dtype=np.float64))`, then one mask a class.",
        "`(a > 0) & (a <= 2.0**-25)` is the underflow. The mean of an empty mask is NaN, so treat the empty input first.",
        "`np.isnan(a).any()` before everything else.",
    ),
    worth_knowing="BF16 has FP32's exponents: no activation overflows there, but it has 8 significant bits instead of 11.",
)
