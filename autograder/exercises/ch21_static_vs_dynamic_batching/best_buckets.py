"""Exercise 21.best_buckets: the bucket sizes that process the fewest rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from utils.serving.batching import buckets as rooms

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception
from ...probes.ask import TimeLimit

HISTOGRAM = {1: 50, 2: 20, 3: 5, 4: 15, 6: 8, 8: 2}


def _rows(histogram: dict[int, int], buckets: list[int]) -> float:
    """Rows processed; infinite where a size fits no bucket."""
    return sum(count * min((b for b in buckets if b >= size), default=float("inf")) for size, count in histogram.items() if count > 0)


def _optimal(case: Case, expected: list[int], got: Any) -> str | None:
    """At most k whole numbers, ascending without repeats, that hold every size for the fewest rows."""
    histogram, k = case.args
    got = got.tolist() if isinstance(got, np.ndarray) else got
    if not isinstance(got, (list, tuple)) or not all(type(b) is int for b in got):
        return "expected a list of whole numbers"
    if len(got) > k:
        return f"{len(got)} buckets, at most {k} are allowed"
    if any(b <= a for a, b in pairwise(got)):
        return "the buckets must ascend, without repeats"
    homeless = [size for size, count in histogram.items() if count > 0 and not any(b >= size for b in got)]
    if homeless:
        return f"size {homeless[0]} fits no bucket"
    rows, fewest = _rows(histogram, list(got)), _rows(histogram, expected)
    return None if rows == fewest else f"{rows:,} rows, {fewest:,} are possible"


def _present(histogram: dict[int, int], k: int) -> list[int]:
    sizes = sorted(size for size, count in histogram.items() if count > 0)
    if k < 1 or not sizes:
        raise ValueError("k and a count must be positive")
    return sizes


def _rule(choose: Callable[[list[int], dict[int, int], int], list[int]]) -> Callable[[dict[int, int], int], list[int]]:
    """An answer that chooses from the sizes that occur, by a rule of thumb."""

    def answer(histogram: dict[int, int], k: int) -> list[int]:
        return sorted(set(choose(_present(histogram, k), histogram, k)))

    return answer


def _even(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return [-(-sizes[-1] * i // k) for i in range(1, k + 1)]


def _even_ranks(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    """Every m/k-th of the sizes that occur."""
    return [sizes[-(-len(sizes) * i // k) - 1] for i in range(1, k + 1)]


def _quantiles(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    every = [s for s in sizes for _ in range(histogram[s])]
    return [every[-(-len(every) * i // k) - 1] for i in range(1, k + 1)]


def _frequent(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return sorted(sizes, key=lambda s: -histogram[s])[:k]


def _frequent_and_top(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return [*sorted(sizes[:-1], key=lambda s: -histogram[s])[: k - 1], sizes[-1]]


def _merged(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    """All sizes at first; then the bucket goes that costs least to give up."""
    left = list(sizes)
    while len(left) > k:
        left.remove(min(left[:-1], key=lambda b: _rows(histogram, [c for c in left if c != b])))
    return left


def _grown(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    """The largest size at first; then the bucket comes that saves most."""
    found = [sizes[-1]]
    while len(found) < min(k, len(sizes)):
        found.append(min((s for s in sizes if s not in found), key=lambda s: _rows(histogram, [*found, s])))
    return found


def _powers(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return [2**i for i in range(sizes[-1].bit_length())][-(k - 1):] * (k > 1) + [sizes[-1]]


def _uniform(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return rooms.best_buckets(dict.fromkeys(sizes, 1), k)


def _per_request(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    """Weights each size by its rows instead of its requests."""
    return rooms.best_buckets({s: s * histogram[s] for s in sizes}, k)


def _one_more(sizes: list[int], histogram: dict[int, int], k: int) -> list[int]:
    return rooms.best_buckets(histogram, k + 1)


def _all_keys(histogram: dict[int, int], k: int) -> list[int]:
    """Sizes with count 0 need a bucket too: one request in a billion stands for them."""
    _present(histogram, k)
    return rooms.best_buckets({s: 10**9 * c + (c == 0) for s, c in histogram.items()}, k)


def _tries_all(histogram: dict[int, int], k: int) -> list[int]:
    """Stands for a search of all subsets: right for few sizes, and not done in time for sixty."""
    if len(histogram) > 40:
        raise TimeLimit
    return rooms.best_buckets(histogram, k)


def _descending(histogram: dict[int, int], k: int) -> list[int]:
    return rooms.best_buckets(histogram, k)[::-1]


def _with_cost(histogram: dict[int, int], k: int) -> tuple[int, list[int]]:
    plan = rooms.plan_buckets(histogram, k)
    return plan.rows, list(plan.buckets)


def _from_below(histogram: dict[int, int], k: int) -> list[int]:
    """Forward: for each count of buckets and last bucket the cheapest way there, with the buckets themselves."""
    sizes = _present(histogram, k)
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}  # sizes covered -> rows, buckets
    for _ in range(k):
        longer = dict(best)
        for i, (rows, buckets) in best.items():
            requests = 0
            for j in range(i, len(sizes)):
                requests += histogram[sizes[j]]
                told = rows + sizes[j] * requests, [*buckets, sizes[j]]
                longer[j + 1] = min(longer.get(j + 1, told), told)
        best = longer
    return best[len(sizes)][1]


def _memoised(histogram: dict[int, int], k: int) -> list[int]:
    """Recursion from the small sizes upwards."""
    sizes = _present(histogram, k)

    @cache
    def best(i: int, left: int) -> tuple[float, tuple[int, ...]]:
        if i == len(sizes):
            return 0, ()
        if left == 0:
            return float("inf"), ()
        told, requests = (float("inf"), ()), 0
        for j in range(i, len(sizes)):
            requests += histogram[sizes[j]]
            rows, rest = best(j + 1, left - 1)
            told = min(told, (rows + requests * sizes[j], (sizes[j], *rest)))
        return told

    return list(best(0, k)[1])


def _with_numpy(histogram: dict[int, int], k: int) -> list[int]:
    """One vector operation a cell of the table, and the way back through the cuts."""
    sizes = np.array(_present(histogram, k))
    below = np.array([0, *accumulate(histogram[int(s)] for s in sizes)], float)
    m = len(sizes)
    best, cuts = np.r_[0.0, np.full(m, np.inf)], []
    for _ in range(min(k, m)):
        table = [best[:j] + sizes[j - 1] * (below[j] - below[:j]) for j in range(1, m + 1)]
        cuts.append([0, *(int(np.argmin(t)) for t in table)])
        best = np.r_[np.inf, [t.min() for t in table]]
    found, j = [], m
    for cut in reversed(cuts):
        found.append(int(sizes[j - 1]))
        j = cut[j]
        if j == 0:
            break
    return found[::-1]


def _draw(rng: np.random.Generator) -> Case:
    m = int(rng.integers(1, 10))
    sizes = np.sort(rng.choice(np.arange(1, 33), m, replace=False)).tolist()
    counts = np.where(rng.random(m) < 0.15, 0, rng.integers(1, 40, m)).tolist()
    if not any(counts):
        counts[0] = 1
    shuffled = rng.permutation(m).tolist()
    return Case({sizes[i]: counts[i] for i in shuffled}, int(rng.integers(1, 6)))


def _sixty(k: int) -> Case:
    histogram = {size: 1 + (size * size * 7) % 23 for size in range(1, 61)}
    return Case(histogram, k, label=f"sizes 1 to 60, k = {k}")


best_buckets = Exercise(
    id="21.best_buckets", points=5, difficulty=3, minutes=25, idea="the last bucket splits the problem",
    reference=rooms.best_buckets,
    cases=[Case(HISTOGRAM, 1), Case(HISTOGRAM, 2), Case(HISTOGRAM, 3)],
    hidden=[
        Case(HISTOGRAM, 4), Case(HISTOGRAM, 6), Case(HISTOGRAM, 20), Case({5: 3}, 1), Case({5: 3}, 4), Case({2: 4, 9: 0}, 2), Case({2: 4, 9: 0}, 1),
        Case({9: 0, 7: 5, 2: 4, 3: 0}, 2), Case({8: 1, 1: 1}, 2), Case({1: 10, 2: 10, 3: 10, 10: 1, 11: 1, 12: 10}, 3), Case({4: 9, 5: 9, 6: 9, 7: 9}, 2),
        Case({1: 100, 2: 1, 3: 1, 4: 100}, 2), Case({1: 5, 9: 30, 10: 5, 30: 4}, 3), Case({1: 1, 100: 50}, 2), _sixty(5), _sixty(12),
    ],
    draw=_draw, draws=40, compare=prop(_optimal, same=exact()), time_limit_s=3.0,
    raises=[Case(HISTOGRAM, 0), Case({3: 1}, -1), Case({}, 2), Case({4: 0, 2: 0}, 1)],
    misconceptions=[
        Misconception(
            "evenly_spaced", _rule(_even),
            "Your buckets are evenly spaced. They ignore where the requests are: half of them may have size 1, and no bucket of that size.",
            "Traffic is not even.", also=(_rule(_even_ranks),)),
        Misconception(
            "quantiles", _rule(_quantiles),
            "You give each bucket the same number of requests. What counts is rows: a bucket for few but very different large "
            "requests may save more.",
            "Equal requests are not equal rows."),
        Misconception(
            "no_maximum", _rule(_frequent),
            "The largest size fits none of your buckets. It may be rare, but it has to be run: the largest size is always a bucket.",
            "The largest request has no bucket."),
        Misconception(
            "most_frequent", _rule(_frequent_and_top),
            "You take the most frequent sizes and the largest. Two frequent sizes that lie close together save little as two buckets. "
            "Compare rows, for whole sets of buckets.",
            "Frequent is not best."),
        Misconception(
            "greedy_merge", _rule(_merged),
            "You start with all sizes and give up the cheapest bucket, again and again. A step that is cheapest now can make the next "
            "ones dear. Let the last bucket vary, and take the best solution for the sizes below it.",
            "Greedy from above."),
        Misconception(
            "greedy_growth", _rule(_grown),
            "You start with the largest size and add the bucket that saves most, again and again. The best two are not always the best "
            "one and another. Let the last bucket vary, and take the best solution for the sizes below it.",
            "Greedy from below."),
        Misconception(
            "powers_of_two", _rule(_powers),
            "Powers of two are a habit, not an optimum: they know nothing of this histogram.",
            "A habit."),
        Misconception(
            "counts_ignored", _rule(_uniform),
            "You weigh all sizes alike. A size that comes 50 times is padded 50 times.",
            "The counts are missing."),
        Misconception(
            "weighs_twice", _rule(_per_request),
            "You count a request of size s as s requests. A request costs its bucket's rows once, whatever its own size.",
            "The size is counted twice."),
        Misconception(
            "one_more", _rule(_one_more),
            "You return k + 1 buckets. The one for the largest size is among the k.",
            "One bucket too many."),
        Misconception(
            "zero_counts", _all_keys,
            "A size with count 0 never comes, and needs no bucket. You keep one free for it.",
            "A request that never comes."),
        Misconception(
            "tries_all", _tries_all,
            "The answers are right, and for 60 sizes there are too many subsets to try. Most of them share their small buckets: what is best "
            "for the sizes below the last bucket needs to be found only once.",
            "Too many subsets."),
        Misconception(
            "descending", _descending,
            "The buckets are right. They have to ascend.",
            "The order is turned round."),
        Misconception(
            "with_cost", _with_cost,
            "You return the cost as well. Asked is the list of buckets alone.",
            "More than the buckets."),
    ],
    alternatives=[_from_below, _memoised, _with_numpy],
    hints=(
        "Some optimum has only sizes that occur, and the largest of them. So sort the sizes with a positive count.",
        "Let best(j, t) be the fewest rows for the j smallest sizes with t buckets. The last bucket is the j-th size itself. It takes all sizes "
        "after the i-th, for some i.",
        "best(j, t) = min over i of best(i, t − 1) + size_j · (requests of sizes i+1 to j). Note the i that won, and walk back from j = m.",
    ),
    worth_knowing="An optimum with k buckets is found in O(k·m²). Of 60 sizes, 12 buckets with the largest among them can be chosen in 280 billion ways.",
)
