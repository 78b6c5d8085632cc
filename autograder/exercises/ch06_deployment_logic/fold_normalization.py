"""Exercise 06.fold_normalization: scale, mean and std become part of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.delivery import release

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _w(w: np.ndarray, mean: np.ndarray, std: np.ndarray, scale: float) -> np.ndarray:
    return w * scale / std[None, :, None, None]


def _b(w: np.ndarray, b: np.ndarray, mean: np.ndarray, std: np.ndarray, scale: float) -> np.ndarray:
    return b - (w * (mean / std)[None, :, None, None]).sum((1, 2, 3))


def _pad(mean: np.ndarray, std: np.ndarray, scale: float) -> np.ndarray:
    return mean / scale


def _fold(*, kernel: Callable = _w, bias: Callable = _b, pad: Callable = _pad, check: str = "both", in_place: bool = False) -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float) -> tuple:
        m, s = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if check in ("both", "std") and np.any(s == 0):
            raise ValueError("std")
        if check in ("both", "lengths") and not len(m) == len(s) == w.shape[1]:
            raise ValueError("lengths")
        with np.errstate(all="ignore"):
            if in_place:
                shift = (w * (m / s)[None, :, None, None]).sum((1, 2, 3))
                w *= scale / s[None, :, None, None]
                b -= shift
                return w, b, pad(m, s, scale)
            wide, bias_wide = w.astype(np.float64), b.astype(np.float64)
            return kernel(wide, m, s, scale), bias(wide, bias_wide, m, s, scale), pad(m, s, scale)

    return answer


def _both(**parts: Any) -> dict:
    return {"answer": _fold(**parts), "also": (_fold(**parts, check="none"),)}


def _output_axis(w: np.ndarray, mean: np.ndarray, std: np.ndarray, scale: float) -> np.ndarray:
    return w * scale / std[:, None, None, None]


def _output_axis_bias(w: np.ndarray, b: np.ndarray, mean: np.ndarray, std: np.ndarray, scale: float) -> np.ndarray:
    return b - (w * (mean / std)[:, None, None, None]).sum((1, 2, 3))


def _narrow(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float) -> tuple:
    m, s = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if (s == 0).any() or not len(m) == len(s) == w.shape[1]:
        raise ValueError("std or lengths")
    w, b = w.astype(np.float32), b.astype(np.float32)
    return _w(w, m, s, np.float32(scale)), _b(w, b, m, s, np.float32(scale)), _pad(m, s, np.float32(scale))


# --- right answers --------------------------------------------------------------------------------


def _with_einsum(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float) -> tuple:
    w, b, mean, std = (np.array(a, dtype=float) for a in (w, b, mean, std))
    if mean.shape != std.shape or mean.shape != (w.shape[1],) or not std.all():
        raise ValueError("mean and std")
    return np.einsum("oihw,i->oihw", w, scale / std), b - np.einsum("oihw,i,i->o", w, mean, 1 / std), mean / scale


def _with_loops(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float) -> tuple:
    if len(mean) != w.shape[1] or len(std) != w.shape[1]:
        raise ValueError("one number for each input channel")
    if 0 in list(std):
        raise ValueError("std is 0")
    weights, bias = np.zeros(w.shape), np.array(b, dtype=np.float64)
    for o in range(w.shape[0]):
        for i in range(w.shape[1]):
            weights[o, i] = w[o, i].astype(np.float64) / std[i] * scale
            bias[o] -= float(w[o, i].astype(np.float64).sum()) * mean[i] / std[i]
    return [weights, bias, np.array([m / scale for m in mean], dtype=np.float64)]


def _with_unit_images(w: np.ndarray, b: np.ndarray, mean: Sequence[float], std: Sequence[float], scale: float) -> tuple:
    """Solved from what the network says to a black image and to images with a single lit pixel."""
    if not (len(mean) == len(std) == w.shape[1]) or np.any(np.asarray(std) == 0):
        raise ValueError("mean, std")
    m, s, wide = (np.asarray(a, np.float64).reshape(shape) for a, shape in ((mean, (-1, 1, 1)), (std, (-1, 1, 1)), (w, w.shape)))

    def out(raw: np.ndarray) -> np.ndarray:
        return np.tensordot(wide, (raw * scale - m) / s, 3) + b

    black = out(np.zeros(w.shape[1:]))
    unit = np.eye(wide[0].size).reshape(-1, *w.shape[1:])
    columns = np.stack([out(image) - black for image in unit], axis=1)  # (O, I * kh * kw)
    return columns.reshape(w.shape), black, m.ravel() / scale


# --- cases ----------------------------------------------------------------------------------------


def _case(w: Any, b: Any, mean: Any, std: Any, scale: float = 1 / 255, dtype: Any = np.float64, label: str = "") -> Case:
    return Case(np.array(w, dtype), np.array(b, dtype), mean, std, scale, label=label)


def _random(rng: np.random.Generator, o: int, i: int, k: tuple[int, int], scale: float = 1 / 255, dtype: Any = np.float64) -> Case:
    # values of float32, so that the kernel is the same number in both dtypes
    w, b = (rng.normal(size=shape).astype(np.float32).astype(dtype) for shape in ((o, i, *k), (o,)))
    mean, std = rng.uniform(0.1, 0.9, i).round(3).tolist(), rng.uniform(0.1, 0.6, i).round(3).tolist()
    told = f"kernel {(o, i, *k)} {np.dtype(dtype)}, mean {mean}, std {std}, scale {scale:.4g}"
    return Case(w, b, mean, std, scale, label=told)


def _draw(rng: np.random.Generator) -> Case:
    o, i = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    k = [(1, 1), (3, 3), (2, 3), (5, 5)][int(rng.integers(4))]
    return _random(rng, o, i, k, float(rng.choice([1 / 255, 1 / 128, 1.0, 1 / 65535])), [np.float64, np.float32][int(rng.integers(2))])


_RNG = np.random.default_rng(6)
_ONES = np.ones((2, 3, 1, 1))

fold_normalization = Exercise(
    id="06.fold_normalization", points=4, difficulty=3, minutes=15, idea="a linear step before a linear layer is one linear layer",
    reference=release.fold_normalization,
    cases=[_case([[[[2.0]], [[1.0]]]], [0.5], (0.5, 0.2), (0.25, 0.5)),
           _case([[[[1.0, 0.0], [0.0, 3.0]]]], [1.0], [0.5], [0.5], 1.0)],
    hidden=[_random(_RNG, 3, 3, (3, 3)), _random(_RNG, 2, 3, (1, 1)), _random(_RNG, 4, 1, (3, 3), 1.0), _random(_RNG, 3, 3, (2, 3), 1 / 128),
            _random(_RNG, 1, 2, (3, 3), dtype=np.float32), _case(_ONES, [0.0, 1.0], (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0),
            _case(_ONES * [[[[1.0]]], [[[-1.0]]]], [2, 3], np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])),
            _case([[[[1.0]], [[2.0]]], [[[3.0]], [[4.0]]]], [0, 0], (0.5, 0.25), (-0.5, 0.125))],
    raises=[_case(_ONES, [0, 0], (0.1, 0.2, 0.3), (0.5, 0.0, 0.5), label="std (0.5, 0, 0.5)"),
            _case(_ONES, [0, 0], (0.1, 0.2), (0.5, 0.5, 0.5), label="3 input channels, 2 means"),
            _case(_ONES, [0, 0], (0.1, 0.2, 0.3), (0.5, 0.5), label="3 input channels, 2 stds"),
            _case(_ONES, [0, 0], (0.1,), (0.5,), label="3 input channels, 1 mean and 1 std"),
            _case(_ONES, [0, 0], (0.1,), (0.5, 0.5, 0.5), label="3 input channels, 1 mean"),
            _case(_ONES, [0, 0], (0.1, 0.2, 0.3), (0.5,), label="3 input channels, 1 std"),
            _case(np.ones((3, 1, 3, 3)), [0, 0, 0], (0.1, 0.2, 0.3), (0.5, 0.5, 0.5), label="a grouped convolution's kernel (3, 1, 3, 3), 3 means")],
    draw=_draw, draws=25, compare=close(1e-9, 1e-10), pure=True,
    misconceptions=[
        Misconception(
            "bias_unweighted", **_both(bias=lambda w, b, mean, std, scale: b - (mean / std).sum()),
            message="You take mean/std from the bias as it is. What the mean takes away reaches the output through the weights: each channel's "
                    "mean/std is multiplied by the sum of its kernel.",
            title="The shift goes through the weights."),
        Misconception(
            "scale_ignored", **_both(kernel=lambda w, mean, std, scale: w / std[None, :, None, None]),
            message="The scale is not in your weights. They meet raw pixels, not pixels between 0 and 1: `scale` has to go in as well.",
            title="The scale is missing."),
        Misconception(
            "scale_in_the_shift", **_both(bias=lambda w, b, mean, std, scale: b - scale * (w * (mean / std)[None, :, None, None]).sum((1, 2, 3))),
            message="Your shift uses the new, scaled weights. The mean is subtracted after the scaling, so it meets the old weights over std.",
            title="The mean is not scaled."),
        Misconception(
            "std_not_in_the_shift", **_both(bias=lambda w, b, mean, std, scale: b - (w * mean[None, :, None, None]).sum((1, 2, 3))),
            message="Your shift leaves out std. (x - mean) / std is x/std - mean/std: the mean is divided too.",
            title="The mean is divided as well."),
        Misconception(
            "output_axis", **_both(kernel=_output_axis, bias=_output_axis_bias),
            message="You divide along axis 0 of the kernel, the output channels. mean and std belong to the input channels, axis 1.",
            title="The wrong axis."),
        Misconception(
            "zero_padding", **_both(pad=lambda mean, std, scale: np.zeros_like(mean)),
            message="You pad with 0. Before, a padded 0 was a normalised zero, that is a pixel of average brightness. Which raw value normalises to 0?",
            title="Raw black is not normalised zero."),
        Misconception(
            "padding_not_raw", _fold(pad=lambda mean, std, scale: mean), also=(_fold(pad=lambda mean, std, scale: mean / std),
                                                                              _fold(pad=lambda mean, std, scale: -mean / std)),
            message="Your padding value is not in raw units. Look for the raw value r with (r * scale - mean) / std = 0.",
            title="The padding is in other units."),
        Misconception(
            "in_place", _fold(in_place=True), also=(_fold(in_place=True, check="none"),),
            message="You work on the caller's arrays: after the call its weights are other ones, and a second call folds twice. Make new arrays.",
            title="The caller's weights changed."),
        Misconception(
            "added", **_both(bias=lambda w, b, mean, std, scale: b + (w * (mean / std)[None, :, None, None]).sum((1, 2, 3))),
            message="The sign of the shift: the mean is subtracted from the pixels, so its share leaves the bias too.",
            title="The sign of the shift."),
        Misconception(
            "multiplied_by_std", **_both(kernel=lambda w, mean, std, scale: w * scale * std[None, :, None, None]),
            message="You multiply the weights by std. The pixels are divided by it.",
            title="Multiplied instead of divided."),
        Misconception(
            "mean_weight", **_both(bias=lambda w, b, mean, std, scale: b - (w.mean((2, 3)) * (mean / std)).sum(1)),
            message="You use the mean of each kernel. The mean of the pixels is taken away at every position of the kernel: its sum counts.",
            title="Sum of the kernel, not its mean."),
        Misconception(
            "narrow", _narrow,
            "You compute in float32. The text asks for float64: the weights are divided by small numbers, and rounding twice is one time too many.",
            "Computed in float32."),
        Misconception(
            "zero_std", _fold(check="lengths"),
            "A std of 0 gives infinite weights without a word. Raise ValueError.", "A std of zero."),
        Misconception(
            "lengths", _fold(check="std"), also=(_fold(check="none"),),
            message="mean and std are used although they don't have one number for each input channel (axis 1 of the kernel): NumPy stretches them. "
                    "Raise ValueError.",
            title="NumPy stretches the arrays."),
    ],
    alternatives=[_with_einsum, _with_loops, _with_unit_images],
    hints=(
        "Write the normalised pixel as a * raw + c. What are a and c for one channel?",
        "The convolution is linear: its weights are multiplied by a, and the sum of the kernel times c goes to the bias.",
        "`x[None, :, None, None]` puts a vector along axis 1. Sum over the axes 1, 2 and 3 for the shift.",
    ),
    worth_knowing="With the usual ImageNet numbers the raw padding is 123.675, 116.28 and 103.53: the three means times 255.",
)
