"""What becomes of every word of one small format when it is converted to another."""

from __future__ import annotations

import numpy as np

from utils.numerics.formats import FloatFormat, decode, overflows, round_to_format

# Class i of `conversion_map`; the first four are the keys of `conversion_census`.
CONVERSION_CLASSES = ("exact", "rounded", "flushed_to_zero", "overflow", "nan", "infinity")


def _classes(src: FloatFormat, dst: FloatFormat) -> np.ndarray:
    """Index into CONVERSION_CLASSES for each word of src, uint8 (2^bits,)."""
    if src.bits > 16:
        raise ValueError(f"src must have at most 16 bits, {src.name} has too many words, got {src.bits} bits")
    x = decode(np.arange(2**src.bits), src)
    finite = np.isfinite(x)
    y = round_to_format(np.where(finite, x, 0.0), dst)
    return np.select([np.isnan(x), np.isinf(x), overflows(x, dst), x == y, y == 0], [4, 5, 3, 0, 2],
                     default=1).astype(np.uint8)


def conversion_census(src: FloatFormat, dst: FloatFormat) -> dict[str, int]:
    """How many finite words of `src` are exact in `dst`, rounded, flushed to zero or overflow (nearest even).

    Both zeros count as exact. Raises ValueError when src has more than 16 bits.

    >>> from utils.numerics.formats import BF16, FP16
    >>> conversion_census(BF16, FP16)
    {'exact': 8704, 'rounded': 1792, 'flushed_to_zero': 26112, 'overflow': 28672}
    """
    counts = np.bincount(_classes(src, dst), minlength=4)
    return {name: int(n) for name, n in zip(CONVERSION_CLASSES[:4], counts)}


def conversion_map(src: FloatFormat, dst: FloatFormat) -> np.ndarray:
    """The class of each of the 65,536 words of a 16-bit format, uint8 (256, 256).

    Row = upper byte of the word, column = lower byte; values index CONVERSION_CLASSES. Raises ValueError
    unless `src` has 16 bits.
    """
    if src.bits != 16:
        raise ValueError(f"src must have 16 bits, got {src.bits} of {src.name}")
    return _classes(src, dst).reshape(256, 256)
