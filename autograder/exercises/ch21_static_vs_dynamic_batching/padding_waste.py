"""Exercise 21.padding_waste: the share of the work that is padding."""

from __future__ import annotations

import bisect
from collections.abc import Callable

import numpy as np

from utils.serving.batching import buckets as rooms

from ...compare import close
from ...exercise import Case, Exercise, Misconception

SIZES = [1] * 50 + [2] * 20 + [3] * 5 + [4] * 15 + [6] * 8 + [8] * 2


def _fits(n: int, buckets: list[int]) -> int:
    return min(b for b in buckets if b >= n)  # an empty min is a ValueError


def _share(padding: float, processed: float, useful: float) -> float:
    return padding / processed


def _waste(*, bucket: Callable[[int, list[int]], int] = _fits, share: Callable[[float, float, float], float] = _share,
           check: bool = True) -> Callable[[list[int], list[int]], float]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(sizes: list[int], buckets: list[int]) -> float:
        if check and (not sizes or not buckets or max(sizes) > max(buckets)):
            raise ValueError("every size needs a bucket")
        processed, useful = sum(bucket(n, buckets) for n in sizes), sum(sizes)
        return share(processed - useful, processed, useful)

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _waste(**rules), "also": (_waste(**rules, check=False),)}


def _nearest(n: int, buckets: list[int]) -> int:
    return min(buckets, key=lambda b: (abs(b - n), b))


def _nearest_up(n: int, buckets: list[int]) -> int:
    return min(buckets, key=lambda b: (abs(b - n), -b))


def _mean_of_ratios(sizes: list[int], buckets: list[int]) -> float:
    if not sizes or not buckets:
        raise ValueError("nothing to count")
    return float(np.mean([1 - n / _fits(n, buckets) for n in sizes]))


def _padded_requests(sizes: list[int], buckets: list[int]) -> float:
    if not sizes or not buckets:
        raise ValueError("nothing to count")
    return sum(_fits(n, buckets) > n for n in sizes) / len(sizes)


def _too_large_is_let_in(sizes: list[int], buckets: list[int]) -> float:
    if not sizes or not buckets:
        raise ValueError("nothing to count")
    return _waste(bucket=lambda n, b: min((c for c in b if c >= n), default=max(b)), check=False)(sizes, buckets)


def _too_large_is_split(sizes: list[int], buckets: list[int]) -> float:
    if not sizes or not buckets:
        raise ValueError("nothing to count")
    top = max(buckets)
    parts = [p for n in sizes for p in [top] * (n // top) + ([n % top] if n % top else [])]
    return _waste(check=False)(parts, buckets)


def _nothing_is_zero(sizes: list[int], buckets: list[int]) -> float:
    return rooms.padding_waste(sizes, buckets) if sizes else 0.0


def _nothing_divides(sizes: list[int], buckets: list[int]) -> float:
    """Divides by no rows: a ZeroDivisionError."""
    return 1 - sum(sizes) / sum(_fits(n, buckets) for n in sizes)


def _with_bisect(sizes: list[int], buckets: list[int]) -> float:
    """Sorted buckets and a binary search."""
    ordered = sorted(buckets)
    if not sizes or not ordered or max(sizes) > ordered[-1]:
        raise ValueError("every size needs a bucket")
    padding = sum(ordered[bisect.bisect_left(ordered, n)] - n for n in sizes)
    return padding / (padding + sum(sizes))


def _with_numpy(sizes: list[int], buckets: list[int]) -> float:
    ordered = np.unique(buckets)
    at = np.searchsorted(ordered, sizes)
    if len(sizes) == 0 or len(ordered) == 0 or at.max() == len(ordered):
        raise ValueError("every size needs a bucket")
    return float(1 - np.sum(sizes) / ordered[at].sum())


def _bucket_by_bucket(sizes: list[int], buckets: list[int]) -> float:
    """Each bucket takes the sizes that fit it and not the one before."""
    left, rows = sorted(sizes), 0
    if not left or not buckets:
        raise ValueError("nothing to count")
    for b in sorted(set(buckets)):
        taken = [n for n in left if n <= b]
        rows, left = rows + b * len(taken), left[len(taken):]
    if left:
        raise ValueError("too large")
    return (rows - sum(sizes)) / rows


def _draw(rng: np.random.Generator) -> Case:
    buckets = rng.integers(1, 33, int(rng.integers(1, 6))).tolist()
    sizes = rng.integers(1, max(buckets) + 1, int(rng.integers(1, 30))).tolist()
    return Case(sizes, buckets, label=f"{len(sizes)} sizes, buckets {buckets}")


def _named(buckets: list[int]) -> Case:
    return Case(SIZES, buckets, label=f"50 × 1, 20 × 2, 5 × 3, 15 × 4, 8 × 6 and 2 × 8, buckets {buckets}")


padding_waste = Exercise(
    id="21.padding_waste", points=3, difficulty=1, minutes=8, idea="padding is paid in rows, not in requests",
    reference=rooms.padding_waste,
    cases=[_named([8]), _named([1, 4, 8])],
    hidden=[
        _named([8, 1, 4]), _named([4, 8, 4, 1, 8]), _named([100]), _named([1, 2, 3, 4, 6, 8]), Case([3, 3], [3]), Case([1], [4]),
        Case([4, 5], [4, 9, 5]), Case([1, 10], [9, 10, 2]), Case([5, 1, 1], [8, 4]), Case([7], [8, 6]), Case([6], [5, 9]), Case([1, 2], [2, 1]),
    ],
    draw=_draw, draws=30, compare=close(1e-9, 1e-12),
    raises=[Case([9], [8]), Case([1, 9, 2], [4, 8, 1]), Case([], [8]), Case([1], []), Case([], [])],
    misconceptions=[
        Misconception(
            "mean_of_ratios", _mean_of_ratios,
            "You average the waste of the requests. A small request with a large ratio then counts as much as a large one. "
            "Add up the rows first, and divide once.",
            "The mean of ratios is another number."),
        Misconception(
            "nearest_bucket", _waste(bucket=_nearest),
            "You take the bucket that is nearest to the size. It may be too small for the request. Only buckets of at least n "
            "come into question.",
            "Some buckets are too small.",
            also=(_waste(bucket=_nearest, check=False), _waste(bucket=_nearest_up), _waste(bucket=_nearest_up, check=False))),
        Misconception(
            "over_useful", **_both(share=lambda padding, processed, useful: padding / useful),
            message="You divide by the rows that were asked for. That is the overhead, and it can exceed 1. Asked is the padding's "
                    "share of all rows that are processed.",
            title="A share of what?"),
        Misconception(
            "useful_share", **_both(share=lambda padding, processed, useful: useful / processed),
            message="That is the share of useful rows. The waste is the rest of it.",
            title="The other part."),
        Misconception(
            "percent", **_both(share=lambda padding, processed, useful: 100 * padding / processed),
            message="You return percent. A share lies between 0 and 1.",
            title="Percent."),
        Misconception(
            "rows_of_padding", **_both(share=lambda padding, processed, useful: padding),
            message="You return the number of padded rows. Divide it by the rows that are processed.",
            title="A number of rows, not a share."),
        Misconception(
            "strictly_larger", _waste(bucket=lambda n, buckets: min(b for b in buckets if b > n), check=False),
            "A request of exactly the bucket's size fits it, without padding. You ask for a larger bucket.",
            "An exact fit is a fit.",
            also=(_waste(bucket=lambda n, buckets: min((b for b in buckets if b > n), default=max(buckets))),)),
        Misconception(
            "largest_for_all", **_both(bucket=lambda n, buckets: max(buckets)),
            message="Every request is padded to the largest bucket. That is a model with one fixed batch. With several buckets each "
                    "request takes the smallest that holds it.",
            title="Only one bucket is used."),
        Misconception(
            "first_that_fits", **_both(bucket=lambda n, buckets: next(b for b in buckets if b >= n)),
            message="You take the first bucket in the list that fits. The list may be in any order, and a smaller one may stand behind it.",
            title="The first is not the smallest."),
        Misconception(
            "counts_requests", _padded_requests,
            "You count the requests that are padded. A request padded from 1 to 8 rows wastes seven rows, one padded from 7 to 8 a single "
            "one: count rows.",
            "Requests are counted, not rows."),
        Misconception(
            "too_large_is_let_in", _too_large_is_let_in,
            "A size above every bucket goes through. It can't be run: raise a ValueError.",
            "A request without a bucket.", also=(_too_large_is_split,)),
        Misconception(
            "nothing_is_zero", _nothing_is_zero,
            "Without any size there is no share to speak of. The text asks for a ValueError.",
            "An empty list is refused.", also=(_nothing_divides,)),
    ],
    alternatives=[_with_bisect, _with_numpy, _bucket_by_bucket],
    hints=(
        "For one size n: which of the buckets are at least n? The smallest of these is used.",
        "Sum the buckets that are used: these rows are processed. Sum the sizes: these were asked for.",
        "The waste is (processed − asked for) / processed. `min` of nothing raises a ValueError by itself.",
    ),
    worth_knowing="A share of the rows is a share of the time only where time grows with the rows. Measure that first.",
)
