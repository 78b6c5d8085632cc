"""Exercise 11.conv_params: the parameters of a convolution."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.cost.flops import plain_counts

from ...exercise import Case, Exercise, Misconception


def _conv(c_in: int, c_out: int, kernel: Any, groups: int = 1, bias: bool = True, *, depth: str = "grouped",
          biases: str = "outputs", side: int | None = None, positions: int = 1, signs: bool = True,
          divides: str = "both") -> int:
    """The count with one mistake; with its defaults it is right (an independent formulation)."""
    k = [kernel, kernel] if isinstance(kernel, int) else list(kernel)
    if signs and any(size < 1 for size in (c_in, c_out, groups, *k)):
        raise ValueError("every size must be at least 1")
    groups = groups or 1
    if (divides in ("both", "inputs") and c_in % groups) or (divides in ("both", "outputs") and c_out % groups):
        raise ValueError("the groups do not divide the channels")
    taps = k[0] * k[1] if side is None else k[side] ** 2
    filters = {"grouped": c_in // groups * c_out, "all": c_in * c_out, "twice": (c_in // groups) * (c_out // groups),
               "outputs": c_in * (c_out // groups)}[depth]
    weights = filters * taps * positions
    extra = {"outputs": c_out, "inputs": c_in, "weights": weights, "always": c_out, "never": 0, "one": 1,
             "group": c_out // groups}[biases]
    return weights + (extra if bias or biases == "always" else 0)


def _by_shape(c_in: int, c_out: int, kernel: Any, groups: int = 1, bias: bool = True) -> int:
    """Writes down torch's weight shape and multiplies it out."""
    shape = (c_out, c_in // groups if groups > 0 else 0, *np.broadcast_to(kernel, 2).tolist())
    if min(c_in, c_out, groups, *shape) <= 0 or shape[1] * groups != c_in or c_out % groups:
        raise ValueError(f"no such convolution: {shape}, {groups} groups")
    return int(np.prod(shape, dtype=np.int64)) + (shape[0] if bias else 0)


def _by_groups(c_in: int, c_out: int, kernel: Any, groups: int = 1, bias: bool = True) -> int:
    """Counts group by group: each is a small dense convolution."""
    k_h, k_w = kernel if isinstance(kernel, (tuple, list)) else (kernel, kernel)
    if not all(size > 0 for size in (c_in, c_out, k_h, k_w, groups)):
        raise ValueError("sizes must be positive")
    (inputs, left_in), (outputs, left_out) = divmod(c_in, groups), divmod(c_out, groups)
    if left_in or left_out:
        raise ValueError("groups must divide both channel counts")
    return sum(outputs * (inputs * k_h * k_w + (1 if bias else 0)) for _ in range(groups))


def _draw(rng: np.random.Generator) -> Case:
    groups = int(rng.choice([1, 1, 2, 3, 4, 8]))
    c_in, c_out = (groups * int(rng.integers(1, 33)) for _ in range(2))
    if rng.random() < 0.25:
        groups, c_out = c_in, c_in * int(rng.integers(1, 3))  # depthwise
    sides = [int(rng.integers(1, 8)) for _ in range(2)]
    kernel: Any = sides[0] if rng.random() < 0.5 else tuple(sides)
    options: dict[str, Any] = {"groups": groups} if groups > 1 or rng.random() < 0.3 else {}
    if rng.random() < 0.6:
        options["bias"] = bool(rng.integers(2))
    return Case(c_in, c_out, kernel, **options)


conv_params = Exercise(
    id="11.conv_params", points=2, difficulty=1, minutes=6, idea="the shape of the weights is the count",
    reference=plain_counts.conv_params,
    cases=[Case(64, 128, 3), Case(32, 32, 3, groups=32, bias=False), Case(64, 32, (3, 5))],
    hidden=[Case(1, 1, 1), Case(1, 1, 1, bias=False), Case(64, 128, 3, groups=32), Case(3, 64, 7, bias=False),
            Case(6, 4, (1, 7), groups=2), Case(6, 4, (7, 1), groups=2, bias=False)],
    draw=_draw, draws=40,
    raises=[Case(30, 32, 3, groups=4), Case(32, 30, 3, groups=4), Case(0, 8, 3), Case(8, 0, 3), Case(8, 8, 0),
            Case(8, 8, 3, groups=0), Case(8, 8, (3, 0)), Case(8, 8, (0, 3)), Case(-8, 8, 3), Case(8, 8, (-3, -3)),
            Case(8, 8, 3, groups=-2), Case(8, -8, 3)],
    misconceptions=[
        Misconception(
            "forgets_groups", partial(_conv, depth="all"),
            "With groups a filter sees only the c_in / groups input channels of its own group. A depthwise layer of 32 "
            "channels came out as 9,216 instead of 288. How deep is one filter?",
            "Groups were ignored."),
        Misconception(
            "groups_twice", partial(_conv, depth="twice"),
            "You divided both channel counts by the groups: that is one group alone. All c_out filters exist, only "
            "their depth shrinks.",
            "The groups divide twice.", also=(partial(_conv, depth="twice", biases="group"),)),
        Misconception(
            "bias_of_inputs", partial(_conv, biases="inputs"),
            "There is one bias for each output channel: it is added to what a filter gives.",
            "The biases belong to the outputs."),
        Misconception(
            "bias_per_weight", partial(_conv, biases="weights"),
            "You gave each weight a bias of its own. A filter sums up all its products and adds one bias to the sum.",
            "One bias an output channel."),
        Misconception(
            "one_bias", partial(_conv, biases="one"),
            "You added 1 for the bias of the whole layer. Each output channel has a bias of its own.",
            "There is more than one bias."),
        Misconception(
            "bias_always", partial(_conv, biases="always"),
            "With `bias=False` the layer has weights only, as in front of a batch norm.",
            "The bias was counted although it is off."),
        Misconception(
            "bias_never", partial(_conv, biases="never"),
            "These are the weights. By default a convolution also has a bias for each output channel.",
            "The biases are missing."),
        Misconception(
            "square_kernel", partial(_conv, side=0),
            "A kernel of (3, 5) has 15 taps. You squared one of its sides.",
            "The kernel need not be square.", also=(partial(_conv, side=1),)),
        Misconception(
            "positions", partial(_conv, positions=224 * 224),
            "You multiplied by the positions of an image. The weights are shared: the same filter is used at every "
            "position. Height and width count for FLOPs and activations, not for parameters.",
            "Weights are shared across positions.",
            also=tuple(partial(_conv, positions=side * side) for side in (7, 14, 28, 32, 56, 112))),
        Misconception(
            "no_check", partial(_conv, signs=False, divides="none"),
            "The counts are right. But there is no such layer when the groups do not divide both channel counts, or "
            "when a size is zero or negative. The text asks for a ValueError then.",
            "Impossible layers were counted.",
            also=(partial(_conv, divides="none"), partial(_conv, divides="inputs"), partial(_conv, divides="outputs"),
                  partial(_conv, signs=False))),
    ],
    alternatives=[_conv, _by_shape, _by_groups],
    hints=(
        "Print `torch.nn.Conv2d(64, 32, (3, 5)).weight.shape` and then the same with groups. The count is the product.",
        "Make a pair of the kernel first. Then check that all five sizes are positive, and only then take remainders.",
    ),
    worth_knowing="The size of the image appears nowhere: the same layer works on any height and width.",
)
