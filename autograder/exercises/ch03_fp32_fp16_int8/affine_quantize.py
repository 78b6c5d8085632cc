"""Exercise 03.affine_quantize: scale, zero point and codes of an INT8 tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from utils.numerics import int8

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception


def _affine_agrees(case: Case, expected: Any, got: Any) -> str | None:
    """Whether (q, scale, zero point) is a right answer; which of two nearby zero points is free."""
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return f"{brief(got)}, expected (q, scale, zero_point)"
    q, scale, zero_point = got
    x, bits = np.asarray(case.args[0], np.float64), case.kwargs.get("bits", 8)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if not isinstance(q, np.ndarray) or q.dtype.kind != "i":
        return f"q is {'of dtype ' + str(q.dtype) if isinstance(q, np.ndarray) else brief(q)}, expected an integer array"
    if q.shape != x.shape:
        return f"q has shape {q.shape}, expected {x.shape}"
    if found := close(1e-9)(expected[1], scale):
        return f"scale {found}"
    if not float(zero_point).is_integer() or not low <= zero_point <= high:
        return f"zero_point {brief(zero_point)}, expected an integer code in {low} … {high}"
    if q.min() < low or q.max() > high:
        return f"codes from {q.min()} to {q.max()}, expected {low} … {high}"
    error = np.abs((q.astype(np.float64) - zero_point) * scale - x)
    if error.max() > scale * (0.5 + 1e-9):
        at = np.unravel_index(error.argmax(), x.shape)
        told = f"{brief(float(x[at]))} came back as {brief(float((q[at] - zero_point) * scale))}"
        return f"{told}, {error.max() / scale:.2f} steps away"
    return _ties(x, q, scale, zero_point, low, high)


def _ties(x: np.ndarray, q: np.ndarray, scale: float, zero_point: int, low: int, high: int) -> str | None:
    """Exact ties (the step is a power of two) must go to the even multiple of the step."""
    if math.frexp(scale)[0] != 0.5 or zero_point % 2:
        return None
    even = np.clip(np.rint(x / scale) + zero_point, low, high)
    if np.array_equal(even, q):
        return None
    at = np.argmax(even.ravel() != q.ravel())
    return f"{brief(float(x.ravel()[at]))} got the code {q.ravel()[at]}, expected {even.ravel()[at]:.0f}"


def _affine(x: np.ndarray, bits: int = 8, *, steps_off: int = 0, widen: bool = True, clip: bool = True,
            wrap: bool = False, rounding: Callable = np.rint, from_hi: bool = False, nan: bool = True,
            guard: bool = True, clamp: bool = True, ignore_bits: bool = False, codes: str = "signed",
            ) -> tuple[np.ndarray, float, int]:
    """Quantization with one mistake; with its defaults it is right (an independent formulation)."""
    if nan and np.isnan(x).any():
        raise ValueError("x holds NaN")
    bits = 8 if ignore_bits else bits
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    lo, hi = float(x.min()), float(x.max())
    if widen:
        lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (high - low + steps_off)
    if scale == 0 and guard:
        scale = 1.0
    with np.errstate(all="ignore"):
        zero_point = high - hi / scale if from_hi else low - lo / scale
        zero_point = int(np.rint(np.clip(zero_point, low, high) if clamp else np.clip(zero_point, -1e9, 1e9)))
        q = np.nan_to_num(rounding(x / scale)) + zero_point
    if codes == "unsigned":
        q, zero_point, low, high = q - low, zero_point - low, 0, high - low
    q = np.clip(q, low, high).astype(np.int64) if clip else q.astype(np.int64)
    return (q.astype(np.int8) if wrap else q), scale, zero_point


def _affine_unguarded(x: np.ndarray, bits: int = 8, *, widen: bool = True) -> tuple[np.ndarray, float, int]:
    """NumPy scalars all the way: a range of width 0 gives infinities and NaN, which `int` refuses."""
    lo, hi = (np.minimum(x.min(), 0.0), np.maximum(x.max(), 0.0)) if widen else (x.min(), x.max())
    with np.errstate(all="ignore"):
        scale = (hi - lo) / (2**bits - 1)
        zero_point = int(np.rint(-(2 ** (bits - 1)) - lo / scale))
        q = np.clip(np.rint(x / scale) + zero_point, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return q.astype(np.int64), float(scale), zero_point


def _affine_symmetric(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    if np.isnan(x).any():
        raise ValueError("x holds NaN")
    top = 2 ** (bits - 1) - 1
    scale = float(np.abs(x).max()) / top or 1.0
    return np.rint(x / scale).astype(np.int64), scale, 0


def _affine_unsigned(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """Codes from 0 on, moved down at the end."""
    if not (x == x).all():
        raise ValueError("NaN")
    top = 2**bits - 1
    lo, hi = np.minimum(x.min(), 0), np.maximum(x.max(), 0)
    if hi == lo:
        return np.zeros(x.shape, np.int32), 1.0, 0
    scale = (hi - lo) / top
    zero = np.round(-lo / scale)
    codes = np.round(x / scale) + zero
    codes[codes > top] = top
    codes[codes < 0] = 0
    return codes.astype(np.int32) - 2 ** (bits - 1), float(scale), int(zero) - 2 ** (bits - 1)


def _affine_in_a_loop(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """Python's own round, value by value."""
    values = [float(v) for v in x.ravel()]
    if any(math.isnan(v) for v in values):
        raise ValueError("found a NaN")
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    lo, hi = min([0.0, *values]), max([0.0, *values])
    scale = (hi - lo) / (high - low) or 1.0
    zero_point = min(high, max(low, round(low - lo / scale)))
    codes = [min(high, max(low, round(v / scale) + zero_point)) for v in values]
    return np.array(codes).reshape(x.shape), scale, zero_point


def _floor_half(x: np.ndarray) -> np.ndarray:
    return np.floor(x + 0.5)


def _draw_affine(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(1, 3))))
    x = rng.uniform(-1, 1, shape) + rng.choice([-3, 0, 0, 3])
    x = x * 2.0 ** rng.integers(-8, 9)
    kind = rng.random()
    if kind < 0.15:  # exact ties: the step is 1 or a power of two
        x = np.append(rng.integers(-200, 200, 20) / 2, [-128.0, 127.0]).clip(-128, 127) * 2.0 ** rng.integers(-3, 4)
    elif kind < 0.25:
        x = np.append(x, [np.abs(x).max(), -np.abs(x).max()])
    bits = int(rng.choice([8, 8, 8, 4, 2, 6, 12]))
    return Case(x, label=f"{x.size} random values") if bits == 8 else Case(x, bits=bits, label=f"{x.size} random values, bits={bits}")


_TIES = np.array([-128.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 127.0])
affine_quantize = Exercise(
    id="03.affine_quantize", points=4, difficulty=2, minutes=20, idea="255 steps separate 256 codes",
    reference=int8.affine_quantize,
    cases=[
        Case(np.array([-1.0, 0.0, 0.5, 3.0])),
        Case(np.array([-1.0, 0.25, 1.0])),
        Case(np.array([2.0, 4.0, 8.0]), bits=4),
        Case(np.zeros(3)),
    ],
    hidden=[
        Case(_TIES, label="eight values, six of them ties, with step 1"),
        Case(np.array([[1.0, 2.0], [3.0, 5.0]]), label="all positive, 2 × 2"),
        Case(np.array([-7.0, -5.0, -6.5])), Case(np.array([0.3])), Case(np.array([-0.3])),
        Case(np.array([100.0, 100.5, 101.0])), Case(np.array([-101.0, -100.0])), Case(np.array([-1.0, 1.0]), bits=4),
        Case(np.linspace(-1, 1, 101), label="101 values from -1 to 1"), Case(np.linspace(-0.2, 3, 77), bits=2, label="77 values, bits=2"),
        Case(np.zeros((2, 2)), bits=4, label="zeros, 2 × 2, bits=4"),
    ],
    draw=_draw_affine, draws=60,
    raises=[Case(np.array([1.0, np.nan]), word="NaN"), Case(np.array([[np.nan, np.nan]]), word="NaN")],
    compare=prop(_affine_agrees),
    misconceptions=[
        Misconception(
            "steps_256", partial(_affine, steps_off=1),
            "256 codes have 255 gaps between them, as five fingers have four. The scale is the width of one gap.",
            "You divide by the number of codes.", also=(partial(_affine, steps_off=1, nan=False),)),
        Misconception(
            "not_widened", partial(_affine, widen=False),
            "Zero has to be one of the values that come back: padding, ReLU and empty slots are exactly 0. Where all of x "
            "lies on one side of zero, the range must be widened to reach it first.",
            "The range does not contain zero.",
            also=(partial(_affine, widen=False, clamp=False), partial(_affine, widen=False, guard=False),
                  partial(_affine, widen=False, clamp=False, guard=False),
                  partial(_affine_unguarded, widen=False))),
        Misconception(
            "wraps", partial(_affine, clip=False, wrap=True),
            "x = −1 … 1 gives the largest value the code 128, one more than int8 can hold, and in int8 it became −128. "
            "What must happen to codes outside the range before you cast?",
            "A code wrapped around.", also=(partial(_affine, clip=False),)),
        Misconception(
            "truncates", partial(_affine, rounding=np.trunc),
            "Cutting the fraction off doubles the largest error, from half a step to a whole one, and pulls every value "
            "toward zero. Rounding has to go to the nearest integer.",
            "You are truncating.",
            also=(partial(_affine, rounding=np.floor), partial(_affine, rounding=np.trunc, nan=False))),
        Misconception(
            "ties_up", partial(_affine, rounding=_floor_half),
            "Nearly right: exact ties always go up, which shifts the mean. 0.5 and 2.5 steps should become 0 and 2: "
            "round half to even, as `np.rint` and ONNX's QuantizeLinear do.",
            "Ties go up.", also=(partial(_affine, rounding=lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5)),)),
        Misconception(
            "zero_divides", partial(_affine, guard=False),
            "A tensor of zeros has a range of width 0, and a scale of 0 divides 0 by 0. The text names the scale to "
            "return there.",
            "All zeros were forgotten.", also=(_affine_unguarded,)),
        Misconception(
            "symmetric", _affine_symmetric,
            "This is symmetric quantization: it spends as many codes on −3 … 0 as on 0 … 3, although x may begin at −1. "
            "Here the range starts at the smallest value, and the zero point moves with it.",
            "These are symmetric codes."),
        Misconception(
            "ignores_bits", partial(_affine, ignore_bits=True),
            "These are codes of 8 bits. With `bits` = 4 there are only 16 codes, −8 … 7, and the step is larger.",
            "The argument bits is not used."),
        Misconception(
            "unsigned", partial(_affine, codes="unsigned"),
            "Your codes start at 0, as in uint8. Signed codes start at −2^(bits − 1). The zero point moves by as much.",
            "These are unsigned codes."),
    ],
    alternatives=[_affine, partial(_affine, from_hi=True), _affine_unsigned, _affine_in_a_loop],
    hints=(
        "lo = min(x.min(), 0) and hi = max(x.max(), 0). The scale spreads hi − lo over the gaps between 2^bits codes.",
        "The zero point is the code of 0.0: the lowest code minus lo / scale, rounded. Then q = round(x / scale) + "
        "zero_point, clipped to the codes.",
        "`np.rint` rounds half to even; `np.clip` clips. If hi equals lo, use the scale 1.0.",
    ),
    worth_knowing="With symmetric quantization the zero point is 0 and the arithmetic of exercise 5 gets shorter. "
                  "Weights are usually quantized that way.",
)
