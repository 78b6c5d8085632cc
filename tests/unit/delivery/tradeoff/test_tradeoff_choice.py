"""Front and choice: against brute force on points with many ties, at the limits, and over the tie rules."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery.tradeoff.choice import (
    ReleaseTarget,
    Variant,
    broken_limits,
    choose,
    choose_variant,
    explain_choice,
    pareto_front,
    variant_front,
)

few = st.integers(0, 4)
FIVE = [("a", 10, 0.97), ("b", 4, 0.965), ("c", 4, 0.95), ("d", 2, 0.90), ("e", 12, 0.97)]


def variant(name="v", right=90, p50=1.0, p95=2.0, size=100, batch=1):
    return Variant(name, right, 100, p50, p95, size, batch)


def dominates(p, q):
    return p[1] <= q[1] and p[2] >= q[2] and (p[1] < q[1] or p[2] > q[2])


@given(st.lists(st.tuples(few, few), max_size=14))
def test_the_front_is_what_nothing_dominates(pairs):
    points = [(str(i), latency, accuracy) for i, (latency, accuracy) in enumerate(pairs)]
    front = pareto_front(points)
    assert front == [q[0] for q in points if not any(dominates(p, q) for p in points)]
    inside = [p for p in points if p[0] in front]
    for q in points:
        assert q[0] in front or any(dominates(p, q) for p in inside)


def test_front_of_the_example_and_of_variants():
    assert pareto_front(FIVE) == ["a", "b", "d"]
    assert pareto_front([]) == []
    rows = [variant(n, round(100 * acc), p95=ms) for n, ms, acc in FIVE]
    assert [v.name for v in variant_front(rows)] == ["a", "b", "d"]
    assert [v.name for v in variant_front(rows, minimize=("bytes",), maximize=())] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("point", [("x", math.nan, 0.9), ("x", 1, math.nan)])
def test_nan_is_refused(point):
    with pytest.raises(ValueError, match="NaN"):
        pareto_front([*FIVE, point])


def test_limits_are_inclusive():
    at = ReleaseTarget(max_p95_ms=2.0, max_bytes=100, min_accuracy=0.9)
    assert broken_limits(variant(), at) == []
    just = ReleaseTarget(max_p95_ms=1.99, max_bytes=99, min_accuracy=0.901, max_usd_per_million=0.1)
    # 1.20 USD/h, one batch of 1 in 1 ms, 60 % busy: 1.2 / 3600 / 600 * 1e6 = 0.556 USD
    assert broken_limits(variant(), just) == ["p95_ms", "bytes", "accuracy", "usd_per_million"]
    assert broken_limits(variant(), ReleaseTarget(max_usd_per_million=0.556)) == []
    with pytest.raises(ValueError, match="batch must be positive"):
        ReleaseTarget(batch=0)


def test_a_target_tells_what_is_set():
    assert ReleaseTarget("t", min_accuracy=0.0).as_dict() == {"name": "t", "min_accuracy": 0.0, "batch": 1}
    told = ReleaseTarget("c", max_usd_per_million=2, batch=8, usd_per_hour=3.0, utilization=0.5).as_dict()
    assert told == {"name": "c", "max_usd_per_million": 2, "batch": 8, "usd_per_hour": 3.0, "utilization": 0.5}


def test_the_source_row_of_the_price():
    """200 results a second, 60 % busy, 1.20 USD an hour."""
    assert variant(p50=5.0).usd_per_million(1.2, 0.6) == pytest.approx(1.2 / 3600 / 120 * 1e6)
    assert variant(p50=64.0, batch=64).rate_per_s == pytest.approx(1000)


rows = st.lists(st.builds(lambda r, p50, p95, b: variant("", r, p50, p95, b), few, st.floats(0.1, 1), few, few), max_size=8)
limit = st.none() | few


@given(rows, limit, limit, st.none() | few.map(lambda k: k / 100))
def test_choice_against_a_sort(found, p95, size, accuracy):
    found = [Variant(str(i), v.right, 100, v.p50_ms, v.p95_ms, v.bytes) for i, v in enumerate(found)]
    target = ReleaseTarget(max_p95_ms=p95, max_bytes=size, min_accuracy=accuracy)
    fits = [v for v in found if (p95 is None or v.p95_ms <= p95) and (size is None or v.bytes <= size)
            and (accuracy is None or v.accuracy >= accuracy)]
    best = sorted(fits, key=lambda v: v.bytes)  # three stable sorts, least important first
    best = sorted(sorted(best, key=lambda v: v.p95_ms), key=lambda v: v.right, reverse=True)
    assert choose(found, target) == (best[0] if best else None)
    plain = {"max_p95_ms": p95, "max_bytes": size, "min_accuracy": accuracy}
    name = choose_variant([v.as_dict() for v in found], {k: v for k, v in plain.items() if v is not None})
    assert name == (best[0].name if best else None) == choose_variant([v.as_dict() for v in found], plain)
    assert {n for n, broken in explain_choice(found, target).items() if not broken} == {v.name for v in fits}
