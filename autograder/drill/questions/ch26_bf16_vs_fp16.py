"""Drill questions of chapter 26: bfloat16 versus float16."""

from __future__ import annotations

import math
import struct

from ..question import Choice, Numeric, Open


def _bf16(word: int) -> int:
    """FP32 word to BF16 word, ties to even (numbers only)."""
    keep, rest = word >> 16, word & 0xFFFF
    return keep + (rest > 0x8000 or (rest == 0x8000 and keep & 1))


def _word(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _draw_integer_limit(rng):
    name, bits = (("FP16", 11), ("BF16", 8), ("FP32", 24), ("TF32", 11), ("FP8 E4M3", 4), ("FP8 E5M2", 3), ("FP6 E3M2", 3),
                  ("FP4 E2M1", 2))[int(rng.integers(8))]
    return {"name": name, "bits": bits, "stored": bits - 1}


def _draw_update(rng):
    exponent = int(rng.integers(-3, 9))
    fraction = int(rng.integers(0, 8)) * 16  # an even fraction: a tie rounds back down
    return {"w": (1 + fraction / 128) * 2.0**exponent, "ulp": 2.0 ** (exponent - 7), "exponent": exponent, "step": exponent - 7}


def _draw_gradient(rng):
    return {"g": float(f"{rng.uniform(1, 9.9):.2f}e-{int(rng.integers(6, 9))}")}


def _scale(v):
    return 2.0 ** math.ceil(math.log2(2.0**-14 / v["g"]))


def _draw_word(rng):
    """Ties, and words above them: below a tie truncation gives the same."""
    while True:
        word = _word(float(rng.uniform(0.5, 200)))
        if rng.random() < 0.4:
            word = (word & 0xFFFF0000) | 0x8000
        if word & 0x8000:
            return {"word": word, "hex": f"0x{word:08X}"}


QUESTIONS = [
    Numeric(
        "26.integers", 1, "Which is the largest n such that {name} holds every integer from 0 to n? "
        "(Fraction bits that {name} stores: {stored}.)",
        _draw_integer_limit, lambda v: 2.0 ** v["bits"],
        "{bits} significant bits (the stored {stored} and the hidden one) hold every integer up to 2^{bits} = {answer}.",
        traps=((lambda v: 2.0 ** (v["bits"] - 1), "That forgets the hidden one: the significand has one bit more than is stored."),
               (lambda v: 2.0 ** v["bits"] - 1, "2^p itself is a power of two, so it is held as well; the first gap comes after it."))),
    Numeric(
        "26.update", 2, "A BF16 weight is {w}. Which upward update is the smallest that could move it? Give the bound: an "
        "update has to be larger than this (round to nearest even; the last fraction bit is 0).",
        _draw_update, lambda v: v["ulp"] / 2,
        "From 2^{exponent} to the next power of two BF16 steps by 2^({exponent} − 7). An update of half a step above {w}, 2^{step} / 2 = {answer}, is a tie "
        "and rounds back to the even word; more moves it.",
        rtol=1e-3, traps=((lambda v: v["ulp"], "That is the whole step. Rounding to nearest already moves at half of it."),
                          (lambda v: v["ulp"] / 16, "That is half a step of FP16, whose steps are 8 times finer."))),
    Numeric(
        "26.loss_scale", 2, "A gradient has magnitude {g}. Which is the smallest power of two as loss scale that makes it a normal "
        "FP16 number?",
        _draw_gradient, _scale,
        "FP16's smallest normal is 2^-14 = 6.1e-5. The scale must be at least 6.1e-5 / {g}, and the next power of two is {answer}.",
        traps=((lambda v: 2.0 ** math.ceil(math.log2(2.0**-24 / v["g"])), "That only lifts it to the smallest subnormal, 2^-24, "
                "where one bit of precision is left."),
               (lambda v: _scale(v) / 2, "That is a factor 2 too small: the product is still below 2^-14."))),
    Numeric(
        "26.round_word", 3, "Round the FP32 word {hex} to BF16, to nearest even. Answer with the word in hexadecimal.",
        _draw_word, lambda v: _bf16(v["word"]),
        "The upper half is kept; the lower half, compared with 0x8000, decides (a tie goes to the even word): {answer}.",
        hexadecimal=True, traps=((lambda v: v["word"] >> 16, "That is truncation. Look at the lower half first."),
                                 (lambda v: (v["word"] + 0x8000) >> 16, "Ties go to the even word, not always up."))),
    Choice(
        "26.lossy", 1, "Which of these conversions can lose information?", "FP32 to BF16",
        (("FP16 to FP32", "Every FP16 number, subnormals included, is an FP32 number."),
         ("BF16 to FP32", "Widening BF16 appends 16 zero bits. Nothing is lost."),
         ("All of them", "Widening never loses anything; only narrowing rounds.")),
        "Narrowing rounds away 16 bits. Widening to FP32 is exact for both 16-bit formats."),
    Choice(
        "26.nan_after_export", 2, "A model trained in BF16 gives NaN after conversion to FP16. What is the likeliest cause?",
        "A weight, an activation or an intermediate sum is above 65504",
        (("FP16's fraction is too long", "A longer fraction is finer. It cannot make a NaN."),
         ("FP16 has no NaN handling", "It has infinities and NaN like FP32. The question is where the first infinity came from."),
         ("The loss scale is missing at inference", "Loss scaling lifts gradients. Inference has none.")),
        "BF16 reaches 3.4e38, FP16 65504. Past that comes infinity, and ∞ − ∞ or ∞ × 0 is NaN."),
    Choice(
        "26.stall", 2, "Training with BF16 weights and no FP32 copy stalls although the gradients are fine. Why?",
        "Updates below half a step of the weight round away",
        (("The gradients underflow", "BF16 has FP32's exponent range. Gradients of 1e-30 are held."),
         ("The exponent overflows", "The range reaches 3.4e38; weights near 1 are far from it."),
         ("The hardware has no BF16 adder", "Then it would be slow, not stuck.")),
        "At w = 1 the step is 2^-7. An update below half of that leaves the weight as it was, every time."),
    Open(
        "26.migrate", 3, "You move a training job from V100 (FP16) to H100 (BF16). What do you change, and what do you check?",
        ("Drop the loss scaler", "Keep FP32 master weights and optimizer states", "Keep reductions in FP32",
         "Check the export dtype: FP16 inference overflows above 65504", "Compare loss curves under one seed"),
        "BF16 has FP32's range, so the loss scaler goes. It has 8 significant bits, so master weights, optimizer states and "
        "reductions stay in FP32. If the model is served in FP16, look for values above 65504. Then compare both loss curves."),
]
