"""Quantization: a linear layer in integers, and the door to the parts that it is made of.

Integers with a scale live in `numerics.int8`, parameters of a tensor in `granularity`, the choice of a range in
`clipping`, the way back from the accumulator in `requantization`; all are found here.

Source: Jacob et al., CVPR 2018; ONNX operators QuantizeLinear, MatMulInteger and QLinearMatMul.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.quantization.clipping import optimal_clip, quantizer_bench
from utils.compression.quantization.granularity import fake_quantize, qparams_from_tensor
from utils.compression.quantization.requantization import (
    fixed_point_multiplier,
    requantize,
    requantize_by,
    vpmaddubsw_pair,
)
from utils.numerics.int8 import (
    QParams,
    affine_qparams,
    dequantize,
    int_dequantize,
    int_matmul,
    int_quantize,
    integer_type,
    max_safe_k,
    pack_int4,
    quantize,
    sqnr_db,
    unpack_int4,
)

__all__ = [
    "QParams", "affine_qparams", "affine_qparams_of", "dequantize", "fake_quantize", "fixed_point_multiplier",
    "int_dequantize", "int_matmul", "int_quantize", "max_safe_k", "optimal_clip", "pack_int4", "qparams_from_tensor",
    "quantize", "quantize_per_tensor", "quantized_linear", "quantizer_bench", "requantize", "requantize_by", "sqnr_db",
    "unpack_int4", "vpmaddubsw_pair",
]

INT32 = np.iinfo(np.int32)


def affine_qparams_of(lo: float, hi: float, qmin: int, qmax: int) -> tuple[float, int]:
    """Scale and zero point that map [lo, hi], widened to contain 0, to the integers [qmin, qmax]; asymmetric."""
    return affine_qparams(lo, hi, qmin, qmax)


def quantize_per_tensor(x: ArrayLike, scale: float, zero_point: int, qmin: int, qmax: int) -> np.ndarray:
    """clip(round(x / scale) + zero_point, qmin, qmax) with one scale: `quantize` without an axis."""
    return quantize(x, scale, zero_point, qmin, qmax)


def quantized_linear(x_q: np.ndarray, x_qp: QParams, w_q: np.ndarray, w_qp: QParams, bias_i32: ArrayLike | None,
                     y_qp: QParams) -> np.ndarray:
    """A linear layer whose inputs, weights and outputs are integers: (m, k) @ (k, n) -> (m, n), ONNX's QLinearMatMul.

    x_q and w_q are int8 or uint8. `w_qp` may have one entry a column (axis 1), `x_qp` and `y_qp` have one for the
    tensor. `bias_i32` has n integers in units of s_x s_w, or is None. The result has the smallest type that
    `y_qp`'s range needs; saturating it at the zero point is a ReLU. No float touches the data: s_x s_w / s_y becomes
    an integer and a shift for each column.

    Raises ValueError for parameters along another axis, OverflowError when an accumulator leaves 32 bits, and as
    `int_matmul`.
    """
    if x_qp.axis is not None or y_qp.axis is not None or w_qp.axis not in (None, 1, -1):
        raise ValueError(f"axis must be None for x and y, None or 1 for w, got {x_qp.axis}, {y_qp.axis}, {w_qp.axis}")
    x_zero = int(x_qp.zero_point)
    acc = int_matmul(x_q, w_q, x_zero, 0).astype(np.int64)  # (m, n)
    rows = np.asarray(x_q).sum(axis=1, dtype=np.int64)[:, None] - x_zero * np.shape(x_q)[1]  # (m, 1)
    acc = acc - rows * w_qp.zero_point  # a column may have a zero point of its own
    if bias_i32 is not None:
        acc = acc + np.asarray(bias_i32, dtype=np.int64)
    if acc.size and (acc.min() < INT32.min or acc.max() > INT32.max):
        raise OverflowError(f"the accumulator must fit int32, got values from {acc.min()} to {acc.max()}")
    m0, shift = _multipliers(float(x_qp.scale), w_qp.scale, float(y_qp.scale))
    codes = requantize(acc, m0, shift, int(y_qp.zero_point), y_qp.qmin, y_qp.qmax)
    return codes.astype(integer_type(y_qp.qmin, y_qp.qmax))


def _multipliers(x_scale: float, w_scale: np.ndarray, y_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Integers m0 and shifts for s_x s_w / s_y: 0-d, or one entry a column."""
    pairs = [fixed_point_multiplier(x_scale * s / y_scale) for s in np.ravel(w_scale).tolist()]
    m0, shift = (np.array(column, dtype=np.int64).reshape(w_scale.shape) for column in zip(*pairs))
    return m0, shift

