"""Exercise 31.fill_profile: what an absent shape flag copies."""

from __future__ import annotations

from itertools import product

import numpy as np

from utils.engines import trtexec

from ...exercise import Case, Exercise, Misconception
from .shapes import Shapes


def _filled(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None, *, order: tuple[str, str, str] = ("oh", "hl", "ol"),
            middle: bool = False, demand: type | None = None, checks: str = "full") -> dict:
    """A parametrised filling; with its defaults it is right (an independent formulation).

    `order`: for min, opt and max the flags that stand in for it, the first that is there.
    """
    given = {"l": lo, "o": opt, "h": hi}
    there = [shapes for shapes in given.values() if shapes is not None]
    if not there:
        return {}
    if demand and len(there) < 3:
        raise demand("all three must be set")
    rows = [next(given[key] for key in own + others if given[key] is not None)
            for own, others in zip("loh", order)]
    if checks != "none":
        for name in {name for shapes in there for name in shapes}:
            if any(name not in shapes for shapes in there):
                raise ValueError(f"{name} is missing in one flag")
    filled = {name: tuple(row[name] for row in rows) for name in rows[0]}
    if middle and opt is None and lo is not None and hi is not None:
        filled = {n: (a, tuple((p + q) // 2 for p, q in zip(a, c)), c) for n, (a, _, c) in filled.items()}
    for name, (a, b, c) in filled.items():
        good = {"full": len(a) == len(b) == len(c) and all(p <= q <= r for p, q, r in zip(a, b, c)),
                "tuples": len(a) == len(b) == len(c) and a <= b <= c,
                "loose tuples": a <= b <= c,
                "ends": len(a) == len(c) and all(p <= r for p, r in zip(a, c)),
                "zip": all(p <= q <= r for p, q, r in zip(a, b, c)), "none": True}[checks]
        if not good:
            raise ValueError(f"{name} is out of order")
    return filled


def _fill_by_cases(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None) -> dict:
    flags = [f for f in (lo, opt, hi) if f is not None]
    for a, b in product(flags, flags):
        if a.keys() != b.keys():
            raise ValueError(f"only some flags name {sorted(a.keys() ^ b.keys())}")
    low = lo if lo is not None else opt if opt is not None else hi
    best = opt if opt is not None else hi if hi is not None else lo
    high = hi if hi is not None else opt if opt is not None else lo
    out = {}
    for name in low or {}:
        a, b, c = (np.array(f[name], dtype=int) for f in (low, best, high))
        if not (a.shape == b.shape == c.shape and np.all(a <= b) and np.all(b <= c)):
            raise ValueError(f"{name}: {a} {b} {c}")
        out[name] = (low[name], best[name], high[name])
    return out


_SOURCES = {  # which flag each of min, opt, max is taken from, by which flags are there
    (1, 1, 1): (0, 1, 2), (1, 1, 0): (0, 1, 1), (1, 0, 1): (0, 2, 2), (0, 1, 1): (1, 1, 2),
    (1, 0, 0): (0, 0, 0), (0, 1, 0): (1, 1, 1), (0, 0, 1): (2, 2, 2)}


def _fill_by_table(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None) -> dict:
    flags = (lo, opt, hi)
    pattern = tuple(int(f is not None) for f in flags)
    if not any(pattern):
        return {}
    names = [set(f) for f in flags if f is not None]
    stray = set.union(*names) - set.intersection(*names)
    if stray:
        raise ValueError(f"not in every flag: {', '.join(sorted(stray))}")
    out = {name: tuple(flags[k][name] for k in _SOURCES[pattern]) for name in names[0]}
    for name, shapes in out.items():
        if len({len(s) for s in shapes}) > 1 or any(list(dim) != sorted(dim) for dim in zip(*shapes)):
            raise ValueError(f"min <= opt <= max does not hold for {name}")
    return out


def _draw_fill(rng: np.random.Generator) -> Case:
    present = [(p >> k) & 1 for p in [int(rng.integers(1, 8))] for k in range(3)]
    flags: list[Shapes] = [{}, {}, {}]
    for name in rng.permutation(["x", "images", "ids:0"])[: int(rng.integers(1, 4))]:
        rows = np.sort(rng.integers(1, 65, (3, int(rng.integers(0, 5)))), axis=0)
        for flag, row in zip(flags, rows.tolist()):
            flag[str(name)] = tuple(row)
    return Case(*(flag if there else None for flag, there in zip(flags, present)))


_SMALL, _MID, _BIG = {"x": (1, 3)}, {"x": (4, 3)}, {"x": (8, 3)}

fill_profile = Exercise(
    id="31.fill_profile", points=3, difficulty=2, minutes=15, idea="an absent flag copies another",
    reference=trtexec.fill_profile,
    cases=[
        Case(_SMALL, None, _BIG),
        Case(None, None, _BIG),
        Case(_SMALL, _MID, None),
        Case(None, None, None),
    ],
    hidden=[Case(_SMALL, _MID, _BIG), Case(None, _MID, _BIG), Case(_SMALL, None, None), Case(None, _MID, None),
            Case({"a": (1, 1), "b": (2,)}, None, {"a": (4, 9), "b": (2,)}), Case({"s": ()}, None, {"s": ()}),
            Case({"x": (2, 2, 2)}, {"x": (2, 2, 2)}, {"x": (2, 2, 2)}), Case({}, None, {})],
    draw=_draw_fill, draws=40, time_limit_s=2,
    raises=[
        Case({"images": (8, 3)}, {"images": (4, 3)}, {"images": (16, 3)}, word="images"),
        Case({"images": (1, 3)}, {"images": (16, 3)}, {"images": (8, 3)}, word="images"),
        Case({"images": (1, 9)}, None, {"images": (2, 3)}, word="images"),
        Case({"images": (1, 1)}, {"images": (1, 5)}, {"images": (8, 3)}, word="images"),
        Case({"images": (2, 1, 7)}, {"images": (3, 1, 5)}, None, word="images"),
        Case({"images": (8,)}, {"images": (4,)}, None, word="images"),
        Case(None, {"images": (8, 3)}, {"images": (4, 3)}, word="images"),
        Case({"a": (1,), "images": (5, 3)}, None, {"a": (2,), "images": (4, 3)}, word="images"),
        Case({"images": (1,)}, None, {"images": (8, 3)}, word="images"),
        Case({"images": (1, 3)}, {"images": (4,)}, {"images": (8, 3)}, word="images"),
        Case({"x": (1, 3)}, None, {"x": (8, 3), "mask": (8,)}, word="mask"),
        Case({"x": (1, 3), "mask": (1,)}, {"x": (4, 3)}, {"x": (8, 3), "mask": (8,)}, word="mask"),
        Case({"ids_a": (1, 3)}, None, {"ids_b": (8, 3)}, word="ids_"),  # either name will do
        Case({}, None, {"images": (8, 3)}, word="images"), Case({"images": (1,)}, {}, None, word="images"),
    ],
    misconceptions=[
        Misconception(
            "opt_copies_min", lambda lo, opt, hi: _filled(lo, opt, hi, order=("oh", "lh", "ol")),
            "Without --optShapes trtexec copies max, not min. TensorRT chooses its kernels for opt, so a copy of min "
            "would tune the engine for the smallest batch.",
            "A missing opt copies max."),
        Misconception(
            "opt_is_the_middle", lambda lo, opt, hi: _filled(lo, opt, hi, middle=True),
            "Nothing is interpolated. A missing flag is a plain copy of one that is there.",
            "There is no midpoint."),
        Misconception(
            "all_three_needed", lambda lo, opt, hi: _filled(lo, opt, hi, demand=ValueError),
            "That is what many notes on the web say, but trtexec fills a missing flag from another one and only warns. "
            "Which of the two others does each one copy?",
            "A missing flag is no error.",
            also=(lambda lo, opt, hi: _filled(lo, opt, hi, demand=TypeError),
                  lambda lo, opt, hi: _filled(lo, opt, hi, demand=AttributeError))),
        Misconception(
            "min_copies_max", lambda lo, opt, hi: _filled(lo, opt, hi, order=("ho", "hl", "ol")),
            "A missing min takes the nearest flag first: opt if it is there, and only then max.",
            "A missing min copies opt first."),
        Misconception(
            "max_copies_min", lambda lo, opt, hi: _filled(lo, opt, hi, order=("oh", "hl", "lo")),
            "A missing max takes opt if it is there, and min only when opt is missing too.",
            "A missing max copies opt first."),
        Misconception(
            "zip_hides_rank", lambda lo, opt, hi: _filled(lo, opt, hi, checks="zip"),
            "`zip` stops at the shorter of its arguments, so shapes of different rank look fine. Compare the lengths "
            "first.",
            "Ranks are not compared."),
        Misconception(
            "compares_tuples", lambda lo, opt, hi: _filled(lo, opt, hi, checks="tuples"),
            "`(1, 9) <= (2, 3)` is True in Python: tuples are compared like words in a dictionary, and the first "
            "difference decides. Compare dimension by dimension.",
            "Tuples were compared as a whole.",
            also=(lambda lo, opt, hi: _filled(lo, opt, hi, checks="loose tuples"),)),
        Misconception(
            "opt_not_checked", lambda lo, opt, hi: _filled(lo, opt, hi, checks="ends"),
            "min and max are in order, but opt has to lie between them in every dimension, and to have their rank.",
            "opt can lie outside."),
        Misconception(
            "empty_is_absent", lambda lo, opt, hi: _filled(lo or None, opt or None, hi or None),
            "An empty dict is falsy in Python, but it is a flag that is there and names no tensor. Only `None` is absent, "
            "and flags that name different tensors are refused. How do you ask whether a flag is there?",
            "An empty dict is not None."),
        Misconception(
            "not_checked", lambda lo, opt, hi: _filled(lo, opt, hi, checks="none"),
            "The filling is right. trtexec stops here too, and the builder complains minutes later. It refuses three things: "
            "flags that name other tensors, another rank, and min <= opt <= max broken in some dimension. Which of them "
            "get through?",
            "Not everything is refused."),
    ],
    alternatives=[_filled, _fill_by_cases, _fill_by_table],
    hints=(
        "Write down the order of choice for each: min, opt, max; opt, max, min; max, opt, min. Take the first that is "
        "not None.",
        "Check that all given flags name the same tensors before you fill.",
        "`len(a) == len(b) == len(c) and all(p <= q <= r for p, q, r in zip(a, b, c))` for each tensor.",
    ),
    worth_knowing="With only --shapes=x:32x3 the profile is (32, 3) three times: such an engine can run batch 32 only.",
)
