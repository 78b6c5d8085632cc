"""Exercise 12.additions_exact: the additions behind one output value, counted exactly."""

from __future__ import annotations

from functools import reduce

import numpy as np

from utils.cost.flops import layer_ops

from ...exercise import Case, Exercise, Misconception


def _products(c_in: int, kernel: int, padding_taps: int) -> int:
    return c_in * kernel * kernel - padding_taps


def _source_sum(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    return max((_products(c_in, kernel, padding_taps) - 1) + (c_in - 1) + bool(bias), 0)


def _forgets_channels(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    return max(c_in * (kernel * kernel - 1) - padding_taps + bool(bias), 0)


def _adds_by_doing(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Adds ones and counts how often."""
    terms = [1] * _products(c_in, kernel, padding_taps)
    if bias and terms:
        terms.append(1)
    done = []
    reduce(lambda a, b: done.append(1) or a + b, terms, *([] if terms else [0]))
    return len(done)


def _adds_by_channels(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Within the channels, across them, and the bias; skipped taps are taken off afterwards."""
    return max(0, c_in * (kernel**2 - 1) + (c_in - 1) + int(bias) - padding_taps)


def _adds_by_cases(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    left = c_in * kernel**2 - padding_taps
    if left == 0:
        return 0
    return left if bias else left - 1


def _draw_additions(rng: np.random.Generator) -> Case:
    c_in, kernel = int(rng.integers(1, 40)), int(rng.integers(1, 8))
    taps = int(rng.choice([0, c_in * kernel**2, rng.integers(0, c_in * kernel**2 + 1)], p=[0.3, 0.1, 0.6]))
    return Case(c_in, kernel, bool(rng.integers(2)), padding_taps=taps)


additions_exact = Exercise(
    id="12.additions_exact", points=3, difficulty=1, minutes=10, idea="t terms need t − 1 additions",
    reference=layer_ops.additions_exact,
    cases=[Case(64, 3, True), Case(64, 3, False), Case(3, 3, False, padding_taps=15)],
    hidden=[
        Case(3, 3, True, padding_taps=15), Case(1, 1, False), Case(1, 1, True),
        Case(2, 3, False, padding_taps=18, label="(2, 3, False, padding_taps=18)  everything is padding"),
        Case(2, 3, True, padding_taps=18, label="(2, 3, True, padding_taps=18)  everything is padding"),
        Case(5, 3, True, padding_taps=44), Case(5, 3, False, padding_taps=44),
    ],
    draw=_draw_additions, draws=40,
    misconceptions=[
        Misconception(
            "source_sum", _source_sum,
            "You add (C·K·K − 1) and (C − 1). The first term already contains the sums across the channels: a plain "
            "sum of all C·K·K products. Within one channel there are only K·K − 1 additions.",
            "The sums across channels are counted twice.",
            also=(lambda c_in, kernel, bias, padding_taps=0: _source_sum(c_in, kernel, bias),)),
        Misconception(
            "bias_forgotten", lambda c_in, kernel, bias, padding_taps=0: max(_products(c_in, kernel, padding_taps) - 1, 0),
            "Without bias this is right. The bias is one more term of the sum, so it is one more addition.",
            "The bias is missing."),
        Misconception(
            "forgets_channels", _forgets_channels,
            "The K·K products of each channel are summed. After that C partial sums are left, and they have to be "
            "added as well.",
            "The channels were never added together.",
            also=(lambda c_in, kernel, bias, padding_taps=0: c_in * (kernel**2 - 1) + bool(bias),
                  lambda c_in, kernel, bias, padding_taps=0: c_in * (kernel**2 - 1) - padding_taps + bool(bias))),
        Misconception(
            "one_add_a_product", lambda c_in, kernel, bias, padding_taps=0: _products(c_in, kernel, padding_taps),
            "One addition for each product is the usual convention (FLOPs = 2 × MACs). It is exact with bias only: "
            "two numbers need one addition, not two.",
            "You count one addition for each product."),
        Misconception(
            "negative", lambda c_in, kernel, bias, padding_taps=0: _products(c_in, kernel, padding_taps) - 1 + bool(bias),
            "Nearly right. When all taps are padding and there is no bias, nothing is left to add, and your count "
            "falls below zero.",
            "A count fell below zero."),
        Misconception(
            "bias_alone", lambda c_in, kernel, bias, padding_taps=0: max(_products(c_in, kernel, padding_taps) - 1, 0) + bool(bias),
            "When all taps are padding, the value is the bias itself. There is nothing to add it to.",
            "The bias was added to nothing."),
        Misconception(
            "ignores_padding", lambda c_in, kernel, bias, padding_taps=0: c_in * kernel**2 - 1 + bool(bias),
            "A product that is skipped is not a term of the sum. `padding_taps` of the C·K·K products are not there.",
            "Skipped taps were counted."),
    ],
    alternatives=[_adds_by_doing, _adds_by_channels, _adds_by_cases],
    hints=(
        "How many products are left, and how many additions join t numbers into one?",
        "The bias is one term more. If no product is left, no addition is.",
    ),
    worth_knowing="C·(K·K − 1) + (C − 1) + 1 is exactly C·K·K: the source's total is right, its first bracket is not.",
)
