"""Exercise 50.best_channels: which channels move the least, at a fixed number of multiply–accumulates."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from utils.networks import design

from ...exercise import Case, Exercise, Misconception

Pair = tuple[int, int]


def _refuse(product: int) -> None:
    if product < 1:
        raise ValueError("product must be at least 1")


def _pairs(product: int) -> list[Pair]:
    return [(c, product // c) for c in range(1, product + 1) if product % c == 0]


def _moved(pair: Pair, in_area: int, out_area: int) -> int:
    return in_area * pair[0] + out_area * pair[1]


def _choose(pick: Callable[[list[Pair], int, int], Pair]) -> Callable:
    """An answer that picks among all exact pairs, given the two areas."""

    def answer(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
        _refuse(product)
        return pick(_pairs(product), h_in * w_in, h_out * w_out)

    return answer


def _least(pairs: list[Pair], a: int, b: int) -> Pair:
    return min(pairs, key=lambda p: _moved(p, a, b))


def _largest_first(pairs: list[Pair], a: int, b: int) -> Pair:
    return min(reversed(pairs), key=lambda p: _moved(p, a, b))


def _most(pairs: list[Pair], a: int, b: int) -> Pair:
    return max(pairs, key=lambda p: _moved(p, a, b))


def _swapped(pairs: list[Pair], a: int, b: int) -> Pair:
    return _least(pairs, b, a)


def _turned(pairs: list[Pair], a: int, b: int) -> Pair:
    return _least(pairs, a, b)[::-1]


def _balanced(pairs: list[Pair], a: int, b: int) -> Pair:
    return _least(pairs, 1, 1)


def _growing(pairs: list[Pair], a: int, b: int) -> Pair:
    return _least([p for p in pairs if p[0] <= p[1]], a, b)


def _powers_of_two(pairs: list[Pair], a: int, b: int) -> Pair:
    return _least([p for p in pairs if p[0] & (p[0] - 1) == 0], a, b)


def _nearest(pairs: list[Pair], a: int, b: int) -> Pair:
    aim = math.sqrt(pairs[-1][0] * b / a)
    return min(pairs, key=lambda p: abs(p[0] - aim))




def _heights(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    _refuse(product)
    return _least(_pairs(product), h_in, h_out)


def _rounded(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int, whole: bool = True) -> tuple:
    """The continuous optimum, rounded, without looking whether it divides."""
    _refuse(product)
    c1 = max(1, round(math.sqrt(product * h_out * w_out / (h_in * w_in))))
    return c1, product // c1 if whole else product / c1


def _real(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> tuple:
    _refuse(product)
    c1 = math.sqrt(product * h_out * w_out / (h_in * w_in))
    return c1, product / c1


def _square(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    _refuse(product)
    return math.isqrt(product), math.isqrt(product)


def _square_quotient(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    _refuse(product)
    return math.isqrt(product), product // math.isqrt(product)


def _from_one_up(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    """Starts with (1, product), which is there for any product."""
    best = (1, product)
    for c in range(2, product + 1):
        if product % c == 0 and _moved((c, product // c), h_in * w_in, h_out * w_out) < _moved(best, h_in * w_in, h_out * w_out):
            best = (c, product // c)
    return best


# --- right answers ------------------------------------------------------------------------------


def _neighbours(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    """The divisors to both sides of the continuous optimum."""
    _refuse(product)
    divisors = [c for c in range(1, product + 1) if product % c == 0]
    below = [c for c in divisors if c * c * h_in * w_in <= product * h_out * w_out][-1:]
    above = [c for c in divisors if c * c * h_in * w_in > product * h_out * w_out][:1]
    return min(((c, product // c) for c in below + above), key=lambda p: h_in * w_in * p[0] + h_out * w_out * p[1])


def _with_numpy(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    _refuse(product)
    c1 = np.arange(1, product + 1)
    c1 = c1[product % c1 == 0]
    c2 = product // c1
    access = h_in * w_in * c1 + h_out * w_out * c2 + k * k * c1 * c2
    best = int(np.argmin(access))
    return int(c1[best]), int(c2[best])


def _by_roots(h_in: int, w_in: int, h_out: int, w_out: int, k: int, product: int) -> Pair:
    """Divisors up to the root give both members of a pair."""
    _refuse(product)
    found = []
    for c in range(1, math.isqrt(product) + 1):
        if product % c == 0:
            for a, b in ((c, product // c), (product // c, c)):
                found.append((h_in * w_in * a + h_out * w_out * b + k * k * a * b, a, b))
    return min(found)[1:]


def _draw(rng: np.random.Generator) -> Case:
    h, w = (int(v) for v in rng.integers(2, 57, 2))
    up, down = (int(v) for v in rng.choice([1, 1, 2, 3, 4], 2))
    if rng.random() < 0.35:
        up = down = 1
    product, aim = 1, int(rng.integers(2, 3000))
    while product < aim:
        product *= int(rng.choice([2, 2, 2, 3, 3, 5, 7, 11, 13]))
    return Case(h * up, w, h, w * down, int(rng.choice([1, 3, 5])), product)


best_channels = Exercise(
    id="50.best_channels", points=4, difficulty=2, minutes=15, idea="the rule of equal channels, confirmed by search",
    reference=design.best_channels,
    cases=[Case(56, 56, 56, 56, 1, 16384), Case(56, 56, 28, 28, 3, 65536), Case(7, 7, 7, 7, 1, 13)],
    hidden=[Case(14, 14, 28, 28, 3, 4096), Case(8, 8, 4, 4, 3, 97), Case(8, 8, 8, 8, 1, 1), Case(8, 2, 4, 4, 1, 12),
            Case(6, 6, 6, 6, 3, 72), Case(4, 4, 8, 8, 1, 7), Case(9, 4, 3, 3, 1, 30), Case(10, 10, 5, 5, 3, 90),
            Case(16, 4, 4, 16, 1, 50), Case(8, 8, 4, 4, 3, 15), Case(14, 14, 7, 7, 1, 78), Case(3, 3, 6, 6, 3, 78)],
    draw=_draw, draws=40, raises=[Case(7, 7, 7, 7, 1, 0), Case(7, 7, 4, 4, 3, -12)],
    misconceptions=[
        Misconception(
            "always_square", _square,
            "You take the root for both. Their product must be exactly the given one, and equal channels are best only where the "
            "two maps are equally large.", "Equal channels are a special case.", also=(_square_quotient,)),
        Misconception(
            "balanced", _choose(_balanced),
            "Your pair is the most balanced one. That is best for equal maps. When the output map is smaller, an output channel "
            "costs less than an input channel: weigh them.", "The maps decide too."),
        Misconception(
            "not_exact", partial(_rounded, whole=False),
            "You compute the best real number. Channels are whole numbers, and c1 · c2 must be the product exactly: only divisors "
            "can be chosen.", "Only divisors are allowed.", also=(_rounded, _real)),
        Misconception(
            "nearest_divisor", _choose(_nearest),
            "You take the divisor that lies nearest to the best real number. The cost grows with the factor between the two, not "
            "with their distance: compare the elements moved.", "Nearest is not cheapest."),
        Misconception(
            "most", _choose(_most),
            "Your pair moves the most. Look at which of the two ends you keep.", "This is the largest."),
        Misconception(
            "larger_on_a_tie", _choose(_largest_first),
            "Where two pairs move equally much, the smaller c1 is asked. For a prime and equal maps both (1, p) and (p, 1) do.",
            "A tie goes to the smaller c1."),
        Misconception(
            "swapped", _choose(_swapped),
            "Input channels live on the input map, output channels on the output map. You have them the other way round.",
            "Input and output are swapped.", also=(_choose(_turned),)),
        Misconception(
            "only_growing", _choose(_growing),
            "You look at pairs with c1 ≤ c2 only. When the output map is the larger one, the best pair shrinks.",
            "c1 may be the larger one."),
        Misconception(
            "powers_of_two", _choose(_powers_of_two),
            "You try powers of two. Any divisor of the product is allowed.", "Not only powers of two."),
        Misconception(
            "one_side", _heights,
            "You compare the heights. A map has height times width elements, so a stride of 2 makes it four times smaller.",
            "A map has two sides."),
        Misconception(
            "nothing_to_split", _from_one_up,
            "A product of 0 or less has no pair of positive channels. Say so with a ValueError.", "Bad input gets through.",
            also=(lambda *a: _from_one_up(*a[:5], abs(a[5])),)),
    ],
    alternatives=[_neighbours, _with_numpy, _by_roots],
    hints=(
        "List the pairs: every c1 from 1 to the product that divides it, with c2 = product // c1.",
        "Elements of a pair: h_in · w_in · c1 + h_out · w_out · c2 + k² · c1 · c2. What is the last term for all pairs?",
        "`min(pairs, key=…)` keeps the first of equals. In which order should the pairs come?",
    ),
    worth_knowing="The best ratio c2 / c1 lies near h_in · w_in / (h_out · w_out): 1 at stride 1, 4 at stride 2.",
)
