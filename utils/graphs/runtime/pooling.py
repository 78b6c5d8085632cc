"""Operators that summarise windows of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.graphs.runtime.linear import widened
from utils.graphs.runtime.registry import operator
from utils.graphs.runtime.windows import make_window, pad_spatial, view_windows

Array = np.ndarray


@operator("MaxPool")
def max_pool(x: Array, *, kernel_shape: Sequence[int], strides: Sequence[int] | None = None,
             pads: Sequence[int] | None = None, dilations: Sequence[int] | None = None, ceil_mode: int = 0,
             auto_pad: bytes = b"NOTSET", storage_order: int = 0, n_outputs: int = 1) -> Array:
    """The largest element of each window; padding never wins. The second output (Indices) is not computed."""
    del storage_order  # concerns Indices only
    if n_outputs > 1:
        raise NotImplementedError("MaxPool must have one output, got Indices as well")
    lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    window = make_window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    views = view_windows(pad_spatial(x, window, lowest), window)
    return views.max(axis=tuple(range(2 + len(kernel_shape), views.ndim)))


@operator("AveragePool")
def average_pool(x: Array, *, kernel_shape: Sequence[int], strides: Sequence[int] | None = None,
                 pads: Sequence[int] | None = None, dilations: Sequence[int] | None = None, ceil_mode: int = 0,
                 auto_pad: bytes = b"NOTSET", count_include_pad: int = 0) -> Array:
    """The mean of each window: over the elements inside the image, or with `count_include_pad` inside the pads too.

    What ceil_mode adds beyond the pads never counts.
    """
    window = make_window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    over = tuple(range(2 + len(kernel_shape), 2 + 2 * len(kernel_shape)))
    sums = view_windows(pad_spatial(widened(x), window, 0), window).sum(axis=over)
    counted = np.ones((1, 1, *x.shape[2:]), np.float32)
    if count_include_pad:
        counted = np.pad(counted, [(0, 0), (0, 0), *zip(window.begin, window.end)], constant_values=1)
        widths = [(0, 0), (0, 0), *((0, s) for s in window.extra)]
        counted = np.pad(counted, widths)
    else:
        counted = pad_spatial(counted, window, 0)
    counts = view_windows(counted, window).sum(axis=over)
    return (sums / counts).astype(x.dtype)


@operator("GlobalAveragePool")
def global_average_pool(x: Array) -> Array:
    """The mean of each channel: (N, C, 1, …)."""
    return widened(x).mean(axis=tuple(range(2, x.ndim)), keepdims=True).astype(x.dtype)


@operator("GlobalMaxPool")
def global_max_pool(x: Array) -> Array:
    """The maximum of each channel: (N, C, 1, …)."""
    return x.max(axis=tuple(range(2, x.ndim)), keepdims=True)
