"""A number that counts what is done with it: operation counts by execution instead of by formula.

>>> count_by_execution(naive_matmul, (2, 3), (3, 4))
OpCount(muls=24, adds=16, other=0)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np

from utils.cost.flops.layer_ops import OpCount, conv_out_size


class Tally:
    """The running count that all numbers of one computation share."""

    __slots__ = ("adds", "muls", "other")

    def __init__(self) -> None:
        self.muls = self.adds = self.other = 0

    def ops(self) -> OpCount:
        """The count so far."""
        return OpCount(self.muls, self.adds, self.other)


class CountingFloat:
    """A scalar whose +, -, *, / and functions are noted in a shared tally."""

    __slots__ = ("tally", "value")

    def __init__(self, value: float, tally: Tally) -> None:
        self.value, self.tally = float(value), tally

    def _note(self, more: CountingFloat | float, kind: str, fn: Callable[[float, float], float]) -> CountingFloat:
        if isinstance(more, np.ndarray):
            return NotImplemented  # NumPy then takes over, element by element
        setattr(self.tally, kind, getattr(self.tally, kind) + 1)
        return CountingFloat(fn(self.value, float(more)), self.tally)

    def __add__(self, more: CountingFloat | float) -> CountingFloat:
        return self._note(more, "adds", lambda a, b: a + b)

    def __sub__(self, more: CountingFloat | float) -> CountingFloat:
        return self._note(more, "adds", lambda a, b: a - b)

    def __rsub__(self, more: float) -> CountingFloat:
        return self._note(more, "adds", lambda a, b: b - a)

    def __mul__(self, more: CountingFloat | float) -> CountingFloat:
        return self._note(more, "muls", lambda a, b: a * b)

    def __truediv__(self, more: CountingFloat | float) -> CountingFloat:
        return self._note(more, "other", lambda a, b: a / b)

    __radd__, __rmul__ = __add__, __mul__

    def apply(self, fn: Callable[[float], float]) -> CountingFloat:
        """fn(self), counted as one `other` operation: exp, 1/sqrt, a division, a comparison."""
        self.tally.other += 1
        return CountingFloat(fn(self.value), self.tally)

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return f"CountingFloat({self.value})"


def counting_array(values: np.ndarray, tally: Tally) -> np.ndarray:
    """An object array of CountingFloats with the shape and values of `values`."""
    numbers = np.empty(np.shape(values), dtype=object)
    numbers.ravel()[:] = [CountingFloat(v, tally) for v in np.ravel(values)]
    return numbers


def count_by_execution(fn: Callable, *shapes: tuple[int, ...]) -> OpCount:
    """Run `fn` on arrays of counting numbers of the given shapes and return what it really did.

    `fn` must be written with +, -, * and / on scalars or with NumPy functions that accept object arrays.
    """
    tally, rng = Tally(), np.random.default_rng(0)
    fn(*(counting_array(rng.standard_normal(shape), tally) for shape in shapes))
    return tally.ops()


def naive_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b, one sum of products per entry. (n, k), (k, m) -> (n, m)"""
    out = np.empty((a.shape[0], b.shape[1]), dtype=object)
    for i, j in np.ndindex(out.shape):
        out[i, j] = reduce(add, [x * y for x, y in zip(a[i], b[:, j])])
    return out


def window_products(x: np.ndarray, filter_: np.ndarray, top: int, left: int, dilation: int = 1,
                    skip_padding: bool = False) -> list[list[CountingFloat]]:
    """Products of one window, a list per channel; taps outside the image are zeros or are skipped.

    x: (C, H, W), filter_: (C, k_h, k_w); the window's first tap lies on row `top` and column `left`.
    """
    channels, h, w = x.shape
    products: list[list[CountingFloat]] = []
    for c in range(channels):
        products.append([])
        for u, v in np.ndindex(filter_.shape[1:]):
            row, col = top + u * dilation, left + v * dilation
            inside = 0 <= row < h and 0 <= col < w
            if inside or not skip_padding:
                products[c].append(filter_[c, u, v] * (x[c, row, col] if inside else 0.0))
    return products


def naive_conv2d(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, *, stride: int = 1, padding: int = 0,
                 dilation: int = 1, groups: int = 1, skip_padding: bool = False) -> np.ndarray:
    """A convolution as seven loops: every output is one sum of products, plus the bias.

    x: (C_in, H, W), w: (C_out, C_in / groups, k_h, k_w), b: (C_out,) -> (C_out, H_out, W_out)
    """
    (_, h, width), (c_out, c_group, k_h, k_w) = x.shape, w.shape
    out = np.empty((c_out, conv_out_size(h, k_h, stride, padding, dilation),
                    conv_out_size(width, k_w, stride, padding, dilation)), dtype=object)
    for m, i, j in np.ndindex(out.shape):
        first = m // (c_out // groups) * c_group  # the channels of m's group
        terms = window_products(x[first:first + c_group], w[m], i * stride - padding, j * stride - padding,
                                dilation, skip_padding)
        products = [p for channel in terms for p in channel]
        if b is not None:
            products.append(b[m])
        out[m, i, j] = reduce(add, products) if products else 0.0
    return out


def naive_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool = False) -> np.ndarray:
    """softmax(q k^T) v of one head without the 1/sqrt(d) scale, masked scores never computed.

    q: (n, d), k: (m, d), v: (m, d_v) -> (n, d_v). A softmax of s scores costs 5 s - 2 operations.
    """
    n, m = len(q), len(k)
    rows = []
    for i in range(n):
        seen = m - n + i + 1 if causal else m
        scores = naive_matmul(q[i:i + 1], k[:seen].T)[0]
        peak = reduce(lambda a, b: a.apply(lambda x: max(x, float(b))), scores)
        weights = [(s - peak).apply(math.exp) for s in scores]
        total = reduce(add, weights)
        rows.append(naive_matmul(np.array([[p / total for p in weights]], dtype=object), v[:seen])[0])
    return np.stack(rows)
