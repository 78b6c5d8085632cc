"""BF16 and FP16 words in integer arithmetic, against the format arithmetic on values."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics import half
from utils.numerics.formats import BF16, FP16, decode, encode, spacing
from utils.numerics.half import (
    bf16_from_f32_bits,
    bf16_round,
    f32_bits_from_bf16,
    f32_bits_from_fp16,
    fp16_from_f32_bits,
    fp16_widen,
    stochastic_bf16,
)

WORDS16 = np.arange(65_536, dtype=np.uint16)
TIES_BF16 = (WORDS16.astype(np.uint32) << 16) | 0x8000


def words32(*values: int) -> np.ndarray:
    return np.array(values, np.uint32)


def is_nan32(u: np.ndarray) -> np.ndarray:
    return (u & 0x7FFF_FFFF) > 0x7F80_0000


def random_words(n: int, seed: int = 0) -> np.ndarray:
    """Random FP32 words, half of them in the range where FP16 is subnormal, normal or overflows."""
    rng = np.random.default_rng(seed)
    u = rng.integers(0, 2**32, n, dtype=np.uint32)
    exponent = rng.integers(98, 146, n // 2).astype(np.uint32)
    u[: n // 2] = (u[: n // 2] & 0x807F_FFFF) | exponent << 23
    u[::7] &= 0xFFFF_E000  # short significands: ties and exact values
    return u


# (FP32 word, BF16 word): ties to even down and up, just above a tie, overflow, subnormals, zeros, infinities.
@pytest.mark.parametrize("word, expected", [
    (0x3F808000, 0x3F80), (0x3F818000, 0x3F82), (0x3F808001, 0x3F81), (0x7F7FFFFF, 0x7F80), (0x7F7F7FFF, 0x7F7F),
    (0x00008000, 0x0000), (0x00008001, 0x0001), (0x80000000, 0x8000), (0x7F800000, 0x7F80), (0xFF800000, 0xFF80),
])
def test_bf16_edges(word, expected):
    assert bf16_round(words32(word))[0] == expected


# (FP32 word, FP16 word): 65519, 65520 (tie), 2^-24, 2^-25 (tie), just above, 1.5 * 2^-24 (tie up), largest subnormal
# plus half a step (tie into the normals), FP32 subnormal, infinity.
@pytest.mark.parametrize("word, expected", [
    (0x477FEF00, 0x7BFF), (0x477FF000, 0x7C00), (0x33800000, 0x0001), (0x33000000, 0x0000), (0x33000001, 0x0001),
    (0x33C00000, 0x0002), (0x387FE000, 0x0400), (0x00000001, 0x0000), (0x80000001, 0x8000), (0xFF800000, 0xFC00),
    (0x7F7FFFFF, 0x7C00),
])
def test_fp16_edges(word, expected):
    assert fp16_from_f32_bits(words32(word))[0] == expected


@pytest.mark.parametrize("narrow, fmt", [(bf16_from_f32_bits, BF16), (fp16_from_f32_bits, FP16)], ids=["bf16", "fp16"])
@pytest.mark.parametrize("rounding", ["rne", "rtz"])
def test_narrowing_agrees_with_the_value_arithmetic(narrow, fmt, rounding):
    u = np.concatenate([random_words(200_000), TIES_BF16])
    u = u[~is_nan32(u)]
    assert np.array_equal(narrow(u, rounding), encode(u.view(np.float32), fmt, rounding))


@pytest.mark.parametrize("narrow, infinity", [(bf16_from_f32_bits, 0x7F80), (fp16_from_f32_bits, 0x7C00)],
                         ids=["bf16", "fp16"])
@pytest.mark.parametrize("rounding", ["rne", "rtz"])
def test_nan_stays_a_quiet_nan_with_its_sign(narrow, infinity, rounding):
    u = words32(0x7F800001, 0x7FFFFFFF, 0x7FC00000, 0xFF800001, 0xFFFFFFFF, 0xFFFF8000)
    out = narrow(u, rounding)
    assert np.all((out & 0x7FFF) > infinity)
    assert np.array_equal(out >> 15, u >> 31)
    quiet = (infinity >> 1) & ~infinity  # the highest mantissa bit
    assert np.all(out & quiet == quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no wrap-around where NumPy would tell
        assert narrow(np.array(0xFFFFFFFF, np.uint32), rounding) == out[4]


def test_widening_is_exact_and_comes_back():
    for widen, narrow, fmt, infinity in ((f32_bits_from_bf16, bf16_from_f32_bits, BF16, 0x7F80),
                                         (f32_bits_from_fp16, fp16_from_f32_bits, FP16, 0x7C00)):
        magnitude = WORDS16 & 0x7FFF
        nan = magnitude > infinity
        wide = widen(WORDS16)
        assert wide.dtype == np.uint32
        assert np.array_equal(wide.view(np.float32)[~nan].astype(np.float64), decode(WORDS16[~nan], fmt))
        assert np.array_equal(np.signbit(wide.view(np.float32)), WORDS16 >= 0x8000)
        assert np.all(is_nan32(wide[nan]))
        assert np.array_equal(narrow(wide)[~nan], WORDS16[~nan])


def test_widened_nan_keeps_sign_and_fraction():
    nan = WORDS16[(WORDS16 & 0x7FFF) > 0x7C00].astype(np.uint32)
    expected = (nan >> 15) * 2**31 + 255 * 2**23 + (nan % 1024) * 2**13
    assert np.array_equal(fp16_widen(nan.astype(np.uint16)), expected)


def test_truncation_is_biased_and_nearest_is_not():
    x = np.random.default_rng(3).uniform(1, 2, 200_000).astype(np.float32)
    u = x.view(np.uint32)
    bias = {r: float(np.mean(f32_bits_from_bf16(bf16_from_f32_bits(u, r)).view(np.float32).astype(float) / x - 1))
            for r in ("rtz", "rne")}
    # Mean of -f * 2^-7 / x with f uniform in [0, 1) and x in [1, 2): -2^-8 ln 2 = -2.71e-3.
    # Nearest: half a step is 2^-8, so the mean of 200,000 errors has a standard deviation below 5e-6.
    assert bias["rtz"] == pytest.approx(-(2**-8) * np.log(2), rel=0.02)
    assert abs(bias["rne"]) < 2.5e-5
    assert np.mean(bf16_from_f32_bits(u, "rtz") != bf16_from_f32_bits(u)) == pytest.approx(0.5, abs=0.01)


def test_input_is_left_alone_and_shapes_are_kept():
    for shape in ((), (0,), (2, 3)):
        u = np.full(shape, 0x3F81_8000, np.uint32)
        before = u.copy()
        for narrow in (bf16_from_f32_bits, fp16_from_f32_bits):
            assert narrow(u).shape == shape and narrow(u).dtype == np.uint16
        for widen in (f32_bits_from_bf16, f32_bits_from_fp16):
            assert widen(bf16_round(u)).shape == shape
        assert np.array_equal(u, before)
    strided = random_words(64).reshape(8, 8).T[::2]
    assert np.array_equal(bf16_round(strided), bf16_round(strided.copy()))


def test_stochastic_words_are_one_of_the_two_neighbours():
    rng = np.random.default_rng(4)
    u = random_words(100_000, seed=4)
    u = u[~is_nan32(u)]
    down, drawn = bf16_from_f32_bits(u, "rtz").astype(int), bf16_from_f32_bits(u, "stochastic", rng).astype(int)
    exact = (u & 0xFFFF) == 0
    assert np.all((drawn == down) | ((drawn == down + 1) & ~exact))
    nan = words32(0x7F800001, 0xFFFFFFFF)
    assert np.all((bf16_from_f32_bits(nan, "stochastic", rng) & 0x7FFF) > 0x7F80)


@given(st.floats(-(2.0**100), 2.0**100, width=32), st.integers(0, 2**32 - 1))
def test_stochastic_bf16_returns_a_neighbour_on_the_grid(x, seed):
    x = np.array([x], np.float32)
    y = stochastic_bf16(x, np.random.default_rng(seed))
    assert y.dtype == np.float32
    assert y.view(np.uint32)[0] & 0xFFFF == 0
    assert abs(float(y[0]) - float(x[0])) < spacing(x, BF16)[0]
    assert np.array_equal(stochastic_bf16(y, np.random.default_rng(seed)), y)


@pytest.mark.parametrize("value", [1.001, -1.001, 1.9985, 3e-39])
def test_stochastic_bf16_is_unbiased(value):
    n = 40_000
    x = np.full(n, value, np.float32)
    y = stochastic_bf16(x, np.random.default_rng(5)).astype(float)
    step = float(spacing(value, BF16))
    fraction = (abs(float(x[0])) / step) % 1
    # Mean of n Bernoulli draws between two values one step apart: five standard errors.
    assert abs(y.mean() - float(x[0])) < 5 * step * np.sqrt(fraction * (1 - fraction) / n)


def test_many_small_updates_arrive_on_average_only():
    """2,000 weights at 1.0 get 1e-3 a thousand times: 2.00 on average; nearest rounding stays at 1.0."""
    rng = np.random.default_rng(6)
    w, nearest = np.ones(2000, np.float32), np.ones(1, np.float32)
    for _ in range(1000):
        w = stochastic_bf16(w + np.float32(1e-3), rng)
        nearest = f32_bits_from_bf16(bf16_round((nearest + np.float32(1e-3)).view(np.uint32))).view(np.float32)
    # One chain has a standard deviation of sqrt(sum of step^2 f (1 - f)) = 0.083: the mean of 2,000 of them 0.0019.
    assert abs(float(w.mean(dtype=float)) - 2.0) < 0.01
    assert nearest[0] == 1.0


def test_bad_arguments():
    for narrow in (bf16_from_f32_bits, fp16_from_f32_bits):
        with pytest.raises(TypeError, match="uint32"):
            narrow(np.zeros(2, np.int64))
        with pytest.raises(ValueError, match="rounding"):
            narrow(words32(0), "up")
    for widen in (f32_bits_from_bf16, f32_bits_from_fp16):
        with pytest.raises(TypeError, match="uint16"):
            widen(np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match="stochastic rounding needs rng"):
        bf16_from_f32_bits(words32(0), "stochastic")
    with pytest.raises(TypeError, match="float32"):
        stochastic_bf16(np.zeros(2), np.random.default_rng(0))


def test_everything_of_the_subject_is_found_here():
    assert all(hasattr(half, name) for name in half.__all__)
