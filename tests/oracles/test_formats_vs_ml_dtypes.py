"""Words, values and roundings of the small formats against NumPy and ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest

from utils.numerics.formats import BF16, E2M1, E4M3, E5M2, FP16, FP32, all_values, decode, encode, format_limits
from utils.numerics.noise import absmax_scale, pick_8bit, sqnr_db

ORACLES = {
    "FP16": (FP16, np.float16, np.uint16), "BF16": (BF16, ml_dtypes.bfloat16, np.uint16),
    "E4M3": (E4M3, ml_dtypes.float8_e4m3fn, np.uint8), "E5M2": (E5M2, ml_dtypes.float8_e5m2, np.uint8),
    "E2M1": (E2M1, ml_dtypes.float4_e2m1fn, np.uint8), "FP32": (FP32, np.float32, np.uint32),
}
each = pytest.mark.parametrize("fmt, dtype, word_type", ORACLES.values(), ids=list(ORACLES))
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")


def oracle_words(x: np.ndarray, dtype: type, word_type: type) -> np.ndarray:
    return x.astype(dtype).view(word_type).astype(np.uint32)


def random_floats(n: int, log2_span: int, seed: int) -> np.ndarray:
    """float32 numbers spread evenly over binades: ml_dtypes would round float64 twice."""
    rng = np.random.default_rng(seed)
    return (rng.choice([-1, 1], n) * rng.uniform(1, 2, n) * 2.0 ** rng.integers(-log2_span, log2_span, n)).astype(np.float32)


@each
def test_values_of_all_words(fmt, dtype, word_type):
    n = min(2**fmt.bits, 2**16)
    words = np.arange(n) if fmt.bits <= 16 else np.random.default_rng(0).integers(0, 2**32, n)
    expected = words.astype(word_type).view(dtype).astype(np.float64)
    got = decode(words, fmt)
    nan = np.isnan(expected)
    assert np.array_equal(np.isnan(got), nan)
    assert np.array_equal(got.view(np.uint64)[~nan], expected.view(np.uint64)[~nan])  # signs of zeros too


@each
@pytest.mark.parametrize("log2_span", [3, 30, 120])
def test_random_numbers_round_alike(fmt, dtype, word_type, log2_span):
    x = random_floats(100_000, log2_span, log2_span)
    assert np.array_equal(encode(x, fmt), oracle_words(x, dtype, word_type))


@pytest.mark.parametrize("name", ["FP16", "BF16", "E4M3", "E5M2", "E2M1"])
def test_all_midpoints_round_alike(name):
    fmt, dtype, word_type = ORACLES[name]
    values = all_values(fmt)
    middle = (values[:-1] + values[1:]) / 2  # one bit more than the format: exact in float32
    for x in (middle, np.nextafter(middle.astype(np.float32), np.float32(np.inf)),
              np.nextafter(middle.astype(np.float32), np.float32(-np.inf))):
        x = x.astype(np.float32)
        # The sign of a result 0 between -min_subnormal and +min_subnormal is the input's in both.
        assert np.array_equal(encode(x, fmt), oracle_words(x, dtype, word_type))


@pytest.mark.parametrize("name", ["FP16", "BF16", "E4M3", "E5M2"])
def test_specials_and_the_border_of_overflow(name):
    fmt, dtype, _ = ORACLES[name]
    border = fmt.max_finite + fmt.max_finite * fmt.eps / 2
    x = np.array([0.0, -0.0, np.inf, -np.inf, fmt.max_finite, border, border / 2, 3e38], np.float32)
    got, expected = decode(encode(x, fmt), fmt), x.astype(dtype).astype(np.float64)
    assert np.array_equal(got, expected, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(expected))
    assert np.isnan(decode(encode(np.nan, fmt), fmt))


def test_float64_to_fp16_is_rounded_once():
    """NumPy converts float64 to float16 directly."""
    x = np.random.default_rng(3).standard_normal(200_000) * 2.0 ** np.random.default_rng(4).integers(-28, 18, 200_000)
    x[:1000] = 1 + 2.0**-11 + np.random.default_rng(5).uniform(-1, 1, 1000) * 2.0**-35  # near a tie, beyond float32
    assert np.array_equal(encode(x, FP16), oracle_words(x, np.float16, np.uint16))


@pytest.mark.parametrize("exp_bits, man_bits, dtype", [
    (5, 10, np.float16), (8, 7, ml_dtypes.bfloat16), (5, 2, ml_dtypes.float8_e5m2), (4, 3, ml_dtypes.float8_e4m3),
    (3, 4, ml_dtypes.float8_e3m4)])
def test_limits_of_ieee_style_formats(exp_bits, man_bits, dtype):
    info = ml_dtypes.finfo(dtype)
    assert format_limits(exp_bits, man_bits) == {
        "max_finite": float(info.max), "min_normal": float(info.smallest_normal),
        "min_subnormal": float(info.smallest_subnormal), "eps": float(info.eps)}


@pytest.mark.parametrize("name", ["E4M3", "E2M1"])
def test_limits_of_the_ocp_formats(name):
    fmt, dtype, _ = ORACLES[name]
    info = ml_dtypes.finfo(dtype)
    assert (fmt.max_finite, fmt.min_normal, fmt.min_subnormal, fmt.eps) == (
        float(info.max), float(info.smallest_normal), float(info.smallest_subnormal), float(info.eps))


@pytest.mark.parametrize("seed", range(5))
def test_pick_8bit_with_casts_of_ml_dtypes(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(5000) * 10.0 ** rng.uniform(-1.5, 1.5, 5000)
    x[0] *= 10.0**seed  # tiny and large elements together, so that E4M3 subnormals matter
    s = absmax_scale(x, "e4m3")
    via = (x / s).astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * s
    _, int8_db, e4m3_db = pick_8bit(x)
    assert e4m3_db == pytest.approx(sqnr_db(x, via), abs=1e-3)  # float32 on the way may move a tie
    s = np.abs(x).max() / 127
    assert int8_db == pytest.approx(sqnr_db(x, s * np.round(x / s)), abs=1e-9)
