"""Exercises of chapter 03: FP32, FP16 and INT8."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from utils.numerics import formats, int8, noise

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

# --- 1. format_limits -------------------------------------------------------------------------


def _limits(exp_bits: int, man_bits: int, *, bias_off: int = 0, reserved: bool = True, full: bool = False,
            subnormals: bool = True, eps_off: int = 0, ldexp: Callable = math.ldexp) -> dict[str, float]:
    """The limits with one mistake; with its defaults they are right (an independent formulation)."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    bias = 2 ** (exp_bits - 1) - 1 + bias_off
    top = 2**exp_bits - (2 if reserved else 1) - bias
    largest = ldexp(1.0, top + 1) if full else ldexp(2.0 - 2.0**-man_bits, top)
    least = ldexp(1.0, 1 - bias)
    return {"max_finite": float(largest), "min_normal": float(least), "eps": 2.0 ** -(man_bits + eps_off),
            "min_subnormal": float(ldexp(1.0, 1 - bias - man_bits) if subnormals else least)}


def _numpy_ldexp(x: float, e: int) -> float:
    with np.errstate(all="ignore"):
        return float(np.ldexp(x, e))


def _limits_by_words(exp_bits: int, man_bits: int) -> dict[str, float]:
    """Builds the four words and reads them with exercise 2's rule."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    hidden = 1 << man_bits
    one = ((1 << (exp_bits - 1)) - 1) * hidden
    words = {"max_finite": (2**exp_bits - 1) * hidden - 1, "min_normal": hidden, "min_subnormal": 1}
    values = {name: _word(word, exp_bits, man_bits) for name, word in words.items()}
    return {**values, "eps": _word(one + 1, exp_bits, man_bits) - 1.0}


def _limits_by_halving(exp_bits: int, man_bits: int) -> dict[str, float]:
    """Walks down and up from 1.0 in steps of two."""
    if exp_bits < 2:
        raise ValueError("at least 2 exponent bits")
    least = eps = 1.0
    for _ in range(2 ** (exp_bits - 1) - 2):
        least /= 2
    for _ in range(man_bits):
        eps /= 2
    return {"max_finite": 2 / least * (2 - eps), "min_normal": least, "min_subnormal": least * eps, "eps": eps}


def _show_limits(value: Any) -> str:
    if not isinstance(value, dict):
        return brief(value)
    return ", ".join(f"{key} {value[key]:.6g}" for key in ("max_finite", "min_normal", "min_subnormal", "eps"))


format_limits = Exercise(
    id="03.format_limits", points=2, difficulty=1, minutes=10, idea="two lengths decide all four limits",
    reference=formats.format_limits,
    cases=[Case(5, 10), Case(8, 7), Case(4, 3)],
    hidden=[Case(8, 23), Case(11, 52), Case(5, 2), Case(2, 1), Case(8, 10), Case(2, 3), Case(3, 2)],
    draw=lambda rng: (int(rng.integers(2, 12)), int(rng.integers(1, 53))), draws=30,
    raises=[Case(1, 10), Case(0, 3)],
    compare=exact(), show=_show_limits,
    misconceptions=[
        Misconception(
            "bias", partial(_limits, bias_off=1),
            "The bias is one less than 2^(exp_bits − 1): 15 for 5 exponent bits, so that 1.0 has the field 01111. Your "
            "exponents are all one too low.",
            "The bias is off by one."),
        Misconception(
            "not_reserved", partial(_limits, reserved=False),
            "The all-ones exponent holds infinity and NaN. It is not available for numbers, so the largest exponent "
            "field of a number is one less.",
            "The top exponent was used for a number.", also=(partial(_limits, reserved=False, ldexp=_numpy_ldexp),)),
        Misconception(
            "two", partial(_limits, full=True),
            "The mantissa can come close to 2, but it can't reach it. With 10 mantissa bits the largest one is "
            "1.1111111111 in binary. How far is that from 2?",
            "The largest mantissa is below 2.", also=(partial(_limits, full=True, ldexp=_numpy_ldexp),)),
        Misconception(
            "no_subnormals", partial(_limits, subnormals=False),
            "Below the smallest normal number the exponent field is 0 and the hidden one is gone. What is the value "
            "when only the last mantissa bit is set?",
            "The numbers go on below the normal ones."),
        Misconception(
            "unit_roundoff", partial(_limits, eps_off=1),
            "Half a step is the largest *rounding error* at 1.0. `eps` is the whole step from 1.0 to the next number.",
            "This is half of eps."),
    ],
    alternatives=[_limits, _limits_by_words, _limits_by_halving],
    hints=(
        "The bias is 2^(exp_bits − 1) − 1. Exponent fields of numbers run from 1 to 2^exp_bits − 2; subtract the bias.",
        "The largest mantissa is 2 − 2^(−man_bits). Subnormals are multiples of the smallest normal number times "
        "2^(−man_bits).",
    ),
    worth_knowing="OCP's E4M3 uses the top exponent for numbers after all, which lifts its maximum from 240 to 448.",
)


# --- 2. decode_word ---------------------------------------------------------------------------


def _word(word: int, exp_bits: int, man_bits: int, *, hidden: bool = False, low: int = 1, nan: bool = True,
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
            "hidden_one", partial(_word, hidden=True, low=0, zero_first=False),
            "The hidden one belongs to exponent fields from 1 on. Field 0 has none: its number is the mantissa alone. "
            "Look at 0x0001.",
            "Subnormals got a hidden one.",
            also=(partial(_word, hidden=True, low=0), partial(_word, hidden=True),
                  partial(_word, hidden=True, zero_first=False))),
        Misconception(
            "low_exponent", partial(_word, low=0),
            "Subnormals share the exponent of the smallest normal numbers, field 1. That way the grid goes on without "
            "a gap. Yours are half as large as they should be.",
            "The subnormals' exponent is one too low."),
        Misconception(
            "no_nan", partial(_word, nan=False),
            "The all-ones exponent is infinity only if the mantissa is 0. Any other mantissa there means NaN.",
            "NaN became infinity."),
        Misconception(
            "numbers_only", partial(_word, numbers_only=True),
            "The all-ones exponent is not a number. It means infinity (mantissa 0) or NaN (any other mantissa).",
            "Infinity and NaN became numbers."),
        Misconception(
            "unsigned_zero", partial(_word, signed_zero=False),
            "0x8000 is −0.0, a value of its own: 1 / −0.0 is −infinity in IEEE arithmetic. Apply the sign to zero too.",
            "The sign of zero was lost."),
        Misconception(
            "bias", partial(_word, bias_off=1),
            "The bias is 2^(exp_bits − 1) − 1. With 5 exponent bits it is 15, and the word of 1.0 is 0x3C00, with the "
            "field 15.",
            "The bias is off by one."),
        Misconception(
            "fields_swapped", partial(_word, swap=True),
            "From the top bit down a word is sign, exponent, mantissa. The mantissa is the low end of the word.",
            "Exponent and mantissa are swapped."),
    ],
    alternatives=[_word, _word_with_fractions],
    hints=(
        "`word >> man_bits` leaves sign and exponent, and `& (2**n − 1)` keeps the lowest n bits.",
        "Exponent field 0: mantissa / 2^man_bits × 2^(1 − bias). All ones: infinity or NaN. Otherwise: "
        "(1 + mantissa / 2^man_bits) × 2^(field − bias).",
        "`sign * 0.0` with sign = −1.0 gives −0.0. `math.inf` and `math.nan` are Python's infinity and NaN.",
    ),
    worth_knowing="Your function now reads FP64, FP32, FP16, BF16 (8/7), FP8 E5M2, and TF32 (8/10), which GPUs use inside "
                  "matrix products. Only the two lengths differ.",
)


# --- 3. affine_quantize -----------------------------------------------------------------------


def _affine_agrees(case: Case, expected: Any, got: Any) -> str | None:
    """Whether (q, scale, zero point) is a right answer; which of two nearby zero points is free."""
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return f"{brief(got)}, expected (q, scale, zero_point)"
    q, scale, zero_point = got
    x, bits = np.asarray(case.args[0], np.float64), case.kwargs.get("bits", 8)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if not isinstance(q, np.ndarray) or q.dtype.kind != "i":
        return f"q is {'of dtype ' + str(q.dtype) if isinstance(q, np.ndarray) else brief(q)}, expected an integer array"
    if q.shape != x.shape:
        return f"q has shape {q.shape}, expected {x.shape}"
    if found := close(1e-9)(expected[1], scale):
        return f"scale {found}"
    if not float(zero_point).is_integer() or not low <= zero_point <= high:
        return f"zero_point {brief(zero_point)}, expected an integer code in {low} … {high}"
    if q.min() < low or q.max() > high:
        return f"codes from {q.min()} to {q.max()}, expected {low} … {high}"
    error = np.abs((q.astype(np.float64) - zero_point) * scale - x)
    if error.max() > scale * (0.5 + 1e-9):
        at = np.unravel_index(error.argmax(), x.shape)
        told = f"{brief(float(x[at]))} came back as {brief(float((q[at] - zero_point) * scale))}"
        return f"{told}, {error.max() / scale:.2f} steps away"
    return _ties(x, q, scale, zero_point, low, high)


def _ties(x: np.ndarray, q: np.ndarray, scale: float, zero_point: int, low: int, high: int) -> str | None:
    """Exact ties (the step is a power of two) must go to the even multiple of the step."""
    if math.frexp(scale)[0] != 0.5 or zero_point % 2:
        return None
    even = np.clip(np.rint(x / scale) + zero_point, low, high)
    if np.array_equal(even, q):
        return None
    at = np.argmax(even.ravel() != q.ravel())
    return f"{brief(float(x.ravel()[at]))} got the code {q.ravel()[at]}, expected {even.ravel()[at]:.0f}"


def _affine(x: np.ndarray, bits: int = 8, *, steps_off: int = 0, widen: bool = True, clip: bool = True,
            wrap: bool = False, rounding: Callable = np.rint, from_hi: bool = False, nan: bool = True,
            guard: bool = True, clamp: bool = True, ignore_bits: bool = False, codes: str = "signed",
            ) -> tuple[np.ndarray, float, int]:
    """Quantization with one mistake; with its defaults it is right (an independent formulation)."""
    if nan and np.isnan(x).any():
        raise ValueError("x holds NaN")
    bits = 8 if ignore_bits else bits
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    lo, hi = float(x.min()), float(x.max())
    if widen:
        lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (high - low + steps_off)
    if scale == 0 and guard:
        scale = 1.0
    with np.errstate(all="ignore"):
        zero_point = high - hi / scale if from_hi else low - lo / scale
        zero_point = int(np.rint(np.clip(zero_point, low, high) if clamp else np.clip(zero_point, -1e9, 1e9)))
        q = np.nan_to_num(rounding(x / scale)) + zero_point
    if codes == "unsigned":
        q, zero_point, low, high = q - low, zero_point - low, 0, high - low
    q = np.clip(q, low, high).astype(np.int64) if clip else q.astype(np.int64)
    return (q.astype(np.int8) if wrap else q), scale, zero_point


def _affine_unguarded(x: np.ndarray, bits: int = 8, *, widen: bool = True) -> tuple[np.ndarray, float, int]:
    """NumPy scalars all the way: a range of width 0 gives infinities and NaN, which `int` refuses."""
    lo, hi = (np.minimum(x.min(), 0.0), np.maximum(x.max(), 0.0)) if widen else (x.min(), x.max())
    with np.errstate(all="ignore"):
        scale = (hi - lo) / (2**bits - 1)
        zero_point = int(np.rint(-(2 ** (bits - 1)) - lo / scale))
        q = np.clip(np.rint(x / scale) + zero_point, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return q.astype(np.int64), float(scale), zero_point


def _affine_symmetric(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    if np.isnan(x).any():
        raise ValueError("x holds NaN")
    top = 2 ** (bits - 1) - 1
    scale = float(np.abs(x).max()) / top or 1.0
    return np.rint(x / scale).astype(np.int64), scale, 0


def _affine_unsigned(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """Codes from 0 on, moved down at the end."""
    if not (x == x).all():
        raise ValueError("NaN")
    top = 2**bits - 1
    lo, hi = np.minimum(x.min(), 0), np.maximum(x.max(), 0)
    if hi == lo:
        return np.zeros(x.shape, np.int32), 1.0, 0
    scale = (hi - lo) / top
    zero = np.round(-lo / scale)
    codes = np.round(x / scale) + zero
    codes[codes > top] = top
    codes[codes < 0] = 0
    return codes.astype(np.int32) - 2 ** (bits - 1), float(scale), int(zero) - 2 ** (bits - 1)


def _affine_in_a_loop(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """Python's own round, value by value."""
    values = [float(v) for v in x.ravel()]
    if any(math.isnan(v) for v in values):
        raise ValueError("found a NaN")
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    lo, hi = min([0.0, *values]), max([0.0, *values])
    scale = (hi - lo) / (high - low) or 1.0
    zero_point = min(high, max(low, round(low - lo / scale)))
    codes = [min(high, max(low, round(v / scale) + zero_point)) for v in values]
    return np.array(codes).reshape(x.shape), scale, zero_point


def _floor_half(x: np.ndarray) -> np.ndarray:
    return np.floor(x + 0.5)


def _draw_affine(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(1, 3))))
    x = rng.uniform(-1, 1, shape) + rng.choice([-3, 0, 0, 3])
    x = x * 2.0 ** rng.integers(-8, 9)
    kind = rng.random()
    if kind < 0.15:  # exact ties: the step is 1 or a power of two
        x = np.append(rng.integers(-200, 200, 20) / 2, [-128.0, 127.0]).clip(-128, 127) * 2.0 ** rng.integers(-3, 4)
    elif kind < 0.25:
        x = np.append(x, [np.abs(x).max(), -np.abs(x).max()])
    bits = int(rng.choice([8, 8, 8, 4, 2, 6, 12]))
    return Case(x, label=f"{x.size} random values") if bits == 8 else Case(x, bits=bits, label=f"{x.size} random values, bits={bits}")


_TIES = np.array([-128.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 127.0])
affine_quantize = Exercise(
    id="03.affine_quantize", points=4, difficulty=2, minutes=20, idea="255 steps separate 256 codes",
    reference=int8.affine_quantize,
    cases=[
        Case(np.array([-1.0, 0.0, 0.5, 3.0])),
        Case(np.array([-1.0, 0.25, 1.0])),
        Case(np.array([2.0, 4.0, 8.0]), bits=4),
        Case(np.zeros(3)),
    ],
    hidden=[
        Case(_TIES, label="eight values, six of them ties, with step 1"),
        Case(np.array([[1.0, 2.0], [3.0, 5.0]]), label="all positive, 2 × 2"),
        Case(np.array([-7.0, -5.0, -6.5])), Case(np.array([0.3])), Case(np.array([-0.3])),
        Case(np.array([100.0, 100.5, 101.0])), Case(np.array([-101.0, -100.0])), Case(np.array([-1.0, 1.0]), bits=4),
        Case(np.linspace(-1, 1, 101), label="101 values from -1 to 1"), Case(np.linspace(-0.2, 3, 77), bits=2, label="77 values, bits=2"),
        Case(np.zeros((2, 2)), bits=4, label="zeros, 2 × 2, bits=4"),
    ],
    draw=_draw_affine, draws=60,
    raises=[Case(np.array([1.0, np.nan]), word="NaN"), Case(np.array([[np.nan, np.nan]]), word="NaN")],
    compare=prop(_affine_agrees),
    misconceptions=[
        Misconception(
            "steps_256", partial(_affine, steps_off=1),
            "256 codes have 255 gaps between them, as five fingers have four. The scale is the width of one gap.",
            "You divide by the number of codes.", also=(partial(_affine, steps_off=1, nan=False),)),
        Misconception(
            "not_widened", partial(_affine, widen=False),
            "Zero has to be one of the values that come back: padding, ReLU and empty slots are exactly 0. Where all of x "
            "lies on one side of zero, the range must be widened to reach it first.",
            "The range does not contain zero.",
            also=(partial(_affine, widen=False, clamp=False), partial(_affine, widen=False, guard=False),
                  partial(_affine, widen=False, clamp=False, guard=False),
                  partial(_affine_unguarded, widen=False))),
        Misconception(
            "wraps", partial(_affine, clip=False, wrap=True),
            "x = −1 … 1 gives the largest value the code 128, one more than int8 can hold, and in int8 it became −128. "
            "What must happen to codes outside the range before you cast?",
            "A code wrapped around.", also=(partial(_affine, clip=False),)),
        Misconception(
            "truncates", partial(_affine, rounding=np.trunc),
            "Cutting the fraction off doubles the largest error, from half a step to a whole one, and pulls every value "
            "toward zero. Rounding has to go to the nearest integer.",
            "You are truncating.",
            also=(partial(_affine, rounding=np.floor), partial(_affine, rounding=np.trunc, nan=False))),
        Misconception(
            "ties_up", partial(_affine, rounding=_floor_half),
            "Nearly right: exact ties always go up, which shifts the mean. 0.5 and 2.5 steps should become 0 and 2: "
            "round half to even, as `np.rint` and ONNX's QuantizeLinear do.",
            "Ties go up.", also=(partial(_affine, rounding=lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5)),)),
        Misconception(
            "zero_divides", partial(_affine, guard=False),
            "A tensor of zeros has a range of width 0, and a scale of 0 divides 0 by 0. The text names the scale to "
            "return there.",
            "All zeros were forgotten.", also=(_affine_unguarded,)),
        Misconception(
            "symmetric", _affine_symmetric,
            "This is symmetric quantization: it spends as many codes on −3 … 0 as on 0 … 3, although x may begin at −1. "
            "Here the range starts at the smallest value, and the zero point moves with it.",
            "These are symmetric codes."),
        Misconception(
            "ignores_bits", partial(_affine, ignore_bits=True),
            "These are codes of 8 bits. With `bits` = 4 there are only 16 codes, −8 … 7, and the step is larger.",
            "The argument bits is not used."),
        Misconception(
            "unsigned", partial(_affine, codes="unsigned"),
            "Your codes start at 0, as in uint8. Signed codes start at −2^(bits − 1). The zero point moves by as much.",
            "These are unsigned codes."),
    ],
    alternatives=[_affine, partial(_affine, from_hi=True), _affine_unsigned, _affine_in_a_loop],
    hints=(
        "lo = min(x.min(), 0) and hi = max(x.max(), 0). The scale spreads hi − lo over the gaps between 2^bits codes.",
        "The zero point is the code of 0.0: the lowest code minus lo / scale, rounded. Then q = round(x / scale) + "
        "zero_point, clipped to the codes.",
        "`np.rint` rounds half to even; `np.clip` clips. If hi equals lo, use the scale 1.0.",
    ),
    worth_knowing="With symmetric quantization the zero point is 0 and the arithmetic of exercise 5 gets shorter. "
                  "Weights are usually quantized that way.",
)


# --- 4. pick_8bit -----------------------------------------------------------------------------


@cache
def _grid(kind: str = "fn") -> np.ndarray:
    """The distinct finite values of E4M3, or of a wrong idea of it."""
    if kind == "ieee":
        return formats.all_values(formats.FloatFormat("E4M3 IEEE", 4, 3))
    values = formats.all_values(formats.E4M3)
    return values if kind == "fn" else values[(values == 0) | (np.abs(values) >= 2.0**-6)]


def _nearest(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    at = np.clip(np.searchsorted(grid, x), 1, grid.size - 1)
    low, high = grid[at - 1], grid[at]
    return np.where(np.abs(x - low) <= np.abs(high - x), low, high)


def _power_db(x: np.ndarray, got: np.ndarray) -> float:
    signal, lost = float(np.sum(x * x)), float(np.sum((x - got) ** 2))
    return math.inf if lost == 0 else 10 * math.log10(signal / lost)


def _half_db(x: np.ndarray, got: np.ndarray) -> float:
    return _power_db(x, got) / 2


def _absolute_db(x: np.ndarray, got: np.ndarray, factor: int = 10) -> float:
    lost = float(np.abs(x - got).sum())
    return math.inf if lost == 0 else factor * math.log10(float(np.abs(x).sum()) / lost)


def _peak_db(x: np.ndarray, got: np.ndarray) -> float:
    lost = float(np.abs(x - got).max())
    return math.inf if lost == 0 else 20 * math.log10(float(np.abs(x).max()) / lost)


def _pick(x: np.ndarray, *, top: float = 127, low: float = -127, high: float = 127, e4m3_top: float | None = 448,
          grid: str = "fn", db: Callable = _power_db, peak: bool = False, by: str = "db", overflow: bool = False,
          ) -> tuple[str, float, float]:
    """The comparison with one mistake; with its defaults it is right (an independent formulation)."""
    largest = float(x.max()) if peak else float(np.abs(x).max())
    largest = largest or 1.0
    int_scale, e4m3_scale = largest / top, largest / e4m3_top if e4m3_top else 1.0
    as_int = np.clip(np.rint(x / int_scale), low, high) * int_scale
    scaled = x / e4m3_scale
    as_e4m3 = _nearest(scaled, _grid(grid)) * e4m3_scale
    if overflow:
        as_e4m3 = np.where(np.abs(scaled) >= 464, np.nan, as_e4m3)
    int_db, e4m3_db = db(x, as_int), db(x, as_e4m3)
    if by == "max":
        wins = np.abs(x - as_int).max() <= np.abs(x - as_e4m3).max()
    else:
        wins = int_db >= e4m3_db
    return ("int8" if wins else "e4m3"), int_db, e4m3_db


def _pick_by_distance(x: np.ndarray) -> tuple[str, float, float]:
    """Builds the positive values from their fields and measures the distance to all of them."""
    subnormal = [m * 2.0**-9 for m in range(8)]
    normal = [(1 + m / 8) * 2.0 ** (e - 7) for e in range(1, 16) for m in range(8) if (e, m) != (15, 7)]
    values = np.array(subnormal + normal)
    flat = np.abs(x.ravel())
    peak = flat.max()
    scaled = flat * 448 / peak
    e4m3 = np.abs(scaled[:, None] - values[None]).min(axis=1) * peak / 448
    ints = np.abs(flat * 127 / peak - np.round(flat * 127 / peak)) * peak / 127
    found = []
    for error in (ints, e4m3):
        noise_power = (error**2).sum()
        found.append(math.inf if noise_power == 0 else float(10 * np.log10((flat**2).sum() / noise_power)))
    return ("e4m3" if found[1] > found[0] else "int8"), *found


def _pick_by_step(x: np.ndarray) -> tuple[str, float, float]:
    """Rounds to multiples of the step of each value's binade."""
    peak = np.abs(x).max()
    fine = x / (peak / 448)
    step = 2.0 ** np.maximum(np.floor(np.log2(np.maximum(np.abs(fine), 2.0**-6))) - 3, -9)
    pair = (np.round(x / (peak / 127)) * (peak / 127), np.round(fine / step) * step * (peak / 448))
    with np.errstate(divide="ignore"):
        a, b = (float(20 * np.log10(np.linalg.norm(x) / np.linalg.norm(x - y))) for y in pair)
    return ["e4m3", "int8"][a >= b], a, b


def _picks(case: Case, expected: Any, got: Any) -> str | None:
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return f"{brief(got)}, expected (winner, sqnr_int8_db, sqnr_e4m3_db)"
    for name, want, have in zip(("INT8", "E4M3"), expected[1:], got[1:]):
        if close(0, 0.2)(float(want), have if isinstance(have, bool) else float(have)):
            return f"{name}: {have:.3f} dB, expected {want:.3f} dB"
    return None if got[0] == expected[0] else f"{brief(got[0])}, expected {brief(expected[0])}"


def _same_pick(expected: Any, got: Any, case: Case | None = None) -> str | None:
    if isinstance(expected, (tuple, list)) and len(expected) == 3:
        return _picks(case, expected, got)
    return exact()(expected, got)


def _draw_pick(rng: np.random.Generator) -> Case:
    n = int(rng.integers(100, 400))
    kind = str(rng.choice(["uniform", "Gaussian", "Laplace", "Student-t(3)", "outliers", "tiny and large"],
                          p=[0.1, 0.15, 0.1, 0.15, 0.2, 0.3]))
    if kind == "tiny and large":  # the large value is exact in both formats, the rest are subnormals of E4M3
        x = np.append(-448.0, rng.choice([-1, 1], 20) * 2.0 ** rng.uniform(-9, -5, 20))
    else:
        x = {"uniform": lambda: rng.uniform(-1, 1, n), "Gaussian": lambda: rng.standard_normal(n),
             "Laplace": lambda: rng.laplace(size=n), "Student-t(3)": lambda: rng.standard_t(3, n),
             "outliers": lambda: np.append(rng.standard_normal(n), -100.0)}[kind]()
    while abs(np.subtract(*noise.pick_8bit(x)[1:])) < 0.3:
        x = np.append(x, x.max() / 2)  # stay away from a draw
    return Case(x * 2.0 ** int(rng.integers(-12, 13)), label=f"{x.size} random values, {kind}")


pick_8bit = Exercise(
    id="03.pick_8bit", points=5, difficulty=3, minutes=25, idea="absolute against relative error",
    reference=noise.pick_8bit,
    cases=[Case(np.array([3.0, -2.9, 2.0, -1.7, 1.1])), Case(np.array([100.0, 1.0, 0.5, -0.25, 0.1]))],
    hidden=[
        Case(np.array([56896.0, -56896.0, 0.0]), label="[56896, -56896, 0]  127 × 448: nothing is lost in either"),
        Case(np.array([127.0, 64.0, -3.0]), label="[127, 64, -3]  exact in INT8"),
        Case(np.array([448.0, 3 * 2.0**-9, -(2.0**-9), 7 * 2.0**-9]), label="448 and three subnormals of E4M3"),
        Case(np.array([[-448.0, 0.01], [0.006, -0.0135]]), label="[[-448, 0.01], [0.006, -0.0135]]"),
        Case(np.array([-5.0, 1.0, 2.0, 0.3])), Case(np.array([1000.0, 900.0, -450.0, 3.0])),
        Case(np.array([-8.0, -7.3, -2.0])), Case(np.array([1.0])),
        Case(np.array([448.0, 17.03, -34.06, 8.515]), label="[448, 17.03, -34.06, 8.515]  just above ties of E4M3"),
    ],
    draw=_draw_pick, draws=40,
    compare=prop(_picks, same=_same_pick), time_limit_s=6,
    misconceptions=[
        Misconception(
            "to_128", partial(_pick, top=128),
            "Symmetric INT8 uses −127 … 127. Scaled to 128 the largest value has no code and is clipped, which costs "
            "more than it gains.",
            "The largest value was scaled to 128.",
            also=(partial(_pick, top=128, low=-128), partial(_pick, top=128, low=-128, high=128))),
        Misconception(
            "unscaled", partial(_pick, e4m3_top=None),
            "E4M3 ends at 448 and gets coarse below 2^-6. Like INT8 it needs a scale, which puts the largest absolute "
            "value on its largest number.",
            "E4M3 got no scale.", also=(partial(_pick, e4m3_top=None, overflow=True),)),
        Misconception(
            "ieee", partial(_pick, e4m3_top=240, grid="ieee"),
            "You gave the whole top exponent to infinity and NaN. In E4M3 only the word with all exponent and mantissa "
            "bits set is NaN. The numbers go on to 448.",
            "E4M3 was read as an IEEE format.", also=(partial(_pick, grid="ieee"),)),
        Misconception(
            "flushed", partial(_pick, grid="flushed"),
            "Your E4M3 has no numbers between 0 and 2^-6. It has seven there: the subnormals, multiples of 2^-9.",
            "E4M3's subnormals are missing."),
        Misconception(
            "amplitudes", partial(_pick, db=_half_db),
            "SQNR is a ratio of *powers*: 10·log10 goes with sums of squares. With amplitudes it would be 20·log10 of the "
            "ratio of their roots.",
            "Powers and amplitudes are mixed up.",
            also=(partial(_pick, db=_absolute_db), partial(_pick, db=partial(_absolute_db, factor=20)),
                  partial(_pick, db=lambda x, got: 2 * _power_db(x, got)))),
        Misconception(
            "largest_error", partial(_pick, by="max"),
            "You compare the largest single error. SQNR compares the power of all errors together, and the two can "
            "disagree.",
            "The largest error decides.", also=(partial(_pick, db=_peak_db),)),
        Misconception(
            "signed_max", partial(_pick, peak=True),
            "The scale comes from the largest *absolute* value. If the largest one is negative, `x.max()` misses it and "
            "it is clipped.",
            "A negative peak was missed."),
    ],
    alternatives=[_pick, _pick_by_distance, _pick_by_step],
    hints=(
        "List E4M3's values once: words 0 to 126 with your `decode_word`'s formula for 4/3, but without infinity and NaN; "
        "then add the negative ones. Word 126 is 448.",
        "For each format: scale = max|x| / largest; round x / scale; multiply by the scale. `np.abs(a[:, None] - grid)` "
        "and `argmin` find the nearest value.",
        "10·log10(Σx² / Σ(x̂ − x)²); infinity if the second sum is 0.",
    ),
    worth_knowing="The two break even at a crest factor (peak over RMS) of about 21 dB, a factor of 12.",
)


# --- 5. int8_gemm -----------------------------------------------------------------------------


def _gemm(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int, *, dtype: type = np.int32,
          k_term: bool = True, correct: str = "ab", swap: bool = False, plus: bool = False) -> np.ndarray:
    """Four terms with one mistake; with its defaults it is right (an independent formulation)."""
    acc = (qa.astype(dtype) @ qb.astype(dtype)).astype(np.int64)
    rows, columns = qa.sum(1, dtype=np.int64)[:, None], qb.sum(0, dtype=np.int64)[None]
    if swap:
        acc = acc - za * rows - zb * columns
    else:
        acc = acc - za * columns * ("a" in correct) - zb * rows * ("b" in correct)
    acc = acc + qa.shape[1] * za * zb * (k_term and correct == "ab")
    return (acc * (sa + sb if plus else sa * sb)).astype(np.float32)


def _gemm_subtract(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int, *, first: type = np.int32,
                   acc: type = np.int32, plus: bool = False, only: str = "ab") -> np.ndarray:
    """Subtracts the zero points from the operands, in the type `first`, and multiplies in `acc`."""
    a = qa.astype(first) - first(za if "a" in only else 0)
    b = qb.astype(first) - first(zb if "b" in only else 0)
    return ((a.astype(acc) @ b.astype(acc)).astype(np.float64) * (sa + sb if plus else sa * sb)).astype(np.float32)


def _gemm_in_float32(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """float32 sums: beyond 2^24 not every integer has a place."""
    f = np.float32
    return (f(sa) * (qa.astype(f) - f(za))) @ (f(sb) * (qb.astype(f) - f(zb)))


def _gemm_in_float64(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """Exact too: all integers here are far below 2^53."""
    a, b = np.asarray(qa, np.float64) - za, np.asarray(qb, np.float64) - zb
    return np.float32(sa * sb * np.dot(a, b))


def _gemm_float32_double(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """Python's scales times int32, rounded to float32 before the product."""
    return (sa * (qa.astype(np.int32) - za)).astype(np.float32) @ (sb * (qb.astype(np.int32) - zb)).astype(np.float32)


def _gemm_stretched(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    a, b = qa.astype(np.int32) - za, qb.astype(np.int32) - zb
    return ((a[:, :, None] * b[None]).sum(1) * (sa * sb)).astype(np.float32)


def _gemm_by_columns(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """One outer product after another."""
    if qa.shape[1] != len(qb):
        raise ValueError("inner sizes differ")
    total = np.zeros((qa.shape[0], qb.shape[1]), np.int64)
    for column, row in zip(qa.T.astype(np.int64), qb.astype(np.int64)):
        total += np.outer(column - za, row - zb)
    return (total * sa * sb).astype(np.float32)


def _int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape, dtype=np.int8)


def _draw_gemm(rng: np.random.Generator) -> Case:
    m, k, n = (int(v) for v in rng.integers(1, (7, 60, 7)))
    za, zb = (int(v) for v in rng.integers(-128, 128, 2))
    qa = _int8(rng, k, m).T if rng.random() < 0.3 else _int8(rng, m, k)
    sa, sb = (float(v) for v in rng.uniform(0.002, 0.2, 2))
    return Case(qa, sa, za, _int8(rng, k, n), sb, zb, label=f"({m} × {k}) @ ({k} × {n}), za={za}, zb={zb}")


_RNG = np.random.default_rng(3)
_A, _B = np.array([[10, 20]], np.int8), np.array([[1], [-2]], np.int8)
int8_gemm = Exercise(
    id="03.int8_gemm", points=6, difficulty=3, minutes=25, idea="the scales come out of the sum",
    reference=int8.int8_gemm,
    cases=[
        Case(_A, 0.5, 5, _B, 0.25, 1, label="[[10, 20]], 0.5, 5, [[1], [-2]], 0.25, 1"),
        Case(_A, 0.5, 0, _B, 0.25, 0, label="[[10, 20]], 0.5, 0, [[1], [-2]], 0.25, 0"),
        Case(np.full((1, 4), 100, np.int8), 0.1, -3, np.full((4, 2), -90, np.int8), 0.01, 7,
             label="1 × 4 of 100, 0.1, -3, 4 × 2 of -90, 0.01, 7"),
    ],
    hidden=[
        Case(np.full((2, 4096), -128, np.int8), 0.01, 0, np.full((4096, 3), -128, np.int8), 0.02, 0,
             label="K = 4096, all -128"),
        Case(np.full((2, 4096), -128, np.int8), 0.01, 127, np.full((4096, 3), -128, np.int8), 0.02, 127,
             label="K = 4096, all -128, zero points 127"),
        Case(_int8(_RNG, 3, 40), 0.03, 0, _int8(_RNG, 40, 5), 0.07, -20, label="za = 0"),
        Case(_int8(_RNG, 3, 40), 0.03, 9, _int8(_RNG, 40, 5), 0.07, 0, label="zb = 0"),
        Case(_int8(_RNG, 40, 6).T, 0.03, 9, _int8(_RNG, 6, 40).T, 0.07, -4, label="both transposed"),
        Case(_int8(_RNG, 8, 32)[::2, ::-1], 0.03, -128, _int8(_RNG, 32, 6)[:, ::3], 0.07, 127, label="strided views"),
    ],
    draw=_draw_gemm, draws=30,
    raises=[Case(_int8(_RNG, 2, 3), 0.1, 1, _int8(_RNG, 2, 3), 0.1, 1, label="(2 × 3) @ (2 × 3)"),
            Case(_int8(_RNG, 2, 3), 0.1, 1, _int8(_RNG, 1, 4), 0.1, 1, label="(2 × 3) @ (1 × 4)"),
            Case(_int8(_RNG, 2, 1), 0.1, 1, _int8(_RNG, 3, 4), 0.1, 1, label="(2 × 1) @ (3 × 4)")],
    compare=close(1e-6, 1e-9, dtype="same"),
    misconceptions=[
        Misconception(
            "int8_products", partial(_gemm, dtype=np.int8),
            "NumPy multiplies and adds int8 in int8: 100 × 100 wraps around to 16. Hardware has 32-bit accumulators for "
            "that reason. Which type must the operands have before the product?",
            "The products wrapped around.",
            also=(partial(_gemm_subtract, first=np.int8, acc=np.int8), partial(_gemm_subtract, acc=np.int8))),
        Misconception(
            "int16", partial(_gemm, dtype=np.int16),
            "One product fits into 16 bits, a sum of them does not: three times 128 × 128 is beyond 32,767.",
            "The accumulator has 16 bits.", also=(partial(_gemm_subtract, first=np.int16, acc=np.int16),)),
        Misconception(
            "int8_subtraction", partial(_gemm_subtract, first=np.int8),
            "q − zero_point does not fit into int8: −128 − 127 is −255. Widen the operands before you subtract.",
            "The subtraction wrapped around."),
        Misconception(
            "no_k_term", partial(_gemm, k_term=False),
            "Multiply (a − za)(b − zb) out: there are four terms. The one without a and b is added once for every "
            "element of the sum.",
            "The constant term is missing."),
        Misconception(
            "one_zero_point", partial(_gemm, correct="a"),
            "Only one of the two zero points was taken off. Each operand has its own.",
            "One zero point was forgotten.", also=(partial(_gemm, correct="b"),)),
        Misconception(
            "no_zero_points", partial(_gemm, correct=""),
            "A code q stands for scale × (q − zero_point). You multiplied the codes as if both zero points were 0.",
            "The zero points were ignored.", also=(partial(_gemm, correct="", dtype=np.int8),)),
        Misconception(
            "sums_swapped", partial(_gemm, swap=True),
            "(a − za)(b − zb) contains −za·b and −zb·a. So za goes with sums over b, and zb with sums over a.",
            "The sums belong to the other zero point."),
        Misconception(
            "adds_scales", partial(_gemm, plus=True),
            "Each product holds one factor from a and one from b. Both scales can be pulled in front of the sum, as a "
            "product.",
            "The scales were added."),
        Misconception(
            "float32_sums", _gemm_in_float32,
            "You turned the codes into floats and added 4,096 products in float32. Each addition rounds. Integers in 32 bits "
            "are exact; scale once, at the end.",
            "The sums are rounded.", also=(_gemm_float32_double,)),
        Misconception(
            "stretches", _gemm_stretched,
            "The results are right. But an inner size of 1 was stretched to fit the other matrix, as broadcasting and "
            "einsum do. A matrix product has to refuse that.",
            "A size of 1 was stretched."),
    ],
    alternatives=[_gemm, _gemm_subtract, _gemm_in_float64, _gemm_by_columns],
    hints=(
        "Cast both operands to int32 first. `qa.astype(np.int32) - za` is then safe.",
        "The scales are the same for every product, so they come in front of the sum: one multiplication at the end.",
        "Without touching the operands: Σ(a − za)(b − zb) = Σab − za·Σb − zb·Σa + K·za·zb.",
    ),
    worth_knowing="Multiplied out, the sum is Σab − za·Σb − zb·Σa + K·za·zb. If b holds the weights, Σb can be computed "
                  "once, when the model is built. With zb = 0, as for symmetric weights, only the correction za·Σb is "
                  "left.",
)

EXERCISES = [format_limits, decode_word, affine_quantize, pick_8bit, int8_gemm]
