"""Scales and zero points, quantization and integer products of quantized matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics import int8
from utils.numerics.int8 import (
    QParams,
    affine_qparams,
    affine_quantize,
    dequantize,
    int8_gemm,
    int8_matmul,
    int_dequantize,
    int_quantize,
    quantize,
    symmetric_qparams,
)

RANGES = [(-128, 127), (-127, 127), (0, 255), (-8, 7), (0, 15), (-32768, 32767)]
bounds = st.floats(-1e6, 1e6).map(lambda v: v if abs(v) > 1e-6 else 0.0)


@pytest.mark.parametrize("args, scale, zero_point", [
    ((-1, 3, 0, 255), 4 / 255, 64), ((-1, 3, -128, 127), 4 / 255, -64), ((0.5, 2, 0, 255), 2 / 255, 0),
    ((-2, -0.5, -128, 127), 2 / 255, 127), ((0, 0, 0, 255), 1.0, 0), ((0, 0, 5, 10), 1.0, 5),
])
def test_worked_parameters(args, scale, zero_point):
    assert affine_qparams(*args) == (pytest.approx(scale, rel=1e-15), zero_point)


@given(bounds, bounds, st.sampled_from(RANGES))
def test_zero_is_exact_and_the_range_is_covered(a, b, q_range):
    lo, hi = sorted((a, b))
    qmin, qmax = q_range
    scale, zero_point = affine_qparams(lo, hi, qmin, qmax)
    assert type(zero_point) is int and qmin <= zero_point <= qmax
    q = quantize([lo, 0.0, hi], scale, zero_point, qmin, qmax)
    back = dequantize(q, scale, zero_point)
    assert back[1] == 0
    # Half a step, and float32's rounding of quotient and product: 2 * 2^-24 of up to qmax - qmin steps.
    assert np.all(np.abs(back - [lo, 0, hi]) <= scale * (0.5 + (qmax - qmin) * 2.0**-22))


@given(bounds, bounds, st.integers(2, 16))
def test_symmetric_parameters(a, b, bits):
    lo, hi = sorted((a, b))
    qmax = 2 ** (bits - 1) - 1
    scale, zero_point = affine_qparams(lo, hi, -qmax, qmax, symmetric=True)
    assert zero_point == 0
    assert scale * qmax == pytest.approx(max(abs(lo), abs(hi), qmax * (lo == hi == 0)))


@pytest.mark.parametrize("args, kw, text", [
    ((2, 1, 0, 255), {}, "lo must be <= hi"), ((np.nan, 1, 0, 255), {}, "finite"), ((0, np.inf, 0, 255), {}, "finite"),
    ((-1e308, 1e308, 0, 255), {}, "finite"),
    ((0, 1, 5, 5), {}, "qmin"), ((-1, 1, -128, 127), {"symmetric": True}, "qmin"),
])
def test_bad_ranges(args, kw, text):
    with pytest.raises(ValueError, match=text):
        affine_qparams(*args, **kw)


def test_ties_saturation_and_types():
    x = np.float32([-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100])
    q = quantize(x, 0.1, 3, -128, 127)
    assert q.tolist() == [1, 3, 5, 5, 7, 127, -128]
    for (qmin, qmax), dtype in {(-128, 127): "int8", (-8, 7): "int8", (0, 255): "uint8", (-32768, 32767): "int16",
                                (0, 65535): "uint16", (-70000, 70000): "int32"}.items():
        assert quantize([np.inf, -np.inf, 1e30, -3e38], 1e-3, 0, qmin, qmax).tolist() == [qmax, qmin, qmax, qmin]
        assert quantize(x, 0.1, 0, qmin, qmax).dtype == dtype
    halves = np.arange(-20, 20) + 0.5
    assert np.all(quantize(halves, 1.0, 0, -128, 127) % 2 == 0)
    assert np.all(quantize(halves, 1.0, 1, -128, 127) % 2 == 1)  # the zero point is added after rounding


@given(st.integers(0, 2**32 - 1), st.sampled_from(RANGES))
def test_codes_come_back(seed, q_range):
    rng = np.random.default_rng(seed)
    qmin, qmax = q_range
    q = rng.integers(qmin, qmax + 1, (3, 5))
    scale, zero_point = rng.uniform(1e-3, 1e3), int(rng.integers(qmin, qmax + 1))
    assert np.array_equal(quantize(dequantize(q, scale, zero_point), scale, zero_point, qmin, qmax), q)


def test_along_an_axis_each_slice_has_its_own_parameters():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1):
        n = x.shape[axis]
        qp = QParams(rng.uniform(0.01, 0.1, n), rng.integers(-5, 6, n), -128, 127, axis)
        q = int_quantize(x, qp)
        back = int_dequantize(q, qp)
        assert back.dtype == np.float32
        for i in range(n):
            part = quantize(np.take(x, i, axis), qp.scale[i], qp.zero_point[i], -128, 127)
            assert np.array_equal(np.take(q, i, axis), part)
            assert np.array_equal(np.take(back, i, axis), dequantize(part, qp.scale[i], qp.zero_point[i]))


@pytest.mark.parametrize("call, text", [
    (lambda: quantize([1.0], 0.0, 0, -128, 127), "scale"), (lambda: quantize([1.0], -1.0, 0, -128, 127), "scale"),
    (lambda: quantize([np.nan], 1.0, 0, -128, 127), "NaN"), (lambda: quantize([1.0], 1.0, 0, 3, 3), "qmin"),
    (lambda: quantize([1.0], [1.0], 0, -128, 127, axis=1), "axis"), (lambda: dequantize([[1]], [[1.0]], 0, axis=0), "scale"),
    (lambda: symmetric_qparams([]), "empty"), (lambda: symmetric_qparams([1.0], bits=1), "bits"),
    (lambda: symmetric_qparams([np.nan]), "finite"),
])
def test_bad_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_symmetric_qparams():
    qp = symmetric_qparams([-2.54, 1.0])
    assert (qp.qmin, qp.qmax, int(qp.zero_point), qp.axis) == (-127, 127, 0, None)
    assert float(qp.scale) == pytest.approx(0.02)
    assert int_quantize([-2.54, 1.0], qp).tolist() == [-127, 50]
    assert float(symmetric_qparams(np.zeros(3)).scale) == 1.0
    assert symmetric_qparams([1.0], bits=4).qmax == 7
    assert qp.as_dict()["qmax"] == 127


@given(bounds, bounds, st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_affine_quantize_errs_by_half_a_step_at_most(a, b, bits, seed):
    lo, hi = sorted((a, b))
    x = np.append(np.random.default_rng(seed).uniform(lo, hi, 50), [lo, hi])
    q, scale, zero_point = affine_quantize(x, bits)
    assert q.min() >= -(2 ** (bits - 1)) and q.max() < 2 ** (bits - 1)
    back = scale * (q.astype(np.int64) - zero_point)
    # Half a step; float64 rounds quotient and product by 2^-53 of up to 255 steps.
    assert np.all(np.abs(back - x) <= scale * (0.5 + 1e-12))
    assert -(2 ** (bits - 1)) <= zero_point < 2 ** (bits - 1)  # 0.0 has a code of its own


def test_affine_quantize_examples():
    q, scale, zero_point = affine_quantize(np.array([-1, 0, 0.5, 3]))
    assert (q.tolist(), scale, zero_point) == ([-128, -64, -32, 127], 4 / 255, -64)
    assert affine_quantize(np.zeros(3))[1] == 1.0
    positive, scale, zero_point = affine_quantize(np.array([1.0, 2.0]))
    assert zero_point == -128 and scale == 2 / 255 and positive[1] == 127
    for bad, text in (([1.0, np.nan], "NaN"), ([], "empty"), ([np.inf], "finite")):
        with pytest.raises(ValueError, match=text):
            affine_quantize(bad)


def test_product_equals_that_of_the_dequantized_matrices():
    rng = np.random.default_rng(1)
    for k in (1, 7, 300, 4096):
        qa, qb = rng.integers(-128, 128, (3, k)).astype(np.int8), rng.integers(-128, 128, (k, 2)).astype(np.int8)
        (sa, sb), (za, zb) = rng.uniform(1e-3, 1, 2), rng.integers(-128, 128, 2)
        exact = (sa * (qa.astype(float) - za)) @ (sb * (qb.astype(float) - zb))
        got = int8_gemm(qa, sa, za, qb, sb, zb)
        assert got.dtype == np.float32
        # The integer sum is exact and rounded once to float32 (2^-24); float64 sums err by k 2^-53 of sum |a b|.
        slack = k * 2.0**-52 * 255**2 * sa * sb * k
        assert np.all(np.abs(got - exact) <= 2.0**-23 * np.abs(exact) + slack)
        qpa, qpb = (QParams(s, z, -128, 127) for s, z in ((sa, za), (sb, zb)))
        assert np.array_equal(int8_matmul(qa, qpa, qb, qpb), got)


def test_matmul_refuses():
    one = QParams(1.0, 0, -128, 127)
    with pytest.raises(ValueError, match="K=131072 can overflow int32"):
        int8_matmul(np.zeros((1, 131_072), np.int8), one, np.zeros((131_072, 1), np.int8), one)
    with pytest.raises(ValueError, match="inner dimensions"):
        int8_gemm(np.zeros((2, 3), np.int8), 1.0, 0, np.zeros((2, 3), np.int8), 1.0, 0)
    with pytest.raises(ValueError, match="axis"):
        int8_matmul(np.zeros((1, 1), np.int8), QParams([1.0], [0], -128, 127, 0), np.zeros((1, 1), np.int8), one)


def test_parts_are_found_here():
    assert all(hasattr(int8, name) for name in int8.__all__)
