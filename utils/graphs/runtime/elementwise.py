"""Operators that compute each element by itself; arrays broadcast as NumPy's do."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.graphs.protobuf import numpy_dtype
from utils.graphs.runtime.registry import operator

Array = np.ndarray

_PLAIN = {  # operators that NumPy computes under another name
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "Tanh": np.tanh, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Neg": np.negative, "Abs": np.abs,
    "Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Sign": np.sign, "Not": np.logical_not,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal, "Less": np.less,
    "Greater": np.greater, "LessOrEqual": np.less_equal, "GreaterOrEqual": np.greater_equal, "Where": np.where,
    "IsNaN": np.isnan, "Sin": np.sin, "Cos": np.cos,
}  # fmt: skip


def _enter(name: str, function: Callable[..., Array]) -> None:
    operator(name)(lambda *inputs: function(*inputs))  # hides NumPy's own keywords, which are no attributes


for _name, _function in _PLAIN.items():
    _enter(_name, _function)


@operator("Div")
def div(a: Array, b: Array) -> Array:
    """a / b; integers are divided as in C, towards zero."""
    if a.dtype.kind not in "iu":
        return a / b
    quotient = np.floor_divide(a, b)
    return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)


@operator("Mod")
def mod(a: Array, b: Array, *, fmod: int = 0) -> Array:
    """The remainder: with the sign of b as in Python, or of a as in C (`fmod`)."""
    return np.fmod(a, b) if fmod else np.mod(a, b)


@operator("Pow")
def power(a: Array, b: Array) -> Array:
    """a to the power b, in the dtype of a."""
    return np.power(a, b).astype(a.dtype)


@operator("Reciprocal")
def reciprocal(x: Array) -> Array:
    """1 / x."""
    return (1 / x).astype(x.dtype)


@operator("Min")
def minimum(*xs: Array) -> Array:
    """The smallest of any number of arrays, element by element."""
    return _folded(np.minimum, xs)


@operator("Max")
def maximum(*xs: Array) -> Array:
    """The largest of any number of arrays, element by element."""
    return _folded(np.maximum, xs)


@operator("Sum")
def total(*xs: Array) -> Array:
    """The sum of any number of arrays, element by element."""
    return _folded(np.add, xs)


def _folded(function: np.ufunc, xs: tuple[Array, ...]) -> Array:
    result = xs[0]
    for x in xs[1:]:
        result = function(result, x)
    return result


@operator("Sigmoid")
def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), without an overflow for large -x."""
    small = np.exp(-np.abs(x))
    return (np.where(x >= 0, 1, small) / (1 + small)).astype(x.dtype)


@operator("Softplus")
def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return np.logaddexp(x, x.dtype.type(0))


@operator("Erf")
def erf(x: Array) -> Array:
    """The error function, by the C library, in double precision."""
    return np.frompyfunc(math.erf, 1, 1)(x).astype(x.dtype)


@operator("Gelu")
def gelu(x: Array, *, approximate: bytes = b"none") -> Array:
    """x times the share of a standard normal below x; "tanh" is the usual approximation."""
    if approximate == b"tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return (0.5 * x * (1 + np.tanh(inner))).astype(x.dtype)
    return (0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(x.dtype)


@operator("LeakyRelu")
def leaky_relu(x: Array, *, alpha: float = 0.01) -> Array:
    """x, or alpha x below 0."""
    return np.where(x < 0, alpha * x, x).astype(x.dtype)


@operator("PRelu")
def prelu(x: Array, slope: Array) -> Array:
    """x, or slope x below 0."""
    return np.where(x < 0, slope * x, x).astype(x.dtype)


@operator("Elu")
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """x, or alpha (e^x - 1) below 0."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x).astype(x.dtype)


@operator("HardSigmoid")
def hard_sigmoid(x: Array, *, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """alpha x + beta, between 0 and 1."""
    return np.clip(alpha * x + beta, 0, 1).astype(x.dtype)


@operator("HardSwish")
def hard_swish(x: Array) -> Array:
    """x times hard_sigmoid(x, alpha=1/6, beta=1/2)."""
    return x * hard_sigmoid(x, alpha=1 / 6, beta=0.5)


@operator("Clip")
def clip(x: Array, low: Array | None = None, high: Array | None = None, *, min: float | None = None,
         max: float | None = None) -> Array:
    """x kept between two bounds: attributes up to opset 10, inputs from opset 11 on."""
    low, high = (min if low is None else low), (max if high is None else high)
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


@operator("Cast")
def cast(x: Array, *, to: int, saturate: int = 1) -> Array:
    """x in another dtype; floats become integers by dropping the fraction, and with `saturate` the largest float8."""
    dtype = numpy_dtype(to)
    if saturate and dtype.name.startswith("float8") and not x.dtype.name.startswith("float8"):
        largest = _largest(dtype)
        x = np.clip(x.astype(np.float32), -largest, largest)
    with np.errstate(invalid="ignore", over="ignore"):
        return x.astype(dtype)


def _largest(dtype: np.dtype) -> float:
    import ml_dtypes  # it is there, or the dtype could not be

    return float(ml_dtypes.finfo(dtype).max)


@operator("Dropout")
def dropout(x: Array, ratio: Array | None = None, training_mode: Array | None = None, *, seed: int = 0,
            n_outputs: int = 1, **old: float) -> Array | tuple[Array, Array]:
    """x itself: at inference nothing is dropped, and the mask keeps everything."""
    del ratio, seed, old  # up to opset 11 the ratio was an attribute
    if training_mode is not None and bool(training_mode):
        raise NotImplementedError("Dropout must be in inference mode, got training_mode=True")
    return x if n_outputs == 1 else (x, np.ones(x.shape, bool))
