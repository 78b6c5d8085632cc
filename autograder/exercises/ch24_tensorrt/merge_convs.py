"""Exercise 24.merge_convs: parallel convolutions of one input as one convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines.tensorrt_optimizer import merge_convs as reference

from ...exercise import Case, Exercise, Misconception

Arrays = list[np.ndarray]


def _ranges(weights: Arrays) -> list[tuple[int, int]]:
    stops = np.cumsum([w.shape[0] for w in weights]).tolist()
    return [(stop - w.shape[0], stop) for w, stop in zip(weights, stops)]


def _bias(weights: Arrays, biases: list) -> np.ndarray:
    return np.concatenate([np.zeros(len(w), w.dtype) if b is None else b for w, b in zip(weights, biases)]).astype(
        weights[0].dtype)


def _merger(weight: Callable = lambda ws: np.concatenate(ws, axis=0), bias: Callable = _bias,
            ranges: Callable = _ranges) -> Callable:
    """An answer with one part replaced; with its defaults it is right."""

    def answer(weights: Arrays, biases: list) -> tuple:
        return weight(weights), bias(weights, biases), ranges(weights)

    return answer


def _padded(weights: Arrays) -> np.ndarray:
    """Smaller kernels in the middle of larger ones."""
    height, width = (max(w.shape[axis] for w in weights) for axis in (2, 3))
    grown = []
    for w in weights:
        down, right = height - w.shape[2], width - w.shape[3]
        grown.append(np.pad(w, ((0, 0), (0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2))))
    return np.concatenate(grown)


def _preallocates(weights: Arrays, biases: list) -> tuple:
    if not weights or any(w.shape[1:] != weights[0].shape[1:] for w in weights):
        raise ValueError("weights must be of one input and one kernel size")
    total = sum(len(w) for w in weights)
    weight = np.empty((total, *weights[0].shape[1:]), weights[0].dtype)
    bias = np.zeros(total, weights[0].dtype)
    ranges, at = [], 0
    for w, b in zip(weights, biases):
        weight[at : at + len(w)] = w
        if b is not None:
            bias[at : at + len(w)] = b
        ranges.append((at, at + len(w)))
        at += len(w)
    return weight, bias, ranges


def _by_rows(weights: Arrays, biases: list) -> tuple:
    rows = [row for w in weights for row in w]
    values = [0 if b is None else b[i] for w, b in zip(weights, biases) for i in range(len(w))]
    ranges, start = [], 0
    for w in weights:
        ranges.append((start, start := start + w.shape[0]))
    return np.stack(rows), np.array(values, weights[0].dtype), ranges


def _example() -> Case:
    rng = np.random.default_rng(24)
    weights = [rng.standard_normal((o, 64, 1, 1)).astype(np.float32) for o in (16, 24, 8)]
    biases = [np.arange(16, dtype=np.float32), None, np.ones(8, np.float32)]
    return Case(weights, biases, label="16, 24 and 8 output channels of 64 input channels, 1x1; the second without bias")


def _draw(rng: np.random.Generator) -> Case:
    dtype = np.float32 if rng.random() < 0.7 else np.float64
    i, kh, kw = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.integers(1, 7, int(rng.integers(1, 5)))]
    weights = [rng.standard_normal((o, i, kh, kw)).astype(dtype) for o in sizes]
    biases = [None if rng.random() < 0.4 else rng.standard_normal(o).astype(dtype) for o in sizes]
    return Case(weights, biases, label=f"output channels {sizes}, {i} input channels, {kh}x{kw}, {np.dtype(dtype)}")


def _ones(*shapes: tuple[int, ...], dtype: type = np.float32) -> Arrays:
    return [np.full(shape, n + 1, dtype) for n, shape in enumerate(shapes)]


def _bad(label: str, *shapes: tuple[int, ...]) -> Case:
    return Case(_ones(*shapes), [None] * len(shapes), label=label)


def _bias_if_all(weights: Arrays, biases: list) -> np.ndarray | None:
    return None if any(b is None for b in biases) else _bias(weights, biases)


def _bias_present(weights: Arrays, biases: list) -> np.ndarray:
    present = [b for b in biases if b is not None]
    return np.concatenate(present) if present else np.zeros(0, weights[0].dtype)


def _bias_wide(weights: Arrays, biases: list) -> np.ndarray:
    return np.concatenate([np.zeros(len(w)) if b is None else b for w, b in zip(weights, biases)])


merge_convs = Exercise(
    id="24.merge_convs", points=4, difficulty=2, minutes=10, idea="siblings read their common input once",
    reference=reference,
    cases=[_example(),
           Case(_ones((2, 1, 1, 1), (1, 1, 1, 1)), [np.array([5, 6], np.float32), None],
                label="two channels of weight 1 with bias 5 and 6, one of weight 2 without")],
    hidden=[
        Case(_ones((3, 2, 3, 3), (3, 2, 3, 3)), [None, None], label="two convolutions of equal shape without bias"),
        Case(_ones((4, 3, 3, 1)), [np.arange(4, dtype=np.float32)], label="a single convolution"),
        Case(_ones((2, 3, 1, 1), (5, 3, 1, 1), dtype=np.float64), [None, np.arange(5.0)], label="float64"),
        Case(_ones((2, 3, 1, 1), (2, 3, 1, 1)), [np.zeros(2, np.float32), np.ones(2, np.float32)], label="biases of 0 and of 1"),
    ],
    draw=_draw, draws=30,
    raises=[Case([], [], label="no convolution"), _bad("input channels 3 and 4", (2, 3, 1, 1), (2, 4, 1, 1)),
            _bad("filters 1x1 and 3x3", (2, 3, 1, 1), (2, 3, 3, 3)), _bad("filters 1x3 and 3x1", (2, 3, 1, 3), (2, 3, 3, 1)),
            _bad("filters 3x3 and 3x1", (4, 3, 3, 3), (2, 3, 3, 1))],
    misconceptions=[
        Misconception(
            "input_axis", _merger(weight=lambda ws: np.concatenate(ws, axis=1)),
            "You join the weights along axis 1, the *input* channels. The branches share their input and bring outputs of their "
            "own: those are axis 0 of (O, I, kH, kW).", "The wrong axis."),
        Misconception(
            "pads_kernels", _merger(weight=_padded),
            "You grow small filters to the size of the largest. The result may be right, but a 1x1 convolution then costs as much as a "
            "3x3. Asked is a ValueError.", "Filters of different size."),
        Misconception(
            "start_and_length", _merger(ranges=lambda ws: [(a, b - a) for a, b in _ranges(ws)]),
            "Your ranges hold (start, length). Asked is (start, stop), with stop one behind the last channel.",
            "Stop, not length."),
        Misconception(
            "last_channel", _merger(ranges=lambda ws: [(a, b - 1) for a, b in _ranges(ws)]),
            "Your ranges end with the last channel itself. `stop` is one behind it, as in a Python slice.",
            "Stop is exclusive."),
        Misconception(
            "all_or_none", _merger(bias=_bias_if_all),
            "When one convolution has no bias you drop all of them. The others still need theirs: a missing bias is a row of "
            "zeros.", "A missing bias is zero.",
            also=(_merger(bias=lambda ws, bs: np.zeros(sum(map(len, ws)), ws[0].dtype) if any(b is None for b in bs) else _bias(ws, bs)),)),
        Misconception(
            "shorter_bias", _merger(bias=_bias_present),
            "Your bias has fewer entries than there are output channels: convolutions without bias were left out. Each of their "
            "channels needs a zero, in its place.", "The bias is too short."),
        Misconception(
            "widens", _merger(bias=_bias_wide),
            "np.zeros makes float64, and joining float32 with float64 gives float64. The bias has to have the weights' dtype.",
            "The bias became float64."),
        Misconception(
            "all_from_zero", _merger(ranges=lambda ws: [(0, len(w)) for w in ws]),
            "All your ranges begin at 0. In the merged output the branches lie one behind the other.", "Ranges follow each other."),
    ],
    alternatives=[_merger(), _preallocates, _by_rows],
    hints=(
        "Output channel j of a convolution depends on row j of its weight and on nothing else. So rows can be stacked.",
        "np.concatenate along axis 0 joins the weights, and refuses arrays whose other axes differ.",
        "Put np.zeros(len(w), w.dtype) in place of a None.",
    ),
    worth_knowing="After the merged convolution nothing needs to be copied: with a batch of 1 each branch is a slice of one buffer.",
)
