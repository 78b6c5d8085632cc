"""The way back from the accumulator, against exact fractions, and sums that saturate at 16 bits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.quantization.requantization import (
    fixed_point_multiplier,
    requantize,
    requantize_by,
    vpmaddubsw_pair,
)


def rounded(value: Fraction) -> int:
    """Nearest integer, ties up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


@given(st.floats(1e-30, 2.0**29, allow_subnormal=False))
def test_the_multiplier_is_an_integer_of_31_bits_and_a_shift(m):
    m0, shift = fixed_point_multiplier(m)
    assert 2**30 <= m0 < 2**31 and shift >= 1
    # Half a unit of an integer that is at least 2^30.
    assert abs(Fraction(m0, 2**shift) / Fraction(m) - 1) <= Fraction(1, 2**31)


def test_multipliers_that_round_up_to_a_power_of_two():
    for m, whole in ((1 - 2.0**-40, 1.0), (0.5 - 2.0**-42, 0.5), (1.0, 1.0), (2.0**-7, 2.0**-7)):
        m0, shift = fixed_point_multiplier(m)
        assert m0 == 2**30 and m0 * 2.0**-shift == whole
    assert fixed_point_multiplier(0.0003) == (1319413953, 42)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20), st.integers(0, 2**31 - 1), st.integers(1, 80),
       st.integers(-128, 127), st.sampled_from([(-128, 127), (0, 255), (-(2**15), 2**15 - 1), (-(2**31), 2**31 - 1)]))
def test_it_is_exact(acc, m0, shift, zero_point, q_range):
    qmin, qmax = q_range
    expected = [min(max(rounded(Fraction(a * m0, 2**shift)) + zero_point, qmin), qmax) for a in acc]
    got = requantize(np.array(acc, np.int64), m0, shift, zero_point, qmin, qmax)
    assert got.dtype == np.int32 and got.tolist() == expected


def test_channels_have_their_own_multiplier():
    acc = np.random.default_rng(0).integers(-(2**20), 2**20, (5, 3)).astype(np.int32)
    pairs = [fixed_point_multiplier(m) for m in (1e-3, 0.02, 0.9)]
    m0, shift = (np.array(column) for column in zip(*pairs))
    got = requantize(acc, m0, shift, 7, -128, 127)
    for i, pair in enumerate(pairs):
        assert np.array_equal(got[:, i], requantize(acc[:, i], *pair, 7, -128, 127))


def test_against_the_float_path_on_100_000_accumulators():
    rng = np.random.default_rng(1)
    acc = rng.integers(-(2**31), 2**31, 100_000)
    for multiplier in (1e-6, 3e-5, 0.0007, 0.03017, 0.29973, 0.89719):
        part = (acc * min(1, 4e-7 / multiplier)).astype(np.int32)  # codes within a few thousand steps
        exact = part.astype(np.float64) * multiplier
        tie = np.abs(exact - np.floor(exact) - 0.5) < 1e-5  # 2^-31 of 1,000 steps, and more
        got = requantize_by(part, multiplier, 3, -(2**15), 2**15 - 1)
        assert np.array_equal(got[~tie], np.rint(exact[~tie]) + 3) and tie.mean() < 0.01


def test_an_example_and_its_shape():
    acc = np.int32([[12345, -12345, 1000000]])
    assert requantize_by(acc, 0.0003, 5, -128, 127).tolist() == [[9, 1, 127]]
    assert requantize_by(acc.astype(np.int16)[:, :2], 0.0003, 5, -128, 127).tolist() == [[9, 1]]
    assert requantize_by(np.zeros((0, 2), np.int32), 0.5, 0, 0, 255).shape == (0, 2)
    assert requantize_by(1, 0.3, 0, -128, 127) == 0  # 0.3, where rounding twice gives 1


@pytest.mark.parametrize("call, text", [
    (lambda: fixed_point_multiplier(0.0), "m must"), (lambda: fixed_point_multiplier(-1.0), "m must"),
    (lambda: fixed_point_multiplier(float("nan")), "m must"), (lambda: fixed_point_multiplier(2.0**30), "m must"),
    (lambda: requantize([2**31], 2**30, 31, 0, 0, 255), "32 bits"), (lambda: requantize([1], 2**31, 31, 0, 0, 255), "m0"),
    (lambda: requantize([1], -1, 31, 0, 0, 255), "m0"), (lambda: requantize([1], 2**30, 0, 0, 0, 255), "shift"),
    (lambda: requantize([1], 2**30, 31, 0, 255, 0), "qmin"), (lambda: requantize_by([1], 1.0, 0, 0, 255), "multiplier"),
    (lambda: requantize_by([1], 0.0, 0, 0, 255), "multiplier"),
])
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_floats_are_refused():
    with pytest.raises(TypeError, match="integer"):
        requantize([1.0], 2**30, 31, 0, 0, 255)


@given(st.integers(0, 2**32 - 1))
def test_pair_sums_saturate(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (3, 8)).astype(np.uint8), rng.integers(-128, 128, (3, 8)).astype(np.int8)
    exact = (a.astype(int) * b.astype(int)).reshape(3, 4, 2).sum(2)
    got = vpmaddubsw_pair(a, b)
    assert got.dtype == np.int16 and np.array_equal(got, np.clip(exact, -32768, 32767))
    half = (b.astype(int) // 2).astype(np.int8)  # 7 bits: what "reduce range" does
    assert np.array_equal(vpmaddubsw_pair(a, half), (a.astype(int) * half).reshape(3, 4, 2).sum(2))


def test_pair_sums_refuse():
    with pytest.raises(TypeError, match="uint8"):
        vpmaddubsw_pair(np.int8([1, 2]), np.int8([1, 2]))
    for a, b in ((np.uint8([1]), np.int8([1])), (np.uint8([1, 2]), np.int8([1, 2, 3, 4]))):
        with pytest.raises(ValueError, match="even last axis"):
            vpmaddubsw_pair(a, b)
