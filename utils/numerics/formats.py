"""Binary floating-point formats: words to values and back, exactly and with one rounding.

A word is the integer that holds a format's bits: sign, exponent, mantissa from the top. All arithmetic on
values is float64, which holds every value of every format here exactly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ldexp
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Rounding = Literal["rne", "rtz", "stochastic"]
Kind = Literal["zero", "subnormal", "normal", "inf", "nan"]


@dataclass(frozen=True)
class FloatFormat:
    """A format of 1 sign, `exp_bits` exponent and `man_bits` mantissa bits.

    `special` says what the all-ones exponent means: "ieee" infinities and NaN, "fn" numbers except for one
    NaN with all mantissa bits set (OCP E4M3), "none" numbers only (OCP E2M1).
    Raises ValueError unless 2 <= exp_bits <= 11 and 1 <= man_bits <= 52 (float64 holds all values).
    """

    name: str
    exp_bits: int
    man_bits: int
    special: Literal["ieee", "fn", "none"] = "ieee"

    def __post_init__(self) -> None:
        if not 2 <= self.exp_bits <= 11:
            raise ValueError(f"exp_bits must be >= 2 and <= 11, got {self.exp_bits}")
        if not 1 <= self.man_bits <= 52:
            raise ValueError(f"man_bits must be >= 1 and <= 52, got {self.man_bits}")
        if self.special not in ("ieee", "fn", "none"):
            raise ValueError(f'special must be "ieee", "fn" or "none", got {self.special!r}')

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def storage_bits(self) -> int:
        """Bits that an element takes in memory: the next power of two (TF32's 19 bits sit in 32)."""
        return 1 << (self.bits - 1).bit_length()

    @property
    def bias(self) -> int:
        """What is subtracted from the exponent field: 2^(exp_bits - 1) - 1."""
        return 2 ** (self.exp_bits - 1) - 1

    @property
    def max_word(self) -> int:
        """Word of the largest finite value."""
        all_ones = 2 ** (self.exp_bits + self.man_bits) - 1
        return {"ieee": all_ones - 2**self.man_bits, "fn": all_ones - 1, "none": all_ones}[self.special]

    @property
    def inf_word(self) -> int | None:
        """Word of +infinity, None where there is none."""
        return self.max_word + 1 if self.special == "ieee" else None

    @property
    def nan_word(self) -> int | None:
        """Word of a quiet NaN, None where there is none."""
        if self.special == "ieee":
            return self.max_word + 1 + 2 ** (self.man_bits - 1)
        return self.max_word + 1 if self.special == "fn" else None

    @property
    def max_finite(self) -> float:
        """Largest finite value."""
        exponent, mantissa = divmod(self.max_word, 2**self.man_bits)
        return ldexp(2**self.man_bits + mantissa, exponent - self.bias - self.man_bits)

    @property
    def min_normal(self) -> float:
        """Smallest positive value with a hidden one."""
        return ldexp(1.0, 1 - self.bias)

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value; also the step of all subnormals."""
        return ldexp(1.0, 1 - self.bias - self.man_bits)

    @property
    def eps(self) -> float:
        """Distance from 1.0 to the next larger value: 2^-man_bits, twice the unit roundoff."""
        return ldexp(1.0, -self.man_bits)

    @property
    def max_consecutive_int(self) -> int:
        """Largest n such that 0, 1, ..., n are all values of the format: 2^(man_bits + 1) where the range allows."""
        return int(min(2 ** (self.man_bits + 1), self.max_finite))

    @property
    def n_finite(self) -> int:
        """Number of finite words; the two zeros are two words."""
        return 2 * (self.max_word + 1)


FP32 = FloatFormat("FP32", 8, 23)
TF32 = FloatFormat("TF32", 8, 10)
FP16 = FloatFormat("FP16", 5, 10)
BF16 = FloatFormat("BF16", 8, 7)
E5M2 = FloatFormat("E5M2", 5, 2)
E4M3 = FloatFormat("E4M3", 4, 3, "fn")  # OCP 8-bit Floating Point Specification 1.0, 2023
E2M1 = FloatFormat("E2M1", 2, 1, "none")  # OCP Microscaling Formats 1.0, 2023

FORMATS: dict[str, FloatFormat] = {f.name.lower(): f for f in (FP32, TF32, FP16, BF16, E5M2, E4M3, E2M1)}


def _parts(bits: ArrayLike, fmt: FloatFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(sign, exponent field, mantissa field) as int64 arrays of the words' shape."""
    words = np.asarray(bits)
    if words.dtype.kind not in "iuO":
        raise TypeError(f"bits must be integers, got {words.dtype}")
    if words.size and (words.min() < 0 or words.max() >= 2**fmt.bits):
        raise ValueError(f"bits out of range for {fmt.name}: words must be in [0, 2^{fmt.bits}), "
                         f"got {words.min()} to {words.max()}")
    words = words.astype(np.uint64)
    cut = [words >> (fmt.bits - 1), words >> fmt.man_bits & (2**fmt.exp_bits - 1), words & (2**fmt.man_bits - 1)]
    sign, exponent, mantissa = (part.astype(np.int64) for part in cut)
    return sign, exponent, mantissa


def decode(bits: ArrayLike, fmt: FloatFormat) -> np.ndarray:
    """Values of words as a float64 array of the same shape.

    Raises TypeError for words that are not integers, ValueError "bits out of range" for words beyond the format.

    >>> float(decode(0x3555, FP16)), float(decode(0x0001, FP16)), float(decode(0x7E, E4M3))
    (0.333251953125, 5.960464477539063e-08, 448.0)
    """
    sign, exponent, mantissa = _parts(bits, fmt)
    hidden = np.where(exponent > 0, 2**fmt.man_bits, 0)
    significand = (hidden + mantissa).astype(np.float64)
    with np.errstate(over="ignore"):  # FP64's all-ones exponent, replaced below
        magnitude = np.ldexp(significand, np.maximum(exponent, 1) - fmt.bias - fmt.man_bits)
    if fmt.special != "none":
        word = (exponent << fmt.man_bits) + mantissa
        magnitude = np.where(word > fmt.max_word, np.nan, magnitude)
        if fmt.inf_word is not None:
            magnitude = np.where(word == fmt.inf_word, np.inf, magnitude)
    return np.asarray(np.where(sign == 1, -magnitude, magnitude))


def binade(magnitude: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Exponent e of the grid at finite magnitudes: floor(log2), but never below that of min_normal."""
    _, exponent = np.frexp(magnitude)  # magnitude = f * 2^exponent with f in [0.5, 1)
    least = 1 - fmt.bias
    return np.where(magnitude > 0, np.maximum(exponent - 1, least), least)


def _magnitude_words(magnitude: np.ndarray, fmt: FloatFormat, rounding: Rounding,
                     rng: np.random.Generator | None) -> np.ndarray:
    """Words of finite magnitudes, rounded as if the exponent field had no end: int64, may exceed fmt.max_word."""
    e = binade(magnitude, fmt)
    steps = np.ldexp(magnitude, fmt.man_bits - e)  # exact: in units of the last place, below 2^(man_bits + 1)
    if rounding == "rne":
        steps = np.rint(steps)
    elif rounding == "rtz":
        steps = np.floor(steps)
    elif rounding == "stochastic":
        if rng is None:
            raise ValueError("rng must be given: stochastic rounding needs rng, got None")
        steps = np.floor(steps) + (rng.random(steps.shape) < steps - np.floor(steps))
    else:
        raise ValueError(f'rounding must be "rne", "rtz" or "stochastic", got {rounding!r}')
    # A normal significand brings its hidden one along, which adds 1 to the exponent field; so does a carry.
    return ((e + fmt.bias - 1).astype(np.int64) << fmt.man_bits) + steps.astype(np.int64)


def encode(x: ArrayLike, fmt: FloatFormat, rounding: Rounding = "rne", saturate: bool = False,
           rng: np.random.Generator | None = None) -> np.ndarray:
    """Words of the values `x`, as a uint32 array of the same shape, rounded once from float64.

    "rne" rounds to nearest, ties to the even word, "rtz" toward zero, "stochastic" away from zero with a
    probability equal to the discarded fraction. Too large a value becomes infinity (NaN in an "fn" format);
    with `saturate` it becomes the largest finite value, infinity too, as always in a format without specials.
    "rtz" never reaches infinity from a finite value (IEEE 754-2019, 7.4). NaN becomes a quiet NaN; signs stay.
    Raises ValueError for a NaN that the format cannot hold, a format above 32 bits, stochastic rounding
    without `rng`.

    >>> [hex(w) for w in encode([1.0, -0.0, 65519.0, 65520.0], FP16)]
    ['0x3c00', '0x8000', '0x7bff', '0x7c00']
    """
    if fmt.bits > 32:
        raise ValueError(f"fmt must have at most 32 bits, got {fmt.bits}")
    x = np.asarray(x, dtype=np.float64)
    nan, finite = np.isnan(x), np.isfinite(x)
    if fmt.nan_word is None and nan.any():
        raise ValueError(f"x must not hold NaN, which {fmt.name} lacks, got {np.count_nonzero(nan)} of them")
    words = _magnitude_words(np.where(finite, np.abs(x), 0.0), fmt, rounding, rng)
    if rounding == "rtz":
        words = np.minimum(words, fmt.max_word)
    clip = saturate or fmt.special == "none"
    overflow = fmt.max_word if clip else fmt.max_word + 1  # infinity, or the NaN of "fn"
    words = np.where((words > fmt.max_word) | ~finite, overflow, words)
    if fmt.nan_word is not None:
        words = np.where(nan, fmt.nan_word, words)
    return np.asarray(words + (np.signbit(x).astype(np.int64) << (fmt.bits - 1))).astype(np.uint32)


def round_to_format(x: ArrayLike, fmt: FloatFormat, **kw: Any) -> np.ndarray:
    """The values of `fmt` that `x` is rounded to, as float64; keywords as for `encode`."""
    return decode(encode(x, fmt, **kw), fmt)


def overflows(x: ArrayLike, fmt: FloatFormat) -> np.ndarray:
    """True where rounding to nearest leads beyond the largest finite value, infinities included; False for NaN."""
    magnitude = np.abs(np.asarray(x, dtype=np.float64))
    finite = np.isfinite(magnitude)
    words = _magnitude_words(np.where(finite, magnitude, 0.0), fmt, "rne", None)
    return np.asarray((words > fmt.max_word) | np.isinf(magnitude))


def spacing(x: ArrayLike, fmt: FloatFormat) -> np.ndarray:
    """Distance (ulp) between the values of `fmt` around |x|: min_subnormal near 0, inf beyond max_finite.

    `x` need not be a value of the format; at a power of two it is the step upward. NaN gives NaN.

    >>> float(spacing(1.0, FP16)), float(spacing(2048.0, FP16))
    (0.0009765625, 2.0)
    """
    magnitude = np.abs(np.asarray(x, dtype=np.float64))
    inside = magnitude <= fmt.max_finite
    step = np.ldexp(1.0, binade(np.where(inside, magnitude, 0.0), fmt) - fmt.man_bits)
    return np.asarray(np.where(inside, step, np.where(np.isnan(magnitude), np.nan, np.inf)))


@dataclass(frozen=True)
class BitFields:
    """One word taken apart: its bits as text, what kind of value it is, and the value."""

    sign: str
    exponent: str
    mantissa: str
    kind: Kind
    value: float

    def as_dict(self) -> dict[str, str | float]:
        """The fields as a plain dict."""
        return asdict(self)


def fields(bits: int, fmt: FloatFormat) -> BitFields:
    """The sign, exponent and mantissa bits of one word, its kind and value; ValueError as `decode`.

    >>> fields(0x4049, BF16)
    BitFields(sign='0', exponent='10000000', mantissa='1001001', kind='normal', value=3.140625)
    """
    sign, exponent, mantissa = (int(part) for part in _parts(bits, fmt))
    value = float(decode(bits, fmt))
    kind: Kind = "normal" if exponent else "subnormal" if mantissa else "zero"
    if not np.isfinite(value):
        kind = "nan" if np.isnan(value) else "inf"
    return BitFields(f"{sign}", f"{exponent:0{fmt.exp_bits}b}", f"{mantissa:0{fmt.man_bits}b}", kind, value)


def all_values(fmt: FloatFormat) -> np.ndarray:
    """All distinct finite values in ascending order; ValueError "too many values" above 16 bits.

    >>> all_values(E2M1)[-4:]
    array([2., 3., 4., 6.])
    """
    if fmt.bits > 16:
        raise ValueError(f"fmt must have at most 16 bits, {fmt.name} has too many values, got {fmt.bits} bits")
    magnitudes = decode(np.arange(fmt.max_word + 1), fmt)  # ascending, from +0
    return np.concatenate([-magnitudes[:0:-1], magnitudes])


def format_limits(exp_bits: int, man_bits: int) -> dict[str, float]:
    """max_finite, min_normal, min_subnormal and eps of an IEEE-style format; ValueError as FloatFormat.

    >>> format_limits(5, 10)["max_finite"]
    65504.0
    """
    fmt = FloatFormat("custom", exp_bits, man_bits)
    return {key: getattr(fmt, key) for key in ("max_finite", "min_normal", "min_subnormal", "eps")}


def decode_word(word: int, exp_bits: int, man_bits: int) -> float:
    """Value of one word of an IEEE-style format; ValueError unless 0 <= word < 2^(1 + exp_bits + man_bits).

    >>> decode_word(0x3555, 5, 10)
    0.333251953125
    """
    return float(decode(word, FloatFormat("custom", exp_bits, man_bits)))
