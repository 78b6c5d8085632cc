"""Exercise 11.largest_width: which width fits the flash memory."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.cost.params import cnn as cnn_params

from ...exercise import Case, Exercise, Misconception


def _bytes(w: int, n: int, *, per_channel: int = 8, norm: int = 0, per_layer: int = 0, weight: int = 1,
           depthwise: str = "depthwise", depthwise_channels: bool = True, head_channels: bool = True) -> int:
    """Bytes of the net with one mistake; with its defaults they are right (an independent formulation)."""
    taps = {"depthwise": 9 * (w + 2 * w + 2 * w + 4 * w), "dense": 9 * (1 + 4 + 4 + 16) * w * w, "none": 0}[depthwise]
    pointwise = (1 * 2 + 2 * 2 + 2 * 4 + 4 * 4) * w * w
    weights = 9 * w + taps + pointwise + 4 * w * n
    convs = w + (9 * w if depthwise_channels else 0) + 12 * w
    return weight * weights + per_channel * (convs + n * head_channels) + norm * convs + per_layer * 10


def _scan(flash_bytes: int, n_classes: int = 10, *, strict: bool = False, nothing: int | None = None, step: int = 8,
          most: int | None = None, classes: int | None = None, over: bool = False, **mistake) -> int | None:
    n = n_classes if classes is None else classes
    best, w = nothing, step
    while (most is None or w <= most) and (_bytes(w, n, **mistake) < flash_bytes or
                                           (not strict and _bytes(w, n, **mistake) == flash_bytes)):
        best, w = w, w + step
    if over:
        exact = best is not None and _bytes(best, n, **mistake) == flash_bytes
        return best if exact else w
    return best


def _root(flash_bytes: int, n: int) -> float:
    """The real width whose bytes are the budget: 30 w^2 + (266 + 4 n) w + 8 n = flash."""
    b = 266 + 4 * n
    return (-b + math.sqrt(max(b * b + 120 * (flash_bytes - 8 * n), 0))) / 60


def _nearest(flash_bytes: int, n_classes: int = 10) -> int | None:
    return 8 * round(_root(flash_bytes, n_classes) / 8) or None


def _power_of_two(flash_bytes: int, n_classes: int = 10) -> int | None:
    right = _scan(flash_bytes, n_classes)
    return right and 1 << (right.bit_length() - 1)


def _quadratic(flash_bytes: int, n_classes: int = 10) -> int | None:
    """Solves the quadratic, then looks at the neighbours with integers."""
    guess = int(_root(flash_bytes, n_classes) // 8)
    fitting = [8 * s for s in (guess - 1, guess, guess + 1) if s > 0 and
               30 * 64 * s * s + (266 + 4 * n_classes) * 8 * s + 8 * n_classes <= flash_bytes]
    return max(fitting, default=None)


def _bisection(flash_bytes: int, n_classes: int = 10) -> int | None:
    def layers(w: int) -> list[tuple[int, int]]:  # weights, output channels
        found = [(9 * w, w)]
        for a, b in ((w, 2 * w), (2 * w, 2 * w), (2 * w, 4 * w), (4 * w, 4 * w)):
            found += [(9 * a, a), (a * b, b)]
        return [*found, (4 * w * n_classes, n_classes)]

    low, high = 0, 1
    while sum(a + 8 * c for a, c in layers(8 * high)) <= flash_bytes:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if sum(a + 8 * c for a, c in layers(8 * middle)) <= flash_bytes:
            low = middle
        else:
            high = middle
    return 8 * low if low else None


def _draw(rng: np.random.Generator) -> Case:
    n = 10 if rng.random() < 0.3 else int(np.exp(rng.uniform(0, 7)))
    exact = _bytes(8 * int(np.exp(rng.uniform(0, 4.5))), n)
    flash = exact + int(rng.choice([0, 0, -1, 1, rng.integers(-exact, 3000), rng.integers(0, 3000)]))
    return Case(flash) if n == 10 and rng.random() < 0.5 else Case(flash, n_classes=n)


largest_width = Exercise(
    id="11.largest_width", points=5, difficulty=3, minutes=18, idea="turn the count around: which width fits",
    reference=cnn_params.largest_width,
    cases=[Case(65_536), Case(262_144), Case(4_448, label="largest_width(4448)  an exact fit"), Case(4_447)],
    hidden=[Case(0), Case(_bytes(1600, 10) + 300_000, label="77.5 MB of flash"), Case(_bytes(40, 10), label="exactly the bytes of width 40"),
            Case(_bytes(40, 10) - 1, label="one byte less than width 40 needs"),
            Case(_bytes(40, 10, per_channel=4) + 20), Case(_bytes(40, 10, depthwise_channels=False)),
            Case(65_536, n_classes=1), Case(65_536, n_classes=1000), Case(_bytes(16, 100), n_classes=100),
            Case(_bytes(16, 100) - 1, n_classes=100)],
    draw=_draw, draws=40, time_limit_s=2.0,
    misconceptions=[
        Misconception(
            "counts_batch_norm", partial(_scan, norm=2),
            "You counted batch-norm values. They are folded here: the scale went into the weights, the shift into the "
            "bias. Nothing of a batch norm is left to store.",
            "Folded batch norms take no space.", also=tuple(partial(_scan, norm=n) for n in (4, 8, 16))),
        Misconception(
            "one_byte_bias", partial(_scan, per_channel=5),
            "The biases are INT32, so each takes 4 bytes, not 1. Products of 8-bit numbers are summed in 32 bits, and "
            "the bias is added to that sum.",
            "A bias has 4 bytes."),
        Misconception(
            "half_the_overhead", partial(_scan, per_channel=4),
            "You added 4 bytes for each output channel. There are two things of 4 bytes each: an INT32 bias and an FP32 "
            "scale.",
            "Bias and scale are both stored."),
        Misconception(
            "weights_only", partial(_scan, per_channel=0),
            "You counted the INT8 weights alone. Each output channel also stores a bias and a scale.",
            "The biases and scales are missing."),
        Misconception(
            "one_scale_a_layer", partial(_scan, per_channel=4, per_layer=4),
            "You stored one scale for each layer. The text has one for each output channel of each layer.",
            "Scales are per channel."),
        Misconception(
            "rounds_up", partial(_scan, over=True),
            "The width that you return does not fit. Round down to a multiple of 8, and check the bytes of what you "
            "return.",
            "The result exceeds the budget.", also=(_nearest,)),
        Misconception(
            "strict", partial(_scan, strict=True),
            "A network that needs exactly `flash_bytes` fits.",
            "An exact fit was refused."),
        Misconception(
            "zero_for_none", partial(_scan, nothing=0),
            "When not even width 8 fits, the text asks for None. A width of 0 would be no network.",
            "Return None, not 0."),
        Misconception(
            "eight_at_least", partial(_scan, nothing=8),
            "You return 8 although it does not fit. The text asks for None then.",
            "Width 8 does not always fit."),
        Misconception(
            "any_width", partial(_scan, step=1),
            "This width fits, but it is no multiple of 8, which the text asks for. (Kernels work on channels in groups.)",
            "Only multiples of 8."),
        Misconception(
            "powers_of_two", _power_of_two,
            "You tried powers of two. There are more multiples of 8 than that.",
            "Multiples of 8, not powers of 2."),
        Misconception(
            "dense_blocks", partial(_scan, depthwise="dense"),
            "Your depthwise layers are too large: a depthwise filter sees one channel. Its layer has 9·c weights, not "
            "9·c².",
            "The depthwise layers came out dense."),
        Misconception(
            "no_depthwise", partial(_scan, depthwise="none", depthwise_channels=False),
            "Each block begins with a 3×3 depthwise layer. You counted the pointwise layers only.",
            "The depthwise layers are missing."),
        Misconception(
            "depthwise_channels", partial(_scan, depthwise_channels=False),
            "The depthwise layers have output channels as well, and each of these has a bias and a scale.",
            "The depthwise channels are missing."),
        Misconception(
            "head_channels", partial(_scan, head_channels=False),
            "The linear layer has `n_classes` outputs, each with a bias and a scale.",
            "The linear layer's outputs are missing."),
        Misconception(
            "float_weights", partial(_scan, weight=4),
            "The weights are INT8: one byte each, not four.",
            "Weights have one byte."),
        Misconception(
            "ten_classes", partial(_scan, classes=10),
            "The last layer has `n_classes` outputs, not always 10.",
            "The number of classes was ignored."),
        Misconception(
            "capped", partial(_scan, most=256),
            "Your search ends too early: with a large flash memory a wider network fits. Go on until one does not fit.",
            "The search stops too early.", also=(partial(_scan, most=128), partial(_scan, most=512), partial(_scan, most=1024))),
    ],
    alternatives=[_scan, _quadratic, _bisection],
    hints=(
        "First write a function `needed(w)` that gives the bytes of one width, and check it: needed(40) is 60,320.",
        "Walk over the layers with (weights, output channels): stem (9·w, w), depthwise (9·c, c), pointwise (a·b, b), "
        "linear (4·w·n, n).",
        "The bytes grow with w. Try 8, 16, 24, … until one does not fit; the one before it is the answer.",
    ),
    worth_knowing="The bytes are 30·w² + (266 + 4·n)·w + 8·n: doubling the flash widens the network by about √2.",
)
