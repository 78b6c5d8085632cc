"""Exercise 14.pareto: the points that no other point beats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost.edge_metrics import candidates

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

FOUR = [{"acc": 0.97, "ms": 20}, {"acc": 0.96, "ms": 25}, {"acc": 0.95, "ms": 9}, {"acc": 0.97, "ms": 20}]


def _gains(points: list[dict], maximize: list[str], minimize: list[str]) -> list[tuple]:
    """Each point as a tuple in which larger is better everywhere."""
    return [tuple([p[m] for m in maximize] + [-p[m] for m in minimize]) for p in points]


def _kept(beats: Callable[[tuple, tuple], bool], gains: Callable = _gains) -> Callable:
    """An answer that leaves out every point that another one beats."""

    def answer(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
        found = gains(points, maximize, minimize)
        return [i for i, q in enumerate(found) if not any(beats(p, q) for j, p in enumerate(found) if j != i)]

    return answer


def _no_worse(p: tuple, q: tuple) -> bool:
    return all(a >= b for a, b in zip(p, q))


def _dominates(p: tuple, q: tuple) -> bool:
    return _no_worse(p, q) and p != q


def _without_duplicates(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    found = _gains(points, maximize, minimize)
    return [i for i in _kept(_dominates)(points, maximize, minimize) if found.index(found[i]) == i]


def _weighted(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """The best normalised sum, one point."""
    if not points:
        return []
    found = np.array(_gains(points, maximize, minimize), float)
    span = np.ptp(found, axis=0)
    scores = ((found - found.min(0)) / np.where(span > 0, span, 1)).sum(1)
    return [int(scores.argmax())]


def _weighted_ties(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    if not points:
        return []
    found = np.array(_gains(points, maximize, minimize), float)
    span = np.ptp(found, axis=0)
    scores = ((found - found.min(0)) / np.where(span > 0, span, 1)).sum(1)
    return np.flatnonzero(scores > scores.max() - 1e-9).tolist()


def _best_of_each(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    found = _gains(points, maximize, minimize)
    best = [max(column) for column in zip(*found)]
    return [i for i, q in enumerate(found) if any(a == b for a, b in zip(q, best))]


def _sorted_front(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    found = _gains(points, maximize, minimize)
    return sorted(_kept(_dominates)(points, maximize, minimize), key=lambda i: found[i], reverse=True)


def _points_themselves(points: list[dict], maximize: list[str], minimize: list[str]) -> list[dict]:
    return [points[i] for i in _kept(_dominates)(points, maximize, minimize)]


def _dominated(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    kept = _kept(_dominates)(points, maximize, minimize)
    return [i for i in range(len(points)) if i not in kept]


def _arrays(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """All pairs at once."""
    if len(points) == 0:
        return []
    cost = np.array([[-p[m] for m in maximize] + [p[m] for m in minimize] for p in points], float)
    no_worse = (cost[:, None] <= cost[None]).all(2)
    better = (cost[:, None] < cost[None]).any(2)
    return np.flatnonzero(~(no_worse & better).any(0)).tolist()


def _sweep(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """Best first: whatever beats a point comes before it, so the front so far is enough."""
    found = _gains(points, maximize, minimize)
    front: list[tuple] = []
    for g in sorted(set(found), reverse=True):
        if not any(_no_worse(f, g) for f in front):
            front.append(g)
    return [i for i, g in enumerate(found) if g in front]


def _count_wins(points: list[dict], maximize: list[str], minimize: list[str]) -> list[int]:
    """A point stays if it beats every different point in some metric."""
    told = []
    for i, q in enumerate(points):
        stays = True
        for p in points:
            differs = any(p[m] != q[m] for m in [*maximize, *minimize])
            wins = any(q[m] > p[m] for m in maximize) or any(q[m] < p[m] for m in minimize)
            stays = stays and (wins or not differs)
        if stays:
            told.append(i)
    return told


def _draw(rng: np.random.Generator) -> Case:
    """Small whole numbers, so that ties and duplicates are common."""
    names = ["acc", "ms", "mb", "mj"][: int(rng.integers(1, 5))]
    n = int(rng.integers(0, 9))
    up = int(rng.integers(0, len(names) + 1))
    order = rng.permutation(names).tolist()
    rows = [{**{m: int(v) for m, v in zip(names, rng.integers(0, 4, len(names)))}, "usd": int(rng.integers(9))}
            for _ in range(n)]
    return Case(rows, order[:up], order[up:])


pareto = Exercise(
    id="14.pareto", points=4, difficulty=2, minutes=10, idea="dominated means no better anywhere and worse somewhere",
    reference=candidates.pareto,
    cases=[Case(FOUR, ["acc"], ["ms"]), Case(FOUR, [], ["ms"])],
    hidden=[Case([], ["acc"], ["ms"]), Case([{"acc": 1, "ms": 2}], ["acc"], ["ms"]),
            Case([{"acc": 1, "ms": 2}] * 3, ["acc"], ["ms"]),
            Case([{"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 2, "b": 1}], ["a"], ["b"]),
            Case([{"a": 5, "b": 1}, {"a": 3, "b": 3}, {"a": 1, "b": 5}], ["a", "b"], []),
            Case([{"a": 1, "b": 5}, {"a": 2, "b": 4}, {"a": 3, "b": 9}, {"a": 3, "b": 4}], [], ["a", "b"]),
            Case([{"acc": 0.9, "ms": 9, "usd": 1}, {"acc": 0.95, "ms": 9, "usd": 9}], ["acc"], ["ms"])],
    draw=_draw, draws=30, compare=exact(),
    misconceptions=[
        Misconception(
            "strict_everywhere", _kept(lambda p, q: all(a > b for a, b in zip(p, q))),
            "You drop a point only when another is better in every metric. Equal in one and better in another is enough: nobody "
            "would take the slower of two equally accurate networks.",
            "Equal in one, better in another.",),
        Misconception(
            "duplicates_dropped", _without_duplicates,
            "You drop points that are equal to others. None of them is better in any metric, so none dominates another, and "
            "all are kept.",
            "Equal points do not beat each other.",
            also=(_kept(_no_worse),)),
        Misconception(
            "weighted_sum", _weighted,
            "You add the metrics up and keep the best sum. That picks one point, and which one depends on the weights. A front is "
            "what remains before anybody has chosen weights.",
            "A front is not a score.",
            also=(_weighted_ties,)),
        Misconception(
            "wrong_direction",
            _kept(_dominates, lambda points, up, down: [tuple(p[m] for m in [*up, *down]) for p in points]),
            "Latency seems to count as better when it is larger. Turn the sign of one group, or compare it the other way round.",
            "Larger is not better for all.",
            also=(_kept(_dominates, lambda points, up, down: [tuple(-p[m] for m in [*up, *down]) for p in points]),
                  _kept(_dominates, lambda points, up, down: _gains(points, down, up)))),
        Misconception(
            "better_in_one", _kept(lambda p, q: any(a > b for a, b in zip(p, q))),
            "A point is dropped as soon as another is better in one metric. It has to be at least as good in all the others too.",
            "Better in one metric is not enough."),
        Misconception(
            "best_of_each", _best_of_each,
            "You keep the best point of each metric. Compromises between them, which nothing beats, belong to the front as well.",
            "The compromises are missing."),
        Misconception(
            "sorted", _sorted_front,
            "These are the right points in another order. Asked are indices in the order of the input.",
            "Another order.",
            also=(lambda points, up, down: _kept(_dominates)(points, up, down)[::-1],)),
        Misconception(
            "points_not_indices", _points_themselves,
            "You return the points. Asked are their positions in the list.",
            "Positions, not points."),
        Misconception(
            "the_dominated", _dominated,
            "You return the points that are beaten. The front is the others.",
            "The other ones."),
    ],
    alternatives=[_arrays, _sweep, _count_wins],
    hints=(
        "Write a small function first: does point p dominate point q?",
        "It needs two things: p no worse in all metrics, and p better in at least one. Two equal points fail the second.",
        "Turn every metric into one where smaller is better (a minus sign for those to maximise), and compare tuples.",
    ),
    worth_knowing="With k metrics and random points the front grows quickly: with many metrics almost everything is on it.",
)
