"""Operators that rescale by sums or statistics, and reductions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from utils.graphs.runtime.linear import widened
from utils.graphs.runtime.registry import operator

Array = np.ndarray


def _shifted(x: Array, axis: int | tuple[int, ...]) -> Array:
    """x minus its maximum, so that no exponential overflows."""
    wide = widened(x)
    return wide - wide.max(axis=axis, keepdims=True)


def _axes_of_softmax(x: Array, axis: int | None, opset: int) -> int | tuple[int, ...]:
    """Since opset 13 one axis, the last by default; before, all axes from `axis` (default 1) on at once."""
    if opset >= 13:
        return -1 if axis is None else axis
    first = 1 if axis is None else axis % x.ndim
    return tuple(range(first, x.ndim))


@operator("Softmax")
def softmax(x: Array, *, axis: int | None = None, opset: int = 13) -> Array:
    """Exponentials divided by their sum."""
    axes = _axes_of_softmax(x, axis, opset)
    powers = np.exp(_shifted(x, axes))
    return (powers / powers.sum(axis=axes, keepdims=True)).astype(x.dtype)


@operator("LogSoftmax")
def log_softmax(x: Array, *, axis: int | None = None, opset: int = 13) -> Array:
    """The logarithm of Softmax."""
    axes = _axes_of_softmax(x, axis, opset)
    shifted = _shifted(x, axes)
    return (shifted - np.log(np.exp(shifted).sum(axis=axes, keepdims=True))).astype(x.dtype)


@operator("BatchNormalization")
def batch_normalization(x: Array, scale: Array, bias: Array, mean: Array, var: Array, *, epsilon: float = 1e-5,
                        momentum: float = 0.9, training_mode: int = 0, spatial: int = 1) -> Array:
    """scale * (x - mean) / sqrt(var + epsilon) + bias, a channel (axis 1) each."""
    del momentum
    if training_mode or not spatial:
        raise NotImplementedError("BatchNormalization must be in inference mode with spatial=1")
    factor = scale / np.sqrt(var + np.asarray(epsilon, var.dtype))
    shape = (-1, *(1,) * (x.ndim - 2))
    return ((x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape)).astype(x.dtype)


@operator("InstanceNormalization")
def instance_normalization(x: Array, scale: Array, bias: Array, *, epsilon: float = 1e-5) -> Array:
    """Each channel of each sample with mean 0 and variance 1, then scaled and shifted."""
    axes, shape = tuple(range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    wide = widened(x)
    centred = wide - wide.mean(axis=axes, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + np.float32(epsilon))
    return (normal * scale.reshape(shape) + bias.reshape(shape)).astype(x.dtype)


@operator("LayerNormalization")
def layer_normalization(x: Array, scale: Array, bias: Array | None = None, *, axis: int = -1, epsilon: float = 1e-5,
                        stash_type: int = 1, n_outputs: int = 1) -> Array | tuple[Array, ...]:
    """All axes from `axis` on with mean 0 and variance 1, then scaled and shifted; outputs Y, Mean, InvStdDev."""
    del stash_type
    axes = tuple(range(axis % x.ndim, x.ndim))
    wide = widened(x)
    mean = wide.mean(axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(((wide - mean) ** 2).mean(axis=axes, keepdims=True) + np.float32(epsilon))
    y = (wide - mean) * inverse * scale
    y = (y if bias is None else y + bias).astype(x.dtype)
    return y if n_outputs == 1 else (y, mean, inverse)[:n_outputs]


def _enter_reduction(name: str, reduce: Callable[..., Array]) -> None:
    @operator(name)
    def reduction(x: Array, axes_input: Array | None = None, *, axes: Sequence[int] | None = None, keepdims: int = 1,
                  noop_with_empty_axes: int = 0) -> Array:
        """The reduction over `axes`: an attribute up to opset 12 (ReduceSum) or 17 (the others), then an input."""
        if axes_input is not None:
            axes = axes_input.tolist()
        if not axes and noop_with_empty_axes:
            return x
        reduced = reduce(widened(x), axis=tuple(axes) if axes else None, keepdims=bool(keepdims))
        return np.asarray(reduced).astype(x.dtype)


for _name, _reduce in {
    "ReduceMean": np.mean, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
    "ReduceL1": lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims),
    "ReduceSumSquare": lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims),
    "ReduceL2": lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
}.items():  # fmt: skip
    _enter_reduction(_name, _reduce)


@operator("ArgMax")
def arg_max(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
    """Index (int64) of the largest element along an axis; of equals the first, or the last if asked."""
    found = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis) if select_last_index else np.argmax(x, axis)
    return (np.expand_dims(found, axis) if keepdims else np.asarray(found)).astype(np.int64)


@operator("ArgMin")
def arg_min(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
    """Index (int64) of the smallest element along an axis; of equals the first, or the last if asked."""
    found = x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis) if select_last_index else np.argmin(x, axis)
    return (np.expand_dims(found, axis) if keepdims else np.asarray(found)).astype(np.int64)
