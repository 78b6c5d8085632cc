"""Amdahl's law and what a change buys."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.roofline import bound_of
from utils.cost.roofline.speedup import CHANGES, amdahl, amdahl_many, explain_speedup

cost = st.floats(0, 1e8)
networks = st.lists(st.tuples(cost, cost, cost), min_size=1, max_size=6)
ONE = [(1e6, 4e6, 0)]


def test_amdahl():
    assert amdahl(0.6, 4) == pytest.approx(1 / (0.4 + 0.15))
    assert amdahl_many({"a": 0.6, "b": 0.4}, {"a": 4}) == pytest.approx(amdahl(0.6, 4))
    assert amdahl(0, 7) == 1
    with pytest.raises(ValueError, match="fractions must sum to 1"):
        amdahl_many({"a": 0.6, "b": 0.3}, {})
    with pytest.raises(KeyError):
        amdahl_many({"a": 1.0}, {"b": 2})
    with pytest.raises(ValueError, match="share"):
        amdahl(1.1, 2)


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1), st.floats(1, 1e6))
def test_amdahl_never_beats_the_part_that_stays(share, speedup):
    assert amdahl(share, speedup) * (1 + 1e-12) >= 1
    assert amdahl(share, speedup) * (1 - share) <= 1 + 1e-12


def test_golden():
    told = [explain_speedup(ONE, 1000, 100, 5, c) for c in ("double_peak", "half_precision", "batch2", "double_bw")]
    assert told == pytest.approx([1.0, 1.8, 2.0, 1.8])
    assert explain_speedup(ONE, 1000, 100, 5, "graph") == 1


@settings(deadline=None, max_examples=60)
@given(networks, st.floats(0.1, 50), st.sampled_from(CHANGES))
def test_no_change_slows_down_and_none_beats_its_reason(layers, launch, change):
    got = explain_speedup(layers, 1000, 100, launch, change)
    most = len(layers) if change == "graph" else 2
    assert 1 - 1e-12 <= got <= most * (1 + 1e-12)


@settings(deadline=None, max_examples=60)
@given(networks)
def test_old_time_is_the_sum_of_the_layers(layers):
    old = sum(bound_of(f, w + a, 1000, 100, 5)[1] for f, w, a in layers)
    fused = old - 5 * (len(layers) - 1)
    assert explain_speedup(layers, 1000, 100, 5, "graph") == pytest.approx(old / fused)


def test_refused():
    with pytest.raises(ValueError, match="change"):
        explain_speedup(ONE, 1000, 100, 5, "faster")
    with pytest.raises(ValueError, match="layers"):
        explain_speedup([], 1000, 100, 5, "graph")
