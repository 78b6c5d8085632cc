"""Exercise 03.decode_word: the number that a word of bits stands for."""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np

from utils.numerics import formats

from ...compare import exact
from ...exercise import Case, Exercise, Misconception
from .words import word_value


def _word_with_fractions(word: int, exp_bits: int, man_bits: int) -> float:
    """Cuts the binary text and adds up the mantissa's places."""
    text = f"{word:0{1 + exp_bits + man_bits}b}"
    if word < 0 or len(text) > 1 + exp_bits + man_bits:
        raise ValueError("too long")
    field, places = int(text[1 : 1 + exp_bits], 2), text[1 + exp_bits :]
    fraction = sum(2.0**-i for i, bit in enumerate(places, 1) if bit == "1")
    bias = 2 ** (exp_bits - 1) - 1
    if "0" not in text[1 : 1 + exp_bits]:
        value = float("nan") if fraction else float("inf")
    else:
        value = 2.0 ** (field - bias) * (1 + fraction) if field else 2.0 ** (1 - bias) * fraction
    return math.copysign(value, -1) if text[0] == "1" else value


@cache
def _table(exp_bits: int, man_bits: int) -> list[float]:
    return formats.decode(np.arange(2 ** (1 + exp_bits + man_bits)),
                          formats.FloatFormat("custom", exp_bits, man_bits)).tolist()


def _word_from_a_table(word: int, exp_bits: int, man_bits: int) -> float:
    """The reference: a table of all values where the format is small, one decoded word otherwise."""
    bits = 1 + exp_bits + man_bits
    return _table(exp_bits, man_bits)[word] if bits <= 16 and 0 <= word < 2**bits \
        else formats.decode_word(word, exp_bits, man_bits)


def _draw_word(rng: np.random.Generator) -> Case:
    exp_bits, man_bits = int(rng.integers(2, 12)), int(rng.integers(1, 53))
    mantissa = int(rng.integers(0, 2**man_bits))
    exponent = int(rng.choice([0, 2**exp_bits - 1, rng.integers(0, 2**exp_bits)], p=[0.25, 0.15, 0.6]))
    mantissa = 0 if rng.random() < 0.2 else mantissa
    word = (int(rng.integers(2)) << exp_bits | exponent) << man_bits | mantissa
    return Case(word, exp_bits, man_bits, label=f"decode_word(0x{word:X}, {exp_bits}, {man_bits})")


def _words(*rows: tuple[int, int, int]) -> list[Case]:
    return [Case(*row, label=f"decode_word(0x{row[0]:04X}, {row[1]}, {row[2]})") for row in rows]


decode_word = Exercise(
    id="03.decode_word", points=3, difficulty=2, minutes=15, idea="five kinds of value in one word",
    reference=_word_from_a_table,
    cases=_words((0x3555, 5, 10), (0x0001, 5, 10), (0x8000, 5, 10), (0xFC00, 5, 10), (0x7E00, 5, 10)),
    hidden=[
        Case(probe="ch03_fp32_fp16_int8.all_words", exp_bits=5, man_bits=10, label="all 65,536 words of 5/10 (FP16)"),
        Case(probe="ch03_fp32_fp16_int8.all_words", exp_bits=8, man_bits=7, label="all 65,536 words of 8/7 (BF16)"),
        *_words((0x3F800000, 8, 23), (0x80000001, 8, 23), (0xFF, 4, 3), (0x3FF0000000000001, 11, 52)),
    ],
    draw=_draw_word, draws=60,
    raises=[Case(1 << 16, 5, 10, label="decode_word(0x10000, 5, 10)  17 bits"), Case(-1, 5, 10), Case(256, 4, 3)],
    compare=exact(signed_zero=True), time_limit_s=8,
    misconceptions=[
        Misconception(
            "hidden_one", partial(word_value, hidden=True, low=0, zero_first=False),
            "The hidden one belongs to exponent fields from 1 on. Field 0 has none: its number is the mantissa alone. "
            "Look at 0x0001.",
            "Subnormals got a hidden one.",
            also=(partial(word_value, hidden=True, low=0), partial(word_value, hidden=True),
                  partial(word_value, hidden=True, zero_first=False))),
        Misconception(
            "low_exponent", partial(word_value, low=0),
            "Subnormals share the exponent of the smallest normal numbers, field 1. That way the grid goes on without "
            "a gap. Yours are half as large as they should be.",
            "The subnormals' exponent is one too low."),
        Misconception(
            "no_nan", partial(word_value, nan=False),
            "The all-ones exponent is infinity only if the mantissa is 0. Any other mantissa there means NaN.",
            "NaN became infinity."),
        Misconception(
            "numbers_only", partial(word_value, numbers_only=True),
            "The all-ones exponent is not a number. It means infinity (mantissa 0) or NaN (any other mantissa).",
            "Infinity and NaN became numbers."),
        Misconception(
            "unsigned_zero", partial(word_value, signed_zero=False),
            "0x8000 is −0.0, a value of its own: 1 / −0.0 is −infinity in IEEE arithmetic. Apply the sign to zero too.",
            "The sign of zero was lost."),
        Misconception(
            "bias", partial(word_value, bias_off=1),
            "The bias is 2^(exp_bits − 1) − 1. With 5 exponent bits it is 15, and the word of 1.0 is 0x3C00, with the "
            "field 15.",
            "The bias is off by one."),
        Misconception(
            "fields_swapped", partial(word_value, swap=True),
            "From the top bit down a word is sign, exponent, mantissa. The mantissa is the low end of the word.",
            "Exponent and mantissa are swapped."),
    ],
    alternatives=[word_value, _word_with_fractions],
    hints=(
        "`word >> man_bits` leaves sign and exponent, and `& (2**n − 1)` keeps the lowest n bits.",
        "Exponent field 0: mantissa / 2^man_bits × 2^(1 − bias). All ones: infinity or NaN. Otherwise: "
        "(1 + mantissa / 2^man_bits) × 2^(field − bias).",
        "`sign * 0.0` with sign = −1.0 gives −0.0. `math.inf` and `math.nan` are Python's infinity and NaN.",
    ),
    worth_knowing="Your function now reads FP64, FP32, FP16, BF16 (8/7), FP8 E5M2, and TF32 (8/10), which GPUs use inside "
                  "matrix products. Only the two lengths differ.",
)
