"""Factors of a rank: Eckart and Young's error, the rank that pays, and layers that become two."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from utils.compression.low_rank import (
    break_even_rank,
    compress_linear,
    factorize_linear,
    lora_merge,
    rank_for_error,
    svd_factor,
    svd_whitened,
)

sizes = st.integers(1, 9)
seeds = st.integers(0, 10_000)


def gaussian(m, n, seed):
    return np.random.default_rng(seed).standard_normal((m, n))


@given(sizes, sizes, seeds, st.data())
def test_error_is_the_tail_of_the_spectrum(m, n, seed, data):
    W, rank = gaussian(m, n, seed), data.draw(st.integers(1, min(m, n)))
    A, B = svd_factor(W, rank)
    assert A.shape == (m, rank) and B.shape == (rank, n)
    # squared singular values are the eigenvalues of W W^T
    tail = np.sort(np.linalg.eigvalsh(W @ W.T))[::-1][rank:]
    assert np.linalg.norm(W - A @ B) ** 2 == pytest.approx(np.clip(tail, 0, None).sum(), abs=1e-8)
    assert np.linalg.norm(A, axis=0) == pytest.approx(np.linalg.norm(B, axis=1))  # balanced


def test_no_other_fit_of_the_rank_is_better():
    W, rng = gaussian(7, 5, 0), np.random.default_rng(1)
    A, B = svd_factor(W, 2)
    for _ in range(100):
        P = rng.standard_normal((7, 2))
        Q = np.linalg.lstsq(P, W, rcond=None)[0]  # the best B for a random A
        for _ in range(3):  # and a few alternations towards a good one
            P = np.linalg.lstsq(Q.T, W.T, rcond=None)[0].T
            Q = np.linalg.lstsq(P, W, rcond=None)[0]
        assert np.linalg.norm(W - A @ B) <= np.linalg.norm(W - P @ Q) + 1e-9


@given(sizes, sizes)
def test_break_even_is_the_last_rank_that_saves(m, n):
    r = break_even_rank(m, n)
    assert r * (m + n) < m * n <= (r + 1) * (m + n)


def test_break_even_of_the_courses_layers():
    # by hand: the largest r below mn / (m + n)
    assert [break_even_rank(*s) for s in ((1024, 1024), (512, 128), (64, 10), (64, 128), (2, 2))] == [511, 102, 8, 42, 0]
    with pytest.raises(ValueError, match="at least 1"):
        break_even_rank(0, 4)


@given(sizes, sizes, seeds, st.floats(0, 1.2))
def test_rank_for_error_is_the_smallest(m, n, seed, tolerance):
    W = gaussian(m, n, seed)
    rank = rank_for_error(W, tolerance)

    def error(r):
        A, B = svd_factor(W, r)
        return np.linalg.norm(W - A @ B) / np.linalg.norm(W)

    assert error(rank) <= tolerance + 1e-9
    assert rank == 1 or error(rank - 1) > tolerance - 1e-9


@given(sizes, sizes, seeds, st.integers(1, 80))
def test_budget_is_kept_and_used(m, n, seed, fortieths):
    W, ratio = gaussian(m, n, seed), fortieths / 40
    told = compress_linear(W, ratio)
    fits = [r for r in range(1, min(m, n) + 1) if r * (m + n) * 40 <= fortieths * m * n]
    exact = any(r * (m + n) * 40 == fortieths * m * n for r in range(1, min(m, n) + 1))
    if exact:
        return  # a boundary that floating point decides
    assert (told is None) == (not fits)
    if told:
        A, B = told
        assert A.shape == (m, fits[-1]) and B.shape == (fits[-1], n)


def test_compress_linear_examples_and_refusals():
    A, B = compress_linear(np.diag([3.0, 1.0]), 1.0)
    assert np.allclose(A @ B, np.diag([3.0, 0.0]), rtol=0, atol=1e-14)
    assert compress_linear(np.ones((4, 4)), 0.4) is None
    assert compress_linear(gaussian(4, 4, 0), 50.0)[0].shape == (4, 4)
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="budget_ratio"):
            compress_linear(np.ones((2, 2)), bad)
    for bad in (np.ones(3), np.ones((0, 2)), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="W must"):
            compress_linear(bad, 1.0)


@pytest.mark.parametrize("rank", [0, 4])
def test_ranks_outside(rank):
    for call in (lambda: svd_factor(np.ones((3, 5)), rank), lambda: svd_whitened(np.ones((3, 5)), np.ones((9, 5)), rank)):
        with pytest.raises(ValueError, match="rank must"):
            call()
    with pytest.raises(ValueError, match="negative"):
        rank_for_error(np.ones((2, 2)), -0.1)


@given(st.integers(2, 7), st.integers(2, 7), seeds, st.data())
def test_data_aware_factors_have_the_least_output_error(m, n, seed, data):
    W, rank = gaussian(m, n, seed), data.draw(st.integers(1, min(m, n)))
    X = gaussian(30, n, seed + 1) * np.logspace(0, -3, n)  # directions of very different weight
    Y = X @ W.T
    A, B = svd_whitened(W, X, rank)
    P, Q = svd_factor(W, rank)
    error, plain = (np.linalg.norm(Y - X @ (L @ R).T) for L, R in ((A, B), (P, Q)))
    assert error <= plain + 1e-9
    # the floor for any outputs of that rank: the tail of Y's own spectrum. eigh of Y^T Y squares the condition
    # number: relative 1e-8 of the largest singular value
    spectrum = np.linalg.svd(Y, compute_uv=False)
    assert error == pytest.approx(np.sqrt(np.sum(spectrum[rank:] ** 2)), abs=1e-7 * spectrum[0])


def test_data_aware_refuses_another_width():
    with pytest.raises(ValueError, match="5 columns"):
        svd_whitened(np.ones((3, 5)), np.ones((9, 4)), 2)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("with_data", [True, False])
def test_at_full_rank_two_layers_are_the_one(bias, with_data):
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 4, bias=bias), torch.randn(20, 6)
    pair = factorize_linear(layer, 4, x.numpy() if with_data else None)
    assert [tuple(m.weight.shape) for m in pair] == [(4, 6), (4, 4)] and pair[0].bias is None
    # float32 weights below 1 and inner sizes up to 6: a few ulp of 1e-7 each
    assert torch.allclose(pair(x), layer(x), atol=1e-5)
    with torch.no_grad():
        layer.weight.zero_()
    assert pair[1].weight.abs().max() > 0  # no shared memory


def test_lora_leaves_a_full_matrix():
    rng = np.random.default_rng(0)
    W0, A, B = rng.standard_normal((8, 6)), rng.standard_normal((2, 6)), rng.standard_normal((8, 2))
    W = lora_merge(W0, A, B, alpha=4, r=2)
    assert W.shape == W0.shape and np.linalg.matrix_rank(W) == 6 and np.linalg.matrix_rank(W - W0) == 2
    x = rng.standard_normal(6)
    assert np.allclose(W @ x, W0 @ x + 4 / 2 * (B @ (A @ x)), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="shapes"):
        lora_merge(W0, A, B, 4, 3)
