"""From a wide accumulator back to few bits with integer arithmetic only, and what a 16-bit pair sum can lose.

Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018, section 2.2: the multiplier as an integer of 31 bits and a shift.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from utils.hardware.isa.instructions import vpmaddubsw

INT32 = np.iinfo(np.int32)

vpmaddubsw_pair = vpmaddubsw  # the instruction is emulated with the others, in hardware/isa


def fixed_point_multiplier(m: float) -> tuple[int, int]:
    """(m0, shift) with m = m0 2^(-shift) and 2^30 <= m0 < 2^31; off by a share of 2^-31 at most.

    Raises ValueError unless 0 < m < 2^30, where the shift is at least 1.

    >>> fixed_point_multiplier(0.0003)
    (1319413953, 42)
    """
    if not 0 < m < 2**30:  # NaN fails too
        raise ValueError(f"m must be in (0, 2^30), got {m}")
    fraction, exponent = math.frexp(m)  # m = fraction 2^exponent, 0.5 <= fraction < 1
    m0 = round(fraction * 2**31)
    if m0 == 2**31:  # the fraction was rounded up to 1
        m0, exponent = 2**30, exponent + 1
    return m0, 31 - exponent


def requantize(acc: ArrayLike, m0: ArrayLike, shift: ArrayLike, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """clip(round(acc m0 2^(-shift)) + zero_point, qmin, qmax) as int32 of acc's shape; ties go up.

    `acc` holds integers of 32 bits; `m0` and `shift` are integers or arrays that broadcast against it (one entry a
    channel). The product has 62 bits, and one rounding shift brings it back. Raises TypeError unless `acc` is of an
    integer type, ValueError for values beyond 32 bits, an m0 outside [0, 2^31), a shift below 1, qmin >= qmax.

    >>> requantize(np.int32([12345, -12345, 1000000]), 1319413953, 42, 5, -128, 127).tolist()
    [9, 1, 127]
    """
    acc = np.asarray(acc)
    if acc.dtype.kind not in "iu":
        raise TypeError(f"acc must have an integer dtype, got {acc.dtype}")
    if acc.size and (acc.min() < INT32.min or acc.max() > INT32.max):
        raise ValueError(f"acc must fit 32 bits, got values from {acc.min()} to {acc.max()}")
    m0, shift = np.asarray(m0, dtype=np.int64), np.asarray(shift, dtype=np.int64)
    if np.any(m0 < 0) or np.any(m0 >= 2**31):
        raise ValueError(f"m0 must be in [0, 2^31), got {m0}")
    if np.any(shift < 1):
        raise ValueError(f"shift must be at least 1, got {shift}")
    if qmin >= qmax:
        raise ValueError(f"qmin must be less than qmax, got {qmin} and {qmax}")
    short = np.minimum(shift, 62)
    rounded = (acc.astype(np.int64) * m0 + (np.int64(1) << (short - 1))) >> short  # |product| < 2^62
    rounded = np.where(shift > 62, 0, rounded)  # less than half a step, whatever acc is
    return np.clip(rounded + zero_point, qmin, qmax).astype(np.int32)


def requantize_by(acc: ArrayLike, multiplier: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """`requantize` by a real multiplier in (0, 1), which is turned into an integer and a shift once.

    Raises ValueError "multiplier" outside (0, 1), and as `requantize`.

    >>> requantize_by(np.int32([12345, -12345, 1000000]), 0.0003, 5, -128, 127).tolist()
    [9, 1, 127]
    """
    if not 0 < multiplier < 1:
        raise ValueError(f"multiplier must be in (0, 1), got {multiplier}")
    return requantize(acc, *fixed_point_multiplier(multiplier), zero_point, qmin, qmax)
