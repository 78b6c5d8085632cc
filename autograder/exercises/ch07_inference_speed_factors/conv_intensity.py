"""Exercise 07.conv_intensity: FLOP per byte of a convolution."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.cost.roofline import op_costs

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _intensity(h: int, w: int, c_in: int, c_out: int, k: int, groups: int = 1, item_bytes: float = 4, batch: int = 1, *,
               per_mac: float = 2, flop_groups: bool = True, weight_groups: bool = True, weight_copies: bool = False,
               tensors: str = "iwo", split: bool = False, taps: int = 2, images: bool = True, items: bool = True,
               crop: bool = False) -> float:
    """With its defaults right; every option is a mistake."""
    batch = batch if images else 1
    rows, columns = (h - k + 1, w - k + 1) if crop else (h, w)
    macs = batch * rows * columns * c_out * c_in * k**taps / (groups if flop_groups else 1)
    elements = {
        "i": batch * h * w * c_in / (groups if split else 1),
        "w": c_in * c_out * k**taps / (groups if weight_groups else 1) * (batch if weight_copies else 1),
        "o": batch * rows * columns * c_out / (groups if split else 1),
    }
    return per_mac * macs / (sum(elements[t] for t in tensors) * (item_bytes if items else 1))


def _by_shapes(h: int, w: int, c_in: int, c_out: int, k: int, groups: int = 1, item_bytes: float = 4, batch: int = 1) -> float:
    shapes = [(batch, c_in, h, w), (c_out, c_in // groups, k, k), (batch, c_out, h, w)]
    moved = item_bytes * sum(int(np.prod(shape)) for shape in shapes)
    return 2 * int(np.prod(shapes[2])) * int(np.prod(shapes[1][1:])) / moved


def _by_group(h: int, w: int, c_in: int, c_out: int, k: int, groups: int = 1, item_bytes: float = 4, batch: int = 1) -> float:
    """Group after group, image after image."""
    flops = elements = 0
    a, b = c_in // groups, c_out // groups
    for _ in range(groups):
        elements += k * k * a * b
        for _ in range(batch):
            flops += 2 * h * w * k * k * a * b
            elements += h * w * (a + b)
    return flops / elements / item_bytes


def _draw(rng: np.random.Generator) -> Case:
    groups = int(rng.choice([1, 1, 2, 4, 8]))
    c_in, c_out = (groups * int(rng.integers(1, 33)) for _ in range(2))
    h, w = (int(v) for v in rng.integers(7, 113, 2))
    if rng.random() < 0.2:
        groups, c_out = c_in, c_in * int(rng.integers(1, 3))
    return Case(h, w, c_in, c_out, int(rng.choice([1, 3, 5, 7])), groups=groups, item_bytes=float(rng.choice([0.5, 1, 2, 4])),
                batch=int(rng.choice([1, 1, 2, 8, 32])))


conv_intensity = Exercise(
    id="07.conv_intensity", points=3, difficulty=1, minutes=10, idea="FLOPs over the bytes of three tensors",
    reference=op_costs.conv_intensity,
    cases=[Case(28, 28, 256, 256, 3), Case(28, 28, 256, 256, 3, groups=256), Case(14, 14, 64, 128, 1, item_bytes=2, batch=8)],
    hidden=[
        Case(28, 28, 256, 256, 3, batch=64), Case(28, 28, 256, 256, 3, item_bytes=1), Case(7, 9, 32, 64, 5, groups=4, batch=3),
        Case(1, 1, 4096, 4096, 1), Case(1, 1, 4096, 4096, 1, item_bytes=0.5, batch=128), Case(112, 56, 3, 64, 7),
        Case(56, 56, 16, 16, 3, groups=16, batch=32), Case(8, 8, 1, 1, 1), Case(20, 10, 12, 24, 3, groups=12, item_bytes=2),
    ],
    draw=_draw, draws=40, compare=close(1e-9),
    misconceptions=[
        Misconception(
            "counts_macs", partial(_intensity, per_mac=1),
            "Your result is half of the right one: you count multiply–accumulates. Peaks are quoted in FLOP/s with two "
            "operations for each, so the intensity has to count two as well.",
            "A MAC is two FLOPs."),
        Misconception(
            "weights_per_image", partial(_intensity, weight_copies=True),
            "A larger batch does not raise your intensity. Either `batch` is missing, or you read the weights once for each image. "
            "One call uses the same weights for all its images: they cross memory once. That is why batching helps.",
            "The batch shares the weights.", also=(partial(_intensity, images=False),)),
        Misconception(
            "groups_ignored", partial(_intensity, flop_groups=False, weight_groups=False),
            "Your result is that of one group. Either `groups` has no effect, or it divides everything and cancels out. Groups cut "
            "connections: they divide the FLOPs and the weights. They don't cut tensors: all input channels are read, and all "
            "output channels are written.",
            "FLOPs and weights shrink, activations don't.",
            also=(partial(_intensity, split=True), partial(_intensity, flop_groups=False), partial(_intensity, weight_groups=False),
                  partial(_intensity, flop_groups=False, split=True), partial(_intensity, weight_groups=False, split=True))),
        Misconception(
            "no_output", partial(_intensity, tensors="iw"),
            "The output is missing from the bytes. It has to be written to memory, and writing takes bandwidth too.",
            "Results are written, too."),
        Misconception(
            "no_weights", partial(_intensity, tensors="io"),
            "The weights are missing from the bytes. They come from memory as the activations do, and in late layers they "
            "are the larger part.",
            "Weights cross memory as well."),
        Misconception(
            "one_tensor", partial(_intensity, tensors="w"),
            "You count the bytes of one or two of the three tensors. Input, weights and output: each of them crosses memory once.",
            "A tensor is missing.", also=(partial(_intensity, tensors="wo"), partial(_intensity, tensors="i"), partial(_intensity, tensors="o"))),
        Misconception(
            "elements", partial(_intensity, items=False),
            "You divide by the number of elements. Memory moves bytes: each element has `item_bytes` of them.",
            "Elements are not bytes.", also=(lambda h, w, c_in, c_out, k, groups=1, item_bytes=4, batch=1:
                                             _intensity(h, w, c_in, c_out, k, groups, 4, batch),)),
        Misconception(
            "one_tap", partial(_intensity, taps=1),
            "You count k taps. The window is a square: k rows of k.",
            "The filter has two sides."),
        Misconception(
            "cropped", partial(_intensity, crop=True),
            "Your output is smaller than the input. With 'same' padding it has the input's height and width.",
            "The output is not cropped."),
        Misconception(
            "inverted", lambda *a, **k: 1 / _intensity(*a, **k),
            "This is bytes per FLOP. Intensity is work per byte: the more, the less the memory matters.",
            "The fraction is upside down."),
    ],
    alternatives=[_by_shapes, _by_group],
    hints=(
        "Write down the shapes of input, weights and output. The weights are (c_out, c_in / groups, k, k).",
        "FLOPs: each output value costs k·k·c_in / groups multiply–accumulates, and each of these is two FLOPs.",
        "Add the elements of the three tensors, times `item_bytes`. Only input and output grow with the batch.",
    ),
    worth_knowing="A fully connected layer is the 1 × 1 convolution on one pixel: at batch 1 in FP32 it has a little less than 0.5 FLOP per byte for large layers.",
)
