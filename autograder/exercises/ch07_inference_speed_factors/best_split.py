"""Exercise 07.best_split: the channels of a 1x1 convolution with the least memory access."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.networks import design

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _elements(area: int, c1: float, c2: float) -> float:
    return area * (c1 + c2) + c1 * c2


def _nearest(product: int) -> tuple[int, int]:
    c1 = max(c for c in range(1, math.isqrt(product) + 1) if product % c == 0)
    return c1, product // c1


def _making(pick: Callable[[int], tuple[int, int]], cost: Callable = _elements, refuse: bool = True, halves: int = 1) -> Callable:
    def answer(h: int, w: int, macs: int) -> tuple[int, int, int]:
        area = h * w
        if refuse and macs % area:
            raise ValueError("macs must be a multiple of h * w")
        c1, c2 = pick(max(macs // (halves * area), 1))
        return c1, c2, cost(area, c1, c2)

    return answer


def _rounded(product: int) -> tuple[int, int]:
    c = round(math.sqrt(product))
    return c, c


def _rounded_pair(product: int) -> tuple[int, int]:
    c = math.isqrt(product)
    return c, product // c


def _powers(product: int) -> tuple[int, int]:
    best = max(2**e for e in range(math.isqrt(product).bit_length()) if product % 2**e == 0 and 4**e <= product)
    return best, product // best


def _only(weights: bool) -> Callable:
    return lambda area, c1, c2: c1 * c2 if weights else area * (c1 + c2)


def _bound(h: int, w: int, macs: int) -> tuple[int, int, float]:
    if macs % (h * w):
        raise ValueError("macs")
    c1, c2 = _nearest(macs // (h * w))
    return c1, c2, 2 * math.sqrt(h * w * macs) + macs / (h * w)


def _min_over_divisors(h: int, w: int, macs: int) -> tuple[int, int, int]:
    """Tries every divisor and takes the cheapest."""
    product, rest = divmod(macs, h * w)
    if rest:
        raise ValueError("not a multiple")
    pairs = ((c, product // c) for c in range(1, product + 1) if product % c == 0 and c * c <= product)
    return min(((a, b, _elements(h * w, a, b)) for a, b in pairs), key=lambda t: t[2])


def _downwards(h: int, w: int, macs: int) -> tuple[int, int, int]:
    if macs % (w * h) != 0:
        raise ValueError("not a multiple")
    product = macs // (w * h)
    c = int(product**0.5) + 1
    while product % c or c * c > product:
        c -= 1
    return c, product // c, macs // c + macs // (product // c) + product


def _numpy(h: int, w: int, macs: int) -> tuple[int, int, int]:
    if macs % (h * w):
        raise ValueError("not a multiple")
    product = macs // (h * w)
    c = np.arange(1, math.isqrt(product) + 1)
    c = c[product % c == 0]
    best = int(c[np.argmin(h * w * (c + product // c))])
    return best, product // best, h * w * (best + product // best) + product


def _draw(rng: np.random.Generator) -> Case:
    h, w = (int(v) for v in rng.integers(1, 60, 2))
    kind = rng.integers(4)
    if kind == 0:
        product = int(rng.integers(1, 5000))
    elif kind == 1:
        product = int(rng.integers(1, 200)) ** 2
    else:
        product = int(rng.integers(2, 200)) * int(rng.integers(2, 200))
    return Case(h, w, h * w * product)


best_split = Exercise(
    id="07.best_split", points=4, difficulty=2, minutes=15, idea="equal channels move the fewest elements",
    reference=design.best_split,
    cases=[Case(56, 56, 51_380_224), Case(10, 10, 1200)],
    hidden=[
        Case(28, 28, 28 * 28 * 128 * 256, label="(28, 28, 784 · 128 · 256)"), Case(7, 7, 49 * 1009, label="(7, 7, 49 · 1009), a prime"),
        Case(1, 1, 1), Case(3, 5, 15), Case(14, 14, 196 * 36 * 49), Case(4, 9, 36 * 30), Case(2, 3, 6 * 2 * 499),
        Case(1, 8, 8 * 45), Case(112, 56, 112 * 56 * 24 * 144), Case(5, 5, 25 * 999 * 1001),
    ],
    draw=_draw, draws=30, compare=exact(),
    raises=[Case(7, 7, 50), Case(10, 10, 99), Case(3, 4, 13), Case(56, 56, 51_380_225)],
    misconceptions=[
        Misconception(
            "rounded_root", _making(_rounded),
            "You round the square root. c1·c2 is then no longer macs / (h·w), except for perfect squares. The channels have to be "
            "divisors: look for the pair of them that is nearest to the root.",
            "The product is not kept.",
            also=(_making(_rounded, refuse=False), _making(_rounded_pair), _making(_rounded_pair, refuse=False),
                  _making(lambda p: (math.isqrt(p), math.isqrt(p))), _making(lambda p: (math.isqrt(p), -(-p // math.isqrt(p)))))),
        Misconception(
            "minimises_the_product", _making(lambda p: (1, p)),
            "c1·c2 is the same for all pairs: it is macs / (h·w). What differs is the sum of the channels, which is multiplied by "
            "the area. Minimise that.",
            "You minimise a constant.", also=(_making(lambda p: (1, p), refuse=False),)),
        Misconception(
            "powers_of_two", _making(_powers),
            "You only try powers of two. The task asks for integers: 12 channels split best as 3 and 4.",
            "Other divisors exist.", also=(_making(_powers, refuse=False),)),
        Misconception(
            "no_weights", _making(_nearest, _only(weights=False)),
            "The channels are right. The number of elements lacks the weights: a 1 × 1 convolution has c1·c2 of them.",
            "The weights are missing.", also=(_making(_nearest, _only(weights=False), refuse=False),)),
        Misconception(
            "only_weights", _making(_nearest, _only(weights=True)),
            "You return the weights alone. Input and output are elements too: h·w of them for each channel.",
            "The activations are missing."),
        Misconception(
            "larger_first", lambda *a: (lambda t: (t[1], t[0], t[2]))(_min_over_divisors(*a)),
            "The pair is right, and the order is not: c1 is the smaller one.",
            "c1 ≤ c2."),
        Misconception(
            "not_refused", _making(_nearest, refuse=False),
            "When macs is not a multiple of h·w no integers can do it, and the task asks for "
            "`ValueError`. Floor division hides the remainder.",
            "A remainder was dropped."),
        Misconception(
            "macs_as_flops", _making(_nearest, halves=2),
            "You halve the number, as if it were FLOPs. It is given in multiply–accumulates: h·w·c1·c2.",
            "MACs were taken for FLOPs.", also=(_making(_nearest, halves=2, refuse=False),)),
        Misconception(
            "returns_the_bound", _bound,
            "The third number is the lower bound of the paper. Only c1 = c2 reaches it. Count the elements of the pair that you found.",
            "A bound is not a count."),
    ],
    alternatives=[_min_over_divisors, _downwards, _numpy],
    hints=(
        "With p = macs / (h·w), the pairs are (c, p / c) for the divisors c of p. The term c1·c2 is p for all of them.",
        "c1 + c2 with a fixed product is smallest where the two are closest to each other.",
        "Go down from the integer square root of p until a number divides it.",
    ),
    worth_knowing="This is guideline G1 of ShuffleNet V2. It speaks about memory access: a compute-bound layer does not notice it.",
)
