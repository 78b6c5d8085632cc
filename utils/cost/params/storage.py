"""From a number of parameters to bytes, and from a budget back to a width."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from utils.cost.checks import non_negative, positive


def weight_bytes(n_params: int, bits: float, group_size: int | None = None, scale_bits: int = 16,
                 zero_bits: int = 0) -> int:
    """Bytes of `n_params` weights at `bits` each, rounded up to whole bytes.

    With a `group_size` every started group stores one scale and one zero point; without, none is stored.
    """
    non_negative(n_params=n_params, scale_bits=scale_bits, zero_bits=zero_bits)
    positive(bits=bits)
    total_bits = Fraction(n_params) * Fraction(bits)  # exact: a float product of 70 B weights loses the last bytes
    if group_size is not None:
        positive(group_size=group_size)
        total_bits += math.ceil(Fraction(n_params) / group_size) * (scale_bits + zero_bits)
    return math.ceil(total_bits / 8)


def effective_bits(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0) -> float:
    """Stored bits a weight when each group of `group_size` shares one scale and one zero point."""
    positive(weight_bits=weight_bits, group_size=group_size)
    non_negative(scale_bits=scale_bits, zero_bits=zero_bits)
    return weight_bits + (scale_bits + zero_bits) / group_size


def width_for_budget(count_fn: Callable[[int], int], budget: int, step: int = 8, max_width: int = 4096) -> int | None:
    """The largest multiple of `step`, at most `max_width`, whose `count_fn(width)` is within `budget`; else None.

    `count_fn` must not fall with the width: bisection asks it about log2(max_width / step) times.

    >>> width_for_budget(lambda w: 12 * w * w, 1_000_000)
    288
    """
    positive(step=step, max_width=max_width)
    fits, fails = 0, max_width // step + 1  # in steps; 0 stands for "nothing fits", fails is beyond the end
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if count_fn(middle * step) <= budget:
            fits = middle
        else:
            fails = middle
    return fits * step or None
