"""Operators that multiply and add: matrix products and convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.graphs.runtime.registry import operator
from utils.graphs.runtime.windows import make_window, pad_spatial, view_windows

Array = np.ndarray


def widened(x: Array) -> Array:
    """16-bit floats as float32, to accumulate in; anything else as it is."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


@operator("MatMul")
def matmul(a: Array, b: Array) -> Array:
    """a @ b, leading axes broadcast."""
    return np.asarray(np.matmul(widened(a), widened(b))).astype(a.dtype, copy=False)


@operator("Gemm")
def gemm(a: Array, b: Array, c: Array | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
         transB: int = 0) -> Array:
    """alpha * A' B' + beta * C, where ' transposes if the attribute says so; C broadcasts to (M, N)."""
    left, right = widened(a.T if transA else a), widened(b.T if transB else b)  # (M, K), (K, N)
    product = left @ right
    if alpha != 1.0:
        product = product * product.dtype.type(alpha)
    if c is not None:
        product = product + (c if beta == 1.0 else product.dtype.type(beta) * c)
    return product.astype(a.dtype, copy=False)


@operator("Einsum")
def einsum(*xs: Array, equation: bytes) -> Array:
    """The sum of products that the equation describes."""
    return np.einsum(equation.decode().replace(" ", ""), *map(widened, xs)).astype(xs[0].dtype, copy=False)


@operator("Conv")
def conv(x: Array, w: Array, b: Array | None = None, *, kernel_shape: Sequence[int] | None = None,
         strides: Sequence[int] | None = None, pads: Sequence[int] | None = None,
         dilations: Sequence[int] | None = None, group: int = 1, auto_pad: bytes = b"NOTSET") -> Array:
    """Convolution over any number of spatial axes: windows become rows of a matrix, one product a group.

    x (N, C, *spatial), w (M, C / group, *kernel), b (M,). Raises ValueError when the channels do not fit the groups.
    """
    n, m, kernel = x.shape[0], w.shape[0], tuple(kernel_shape or w.shape[2:])
    if x.shape[1] != w.shape[1] * group or m % group:
        raise ValueError(f"channels must fit, got {x.shape[1]} of the input, weights {w.shape}, group={group}")
    window = make_window(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    rank, taps = len(kernel), w.shape[1] * int(np.prod(kernel))
    cols = view_windows(pad_spatial(widened(x), window, 0), window)  # (N, C, *out, *k)
    cols = cols.reshape(n, group, w.shape[1], *cols.shape[2:])
    cols = np.moveaxis(cols, 2, 2 + rank).reshape(n, group, -1, taps)  # (N, g, prod(out), C/g * prod(k))
    weights = widened(w).reshape(group, m // group, taps)
    y = weights[None] @ cols.swapaxes(-1, -2)  # (N, g, M/g, prod(out))
    y = y.reshape(n, m, *window.out)
    if b is not None:
        y = y + b.reshape(m, *(1,) * rank)
    return y.astype(x.dtype, copy=False)
