"""Integer quantization: real numbers as scale * (integer - zero_point).

Integers without a scale are in `integers`, the noise that quantization adds in `noise`; both are re-exported.

Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018; rounding and saturation as in ONNX's QuantizeLinear.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.integers import int_matmul, max_safe_k, pack_int4, unpack_int4
from utils.numerics.noise import (
    compare_formats,
    crest_factor_db,
    pick_8bit,
    predicted_int8_sqnr_db,
    ruler_data,
    sqnr_db,
)

__all__ = [
    "QParams", "affine_qparams", "affine_quantize", "compare_formats", "crest_factor_db", "dequantize",
    "int8_gemm", "int8_matmul", "int_dequantize", "int_matmul", "int_quantize", "integer_type", "max_safe_k",
    "pack_int4", "pick_8bit", "predicted_int8_sqnr_db", "quantize", "ruler_data", "sqnr_db", "symmetric_qparams",
    "unpack_int4",
]


@dataclass(frozen=True, eq=False)
class QParams:
    """How integers in [qmin, qmax] stand for reals: scale and zero point, 0-d arrays or one entry along `axis`."""

    scale: np.ndarray
    zero_point: np.ndarray
    qmin: int
    qmax: int
    axis: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", np.asarray(self.scale, dtype=np.float64))
        object.__setattr__(self, "zero_point", np.asarray(self.zero_point, dtype=np.int64))

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dict."""
        return asdict(self)


def affine_qparams(lo: float, hi: float, qmin: int, qmax: int, *, symmetric: bool = False) -> tuple[float, int]:
    """(scale, zero point) that cover [lo, hi], widened to contain 0, with the integers [qmin, qmax].

    Asymmetric: scale (hi - lo) / (qmax - qmin), zero point qmin - lo / scale rounded half to even and clamped.
    `symmetric`: zero point 0 and scale max(|lo|, |hi|) / qmax, which needs qmin = -qmax. An all-zero range has
    scale 1.0 and zero point 0, clamped. Raises ValueError unless lo <= hi and hi - lo are finite and qmin < qmax.

    >>> affine_qparams(-1.0, 3.0, -128, 127)
    (0.01568627450980392, -64)
    """
    lo, hi = float(lo), float(hi)
    if not (math.isfinite(lo) and math.isfinite(hi) and math.isfinite(hi - lo)):
        raise ValueError(f"lo, hi and their difference must be finite, got {lo} and {hi}")
    if lo > hi:
        raise ValueError(f"lo must be <= hi, got {lo} > {hi}")
    if qmin >= qmax:
        raise ValueError(f"qmin must be less than qmax, got {qmin} and {qmax}")
    if symmetric and qmin != -qmax:
        raise ValueError(f"qmin must be -qmax for a symmetric range, got {qmin} and {qmax}")
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if symmetric:
        return max(-lo, hi) / qmax or 1.0, 0
    scale = (hi - lo) / (qmax - qmin) or 1.0
    zero_point = round(qmin - lo / scale) if hi > lo else 0
    return scale, min(max(zero_point, qmin), qmax)


def symmetric_qparams(x: ArrayLike, bits: int = 8) -> QParams:
    """Zero point 0 and scale max|x| / (2^(bits-1) - 1), on the restricted range, e.g. [-127, 127].

    The scale is 1.0 if all values are zero.
    Raises ValueError for fewer than 2 bits, an empty `x`, or values that are not finite.
    """
    if bits < 2:
        raise ValueError(f"bits must be >= 2, got {bits}")
    x = np.asarray(x)
    if x.size == 0:
        raise ValueError("x must not be empty, got no values")
    qmax = 2 ** (bits - 1) - 1
    scale, zero_point = affine_qparams(x.min(), x.max(), -qmax, qmax, symmetric=True)
    return QParams(np.asarray(scale), np.asarray(zero_point), -qmax, qmax)


def _along(param: ArrayLike, ndim: int, axis: int | None, name: str) -> np.ndarray:
    """A parameter shaped to broadcast along `axis`; without an axis, as it is."""
    param = np.asarray(param)
    if axis is None:
        return param
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be one of the {ndim} of the array, got {axis}")
    if param.ndim > 1:
        raise ValueError(f"{name} must have one entry along the axis, got shape {param.shape}")
    return param.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def integer_type(qmin: int, qmax: int) -> np.dtype:
    """Smallest of int8, uint8, int16, uint16, int32 and int64 that holds [qmin, qmax]."""
    for name in ("int8", "uint8", "int16", "uint16", "int32"):
        info = np.iinfo(name)
        if info.min <= qmin and qmax <= info.max:
            return info.dtype
    return np.dtype(np.int64)


def _saturate(steps: np.ndarray, zero_point: ArrayLike, qmin: int, qmax: int) -> np.ndarray:
    """Round half to even, then add the zero point, then clip: QuantizeLinear's order. ValueError for NaN."""
    if np.isnan(steps).any():
        raise ValueError(f"x must not hold NaN, got {np.count_nonzero(np.isnan(steps))} of them")
    q = np.rint(steps).astype(np.float64) + zero_point
    return np.asarray(np.clip(q, qmin, qmax)).astype(integer_type(qmin, qmax))


def quantize(x: ArrayLike, scale: ArrayLike, zero_point: ArrayLike, qmin: int, qmax: int, *,
             axis: int | None = None) -> np.ndarray:
    """clip(round(x / scale) + zero_point, qmin, qmax): divided in float32, ties to even, x's shape.

    `scale` and `zero_point` are scalars, or 1-D with one entry along `axis`. The result has the smallest integer
    type that holds [qmin, qmax]; infinities saturate. Raises ValueError unless scale > 0 and qmin < qmax, for NaN.

    >>> quantize([-0.25, 0.05, 0.15, 100, -100], 0.1, 3, -128, 127).tolist()
    [1, 3, 5, 127, -128]
    """
    if qmin >= qmax:
        raise ValueError(f"qmin must be less than qmax, got {qmin} and {qmax}")
    x, scale = np.asarray(x, dtype=np.float32), np.asarray(scale, dtype=np.float32)
    if not np.all(scale > 0):
        raise ValueError(f"scale must be positive, got {scale.min()}")
    with np.errstate(over="ignore"):  # a quotient beyond float32 saturates like infinity
        steps = x / _along(scale, x.ndim, axis, "scale")
    return _saturate(steps, _along(zero_point, x.ndim, axis, "zero_point"), qmin, qmax)


def dequantize(q: ArrayLike, scale: ArrayLike, zero_point: ArrayLike, *, axis: int | None = None) -> np.ndarray:
    """scale * (q - zero_point) as float32 of q's shape; parameters as for `quantize`."""
    q = np.asarray(q)
    steps = q.astype(np.int64) - _along(zero_point, q.ndim, axis, "zero_point")
    return steps.astype(np.float32) * _along(np.asarray(scale, dtype=np.float32), q.ndim, axis, "scale")


def int_quantize(x: ArrayLike, qp: QParams) -> np.ndarray:
    """`quantize` with the parameters as one object."""
    return quantize(x, qp.scale, qp.zero_point, qp.qmin, qp.qmax, axis=qp.axis)


def int_dequantize(q: ArrayLike, qp: QParams) -> np.ndarray:
    """`dequantize` with the parameters as one object."""
    return dequantize(q, qp.scale, qp.zero_point, axis=qp.axis)


def int8_matmul(qa: np.ndarray, qpa: QParams, qb: np.ndarray, qpb: QParams) -> np.ndarray:
    """Product of two dequantized matrices as float32, computed in integers: s_a s_b `int_matmul`.

    One scale and zero point a matrix. Raises ValueError for inner dimensions that differ or that can overflow
    int32 (131,071 for int8), for parameters along an axis; OverflowError as `int_matmul`.
    """
    if qpa.axis is not None or qpb.axis is not None:
        raise ValueError(f"qpa and qpb must have no axis (one scale a matrix), got {qpa.axis} and {qpb.axis}")
    qa, qb = np.asarray(qa), np.asarray(qb)
    k, limit = qa.shape[-1], max_safe_k(8, 8, qa.dtype.kind == "i", qb.dtype.kind == "i")
    if k > limit:
        raise ValueError(f"K={k} can overflow int32: the inner dimension must be at most {limit}, got {k}")
    return int8_gemm(qa, float(qpa.scale), int(qpa.zero_point), qb, float(qpb.scale), int(qpb.zero_point))


def int8_gemm(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """(sa (qa - za)) @ (sb (qb - zb)) as float32, with int32 accumulation; errors as `int_matmul`."""
    return (int_matmul(qa, qb, za, zb) * (float(sa) * float(sb))).astype(np.float32)


def affine_quantize(x: np.ndarray, bits: int = 8) -> tuple[np.ndarray, float, int]:
    """(q, scale, zero_point) of asymmetric signed quantization over the range of `x` and 0, computed in float64.

    No value ends more than scale/2 away from its original. Raises ValueError for an empty `x`, NaN or infinity.

    >>> q, scale, zero_point = affine_quantize([-1, 0, 0.5, 3])
    >>> q.tolist(), scale, zero_point
    ([-128, -64, -32, 127], 0.01568627450980392, -64)
    """
    x = np.asarray(x, dtype=np.float64)
    if x.size == 0:
        raise ValueError("x must not be empty, got no values")
    if np.isnan(x).any():
        raise ValueError(f"x must not hold NaN, got {np.count_nonzero(np.isnan(x))} of them")
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale, zero_point = affine_qparams(x.min(), x.max(), qmin, qmax)
    return _saturate(x / scale, zero_point, qmin, qmax), scale, zero_point
