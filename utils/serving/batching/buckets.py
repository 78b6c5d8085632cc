"""Buckets: a few fixed batch sizes, each request padded up to the smallest that fits."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from utils.cost.checks import positive


def assign_bucket(n: int, buckets: Iterable[int]) -> int:
    """The smallest bucket that holds n rows. Raises ValueError if none does."""
    fitting = [b for b in buckets if b >= n]
    if not fitting:
        raise ValueError(f"n must fit a bucket, got {n}, larger than all of them")
    return min(fitting)


def padding_waste(sizes: list[int], buckets: list[int]) -> float:
    """Share of the processed rows that is padding when each request uses the smallest bucket that holds it.

    `buckets` may come in any order and repeat. Raises ValueError if a size exceeds every bucket, or if sizes or buckets
    are empty.
    """
    if not sizes or not buckets:
        raise ValueError(f"sizes and buckets must not be empty, got {len(sizes)} and {len(buckets)}")
    processed = sum(assign_bucket(n, buckets) for n in sizes)
    return 1 - sum(sizes) / processed


@dataclass(frozen=True)
class BucketPlan:
    """Buckets, ascending, and what they make of a histogram: rows processed, and rows that were asked for."""

    buckets: tuple[int, ...]
    rows: int
    useful: int

    @property
    def waste(self) -> float:
        """Share of the processed rows that is padding."""
        return 1 - self.useful / self.rows


def plan_buckets(histogram: Mapping[int, int], k: int) -> BucketPlan:
    """At most k buckets that process the fewest rows for a histogram {size: requests}.

    Some optimum has all its buckets among the sizes: a bucket between two sizes can shrink to the one below it. The
    largest size is always in. With the sizes ascending, best[t][j] is the least for the first j sizes with t buckets,
    and its last bucket, size j, takes all sizes after some i: O(k m^2) for m sizes.
    Raises ValueError for k < 1, or if no count is positive.
    """
    positive(k=k)
    sizes = sorted(size for size, count in histogram.items() if count > 0)
    if not sizes:
        raise ValueError("histogram must hold a positive count, got none")
    m, k = len(sizes), min(k, len(sizes))
    below = [0, *accumulate(histogram[s] for s in sizes)]  # requests among the first j sizes
    best = [[0.0] + [float("inf")] * m]  # no bucket: no size
    cut = [[0] * (m + 1)]
    for t in range(1, k + 1):
        row, cuts = [0.0] * (m + 1), [0] * (m + 1)
        for j in range(1, m + 1):
            row[j], cuts[j] = min((best[t - 1][i] + sizes[j - 1] * (below[j] - below[i]), i) for i in range(j))
        best.append(row)
        cut.append(cuts)
    buckets, j = [], m
    for t in range(k, 0, -1):
        if j:
            buckets.append(sizes[j - 1])
            j = cut[t][j]
    return BucketPlan(tuple(buckets[::-1]), int(best[k][m]), sum(s * histogram[s] for s in sizes))


def best_buckets(histogram: dict[int, int], k: int) -> list[int]:
    """At most k bucket sizes, ascending, that process the fewest rows for a histogram {size: requests}."""
    return list(plan_buckets(histogram, k).buckets)


def bucket_curve(histogram: Mapping[int, int], ks: Iterable[int]) -> list[BucketPlan]:
    """The best plan for each number of buckets."""
    return [plan_buckets(histogram, k) for k in ks]


def even_buckets(histogram: Mapping[int, int], k: int) -> BucketPlan:
    """Evenly spaced buckets up to the largest size, for comparison: ceil(largest i / k) for i = 1 to k."""
    positive(k=k)
    top = max(size for size, count in histogram.items() if count > 0)
    buckets = sorted({-(-top * i // k) for i in range(1, k + 1)})
    used = Counter({size: count for size, count in histogram.items() if count > 0})
    rows = sum(count * buckets[bisect.bisect_left(buckets, size)] for size, count in used.items())
    return BucketPlan(tuple(buckets), rows, sum(size * count for size, count in used.items()))
