"""Exercise 20.same_pads: the padding that TFLite's word SAME stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import mobile_formats

from ...exercise import Case, Exercise, Misconception

Pads = tuple[int, int]


def _positions(size: int, stride: int) -> int:
    return -(-size // stride)


def _window(kernel: int, dilation: int) -> int:
    return (kernel - 1) * dilation + 1


def _pads(*, positions: Callable[[int, int], int] = _positions, window: Callable[[int, int], int] = _window,
          clamp: Callable[[int], int] = lambda total: max(total, 0),
          split: Callable[[int], Pads] = lambda total: (total // 2, total - total // 2), check: bool = True) -> Callable:
    """An answer from the number of outputs, the window's length, and how the total padding is bounded and split."""

    def answer(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
        if check and min(size, kernel, stride, dilation) < 1:
            raise ValueError("arguments must be positive")
        return split(clamp((positions(size, stride) - 1) * stride + window(kernel, dilation) - size))

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _pads(**rules), "also": (_pads(**rules, check=False),)}


def _checked(answer: Callable) -> Callable:
    def checked(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
        if min(size, kernel, stride, dilation) < 1:
            raise ValueError("arguments must be positive")
        return answer(size, kernel, stride, dilation)

    return checked


def _half(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    return kernel // 2, kernel // 2


def _half_window(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    return (kernel - 1) * dilation // 2, (kernel - 1) * dilation // 2


def _half_dilated(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    return dilation * (kernel // 2), dilation * (kernel // 2)


def _as_if_stride_1(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    total = (kernel - 1) * dilation
    return total // 2, total - total // 2


def _search(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    """Adds a pixel after, then one before, until there are enough windows."""
    if not all(n > 0 for n in (size, kernel, stride, dilation)):
        raise ValueError("arguments must be positive")
    before = after = 0
    reach = 1 + dilation * (kernel - 1)
    while len(range(-before, size + after - reach + 1, stride)) < (size + stride - 1) // stride:
        if before == after:
            after += 1
        else:
            before += 1
    return before, after


def _remainder(size: int, kernel: int, stride: int, dilation: int = 1) -> Pads:
    """TensorFlow's documentation tells two cases apart: does the stride divide the size?"""
    if size <= 0 or kernel <= 0 or stride <= 0 or dilation <= 0:
        raise ValueError("arguments must be positive")
    reach, rest = kernel + (kernel - 1) * (dilation - 1), size % stride
    total = max(0, reach - (rest if rest else stride))
    return divmod(total, 2)[0], sum(divmod(total, 2))


def _draw(rng: np.random.Generator) -> Case | tuple:
    size, kernel, stride = int(rng.integers(1, 300)), int(rng.integers(1, 12)), int(rng.integers(1, 6))
    dilation = int(rng.choice([1, 1, 2, 3, 4]))
    return (size, kernel, stride) if dilation == 1 and rng.random() < 0.6 else (size, kernel, stride, dilation)


same_pads = Exercise(
    id="20.same_pads", points=3, difficulty=1, minutes=9, idea="SAME fixes the output size, and the padding follows",
    reference=mobile_formats.same_pads,
    cases=[Case(28, 3, 2), Case(224, 7, 2), Case(5, 1, 2), Case(28, 3, 1, 2)],
    hidden=[
        Case(28, 3, 1), Case(29, 3, 2), Case(29, 3, 2, 1), Case(1, 1, 1), Case(1, 5, 1), Case(1, 5, 3), Case(9, 2, 1), Case(9, 2, 2), Case(8, 2, 2),
        Case(10, 1, 4), Case(7, 2, 5), Case(6, 3, 5), Case(12, 3, 2, 2), Case(13, 4, 3, 3), Case(2, 3, 4, 2), Case(64, 4, 2), Case(64, 6, 1),
        Case(5, 2, 1, 4), Case(11, 3, 3), Case(10, 3, 3),
    ],
    draw=_draw, draws=40, time_limit_s=2,
    raises=[Case(0, 3, 1), Case(-8, 3, 1), Case(8, 0, 1), Case(8, -3, 2), Case(8, 3, 0), Case(8, 3, -1), Case(8, 3, 1, 0), Case(8, 3, 2, -2)],
    misconceptions=[
        Misconception(
            "symmetric", _checked(_half),
            "You pad `kernel // 2` on both sides, which is PyTorch's habit. At stride 2 and an even size it makes the windows begin one pixel earlier "
            "than TFLite's. Start from the number of outputs, ceil(size / stride), and ask how much the last window lacks.",
            "The same padding on both sides.",
            also=(_half, _checked(_half_window), _half_window, _checked(_half_dilated), _half_dilated)),
        Misconception(
            "extra_before", **_both(split=lambda total: (total - total // 2, total // 2)),
            message="Your odd pixel goes before the image. ONNX calls that SAME_LOWER. TFLite and TensorFlow put it after the last pixel.",
            title="The odd pixel is on the wrong side."),
        Misconception(
            "not_clamped", **_both(clamp=lambda total: total),
            message="Where the stride is larger than the window, the last window ends before the image does. Your total then is negative, and "
                    "pixels would be cut off. What is the smallest padding that there can be?",
            title="Padding is never negative."),
        Misconception(
            "dilation_ignored", **_both(window=lambda kernel, dilation: kernel),
            message="A dilated kernel has gaps between its taps, so its window is longer than `kernel` pixels. How far is the last tap from the first?",
            title="The dilation is not used."),
        Misconception(
            "dilated_too_long", **_both(window=lambda kernel, dilation: kernel * dilation),
            message="You take a window of kernel · dilation pixels. Between `kernel` taps there are `kernel - 1` gaps: draw three taps with dilation 2 "
                    "and count from the first to the last.",
            title="The window is too long."),
        Misconception(
            "output_rounded_down", **_both(positions=lambda size, stride: max(size // stride, 1)),
            message="SAME gives ceil(size / stride) outputs. You round down, so that one window is missing when the stride does not divide the size.",
            title="The output size is rounded down."),
        Misconception(
            "stride_ignored", _checked(_as_if_stride_1),
            "That is the padding for stride 1. With a larger stride the last window begins earlier, and less padding is needed. Where does the last of "
            "ceil(size / stride) windows end?",
            "The stride is not used.", also=(_as_if_stride_1,)),
    ],
    alternatives=[_search, _remainder, _pads()],
    hints=(
        "There are ceil(size / stride) windows. In whole numbers that is `-(-size // stride)`.",
        "The last window begins at (outputs - 1) · stride and is (kernel - 1) · dilation + 1 pixels long. Compare its end with `size`.",
        "If it reaches `total` pixels too far, `total // 2` go before and the rest after. A negative `total` counts as 0.",
    ),
    worth_knowing="PyTorch refuses padding=\"same\" together with a stride above 1.",
)
