"""Shared values and gaps: laws of Lloyd's algorithm, and positions that come back."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.compression.weight_sharing import gap_decode, gap_encode, kmeans_1d

values = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-4, 4, width=16))


@given(values, st.integers(1, 9), st.sampled_from(["linear", "density"]))
def test_each_value_has_its_nearest_shared_value(w, k, init):
    codebook, index = kmeans_1d(w, k, init)
    assert codebook.dtype == np.float32 and 1 <= len(codebook) <= k and np.all(np.diff(codebook) > 0)
    distance = np.abs(w.astype(np.float64)[:, None] - codebook.astype(np.float64))
    # midpoints in float64: a value within 2^-52 of one may go to either side
    assert np.all(distance[np.arange(len(w)), index] <= distance.min(axis=1) + 1e-12)
    assert w.min() <= codebook[0] and codebook[-1] <= w.max()


@given(values, st.integers(1, 9))
def test_at_rest_each_shared_value_is_the_mean_of_its_weights(w, k):
    codebook, index = kmeans_1d(w, k, iterations=500)
    for i, value in enumerate(codebook):
        # float32 rounding of a mean of at most 60 values below 4 in float64
        assert value == pytest.approx(w[index == i].astype(np.float64).mean(), abs=4 * 2**-23)


@given(st.lists(st.sampled_from([-2.0, -0.5, 0.25, 1.0, 3.0]), min_size=1, max_size=30), st.integers(5, 9))
def test_few_distinct_values_are_kept_exactly(w, k):
    codebook, index = kmeans_1d(w, k)
    assert np.array_equal(codebook[index], np.float32(w)) and len(codebook) == len(set(w))


def test_more_iterations_never_cost():
    w = np.random.default_rng(0).standard_normal(500)
    errors = []
    for iterations in (0, 1, 2, 5, 30):
        codebook, index = kmeans_1d(w, 8, iterations=iterations)
        errors.append(float(np.sum((w - codebook[index]) ** 2)))
    assert all(b <= a + 1e-6 for a, b in itertools.pairwise(errors)) and errors[-1] < errors[0]


def test_linear_keeps_large_weights_apart():
    """The reason that Deep Compression starts evenly: few weights are large, and they matter."""
    w = np.random.default_rng(1).standard_normal(2_000) ** 3
    far = {init: np.abs(kmeans_1d(w, 8, init, iterations=0)[0]).max() for init in ("linear", "density")}
    assert far["linear"] == pytest.approx(np.abs(w).max()) and far["density"] < far["linear"] / 5


@pytest.mark.parametrize("bad, k, word", [([], 2, "empty"), ([1, np.nan], 2, "finite"), ([np.inf], 1, "finite"), ([1.0], 0, "k must")])
def test_sharing_refuses(bad, k, word):
    with pytest.raises(ValueError, match=word):
        kmeans_1d(bad, k)


sparse = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.0, -0.0, 1.5, -2.0, 0.125]), max_size=80)


@given(sparse, st.integers(1, 5))
def test_gaps_come_back(flat, bits):
    entries = gap_encode(np.array(flat), bits)
    assert np.array_equal(gap_decode(entries, len(flat)), flat)
    assert all(0 <= gap < 2**bits for gap, _ in entries)
    assert all(value != 0 or gap == 2**bits - 1 for gap, value in entries)
    assert not entries or entries[-1][1] != 0  # trailing zeros emit nothing


def fewest_entries(flat, bits):
    """By search: from each position the entries that lead to the last value, one step of at most 2^bits at a time."""
    steps = {-1: 0}
    last = max((i for i, v in enumerate(flat) if v), default=-1)
    for at in range(-1, last + 1):
        if at not in steps:
            continue
        for nxt in range(at + 1, min(at + 2**bits, last) + 1):
            if flat[nxt] or nxt == at + 2**bits:
                steps[nxt] = min(steps.get(nxt, 10**9), steps[at] + 1)
            if flat[nxt]:
                break  # no value may be stepped over
    return steps[last]


@given(sparse, st.integers(1, 3))
def test_no_padding_too_many(flat, bits):
    assert len(gap_encode(np.array(flat), bits)) == fewest_entries(flat, bits)


def test_gap_edges():
    assert gap_encode(np.zeros(9), 2) == [] == gap_encode(np.zeros(0), 2)
    assert gap_encode(np.array([0, 0, 0, 2.0]), 2) == [(3, 2.0)]
    assert gap_encode(np.array([0, 0, 0, 0, 2.0]), 2) == [(3, 0.0), (0, 2.0)]
    assert gap_encode(np.array([[0, 1.0], [0, 2.0]])[:, ::-1], 3) == [(0, 1.0), (1, 2.0)]  # any strides
    with pytest.raises(ValueError, match="index_bits"):
        gap_encode(np.ones(3), 0)
    for entries in ([(3, 1.0)], [(0, 1.0), (2, 1.0)], [(-1, 1.0)]):
        with pytest.raises(ValueError, match="within 3"):
            gap_decode(entries, 3)
