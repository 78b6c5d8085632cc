"""A linear layer in integers, the parameters of tensors, slices and groups, and the exercises' adapters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression import quantization
from utils.compression.quantization import (
    QParams,
    affine_qparams,
    affine_qparams_of,
    dequantize,
    fake_quantize,
    int_dequantize,
    int_quantize,
    qparams_from_tensor,
    quantize,
    quantize_per_tensor,
    quantized_linear,
)

seeds = st.integers(0, 2**32 - 1)


def test_parts_are_found_here():
    assert all(hasattr(quantization, name) for name in quantization.__all__)


def test_adapters_are_the_library():
    assert affine_qparams_of(-1, 3, 0, 255) == affine_qparams(-1, 3, 0, 255) == (4 / 255, 64)
    x = np.float32([-0.25, 0.05, 0.15, 0.25, 0.35, 100, -100])
    assert quantize_per_tensor(x, 0.1, 3, -128, 127).tolist() == [1, 3, 5, 5, 7, 127, -128]
    assert np.array_equal(quantize_per_tensor(x, 0.1, 3, -8, 7), quantize(x, 0.1, 3, -8, 7))


# --- parameters of a tensor, its slices, its groups -----------------------------------------------


@given(seeds, st.integers(2, 8), st.booleans(), st.sampled_from([None, 0, 1, -1]))
def test_every_value_comes_back_within_half_a_step(seed, bits, symmetric, axis):
    x = np.random.default_rng(seed).standard_normal((3, 4)).astype(np.float32)
    qp = qparams_from_tensor(x, bits, symmetric=symmetric, axis=axis)
    assert qp.qmax == 2 ** (bits - 1) - 1 and qp.qmin == (-qp.qmax if symmetric else -qp.qmax - 1)
    back = int_dequantize(int_quantize(x, qp), qp)
    step = qp.scale if axis is None else np.moveaxis(qp.scale.reshape(-1, 1), 0, axis % 2)
    # Half a step, and float32's roundings of quotient and product: 2^-22 of up to 256 steps.
    assert np.all(np.abs(back - x) <= step * (0.5 + 2.0**-14))
    assert not symmetric or not qp.zero_point.any()


@given(seeds, st.booleans())
def test_a_slice_has_the_parameters_that_it_has_alone(seed, symmetric):
    x = np.random.default_rng(seed).standard_normal((2, 3, 8))
    for axis in (0, 1, 2, -1):
        along = qparams_from_tensor(x, symmetric=symmetric, axis=axis)
        for i in range(x.shape[axis]):
            alone = qparams_from_tensor(np.take(x, i, axis), symmetric=symmetric)
            assert along.scale[i] == alone.scale and along.zero_point[i] == alone.zero_point
    groups = qparams_from_tensor(x, symmetric=symmetric, group_size=4)
    assert groups.scale.shape == (12,) and groups.axis == 0
    assert groups.scale[5] == qparams_from_tensor(x[0, 2, 4:], symmetric=symmetric).scale


def test_finer_granularity_never_has_a_wider_step():
    x = np.random.default_rng(0).standard_normal((8, 64)) * np.geomspace(0.01, 1, 8)[:, None]
    tensor, channel, group = (qparams_from_tensor(x, symmetric=True, **how).scale
                              for how in ({}, {"axis": 0}, {"group_size": 16}))
    assert channel.max() == tensor == group.max()
    assert np.all(group.reshape(8, 4) <= channel[:, None])


def test_fake_quantize_is_the_round_trip():
    x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    qp = qparams_from_tensor(x.reshape(8, 3), 4, symmetric=False, axis=0)
    expected = int_dequantize(int_quantize(x.reshape(8, 3), qp), qp).reshape(4, 6)
    assert np.array_equal(fake_quantize(x, 4, symmetric=False, group_size=3), expected)
    assert np.array_equal(fake_quantize(x.T, symmetric=True, axis=1), fake_quantize(x, symmetric=True, axis=0).T)
    assert fake_quantize(np.zeros((2, 2)), symmetric=True).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("x, bits, options, text", [
    ([], 8, {}, "empty"), ([np.nan], 8, {}, "finite"), ([1.0], 1, {}, "bits"), ([1.0, 2], 8, {"axis": 1}, "axis"),
    ([1.0, 2, 3], 8, {"group_size": 2}, "group_size"), ([1.0], 8, {"group_size": 0}, "group_size"),
    ([1.0], 8, {"group_size": 1, "axis": 0}, "axis"),
])
def test_bad_tensors(x, bits, options, text):
    with pytest.raises(ValueError, match=text):
        qparams_from_tensor(x, bits, symmetric=True, **options)


# --- a linear layer -------------------------------------------------------------------------------


def draw_layer(seed, per_column, zero_points):
    """Codes and parameters of a layer whose accumulators fit int32."""
    rng = np.random.default_rng(seed)
    m, k, n = (int(v) for v in rng.integers(1, 20, 3))
    x_qp = QParams(rng.uniform(1e-3, 1), rng.integers(0, 256), 0, 255)
    shape = (n,) if per_column else ()
    w_zero = rng.integers(-128, 128, shape) if zero_points else np.zeros(shape, int)
    w_qp = QParams(rng.uniform(1e-3, 1, shape), w_zero, -128, 127, 1 if per_column else None)
    y_qp = QParams(rng.uniform(1e-1, 100), rng.integers(0, 256), 0, 255)
    x_q, w_q = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-128, 128, (k, n)).astype(np.int8)
    return x_q, x_qp, w_q, w_qp, rng.integers(-20_000, 20_000, n), y_qp


@given(seeds, st.booleans(), st.booleans())
def test_it_is_the_layer_of_the_dequantized_operands(seed, per_column, zero_points):
    x_q, x_qp, w_q, w_qp, bias, y_qp = draw_layer(seed, per_column, zero_points)
    got = quantized_linear(x_q, x_qp, w_q, w_qp, bias, y_qp)
    x = (x_q.astype(np.float64) - x_qp.zero_point) * x_qp.scale
    y = x @ ((w_q.astype(np.float64) - w_qp.zero_point) * w_qp.scale) + bias * (x_qp.scale * w_qp.scale)
    steps = y / y_qp.scale
    tie = np.abs(steps - np.floor(steps) - 0.5) < 1e-6  # the multiplier is off by 2^-31, the float sums by 2^-40
    expected = np.clip(np.rint(steps) + y_qp.zero_point, 0, 255)
    assert got.dtype == np.uint8 and np.array_equal(got[~tie], expected[~tie])


def test_saturating_at_the_zero_point_is_a_relu():
    x_q, x_qp, w_q, w_qp, bias, _ = draw_layer(3, True, False)
    signed, cut = QParams(20.0, 0, -128, 127), QParams(20.0, 0, 0, 127)
    free = quantized_linear(x_q, x_qp, w_q, w_qp, bias, signed)
    assert free.dtype == np.int8 and (free < 0).any()
    assert np.array_equal(quantized_linear(x_q, x_qp, w_q, w_qp, bias, cut), np.maximum(free, 0))


def test_without_a_bias_and_for_no_rows():
    x_q, x_qp, w_q, w_qp, _, y_qp = draw_layer(4, False, True)
    zero = np.zeros(w_q.shape[1], int)
    assert np.array_equal(quantized_linear(x_q, x_qp, w_q, w_qp, None, y_qp),
                          quantized_linear(x_q, x_qp, w_q, w_qp, zero, y_qp))
    assert quantized_linear(x_q[:0], x_qp, w_q, w_qp, None, y_qp).shape == (0, w_q.shape[1])


def test_strides_do_not_matter():
    x_q, x_qp, w_q, w_qp, bias, y_qp = draw_layer(5, True, True)
    wide = np.repeat(x_q, 2, axis=1)[:, ::2]
    assert not wide.flags.c_contiguous or wide.size < 2
    assert np.array_equal(quantized_linear(wide, x_qp, np.asfortranarray(w_q), w_qp, bias, y_qp),
                          quantized_linear(x_q, x_qp, w_q, w_qp, bias, y_qp))


def test_refusals_of_the_layer():
    x_q, x_qp, w_q, w_qp, bias, y_qp = draw_layer(6, False, False)
    rows = QParams(np.ones(x_q.shape[0]), np.zeros(x_q.shape[0]), 0, 255, 0)
    for wrong in ((x_q, rows, w_q, w_qp, bias, y_qp), (x_q, x_qp, w_q, w_qp, bias, rows)):
        with pytest.raises(ValueError, match="axis"):
            quantized_linear(*wrong)
    with pytest.raises(ValueError, match="inner dimensions"):
        quantized_linear(x_q[:, :-1], x_qp, w_q, w_qp, bias, y_qp)
    with pytest.raises(OverflowError, match="int32"):
        quantized_linear(x_q, x_qp, w_q, w_qp, bias + 2**31, y_qp)
    with pytest.raises(TypeError, match="int8"):
        quantized_linear(x_q.astype(float), x_qp, w_q, w_qp, bias, y_qp)


def test_dequantized_output_of_a_worked_layer():
    """2 x 1 + 3 x (-1) + 0.5 = -0.5 with steps of 0.5, 0.25 and 0.125."""
    x_q, w_q = np.uint8([[14, 16]]), np.int8([[4], [-4]])  # (14 - 10) 0.5 = 2, (16 - 10) 0.5 = 3
    y_qp = QParams(0.125, -3, -128, 127)
    got = quantized_linear(x_q, QParams(0.5, 10, 0, 255), w_q, QParams(0.25, 0, -127, 127), [4], y_qp)
    assert got.tolist() == [[-7]] and dequantize(got, 0.125, -3).tolist() == [[-0.5]]
