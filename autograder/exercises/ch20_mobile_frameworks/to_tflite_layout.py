"""Exercise 20.to_tflite_layout: from OIHW to OHWI, or to 1HWC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import mobile_formats

from ...exercise import Case, Exercise, Misconception

Weight = np.ndarray


def _require(w: Weight, groups: int) -> None:
    if groups != 1 and (groups < 1 or w.shape[1] != 1 or w.shape[0] % groups):
        raise ValueError("groups must be 1 or the number of input channels")


def _by(normal: Callable[[Weight], Weight], depthwise: Callable[[Weight, int], Weight] = lambda w, groups: w.transpose(1, 2, 3, 0), *,
        finish: Callable[[Weight], Weight] = np.ascontiguousarray, is_depthwise: Callable[[Weight, int], bool] = lambda w, groups: groups != 1,
        check: bool = True) -> Callable:
    """An answer from the two rearrangements, what decides between them, and a last step."""

    def answer(w: Weight, groups: int = 1) -> Weight:
        if check:
            _require(w, groups)
        return finish(depthwise(w, groups) if is_depthwise(w, groups) else normal(w))

    return answer


def _ohwi(w: Weight) -> Weight:
    return w.transpose(0, 2, 3, 1)


def _hwio(w: Weight) -> Weight:
    return w.transpose(2, 3, 1, 0)


def _both(*rules: Callable, **more: Callable) -> dict:
    return {"answer": _by(*rules, **more), "also": (_by(*rules, **more, check=False),)}


def _reshaped(w: Weight) -> Weight:
    o, i, h, width = w.shape
    return w.reshape(o, h, width, i)


def _reshaped_depthwise(w: Weight, groups: int) -> Weight:
    o, _, h, width = w.shape
    return w.reshape(1, h, width, o)


def _regrouped(w: Weight, groups: int) -> Weight:
    """All first outputs of the channels, then all second ones."""
    _, _, h, width = w.shape
    return w.reshape(groups, -1, h, width).transpose(2, 3, 1, 0).reshape(1, h, width, -1)


def _per_channel(w: Weight, groups: int) -> Weight:
    """(H, W, C, multiplier), as TensorFlow's depthwise kernels are; reshaped to four axes that way."""
    _, _, h, width = w.shape
    return w.reshape(groups, -1, h, width).transpose(2, 3, 0, 1)


def _moveaxis(w: Weight, groups: int = 1) -> Weight:
    if groups == 1:
        return np.moveaxis(w, 1, -1).copy(order="C")
    _require(w, groups)
    return np.moveaxis(w[:, 0], 0, -1)[np.newaxis].copy(order="C")


def _einsum(w: Weight, groups: int = 1) -> Weight:
    _require(w, groups)
    return np.array(np.einsum("oihw->ohwi" if groups == 1 else "oihw->ihwo", w), order="C", copy=True)


def _loops(w: Weight, groups: int = 1) -> Weight:
    _require(w, groups)
    o, i, h, width = w.shape
    made = np.empty((o, h, width, i) if groups == 1 else (1, h, width, o), w.dtype)
    for index in np.ndindex(w.shape):
        a, b, c, d = index
        made[(a, c, d, b) if groups == 1 else (0, c, d, a)] = w[index]
    return made


def _case(shape: tuple[int, ...], groups: int | None, dtype: Any = np.float32, fortran: bool = False) -> Case:
    """Numbered elements, so that each place is recognised. groups None: the argument is left out."""
    w = (np.arange(int(np.prod(shape))) % 120).astype(dtype).reshape(shape)
    told = f"w of shape {shape}, {np.dtype(dtype).name}" + (", Fortran order" if fortran else "")
    return Case(w=w, groups=groups, fortran=fortran, label=told + ("" if groups is None else f"; groups={groups}"))


def _draw(rng: np.random.Generator) -> Case:
    h, width = (int(n) for n in rng.integers(1, 5, 2))
    dtype = rng.choice([np.float32, np.float16, np.float64, np.int8])
    if rng.random() < 0.5:
        shape, groups = (int(rng.integers(1, 7)), int(rng.integers(1, 7)), h, width), (1 if rng.random() < 0.5 else None)
    else:
        groups = int(rng.integers(2, 6))
        shape = (groups * int(rng.integers(1, 4)), 1, h, width)
    w = (rng.standard_normal(shape) * 40).astype(dtype)
    told = f"w of shape {shape}, {np.dtype(dtype).name}" + ("" if groups is None else f"; groups={groups}")
    return Case(w=w, groups=groups, fortran=bool(rng.random() < 0.2), label=told)


def _show(value: Any) -> str:
    array, contiguous = value["value"], value["c_contiguous"]
    return f"{array.dtype} {array.shape}, {'C-contiguous' if contiguous else 'not C-contiguous'}"


to_tflite_layout = Exercise(
    id="20.to_tflite_layout", points=3, difficulty=2, minutes=9, idea="a layout is an order of the numbers, not only a shape",
    reference=mobile_formats.to_tflite_layout, probe="ch20_mobile_frameworks.layout", show=_show, time_limit_s=3,
    cases=[_case((8, 3, 5, 7), None), _case((6, 1, 3, 3), 6), _case((6, 1, 3, 3), 1)],
    hidden=[
        _case((6, 1, 2, 3), 3), _case((4, 1, 1, 1), 2), _case((1, 1, 2, 3), 1), _case((2, 3, 1, 1), 1), _case((3, 2, 2, 2), None, np.float64),
        _case((4, 1, 2, 3), 4, np.int8), _case((9, 1, 3, 2), 3, np.float16), _case((5, 4, 3, 2), 1, fortran=True), _case((6, 1, 3, 2), 2, fortran=True),
        _case((7, 1, 3, 3), None), _case((3, 3, 3, 3), 1),
    ],
    draw=_draw, draws=25,
    raises=[_case((6, 1, 3, 3), 4), _case((6, 2, 3, 3), 3), _case((6, 1, 3, 3), 0), _case((6, 1, 3, 3), -6), _case((6, 3, 3, 3), 6), _case((6, 1, 3, 3), 12),
            _case((4, 2, 1, 1), 2), _case((5, 1, 2, 2), 2)],
    misconceptions=[
        Misconception(
            "reshaped", **_both(_reshaped, _reshaped_depthwise),
            message="The shape is right, but the numbers kept their old order: `reshape` only counts them anew. Every output channel now holds "
                    "shuffled weights. Which operation moves an axis?",
            title="Same shape, shuffled weights."),
        Misconception(
            "hwio", _by(_hwio, _per_channel),
            "HWIO is TensorFlow's layout of a weight. A .tflite file holds OHWI: all weights of one output channel lie side by side.",
            "That is TensorFlow's layout.",
            also=(_by(_hwio, _per_channel, check=False), _by(_hwio), _by(_hwio, check=False), _by(_hwio, lambda w, groups: _hwio(w)),
                  _by(_hwio, lambda w, groups: _hwio(w), check=False))),
        Misconception(
            "depthwise_like_any_other", **_both(_ohwi, lambda w, groups: _ohwi(w)),
            message="A depthwise weight is laid out in another way than an ordinary one: its output channels come last, after a first axis of length 1.",
            title="A depthwise weight is 1HWC."),
        Misconception(
            "view", _by(_ohwi, finish=lambda w: w),
            "`transpose` only changes the strides: the bytes still lie in the old order. Whoever writes the buffer of this array to a file writes OIHW. "
            "Ask NumPy for a contiguous copy.",
            "The result is a view in the old order.",
            also=(_by(_ohwi, finish=lambda w: w, check=False), lambda w, groups=1: np.moveaxis(w, 1, -1) if groups == 1 else w.transpose(1, 2, 3, 0),
                  _by(_ohwi, finish=lambda w: w.copy(order="K")))),
        Misconception(
            "always_1hwc", **_both(lambda w: w.transpose(1, 2, 3, 0)),
            message="An ordinary weight keeps its output channels in front: OHWI. You put them last, as for a depthwise convolution.",
            title="The output channels moved to the end."),
        Misconception(
            "one_channel_means_depthwise", **_both(_ohwi, is_depthwise=lambda w, groups: w.shape[1] == 1),
            message="You tell a depthwise weight by its second axis of length 1. The first layer of a network for grey images has that too, with one "
                    "group. What does `groups` say?",
            title="One input channel is not depthwise."),
        Misconception(
            "dtype_changed", **_both(_ohwi, finish=lambda w: np.ascontiguousarray(w, np.float32)),
            message="The dtype has to stay: a quantised weight is int8, and as float32 it would take four times the space.",
            title="The dtype was changed."),
        Misconception(
            "multiplier_first", **_both(_ohwi, _regrouped),
            message="With more than one output a channel, you collect the first outputs of all channels, then the second ones. ONNX and TFLite both keep "
                    "the outputs of one channel together, so the order of the output channels does not change.",
            title="The output channels changed places."),
        Misconception(
            "any_groups", _by(_ohwi, check=False),
            "TFLite's CONV_2D and DEPTHWISE_CONV_2D know one group, or as many groups as input channels. Other groups need another "
            "operator, so they have to be refused here.",
            "Not every number of groups can be laid out."),
    ],
    alternatives=[_moveaxis, _einsum, _loops],
    hints=(
        "`w.transpose(0, 2, 3, 1)` makes OHWI of OIHW. Which order makes 1HWC of (O, 1, H, W)?",
        "`np.ascontiguousarray` copies a view into C order and keeps the dtype.",
        "Refuse groups other than 1 unless `w.shape[1] == 1` and `groups` divides `w.shape[0]`.",
    ),
    worth_knowing="LiteRT checks the shape of a weight and cannot check its order: a wrong one gives no error, only worse answers.",
)
