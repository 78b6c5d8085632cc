"""Optimal Brain Surgeon on quadratic losses."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.pruning import obs_prune, obs_sequence, obs_step


def problem(seed, n=5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4 * n, n)) @ rng.standard_normal((n, n))
    return X.T @ X / len(X) + 0.1 * np.eye(n), rng.standard_normal(n)


def rise(H, w, w_new):
    return 0.5 * (w_new - w) @ H @ (w_new - w)


def best_without(H, w, removed):
    """The cheapest weights with the removed ones at zero, by solving for the others."""
    free = [i for i in range(len(w)) if i not in removed]
    best = np.zeros_like(w)
    best[free] = np.linalg.solve(H[np.ix_(free, free)], (H @ w)[free])
    return best


@given(st.integers(0, 10_000))
def test_removal_is_the_constrained_minimum_and_costs_what_it_says(seed):
    H, w = problem(seed)
    for q in range(5):
        cost, w_new = obs_prune(H, w, q)
        # condition numbers reach 1e4 here: 1e4 * 1e-16, and some room
        np.testing.assert_allclose(w_new, best_without(H, w, [q]), rtol=1e-9, atol=1e-9)
        assert w_new[q] == 0.0 and cost == pytest.approx(rise(H, w, w_new), rel=1e-8)


@given(st.integers(0, 10_000))
def test_step_takes_the_cheapest(seed):
    H, w = problem(seed)
    q, w_new, cost = obs_step(H, w)
    costs = [rise(H, w, best_without(H, w, [i])) for i in range(5)]
    assert costs[q] == pytest.approx(min(costs)) and cost == pytest.approx(min(costs))
    assert (type(q), type(cost)) == (int, float) and w_new[q] == 0


def test_examples_where_magnitude_is_wrong():
    q, w, cost = obs_step(np.array([[2.0, 1], [1, 1]]), np.array([1.0, 2]))
    assert (q, w.tolist(), cost) == (0, [0, 3], 0.5)
    q, w, cost = obs_step(np.diag([10, 0.1]), np.array([0.5, 1]))
    assert (q, w.tolist()) == (1, [0.5, 0]) and cost == pytest.approx(0.05)


@given(st.integers(0, 10_000), st.integers(0, 5))
def test_a_sequence_keeps_zeros_and_adds_up(seed, k):
    H, w = problem(seed)
    before = w.copy()
    result = obs_sequence(H, w, k)
    assert len(set(result.removed)) == k and np.all(result.weights[list(result.removed)] == 0)
    np.testing.assert_allclose(result.weights, best_without(H, w, result.removed), rtol=1e-8, atol=1e-8)
    assert sum(result.costs) == pytest.approx(rise(H, w, result.weights), rel=1e-8, abs=1e-15)
    assert np.array_equal(w, before)


@given(st.integers(0, 2000))
def test_greedy_order_is_the_cheapest_next_weight(seed):
    H, w = problem(seed)
    removed = obs_sequence(H, w, 3).removed
    for i in range(3):
        costs = {q: rise(H, w, best_without(H, w, [*removed[:i], q])) for q in range(5) if q not in removed[:i]}
        assert costs[removed[i]] == pytest.approx(min(costs.values()))


def test_greedy_is_not_always_optimal_but_never_better():
    for seed in range(50):
        H, w = problem(seed)
        greedy = sum(obs_sequence(H, w, 2).costs)
        optimal = min(rise(H, w, best_without(H, w, pair)) for pair in itertools.combinations(range(5), 2))
        assert greedy >= optimal * (1 - 1e-9)


@pytest.mark.parametrize("H", [[[1.0, 2], [0, 1]], [[1.0, 2], [2, 1]], [[0.0, 0], [0, 0]], [[1.0, np.nan], [np.nan, 1]]])
def test_hessian_must_be_symmetric_positive_definite(H):
    for call in (lambda: obs_step(np.array(H), np.ones(2)), lambda: obs_prune(np.array(H), np.ones(2), 0)):
        with pytest.raises(ValueError, match="symmetric positive definite"):
            call()


def test_sizes_must_fit():
    with pytest.raises(ValueError, match="H must have a row"):
        obs_step(np.eye(3), np.ones(2))
    with pytest.raises(ValueError, match="k must be between"):
        obs_sequence(np.eye(2), np.ones(2), 3)
