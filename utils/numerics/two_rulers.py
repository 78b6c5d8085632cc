"""One number on three rulers: its FP32 word, and what bfloat16 and float16 keep of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from utils.numerics.formats import BF16, FP16, FP32, FloatFormat, decode, encode, overflows, spacing
from utils.numerics.precision import precision_winner

Decision = Literal["exact", "down", "up", "tie to even: down", "tie to even: up", "overflow"]


@dataclass(frozen=True)
class RoundingDecision:
    """What falls off when an FP32 word is narrowed, and what nearest-even makes of it.

    `dropped` is the number of low bits of the significand that fall off (more than 24: all of them and zeros
    above); guard, round and sticky are the first, the second and the OR of the other dropped bits.
    """

    dropped: int
    guard: int
    round: int
    sticky: int
    decision: Decision

    def as_dict(self) -> dict[str, int | str]:
        """The fields as a plain dict."""
        return asdict(self)


def rounding_decision(word32: int, fmt: FloatFormat) -> RoundingDecision:
    """How nearest-even decides when the normal FP32 word `word32` is narrowed to `fmt` (at most 23 mantissa bits).

    Raises ValueError unless the word is a normal number.

    >>> rounding_decision(0x3F818000, BF16)
    RoundingDecision(dropped=16, guard=1, round=0, sticky=0, decision='tie to even: up')
    """
    e = word32 >> 23 & 0xFF
    if not 0 < e < 255:
        raise ValueError(f"word32 must be a normal FP32 number, got 0x{word32:08X}")
    significand = (word32 & 0x7F_FFFF) | 0x80_0000  # 24 bits
    missing = max(0, 1 - fmt.bias - (e - 127))  # places below min_normal
    dropped = 23 - fmt.man_bits + missing
    rest = significand & ((1 << dropped) - 1)
    half = 1 << (dropped - 1) if dropped else 0
    guard, second = (significand >> (dropped - i) & 1 if dropped >= i else 0 for i in (1, 2))
    sticky = int(dropped > 2 and rest & ((1 << (dropped - 2)) - 1) > 0)
    kept = significand >> dropped
    if overflows(decode(word32, FP32), fmt):
        decision: Decision = "overflow"
    elif rest == 0:
        decision = "exact"
    elif rest == half:
        decision = "tie to even: up" if kept & 1 else "tie to even: down"
    else:
        decision = "up" if rest > half else "down"
    return RoundingDecision(dropped, guard, second, sticky, decision)


def two_rulers_state(log2_x: float) -> dict[str, Any]:
    """Everything that the two rulers show at x = 2^log2_x, rounded to FP32 first.

    Keys: x; words, values, ulps, relative_errors (each a dict by "fp32", "bf16", "fp16"; an infinite value has
    an infinite error, an ulp beyond the largest number is inf); error_units, the relative errors of bf16 in
    units of 2^-8 and of fp16 in 2^-11, their unit roundoffs; decisions by "bf16" and "fp16" (RoundingDecision
    as dicts); exponents, the exponent fields of the FP32 word and, re-biased by -112, of FP16 (below 1:
    subnormal, above 30: overflow); winner. Raises ValueError unless -126 <= log2_x < 128.

    >>> state = two_rulers_state(0.0)
    >>> state["words"], state["winner"]
    ({'fp32': 1065353216, 'bf16': 16256, 'fp16': 15360}, 'tie')
    """
    if not -126 <= log2_x < 128:
        raise ValueError(f"log2_x must be in [-126, 128), got {log2_x}")
    word32 = int(encode(2.0**log2_x, FP32, saturate=True))
    x = float(decode(word32, FP32))
    formats = {"fp32": FP32, "bf16": BF16, "fp16": FP16}
    words = {name: int(encode(x, fmt)) for name, fmt in formats.items()}
    values = {name: float(decode(words[name], fmt)) for name, fmt in formats.items()}
    errors = {name: value / x - 1 for name, value in values.items()}
    return {
        "x": x,
        "words": words,
        "values": values,
        "ulps": {name: float(spacing(x, fmt)) for name, fmt in formats.items()},
        "relative_errors": errors,
        "error_units": {"bf16": errors["bf16"] * 2**8, "fp16": errors["fp16"] * 2**11},
        "decisions": {name: rounding_decision(word32, formats[name]).as_dict() for name in ("bf16", "fp16")},
        "exponents": {"fp32": word32 >> 23, "fp16": (word32 >> 23) - 112},
        "winner": precision_winner(x),
    }
