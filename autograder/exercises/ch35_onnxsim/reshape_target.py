"""Exercise 35.reshape_target: a computed Reshape target, written down as a constant with 0 and -1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.graphs import simplify

from ...exercise import Case, Exercise, Misconception

Dims = list[int | str]


def _with(copy: Callable[[Dims, int, str], bool] = lambda dims, i, s: i < len(dims) and dims[i] == s,
          most: int = 1, beside: bool = False, nothing: object = None) -> Callable[[Dims, Dims], object]:
    """An answer with a rule for 0, how many -1 it puts in, and whether it does so beside one that is there."""

    def answer(in_shape: Dims, target: Dims) -> object:
        out = [0 if isinstance(d, str) and copy(in_shape, i, d) else d for i, d in enumerate(target)]
        symbols = sum(isinstance(d, str) for d in out)
        if symbols > most or (symbols and -1 in target and not beside):
            return nothing
        return [-1 if isinstance(d, str) else d for d in out]

    return answer


def _never(in_shape: Dims, i: int, symbol: str) -> bool:
    return False


def _batch_is_minus_one(in_shape: Dims, target: Dims) -> list[int] | None:
    """-1 for the first dimension if it is a symbol, the rule for the others."""
    rest = _with()(in_shape, [1, *target[1:]]) if target else []
    if not target or not isinstance(target[0], str):
        return _with()(in_shape, target)
    return None if rest is None else [-1, *rest[1:]]


def _batch_is_minus_one_if_free(in_shape: Dims, target: Dims) -> list[int] | None:
    found = _batch_is_minus_one(in_shape, target)
    return None if found is None or found.count(-1) > 1 else found


def _numbers_copied(in_shape: Dims, target: Dims) -> list[int] | None:
    found = _with()(in_shape, target)
    return found and [0 if d > 0 and i < len(in_shape) and in_shape[i] == d else d for i, d in enumerate(found)]


def _first_open(in_shape: Dims, target: Dims) -> list[int] | None:
    """-1 for the first symbol, 0 for what is left."""
    used = -1 in target
    out = []
    for d in target:
        if isinstance(d, str):
            out.append(0 if used else -1)
            used = True
        else:
            out.append(d)
    return out


def _leaves_symbols(in_shape: Dims, target: Dims) -> list:
    return [0 if isinstance(d, str) and i < len(in_shape) and in_shape[i] == d else d for i, d in enumerate(target)]


def _no_bound(in_shape: Dims, target: Dims) -> list[int] | None:
    """Raises where the target is longer than the input's shape."""
    return _with(lambda dims, i, s: dims[i] == s)(in_shape, target)


# --- right answers ------------------------------------------------------------------------------


def _by_loop(in_shape: Dims, target: Dims) -> list[int] | None:
    out: list[int] = []
    open_axis = target.index(-1) if -1 in target else None
    for i, d in enumerate(target):
        if not isinstance(d, str):
            out.append(d)
        elif in_shape[i : i + 1] == [d]:
            out.append(0)
        elif open_axis is None:
            open_axis = i
            out.append(-1)
        else:
            return None
    return out


def _by_primes(in_shape: Dims, target: Dims) -> list[int] | None:
    """Two prime values for each symbol: a position is copied if it equals the input's under both."""
    names = sorted({d for d in [*in_shape, *target] if isinstance(d, str)})
    primes = [101, 103, 107, 109, 113, 127, 131, 137, 139, 149]
    runs = [dict(zip(names, primes[k:])) for k in (0, 4)]
    out: list[int] = []
    for i, d in enumerate(target):
        values = [run.get(d, d) for run in runs]
        inputs = [run.get(in_shape[i], in_shape[i]) for run in runs] if i < len(in_shape) else []
        out.append(d if isinstance(d, int) else 0 if values == inputs else -1)
    return out if out.count(-1) <= 1 else None


def _by_count(in_shape: Dims, target: Dims) -> list[int] | None:
    padded = [*in_shape, *[None] * len(target)]
    kinds = [d if type(d) is int else 0 if d == p else -1 for d, p in zip(target, padded)]
    return kinds if kinds.count(-1) < 2 else None


def _draw(rng: np.random.Generator) -> tuple:
    dims: Dims = [str(rng.choice(["N", "M", "T"])) if rng.random() < 0.45 else int(rng.integers(1, 9))
                  for _ in range(int(rng.integers(1, 5)))]
    target: Dims = list(dims)
    kind = rng.random()
    if kind < 0.3:
        target = [dims[i] for i in rng.permutation(len(dims))]
    elif kind < 0.5:
        target.insert(int(rng.integers(len(target) + 1)), 1)
    elif kind < 0.6 and len(target) > 1:
        target.append(target.pop(0))
    if rng.random() < 0.35:
        target[int(rng.integers(len(target)))] = -1
    return dims, target


reshape_target = Exercise(
    id="35.reshape_target", points=4, difficulty=2, minutes=12, idea="0 copies a dimension, -1 takes what is left over",
    reference=simplify.reshape_target,
    cases=[Case(["N", 16, 1, 1], ["N", -1]), Case(["N", 16], [16, "N"]), Case(["N", "M"], ["M", "N"]),
           Case(["N", 4, 6], [-1, "N", 4])],
    hidden=[Case(["N", 16], ["N", 16]), Case(["N", "N"], ["N", "N"]), Case(["N"], [1, "N"]), Case(["N"], ["N", 1]),
            Case([2, "N"], ["N", 2]), Case([6], [2, 3]), Case([6], [-1, 2]), Case([], []), Case([1, "N"], ["N"]),
            Case(["N", "M", "T"], ["N", "T", "M"]), Case(["N", "M", "T"], ["N", "M", -1]), Case([4, "N", 6], ["N", -1]),
            Case(["N", "M"], ["N", 1, "M"]), Case(["N", 3, "M"], [3, "N", "M"]), Case(["N", 2, 3], ["N", 3, 2])],
    draw=_draw, draws=40, pure=True,
    misconceptions=[
        Misconception(
            "batch_is_minus_one", _batch_is_minus_one,
            "You write −1 for the first dimension in any case. A Reshape takes at most one −1, and a target like "
            "[N, −1] has it already. The dimension N stands at the same place in the input: there is a better sign for it.",
            "The first dimension need not be −1.", also=(_batch_is_minus_one_if_free,)),
        Misconception(
            "zero_means_empty", _with(_never),
            "You never use 0. In a Reshape target 0 does not mean a size of zero: it copies the input's dimension at the "
            "same index. With it [N, −1] can be written down.",
            "0 copies a dimension.", also=(_with(_never, most=9), _with(_never, most=9, beside=True))),
        Misconception(
            "two_open", _with(most=9, beside=True),
            "Your constant has two −1. From the number of elements only one unknown can be computed; ONNX refuses the "
            "second.",
            "Only one −1.", also=(_with(most=9), _with(beside=True))),
        Misconception(
            "zero_from_anywhere", _with(lambda dims, i, s: s in dims),
            "You write 0 for a symbol that stands somewhere in the input. 0 at index i copies the dimension at index i, "
            "whatever is there: [16, 0] for an input [N, 16] would give 16 twice.",
            "0 looks at its own index only.",
            also=(_with(lambda dims, i, s: True),)),
        Misconception(
            "numbers_copied", _numbers_copied,
            "You replace numbers by 0 too. That gives the same tensor, but asked is that numbers stay: only symbols need "
            "a sign.",
            "Numbers stay as they are."),
        Misconception(
            "first_symbol_open", _first_open,
            "You give −1 to the first symbol and 0 to the rest, without looking at the input. Compare each symbol with the "
            "input's dimension at the same index first.",
            "Look at the input first."),
        Misconception(
            "symbols_left", _leaves_symbols,
            "A symbol is still in your result. A constant holds numbers: each symbol becomes 0 or −1, or the answer is None.",
            "A symbol is left."),
        Misconception(
            "longer_target", _no_bound,
            "The target may have more dimensions than the input. A symbol behind the input's last index can't be copied.",
            "The target may be longer.",
            also=(_with(lambda dims, i, s: dims[min(i, len(dims) - 1)] == s if dims else False),)),
        Misconception(
            "empty_instead_of_none", _with(nothing=[]),
            "Where no constant exists you return an empty list. That is a target too: the one of a scalar. None says that "
            "the Reshape has to stay as it is.",
            "None, not an empty list."),
    ],
    alternatives=[_by_loop, _by_primes, _by_count],
    hints=(
        "Go through the target with `enumerate`. A number stays, a symbol that equals `in_shape[i]` becomes 0.",
        "Count what is left: the symbols that could not be copied, and the −1 that may be there already.",
        "One in all: the last symbol becomes −1. More than one: None. Mind targets that are longer than the input.",
    ),
    worth_knowing="onnxsim uses −1 only, so it leaves [N, −1] alone; OnnxSlim uses 0 as well. That is the difference between "
                  "11 and 7 nodes on this chapter's network.",
)
