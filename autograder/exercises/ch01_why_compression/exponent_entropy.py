"""Exercise 01.exponent_entropy: how many bits the exponents of weights really need."""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import log, log2

import numpy as np

from utils.compression import feasibility
from utils.numerics.half import bf16_from_f32_bits

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _entropy(counts: np.ndarray, base: float = 2) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-np.sum(p * np.log(p)) / np.log(base)) + 0.0


def _bf16_words(values: np.ndarray) -> np.ndarray:
    return bf16_from_f32_bits(np.array(values, np.float32).ravel().view(np.uint32))


def _fields(w: np.ndarray, *, shift: int = 7, mask: int = 0xFF, base: float = 2, half: bool = False,
            checks: bool = True, zeros: bool = True) -> float:
    """The entropy with one mistake; with its defaults it is right."""
    if checks and np.size(w) == 0:
        raise ValueError("w must not be empty")
    values = np.asarray(w, np.float32).ravel()
    if not zeros:
        values = values[values != 0]
    with np.errstate(over="ignore"):
        words = values.astype(np.float16).view(np.uint16) if half else _bf16_words(values)
    return _entropy(np.bincount((words >> shift) & mask), base)


def _truncated(w: np.ndarray, checks: bool = True, shift: int = 23) -> float:
    if checks and np.size(w) == 0:
        raise ValueError("empty")
    fields = (np.ascontiguousarray(w, np.float32).view(np.uint32).ravel() >> shift) & 0xFF
    return _entropy(np.bincount(fields))


def _by_logarithm(w: np.ndarray, checks: bool = True, floor: bool = False) -> float:
    if checks and np.size(w) == 0:
        raise ValueError("empty")
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log2(np.abs(np.asarray(w, np.float64).ravel()))
        fields = (np.floor(logs) if floor else np.trunc(logs))
    return _entropy(np.unique(fields, return_counts=True)[1])


def _log_as_integer(w: np.ndarray, checks: bool = True) -> float:
    if checks and np.size(w) == 0:
        raise ValueError("empty")
    with np.errstate(divide="ignore", invalid="ignore"):
        fields = np.log2(np.abs(w)).astype(int)
    return _entropy(np.unique(fields, return_counts=True)[1])


def _distinct(w: np.ndarray, checks: bool = True) -> float:
    if checks and np.size(w) == 0:
        raise ValueError("empty")
    return log2(len(np.unique((_bf16_words(w) >> 7) & 0xFF)))


def _frexp(w: np.ndarray) -> float:
    """Exponents by frexp after rounding to 8 significant bits, zeros kept apart."""
    values = np.asarray(w, dtype=np.float64).ravel()
    if len(values) == 0:
        raise ValueError("empty")
    mantissa, exponent = np.frexp(values)
    mantissa, carried = np.frexp(np.rint(mantissa * 256) / 256)  # rint: ties to even
    found = Counter(int(e) if m else None for m, e in zip(mantissa, exponent + carried))
    return -sum(n / len(values) * log2(n / len(values)) for n in found.values()) + 0.0


def _by_torch(w: np.ndarray) -> float:
    import torch

    if np.asarray(w).size == 0:
        raise ValueError("empty")
    words = torch.from_numpy(np.array(w, np.float32)).flatten().to(torch.bfloat16).view(torch.int16)
    counts = torch.bincount((words.to(torch.int64) >> 7) & 255).double()
    p = counts[counts > 0] / counts.sum()
    return float(-(p * p.log2()).sum()) + 0.0


def _by_integers(w: np.ndarray) -> float:
    """The rounding in integer arithmetic, one word after the other."""
    words = np.ravel(w).astype(np.float32).view(np.uint32).tolist()
    if not words:
        raise ValueError("empty")
    rounded = [(u + 0x7FFF + (u >> 16 & 1)) >> 23 & 0xFF for u in words]
    return sum(-c / len(words) * log(c / len(words), 2) for c in Counter(rounded).values()) + 0.0


def _draw(rng: np.random.Generator) -> Case:
    """Weights of some scale with values that round up to a power of two, zeros, and both signs."""
    n = int(rng.integers(1, 40))
    w = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)
    carries = rng.random(n) < 0.25
    w = np.where(carries, np.sign(w) * 2.0 ** rng.integers(-5, 5, n) * (1 - 2.0**-12), w)
    w = np.where(rng.random(n) < 0.15, 0.0, w).astype(np.float32)
    return Case(w.reshape(2, -1) if n % 2 == 0 and rng.random() < 0.5 else w)


def _short(value) -> str:
    """An array in a table of cases: a few values in full."""
    if isinstance(value, np.ndarray):
        shown = ", ".join(f"{v:.8g}" for v in value.ravel()[:6])
        return f"[{shown}{', …' if value.size > 6 else ''}]"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


NORMAL = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
exponent_entropy = Exercise(
    id="01.exponent_entropy", points=4, difficulty=3, minutes=15, idea="entropy is the size of a perfect code",
    reference=feasibility.exponent_entropy,
    cases=[Case(np.float32([1, 1.5, 2, 4])), Case(np.float32([0, 1.9999999, 2, -2])), Case(np.float32([0.5, 0.75, 0.3, 0.2]))],
    hidden=[
        Case(NORMAL, label="20,000 normal weights"), Case(NORMAL * np.float32(2), label="the same, times 2"),
        Case(NORMAL[:600].reshape(20, 30) * np.float32(0.02), label="a 20 × 30 matrix"), Case(np.float32([7])),
        Case(np.float32([0, 0, 0, 0])), Case(np.float32([1e30, 1e-30, 1, -1])),
        Case(np.float32([1.99609375, 1, 1, 2])),  # the tie between 1.9921875 and 2: to even, which is 2
        Case(np.float32([1.99609360, 1, 1, 2])), Case(np.float32([255.5, 255.4, 128, 256])),
        Case(np.float32([[[0.1, 0.2], [-0.1, 0.4]]])), Case(np.float32([-1, 1, -2, 2])),
    ],
    draw=_draw, draws=30,
    raises=[Case(np.zeros(0, np.float32)), Case(np.zeros((0, 4), np.float32))],
    compare=close(1e-7, 1e-9, dtype="any"),
    show=_short, pure=True,
    misconceptions=[
        Misconception(
            "truncates", _truncated,
            "You take the exponent of the float32. Rounding to bfloat16 can carry into the exponent: 1.9999999 becomes 2.",
            "Round first.",
            also=(partial(_truncated, checks=False), partial(_by_logarithm, floor=True),
                  partial(_by_logarithm, floor=True, checks=False))),
        Misconception(
            "integer_logarithm", _by_logarithm,
            "A logarithm that is cut toward zero puts 0.75 (−0.4) and 1.5 (0.6) into one bin. It knows neither the rounding to "
            "bfloat16 nor the field of a zero. Look at the bits instead.",
            "The logarithm is cut toward zero.",
            also=(partial(_by_logarithm, checks=False), _log_as_integer, partial(_log_as_integer, checks=False))),
        Misconception(
            "with_sign", partial(_fields, mask=0x1FF),
            "The sign is in your field. +2 and −2 have the same exponent: keep 8 bits.",
            "Exponent only, without the sign.", also=(partial(_fields, mask=0x1FF, checks=False),)),
        Misconception(
            "natural_logarithm", partial(_fields, base=np.e),
            "This entropy is in nats. For bits the logarithm has base 2.",
            "Bits need base 2.",
            also=(partial(_fields, base=np.e, checks=False), partial(_fields, base=10))),
        Misconception(
            "float16", partial(_fields, shift=10, mask=0x1F, half=True),
            "You round to float16, whose exponent has 5 bits. bfloat16 has 8, and 7 bits of mantissa.",
            "That is float16.",
            also=(partial(_fields, shift=10, mask=0x1F, half=True, checks=False),)),
        Misconception(
            "whole_word", partial(_fields, shift=0, mask=0xFFFF),
            "You count whole words. The mantissas are nearly random and hide what the exponents have in common.",
            "Only the exponent field counts.", also=(partial(_fields, shift=0, mask=0xFFFF, checks=False),)),
        Misconception(
            "wrong_bits", partial(_fields, shift=8),
            "Your field does not begin where the exponent does: it misses a bit of it or has one of the mantissa. The mantissa "
            "below it has 7 bits in bfloat16 and 23 in float32.",
            "These are other bits.",
            also=(partial(_fields, shift=8, checks=False), partial(_fields, shift=6), partial(_fields, shift=6, checks=False),
                  partial(_truncated, shift=24), partial(_truncated, shift=22))),
        Misconception(
            "counts_kinds", _distinct,
            "This counts how many different exponents there are. Entropy weighs each one with its share: a rare one costs little.",
            "Shares matter, not kinds.", also=(partial(_distinct, checks=False),)),
        Misconception(
            "drops_zeros", partial(_fields, zeros=False),
            "Zeros are left out. A zero has the exponent field 0 and takes its place in the stream like any other value.",
            "Zeros count.", also=(partial(_fields, zeros=False, checks=False),)),
    ],
    alternatives=[_fields, _frexp, _by_torch, _by_integers],
    hints=(
        "A bfloat16 is the upper half of a float32 word, after rounding. `w.ravel().view(np.uint32)` shows the words. "
        "Cutting off the lower half rounds toward zero, so add something before you cut.",
        "Round in integers: add 0x7FFF, and 1 more where bit 16 is set; then shift by 16. The exponent is bits 7 to 14 of what is left.",
        "Count the fields with `np.unique(…, return_counts=True)` and turn the counts into shares p. Each adds −p·log2(p).",
    ),
    worth_knowing="Gaussian weights of any scale need about 2.5 bits here, of 8 that are stored.",
)
