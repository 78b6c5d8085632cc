"""The two 16-bit floats, bit by bit: conversions between FP32, bfloat16 and float16 words in integer arithmetic.

Narrowing follows `utils.numerics.formats.encode` but never leaves the integers; widening is exact. What the
conversions mean for numbers, tensors and training is in the modules whose names are re-exported here.
"""

from __future__ import annotations

import numpy as np

from utils.numerics.census import CONVERSION_CLASSES, conversion_census, conversion_map
from utils.numerics.formats import Rounding
from utils.numerics.loss_scaling import DynamicLossScaler, LossScaler, scaled_histogram
from utils.numerics.precision import (
    accumulate,
    double_rounding_example,
    finer_format,
    format_risk,
    fp16_risk,
    precision_winner,
    underflow_fraction,
)
from utils.numerics.two_rulers import RoundingDecision, rounding_decision, two_rulers_state

__all__ = [
    "CONVERSION_CLASSES", "DynamicLossScaler", "LossScaler", "RoundingDecision", "accumulate",
    "bf16_from_f32_bits", "bf16_round", "conversion_census", "conversion_map", "double_rounding_example",
    "f32_bits_from_bf16", "f32_bits_from_fp16", "finer_format", "format_risk", "fp16_from_f32_bits", "fp16_risk",
    "fp16_widen", "precision_winner", "rounding_decision", "scaled_histogram", "stochastic_bf16",
    "two_rulers_state", "underflow_fraction",
]

MAGNITUDE = np.uint32(0x7FFF_FFFF)  # all but the sign
F32_INF = np.uint32(0x7F80_0000)


def _words(bits: np.ndarray, dtype: type, name: str) -> np.ndarray:
    """The words as an array; TypeError unless they have exactly this dtype."""
    words = np.asarray(bits)
    if words.dtype != dtype:
        raise TypeError(f"{name} must have dtype {np.dtype(dtype)}, got {words.dtype}")
    return words


def bf16_from_f32_bits(u32: np.ndarray, rounding: Rounding = "rne",
                       rng: np.random.Generator | None = None) -> np.ndarray:
    """BF16 words (uint16) of FP32 words (uint32, any shape).

    "rne" rounds to nearest even, so that magnitudes from 2^128 - 2^119 on become infinity; "rtz" drops the low
    half; "stochastic" adds 16 random bits first. NaN becomes quiet and keeps its sign and upper payload.
    Raises TypeError unless the dtype is uint32, ValueError for stochastic rounding without `rng`.

    >>> hex(bf16_from_f32_bits(np.uint32([0x3F818000]))[0])
    '0x3f82'
    """
    u = _words(u32, np.uint32, "u32")
    nan = (u & MAGNITUDE) > F32_INF
    kept = u >> 16
    if rounding == "rne":
        addend = 0x7FFF + (kept & 1)  # carries above one half, and at one half when the kept word is odd
    elif rounding == "rtz":
        addend = np.uint32(0)
    elif rounding == "stochastic":
        if rng is None:
            raise ValueError("rng must be given: stochastic rounding needs rng, got None")
        addend = rng.integers(0, 1 << 16, u.shape, dtype=np.uint32)
    else:
        raise ValueError(f'rounding must be "rne", "rtz" or "stochastic", got {rounding!r}')
    rounded = (np.where(nan, 0, u) + addend) >> 16  # NaN words taken out: the carry would run through their sign
    return np.asarray(np.where(nan, kept | 0x40, rounded)).astype(np.uint16)


def f32_bits_from_bf16(u16: np.ndarray) -> np.ndarray:
    """FP32 words (uint32) of BF16 words (uint16): the upper half, exactly. TypeError unless the dtype is uint16."""
    return np.asarray(_words(u16, np.uint16, "u16").astype(np.uint32) << 16)


_POWERS = 1 << np.arange(10, dtype=np.uint32)


def f32_bits_from_fp16(u16: np.ndarray) -> np.ndarray:
    """FP32 words (uint32) of FP16 words (uint16), exactly; a NaN keeps its sign and payload.

    Normal exponents move by 127 - 15 = 112, subnormals m * 2^-24 get a hidden one. TypeError unless uint16.

    >>> [hex(w) for w in f32_bits_from_fp16(np.uint16([0x3C00, 0x0001, 0x7BFF]))]
    ['0x3f800000', '0x33800000', '0x477fe000']
    """
    h = _words(u16, np.uint16, "u16").astype(np.uint32)
    sign, e, m = h >> 15, h >> 10 & 0x1F, h & 0x3FF
    length = np.searchsorted(_POWERS, m, side="right").astype(np.uint32)  # bit length of m: m < 2^length
    subnormal = ((length + 102) << 23) | ((m << (24 - length)) & 0x7F_FFFF)  # 2^(length - 1 - 24) * 1.f
    magnitude = np.select(
        [e == 31, e > 0, m > 0],
        [F32_INF | (m << 13), ((e + 112) << 23) | (m << 13), subnormal], default=0)
    return np.asarray(magnitude | (sign << 31)).astype(np.uint32)


def fp16_from_f32_bits(u32: np.ndarray, rounding: Rounding = "rne") -> np.ndarray:
    """FP16 words (uint16) of FP32 words (uint32, any shape), "rne" or "rtz".

    Underflow is gradual: 2^-25 is a tie and becomes 0. From 65520, also a tie, "rne" gives infinity; "rtz"
    stays at 65504. NaN becomes quiet and keeps its upper payload. TypeError unless the dtype is uint32.

    >>> [hex(w) for w in fp16_from_f32_bits(np.float32([1, 65519, 65520, 2**-25]).view(np.uint32))]
    ['0x3c00', '0x7bff', '0x7c00', '0x0']
    """
    if rounding not in ("rne", "rtz"):
        raise ValueError(f'rounding must be "rne" or "rtz", got {rounding!r}')
    u = _words(u32, np.uint32, "u32")
    magnitude = u & MAGNITUDE
    e = (magnitude >> 23).astype(np.int64)
    significand = (magnitude & 0x7F_FFFF | 0x80_0000).astype(np.int64)  # the hidden one of FP32's subnormals is
    drop = np.clip(126 - e, 13, 31)  # wrong, but 31 dropped bits leave nothing of it
    steps = significand >> drop
    if rounding == "rne":
        steps = (significand + (1 << (drop - 1)) - 1 + (steps & 1)) >> drop
    word = (np.maximum(e - 113, 0) << 10) + steps  # the hidden one and a carry add to the exponent
    word = np.minimum(word, 0x7C00 if rounding == "rne" else 0x7BFF)
    word = np.where(magnitude == F32_INF, 0x7C00, word)
    word = np.where(magnitude > F32_INF, 0x7E00 | (magnitude >> 13 & 0x3FF), word)
    return np.asarray(word | (u >> 31).astype(np.int64) << 15).astype(np.uint16)


def bf16_round(u32: np.ndarray) -> np.ndarray:
    """BF16 words (uint16) of FP32 words (uint32, any shape), rounded to nearest even."""
    return bf16_from_f32_bits(u32)


def fp16_widen(h: np.ndarray) -> np.ndarray:
    """FP32 words (uint32) of FP16 words (uint16, any shape), exactly."""
    return f32_bits_from_fp16(h)


def stochastic_bf16(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 values on the BF16 grid (float32, same shape), each rounded away from zero with the discarded
    fraction as probability, so that the mean is x. TypeError unless `x` is float32.
    """
    words = bf16_from_f32_bits(_words(x, np.float32, "x").view(np.uint32), "stochastic", rng)
    return f32_bits_from_bf16(words).view(np.float32)
