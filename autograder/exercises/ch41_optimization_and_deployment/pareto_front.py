"""Exercise 41.pareto_front: names of the variants that no other dominates."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery import tradeoff

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Point = tuple[str, float, float]
FIVE = [("a", 10, 0.97), ("b", 4, 0.965), ("c", 4, 0.95), ("d", 2, 0.90), ("e", 12, 0.97)]


def _checked(front: Callable[[list[Point]], list]) -> Callable[[list[Point]], list]:
    """The answer, refusing NaN."""

    def answer(points: list[Point]) -> list:
        if any(math.isnan(latency) or math.isnan(accuracy) for _, latency, accuracy in points):
            raise ValueError("NaN")
        return front(points)

    return answer


def _both(front: Callable[[list[Point]], list], *more: Callable[[list[Point]], list]) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal."""
    return {"answer": _checked(front), "also": (front, *(g for f in more for g in (_checked(f), f)))}


def _kept(beats: Callable[[Point, Point], bool]) -> Callable[[list[Point]], list[str]]:
    return lambda points: [q[0] for j, q in enumerate(points) if not any(beats(p, q) for i, p in enumerate(points) if i != j)]


def _no_worse(p: Point, q: Point) -> bool:
    return p[1] <= q[1] and p[2] >= q[2]


def _dominates(p: Point, q: Point) -> bool:
    return _no_worse(p, q) and p[1:] != q[1:]


_right = _kept(_dominates)


def _first_of_equals(points: list[Point]) -> list[str]:
    """Keeps one of identical points."""
    values, front = [p[1:] for p in points], set(_right(points))
    return [p[0] for i, p in enumerate(points) if p[0] in front and values.index(p[1:]) == i]


def _sweep_by_latency(points: list[Point]) -> list[str]:
    """Sorts by latency alone, so at equal latency the list's order decides."""
    best, names = -math.inf, set()
    for name, _, accuracy in sorted(points, key=lambda p: p[1]):
        if accuracy > best:
            best, names = accuracy, names | {name}
    return [p[0] for p in points if p[0] in names]


def _sweep_with_ties(points: list[Point]) -> list[str]:
    best, names = -math.inf, set()
    for name, _, accuracy in sorted(points, key=lambda p: p[1]):
        if accuracy >= best:
            best, names = accuracy, names | {name}
    return [p[0] for p in points if p[0] in names]


def _hull(points: list[Point]) -> list[str]:
    """The points of the front that some weighted sum would choose."""
    front = _points(points)
    corners: list[Point] = []
    for p in sorted({f[1:] for f in front}):
        while len(corners) >= 2 and _turns_inside(corners[-2], corners[-1], p):
            corners.pop()
        corners.append(p)
    return [p[0] for p in front if p[1:] in corners]


def _turns_inside(a: tuple, b: tuple, c: tuple) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0


def _ratio(points: list[Point]) -> list[str]:
    """The best ratio of accuracy to latency, one name."""
    return [max(points, key=lambda p: p[2] / p[1])[0]] if points else []


def _ranked_by_ratio(points: list[Point]) -> list[str]:
    return [p[0] for p in sorted(points, key=lambda p: p[2] / p[1], reverse=True)]


def _weighted(points: list[Point]) -> list[str]:
    if not points:
        return []
    slowest = max(p[1] for p in points)
    return [max(points, key=lambda p: p[2] - p[1] / slowest)[0]]


def _best_of_each(points: list[Point]) -> list[str]:
    if not points:
        return []
    fastest, best = min(p[1] for p in points), max(p[2] for p in points)
    return [p[0] for p in points if p[1] == fastest or p[2] == best]


def _by_latency(points: list[Point]) -> list[str]:
    return [p[0] for p in sorted(_points(points), key=lambda p: p[1:])]


def _by_accuracy(points: list[Point]) -> list[str]:
    return [p[0] for p in sorted(_points(points), key=lambda p: -p[2])]


def _points(points: list[Point]) -> list[Point]:
    front = set(_right(points))
    return [p for p in points if p[0] in front]


def _indices(points: list[Point]) -> list[int]:
    front = set(_right(points))
    return [i for i, p in enumerate(points) if p[0] in front]


def _names_of_a_sweep(points: list[Point]) -> list[str]:
    """Fastest first, as the sweep finds them; of identical points the first."""
    best, names = -math.inf, []
    for name, _, accuracy in sorted(points, key=lambda p: (p[1], -p[2])):
        if accuracy > best:
            best = accuracy
            names.append(name)
    return names


# --- right answers ------------------------------------------------------------------------------


def _sweep(points: list[Point]) -> list[str]:
    """Fastest first, at equal latency the most accurate first: a point stays if it beats the best before it."""
    _no_nan(points)
    best, kept = (0.0, -math.inf), set()
    for value in sorted({p[1:] for p in points}, key=lambda v: (v[0], -v[1])):
        if value[1] > best[1]:
            best = value
            kept.add(value)
    return [name for name, *value in points if tuple(value) in kept]


def _matrix(points: list[Point]) -> list[str]:
    """All pairs at once."""
    latency, accuracy = (np.array([p[k] for p in points], float) for k in (1, 2))
    if np.isnan(latency).any() or np.isnan(accuracy).any():
        raise ValueError("NaN")
    no_worse = (latency[:, None] <= latency) & (accuracy[:, None] >= accuracy)
    better = (latency[:, None] < latency) | (accuracy[:, None] > accuracy)
    beaten = (no_worse & better).any(axis=0)
    return [points[i][0] for i in range(len(points)) if not beaten[i]]


def _two_tests(points: list[Point]) -> list[str]:
    """A point is beaten if one is faster and no less accurate, or more accurate and no slower."""
    _no_nan(points)
    front = []
    for name, latency, accuracy in points:
        faster = [p for p in points if p[1] < latency and p[2] >= accuracy]
        better = [p for p in points if p[1] <= latency and p[2] > accuracy]
        if not faster and not better:
            front.append(name)
    return front


def _no_nan(points: list[Point]) -> None:
    for _, *values in points:
        if any(v != v for v in values):
            raise ValueError("a value is NaN")


def _named(pairs: list[tuple[float, float]], label: str = "") -> Case:
    return Case([(f"v{i}", float(ms), float(acc)) for i, (ms, acc) in enumerate(pairs)], label=label)


def _draw(rng: np.random.Generator) -> Case:
    """Few different values, so that ties and identical points are common; sometimes a curved front."""
    n = int(rng.integers(1, 10))
    if rng.random() < 0.6:
        return _named(list(zip(rng.integers(1, 6, n).tolist(), (rng.integers(90, 96, n) / 100).tolist())))
    ms = np.sort(rng.choice(np.arange(1, 40), n, replace=False))
    acc = np.sort(rng.choice(np.arange(80, 100), n, replace=False)) / 100
    order = rng.permutation(n)
    return _named(list(zip(ms[order].tolist(), acc[order].tolist())))


def _cloud(n: int) -> Case:
    rng = np.random.default_rng(41)
    ms = rng.integers(1, 2000, n)
    acc = np.round(0.9 + ms / 40_000 - rng.random(n) * 0.03, 4)
    return _named(list(zip(ms.tolist(), acc.tolist())), f"{n} points")


pareto_front = Exercise(
    id="41.pareto_front", points=4, difficulty=2, minutes=8, idea="dominated: no better in either, worse in one",
    reference=tradeoff.pareto_front,
    cases=[Case(FIVE), Case([("x", 5, 0.9), ("y", 5, 0.9), ("z", 9, 0.8)])],
    hidden=[Case([]), _named([(3, 0.9)]), _named([(3, 0.9)] * 3), _named([(4, 0.95), (4, 0.96)]), _named([(4, 0.96), (4, 0.95)]),
            _named([(4, 0.95), (3, 0.95)]), _named([(1, 0.9), (2, 0.905), (3, 0.95)]), _named([(3, 0.95), (2, 0.905), (1, 0.9)]),
            _named([(1, 0.9), (9, 0.99), (5, 0.91), (5, 0.91)]), _named([(8, 0.9), (7, 0.8), (6, 0.7)]), _cloud(200)],
    draw=_draw, draws=30, compare=exact(), pure=True,
    raises=[Case([*FIVE, ("f", math.nan, 0.9)], label="a latency is NaN"), Case([("f", 3, math.nan), *FIVE], label="an accuracy is NaN")],
    misconceptions=[
        Misconception(
            "strict_in_both", **_both(_kept(lambda p, q: p[1] < q[1] and p[2] > q[2])),
            message="You drop a point only if another is better in both. c has the latency of b and a lower accuracy: nobody would take it. "
                    "Dominated means that another is no worse in both and better in one.",
            title="Equal in one, better in the other."),
        Misconception(
            "ties_by_list_order", **_both(_sweep_by_latency, _sweep_with_ties),
            message="You sort by latency and go through once. Among points of equal latency the order of the list then decides, and "
                    "identical points may lose each other. Sort these by accuracy, or compare all pairs.",
            title="Ties break the sweep."),
        Misconception(
            "identical_dropped", **_both(_kept(_no_worse), _first_of_equals),
            message="Identical points are missing. None of them is better than the other in anything, so neither dominates.",
            title="Equals do not beat each other."),
        Misconception(
            "convex_hull", **_both(_hull),
            message="You keep the corners of the convex hull: the points that some weighted sum of latency and accuracy would choose. "
                    "A point inside the hull can be one that nothing dominates, and a deployment may want exactly that one.",
            title="The hull is smaller than the front."),
        Misconception(
            "score", **_both(_ratio, _ranked_by_ratio, _weighted),
            message="You rank by one score of latency and accuracy. A ratio or a weighted sum is a choice of weights, and the fastest bad "
                    "model easily wins it. A front is a set: what is left before anybody has chosen weights.",
            title="A front is not a score."),
        Misconception(
            "wrong_direction", **_both(_kept(lambda p, q: p[1] >= q[1] and p[2] >= q[2] and p[1:] != q[1:]),
                                       _kept(lambda p, q: p[1] <= q[1] and p[2] <= q[2] and p[1:] != q[1:])),
            message="One of the two has the wrong direction: a lower latency is better, and so is a higher accuracy.",
            title="Lower or higher?"),
        Misconception(
            "better_in_one", **_both(_kept(lambda p, q: p[1] < q[1] or p[2] > q[2])),
            message="You drop a point as soon as another is better in one of the two. It has to be no worse in the other as well.",
            title="One is not enough."),
        Misconception(
            "best_of_each", **_both(_best_of_each),
            message="You keep the fastest and the most accurate ones. The compromises between them belong to the front too, if nothing "
                    "beats them; and of the fastest ones only the most accurate.",
            title="The compromises are missing."),
        Misconception(
            "sorted", **_both(_by_latency, _by_accuracy, _names_of_a_sweep),
            message="Your names come in another order. Asked is the order of the input: collect what stays, then go through the list once more. "
                    "Identical points all stay.",
            title="Another order."),
        Misconception(
            "not_names", **_both(_points, _indices),
            message="You return the points or their positions. Asked are their names.",
            title="Names, please."),
        Misconception(
            "nan_passes", _right,
            "NaN is smaller than nothing and larger than nothing, so a point with NaN is never dominated and stays on every front. Refuse "
            "it before comparing.",
            "NaN slips through.",
            also=(lambda points: _right([p for p in points if p[1] == p[1] and p[2] == p[2]]),)),
    ],
    alternatives=[_sweep, _matrix, _two_tests],
    hints=(
        "Write down when p dominates q: two comparisons with `<=` and `>=`, and one of them strict.",
        "A point stays if no other one dominates it. Two identical points do not dominate each other.",
        "For NaN `x != x` is true; `math.isnan(x)` says the same.",
    ),
    worth_knowing="Chapter 14 asks for the same with any number of metrics. With many metrics nearly everything is on the front.",
)
