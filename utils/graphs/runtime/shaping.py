"""Operators that move elements or make arrays, and compute nothing.

Shape inference runs several of them on arrays of Python objects (a symbol "N" among the numbers), so they use no
arithmetic on the elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from utils.graphs.runtime.registry import operator

Array = np.ndarray


def _given(values: Sequence[int] | None, tensor: Array | None) -> list[int] | None:
    """A list that older opsets have as an attribute and newer ones as an input."""
    return [int(v) for v in tensor.ravel()] if tensor is not None else None if values is None else list(values)


@operator("Identity")
def identity(x: Array) -> Array:
    """x."""
    return x


@operator("Reshape")
def reshape(x: Array, target: Array | None = None, *, shape: Sequence[int] | None = None, allowzero: int = 0) -> Array:
    """x in another shape: 0 copies the dimension of x (unless `allowzero`), -1 takes what is left."""
    wanted = _given(shape, target) or []
    if not allowzero:
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return x.reshape(wanted)


@operator("Flatten")
def flatten(x: Array, *, axis: int = 1) -> Array:
    """Two axes: the product of those before `axis`, and of the rest."""
    axis = axis + x.ndim if axis < 0 else axis
    rows = int(np.prod(x.shape[:axis]))
    return x.reshape(rows, int(np.prod(x.shape[axis:])))


@operator("Transpose")
def transpose(x: Array, *, perm: Sequence[int] | None = None) -> Array:
    """Axes in the order `perm`, reversed by default."""
    return np.transpose(x, perm)


@operator("Concat")
def concat(*xs: Array, axis: int = 1) -> Array:
    """Arrays one after another along an axis."""
    return np.concatenate(xs, axis=axis)


@operator("Split")
def split(x: Array, sizes: Array | None = None, *, axis: int = 0, split: Sequence[int] | None = None,
          num_outputs: int | None = None, n_outputs: int = 1) -> tuple[Array, ...]:
    """x cut along an axis into the sizes given, or into equal parts (the last one may be smaller)."""
    lengths = _given(split, sizes)
    if lengths is None:
        part = -(-x.shape[axis] // (num_outputs or n_outputs))
        return tuple(np.split(x, range(part, x.shape[axis], part), axis))
    return tuple(np.split(x, np.cumsum(lengths)[:-1], axis))


@operator("Gather")
def gather(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """Entries of an axis by their index; negative ones count from the end."""
    taken = x.take(indices.astype(np.int64), axis=axis)
    return taken if isinstance(taken, np.ndarray) else np.array(taken, x.dtype)


@operator("GatherElements")
def gather_elements(x: Array, indices: Array, *, axis: int = 0) -> Array:
    """For each place of `indices`, the element of x there, with the index along one axis replaced."""
    return np.take_along_axis(x, indices, axis)


@operator("Trilu")
def trilu(x: Array, k: Array | None = None, *, upper: int = 1) -> Array:
    """The upper (or lower) triangle of the last two axes, from the k-th diagonal on; zero elsewhere."""
    offset = 0 if k is None else int(k)
    return np.triu(x, offset) if upper else np.tril(x, offset)


@operator("Slice")
def slice_(x: Array, start_input: Array | None = None, end_input: Array | None = None, axes_input: Array | None = None,
           steps: Array | None = None, *, starts: Sequence[int] | None = None, ends: Sequence[int] | None = None,
           axes: Sequence[int] | None = None) -> Array:
    """x[start:end:step] on some axes; attributes up to opset 9, inputs from opset 10 on."""
    first, last = _given(starts, start_input) or [], _given(ends, end_input) or []
    along = _given(axes, axes_input) or list(range(len(first)))
    by = _given(None, steps) or [1] * len(first)
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(along, first, last, by):
        cut[axis] = slice(start, end, step)
    return x[tuple(cut)]


@operator("Squeeze")
def squeeze(x: Array, axes_input: Array | None = None, *, axes: Sequence[int] | None = None) -> Array:
    """x without the given axes of size 1 (all of them by default)."""
    along = _given(axes, axes_input)
    return np.squeeze(x, None if along is None else tuple(along))


@operator("Unsqueeze")
def unsqueeze(x: Array, axes_input: Array | None = None, *, axes: Sequence[int] | None = None) -> Array:
    """x with axes of size 1 at the given places of the result."""
    return np.expand_dims(x, tuple(_given(axes, axes_input) or ()))


@operator("Expand")
def expand(x: Array, shape: Array) -> Array:
    """x broadcast with `shape`, both ways."""
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape.tolist()))).copy()


@operator("Tile")
def tile(x: Array, repeats: Array) -> Array:
    """x repeated along each axis."""
    return np.tile(x, repeats.tolist())


@operator("Pad")
def pad(x: Array, pads_input: Array | None = None, value_input: Array | None = None, axes_input: Array | None = None, *,
        pads: Sequence[int] | None = None, value: float = 0.0, mode: bytes = b"constant") -> Array:
    """x with elements added around it (a negative pad takes some away)."""
    amounts = _given(pads, pads_input) or []
    along = _given(None, axes_input) or list(range(x.ndim))
    begin, end = amounts[: len(along)], amounts[len(along) :]
    widths, cut = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
    for axis, first, last in zip(along, begin, end):
        widths[axis] = (max(first, 0), max(last, 0))
        cut[axis] = slice(max(-first, 0), x.shape[axis] - max(-last, 0))
    x = x[tuple(cut)]
    if mode == b"constant":
        fill = value if value_input is None else value_input.item()
        return np.pad(x, widths, constant_values=fill)
    return np.pad(x, widths, mode=mode.decode())


@operator("DepthToSpace")
def depth_to_space(x: Array, *, blocksize: int, mode: bytes = b"DCR") -> Array:
    """Channels become blocks of pixels: (N, C b b, H, W) to (N, C, H b, W b)."""
    n, c, h, w = x.shape
    b, left = blocksize, c // blocksize**2
    if mode == b"DCR":
        blocks = x.reshape(n, b, b, left, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(n, left, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, left, h * b, w * b)


@operator("Shape")
def shape_of(x: Array, *, start: int = 0, end: int | None = None) -> Array:
    """The shape of x, or a part of it, as int64."""
    return np.array(x.shape[slice(start, end)], np.int64)


@operator("Size")
def size_of(x: Array) -> Array:
    """The number of elements of x, as int64."""
    return np.array(x.size, np.int64)


@operator("Constant")
def constant(*, value: Array | None = None, value_float: float | None = None, value_int: int | None = None,
             value_floats: Sequence[float] | None = None, value_ints: Sequence[int] | None = None) -> Array:
    """The array that the attribute holds."""
    if value is not None:
        return value
    for single, many, dtype in ((value_float, value_floats, np.float32), (value_int, value_ints, np.int64)):
        if single is not None or many is not None:
            return np.array(single if many is None else many, dtype)
    raise NotImplementedError("Constant must hold a tensor, floats or ints")


@operator("ConstantOfShape")
def constant_of_shape(shape: Array, *, value: Array | None = None) -> Array:
    """An array of one value, float32 zero by default."""
    fill: Any = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(shape.tolist()), fill.ravel()[0], fill.dtype)


@operator("Range")
def range_(start: Array, limit: Array, delta: Array) -> Array:
    """start, start + delta, … below limit."""
    return np.arange(start.item(), limit.item(), delta.item()).astype(start.dtype)
