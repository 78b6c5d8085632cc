"""What rounding to a format does to numbers, sums and tensors."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.formats import BF16, FP16, FP32, FloatFormat, overflows, round_to_format

Winner = Literal["fp16", "bf16", "tie"]
Order = Literal["sequential", "pairwise", "fp32"]


def _exact_error(x: float, fmt: FloatFormat) -> Fraction | float:
    """|nearest value - x| without rounding; inf when the nearest value is infinite."""
    nearest = float(round_to_format(x, fmt))
    return abs(Fraction(nearest) - Fraction(x)) if np.isfinite(nearest) else np.inf


def precision_winner(x: float) -> Winner:
    """Which of FP16 and BF16 has the nearest value closer to x, compared as exact fractions.

    An overflow counts as an infinite error; equal errors, two infinite ones too, are a "tie".
    Raises ValueError when x is not finite.

    >>> [precision_winner(x) for x in (0.1, 1e-5, 3e-6, 70000.0)]
    ['fp16', 'tie', 'bf16', 'bf16']
    """
    if not np.isfinite(x):
        raise ValueError(f"x must be finite, got {x}")
    fp16, bf16 = _exact_error(x, FP16), _exact_error(x, BF16)
    if fp16 == bf16:
        return "tie"
    return "fp16" if fp16 < bf16 else "bf16"


def finer_format(x: float) -> str:
    """ "fp16", "bf16" or "tie": whose nearest value is closer to x, a finite number of either sign."""
    return precision_winner(x)


def double_rounding_example(fmt: FloatFormat) -> float:
    """A float64 that `fmt` rounds otherwise when it is rounded to FP32 on the way.

    1 + half a step + 2^-30 lies above a tie, so one rounding goes up; FP32 drops the 2^-30, and the tie goes
    to even, down to 1. Raises ValueError unless the format is narrower than FP32.

    >>> from utils.numerics.formats import BF16
    >>> x = double_rounding_example(BF16)
    >>> float(round_to_format(x, BF16)), float(round_to_format(np.float32(x), BF16))
    (1.0078125, 1.0)
    """
    if fmt.man_bits >= FP32.man_bits:
        raise ValueError(f"fmt must be narrower than FP32 (fewer than 23 mantissa bits), got {fmt.man_bits}")
    return 1.0 + fmt.eps / 2 + 2.0**-30


def accumulate(x: ArrayLike, fmt: FloatFormat, order: Order = "sequential") -> float:
    """Sum of `x`, whose elements are first rounded to `fmt`.

    "sequential" adds from left to right and rounds to `fmt` after each addition; "pairwise" adds neighbours in
    a binary tree and rounds each level; "fp32" adds from left to right in FP32 and rounds to `fmt` at the end.

    >>> accumulate(np.ones(3000), FP16), accumulate(np.ones(3000), FP16, "fp32")
    (2048.0, 3000.0)
    """
    # Sums are taken in float64 and then rounded. That second rounding is harmless: a significand of
    # 53 >= 2 * 24 + 2 bits is wide enough for one addition (Figueroa 1995).
    terms = round_to_format(x, fmt).ravel()
    if order == "pairwise":
        while terms.size > 1:
            terms = np.append(terms, [0.0] * (terms.size % 2))
            terms = round_to_format(terms[0::2] + terms[1::2], fmt)
        return float(terms.sum())
    if order not in ("sequential", "fp32"):
        raise ValueError(f'order must be "sequential", "pairwise" or "fp32", got {order!r}')
    accumulator = FP32 if order == "fp32" else fmt
    total = 0.0
    for term in terms:
        total = float(round_to_format(total + term, accumulator))
    return float(round_to_format(total, fmt))


def format_risk(x: ArrayLike, fmt: FloatFormat) -> dict[str, float]:
    """Fractions of all elements that `fmt` cannot hold well: keys overflow, underflow, subnormal.

    Overflow: rounds to infinity (infinities too). Underflow: not zero, but rounds to zero. Subnormal: above
    that and below min_normal, so with fewer significant bits. Nearest even. An empty `x` gives zeros; raises
    ValueError for NaN.
    """
    magnitude = np.abs(np.asarray(x, dtype=np.float64))
    if np.isnan(magnitude).any():
        raise ValueError(f"x must not hold NaN, got {np.count_nonzero(np.isnan(magnitude))} of them")
    tie = fmt.min_subnormal / 2  # rounds to 0, which is even
    hits = {
        "overflow": overflows(magnitude, fmt),
        "underflow": (magnitude > 0) & (magnitude <= tie),
        "subnormal": (magnitude > tie) & (magnitude < fmt.min_normal),
    }
    return {name: int(hit.sum()) / max(magnitude.size, 1) for name, hit in hits.items()}


def fp16_risk(x: ArrayLike) -> dict[str, float]:
    """`format_risk` of FP16: overflow |x| >= 65520, underflow 0 < |x| <= 2^-25, subnormal 2^-25 < |x| < 2^-14.

    >>> fp16_risk([0.0, 1e-8, 3e-8, 1e-5, 1.0, 65504, 65520, 1e6])
    {'overflow': 0.25, 'underflow': 0.125, 'subnormal': 0.25}
    """
    return format_risk(x, FP16)


def underflow_fraction(g: ArrayLike, fmt: FloatFormat, scale: float = 1.0) -> float:
    """Share of the non-zero entries of `g` that become zero when g * scale is rounded to `fmt`; 0.0 without any."""
    g = np.asarray(g, dtype=np.float64)
    return format_risk(g[g != 0] * scale, fmt)["underflow"]
