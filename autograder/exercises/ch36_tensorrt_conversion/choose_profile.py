"""Exercise 36.choose_profile: which profile serves a shape."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.engines import tensorrt_build

from ...exercise import Case, Exercise, Misconception

Profile = tuple[tuple, tuple, tuple]


def _volume(shape: tuple) -> int:
    return max(1, int(np.prod(shape, dtype=np.int64)))


def _log_distance(profile: Profile, shape: tuple, which: int = 1) -> float:
    return abs(math.log(_volume(profile[which]) / _volume(shape)))


def _inside(profile: Profile, shape: tuple) -> bool:
    return all(len(s) == len(shape) for s in profile) and all(a <= n <= b for a, n, b in zip(profile[0], shape, profile[2]))


def _inside_by_zip(profile: Profile, shape: tuple) -> bool:
    return all(a <= n <= b for a, n, b in zip(profile[0], shape, profile[2]))


def _inside_as_tuples(profile: Profile, shape: tuple) -> bool:
    return len(profile[0]) == len(shape) and profile[0] <= tuple(shape) <= profile[2]


def _chosen(profiles: list[Profile], shape: tuple, *, inside: Callable = _inside, distance: Callable = _log_distance,
            last: bool = False) -> int:
    """A parametrised choice; with its defaults it is right (an independent formulation)."""
    best, least = -1, math.inf
    for i, profile in enumerate(profiles):
        if not inside(profile, shape):
            continue
        d = distance(profile, shape)
        if d < least - 1e-9 or (last and d < least + 1e-9):
            best, least = i, d
    if best < 0:
        raise ValueError(f"no profile admits {shape}")
    return best


def _clamped(profiles: list[Profile], shape: tuple) -> int:
    def inside(profile: Profile, shape: tuple) -> bool:
        return all(len(s) == len(shape) for s in profile)

    def distance(profile: Profile, shape: tuple) -> float:
        return _log_distance(profile, tuple(np.clip(shape, profile[0], profile[2])))

    return _chosen(profiles, shape, inside=inside, distance=distance)


def _nearest_of_all(profiles: list[Profile], shape: tuple) -> int:
    return _chosen(profiles, shape, inside=lambda p, s: len(p[0]) == len(s))


def _batch_distance(profile: Profile, shape: tuple) -> float:
    return abs(math.log(max(profile[1][0], 1) / max(shape[0], 1))) if shape else 0.0


def _absolute(profile: Profile, shape: tuple) -> float:
    return abs(_volume(profile[1]) - _volume(shape))


def _by_sorting(profiles: list[Profile], shape: tuple) -> int:
    rows = []
    for i, (lo, opt, hi) in enumerate(profiles):
        if len(lo) == len(opt) == len(hi) == len(shape) and all(lo[k] <= shape[k] <= hi[k] for k in range(len(shape))):
            d = abs(math.log(math.prod(opt) or 1) - math.log(math.prod(shape) or 1))
            rows.append((round(d, 9), i))
    if not rows:
        raise ValueError("no profile admits this shape")
    return min(rows)[1]


def _by_ratio(profiles: list[Profile], shape: tuple) -> int:
    """Without logarithms: the larger of the ratio and its inverse."""
    ratios = {}
    for i, profile in enumerate(profiles):
        if _inside(profile, shape):
            r = _volume(profile[1]) / _volume(shape)
            ratios[i] = max(r, 1 / r)
    if not ratios:
        raise ValueError(f"no profile admits {tuple(shape)}")
    return next(i for i, r in ratios.items() if r <= min(ratios.values()) * (1 + 1e-9))


def _draw(rng: np.random.Generator) -> Case:
    """Volumes stay below 3,000, so that distances are equal or differ by more than 1e-8."""
    rank = int(rng.integers(1, 3))
    profiles = []
    for _ in range(int(rng.integers(1, 5))):
        columns = [np.sort(rng.choice([1, 2, 3, 4, 8, 16, 24, 32], 3)) for _ in range(rank)]
        profiles.append(tuple(tuple(int(c[k]) for c in columns) for k in range(3)))
    inside = profiles[int(rng.integers(len(profiles)))]
    shape = tuple(int(rng.integers(a, b + 1)) for a, b in zip(inside[0], inside[2]))
    return Case(profiles, shape)


def _p(lo: int, opt: int, hi: int) -> Profile:
    return (lo, 3, 224, 224), (opt, 3, 224, 224), (hi, 3, 224, 224)


_TWO = [_p(1, 1, 4), _p(1, 16, 32)]

choose_profile = Exercise(
    id="36.choose_profile", points=3, difficulty=2, minutes=12, idea="nearest opt, in factors",
    reference=tensorrt_build.choose_profile,
    cases=[
        Case(_TWO, (2, 3, 224, 224), label="the two profiles of the text, batch 2"),
        Case(_TWO, (4, 3, 224, 224), label="the two profiles of the text, batch 4 (a tie)"),
        Case(_TWO, (5, 3, 224, 224), label="the two profiles of the text, batch 5"),
        Case([((1,), (64,), (64,)), ((1,), (2,), (64,))], (8,)),
    ],
    hidden=[
        Case([((1,), (2,), (64,)), ((1,), (64,), (64,))], (32,)), Case([((1,), (10,), (64,)), ((1,), (40,), (64,))], (21,)),
        Case([((1,), (1,), (2,)), ((8,), (8,), (16,))], (9,)), Case([((0, 4), (0, 4), (8, 4)), ((0, 4), (2, 4), (8, 4))], (0, 4)),
        Case([((), (), ())], ()), Case([((1,), (1,), (1,)), ((1, 1), (1, 1), (1, 1))], (1, 1)),
        Case([((1, 1), (1, 9), (2, 9)), ((1, 1), (2, 2), (2, 9))], (2, 2)), Case([((1, 1), (8, 8), (9, 9)), ((1, 1), (9, 2), (9, 9))], (8, 2)),
        Case([((1, 5), (2, 5), (3, 5)), ((1, 1), (1, 1), (3, 9))], (2, 3)), Case([((4,), (4,), (4,))], (4,)),
        Case([((1,), (4,), (8,)), ((1,), (4,), (8,))], (3,)), Case([((1,), (16,), (16,)), ((1,), (1,), (4,))], (4,)),
        Case([((1,), (5,), (9,)), ((1,), (3,), (5,))], (4,)), Case([((1,), (6,), (9,)), ((1,), (2,), (9,)), ((1,), (4,), (9,))], (4,)),
        Case([((1, 1), (1, 9), (1, 9)), ((1, 1), (1, 3), (2, 9))], (2, 9)),
        # ties whose second distance is smaller by one bit in floating point, as a logarithm of a ratio and as a difference
        Case([((1,), (8,), (64,)), ((1,), (18,), (64,))], (12,)), Case([((1,), (49,), (64,)), ((1,), (64,), (64,))], (56,)),
    ],
    draw=_draw, draws=60, time_limit_s=2,
    raises=[
        Case(_TWO, (33, 3, 224, 224), word="no profile admits", label="the two profiles of the text, batch 33"),
        Case(_TWO, (0, 3, 224, 224), word="no profile admits", label="the two profiles of the text, batch 0"),
        Case(_TWO, (2, 3, 224), word="no profile admits"), Case([], (1,), word="no profile admits"),
        Case([((1, 1), (1, 1), (2, 2))], (1, 3), word="no profile admits"),
        Case([((1,), (1,), (2,)), ((5,), (6,), (7,))], (4,), word="no profile admits"), Case([((), (), ())], (1,), word="no profile admits"),
        Case([((1, 5), (1, 5), (2, 5))], (1, 4), word="no profile admits"),
    ],
    misconceptions=[
        Misconception(
            "first_that_fits", lambda p, s: _chosen(p, s, distance=lambda *a: 0.0),
            "The first profile that admits the shape works, but its kernels may have been chosen for something else. They "
            "were timed at opt, so the profile whose opt is nearest is the fast one.",
            "The first one is not always the best."),
        Misconception(
            "absolute_distance", lambda p, s: _chosen(p, s, distance=_absolute),
            "Distances are factors: from 4, both 1 and 16 are a factor of 4 away. A difference of volumes makes 16 four "
            "times as far as 1.",
            "The distance is a factor, not a difference.",
            also=(lambda p, s: _chosen(p, s, distance=lambda q, t: abs(_volume(q[1]) / _volume(t) - 1)),)),
        Misconception(
            "clamps", _clamped,
            "A shape outside of min and max is not moved into the range: TensorRT refuses it. Such a profile is no "
            "candidate.",
            "A shape outside is refused.", also=(_nearest_of_all,)),
        Misconception(
            "nearest_max", lambda p, s: _chosen(p, s, distance=lambda q, t: _log_distance(q, t, 2)),
            "max says how far the profile reaches and how much memory it takes. Kernels are chosen at opt.",
            "Compare with opt, not with max.",
            also=(lambda p, s: _chosen(p, s, distance=lambda q, t: _log_distance(q, t, 0)),)),
        Misconception(
            "last_of_a_tie", lambda p, s: _chosen(p, s, last=True),
            "The nearest opt is found, but among equal distances (up to 1e-9) the lower index wins. Is it `<` or `<=`?",
            "A tie goes to the lower index."),
        Misconception(
            "batch_only", lambda p, s: _chosen(p, s, distance=_batch_distance),
            "Only the first dimension is compared. Height, width or sequence length change the work as well: take the "
            "volume, the product of all dimensions.",
            "All dimensions count."),
        Misconception(
            "zip_hides_rank", lambda p, s: _chosen(p, s, inside=_inside_by_zip),
            "`zip` stops at the shorter of its arguments, so a shape with a dimension too few or too many looks fine. "
            "Compare the ranks first.",
            "Ranks are not compared."),
        Misconception(
            "compares_tuples", lambda p, s: _chosen(p, s, inside=_inside_as_tuples),
            "`(1, 5) <= (2, 3) <= (3, 5)` is True in Python although 3 lies below 5: the first difference decides. Compare "
            "axis by axis.",
            "Tuples were compared as a whole."),
    ],
    alternatives=[_chosen, _by_sorting, _by_ratio],
    hints=(
        "First a list of the indices whose profile admits the shape. If it is empty, raise.",
        "`abs(math.log(volume(opt) / volume(shape)))` is the distance; `max(math.prod(shape), 1)` the volume.",
        "For the ties: find the smallest distance first. Then take the first index whose distance is below it plus 1e-9.",
    ),
    worth_knowing="TensorRT does not choose for you: the application sets the profile's index on the execution context.",
)
