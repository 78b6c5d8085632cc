"""Exercise 15.quantize: real numbers to codes, as ONNX's QuantizeLinear does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from utils.compression import quantization

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _half_up(x: np.ndarray) -> np.ndarray:
    return np.floor(x + x.dtype.type(0.5))


def _half_away(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5))


def _codes(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int, *, rounding: Callable = np.rint,
           z_first: bool = False, clip: str = "end", wide: bool = False, checked: bool = True, inverse: bool = False,
           with_z: bool = True, narrow: bool = False) -> np.ndarray:
    """Quantization with one mistake; with its defaults it is right (an independent formulation)."""
    if checked and not scale > 0:
        raise ValueError("the scale must be above 0")
    kind = np.float64 if wide else np.float32
    with np.errstate(all="ignore"):
        steps = x.astype(kind) * (kind(1) / kind(scale)) if inverse else x.astype(kind) / kind(scale)
        zero = zero_point if with_z else 0
        q = rounding(steps + kind(zero)) if z_first else rounding(steps)
        if clip == "early":
            q = np.minimum(np.maximum(q, qmin), qmax)
        q = q.astype(np.float64) + (0 if z_first else zero)
        if clip == "end":
            q = np.minimum(np.maximum(q, qmin), qmax)
        q = np.clip(np.nan_to_num(q), -(2.0**62), 2.0**62).astype(np.int64)
    if narrow:  # what a cast to the narrow type keeps: the low bits
        q = (q - qmin) % (qmax - qmin + 1) + qmin
    return q


def _with_round(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    if scale <= 0:
        raise ValueError("scale")
    return np.clip(np.round(x / np.float32(scale)) + zero_point, qmin, qmax).astype(np.int16 if qmax < 2**15 else np.int32)


def _in_a_loop(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """Python's own round, value by value; infinities are clipped before they are rounded."""
    if scale <= 0:
        raise ValueError("scale must be positive")
    found = [min(max(round(min(max(float(v / np.float32(scale)), -1e6), 1e6)) + zero_point, qmin), qmax) for v in x.ravel()]
    return np.array(found, dtype=np.int64).reshape(x.shape)


def _clipped_before(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """Clips the steps to [qmin - z, qmax - z], then adds: the same numbers."""
    if not scale > 0:
        raise ValueError("scale must be positive")
    steps = np.clip(np.rint(x / np.float32(scale)), qmin - zero_point, qmax - zero_point)
    return steps.astype(np.int32) + zero_point


def _cast_first(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int, *, clip: bool = False) -> np.ndarray:
    """Casts to int8 before saturating, or instead of it."""
    if not scale > 0:
        raise ValueError("scale")
    with np.errstate(all="ignore"):
        q = (np.rint(x / np.float32(scale)) + zero_point).astype(np.int8)
    return np.clip(q, qmin, qmax) if clip else q


def _as_floats(x: np.ndarray, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    return _codes(x, scale, zero_point, qmin, qmax).astype(np.float32)


_RANGES = ((-128, 127), (0, 255), (-127, 127), (-8, 7), (0, 15), (-32768, 32767))


def _draw(rng: np.random.Generator) -> Case:
    qmin, qmax = _RANGES[int(rng.integers(len(_RANGES)))]
    zero_point = int(rng.integers(qmin, qmax + 1))
    shape = tuple(int(n) for n in rng.integers(1, 6, int(rng.integers(1, 4))))
    if rng.random() < 0.5:  # exact ties: the scale is a power of two
        scale = 2.0 ** int(rng.integers(-6, 7))
        x = (rng.integers(-60, 60, shape) / 2 * scale).astype(np.float32)
    else:
        scale = float(10.0 ** rng.uniform(-3, 2))
        x = (rng.standard_normal(shape) * (qmax - qmin) / 2 * scale).astype(np.float32)
    return Case(x, scale, zero_point, qmin, qmax, label=f"{x.size} random values, scale {scale:.4g}, zero_point {zero_point}, "
                                                        f"[{qmin}, {qmax}]")


_X = np.array([-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100], np.float32)
quantize = Exercise(
    id="15.quantize", points=3, difficulty=1, minutes=10, idea="divide, round, shift, saturate: in this order",
    reference=quantization.quantize_per_tensor,
    cases=[
        Case(_X, 0.1, 3, -128, 127, label="quantize([-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100], 0.1, 3, -128, 127)"),
        Case(np.array([[0.5, 1.5], [2.5, -3.0]], np.float32), 1.0, 0, 0, 15),
    ],
    hidden=[
        Case(np.array([], np.float32), 0.1, 3, -128, 127, label="an empty array"),
        Case(np.zeros((0, 3), np.float32), 1.0, 0, 0, 255, label="an array of shape (0, 3)"),
        Case(np.array(0.75, np.float32), 0.5, 1, 0, 255, label="an array without axes: 0.75"),
        Case(np.array([np.inf, -np.inf, 3e38, -3e38], np.float32), 0.001, 7, -128, 127, label="infinities and ±3e38"),
        Case(np.array([1e30, -1e30, 1.0], np.float32), 1e-20, -5, -32768, 32767, label="±1e30 with scale 1e-20"),
        Case(np.array([127.4, 127.6, -128.4, -129.0], np.float32), 1.0, 0, -128, 127, label="values at both ends"),
        Case((np.arange(-21, 22) / 2).astype(np.float32), 1.0, 1, -128, 127, label="all halves from -10.5 to 10.5, zero_point 1"),
        Case((np.arange(-40, 41) * np.float32(0.05)).astype(np.float32), 0.1, 0, -128, 127, label="81 multiples of 0.05, scale 0.1"),
        Case(((np.arange(-40, 41) + 0.5) * np.float32(0.03)).astype(np.float32), 0.03, 0, -128, 127, label="81 odd multiples of 0.015, scale 0.03"),
        Case(((np.arange(-40, 41) + 0.5) * np.float32(0.3)).astype(np.float32), 0.3, 9, -128, 127, label="81 odd multiples of 0.15, scale 0.3"),
    ],
    draw=_draw, draws=60,
    raises=[Case(_X, 0.0, 0, -128, 127, label="scale 0"), Case(_X, -0.1, 0, -128, 127, label="scale −0.1")],
    compare=exact(dtype=False),
    misconceptions=[
        Misconception(
            "z_first", partial(_codes, z_first=True),
            "You round x / scale + zero_point. With an odd zero point every tie falls to the other side: 0.5 is near 0 and "
            "1, 0.5 + 3 is near 3 and 4. Round first, then shift.",
            "The zero point came too early."),
        Misconception(
            "ties_up", partial(_codes, rounding=_half_up),
            "Exact ties always leave zero, or always go up, which shifts the mean. ONNX rounds half to even: 0.5 becomes 0 and 2.5 "
            "becomes 2.",
            "Ties go up.", also=(partial(_codes, rounding=_half_away),)),
        Misconception(
            "wraps", partial(_codes, clip="no", narrow=True),
            "100 / 0.1 is 1,000, and int8 ends at 127. A cast keeps the low bits and turns a large value into any code. "
            "What has to happen before the cast?",
            "A code wrapped around.",
            also=(partial(_codes, clip="no"), _cast_first, partial(_cast_first, clip=True))),
        Misconception(
            "clips_early", partial(_codes, clip="early"),
            "You clip the steps and then add the zero point, which pushes codes over the end again. Saturate last.",
            "The zero point was added after clipping."),
        Misconception(
            "truncates", partial(_codes, rounding=np.trunc),
            "Cutting the fraction off moves every value toward zero and doubles the largest error, from half a step to a "
            "whole one.",
            "You are truncating.", also=(partial(_codes, rounding=np.floor),)),
        Misconception(
            "in_float64", partial(_codes, wide=True),
            "Only ties differ. 0.05 as float32 over 0.1 as float32 is exactly 0.5, a tie. In float64 the quotient is "
            "0.5000000007 and goes up. Engines divide in float32, and so must you if codes are to agree bit by bit.",
            "The division is in float64.",
            also=(lambda x, s, z, lo, hi: _codes(np.array([float(v) for v in x.ravel()]).reshape(x.shape), s, z, lo, hi, wide=True),)),
        Misconception(
            "reciprocal", partial(_codes, inverse=True),
            "Only ties differ. You multiply by 1 / scale, which is rounded once more than a division. torch does that too; "
            "ONNX divides, and here codes have to agree bit by bit.",
            "You multiply instead of dividing."),
        Misconception(
            "float_codes", _as_floats,
            "The values are right, but the array holds floats: nothing was saved. Codes are integers. Cast at the very end.",
            "The codes are floats."),
        Misconception(
            "no_zero_point", partial(_codes, with_z=False),
            "The code of 0.0 is the zero point. In your result 0.0 has the code 0.",
            "The zero point is not used."),
        Misconception(
            "any_scale", partial(_codes, checked=False),
            "The codes are right. A scale of 0 or below stands for no mapping at all: it has to be refused, not divided by.",
            "Every scale is accepted."),
    ],
    alternatives=[_codes, _with_round, _in_a_loop, _clipped_before],
    hints=(
        "`x / np.float32(scale)` stays in float32. `np.rint` rounds half to even.",
        "Add the zero point to the rounded steps, not before.",
        "`np.clip(…, qmin, qmax)` comes last, and after it `.astype(np.int32)`.",
    ),
    worth_knowing="This is ONNX's QuantizeLinear to the bit. torch multiplies by 1 / scale instead, so its codes may differ "
                  "by one at ties.",
)
