"""Spectra and entropies: definitions checked by brute force, laws over drawn matrices."""

from collections import Counter
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.feasibility.redundancy import (
    effective_rank,
    energy_rank,
    exponent_entropy,
    lossless_bound_bits,
    random_baseline_rank,
)


@given(st.integers(0, 10**6), st.floats(0.05, 0.999))
def test_energy_rank_is_the_smallest_whose_reconstruction_is_good_enough(seed, energy):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(rng.integers(1, 9), rng.integers(1, 9)))
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    lost = [np.sum((W - (U[:, :r] * S[:r]) @ Vt[:r]) ** 2) / np.sum(W**2) for r in range(len(S) + 1)]
    r = energy_rank(W, energy)
    assert lost[r] <= 1 - energy + 1e-10 and lost[r - 1] > 1 - energy - 1e-10


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_all_of_the_energy_is_the_rank(seed, rank):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(7, rank)) @ rng.normal(size=(rank, 8))
    if np.linalg.cond(W[:, :rank]) < 1e4:  # a direction below 1e-6 of the largest is noise by the slack of 1e-12
        assert energy_rank(W, 1.0) == np.linalg.matrix_rank(W) == rank
        assert energy_rank(W.T, 1.0) == rank


def test_energy_rank_at_the_edges():
    assert energy_rank(np.diag([3.0, 4.0]), 0.64) == 1 and energy_rank(np.diag([3.0, 4.0]), 0.641) == 2
    assert energy_rank(np.zeros((3, 5)), 0.5) == 0
    assert energy_rank(np.array([[0.0, 5.0], [0.0, 0.0]]), 1.0) == 1
    for bad in (0, -0.1, 1.001, float("nan")):
        with pytest.raises(ValueError, match="energy"):
            energy_rank(np.eye(2), bad)
    for W in (np.ones(3), np.zeros((0, 3)), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="W must be"):
            energy_rank(W, 0.5)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_effective_rank_of_equal_and_of_single_directions(seed, n):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    assert effective_rank(3.5 * Q) == pytest.approx(n, rel=1e-9)
    assert effective_rank(np.outer(rng.normal(size=n), rng.normal(size=4))) == pytest.approx(1, abs=1e-9)
    assert effective_rank(np.zeros((n, n))) == 0
    W = rng.normal(size=(n, 5))
    assert 1 <= effective_rank(W) <= min(n, 5) + 1e-9
    assert effective_rank(7 * W) == pytest.approx(effective_rank(W), rel=1e-9)


def test_a_random_matrix_follows_marchenko_and_pastur():
    # Squared singular values of a square Gaussian matrix, scaled to mean 1, have the density sqrt(4/x - 1) / (2 pi)
    # on (0, 4). The share of directions that hold 90 % of their sum:
    edges = np.linspace(0, 4, 400_001)
    x = (edges[1:] + edges[:-1]) / 2
    mass = np.sqrt(4 / x - 1) / (2 * np.pi) * np.diff(edges)
    held = np.cumsum((x * mass)[::-1])
    share = mass[::-1][held <= 0.9 * held[-1]].sum()
    for seed in range(3):
        assert random_baseline_rank((400, 400), 0.9, seed) / 400 == pytest.approx(share, abs=0.01)  # rank 400: 1 / 400
    assert random_baseline_rank((64, 128), 0.9) == random_baseline_rank((64, 128), 0.9, seed=0)


def field_entropy(values):
    """By the definition, one value at a time: round the float32 word to its upper half, count exponent fields."""
    fields = Counter()
    for v in values:
        word = int(np.float32(v).view(np.uint32))
        low, kept = word & 0xFFFF, word >> 16
        kept += low > 0x8000 or (low == 0x8000 and kept & 1)
        fields[(kept >> 7) & 0xFF] += 1
    return -sum(c / len(values) * log2(c / len(values)) for c in fields.values())


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=60))
def test_exponent_entropy_by_the_definition(values):
    w = np.array(values, np.float32)
    assert exponent_entropy(w) == pytest.approx(field_entropy(values), abs=1e-12)
    assert exponent_entropy(-w.reshape(1, -1, 1)) == exponent_entropy(w)
    assert lossless_bound_bits(w) == 8 + exponent_entropy(w)


def test_a_carry_raises_the_exponent_and_zeros_count():
    assert exponent_entropy(np.float32([1.9999999, 2.0])) == 0
    assert exponent_entropy(np.float32([0, 0, 1, 1])) == 1
    with pytest.raises(ValueError, match="empty"):
        exponent_entropy(np.zeros((0, 3), np.float32))


@pytest.mark.parametrize("sigma", [1e-3, 0.02, 0.7, 1.0, 1.3, 50.0])
def test_a_gaussian_of_any_scale_needs_about_two_and_a_half_bits(sigma):
    # The exponent of a scaled normal is another binning of the same curve. One million samples: the standard error of
    # the entropy is about 1.1 / 1000 bit.
    w = np.random.default_rng(0).normal(0, sigma, 10**6).astype(np.float32)
    assert exponent_entropy(w) == pytest.approx(2.545, abs=0.01 if sigma == 1 else 0.05)
