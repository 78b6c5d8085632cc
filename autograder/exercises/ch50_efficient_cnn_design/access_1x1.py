"""Exercise 50.access_1x1: the elements that a 1x1 convolution moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import design

from ...exercise import Case, Exercise, Misconception


def _check_both(c1: int, c2: int, groups: int) -> None:
    if c1 % groups or c2 % groups:
        raise ValueError("groups must divide both channel counts")


def _check_first(c1: int, c2: int, groups: int) -> None:
    _check_both(c1, groups, groups)


def _check_last(c1: int, c2: int, groups: int) -> None:
    _check_both(groups, c2, groups)


def _check_product(c1: int, c2: int, groups: int) -> None:
    _check_both(c1 * c2, groups, groups)


def _no_check(c1: int, c2: int, groups: int) -> None:
    pass


def _right(h: int, w: int, c1: int, c2: int, g: int) -> int:
    return h * w * (c1 + c2) + c1 * c2 // g


def _moved(rule: Callable[..., float] = _right, check: Callable = _check_both) -> Callable:
    """An answer made of a rule for the count and one for bad input; with its defaults it is right."""

    def answer(h: int, w: int, c1: int, c2: int, groups: int = 1) -> float:
        check(c1, c2, groups)
        return rule(h, w, c1, c2, groups)

    return answer


def _mistake(tag: str, message: str, title: str, *rules: Callable[..., float]) -> Misconception:
    """A wrong count, with and without the refusal of bad input."""
    answers = [_moved(rule, check) for rule in rules for check in (_check_both, _no_check)]
    return Misconception(tag, answers[0], message, title, also=answers[1:])


# --- right answers ------------------------------------------------------------------------------


def _by_shapes(h: int, w: int, c1: int, c2: int, groups: int = 1) -> int:
    _check_both(c1, c2, groups)
    shapes = [(c1, h, w), (c2, h, w), (c2, c1 // groups, 1, 1)]
    return int(sum(np.prod(shape) for shape in shapes))


def _group_by_group(h: int, w: int, c1: int, c2: int, groups: int = 1) -> int:
    (a, rest1), (b, rest2) = divmod(c1, groups), divmod(c2, groups)
    if rest1 or rest2:
        raise ValueError(f"{groups} does not divide {c1} and {c2}")
    return sum(h * w * a + h * w * b + a * b for _ in range(groups))


def _by_arrays(h: int, w: int, c1: int, c2: int, groups: int = 1) -> int:
    _check_both(c1, c2, groups)
    arrays = [np.empty((c, h, w), np.int8) for c in (c1, c2)]
    return sum(a.size for a in arrays) + np.empty((c2, c1 // groups), np.int8).size


def _draw(rng: np.random.Generator) -> Case:
    h, w = (int(v) for v in rng.integers(1, 113, 2))
    g = int(rng.choice([1, 2, 3, 4, 8, 16]))
    c1, c2 = (g * int(v) for v in rng.integers(1, 40, 2))
    return Case(h, w, c1, c2, g) if rng.random() < 0.8 else Case(h, w, c1, c2)


access_1x1 = Exercise(
    id="50.access_1x1", points=2, difficulty=1, minutes=8, idea="a layer has a price in memory too",
    reference=design.access_1x1,
    cases=[Case(56, 56, 128, 128), Case(56, 56, 36, 432), Case(56, 56, 128, 128, 4)],
    hidden=[Case(7, 14, 32, 64), Case(7, 7, 6, 9, 3), Case(1, 1, 1, 1), Case(4, 4, 8, 8, 8), Case(28, 28, 24, 48, groups=2)],
    draw=_draw,
    raises=[Case(7, 7, 6, 8, 4, word="divide"), Case(7, 7, 8, 6, 4, word="divide"), Case(7, 7, 6, 6, 4, word="divide"),
            Case(7, 7, 4, 4, 8, word="divide"), Case(7, 7, 5, 3, 2, word="divide")],
    misconceptions=[
        _mistake("no_weights", "You count the two maps. A layer reads its weights too, and they are not small: 128 channels to "
                 "128 channels is 16,384 of them.", "The weights are missing.", lambda h, w, c1, c2, g: h * w * (c1 + c2)),
        _mistake("groups_ignored", "Your weights don't shrink with the groups. How many inputs does one output channel see when "
                 "there are 4 groups?", "Groups have fewer weights.", lambda h, w, c1, c2, g: h * w * (c1 + c2) + c1 * c2),
        _mistake("groups_squared", "Each of the g groups is a small layer of c1/g to c2/g channels, and there are g of them. You "
                 "count the weights of one.", "There are g groups.", lambda h, w, c1, c2, g: h * w * (c1 + c2) + (c1 // g) * (c2 // g)),
        _mistake("maps_divided", "You divide the maps by the groups as well. All of their elements are still read and written: only "
                 "the connections between them are fewer.", "The maps keep their size.",
                 lambda h, w, c1, c2, g: (h * w * (c1 + c2) + c1 * c2) // g, lambda h, w, c1, c2, g: h * w * (c1 + c2) // g + c1 * c2 // g),
        _mistake("macs", "This is the number of multiply–accumulates. Asked is what has to be moved: elements that are read or "
                 "written, each once.", "These are the operations.", lambda h, w, c1, c2, g: h * w * c1 * c2 // g,
                 lambda h, w, c1, c2, g: h * w * c1 * c2),
        _mistake("bytes", "Your number is a multiple of the right one by the size of an element in bytes. The task counts "
                 "elements.", "Elements, not bytes.", lambda h, w, c1, c2, g: 4 * _right(h, w, c1, c2, g),
                 lambda h, w, c1, c2, g: 2 * _right(h, w, c1, c2, g), lambda h, w, c1, c2, g: 8 * _right(h, w, c1, c2, g)),
        _mistake("input_only", "You count what is read. The output has to be written as well.", "The output is missing.",
                 lambda h, w, c1, c2, g: h * w * c1 + c1 * c2 // g),
        _mistake("output_only", "You count weights and output. The input has to be read as well.", "The input is missing.",
                 lambda h, w, c1, c2, g: h * w * c2 + c1 * c2 // g),
        Misconception(
            "one_side_checked", _moved(check=_check_first),
            "You look at one of the two channel counts, or at their product. Both the inputs and the outputs are dealt out to "
            "the groups.", "Both counts must be divisible.", also=(_moved(check=_check_last), _moved(check=_check_product))),
        Misconception(
            "any_groups", _moved(check=_no_check),
            "4 groups of 6 channels do not exist, but your formula gives a number for them. Refuse such groups.",
            "Bad input gets through."),
    ],
    alternatives=[_by_shapes, _group_by_group, _by_arrays],
    hints=(
        "Write down the shapes of three tensors: input, output, weights. Multiply each out and add.",
        "The weights of a grouped 1x1 convolution have the shape (c2, c1 / groups, 1, 1).",
        "`if c1 % groups or c2 % groups: raise ValueError(\"groups must divide …\")`",
    ),
    worth_knowing="The paper writes MAC for this memory access cost. In most tables MAC is a multiply–accumulate: ask which one is meant.",
)
