"""Exercise 15.requantize: from the int32 accumulator to 8-bit codes without a float."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from utils.compression import quantization

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception

_WATCH = "ch15_quantization.integers_only"


def _multiplier(multiplier: float) -> tuple[int, int]:
    if not 0 < multiplier < 1:
        raise ValueError("the multiplier must lie between 0 and 1")
    fraction, exponent = math.frexp(multiplier)
    return round(fraction * 2**31), 31 - exponent


def _scaled(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int, *, half: bool = True,
            toward_zero: bool = False, narrow: bool = False, m0_32: bool = False, z: str = "end", clip: bool = True,
            ) -> np.ndarray:
    """Fixed-point scaling with one mistake; with its defaults it is right (an independent formulation)."""
    m0, shift = _multiplier(multiplier)
    if m0_32:
        m0 = int(np.array(m0).astype(np.int32))
    wide = np.int32 if narrow else np.int64
    start = acc.astype(np.int64) + (zero_point if z == "start" else 0)
    with np.errstate(all="ignore"):
        product = start.astype(wide) * np.array(m0).astype(wide)
        product = product.astype(np.int64) + ((1 << (shift - 1)) if half else 0)
        if toward_zero:
            scaled = np.sign(product) * (np.abs(product) >> shift)
        else:
            scaled = product >> shift
    scaled = scaled + (zero_point if z == "end" else 0)
    return np.minimum(np.maximum(scaled, qmin), qmax) if clip else scaled


def _few_bits(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int, *, shift: int = 31) -> np.ndarray:
    """One shift for every multiplier: a small one keeps few significant bits."""
    _multiplier(multiplier)
    product = acc.astype(np.int64) * round(multiplier * 2**shift)
    return np.clip(((product + (1 << (shift - 1))) >> shift) + zero_point, qmin, qmax)


def _twice(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """A high multiply that rounds, then a shift that rounds: gemmlowp's way."""
    m0, shift = _multiplier(multiplier)
    high = (acc.astype(np.int64) * m0 + (1 << 30)) >> 31
    rest = shift - 31
    rounded = (high + (1 << (rest - 1))) >> rest if rest else high
    return np.clip(rounded + zero_point, qmin, qmax)


def _in_float(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int, *, kind: type = np.float64,
              rounding: Callable = np.rint) -> np.ndarray:
    if not 0 < multiplier < 1:
        raise ValueError("multiplier")
    return np.clip(rounding(acc.astype(kind) * kind(multiplier)) + zero_point, qmin, qmax).astype(np.int64)


def _in_float_directly(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    if not 0 < multiplier < 1:
        raise ValueError("multiplier")
    return np.clip(np.round(acc * multiplier).astype(int) + zero_point, qmin, qmax)


def _float_loop(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    if not 0 < multiplier < 1:
        raise ValueError("multiplier")
    return np.array([min(max(round(a * multiplier) + zero_point, qmin), qmax) for a in acc.ravel()], int).reshape(acc.shape)


def _shift_in_float(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """An integer product that is divided as a float."""
    m0, shift = _multiplier(multiplier)
    return np.clip(np.rint(acc.astype(np.int64) * m0 / 2**shift) + zero_point, qmin, qmax).astype(np.int64)


def _high_then_shift(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """A high multiply that floors and keeps at least one fraction bit, then a rounding shift."""
    m0, shift = _multiplier(multiplier)
    high = (acc.astype(np.int64) * m0) >> 30
    rest = shift - 30
    return np.clip(((high + (1 << (rest - 1))) >> rest) + zero_point, qmin, qmax)


def _with_python_integers(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    if not 0 < multiplier < 1:
        raise ValueError("multiplier")
    shift = 60  # the multiplier to 60 bits after the point; Python's integers have room
    m0 = int(multiplier * 2**shift)
    codes = [min(max(((2 * int(a) * m0 + 2**shift) // 2 ** (shift + 1)) + zero_point, qmin), qmax) for a in acc.ravel()]
    return np.array(codes, dtype=np.int64).reshape(acc.shape)


def _by_remainder(acc: np.ndarray, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    m0, shift = _multiplier(multiplier)
    whole, rest = np.divmod(acc.astype(np.int64) * np.int64(m0), np.int64(2) ** shift)
    return np.clip(whole + (rest >= np.int64(2) ** (shift - 1)) + zero_point, qmin, qmax)


def _only_integers(case: Case, expected: Any, got: Any) -> str | None:
    if found := exact(dtype=False)(expected["codes"], got["codes"]):
        return f"codes: {found}"
    return f"the data became floats in: {', '.join(map(str, got['floats']))}" if got["floats"] else None


def _same_watch(expected: Any, got: Any, case: Case | None = None) -> str | None:
    """Two answers agree in their codes and in whether floats appeared."""
    if not all(isinstance(v, dict) and "floats" in v for v in (expected, got)):
        return f"{brief(got)}"
    return exact(dtype=False)(expected["codes"], got["codes"]) or (
        None if bool(expected["floats"]) == bool(got["floats"]) else "floats")


_RANGES = ((-128, 127), (0, 255), (-127, 127), (-8, 7), (-32768, 32767))


def _draw(rng: np.random.Generator) -> Case:
    qmin, qmax = _RANGES[int(rng.integers(len(_RANGES)))]
    multiplier = float(np.exp(rng.uniform(np.log(1e-6), np.log(0.95)))) if rng.random() < 0.6 else float(rng.uniform(0.1, 0.95))
    zero_point = int(rng.integers(qmin, qmax + 1))
    reach = min(0.7 * (qmax - qmin) / multiplier, 2.0**31 - 1)
    acc = rng.uniform(-reach, reach, int(rng.integers(3, 30)))
    acc = np.append(acc, rng.integers(-9, 10, 4)).astype(np.int32)
    places = acc * multiplier
    acc = acc[np.abs(places - np.floor(places) - 0.5) > 1e-3]  # ties are free
    return Case(acc, multiplier, zero_point, qmin, qmax, label=f"{acc.size} accumulators, multiplier {multiplier:.6g}, zero_point "
                                                               f"{zero_point}, [{qmin}, {qmax}]")


_ACC = np.array([12345, -12345, 1000000], np.int32)
_LARGE = np.array([2**31 - 1, -(2**31), 2**31 - 1000, -(2**31) + 12345, 0], np.int32)
requantize = Exercise(
    id="15.requantize", points=6, difficulty=3, minutes=25, idea="a real factor is an integer and a shift",
    reference=quantization.requantize_by,
    cases=[
        Case(_ACC, 0.0003, 5, -128, 127),
        Case(np.array([[1, -1], [3, 10]], np.int32), 0.3, 0, -128, 127),
    ],
    hidden=[
        Case(_LARGE, 1e-6, 0, -32768, 32767, label="accumulators near ±2^31, multiplier 1e-6"),
        Case(_LARGE, 3e-5, 0, -(2**20), 2**20, label="accumulators near ±2^31, multiplier 3e-5, a wide range"),
        Case(np.array([100, -100, 7], np.int32), 1 - 2.0**-40, 0, -128, 127, label="[100, -100, 7], multiplier 1 − 2^-40"),
        Case(np.array([100, -100, 8], np.int32), 0.5 - 2.0**-42, 3, -128, 127, label="[100, -100, 8], multiplier 0.5 − 2^-42"),
        Case(np.array([100, -100, 9], np.int32), 2.0**-7, 0, 0, 255, label="[100, -100, 9], multiplier 2^-7"),
        Case(np.array([], np.int32), 0.5, 0, 0, 255, label="no accumulators"),
        Case(np.array([-5, -8, -11, -98765], np.int32), 0.29, -3, -128, 127),
    ],
    draw=_draw, draws=60,
    raises=[Case(_ACC, bad, 0, 0, 255) for bad in (0.0, 1.0, -0.5, 2.5, math.nan)],
    limits=[
        Case(acc=_ACC, multiplier=0.0003, zero_point=5, qmin=-128, qmax=127, probe=_WATCH, label="the first case: do the data stay integers?",
             compare=prop(_only_integers, same=_same_watch)),
        Case(acc=_LARGE, multiplier=3e-7, zero_point=0, qmin=-32768, qmax=32767, probe=_WATCH,
             label="near ±2^31: do the data stay integers?", compare=prop(_only_integers, same=_same_watch)),
    ],
    compare=exact(dtype=False),
    misconceptions=[
        Misconception(
            "product_32", partial(_scaled, narrow=True),
            "An accumulator of 31 bits times an m0 of 31 bits needs 62 bits. In int32 the product wrapped. Widen before you "
            "multiply.",
            "The product has 32 bits."),
        Misconception(
            "floors", partial(_scaled, half=False),
            "A shift alone rounds down: 3.7 becomes 3, and −3.7 becomes −4. That is a bias of half a step on average. Add half of what you shift "
            "away before the shift.",
            "You round down."),
        Misconception(
            "toward_zero", partial(_scaled, toward_zero=True),
            "Half a step was added, and then you cut toward zero: negative values come out too high. `//` and `>>` go toward "
            "minus infinity, `int()` and `np.trunc` do not.",
            "Negative values are cut off.", also=(partial(_scaled, half=False, toward_zero=True),)),
        Misconception(
            "rounds_twice", _twice,
            "You round after the high multiply and again after the shift. 1 · 0.3 becomes 0.6 / 2, then 1 / 2, then 1. Let the first of the "
            "two steps round down and keep its fraction bits.",
            "It is rounded twice."),
        Misconception(
            "few_bits", _few_bits,
            "One shift for every multiplier. A multiplier of 0.00003 times 2^31 has only 16 significant bits, and large accumulators "
            "show it. Normalise first: m0 should always have 31 bits, and the shift says where the point is.",
            "Small multipliers lose their digits.", also=(partial(_few_bits, shift=16), partial(_few_bits, shift=24))),
        Misconception(
            "m0_32", partial(_scaled, m0_32=True),
            "With a multiplier just below a power of two the fraction rounds up to 1, and m0 to 2^31, which int32 turns into "
            "−2^31. Keep m0 in 64 bits, or halve it and shift by one less.",
            "m0 does not fit 32 bits."),
        Misconception(
            "in_float", _in_float,
            "The codes are right, but the data went through floats. The point of the exercise is a chip that has none: only "
            "the multiplier may be taken apart once, with `math.frexp`. Then the data meet integers alone.",
            "The data became floats.",
            also=(_in_float_directly, _shift_in_float, _float_loop)),
        Misconception(
            "z_early", partial(_scaled, z="start"),
            "The zero point belongs to the output's codes. You added it to the accumulator, where the multiplier makes it "
            "vanish. Scale first.",
            "The zero point was scaled."),
        Misconception(
            "no_zero_point", partial(_scaled, z="no"),
            "The accumulator 0 stands for 0.0, and the output's code of 0.0 is its zero point. Your result for 0 is 0.",
            "The zero point is missing."),
        Misconception(
            "unsaturated", partial(_scaled, clip=False),
            "1,000,000 · 0.0003 is 300, and the output's codes end at qmax. Saturation comes last.",
            "Codes leave the range."),
    ],
    alternatives=[_scaled, _high_then_shift, _with_python_integers, _by_remainder],
    hints=(
        "`fraction, exponent = math.frexp(multiplier)` with 0.5 ≤ fraction < 1. m0 = round(fraction · 2^31), and the shift "
        "is 31 − exponent.",
        "product = acc as int64 · m0. The result is product / 2^shift, rounded: what do you add before `>> shift`?",
        "Half of 2^shift is `1 << (shift - 1)`. Then add the zero point and clip.",
    ),
    worth_knowing="With qmin at the zero point the same clip is the ReLU: an engine gets it for nothing.",
)
