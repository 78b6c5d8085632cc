"""Which range to cover: the whole one, or a smaller one whose finer steps outweigh the values that saturate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.quantization.granularity import qparams_from_tensor
from utils.numerics.int8 import int_dequantize, int_quantize, sqnr_db


def optimal_clip(x: ArrayLike, bits: int) -> float:
    """The c for which symmetric quantization over [-c, c] has the smallest mean squared error on `x`.

    Searched on a grid of 1/100 of max|x|, then of 1/2000 around the best. Raises ValueError for fewer than 2 bits,
    an empty `x`, values that are not finite, or "zero signal".

    >>> round(optimal_clip([-1.0, 1.0], 8), 3)
    1.0
    """
    x = np.asarray(x, dtype=np.float64).ravel()
    if bits < 2:
        raise ValueError(f"bits must be >= 2, got {bits}")
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"x must be finite and not empty, got {np.isfinite(x).sum()} finite of {x.size}")
    top = float(np.abs(x).max())
    if top == 0:
        raise ValueError("x must not be zero signal, got only zeros")
    best = _best(x, bits, top * np.arange(1, 101) / 100)
    return _best(x, bits, np.clip(best + top * np.arange(-20, 21) / 2000, top / 2000, top))


def _best(x: np.ndarray, bits: int, clips: np.ndarray) -> float:
    """The clip of `clips` with the smallest squared error; the largest among equals."""
    qmax = 2 ** (bits - 1) - 1
    errors = [float(np.sum((np.clip(np.rint(x * (qmax / c)), -qmax, qmax) * (c / qmax) - x) ** 2)) for c in clips]
    return float(clips[len(errors) - 1 - int(np.argmin(errors[::-1]))])


def quantizer_bench(x: ArrayLike, bits: int, clip: float | None = None, symmetric: bool = True,
                    axis: int | None = None, group_size: int | None = None) -> dict[str, Any]:
    """One quantizer tried on `x`: q (integers), x_hat (float32), sqnr_db, step (the scales), zero_point.

    `clip` limits the range that is covered to [-clip, clip]; None covers all of `x`. Granularity as in
    `qparams_from_tensor`. Raises ValueError unless clip > 0, and as `qparams_from_tensor`.
    """
    x = np.asarray(x, dtype=np.float32)
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be positive, got {clip}")
    covered = x if clip is None else np.clip(x, -clip, clip)
    qp = qparams_from_tensor(covered, bits, symmetric=symmetric, axis=axis, group_size=group_size)
    rows = x if group_size is None else x.reshape(-1, group_size)
    q = int_quantize(rows, qp)
    x_hat = int_dequantize(q, qp).reshape(x.shape)
    return {"q": q.reshape(x.shape), "x_hat": x_hat, "sqnr_db": sqnr_db(x, x_hat), "step": qp.scale,
            "zero_point": qp.zero_point}
