"""Sliding windows over the spatial axes of an (N, C, *spatial) array: what convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Kernel, strides, dilations and pads of one node, an entry a spatial axis; `extra` is what ceil_mode adds at
    the end beyond the pads."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    extra: tuple[int, ...]
    out: tuple[int, ...]


def make_window(
    spatial: Sequence[int], kernel: Sequence[int], strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None, pads: Sequence[int] | None = None, auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
) -> Window:
    """The window of a node over axes of the sizes `spatial`, with ONNX's defaults filled in.

    `pads` lists all begins, then all ends. Raises ValueError when the kernel is larger than a padded axis.
    """
    rank = len(kernel)
    strides, dilations = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    if auto_pad in (b"SAME_UPPER", b"SAME_LOWER"):
        begin, end = _same_pads(spatial, spans, strides, upper=auto_pad == b"SAME_UPPER")
    else:
        pads = (0,) * (2 * rank) if pads is None or auto_pad == b"VALID" else tuple(pads)
        begin, end = pads[:rank], pads[rank:]
    out, extra = [], []
    for size, span, stride, first, last in zip(spatial, spans, strides, begin, end):
        steps, surplus = _steps(size, span, stride, first, last, bool(ceil_mode))
        out.append(steps)
        extra.append(surplus)
    return Window(tuple(kernel), strides, dilations, tuple(begin), tuple(end), tuple(extra), tuple(out))


def _steps(size: int, span: int, stride: int, begin: int, end: int, ceil: bool) -> tuple[int, int]:
    """Windows along one axis, and the elements missing at the end for the last of them."""
    room = size + begin + end - span
    if room < 0:
        raise ValueError(f"kernel must fit into the padded input, got {span} over {size + begin + end}")
    steps = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (steps - 1) * stride >= size + begin:  # a window of padding alone is dropped
        steps -= 1
    return steps, max(0, (steps - 1) * stride - room)


def _same_pads(spatial: Sequence[int], spans: Sequence[int], strides: Sequence[int],
               upper: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads that give ceil(size / stride) windows; an odd one goes to the end (upper) or the begin (lower)."""
    totals = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(spatial, strides, spans)]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (small, large) if upper else (large, small)


def pad_spatial(x: np.ndarray, window: Window, value: float) -> np.ndarray:
    """x with its spatial axes padded by `value`, ceil_mode's extra included."""
    widths = [(0, 0), (0, 0), *zip(window.begin, (e + s for e, s in zip(window.end, window.extra)))]
    return np.pad(x, widths, constant_values=value) if any(map(any, widths)) else x


def view_windows(padded: np.ndarray, window: Window) -> np.ndarray:
    """A view of shape (N, C, *out, *kernel): nothing is copied."""
    rank = len(window.kernel)
    spans = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations)]
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=tuple(range(2, 2 + rank)))
    steps = [slice(0, (n - 1) * s + 1, s) for n, s in zip(window.out, window.strides)]
    taps = [slice(None, None, d) for d in window.dilations]
    return view[(slice(None), slice(None), *steps, *taps)]
