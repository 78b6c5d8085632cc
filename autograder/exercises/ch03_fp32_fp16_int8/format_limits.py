"""Exercise 03.format_limits: the limits that two bit lengths decide."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from utils.numerics import formats

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception
from .words import word_value


def _limits(exp_bits: int, man_bits: int, *, bias_off: int = 0, reserved: bool = True, full: bool = False,
            subnormals: bool = True, eps_off: int = 0, ldexp: Callable = math.ldexp) -> dict[str, float]:
    """The limits with one mistake; with its defaults they are right (an independent formulation)."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    bias = 2 ** (exp_bits - 1) - 1 + bias_off
    top = 2**exp_bits - (2 if reserved else 1) - bias
    largest = ldexp(1.0, top + 1) if full else ldexp(2.0 - 2.0**-man_bits, top)
    least = ldexp(1.0, 1 - bias)
    return {"max_finite": float(largest), "min_normal": float(least), "eps": 2.0 ** -(man_bits + eps_off),
            "min_subnormal": float(ldexp(1.0, 1 - bias - man_bits) if subnormals else least)}


def _numpy_ldexp(x: float, e: int) -> float:
    with np.errstate(all="ignore"):
        return float(np.ldexp(x, e))


def _limits_by_words(exp_bits: int, man_bits: int) -> dict[str, float]:
    """Builds the four words and reads them with exercise 2's rule."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    hidden = 1 << man_bits
    one = ((1 << (exp_bits - 1)) - 1) * hidden
    words = {"max_finite": (2**exp_bits - 1) * hidden - 1, "min_normal": hidden, "min_subnormal": 1}
    values = {name: word_value(word, exp_bits, man_bits) for name, word in words.items()}
    return {**values, "eps": word_value(one + 1, exp_bits, man_bits) - 1.0}


def _limits_by_halving(exp_bits: int, man_bits: int) -> dict[str, float]:
    """Walks down and up from 1.0 in steps of two."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    least = eps = 1.0
    for _ in range(2 ** (exp_bits - 1) - 2):
        least /= 2
    for _ in range(man_bits):
        eps /= 2
    return {"max_finite": 2 / least * (2 - eps), "min_normal": least, "min_subnormal": least * eps, "eps": eps}


def _show_limits(value: Any) -> str:
    if not isinstance(value, dict):
        return brief(value)
    return ", ".join(f"{key} {value[key]:.6g}" for key in ("max_finite", "min_normal", "min_subnormal", "eps"))


format_limits = Exercise(
    id="03.format_limits", points=2, difficulty=1, minutes=10, idea="two lengths decide all four limits",
    reference=formats.format_limits,
    cases=[Case(5, 10), Case(8, 7), Case(4, 3)],
    hidden=[Case(8, 23), Case(11, 52), Case(5, 2), Case(2, 1), Case(8, 10), Case(2, 3), Case(3, 2)],
    draw=lambda rng: (int(rng.integers(2, 12)), int(rng.integers(1, 53))), draws=30,
    raises=[Case(1, 10), Case(0, 3)],
    compare=exact(), show=_show_limits,
    misconceptions=[
        Misconception(
            "bias", partial(_limits, bias_off=1),
            "The bias is one less than 2^(exp_bits − 1): 15 for 5 exponent bits, so that 1.0 has the field 01111. Your "
            "exponents are all one too low.",
            "The bias is off by one."),
        Misconception(
            "not_reserved", partial(_limits, reserved=False),
            "The all-ones exponent holds infinity and NaN. It is not available for numbers, so the largest exponent "
            "field of a number is one less.",
            "The top exponent was used for a number.", also=(partial(_limits, reserved=False, ldexp=_numpy_ldexp),)),
        Misconception(
            "two", partial(_limits, full=True),
            "The mantissa can come close to 2, but it can't reach it. With 10 mantissa bits the largest one is "
            "1.1111111111 in binary. How far is that from 2?",
            "The largest mantissa is below 2.", also=(partial(_limits, full=True, ldexp=_numpy_ldexp),)),
        Misconception(
            "no_subnormals", partial(_limits, subnormals=False),
            "Below the smallest normal number the exponent field is 0 and the hidden one is gone. What is the value "
            "when only the last mantissa bit is set?",
            "The numbers go on below the normal ones."),
        Misconception(
            "unit_roundoff", partial(_limits, eps_off=1),
            "Half a step is the largest *rounding error* at 1.0. `eps` is the whole step from 1.0 to the next number.",
            "This is half of eps."),
    ],
    alternatives=[_limits, _limits_by_words, _limits_by_halving],
    hints=(
        "The bias is 2^(exp_bits − 1) − 1. Exponent fields of numbers run from 1 to 2^exp_bits − 2; subtract the bias.",
        "The largest mantissa is 2 − 2^(−man_bits). Subnormals are multiples of the smallest normal number times "
        "2^(−man_bits).",
    ),
    worth_knowing="OCP's E4M3 uses the top exponent for numbers after all, which lifts its maximum from 240 to 448.",
)
