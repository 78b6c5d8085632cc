"""Exercise 34.broadcast_dims: the shape of an elementwise result when some sizes are only symbols."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import numpy as np

from utils.graphs import optimize

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _right_pair(x: object, y: object, axis: int) -> object:
    if x == y or x == 1 or y == 1:
        return y if x == 1 else x
    known = [d for d in (x, y) if isinstance(d, int)]
    if len(known) == 2:
        raise ValueError(f"axis {axis}: {x} against {y}")
    return known[0] if known else None


def _answer(pair: Callable = _right_pair, *, left: bool = False, cut: bool = False) -> Callable:
    """An answer from its rule for two sizes; with the defaults it is right."""

    def answer(a: list, b: list) -> list:
        if cut:
            n = min(len(a), len(b))
            a, b = (a[:n], b[:n]) if left else (a[len(a) - n :], b[len(b) - n :])
        rank = max(len(a), len(b))
        pads = [[1] * (rank - len(d)) for d in (a, b)]
        a, b = ([*d, *p] if left else [*p, *d] for d, p in zip((a, b), pads))
        return [pair(x, y, i - rank) for i, (x, y) in enumerate(zip(a, b))]

    return answer


def _first_symbol(x: object, y: object, axis: int) -> object:
    """Two symbols: the first; a symbol against None: the symbol."""
    if not isinstance(x, int) and not isinstance(y, int):
        return x if x is not None else y
    return _right_pair(x, y, axis)


def _only_two_symbols(x: object, y: object, axis: int) -> object:
    return x if isinstance(x, str) and isinstance(y, str) else _right_pair(x, y, axis)


def _largest(x: object, y: object, axis: int) -> object:
    if isinstance(x, int) and isinstance(y, int):
        return max(x, y)
    return _right_pair(x, y, axis)


def _symbol_wins(x: object, y: object, axis: int) -> object:
    for d, other in ((x, y), (y, x)):
        if isinstance(d, str) and isinstance(other, int):
            return d
    return _right_pair(x, y, axis)


def _unknown_wins(x: object, y: object, axis: int) -> object:
    for d, other in ((x, y), (y, x)):
        if not isinstance(d, int) and isinstance(other, int) and other > 1:
            return None
    return _right_pair(x, y, axis)


def _one_is_nothing_special(x: object, y: object, axis: int) -> object:
    return x if x == y else _right_pair(x, y, axis) if isinstance(x, int) and isinstance(y, int) else None


def _none_is_one(x: object, y: object, axis: int) -> object:
    return (y if x is None else x) if x is None or y is None else _right_pair(x, y, axis)


def _symbols_must_agree(x: object, y: object, axis: int) -> object:
    if isinstance(x, str) and isinstance(y, str) and x != y:
        raise ValueError(f"axis {axis}: {x} against {y}")
    return _right_pair(x, y, axis)


def _from_the_left(a: list, b: list) -> list:
    rank = max(len(a), len(b))
    return _answer(lambda x, y, axis: _right_pair(x, y, axis + rank))(a, b)


def _nameless(x: object, y: object, axis: int) -> object:
    try:
        return _right_pair(x, y, axis)
    except ValueError:
        raise ValueError("the shapes do not broadcast") from None


def _zipped(a: list, b: list) -> list:
    """From the last axis to the first, by cases."""
    found = []
    for back, (x, y) in enumerate(zip_longest(reversed(a), reversed(b), fillvalue=1), start=1):
        if x == 1:
            found.append(y)
        elif y in (1, x):
            found.append(x)
        elif isinstance(x, int) and isinstance(y, int):
            raise ValueError(f"sizes {x} and {y} clash on axis -{back}")
        else:
            found.append(x if isinstance(x, int) else y if isinstance(y, int) else None)
    return found[::-1]


def _by_sets(a: list, b: list) -> list:
    """What is left of the two sizes when the ones are taken away."""
    rank, result = max(len(a), len(b)), []
    for k in range(-rank, 0):
        sizes = {d[k] for d in (a, b) if len(d) >= -k} - {1}
        numbers = {s for s in sizes if isinstance(s, int)}
        if len(numbers) > 1:
            raise ValueError(f"cannot broadcast {sorted(numbers)} on axis {k}")
        result.append(numbers.pop() if numbers else 1 if not sizes else sizes.pop() if len(sizes) == 1 else None)
    return result


_DIMS = [1, 1, 1, 2, 3, "N", "M", None]


def _draw(rng: np.random.Generator) -> tuple[list, list]:
    """Two shapes that broadcast; the second mostly repeats sizes of the first."""
    while True:
        a = [_DIMS[i] for i in rng.integers(len(_DIMS), size=rng.integers(0, 5))]
        b = [_DIMS[i] for i in rng.integers(len(_DIMS), size=rng.integers(0, 5))]
        for k in range(1, min(len(a), len(b)) + 1):
            if rng.random() < 0.3:
                b[-k] = a[-k]
        try:
            _answer()(a, b)
        except ValueError:
            continue
        return a, b


broadcast_dims = Exercise(
    id="34.broadcast_dims", points=3, difficulty=1, minutes=7, idea="what a compiler may say of a size that it doesn't know",
    reference=optimize.broadcast_dims,
    cases=[Case(["N", 1, 5], [7, 1]), Case(["N", 3], ["M", 3])],
    hidden=[Case([], []), Case([], ["N", 2]), Case([4], []), Case(["N", 3], [4, 3]), Case(["N", 3], [1, 3]), Case([1, 3], ["N", 3]),
            Case([None], ["N"]), Case(["N"], [None]), Case([None], [None]), Case([None], [4]), Case([4], [None]), Case([None], [1]),
            Case([1], [None]), Case(["N"], ["N"]), Case([4], ["N"]), Case(["N", "M"], ["M"]), Case([2, 3], [3]), Case([3, 3, 1], [3, 4]),
            Case([1, 1], [1]), Case([5, 1, "N"], [1, 6, 1]), Case(["M", 2], ["N", 1, 1])],
    raises=[Case([2, 3], [4, 3], word="axis -2"), Case([2], [3], word="axis -1"), Case([5, 2, 7], [3, 7], word="axis -2")],
    draw=_draw, draws=40, compare=exact(), pure=True,
    misconceptions=[
        Misconception(
            "left_aligned", _answer(left=True), also=(_answer(left=True, cut=True),),
            message="You line the shapes up at their first axes. NumPy and ONNX line up the last ones: [3] meets the 3 of [2, 3].",
            title="Aligned at the wrong end."),
        Misconception(
            "first_symbol", _answer(_first_symbol), also=(_answer(_only_two_symbols),),
            message="Two different symbols gave you one of them. At run time N may be 1 and M may be 8, or the other way round: what can be "
                    "said about the result?",
            title="N and M may differ."),
        Misconception(
            "largest", _answer(_largest),
            "You take the larger of two numbers. That accepts 2 against 3, which no runtime can add. Only a 1 stretches.",
            "The larger one is not enough."),
        Misconception(
            "symbol_wins", _answer(_symbol_wins),
            "A symbol against a number gave you the symbol. Against 4 the symbol can only be 1 or 4. What is the result in both cases? And "
            "against 1?",
            "The number says more."),
        Misconception(
            "unknown_wins", _answer(_unknown_wins),
            "Next to a number above 1 you return None. The other size can only be 1 or that number, so the result is known.",
            "The number says more."),
        Misconception(
            "one_is_ordinary", _answer(_one_is_nothing_special),
            "You give up when a 1 meets a symbol or None. A literal 1 is stretched to whatever the other one is, so the result is the other one.",
            "A 1 stretches."),
        Misconception(
            "none_is_one", _answer(_none_is_one),
            "You treat None as if it were 1. None says that nothing is known: against a symbol nothing is known of the result either.",
            "Unknown is not 1."),
        Misconception(
            "symbols_refused", _answer(_symbols_must_agree),
            "You refuse two different symbols. They may still be equal at run time, or one of them 1. Nothing is wrong yet, it is only unknown.",
            "Unknown is no error."),
        Misconception(
            "cut_off", _answer(cut=True),
            "Your result is as short as the shorter shape. A missing axis counts as 1, so the result has the longer rank.",
            "Axes got lost."),
        Misconception(
            "axis_told_wrong", _from_the_left, also=(_answer(_nameless),),
            message="The shapes are refused, but the message doesn't name the axis as asked: counted from the end, in the form `axis -2`.",
            title="Which axis is it?"),
    ],
    alternatives=[_zipped, _by_sets, _answer()],
    hints=(
        "First bring both lists to one length: put 1s in front of the shorter one.",
        "For a pair of sizes go through the cases in order: equal; one of them is 1; both are numbers; one is a number; none is.",
    ),
    worth_knowing="ONNX's own shape inference answers the same, but invents a symbol such as unk__0 where you say None.",
)
