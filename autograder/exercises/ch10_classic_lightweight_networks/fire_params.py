"""Exercise 10.fire_params: the parameters of SqueezeNet's module."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import classic

from ...exercise import Case, Exercise, Misconception


def _fire(weights: Callable[[int, int, int, int], int] = lambda c, s, a, b: c * s + s * a + 9 * s * b,
          biases: Callable[[int, int, int, int], int] = lambda c, s, a, b: s + a + b,
          use: Callable[[bool], bool] = bool) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
        shape = c_in, squeeze, expand1, expand3
        return weights(*shape) + (biases(*shape) if use(bias) else 0)

    return answer


def _mistake(tag: str, message: str, title: str, *parts: dict) -> Misconception:
    answers = [_fire(**part) for part in parts]
    return Misconception(tag, answers[0], message, title, also=answers[1:])


# --- right answers ------------------------------------------------------------------------------


def _by_modules(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
    import torch
    from torch import nn

    with torch.device("meta"):
        layers = nn.ModuleList([nn.Conv2d(c_in, squeeze, 1, bias=bias), nn.Conv2d(squeeze, expand1, 1, bias=bias),
                                nn.Conv2d(squeeze, expand3, 3, bias=bias)])
    return sum(p.numel() for p in layers.parameters())


def _by_rows(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
    """One row a filter: its inputs, and a 1 for the bias."""
    rows = [(squeeze, c_in), (expand1, squeeze), (expand3, 9 * squeeze)]
    return sum(filters * (inputs + bias) for filters, inputs in rows)


def _by_shapes(c_in: int, squeeze: int, expand1: int, expand3: int, bias: bool = True) -> int:
    shapes = [(squeeze, c_in, 1, 1), (expand1, squeeze, 1, 1), (expand3, squeeze, 3, 3)]
    if bias:
        shapes += [(s[0],) for s in shapes]
    return int(sum(np.prod(shape) for shape in shapes))


def _draw(rng: np.random.Generator) -> Case:
    sizes = [int(v) for v in rng.integers(1, 300, 4)]
    return Case(*sizes) if rng.random() < 0.4 else Case(*sizes, bool(rng.random() < 0.4))


fire_params = Exercise(
    id="10.fire_params", points=3, difficulty=1, minutes=7, idea="squeeze before you expand",
    reference=classic.fire_params,
    cases=[Case(96, 16, 64, 64), Case(96, 16, 64, 64, bias=False), Case(10, 2, 3, 5)],
    hidden=[Case(128, 16, 64, 64), Case(128, 32, 128, 128), Case(256, 32, 128, 128), Case(256, 48, 192, 192), Case(384, 48, 192, 192),
            Case(384, 64, 256, 256), Case(512, 64, 256, 256), Case(1, 1, 1, 1), Case(1, 1, 1, 1, False), Case(7, 3, 20, 4, bias=False)],
    draw=_draw,
    misconceptions=[
        _mistake("expand_reads_input", "The expand layers read the squeezed tensor: their inputs are `squeeze` channels, not `c_in`.",
                 "What do the expand layers read?", {"weights": lambda c, s, a, b: c * s + c * a + 9 * c * b},
                 {"weights": lambda c, s, a, b: c * s + s * a + 9 * c * b}, {"weights": lambda c, s, a, b: c * s + c * a + 9 * s * b}),
        _mistake("all_1x1", "The second expand layer is 3x3: nine weights for each pair of channels.", "One of them is 3x3.",
                 {"weights": lambda c, s, a, b: c * s + s * a + s * b}, {"weights": lambda c, s, a, b: c * s + s * a + 3 * s * b}),
        _mistake("swapped_expands", "You give the nine weights to the other expand layer. `expand1` has the 1x1 filters, `expand3` the 3x3 ones.",
                 "Which one is 3x3?", {"weights": lambda c, s, a, b: c * s + 9 * s * a + s * b}),
        _mistake("all_3x3", "Only the second expand layer is 3x3. The squeeze layer and the first expand layer are 1x1.",
                 "Two of three are 1x1.", {"weights": lambda c, s, a, b: c * s + 9 * s * a + 9 * s * b},
                 {"weights": lambda c, s, a, b: 9 * (c * s + s * a + s * b)}, {"weights": lambda c, s, a, b: 9 * c * s + s * a + 9 * s * b}),
        _mistake("one_bias", "A bias belongs to each output channel of each of the three layers, not to the module.", "One bias a channel.",
                 {"biases": lambda c, s, a, b: 1}, {"biases": lambda c, s, a, b: 3}),
        _mistake("no_squeeze_bias", "You give biases to the output of the module only. The squeeze layer has some too.",
                 "Three layers have biases.", {"biases": lambda c, s, a, b: a + b}),
        _mistake("input_biases", "Biases are added to what a layer puts out. You count one for each input channel.",
                 "Biases follow the outputs.", {"biases": lambda c, s, a, b: c + 2 * s}, {"biases": lambda c, s, a, b: c + s + s}),
        _mistake("always_bias", "With bias=False the first example is 11,776. You add the biases all the same.", "`bias` is ignored.",
                 {"use": lambda bias: True}),
        _mistake("never_bias", "With biases the first example is 11,920. You leave them out.", "`bias` is ignored.",
                 {"use": lambda bias: False}),
        _mistake("no_squeeze", "The squeeze layer itself has weights too: c_in · squeeze of them.", "The squeeze layer is missing.",
                 {"weights": lambda c, s, a, b: s * a + 9 * s * b}),
        _mistake("chain", "You put the 3x3 layer after the 1x1 one. They stand side by side: both read the squeezed tensor.",
                 "The expand layers are parallel.", {"weights": lambda c, s, a, b: c * s + s * a + 9 * a * b}),
    ],
    alternatives=[_by_modules, _by_rows, _by_shapes],
    hints=(
        "Draw it: one arrow into the squeeze layer, two arrows out of it.",
        "A layer with n_in inputs, n_out filters and a k x k kernel has n_in · n_out · k · k weights and n_out biases.",
        "Add three layers: (c_in → squeeze, 1x1), (squeeze → expand1, 1x1), (squeeze → expand3, 3x3).",
    ),
    worth_knowing="Eight Fire modules, a stem with 14,208 parameters and a classifier with 513,000 make SqueezeNet 1.0: 1,248,424 parameters.",
)
