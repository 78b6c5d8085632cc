"""Buckets against a search of all subsets, and the histogram of the chapter."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.serving.batching import assign_bucket, best_buckets, bucket_curve, padding_waste, plan_buckets
from utils.serving.batching.buckets import even_buckets

HISTOGRAM = {1: 50, 2: 20, 3: 5, 4: 15, 6: 8, 8: 2}
SIZES = [size for size, count in HISTOGRAM.items() for _ in range(count)]
histograms = st.dictionaries(st.integers(1, 40), st.integers(0, 30), min_size=1, max_size=9).filter(lambda h: any(h.values()))


def rows_of(histogram, buckets):
    return sum(count * min(b for b in buckets if b >= size) for size, count in histogram.items() if count)


@settings(max_examples=150, deadline=None)
@given(histograms, st.integers(1, 5))
def test_no_subset_is_better(histogram, k):
    plan = plan_buckets(histogram, k)
    top = max(s for s, c in histogram.items() if c)
    others = [s for s in histogram if s < top]
    cheapest = min(rows_of(histogram, (*some, top)) for r in range(k) for some in combinations(others, r))
    assert plan.rows == cheapest == rows_of(histogram, plan.buckets)
    assert len(plan.buckets) <= k and list(plan.buckets) == sorted(set(plan.buckets)) == best_buckets(histogram, k)
    assert plan.waste == pytest.approx(padding_waste([s for s, c in histogram.items() for _ in range(c)], list(plan.buckets)))
    assert even_buckets(histogram, k).rows >= plan.rows


def test_buckets_between_the_sizes_do_not_help():
    histogram = {1: 3, 5: 2, 9: 4, 10: 1}
    every = min(rows_of(histogram, (*some, 10)) for some in combinations(range(1, 10), 2))
    assert plan_buckets(histogram, 3).rows == every


def test_the_chapters_histogram():
    # rows by hand: 100 · 8; 70 · 2 + 30 · 8; 50 · 1 + 40 · 4 + 10 · 8; the sum of the sizes
    assert [(p.buckets, p.rows) for p in bucket_curve(HISTOGRAM, (1, 2, 3, 6))] == [
        ((8,), 800), ((2, 8), 380), ((1, 4, 8), 290), ((1, 2, 3, 4, 6, 8), 229)]
    assert padding_waste(SIZES, [8]) == pytest.approx(571 / 800) and padding_waste(SIZES, [4, 8, 1, 4]) == pytest.approx(61 / 290)
    assert padding_waste(SIZES, [*HISTOGRAM, 100]) == 0
    assert plan_buckets(HISTOGRAM, 60).buckets == plan_buckets(HISTOGRAM, 6).buckets
    assert even_buckets(HISTOGRAM, 2).buckets == (4, 8) and even_buckets(HISTOGRAM, 3).buckets == (3, 6, 8)


def test_sixty_sizes_are_quick():
    histogram = {size: 1 + size * 7 % 13 for size in range(1, 61)}
    rows = [p.rows for p in bucket_curve(histogram, range(1, 61))]
    assert rows == sorted(rows, reverse=True) and rows[-1] == sum(s * c for s, c in histogram.items())


@pytest.mark.parametrize("call", [
    lambda: plan_buckets({}, 2), lambda: plan_buckets({3: 0}, 2), lambda: best_buckets({3: 1}, 0), lambda: padding_waste([], [1]),
    lambda: padding_waste([1], []), lambda: padding_waste([3], [2]), lambda: assign_bucket(5, [1, 4]),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_the_smallest_that_fits():
    assert [assign_bucket(n, [8, 1, 4, 4]) for n in (1, 2, 4, 5, 8)] == [1, 4, 4, 8, 8]
