"""Floating-point formats: limits, exactness, nearest even against a search over all values."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.numerics.formats import (
    BF16,
    E2M1,
    E4M3,
    E5M2,
    FORMATS,
    FP16,
    FP32,
    TF32,
    FloatFormat,
    all_values,
    decode,
    decode_word,
    encode,
    fields,
    format_limits,
    overflows,
    round_to_format,
    spacing,
)

SMALL = [FP16, BF16, E5M2, E4M3, E2M1]
by_name = pytest.mark.parametrize("fmt", FORMATS.values(), ids=list(FORMATS))
small = pytest.mark.parametrize("fmt", SMALL, ids=[f.name for f in SMALL])
numbers = st.floats(allow_nan=False, allow_infinity=False)


# IEEE 754-2019 table 3.5 (binary16, binary32); OCP 8-bit Floating Point Specification 1.0 (E4M3, E5M2); OCP
# Microscaling Formats Specification 1.0 (E2M1).
@pytest.mark.parametrize("fmt, largest, normal, subnormal", [
    (FP32, (2 - 2**-23) * 2.0**127, 2.0**-126, 2.0**-149),
    (FP16, 65504.0, 2.0**-14, 2.0**-24),
    (E4M3, 448.0, 2.0**-6, 2.0**-9),
    (E5M2, 57344.0, 2.0**-14, 2.0**-16),
    (E2M1, 6.0, 1.0, 0.5),
])
def test_published_limits(fmt, largest, normal, subnormal):
    assert (fmt.max_finite, fmt.min_normal, fmt.min_subnormal) == (largest, normal, subnormal)


def test_names_and_sizes():
    assert all(key == fmt.name.lower() for key, fmt in FORMATS.items())
    assert {name: (f.bits, f.storage_bits) for name, f in FORMATS.items()} == {
        "fp32": (32, 32), "tf32": (19, 32), "fp16": (16, 16), "bf16": (16, 16), "e5m2": (8, 8), "e4m3": (8, 8),
        "e2m1": (4, 4)}
    assert [f.bias for f in (FP32, FP16, BF16, E4M3, E5M2)] == [127, 15, 127, 7, 15]


def test_numbers_of_finite_words_and_values():
    assert (FP16.n_finite, all_values(FP16).size) == (63_488, 63_487)
    assert BF16.n_finite == 65_280
    assert all_values(E4M3).size == 253
    assert np.intersect1d(all_values(FP16), all_values(BF16)).size == 8_703


@by_name
def test_limits_are_values_and_nothing_lies_beyond(fmt):
    for value in (fmt.max_finite, fmt.min_normal, fmt.min_subnormal, 1.0):
        assert round_to_format(value, fmt) == value
    assert decode(fmt.max_word, fmt) == fmt.max_finite
    assert round_to_format(fmt.min_subnormal / 2, fmt) == 0  # a tie, and 0 is even
    assert spacing(1.0, fmt) == fmt.eps
    n = fmt.max_consecutive_int
    assert round_to_format(n, fmt) == n
    if n < fmt.max_finite:
        assert round_to_format(n + 1, fmt) != n + 1
    rng = np.random.default_rng(0)
    below = rng.integers(0, n, 200)
    assert np.array_equal(round_to_format(below, fmt), below)


@by_name
def test_words_survive_the_round_trip(fmt):
    words = np.arange(2**fmt.bits) if fmt.bits <= 16 else np.random.default_rng(1).integers(0, 2**fmt.bits, 50_000)
    values = decode(words, fmt)
    real = ~np.isnan(values)
    assert np.array_equal(encode(values[real], fmt), words[real])
    assert encode(0.0, fmt).dtype == np.uint32
    if fmt.nan_word is not None:
        assert np.isnan(round_to_format(np.nan, fmt))


@small
def test_all_values_are_sorted_distinct_and_symmetric(fmt):
    values = all_values(fmt)
    assert np.all(np.diff(values) > 0)
    assert np.array_equal(values, -values[::-1])
    decoded = decode(np.arange(2**fmt.bits), fmt)
    assert np.array_equal(values, np.unique(decoded[np.isfinite(decoded)]))


def nearest_even(x: float, fmt: FloatFormat) -> float:
    """The slow and obviously right way: the closest of all values, of two equally close ones that with an even word."""
    values = all_values(fmt)
    i = int(np.clip(np.searchsorted(values, x), 1, values.size - 1))
    pair = [float(v) for v in values[i - 1:i + 1]]
    errors = [abs(Fraction(v) - Fraction(x)) for v in pair]
    if errors[0] != errors[1]:
        return pair[errors.index(min(errors))]
    return next(v for v in pair if np.flatnonzero(decode(np.arange(2**fmt.bits), fmt) == v)[0] % 2 == 0)


@small
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_rounds_to_the_nearest_value(fmt, data):
    bound = fmt.max_finite
    x = data.draw(st.floats(-bound, bound) | st.floats(-10 * fmt.min_normal, 10 * fmt.min_normal))
    assert float(round_to_format(x, fmt)) == nearest_even(x, fmt)


@small
def test_midpoints_go_to_the_even_word(fmt):
    values = all_values(fmt)
    values = values[values >= 0]
    words = encode((values[:-1] + values[1:]) / 2, fmt)  # one more significant bit than the format: exact
    assert np.all(words % 2 == 0)
    assert np.all(np.abs(words.astype(int) - np.arange(words.size)) <= 1)


@by_name
@given(x=numbers, y=numbers)
def test_rounding_is_monotone_odd_and_idempotent(fmt, x, y):
    x, y = sorted((x, y))
    (a, b), (minus_a,) = round_to_format([x, y], fmt, saturate=True), round_to_format([-x], fmt, saturate=True)
    assert a <= b
    assert minus_a == -a
    assert math.copysign(1, minus_a) == -math.copysign(1, a)
    assert round_to_format(a, fmt) == a


@by_name
@given(x=numbers)
def test_error_is_at_most_half_a_step(fmt, x):
    if abs(x) <= fmt.max_finite:
        error = abs(Fraction(float(round_to_format(x, fmt))) - Fraction(x))
        assert error <= Fraction(float(spacing(x, fmt))) / 2


@by_name
@given(x=numbers)
def test_toward_zero_drops_less_than_a_step_and_never_overflows(fmt, x):
    cut = float(round_to_format(x, fmt, rounding="rtz"))
    assert abs(cut) <= min(abs(x), fmt.max_finite)
    if abs(x) <= fmt.max_finite:
        assert Fraction(abs(x)) - Fraction(abs(cut)) < Fraction(float(spacing(x, fmt)))
    else:
        assert abs(cut) == fmt.max_finite


@small
def test_stochastic_rounding_picks_a_neighbour_with_the_right_frequency(fmt):
    rng = np.random.default_rng(2)
    low = decode(rng.integers(0, fmt.max_word - 1, 5), fmt)
    high = low + spacing(low, fmt)
    fraction = rng.uniform(0.1, 0.9, 5)
    x = low + fraction * (high - low)
    n = 20_000
    drawn = round_to_format(np.broadcast_to(x, (n, 5)), fmt, rounding="stochastic", rng=rng)
    assert np.all((drawn == low) | (drawn == high))
    up = (drawn == high).mean(axis=0)
    exact = (x - low) / (high - low)
    # Frequency of n draws: five standard deviations of at most 1 / (2 sqrt(n)).
    assert np.all(np.abs(up - exact) < 5 * 0.5 / n**0.5)
    assert np.array_equal(round_to_format(-low, fmt, rounding="stochastic", rng=rng), -low)


@pytest.mark.parametrize("fmt, last_kept, first_lost", [
    (FP16, 65519.99, 65520.0), (E5M2, 61439.99, 61440.0), (E4M3, 464.0, 464.01),
    (BF16, (2 - 2**-8 - 2**-20) * 2.0**127, (2 - 2**-8) * 2.0**127),
])
def test_overflow_begins_half_a_step_above_the_largest(fmt, last_kept, first_lost):
    assert round_to_format(last_kept, fmt) == fmt.max_finite
    assert not np.isfinite(round_to_format(first_lost, fmt))
    assert np.isnan(round_to_format(first_lost, fmt)) == (fmt.special == "fn")
    assert overflows([-last_kept, -first_lost, np.inf, np.nan], fmt).tolist() == [False, True, True, False]
    assert round_to_format([-first_lost, np.inf], fmt, saturate=True).tolist() == [-fmt.max_finite, fmt.max_finite]


def test_infinity_in_each_kind_of_format():
    assert encode([np.inf, -np.inf], FP16).tolist() == [0x7C00, 0xFC00]
    assert encode(np.inf, FP16, "rtz") == 0x7C00
    assert np.isnan(round_to_format(np.inf, E4M3))
    assert round_to_format([np.inf, -100.0], E2M1).tolist() == [6.0, -6.0]


def test_a_format_without_nan_refuses_it():
    with pytest.raises(ValueError, match="NaN"):
        encode([1.0, np.nan], E2M1)


def test_spacing_at_binade_borders_and_beyond():
    assert spacing([0.0, 2.0**-14, 2.0**-15, 1.0, 1.999, 65504.0], FP16).tolist() == [
        2.0**-24, 2.0**-24, 2.0**-24, 2.0**-10, 2.0**-10, 32.0]
    assert spacing([65505.0, np.inf], FP16).tolist() == [np.inf, np.inf]
    assert np.isnan(spacing(np.nan, FP16))
    assert spacing([-2.0, 2.0], BF16).tolist() == [2.0**-6] * 2
    positive = all_values(FP16)
    positive = positive[positive >= 0]
    assert np.array_equal(spacing(positive[:-1], FP16), np.diff(positive))


@pytest.mark.parametrize("word, kind, value", [
    (0x0000, "zero", 0.0), (0x0001, "subnormal", 2.0**-24), (0x03FF, "subnormal", 1023 * 2.0**-24),
    (0x0400, "normal", 2.0**-14), (0x3555, "normal", 0.333251953125), (0x7BFF, "normal", 65504.0),
    (0xFC00, "inf", -math.inf), (0x7C01, "nan", math.nan),
])
def test_fields_of_fp16(word, kind, value):
    f = fields(word, FP16)
    assert f.kind == kind
    assert f.value == value or math.isnan(value)
    assert int(f.sign + f.exponent + f.mantissa, 2) == word
    assert (len(f.exponent), len(f.mantissa)) == (5, 10)
    assert f.as_dict()["kind"] == kind


def test_fields_of_the_only_nan_and_of_numbers_with_all_ones():
    assert fields(0x7F, E4M3).kind == "nan"
    assert fields(0x7E, E4M3).kind == "normal"
    assert fields(0x7, E2M1).value == 6.0
    assert fields(0x8000, FP16).kind == "zero" and math.copysign(1, fields(0x8000, FP16).value) == -1


def test_sums_of_ones_stop_where_the_integers_stop_being_consecutive():
    for fmt, limit in ((FP16, 2048), (BF16, 256), (FP32, 16_777_216)):
        assert fmt.max_consecutive_int == limit
        assert round_to_format(limit + 1, fmt) == limit


def test_every_fp16_value_is_exact_in_fp32_and_tf32():
    values = all_values(FP16)
    for wide in (FP32, TF32):
        assert np.array_equal(round_to_format(values, wide), values)


@pytest.mark.parametrize("exp_bits, man_bits, info", [(5, 10, np.finfo(np.float16)), (8, 23, np.finfo(np.float32)),
                                                      (11, 52, np.finfo(np.float64))])
def test_format_limits_of_numpy_types(exp_bits, man_bits, info):
    limits = format_limits(exp_bits, man_bits)
    assert limits == {"max_finite": float(info.max), "min_normal": float(info.smallest_normal),
                      "min_subnormal": float(info.smallest_subnormal), "eps": float(info.eps)}
    assert all(type(v) is float for v in limits.values())


@given(st.integers(0, 2**64 - 1))
def test_decode_word_knows_python_floats(word):
    value = np.uint64(word).view(np.float64)
    got = decode_word(word, 11, 52)
    assert np.array_equal(got, value, equal_nan=True)
    assert math.copysign(1, got) == math.copysign(1, value) or math.isnan(got)


@pytest.mark.parametrize("word", [-1, 2**16, 2**70])
def test_words_beyond_the_format_are_refused(word):
    with pytest.raises(ValueError, match="out of range for FP16"):
        decode(word, FP16)
    with pytest.raises(ValueError, match="out of range"):
        decode_word(word, 5, 10)
    with pytest.raises(ValueError, match="out of range"):
        fields(word, FP16)


def test_bad_arguments():
    for args, text in [((1, 10), "exp_bits must be >= 2"), ((12, 10), "exp_bits"), ((5, 0), "man_bits must be >= 1")]:
        with pytest.raises(ValueError, match=text):
            FloatFormat("bad", *args)
        with pytest.raises(ValueError, match=text):
            format_limits(*args)
    with pytest.raises(ValueError, match="special"):
        FloatFormat("bad", 5, 10, "odd")
    with pytest.raises(ValueError, match="stochastic rounding needs rng"):
        encode(1.0, FP16, "stochastic")
    with pytest.raises(ValueError, match="rounding must be"):
        encode(1.0, FP16, "up")
    with pytest.raises(ValueError, match="too many values"):
        all_values(TF32)
    with pytest.raises(ValueError, match="32 bits"):
        encode(1.0, FloatFormat("FP64", 11, 52))
    with pytest.raises(TypeError, match="integers"):
        decode(1.0, FP16)


def test_shapes_are_kept():
    for shape in ((), (0,), (2, 3)):
        x = np.ones(shape)
        assert encode(x, FP16).shape == decode(encode(x, FP16), FP16).shape == spacing(x, FP16).shape == shape
