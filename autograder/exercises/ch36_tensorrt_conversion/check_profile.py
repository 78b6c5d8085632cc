"""Exercise 36.check_profile: what a profile may not be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import tensorrt_build

from ...exercise import Case, Exercise, Misconception

Three = list[int]


def _static(size: int | str, three: Three) -> bool:
    return not isinstance(size, str) and any(n != size for n in three)


def _order(size: int | str, three: Three) -> bool:
    return three != sorted(three)


def _negative(size: int | str, three: Three) -> bool:
    return any(n < 0 for n in three)


def _checked(model_shape: tuple, lo: tuple, opt: tuple, hi: tuple, *, static: Callable = _static, order: Callable = _order,
             negative: Callable = _negative, ranks: str = "all", keep: Callable[[list], list] = sorted,
             one_an_axis: bool = False) -> list[str]:
    """A parametrised check; with its defaults it is right (an independent formulation)."""
    compared = {"all": (lo, opt, hi), "min": (lo,), "none": ()}[ranks]
    if any(len(shape) != len(model_shape) for shape in compared):
        return ["rank"]
    found = []
    for axis, row in enumerate(zip(model_shape, lo, opt, hi)):
        size, three = row[0], list(row[1:])
        rules = (("static", static), ("order", order), ("negative", negative))
        codes = [f"{name}:{axis}" for name, rule in rules if rule(size, three)]
        found += codes[:1] if one_an_axis else codes
    return keep(found)


def _as_tuples(model_shape: tuple, lo: tuple, opt: tuple, hi: tuple, every_axis: bool) -> list[str]:
    """Orders whole tuples: the first difference decides."""
    found = _checked(model_shape, lo, opt, hi, order=lambda size, three: False)
    if found == ["rank"] or tuple(lo) <= tuple(opt) <= tuple(hi):
        return found
    broken = [f"order:{i}" for i, three in enumerate(zip(lo, opt, hi)) if list(three) != sorted(three)]
    return sorted(found + (broken if every_axis else broken[:1]))


def _first_axis_only(*args: tuple) -> list[str]:
    found = _checked(*args, keep=list)
    return sorted(code for code in found if code.split(":")[-1] == found[0].split(":")[-1])


def _by_rule(model_shape: tuple, lo: tuple, opt: tuple, hi: tuple) -> list[str]:
    """One comprehension a rule."""
    if not len(model_shape) == len(lo) == len(opt) == len(hi):
        return ["rank"]
    axes = range(len(lo))
    static = {f"static:{i}" for i in axes if isinstance(model_shape[i], int) and {lo[i], opt[i], hi[i]} != {model_shape[i]}}
    order = {f"order:{i}" for i in axes if lo[i] > opt[i] or opt[i] > hi[i]}
    negative = {f"negative:{i}" for i in axes if lo[i] < 0 or opt[i] < 0 or hi[i] < 0}
    return sorted(static | order | negative)


def _with_arrays(model_shape: tuple, lo: tuple, opt: tuple, hi: tuple) -> list[str]:
    if len({len(model_shape), len(lo), len(opt), len(hi)}) > 1:
        return ["rank"]
    table = np.array([lo, opt, hi]).reshape(3, len(lo))
    fixed = np.array([s if isinstance(s, int) else -10**6 for s in model_shape])
    hits = {"static": (fixed > -10**6) & (table != fixed).any(0), "order": (np.diff(table, axis=0) < 0).any(0),
            "negative": (table < 0).any(0)}
    return sorted(f"{name}:{axis}" for name, mask in hits.items() for axis in np.flatnonzero(mask))


def _draw(rng: np.random.Generator) -> Case:
    rank = int(rng.integers(0, 5))
    model = [("N", "H", "W", "T")[axis] if rng.random() < 0.5 else int(rng.integers(0, 6)) for axis in range(rank)]
    columns = []
    for size in model:
        if not isinstance(size, str) and rng.random() < 0.6:
            columns.append([size] * 3)
            continue
        three = sorted(int(n) for n in rng.integers(-1 if rng.random() < 0.2 else 0, 6, 3))
        columns.append(three if rng.random() < 0.7 else [int(n) for n in rng.permutation(three)])
    lo, opt, hi = zip(*columns) if columns else ((), (), ())
    if rng.random() < 0.15:
        lo, opt, hi = [[(*lo, 1), opt, hi], [lo, (*opt, 1), hi], [lo, opt, (*hi, 1)]][int(rng.integers(3))]
    return Case(tuple(model), tuple(lo), tuple(opt), tuple(hi))


_SOURCE = (("N", 3, 640, 640), (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640))

check_profile = Exercise(
    id="36.check_profile", points=3, difficulty=1, minutes=10, idea="validate before the build",
    reference=tensorrt_build.check_profile,
    cases=[
        Case(*_SOURCE),
        Case(("N", 8), (1, 8), (4, 8), (16, 8)),
        Case(("N", "T"), (1, 64), (8, 32), (4, 128)),
        Case(("N", 3), (1, 3, 1), (1, 3), (1, 3)),
    ],
    hidden=[
        Case(("N",), (0,), (0,), (0,)), Case(("N",), (2,), (2,), (2,)), Case(("N",), (-1,), (1,), (2,)),
        Case((3, 4), (-1, 4), (3, 5), (2, 4)), Case((), (), (), ()), Case((), (1,), (1,), (1,)), Case((1,), (1,), (), (1,)),
        Case((1,), (1,), (1,), ()), Case(("N", "M"), (1, 9), (2, 3), (3, 4)), Case(("N", "M"), (1, 1), (1, 5), (2, 4)),
        Case(("N", 3), (5, 3), (4, 3), (6, 3)), Case(("N",), (3,), (1,), (-1,)), Case((4,), (2,), (3,), (4,)),
        Case((4,), (4,), (4,), (5,)), Case((4,), (4,), (3,), (4,)), Case(("N",), (1,), (0,), (1,)),
        Case(tuple("N" * 11), (2,) * 11, (1,) * 11, (3,) * 11), Case((0, "N"), (0, 1), (0, 1), (0, 1)),
        Case(("N", "M", 5), (2, 2, 5), (1, 1, 6), (3, 3, 5)), Case(("N",), (2,), (-1,), (3,)), Case(("N",), (-3,), (-2,), (-1,)),
    ],
    draw=_draw, draws=60, time_limit_s=2,
    misconceptions=[
        Misconception(
            "static_is_a_maximum", lambda *a: _checked(*a, static=lambda s, t: not isinstance(s, str) and max(t) > s),
            "A static dimension is no maximum. If the model fixes 640, the engine knows 640 and nothing else, so min, opt "
            "and max must all be 640.",
            "A static dimension is not a maximum.",
            also=(lambda *a: _checked(*a, static=lambda s, t: not isinstance(s, str) and t[2] != s),
                  lambda *a: _checked(*a, static=lambda s, t: not isinstance(s, str) and not t[0] <= s <= t[2]))),
        Misconception(
            "compares_tuples", lambda *a: _as_tuples(*a, every_axis=True),
            "`(1, 9) <= (2, 3)` is True: Python compares tuples like words in a dictionary, and the first difference "
            "decides. Compare axis by axis.",
            "Tuples were compared as a whole.", also=(lambda *a: _as_tuples(*a, every_axis=False),)),
        Misconception(
            "demands_a_range", lambda *a: _checked(*a, order=lambda s, t: isinstance(s, str) and not t[0] < t[2]),
            "min = opt = max is legal, and common: such a profile serves one shape only, and its kernels are tuned for it. "
            "Only an order that is broken counts.",
            "Equal sizes are allowed.",
            also=(lambda *a: _checked(*a, order=lambda s, t: not t[0] < t[2]),
                  lambda *a: _checked(*a, order=lambda s, t: isinstance(s, str) and not t[0] < t[1] < t[2]),
                  lambda *a: _checked(*a, order=lambda s, t: not t[0] < t[1] < t[2]))),
        Misconception(
            "stops_at_the_first", lambda *a: sorted(_checked(*a, keep=list)[:1]),
            "One problem is found and the rest is left for the next try. A build takes minutes: report everything at once.",
            "It stops at the first problem.",
            also=(lambda *a: _checked(*a)[:1], lambda *a: _first_axis_only(*a))),
        Misconception(
            "one_rule_an_axis", lambda *a: _checked(*a, one_an_axis=True),
            "The rules are independent: an axis can break several of them, and then it has several codes. Look at your "
            "`elif`.",
            "An axis can break two rules."),
        Misconception(
            "order_on_dynamic_axes_only", lambda *a: _checked(*a, order=lambda s, t: isinstance(s, str) and _order(s, t)),
            "Every rule is checked on every axis, on a static one too: there min, opt and max can be out of order and "
            "differ from the model at the same time.",
            "Static axes are left out.",
            also=(lambda *a: _checked(*a, negative=lambda s, t: isinstance(s, str) and _negative(s, t)),
                  lambda *a: _checked(*a, order=lambda s, t: isinstance(s, str) and _order(s, t),
                                      negative=lambda s, t: isinstance(s, str) and _negative(s, t)))),
        Misconception(
            "zero_is_refused", lambda *a: _checked(*a, negative=lambda s, t: min(t) < 1),
            "0 is a legal size: an empty tensor, a frame without any box for example. Only sizes below 0 are negative.",
            "0 is not negative."),
        Misconception(
            "order_by_ends", lambda *a: _checked(*a, order=lambda s, t: t[0] > t[2]),
            "min <= max holds, but opt can lie outside of the two. It is the point that kernels are chosen for, so it has "
            "to be in the range.",
            "opt is not compared."),
        Misconception(
            "not_sorted", lambda *a: _checked(*a, keep=list),
            "The codes are right, and in another order than `sorted()` puts them. (It sorts them as strings.)",
            "The list is not sorted."),
        Misconception(
            "rank_of_min_only", lambda *a: _checked(*a, ranks="min"),
            "Any of the three can have another rank than the model. `zip` stops at the shortest and hides it.",
            "Not every rank is compared.", also=(lambda *a: _checked(*a, ranks="none"),)),
    ],
    alternatives=[_checked, _by_rule, _with_arrays],
    hints=(
        "Compare the four lengths first, and return `[\"rank\"]` if they differ.",
        "Then one loop over `enumerate(zip(model_shape, lo, opt, hi))`, with three `if`s that do not exclude each other.",
        "`isinstance(size, str)` tells a dynamic dimension.",
    ),
    worth_knowing="TensorRT finds some of these in set_shape (ValueError) or in add_optimization_profile (-1). That a static size "
    "differs shows only in the build, as None.",
)
