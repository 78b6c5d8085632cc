"""Exercise 50.fuse_conv_bn_np: batch norm disappears into the convolution before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import reparam

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Arrays = tuple[np.ndarray, np.ndarray]


def _root(gamma, var, eps) -> np.ndarray:
    return gamma / np.sqrt(var + eps)


def _shift(b, beta, mean, s) -> np.ndarray:
    return ((0 if b is None else b) - mean) * s + beta


def _folded(scale: Callable = _root, bias: Callable = _shift, axis: int = 0, default: float = 1e-5) -> Callable[..., Arrays]:
    """An answer made of a rule for the factor and one for the bias; with its defaults it is right."""

    def answer(w, b, gamma, beta, mean, var, eps=default) -> Arrays:
        s = scale(gamma, var, eps)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        return w * s.reshape(shape), np.broadcast_to(bias(b, beta, mean, s), (len(w),)).copy()

    return answer


def _in_place(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    s = gamma / np.sqrt(var + eps)
    w *= s[:, None, None, None]
    return w, ((0 if b is None else b) - mean) * s + beta


def _bias_in_place(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    s = gamma / np.sqrt(var + eps)
    if b is None:
        return w * s[:, None, None, None], beta - mean * s
    b -= mean
    b *= s
    b += beta
    return w * s[:, None, None, None], b


def _mean_in_place(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    s = gamma / np.sqrt(var + eps)
    mean *= s
    return w * s[:, None, None, None], (0 if b is None else b) * s - mean + beta


def _none_not_handled(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    s = gamma / np.sqrt(var + eps)
    return w * s[:, None, None, None], (b - mean) * s + beta


def _kernel_only(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    return w * (gamma / np.sqrt(var + eps))[:, None, None, None], np.zeros(len(w)) if b is None else b.copy()


# --- right answers ------------------------------------------------------------------------------


def _with_matmul(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    d = np.diag(gamma / np.sqrt(var + eps))
    start = np.zeros(len(w)) if b is None else b
    return (d @ w.reshape(len(w), -1)).reshape(w.shape), d @ (start - mean) + beta


def _with_einsum(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    s = gamma * (var + eps) ** -0.5
    return np.einsum("oihw,o->oihw", w, s), beta - mean * s + (0 if b is None else b * s)


def _channel_by_channel(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    new_w, new_b = np.empty(w.shape), np.empty(len(w))
    for o in range(len(w)):
        deviation = (var[o] + eps) ** 0.5
        new_w[o] = w[o] / deviation * gamma[o]
        new_b[o] = ((0.0 if b is None else b[o]) - mean[o]) / deviation * gamma[o] + beta[o]
    return new_w, new_b


def _probing_the_norm(w, b, gamma, beta, mean, var, eps=1e-5) -> Arrays:
    """The norm is an affine map of each channel: its values at 0 and at 1 are all there is to know."""

    def norm(z: np.ndarray) -> np.ndarray:
        return gamma * (z - mean) / np.sqrt(var + eps) + beta

    zero = norm(np.zeros(len(w)))
    slope = norm(np.ones(len(w))) - zero
    return w * slope[:, None, None, None], zero if b is None else norm(b)


# --- inputs -------------------------------------------------------------------------------------


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], bias: bool) -> tuple:
    n = shape[0]
    b, gamma, beta, mean = rng.normal(size=(4, n)).round(3)
    return rng.normal(size=shape).round(3), b if bias else None, gamma, beta, mean, rng.uniform(0.05, 3, n).round(3)


def _label(w: np.ndarray, b: np.ndarray | None, eps: float | None) -> str:
    return f"w of shape {w.shape}, {'no bias' if b is None else 'a bias'}{'' if eps is None else f', eps={eps:g}'}"


def _case(arguments: tuple, eps: float | None = None) -> Case:
    label = _label(*arguments[:2], eps)
    return Case(*arguments, label=label) if eps is None else Case(*arguments, eps, label=label)


def _draw(rng: np.random.Generator) -> Case:
    out, inner, k = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.choice([1, 3]))
    if rng.random() < 0.3:
        inner = out  # scaling the wrong axis runs without an error then
    eps = None if rng.random() < 0.4 else float(rng.choice([1e-3, 0.1, 2.0]))
    return _case(_drawn(rng, (out, inner, k, k), bool(rng.random() < 0.6)), eps)


_RNG = np.random.default_rng(50)
_ONE = np.ones(1)
ONE = (np.full((1, 1, 1, 1), 2.0), _ONE, 3 * _ONE, 0.5 * _ONE, 2 * _ONE, np.array([4 - 1e-5]))
TWO = (np.array([[[[1.0]], [[2.0]]], [[[3.0]], [[4.0]]]]), None, np.array([2.0, 6]), np.array([0.0, 10]), np.array([1.0, 3]),
       np.array([3.0, 8]))
_TINY = (np.full((1, 1, 1, 1), 1.0), None, _ONE, 0 * _ONE, _ONE, np.array([1e-5]))

fuse_conv_bn_np = Exercise(
    id="50.fuse_conv_bn_np", points=4, difficulty=2, minutes=12, idea="two linear steps in a row are one",
    reference=reparam.fuse_conv_bn_np,
    cases=[Case(*ONE, label="the example with one filter"), Case(*TWO, 1.0, label="two channels, no bias, eps=1")],
    hidden=[_case(_drawn(_RNG, (8, 1, 3, 3), True)), _case(_drawn(_RNG, (3, 3, 1, 1), True), 0.5),
            _case(_drawn(_RNG, (4, 2, 5, 3), False)), Case(*_TINY, label="a variance of 1e-5, the default eps")],
    draw=_draw, draws=25, compare=close(rtol=1e-9, atol=1e-10), pure=True,
    misconceptions=[
        Misconception(
            "no_root", _folded(lambda gamma, var, eps: gamma / (var + eps)),
            "You divide by the variance. Batch norm divides by the standard deviation.", "The root is missing."),
        Misconception(
            "eps_outside_the_root", _folded(lambda gamma, var, eps: gamma / (np.sqrt(var) + eps)),
            "eps is added to the variance, before the root is taken.", "eps goes inside the root."),
        Misconception(
            "eps_ignored", _folded(lambda gamma, var, eps: gamma / np.sqrt(var)),
            "Your factor does not depend on eps. Near 1e-5 that hardly shows, and at a small variance it doubles the result.",
            "eps has no effect."),
        Misconception(
            "bias_not_scaled", _folded(bias=lambda b, beta, mean, s: (0 if b is None else b) + beta - mean * s),
            "The convolution's bias passes through batch norm as well. Write BN(z) for z = conv + b and see what stands in front "
            "of b.", "The old bias is scaled too.",
            also=(_folded(bias=lambda b, beta, mean, s: (0 if b is None else b) + beta - mean),)),
        Misconception(
            "input_channels", _folded(axis=1),
            "You scale along axis 1 of w, the input channels. Batch norm works on what comes out of the convolution: axis 0.",
            "Scale the output channels.", also=(_folded(axis=3),)),
        Misconception(
            "no_bias_no_shift", _folded(bias=lambda b, beta, mean, s: beta if b is None else (b - mean) * s + beta),
            "Without a bias b is 0, and the mean is subtracted all the same.", "No bias means b = 0.",
            also=(_folded(bias=lambda b, beta, mean, s: np.zeros(len(s)) if b is None else (b - mean) * s + beta),)),
        Misconception(
            "bias_lost", _folded(bias=lambda b, beta, mean, s: beta - mean * s),
            "You never use b. A convolution may have a bias of its own.", "The old bias is lost."),
        Misconception(
            "gamma_forgotten", _folded(lambda gamma, var, eps: 1 / np.sqrt(var + eps)),
            "You normalise, but the learned factor gamma has no effect.", "gamma is missing."),
        Misconception(
            "beta_scaled", _folded(bias=lambda b, beta, mean, s: ((0 if b is None else b) - mean + beta) * s),
            "beta is added at the very end, after the scaling. In your formula it is scaled.", "beta comes last."),
        Misconception(
            "beta_forgotten", _folded(bias=lambda b, beta, mean, s: ((0 if b is None else b) - mean) * s),
            "Your bias does not depend on beta. Batch norm adds it at the end.", "beta is missing."),
        Misconception(
            "none_not_handled", _none_not_handled,
            "A bias of None can't be computed with: most convolutions before a batch norm have none. It counts as 0.",
            "b may be None."),
        Misconception(
            "kernel_only", _kernel_only,
            "The kernel is right. The bias has to change too: mean and beta must go somewhere.", "The bias is unchanged."),
        Misconception(
            "changed_in_place", _in_place,
            "The numbers are right, but you changed an array that you were given. The trained model needs it: `*=` and `-=` work "
            "in place.", "The arguments were changed.", also=(_bias_in_place, _mean_in_place)),
        Misconception(
            "other_default", _folded(default=1e-3),
            "With eps given you are right. Left out, it should be 1e-5; 1e-3 is another framework's default.", "The default of eps."),
    ],
    alternatives=[_with_matmul, _with_einsum, _channel_by_channel, _probing_the_norm],
    hints=(
        "BN(z) = gamma · (z − mean) / sqrt(var + eps) + beta. Call the factor in front of z s.",
        "With z = conv(x; w) + b: s · conv(x; w) = conv(x; s·w). Whatever does not depend on x is the new bias.",
        "`s[:, None, None, None]` has the shape (out, 1, 1, 1) and meets the output channels of w.",
    ),
    worth_knowing="Nothing is lost: the fused layer differs in the last bits only. That is why every inference engine does it unasked.",
)
