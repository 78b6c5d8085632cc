"""A word of bits read as a number: the yardstick of 03.decode_word, which 03.format_limits uses as well."""

from __future__ import annotations

import math


def word_value(word: int, exp_bits: int, man_bits: int, *, hidden: bool = False, low: int = 1, nan: bool = True,
               numbers_only: bool = False, signed_zero: bool = True, zero_first: bool = True, bias_off: int = 0,
               swap: bool = False) -> float:
    """A word's value with one mistake; with its defaults it is right (an independent formulation)."""
    if not 0 <= word < 1 << (1 + exp_bits + man_bits):
        raise ValueError("no word of this format")
    sign = -1.0 if word >> (exp_bits + man_bits) else 1.0
    exponent, mantissa = word >> man_bits & (1 << exp_bits) - 1, word & (1 << man_bits) - 1
    if swap:
        mantissa, exponent = word >> exp_bits & (1 << man_bits) - 1, word & (1 << exp_bits) - 1
    bias = (1 << (exp_bits - 1)) - 1 + bias_off
    if exponent == mantissa == 0 and zero_first:
        return sign * 0.0 if signed_zero else 0.0
    if exponent == (1 << exp_bits) - 1 and not numbers_only:
        return math.nan if mantissa and nan else sign * math.inf
    if exponent == 0:
        return sign * math.ldexp(mantissa + (hidden << man_bits), low - bias - man_bits)
    return sign * math.ldexp(mantissa + (1 << man_bits), exponent - bias - man_bits)
