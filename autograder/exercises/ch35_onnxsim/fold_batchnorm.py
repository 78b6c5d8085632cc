"""Exercise 35.fold_batchnorm: batch normalization of inference becomes part of the convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.graphs import simplify

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Arrays = tuple[np.ndarray, np.ndarray]


def _refuse(w, b, gamma, beta, mean, var, eps) -> None:
    vectors = [gamma, beta, mean, var, *([] if b is None else [b])]
    if any(np.shape(v) != (len(w),) for v in vectors) or np.any(np.asarray(var) + eps <= 0):
        raise ValueError("these statistics do not fit")


def _root(gamma, var, eps) -> np.ndarray:
    return gamma / np.sqrt(var + eps)


def _shift(b, beta, mean, s) -> np.ndarray:
    return ((0 if b is None else b) - mean) * s + beta


def _folded(scale: Callable = _root, bias: Callable = _shift, axis: int = 0, dtype: type = np.float32,
            check: bool = True) -> Callable[..., Arrays]:
    """An answer made of a rule for the factor and one for the bias; with its defaults it is right."""

    def answer(w, b, gamma, beta, mean, var, eps) -> Arrays:
        if check:
            _refuse(w, b, gamma, beta, mean, var, eps)
        w, gamma, beta, mean, var = (np.asarray(a, np.float64) for a in (w, gamma, beta, mean, var))
        s = scale(gamma, var, eps)
        shape = [1] * 4
        shape[axis] = -1
        new_b = np.broadcast_to(bias(None if b is None else np.asarray(b, np.float64), beta, mean, s), (len(w),))
        return (w * s.reshape(shape)).astype(dtype), new_b.astype(dtype)

    return answer


def _only(scale: Callable = _root, bias: Callable = _shift, **options) -> list[Callable]:
    """The mistake with and without the refusal of bad input."""
    return [_folded(scale, bias, check=check, **options) for check in (True, False)]


def _no_mean_without_bias(b, beta, mean, s) -> np.ndarray:
    return beta if b is None else (b - mean) * s + beta


# --- right answers ------------------------------------------------------------------------------


def _with_matmul(w, b, gamma, beta, mean, var, eps) -> Arrays:
    """The factors as a diagonal matrix in front of the kernels, laid out as rows."""
    _refuse(w, b, gamma, beta, mean, var, eps)
    d = np.diag(np.asarray(gamma, np.float64) * (np.asarray(var, np.float64) + eps) ** -0.5)
    start = np.zeros(len(w)) if b is None else np.asarray(b, np.float64)
    rows = d @ np.asarray(w, np.float64).reshape(len(w), -1)
    return rows.reshape(w.shape).astype(np.float32), (d @ (start - mean) + beta).astype(np.float32)


def _with_einsum(w, b, gamma, beta, mean, var, eps) -> Arrays:
    _refuse(w, b, gamma, beta, mean, var, eps)
    s = np.float64(1) * gamma / np.sqrt(np.float64(1) * var + eps)
    old = np.zeros(len(s)) if b is None else b
    return (np.einsum("oihw,o->oihw", w.astype(np.float64), s).astype(np.float32),
            np.float32(beta + s * (old.astype(np.float64) - mean.astype(np.float64))))


def _channel_by_channel(w, b, gamma, beta, mean, var, eps) -> Arrays:
    _refuse(w, b, gamma, beta, mean, var, eps)
    new_w, new_b = np.empty(w.shape, np.float32), np.empty(len(w), np.float32)
    for o in range(len(w)):
        factor = float(gamma[o]) / (float(var[o]) + eps) ** 0.5
        new_w[o] = w[o].astype(np.float64) * factor
        new_b[o] = ((0.0 if b is None else float(b[o])) - float(mean[o])) * factor + float(beta[o])
    return new_w, new_b


# --- inputs -------------------------------------------------------------------------------------


def _f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


ONE = (np.full((1, 1, 1, 1), 2, np.float32), _f32(1), _f32(3), _f32(0.5), _f32(4), _f32(0.25), 0.0)
TWO = (np.array([[[[1]], [[2]]], [[[3]], [[4]]]], np.float32), None, _f32(2, 6), _f32(0, 10), _f32(1, 3), _f32(3, 8), 1.0)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], bias: bool, eps: float) -> tuple:
    n = shape[0]
    w, b = rng.normal(size=shape).astype(np.float32), rng.normal(size=n).astype(np.float32)
    gamma, beta, mean = (rng.normal(size=n).astype(np.float32) for _ in range(3))
    var = rng.uniform(0.05, 3, n).astype(np.float32)
    return w, b if bias else None, gamma, beta, mean, var, eps


def _label(arguments: tuple) -> str:
    w, b, *_, eps = arguments
    return f"w of shape {w.shape}, {'no bias' if b is None else 'a bias'}, eps={eps:g}"


def _draw(rng: np.random.Generator) -> Case:
    out, inner, k = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.choice([1, 3]))
    if rng.random() < 0.3:
        inner = out  # scaling the wrong axis runs without an error then
    eps = float(rng.choice([1e-5, 1e-3, 0.1, 2.0]))
    arguments = _drawn(rng, (out, inner, k, k), bool(rng.random() < 0.6), eps)
    return Case(*arguments, label=_label(arguments))


def _bad(position: int, value: np.ndarray | None, why: str, eps: float = 1e-5) -> Case:
    rng = np.random.default_rng(0)
    arguments = list(_drawn(rng, (3, 2, 1, 1), True, eps))
    arguments[position] = value
    return Case(*arguments, label=why)


_SEEDED = np.random.default_rng(35)
_DEPTHWISE = _drawn(_SEEDED, (8, 1, 3, 3), True, 1e-5)
_FLAT = (_f32(1, 2, 3).reshape(3, 1, 1, 1), _f32(1, 1, 1), _f32(1, 2, 3), _f32(0, 1, 2), _f32(2, 0, 1), _f32(0, 0.75, -0.25), 0.5)
_BIG_EPS = _drawn(_SEEDED, (2, 2, 1, 1), False, 50.0)

fold_batchnorm = Exercise(
    id="35.fold_batchnorm", points=3, difficulty=2, minutes=12, idea="two linear steps in a row are one",
    reference=simplify.fold_conv_bn,
    cases=[Case(*ONE, label="the 1×1 example, eps=0"), Case(*TWO, label="two channels, no bias, eps=1")],
    hidden=[Case(*_DEPTHWISE, label="depthwise: " + _label(_DEPTHWISE)), Case(*_BIG_EPS, label=_label(_BIG_EPS)),
            Case(*_FLAT, label="variances 0, 0.75 and -0.25, eps=0.5")],
    draw=_draw, compare=close(rtol=1e-5, atol=1e-6, dtype="same"), pure=True,
    raises=[_bad(2, np.ones(2, np.float32), "gamma for two channels of three"),
            _bad(3, np.ones(1, np.float32), "beta with one value for three channels"),
            _bad(4, np.ones((3, 1), np.float32), "mean of shape (3, 1)"),
            _bad(5, np.ones(4, np.float32), "var for four channels of three"),
            _bad(1, np.ones(1, np.float32), "b with one value for three channels"),
            _bad(5, _f32(1, -1e-3, 1), "a negative var, larger than eps"),
            _bad(5, _f32(1, 0, 1), "var 0 and eps 0", eps=0.0)],
    misconceptions=[
        Misconception(
            "bias_not_scaled", _folded(bias=lambda b, beta, mean, s: (0 if b is None else b) + beta - mean * s),
            "BN comes after the convolution, so it scales the old bias like everything else that comes out of it. Write "
            "BN(z) for z = conv + b, and look at what stands in front of b.",
            "The old bias is scaled too.",
            also=[_folded(bias=lambda b, beta, mean, s: (0 if b is None else b) + beta - mean * s, check=False),
                  *_only(bias=lambda b, beta, mean, s: (0 if b is None else b) + beta - mean)]),
        Misconception(
            "eps_outside_the_root", _folded(lambda gamma, var, eps: gamma / (np.sqrt(var) + eps)),
            "eps is added to the variance, before the root. With eps = 1e-5 you hardly see the difference; with a small "
            "variance you do.",
            "eps is inside the root.", also=_only(lambda gamma, var, eps: gamma / (np.sqrt(np.abs(var)) + eps))),
        Misconception(
            "input_channels", _folded(axis=1),
            "You scale along axis 1 of w. In OIHW that is the input channel. BN normalises what comes out of the "
            "convolution.",
            "The channels of BN are the output channels.", also=_only(axis=1)),
        Misconception(
            "no_bias_no_shift", _folded(bias=_no_mean_without_bias),
            "Without a bias b is 0, and BN still subtracts the mean. The folded convolution has a bias in any case.",
            "No bias means b = 0.",
            also=[_folded(bias=_no_mean_without_bias, check=False),
                  *_only(bias=lambda b, beta, mean, s: np.zeros(len(s)) if b is None else (b - mean) * s + beta)]),
        Misconception(
            "no_root", _folded(lambda gamma, var, eps: gamma / (var + eps)),
            "You divide by the variance. BN divides by the standard deviation.",
            "The root is missing.", also=_only(lambda gamma, var, eps: gamma / (var + eps))),
        Misconception(
            "gamma_forgotten", _folded(lambda gamma, var, eps: 1 / np.sqrt(var + eps)),
            "You normalise, but the learned factor gamma has no effect.",
            "gamma is missing.", also=_only(lambda gamma, var, eps: 1 / np.sqrt(var + eps))),
        Misconception(
            "beta_scaled", _folded(bias=lambda b, beta, mean, s: ((0 if b is None else b) - mean + beta) * s),
            "beta is added at the very end, after the scaling. In your formula it is scaled.",
            "beta comes last.", also=_only(bias=lambda b, beta, mean, s: ((0 if b is None else b) - mean + beta) * s)),
        Misconception(
            "double_precision", _folded(dtype=np.float64),
            "You compute in float64, which is right, and return float64, which is not: the model's weights are float32.",
            "The result is float64.", also=_only(dtype=np.float64)),
        Misconception(
            "bad_input_accepted", _folded(check=False),
            "NumPy broadcasts a vector of one value, and the root of a negative number is only a warning and a NaN. Compare "
            "the shapes and the sign of var + eps before you compute.",
            "Bad input gets through."),
    ],
    alternatives=[_with_matmul, _with_einsum, _channel_by_channel],
    hints=(
        "BN(z) = gamma · (z − mean) / sqrt(var + eps) + beta. Call the factor in front of z s.",
        "With z = conv(x; w) + b: s · conv(x; w) = conv(x; s·w). What is left is the new bias.",
        "`s.reshape(-1, 1, 1, 1)` meets the output channel of w. `np.float64` first, `.astype(np.float32)` last.",
    ),
    worth_knowing="Quantization-aware training folds BN in just this way, in every step, so that it rounds the weights that "
                  "will run.",
)
