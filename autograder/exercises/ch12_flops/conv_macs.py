"""Exercise 12.conv_macs: the multiply-accumulates of a convolution."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.cost.flops import layer_ops

from ...exercise import Case, Exercise, Misconception


def _conv_macs(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
               dilation: int = 1, groups: int = 1, batch: int = 1, *, input_size: bool = False, ceil: bool = False,
               span: bool = True, swap: bool = False, sides: int = 2, channels: str = "grouped",
               factor: int = 1, per_batch: bool = True) -> int:
    """MACs with one mistake; with its defaults it is right (an independent formulation)."""
    k_h, k_w = (kernel, kernel) if isinstance(kernel, int) else kernel
    outputs = batch if per_batch else 1
    for n, k in ((h, k_w), (w, k_h)) if swap else ((h, k_h), (w, k_w)):
        reach = dilation * (k - 1) + 1 if span else k
        room = n + sides * padding - reach
        if room < 0 and not input_size:
            raise ValueError("the window does not fit into the padded input")
        outputs *= n if input_size else 1 + (-(-room // stride) if ceil else room // stride)
    depth = {"grouped": c_in // groups * c_out, "all": c_in * c_out,
             "twice": (c_in // groups) * (c_out // groups)}[channels]
    return factor * outputs * depth * k_h * k_w


def _conv_by_positions(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                       dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Visits every window of the padded image."""
    k_h, k_w = np.broadcast_to(kernel, 2).tolist()
    tops = range(0, h + 2 * padding - dilation * (k_h - 1), stride)
    lefts = range(0, w + 2 * padding - dilation * (k_w - 1), stride)
    if not tops or not lefts:
        raise ValueError("empty output")
    macs = 0
    for _ in tops:
        for _ in lefts:
            macs += k_h * k_w * (c_in // groups) * c_out
    return macs * batch


def _conv_by_views(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                   dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Lets NumPy cut the padded image into windows; it refuses one that does not fit."""
    taps = np.broadcast_to(kernel, 2)
    padded = np.empty((h + 2 * padding, w + 2 * padding), bool)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(dilation * (taps - 1) + 1))
    seen = windows[::stride, ::stride, ::dilation, ::dilation]
    return seen.size * batch * c_out * c_in // groups


def _conv_inside_only(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                      dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    return layer_ops.conv2d_ops(h, w, c_in, c_out, kernel, stride, padding, dilation, groups, batch=batch,
                                skip_padding=True).macs


def _draw_conv(rng: np.random.Generator) -> Case:
    groups = int(rng.choice([1, 1, 2, 4]))
    c_in, c_out = (groups * int(rng.integers(1, 9)) for _ in range(2))
    kernel: Any = int(rng.integers(1, 6))
    if rng.random() < 0.4:
        kernel = (kernel, int(rng.integers(1, 6)))
    geometry = {"stride": int(rng.integers(1, 4)), "padding": int(rng.integers(0, 3)), "dilation": int(rng.integers(1, 3)),
                "groups": groups, "batch": int(rng.integers(1, 5))}
    if rng.random() < 0.3 and c_in > 1:
        geometry["groups"], c_out = c_in, c_in * int(rng.integers(1, 3))
    sizes = [geometry["dilation"] * (k - 1) + 1 + int(rng.integers(0, 20)) for k in np.broadcast_to(kernel, 2).tolist()]
    return Case(*sizes, c_in, c_out, kernel, **geometry)


conv_macs = Exercise(
    id="12.conv_macs", points=3, difficulty=1, minutes=15, idea="count outputs, then the work behind one output",
    reference=layer_ops.conv_macs,
    cases=[
        Case(224, 224, 3, 64, 7, stride=2, padding=3),
        Case(56, 56, 64, 128, 3, padding=1),
        Case(14, 14, 32, 32, 3, padding=1, groups=32, batch=8),
        Case(10, 12, 3, 5, (3, 1), dilation=2),
    ],
    hidden=[
        Case(3, 9, 2, 3, 3, label="(3, 9, 2, 3, 3)  one row of outputs"),
        Case(9, 3, 2, 3, 3, label="(9, 3, 2, 3, 3)  one column of outputs"),
        Case(8, 8, 4, 6, 3, stride=2, label="(8, 8, 4, 6, 3, stride=2)  the last window does not fit"),
        Case(224, 224, 32, 32, 3, stride=2, padding=1, groups=32, label="a depthwise layer with stride 2"),
        Case(33, 33, 16, 8, 3, padding=2, dilation=2),
        Case(7, 20, 4, 6, (1, 5), stride=3, padding=2, groups=2),
    ],
    draw=_draw_conv, draws=40,
    raises=[Case(4, 9, 1, 1, 5, label="5 taps on 4 rows"), Case(9, 4, 1, 1, 5, label="5 taps on 4 columns"),
            Case(4, 4, 1, 1, 3, dilation=2, label="3 taps, 2 apart, on 4 rows and columns"),
            Case(2, 2, 1, 1, 7, padding=1, stride=3, label="7 taps on 4 rows and columns, stride 3")],
    misconceptions=[
        Misconception(
            "input_size", partial(_conv_macs, input_size=True),
            "The work is done once for each *output* position. With stride 2 there are a quarter as many of them as "
            "input positions. Work out the output's height and width first.",
            "You count input positions."),
        Misconception(
            "ceil", partial(_conv_macs, ceil=True),
            "A window that would hang over the edge is not computed: 8 values, 3 taps and stride 2 give 3 positions, "
            "not 4. Which way must the division by the stride round?",
            "The output size is rounded up."),
        Misconception(
            "forgets_groups", partial(_conv_macs, channels="all"),
            "With groups an output channel sees only the input channels of its own group. A depthwise layer of 32 "
            "channels came out 32 times too large. Which of the two channel counts shrinks?",
            "Groups were ignored."),
        Misconception(
            "groups_twice", partial(_conv_macs, channels="twice"),
            "You divided both channel counts by the groups: that is the work of one group. There are `groups` of "
            "them, and every output channel still exists.",
            "Only one group was counted."),
        Misconception(
            "ignores_dilation", partial(_conv_macs, span=False),
            "Dilation leaves gaps between the taps. It adds no multiplications to a window, but the window reaches "
            "further: 3 taps, 2 apart, span 5 values, so fewer windows fit.",
            "The dilated window is too short."),
        Misconception(
            "one_side", partial(_conv_macs, sides=1),
            "The padding is added on both sides of an axis: above and below, left and right. A 224 row with padding 3 "
            "is 230 values long.",
            "Only one side was padded."),
        Misconception(
            "kernel_swapped", partial(_conv_macs, swap=True),
            "`kernel` is (height, width). The height goes with the input's h, the width with its w.",
            "Kernel height and width are swapped."),
        Misconception(
            "counts_flops", partial(_conv_macs, factor=2),
            "This is the number of FLOPs: the multiply and the add of each step. One MAC is both together.",
            "These are FLOPs, not MACs."),
        Misconception(
            "forgets_batch", partial(_conv_macs, per_batch=False),
            "This is the work of one image. `batch` images need that many times as much.",
            "Only one image was counted."),
        Misconception(
            "skips_padding", _conv_inside_only,
            "You left out the products with padded zeros. Published tables and ordinary kernels count them: every "
            "window does all its k_h × k_w taps.",
            "Padded taps were left out."),
    ],
    alternatives=[_conv_macs, _conv_by_positions, _conv_by_views],
    hints=(
        "How many positions does a window have on one axis? The padded axis has n + 2·padding values, and the window "
        "reaches over dilation·(k − 1) + 1 of them.",
        "The first window always fits if there is room; after it one more for every full stride of what is left: "
        "`room // stride + 1`.",
        "Behind one output value stand (c_in / groups)·k_h·k_w multiplications. There are batch·c_out·h_out·w_out "
        "output values.",
    ),
    worth_knowing="`torch.utils.flop_counter` reports twice this number, with or without bias.",
)
