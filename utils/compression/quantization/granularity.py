"""What shares one scale: the tensor, a slice along an axis, or a group of values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from utils.numerics.int8 import QParams, affine_qparams, int_dequantize, int_quantize


def qparams_from_tensor(x: ArrayLike, bits: int = 8, *, symmetric: bool, axis: int | None = None,
                        group_size: int | None = None) -> QParams:
    """Scale and zero point that cover the values of `x`, signed integers of `bits` bits.

    One pair for the tensor; with `axis` one for each slice along it; with `group_size` one for each run of that many
    values along the last axis. The parameters of groups belong to `x.reshape(-1, group_size)` and its axis 0.
    `symmetric` uses [-(2^(bits-1) - 1), 2^(bits-1) - 1] and zero point 0, otherwise the whole range is used.

    Raises ValueError for fewer than 2 bits, an empty `x`, values that are not finite, both an axis and a group size,
    a last axis that is no multiple of the group size.

    >>> qp = qparams_from_tensor([[-1.0, 0.5], [4.0, 2.0]], symmetric=True, axis=0)
    >>> [round(float(s), 5) for s in qp.scale], qp.zero_point.tolist(), qp.axis
    ([0.00787, 0.0315], [0, 0], 0)
    """
    x = np.asarray(x, dtype=np.float64)
    if bits < 2:
        raise ValueError(f"bits must be >= 2, got {bits}")
    if x.size == 0:
        raise ValueError("x must not be empty, got no values")
    rows, axis = _slices(x, axis, group_size)
    low, high = -(2 ** (bits - 1)) + symmetric, 2 ** (bits - 1) - 1
    pairs = [affine_qparams(row.min(), row.max(), low, high, symmetric=symmetric) for row in rows]
    scales, zero_points = (np.array(column) for column in zip(*pairs))
    if axis is None:
        scales, zero_points = scales[0], zero_points[0]
    return QParams(scales, zero_points, low, high, axis)


def _slices(x: np.ndarray, axis: int | None, group_size: int | None) -> tuple[np.ndarray, int | None]:
    """`x` as rows (n, m) that have one pair of parameters each, and the axis to which these belong."""
    if group_size is not None:
        if axis is not None:
            raise ValueError(f"axis must be None with a group_size, got {axis}")
        if group_size < 1 or x.ndim == 0 or x.shape[-1] % group_size:
            raise ValueError(f"group_size must divide the last axis of {x.shape}, got {group_size}")
        return x.reshape(-1, group_size), 0
    if axis is None:
        return x.reshape(1, -1), None
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis must be one of the {x.ndim} of the array, got {axis}")
    return np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1), axis


def fake_quantize(x: ArrayLike, bits: int = 8, *, symmetric: bool, axis: int | None = None,
                  group_size: int | None = None) -> np.ndarray:
    """`x` after quantizing and dequantizing with its own `qparams_from_tensor`: float32 of x's shape."""
    x = np.asarray(x, dtype=np.float32)
    qp = qparams_from_tensor(x, bits, symmetric=symmetric, axis=axis, group_size=group_size)
    rows = x if group_size is None else x.reshape(-1, group_size)
    return int_dequantize(int_quantize(rows, qp), qp).reshape(x.shape)
