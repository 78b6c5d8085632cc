"""QuantizeLinear and DequantizeLinear, the pair (QDQ) by which a graph says where it computes in integers."""

from __future__ import annotations

import numpy as np

from utils.graphs.runtime.registry import operator
from utils.numerics import int8

Array = np.ndarray


def _axis(scale: Array, axis: int) -> int | None:
    return axis if scale.ndim == 1 else None


@operator("QuantizeLinear")
def quantize_linear(x: Array, scale: Array, zero_point: Array | None = None, *, axis: int = 1,
                    saturate: int = 1) -> Array:
    """clip(round(x / scale) + zero_point) in the zero point's dtype, uint8 by default; 8 and 16 bits."""
    del saturate
    zero_point = np.zeros(scale.shape, np.uint8) if zero_point is None else zero_point
    if zero_point.dtype.kind not in "iu":
        raise NotImplementedError(f"QuantizeLinear must write integers, got {zero_point.dtype}")
    limits = np.iinfo(zero_point.dtype)
    q = int8.quantize(x, scale, zero_point, limits.min, limits.max, axis=_axis(scale, axis))
    return q.astype(zero_point.dtype)


@operator("DequantizeLinear")
def dequantize_linear(q: Array, scale: Array, zero_point: Array | None = None, *, axis: int = 1) -> Array:
    """(q - zero_point) * scale in the scale's dtype."""
    if q.dtype.name.startswith("float"):  # float8 and float4 have no zero point but 0
        shape = [1] * q.ndim
        if scale.ndim == 1:
            shape[axis] = -1
        return (q.astype(np.float32) * scale.reshape(shape if scale.ndim else ())).astype(scale.dtype)
    zero_point = np.zeros(scale.shape, q.dtype) if zero_point is None else zero_point
    return int8.dequantize(q, scale, zero_point, axis=_axis(scale, axis)).astype(scale.dtype)
