"""Fronts against brute force, and the release rule case by case."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.edge_metrics.candidates import energy_at_rate, pareto_front, pareto_unknown, ship_it, violations

FOUR = [{"acc": 0.97, "ms": 20}, {"acc": 0.96, "ms": 25}, {"acc": 0.95, "ms": 9}, {"acc": 0.97, "ms": 20}]
points = st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12)


def dominates(a, b):
    """a = (up, up, down)"""
    no_worse = a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2]
    return no_worse and a != b


@given(points)
def test_front_against_brute_force(found):
    rows = [{"x": x, "y": y, "z": z} for x, y, z in found]
    wanted = [i for i, b in enumerate(found) if not any(dominates(a, b) for a in found)]
    assert pareto_front(rows, maximize=["x", "y"], minimize=["z"]) == wanted


def test_front_golden_and_objects():
    assert pareto_front(FOUR, maximize=["acc"], minimize=["ms"]) == [0, 2, 3]
    assert pareto_front(FOUR, minimize=["ms"]) == [2] and pareto_front([], maximize=["acc"]) == []

    @dataclass
    class Row:
        acc: float
        ms: float | None

    rows = [Row(0.9, None), Row(0.8, 5), Row(0.7, 6)]
    assert pareto_front(rows, maximize=["acc"], minimize=["ms"]) == [1]
    assert pareto_unknown(rows, maximize=["acc"], minimize=["ms"]) == [0]
    with pytest.raises(ValueError, match="NaN"):
        pareto_front([{"ms": float("nan")}], minimize=["ms"])
    with pytest.raises(ValueError, match="metric"):
        pareto_front(FOUR)


def cand(name, **changes):
    return {"name": name, "accuracy": 0.95, "p99_ms": 40, "peak_mb": 50, "storage_mb": 5, "active_w": 6, "idle_w": 1.5,
            "latency_ms": 40, **changes}


LIMITS = {"p99_ms": 50, "peak_mb": 64, "storage_mb": 8, "avg_w": 3, "fps": 5, "accuracy": 0.93}


@pytest.mark.parametrize(("changes", "broken"), [
    ({}, []), ({"p99_ms": 50, "peak_mb": 64, "storage_mb": 8}, []), ({"p99_ms": 50.5}, ["p99_ms"]),
    ({"peak_mb": 65}, ["peak_mb"]), ({"storage_mb": 9}, ["storage_mb"]), ({"active_w": 9.5}, ["avg_w"]),
    ({"latency_ms": 201}, ["fps"]), ({"accuracy": 0.94}, ["accuracy"]),
    ({"p99_ms": 99, "latency_ms": 300, "accuracy": 0.5}, ["p99_ms", "fps", "accuracy"]),
])
def test_each_limit(changes, broken):
    assert violations(cand("a", **changes), LIMITS, 1000) == broken
    assert ship_it([cand("a", **changes)], LIMITS, "peak_mb", 1000) == (None if broken else "a")


def test_the_interval_decides_not_the_point():
    assert ship_it([cand("a")], LIMITS, "energy_mj", 1000) == "a"  # 95 % on 1,000: from 93.5 %
    assert ship_it([cand("a")], LIMITS, "energy_mj", 100) is None  # on 100: from 88.8 %


def test_energy_is_not_watts():
    sprinter, walker = cand("sprinter", active_w=10, latency_ms=10), cand("walker", active_w=4, latency_ms=60)
    energies = [energy_at_rate(c, 5)["total_mj"] for c in (sprinter, walker)]
    assert energies == pytest.approx([1.5 * 200 + 8.5 * 10, 1.5 * 200 + 2.5 * 60])
    assert ship_it([walker, sprinter], LIMITS, "energy_mj", 1000) == "sprinter"
    assert ship_it([walker, sprinter], LIMITS, "active_w", 1000) == "walker"
    assert energy_at_rate(walker, 30) is None


def test_ties():
    assert ship_it([cand("b"), cand("a")], LIMITS, "peak_mb", 1000) == "a"
    assert ship_it([cand("a"), cand("b", accuracy=0.97)], LIMITS, "peak_mb", 1000) == "b"
    assert ship_it([], LIMITS, "peak_mb", 1000) is None
