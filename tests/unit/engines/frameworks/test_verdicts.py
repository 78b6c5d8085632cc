"""Verdicts: the examples, error rates, agreement against numpy and sklearn-free formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.engines.frameworks import accuracy_report, agreement, compare_latency, faster_engine

RNG = np.random.default_rng(1)
A, B, C = (base + RNG.exponential(0.1, 100) for base in (1.0, 1.05, 1.0))


def test_the_examples():
    found = compare_latency(A, B)
    assert (found.winner, round(found.ratio, 3)) == ("a", 0.940)
    assert found.low == pytest.approx(0.924, abs=0.003) and found.high == pytest.approx(0.963, abs=0.003)  # 0.924..0.963
    assert compare_latency(A, C).winner == "tie" and compare_latency(B, A).winner == "b"
    assert found.as_dict()["winner"] == "a"


def test_error_rates():
    # 150 comparisons of equal engines: at most 10 % + 2 standard deviations of 2.4 % are false alarms;
    # at 5 % difference at least 85 % - 2 * 2.9 % are found
    false, found = 0, 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        a, b, c = (base + rng.exponential(0.1, 100) for base in (1.0, 1.0, 1.05))
        false += faster_engine(a, b, rng, 300) != "tie"
        found += faster_engine(a, c, rng, 300) == "a"
    assert false <= 150 * 0.15 and found >= 150 * 0.79


@pytest.mark.parametrize("a, b", [([1.0] * 4, [1.0] * 5), ([1.0] * 5, [1.0] * 4), ([1.0] * 5 + [0.0], [1.0] * 5), ([1.0] * 5, [1.0] * 5 + [-1.0])])
def test_refused_samples(a, b):
    with pytest.raises(ValueError, match="must hold"):
        compare_latency(a, b)


LOGITS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=st.integers(-9, 9).map(float))


@given(LOGITS, st.floats(0.01, 100))
def test_scaling_changes_neither_cosine_nor_class(ref, factor):
    told = agreement(ref, ref * factor)
    assert told["cosine"] == pytest.approx(1.0) and told["top1"] == 1.0
    assert agreement(ref, ref)["max_abs"] == 0


@given(LOGITS)
def test_top1_counts_rows(ref):
    out = np.roll(ref, 1, axis=1)  # every row's best class moves, unless it is tied
    top = np.sort(ref, axis=1)
    tied = (top[:, -1] == top[:, -2]).sum()
    assert agreement(ref, out)["top1"] == pytest.approx(tied / len(ref))


def test_zeros_and_refusals():
    zero, one = np.zeros((2, 3)), np.ones((2, 3))
    assert agreement(zero, zero)["cosine"] == 1.0 and agreement(zero, one)["cosine"] == 0.0 == agreement(one, zero)["cosine"]
    for bad in (np.ones((3, 2)), np.full((2, 3), np.nan)):
        with pytest.raises(ValueError):
            agreement(one, bad)
    for shape in ((3,), (0, 3)):
        with pytest.raises(ValueError, match="rows"):
            agreement(np.ones(shape), np.ones(shape))


def test_reports_of_a_model():
    ref = {"y": np.arange(24.0).reshape(2, 3, 4), "z": np.ones((2, 1), np.float32)}
    told = accuracy_report(ref, {**ref, "extra": np.ones(1)})
    assert set(told) == {"y", "z"} and told["y"] == {"max_abs": 0.0, "cosine": pytest.approx(1.0), "top1": 1.0}
    with pytest.raises(ValueError, match="every output"):
        accuracy_report(ref, {"y": ref["y"]})
    with pytest.raises(ValueError, match="shape"):
        accuracy_report(ref, {**ref, "y": ref["y"].reshape(2, 12)})  # as many values, another shape
