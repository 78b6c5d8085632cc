"""Exercises of chapter 26: bfloat16 versus float16."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from utils.numerics import formats, half

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception


def words(*values: int, dtype: type = np.uint32) -> np.ndarray:
    return np.array(values, dtype)


def show_words(value: Any) -> str:
    """Arrays of words in hexadecimal."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "u":
        digits = 2 * value.dtype.itemsize
        shown = ", ".join(f"0x{int(v):0{digits}X}" for v in value.ravel()[:6])
        return f"[{shown}{', …' if value.size > 6 else ''}]"
    return brief(value)


# --- 1. bf16_round ----------------------------------------------------------------------------


def _same_but_nan(case: Case, expected: np.ndarray, got: Any) -> str | None:
    """Words agree; where a NaN word is expected any NaN word will do."""
    found = exact()(expected, got, case)
    if found is None or not isinstance(got, np.ndarray) or got.shape != expected.shape or got.dtype != np.uint16:
        return found
    nan = (expected & 0x7FFF) > 0x7F80
    if not np.all((got[nan] & 0x7FFF) > 0x7F80):
        at = np.flatnonzero(nan.ravel() & ((got.ravel() & 0x7FFF) <= 0x7F80))[0]
        return f"NaN became 0x{int(got.ravel()[at]):04X}, which is no NaN"
    return exact()(np.where(nan, 0, expected).astype(np.uint16), np.where(nan, 0, got).astype(np.uint16), case)


def _rne(u: np.ndarray) -> np.ndarray:
    return (u + np.uint32(0x7FFF) + ((u >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)


def _nan(u: np.ndarray) -> np.ndarray:
    return (u & np.uint32(0x7FFFFFFF)) > 0x7F800000


def _quiet(u: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    return np.where(_nan(u), (u >> np.uint32(16)) | 0x40, rounded).astype(np.uint16)


def _ties_away(u: np.ndarray) -> np.ndarray:
    return (u + np.uint32(0x8000)) >> np.uint32(16)


def _round_by_neighbours(u: np.ndarray) -> np.ndarray:
    """Compares the two neighbours' distances in float64, without carries."""
    low = (u >> np.uint32(16)).astype(np.uint32)
    high = low + np.uint32(1)
    with np.errstate(all="ignore"):
        value = (u & np.uint32(0x7FFFFFFF)).view(np.float32).astype(np.float64)
        down = ((low & 0x7FFF) << np.uint32(16)).view(np.float32).astype(np.float64)
        up = ((high & 0x7FFF) << np.uint32(16)).view(np.float32).astype(np.float64)
        up = np.where((high & 0x7FFF) == 0x7F80, 2.0**128, up)
        to_low, to_high = value - down, up - value
        nearer = (to_high < to_low) | ((to_high == to_low) & (low & 1 == 1))
    nearer &= ~np.isinf(value)
    return _quiet(u, np.where(nearer, high, low))


def _round_in_a_loop(u: np.ndarray) -> np.ndarray:
    flat = []
    for w in u.ravel().tolist():
        keep, rest = w >> 16, w & 0xFFFF
        if (w & 0x7FFFFFFF) > 0x7F800000:
            flat.append(keep | 1 if keep & 0x7F == 0 else keep)
        else:
            flat.append(keep + (rest > 0x8000 or (rest == 0x8000 and keep & 1)))
    return np.array(flat, np.uint16).reshape(u.shape)


bf16_round = Exercise(
    id="26.bf16_round", points=4, difficulty=2, minutes=15, idea="ties go to the even word",
    reference=half.bf16_round,
    cases=[
        Case(words(0x3F808000), label="[0x3F808000]  halfway, 0x3F80 is even"),
        Case(words(0x3F818000), label="[0x3F818000]  halfway, 0x3F81 is odd"),
        Case(words(0x3F808001), label="[0x3F808001]  just above halfway"),
        Case(words(0x7F7FFFFF), label="[0x7F7FFFFF]  the largest FP32 number"),
        Case(words(0x7F800001), label="[0x7F800001]  a NaN"),
    ],
    hidden=[
        Case((np.arange(65536, dtype=np.uint32) << np.uint32(16)) | np.uint32(0x8000), label="all 65,536 ties"),
        Case(words(0x80000000, 0x00008000, 0x00008001, 0x7F800000, 0xFF800000),
             label="-0.0, two subnormals, both infinities"),
        Case(words(0x7FFFFFFF, 0x7FC00000), label="NaNs with all fraction bits, and a quiet one"),
        Case(words(0xFFFFFFFF, 0xFF800001, 0xFFFF8000), label="negative NaNs"),
    ],
    draw=lambda rng: Case(rng.integers(0, 2**32, (50, 100), dtype=np.uint32), label="5,000 random words"),
    draws=40,
    compare=prop(_same_but_nan, same=exact()),
    pure=True,
    show=show_words,
    misconceptions=[
        Misconception(
            "truncates", lambda u: (u >> np.uint32(16)).astype(np.uint16),
            "Dropping the low 16 bits rounds every number toward zero: half of all words come out one too small, "
            "a bias of −0.27 %. Look at the bits that fall off before they fall.",
            "You are truncating.", also=(lambda u: _quiet(u, u >> np.uint32(16)),)),
        Misconception(
            "ties_away", lambda u: _ties_away(u).astype(np.uint16),
            "Adding 0x8000 sends every tie away from zero. 0x3F808000 lies exactly halfway and 0x3F80 is even, so it "
            "stays; 0x3F818000 goes up. What you add has to depend on the last bit that is kept.",
            "Ties go away from zero.", also=(lambda u: _quiet(u, _ties_away(u)),)),
        Misconception(
            "nan_carry", lambda u: _rne(u).astype(np.uint16),
            "The rounding is right for numbers. A NaN must be taken aside before the addition: in 0x7FFFFFFF the carry "
            "runs through the exponent into the sign and leaves −0.",
            "A NaN was rounded like a number."),
        Misconception(
            "nan_to_infinity", lambda u: np.where(_nan(u), u >> np.uint32(16), _rne(u)).astype(np.uint16),
            "A NaN is an all-ones exponent with a non-zero fraction. In 0x7F800001 the fraction's only bit is among "
            "those that fall off, so what is left is infinity. Set a bit that stays.",
            "A NaN became infinity."),
        Misconception(
            "negative_nan", lambda u: np.where((u > 0x7F800000) & (u < 0x80000000), (u >> np.uint32(16)) | 0x40,
                                               _rne(u)).astype(np.uint16),
            "Positive NaNs come out right, negative ones do not: 0xFFFFFFFF wraps around in 32 bits and becomes 0. "
            "Look at the word without its sign bit.",
            "Negative NaNs were forgotten."),
    ],
    alternatives=[_round_by_neighbours, _round_in_a_loop],
    hints=(
        "The kept half is `u >> 16`, the lost half is `u & 0xFFFF`. Round up when the lost half is more than 0x8000.",
        "At exactly 0x8000 round up only if the kept half is odd. Adding `0x7FFF` plus the kept half's last bit, then "
        "shifting, does both at once.",
        "Find the NaNs first: `(u & 0x7FFFFFFF) > 0x7F800000`. For them keep the upper half and set bit 6.",
    ),
    worth_knowing="The same lines round FP32 to any format that keeps its exponent: TF32 drops 13 bits instead of 16.",
)


# --- 2. fp16_widen ----------------------------------------------------------------------------


def _no_float16(tree: ast.AST) -> str | None:
    """This exercise is about the bits: a float16 type would do them for you."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        modules = [a.name for a in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if name in ("float16", "half", "binary16") or "ml_dtypes" in modules or "struct" in modules:
            return f"`{name or modules[0]}` does the work for you. Build the FP32 word from the bits with integers."
        if text in ("float16", "half", "e", "<e", ">e", "f2", "<f2", ">f2", "=f2"):
            return f"The type `{text}` does the work for you. Build the FP32 word from the bits with integers."
    return None


def _widen(h: np.ndarray, *, shift: int = 13, subnormal: str = "right", special: int = 255,
           keep_zero_sign: bool = True) -> np.ndarray:
    """A parametrised widening; with its defaults it is right (an independent formulation)."""
    h32 = h.astype(np.uint32)
    sign, exponent, fraction = (h32 >> 15) << 31, (h32 >> 10) & 31, h32 & 0x3FF
    normal = ((exponent + 112) << 23) | (fraction << shift)
    top = (np.uint32(special) << 23) | (fraction << shift)
    if subnormal == "right":
        value = (fraction.astype(np.float32) * np.float32(2.0**-24)).view(np.uint32)
    else:
        value = (np.uint32(112) << 23) | (fraction << shift)
        if subnormal == "rebias":
            value = np.where(fraction == 0, 0, value)
    out = np.where(exponent == 0, value, np.where(exponent == 31, top, normal)).astype(np.uint32)
    if not keep_zero_sign:
        sign = np.where((exponent == 0) & (fraction == 0), 0, sign)
    return (out | sign).astype(np.uint32)


def _widen_by_table(h: np.ndarray) -> np.ndarray:
    table = np.zeros(65536, np.uint32)
    for w in range(65536):
        s, e, f = w >> 15, (w >> 10) & 31, w & 0x3FF
        if e == 31:
            out = 0x7F800000 | (f << 13)
        elif e:
            out = ((e + 112) << 23) | (f << 13)
        elif f:
            n = f.bit_length()
            out = ((n + 102) << 23) | ((f << (24 - n)) & 0x7FFFFF)
        else:
            out = 0
        table[w] = (s << 31) | out
    return table[h]


fp16_widen = Exercise(
    id="26.fp16_widen", points=4, difficulty=2, minutes=20, idea="subnormals are renormalised",
    reference=half.fp16_widen,
    cases=[
        Case(words(0x3C00, dtype=np.uint16), label="[0x3C00]  1.0"),
        Case(words(0x0001, dtype=np.uint16), label="[0x0001]  2^-24, the smallest subnormal"),
        Case(words(0x7BFF, dtype=np.uint16), label="[0x7BFF]  65504, the largest number"),
    ],
    hidden=[Case(np.arange(65536, dtype=np.uint16).reshape(256, 256), label="all 65,536 words"),
            Case(words(0x7C00, 0xFC00, dtype=np.uint16), label="both infinities"),
            Case(words(0x0000, 0x8000, dtype=np.uint16), label="both zeros"),
            Case(words(0x7C01, 0xFE2A, dtype=np.uint16), label="two NaNs")],
    draw=lambda rng: Case(rng.integers(0, 65536, int(rng.integers(0, 40)), dtype=np.uint16)),
    draws=6,
    compare=exact(),
    show=show_words,
    forbid=_no_float16,
    misconceptions=[
        Misconception(
            "rebias_subnormals", lambda h: _widen(h, subnormal="rebias"),
            "An exponent field of 0 has no hidden one. 0x0001 is 1 × 2^-24; with 112 added to its exponent it was read "
            "as a number near 2^-15. Find the fraction's leading one and build the exponent from its place.",
            "Subnormals were read as normal numbers.", also=(lambda h: _widen(h, subnormal="rebias_all"),)),
        Misconception(
            "shift_16", lambda h: _widen(h, shift=16),
            "FP32 has 23 fraction bits and FP16 has 10: the fraction moves up by 23 − 10 = 13 places. 16 is the "
            "distance for BF16, whose word is the upper half of an FP32 word.",
            "The fraction moved too far."),
        Misconception(
            "infinity_is_a_number", lambda h: _widen(h, special=143),
            "Exponent 31 means infinity or NaN in FP16. Adding 112 gives 143, an ordinary exponent, and infinity became "
            "65536. In FP32 the all-ones exponent is 255.",
            "Infinity became a number."),
        Misconception(
            "loses_zero_sign", lambda h: _widen(h, keep_zero_sign=False),
            "0x8000 is −0.0 and stays −0.0 in FP32 (0x80000000). Put the sign bit in for every word.",
            "The sign of zero was lost."),
    ],
    alternatives=[_widen, _widen_by_table],
    hints=(
        "Cut the word into sign (1 bit), exponent (5) and fraction (10). The bias of FP16 is 15, of FP32 127.",
        "Normal numbers: exponent + 112, fraction << 13. Exponent 31 becomes 255.",
        "Subnormals are fraction × 2^-24. In FP32 that is an ordinary number: computing it in float32 and viewing the "
        "bits with `.view(np.uint32)` is exact.",
    ),
    worth_knowing="Widening is exact for every word. Only narrowing loses anything.",
)


# --- 3. finer_format --------------------------------------------------------------------------


def _errors(x: float) -> tuple[float, float]:
    with np.errstate(over="ignore"):
        a = formats.round_to_format(np.float64(x), formats.FP16).item()
        b = formats.round_to_format(np.float64(x), formats.BF16).item()
    return abs(a - x), abs(b - x)


def _winner(fp16: float, bf16: float) -> str:
    return "tie" if fp16 == bf16 else "fp16" if fp16 < bf16 else "bf16"


def _fp16_when_finite(x: float) -> str:
    fp16, bf16 = _errors(x)
    if np.isinf(fp16):
        return _winner(fp16, bf16)
    return "tie" if fp16 == bf16 == 0 else "fp16"


def _below_min_normal(x: float) -> str:
    fp16, bf16 = _errors(x)
    if fp16 == bf16 == 0:
        return "tie"
    return "bf16" if np.isinf(fp16) or abs(x) < 2.0**-14 else "fp16"


def _float16_difference(x: float) -> str:
    with np.errstate(all="ignore"):
        h, b = np.float16(x), np.float16(formats.round_to_format(np.float64(x), formats.BF16).item())
        return _winner(float(abs(h - np.float16(x))), float(abs(b - np.float16(x))))


def _by_steps(x: float) -> str:
    """Nearest multiple of each format's step, with Python integers."""
    from fractions import Fraction

    def error(fraction_bits: int, least: int, limit: Fraction) -> Fraction | float:
        exact_x = abs(Fraction(x))
        if exact_x == 0:
            return Fraction(0)
        exponent = max(least, _floor_log2(exact_x))
        step = Fraction(2) ** (exponent - fraction_bits)
        nearest = round(exact_x / step) * step
        return float("inf") if nearest > limit else abs(nearest - exact_x)

    return _winner(error(10, -14, Fraction(65504)), error(7, -126, Fraction((2 - 2.0**-7) * 2.0**127)))


def _floor_log2(x) -> int:
    exponent = 0
    while x >= 2:
        x, exponent = x / 2, exponent + 1
    while x < 1:
        x, exponent = x * 2, exponent - 1
    return exponent


def _draw_finer(rng: np.random.Generator) -> Case:
    value = float(np.float32(rng.uniform(1, 2) * 2.0 ** int(rng.integers(-30, 20))) * rng.choice([-1, 1]))
    return Case(value)


finer_format = Exercise(
    id="26.finer_format", points=3, difficulty=2, minutes=15, idea="the ranking flips at 2^-17",
    reference=half.finer_format,
    cases=[Case(0.1), Case(1e-5), Case(3e-6), Case(70000.0), Case(0.5)],
    hidden=[Case(0.0), Case(-0.1), Case(65519.0), Case(65520.0), Case(float(np.float32(1.3 * 2.0**-15))),
            Case(float(np.float32(2.0**-17 * 1.01))), Case(float(np.float32(1e-30))), Case(3.4e38),
            Case(float(np.float32(1.7 * 2.0**-20))), Case(-123456.0)],
    draw=_draw_finer, draws=120, time_limit_s=2,
    misconceptions=[
        Misconception(
            "fp16_whenever_finite", _fp16_when_finite,
            "FP16 has more fraction bits, but below 2^-14 it has no room left for smaller exponents: its step stays "
            "2^-24. At 1e-6 that is 6 % of the value, and BF16 is nearer.",
            "Subnormals were forgotten."),
        Misconception(
            "eps_only", lambda x: "fp16",
            "More fraction bits win only where both formats can hold the number. Some numbers are exact in both (a "
            "tie), some lie above 65504 or among FP16's subnormals. Round x to both formats and compare the errors.",
            "You compare the formats, not the number."),
        Misconception(
            "bf16_below_min_normal", _below_min_normal,
            "FP16's subnormals begin at 6.1e-5, but it stays ahead for a while: at 2^-15 its step is 2^-24 and BF16's "
            "is 2^-22. The steps are equal at exponent −17, and only below that BF16 is finer.",
            "The ranking flips later."),
        Misconception(
            "difference_in_float16", _float16_difference,
            "The error itself was computed in float16, so x was rounded before the subtraction and FP16's error came "
            "out as 0. Subtract in float64, where both values and x are exact.",
            "The error was rounded too."),
    ],
    alternatives=[_by_steps, lambda x: _winner(*_errors(float(np.float32(x))))],
    hints=(
        "Round x to FP16 and to BF16, then compare `abs(rounded - x)` in float64.",
        "`np.float16(x)` rounds to nearest even. For BF16 view float32 bits as uint32 and use exercise 1, or compute "
        "the step 2^(e−7) and round `x / step`.",
    ),
    worth_knowing="Between 2^-17 and 65504 BF16 never wins; below 2^-17 FP16 never does.",
)


# --- 4. LossScaler ----------------------------------------------------------------------------


def _scaler(*, grow_first: bool = False, keep_count: bool = False, half_unscale: bool = False,
            only_inf: bool = False, clip: bool = False) -> type:
    """A loss scaler with one mistake."""

    class LossScaler:
        def __init__(self, scale: float, growth: float, backoff: float, interval: int) -> None:
            self.scale, self.growth, self.backoff, self.interval = scale, growth, backoff, interval
            self.good = 0

        def step(self, grads: list) -> list | None:
            bad = any(np.isinf(g).any() if only_inf else not np.isfinite(g).all() for g in grads)
            scale = self.scale
            if bad and not clip:
                self.scale *= self.backoff
                self.good = self.good if keep_count else 0
                return None
            if clip:
                grads = [np.nan_to_num(g, nan=0.0, posinf=65504.0, neginf=-65504.0) for g in grads]
            self.good += 1
            if grow_first or self.good >= self.interval:
                self.scale, self.good = self.scale * self.growth, 0
            with np.errstate(all="ignore"):
                if half_unscale:
                    return [(g / g.dtype.type(scale)).astype(np.float32) for g in grads]
                return [g.astype(np.float32) / np.float32(scale) for g in grads]

    return LossScaler


class _CountsDown:
    """Counts the good steps that are still missing."""

    def __init__(self, scale: float, growth: float, backoff: float, interval: int) -> None:
        self.scale, self._factors, self._interval, self._left = scale, (growth, backoff), interval, interval

    def step(self, grads: list) -> list | None:
        if not all(np.isfinite(np.asarray(g, np.float64).sum()) for g in grads):
            self.scale, self._left = self.scale * self._factors[1], self._interval
            return None
        unscaled = [np.divide(g, self.scale, dtype=np.float32) for g in grads]
        self._left -= 1
        if self._left == 0:
            self.scale, self._left = self.scale * self._factors[0], self._interval
        return unscaled


def _script(*grads: Any) -> list:
    steps: list = []
    for g in grads:
        steps += [["step", g if isinstance(g, list) else [g]], [".scale"]]
    return steps


def _g(*values: float, dtype: type = np.float16) -> np.ndarray:
    return np.array(values, dtype)


def _draw_scaler(rng: np.random.Generator) -> Case:
    interval, grads = int(rng.integers(1, 5)), []
    for _ in range(14):
        g = [(rng.normal(size=int(rng.integers(1, 4))) * 8).astype(rng.choice(["float16", "float32"]))
             for _ in range(int(rng.integers(1, 3)))]
        if rng.random() < 0.25:
            g[-1][0] = rng.choice([np.inf, -np.inf, np.nan])
        grads.append(g)
    return Case(init=[2.0 ** int(rng.integers(2, 12)), 2.0, 0.5, interval], script=_script(*grads),
                label=f"14 random steps, interval {interval}")


loss_scaler = Exercise(
    id="26.LossScaler", points=4, difficulty=2, minutes=20, idea="skip, back off, grow",
    reference=half.LossScaler, probe="common.methods",
    cases=[
        Case(init=[8.0, 2.0, 0.5, 2], label="scale 8, interval 2; steps ok, ok, inf, ok",
             script=_script(_g(1.0, 2.0), _g(4.0), _g(np.inf), _g(8.0))),
        Case(init=[65536.0, 2.0, 0.5, 10], label="scale 65536; one step with the FP16 gradient 2^-24",
             script=_script(_g(2.0**-24))),
    ],
    hidden=[
        Case(init=[8.0, 2.0, 0.5, 2], label="ok, inf, ok, ok: a skip starts the count anew",
             script=_script(_g(1.0), _g(np.inf), _g(1.0), _g(1.0))),
        Case(init=[8.0, 4.0, 0.25, 3], label="a NaN in the second array",
             script=_script([_g(1.0), _g(0.5, np.nan)], [_g(1.0), _g(1.0)])),
        Case(init=[1024.0, 2.0, 0.5, 1], label="interval 1, float32 gradients",
             script=_script(_g(1e-3, -2.0, dtype=np.float32), _g(3.0, dtype=np.float32))),
    ],
    draw=_draw_scaler, draws=30,
    compare=exact(),
    misconceptions=[
        Misconception(
            "grows_at_once", _scaler(grow_first=True),
            "The scale grows only after `interval` good steps in a row. You grow it on every good step, so it runs into "
            "the next overflow at once.",
            "The scale grows too soon."),
        Misconception(
            "keeps_counting", _scaler(keep_count=True),
            "A skipped step ends the row: the count of good steps starts anew at 0. Yours goes on where it was.",
            "The count survives a skip."),
        Misconception(
            "unscales_in_fp16", _scaler(half_unscale=True),
            "The division was done in float16, where 2^-24 / 65536 is zero again: the very loss that scaling had "
            "saved. Convert to float32 first, then divide.",
            "The unscaling underflows."),
        Misconception(
            "ignores_nan", _scaler(only_inf=True),
            "Infinity is caught, NaN is not. An overflow that is subtracted from another gives NaN; check for "
            "anything that is not finite.",
            "NaN slips through."),
        Misconception(
            "clips", _scaler(clip=True),
            "An infinite gradient says nothing about its true size, so clipping it invents a number. Skip the step: "
            "return None and reduce the scale.",
            "You clip where you should skip."),
    ],
    alternatives=[_CountsDown, _scaler()],
    hints=(
        "`np.isfinite(g).all()` is False for infinities and for NaN.",
        "Divide by the scale that was in force when the step began, also when this step lets the scale grow.",
        "Count good steps; set the count to 0 after a growth and after a skip.",
    ),
    worth_knowing="This is what `torch.amp.GradScaler` does: 65536, 2, 0.5 and 2000 are its defaults.",
)


# --- 5. stochastic_bf16 -----------------------------------------------------------------------

REPEATS = 400


def _like_reference(case: Case, expected: dict, got: dict) -> str | None:
    """Neighbours equal, means within what 400 draws allow.

    A mean of n Bernoulli draws between two neighbours one step apart has a standard deviation of at most
    step/(2·sqrt(n)); 6 of them for each of the two means. The spread of the calls' means, for N elements
    drawn independently, is below step/(2·sqrt(N)); drawn together it would be sqrt(N) times that.
    """
    if got["dtype"] != "float32":
        return f"dtype {got['dtype']}, expected float32"
    for key, name in (("least", "the lower neighbour"), ("greatest", "the upper neighbour")):
        wrong = expected[key] != got[key]
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            return f"{got[key].flat[i]:.9g} came for {case.kwargs['x'].flat[i]:.9g}, {name} is {expected[key].flat[i]:.9g}"
    step = expected["greatest"] - expected["least"]
    off = np.abs(got["mean"] - expected["mean"]) / np.where(step > 0, step, 1)
    if off.max() > 12 / (2 * REPEATS**0.5):
        i = int(off.argmax())
        return f"the mean of {REPEATS} draws is off by {off.flat[i]:.2f} steps for {case.kwargs['x'].flat[i]:.9g}"
    n = got["mean"].size
    if n >= 256 and got["spread"] > 4 * step.max() / (2 * n**0.5):
        return "all elements of a call are rounded the same way"
    return None


def _alike(one: Any, other: Any, case: Case) -> str | None:
    """Whether two answers round alike: means within what 400 draws allow, and the same dependence of a call's draws."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return "differs"
    if one["dtype"] != other["dtype"]:
        return "differs"
    gap = formats.spacing(case.kwargs["x"], formats.BF16)
    if np.any(np.abs(one["mean"] - other["mean"]) > 12 * gap / (2 * REPEATS**0.5)):
        return "differs"
    together = [v["spread"] > 4 * gap.max() / (2 * v["mean"].size ** 0.5) for v in (one, other)]
    return None if together[0] == together[1] or one["mean"].size < 256 else "differs"


def _by_bits(x: np.ndarray, rng: np.random.Generator, *, noise: int = 65536) -> np.ndarray:
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((u + rng.integers(0, noise, x.shape, dtype=np.uint32)) & np.uint32(0xFFFF0000)).view(np.float32)


def _neighbours(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(toward zero, away from zero, fraction discarded) of float32 values."""
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    low = u & np.uint32(0xFFFF0000)
    return low.view(np.float32), (low + np.uint32(0x10000)).view(np.float32), (u & np.uint32(0xFFFF)) / 65536.0


def _bernoulli(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high, fraction = _neighbours(x)
    return np.where(rng.random(x.shape) < fraction, high, low).astype(np.float32)


def _coin(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high, fraction = _neighbours(x)
    return np.where((rng.random(x.shape) < 0.5) & (fraction > 0), high, low).astype(np.float32)


def _one_draw(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high, fraction = _neighbours(x)
    return np.where(rng.random() < fraction, high, low).astype(np.float32)


def _toward_plus(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uses the magnitude's fraction as the probability of going up in value: wrong for negatives."""
    low, high, fraction = _neighbours(x)
    up = rng.random(x.shape) < fraction
    return np.where(np.where(x < 0, ~up & (fraction > 0), up), high, low).astype(np.float32)


def _value_noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved = (x + rng.uniform(0, 2.0**-7, x.shape)).astype(np.float32)
    return (moved.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _nearest(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return (half.bf16_round(u).astype(np.uint32) << np.uint32(16)).view(np.float32)


def _many(x: Any, label: str) -> Case:
    return Case(x=np.asarray(x, np.float32), seed=11, repeats=REPEATS, label=label)


def _draw_stochastic(rng: np.random.Generator) -> Case:
    """Elements over many binades whose discarded fraction is well inside (0, 1), so both neighbours come."""
    u = (rng.integers(0x2000, 0x6000, (20, 16), dtype=np.uint32) << np.uint32(16))
    u |= rng.integers(0x2000, 0xE000, u.shape, dtype=np.uint32) | (rng.integers(0, 2, u.shape, dtype=np.uint32) << 31)
    return Case(x=u.view(np.float32), seed=int(rng.integers(2**31)), repeats=REPEATS, label="320 random numbers, 400 times")


stochastic_bf16 = Exercise(
    id="26.stochastic_bf16", points=5, difficulty=3, minutes=25, idea="round up with the discarded fraction as probability",
    reference=half.stochastic_bf16, probe="ch26_bf16_vs_fp16.frequencies",
    cases=[
        _many([1.0, -2.5, 0.0, 3.140625], "four numbers that BF16 holds, 400 times"),
        _many(np.full(1000, 1.001), "1.001, a thousand of them, 400 times"),
        _many([-1.001, 1.9985, -1.9985], "a negative number and two below a power of two, 400 times"),
    ],
    hidden=[_many([1000.3, -3.3e-5, 7e8], "large and small numbers, 400 times"),
            Case(count=2000, steps=1000, step=1e-3, seed=5, probe="ch26_bf16_vs_fp16.chains",
                 compare=close(atol=0.02), label="2,000 weights at 1.0 that get 0.001 a thousand times: their mean")],
    draw=_draw_stochastic, draws=3,
    compare=prop(_like_reference, same=_alike),
    misconceptions=[
        Misconception(
            "value_noise", _value_noise,
            "You add noise of one width to every value. The noise must be as wide as the gap between the two "
            "neighbours, and that gap grows with the exponent: add it to the discarded bits instead.",
            "The noise has the wrong width."),
        Misconception(
            "half_the_noise", lambda x, rng: _by_bits(x, rng, noise=32768),
            "Numbers from 0 to 32767 cover half of the 65,536 steps between two BF16 words. The upper neighbour comes "
            "too rarely, so the result is biased toward zero.",
            "The noise covers half the gap."),
        Misconception(
            "coin", _coin,
            "A fair coin is right only for a number in the middle. At 1.001 the discarded fraction is 0.128, so "
            "the upper neighbour must come in 12.8 % of the draws.",
            "You round up half of the time."),
        Misconception(
            "sign_dependent", _toward_plus,
            "Positive numbers come out right, negative ones do not: the discarded fraction belongs to the magnitude, "
            "so it is the probability of the neighbour that is farther from zero.",
            "Negative numbers go the wrong way."),
        Misconception(
            "one_draw_for_all", _one_draw,
            "One random number decides the whole array, so all elements go up together and the errors no longer "
            "average out. Draw one for each element: `rng.random(x.shape)`.",
            "One draw for all elements."),
        Misconception(
            "nearest", _nearest,
            "This is rounding to nearest: 1.001 always becomes 1.0 and a weight that gets 0.001 a thousand times "
            "never moves.",
            "Nothing is random here."),
    ],
    alternatives=[_by_bits, _bernoulli],
    hints=(
        "View the float32 array as uint32: the low 16 bits are the discarded fraction in units of 1/65536.",
        "Adding a random integer from 0 to 65535 to the word carries into the upper half with exactly that probability.",
        "Then clear the low 16 bits and view the words as float32 again.",
    ),
    worth_knowing="2,000 weights that get 0.001 a thousand times end at 2.00 on average; rounded to nearest they stay at 1.0.",
)

EXERCISES = [bf16_round, fp16_widen, finer_format, loss_scaler, stochastic_bf16]
