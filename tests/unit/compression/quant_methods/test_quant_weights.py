"""Rounding weights: grids, GPTQ against its slow twin and against brute force, scales that change no function."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.compression.quant_methods.weights import (
    awq_scales,
    gptq,
    gptq_layer,
    gptq_slow,
    hessian,
    output_error,
    quantize_weights_rtn,
    smooth_scales,
    weight_scales,
)

seeds = st.integers(0, 2**32 - 1)


def problem(seed, rows=4, columns=6, correlation=0.8):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(50, 1))
    X = correlation * common + (1 - correlation) * rng.normal(size=(50, columns))
    return rng.normal(size=(rows, columns)), X, hessian(X)


@given(seeds, st.sampled_from([2, 3, 4, 8]), st.sampled_from([None, 0, 1]))
def test_rtn_is_within_half_a_step_of_its_grid(seed, bits, axis):
    W = np.random.default_rng(seed).normal(size=(5, 7))
    scale = weight_scales(W, bits, axis=axis)
    W_hat = quantize_weights_rtn(W, bits, axis=axis)
    steps = W_hat / scale
    assert np.abs(steps - np.rint(steps)).max() < 1e-9 and np.abs(steps).max() <= 2 ** (bits - 1) - 1 + 1e-9
    assert (np.abs(W_hat - W) <= scale / 2 * (1 + 1e-9)).all()  # max|w| lies on the grid, so nothing is clipped
    distinct = {None: 1, 0: 5, 1: 7}[axis]
    assert len(np.unique(scale)) == distinct


def test_groups_share_a_scale_and_the_last_may_be_shorter():
    W = np.array([[1.0, 2.0, 3.0, 4.0, 0.5]])
    assert weight_scales(W, 2, group_size=2).tolist() == [[2.0, 2.0, 4.0, 4.0, 0.5]]
    assert quantize_weights_rtn(np.zeros((2, 3)), 4).tolist() == [[0.0] * 3] * 2
    assert np.array_equal(quantize_weights_rtn(W, 4, group_size=99), quantize_weights_rtn(W, 4))


@given(seeds, st.sampled_from([2, 3, 4]))
def test_gptq_equals_its_slow_twin_and_stays_on_the_grid(seed, bits):
    W, _, H = problem(seed)
    before = W.copy()
    fast = gptq_layer(W, H, bits)
    np.testing.assert_allclose(fast, gptq_slow(W, H, bits), atol=1e-8)
    steps = fast / weight_scales(W, bits)
    assert np.abs(steps - np.rint(steps)).max() < 1e-9 and np.array_equal(W, before)


def test_gptq_example_and_its_error():
    H = np.full((3, 3), 0.9) + 0.1 * np.eye(3)
    W = np.array([[0.4, 0.4, 3.0]])
    assert gptq_layer(W, H, 3).tolist() == [[0.0, 1.0, 3.0]]
    # d = (-0.4, 0.6, 0): 0.16 + 0.36 - 2 * 0.9 * 0.24 = 0.088; d = (-0.4, -0.4, 0): 0.32 + 2 * 0.9 * 0.16 = 0.608
    assert output_error(W, gptq_layer(W, H, 3), H) == pytest.approx(0.088)
    assert output_error(W, quantize_weights_rtn(W, 3), H) == pytest.approx(0.608)
    best = min(output_error(W, np.array([c], float), H) for c in product(range(-3, 4), repeat=3))
    assert best == pytest.approx(0.088)  # here the greedy answer is the best of all 343


@settings(max_examples=20)
@given(seeds)
def test_uncorrelated_inputs_give_round_to_nearest(seed):
    W = np.random.default_rng(seed).normal(size=(3, 5))
    np.testing.assert_allclose(gptq_layer(W, np.diag([1.0, 2, 3, 4, 5]), 4), quantize_weights_rtn(W, 4), atol=1e-12)


def test_gptq_beats_rounding_on_average_on_correlated_inputs():
    ratios = []
    for seed in range(60):
        W, X, H = problem(seed, columns=16)
        ratios.append(output_error(W, gptq(W, X, 3), H) / output_error(W, quantize_weights_rtn(W, 3), H))
    assert np.mean(ratios) < 0.8
    W, X, H = problem(1, columns=16)
    grouped, ordered = gptq(W, X, 3, group_size=4), gptq(W, X, 3, order="activation")
    steps = grouped / weight_scales(W, 3, group_size=4)
    assert np.abs(steps - np.rint(steps)).max() < 1e-9
    assert output_error(W, ordered, H) < output_error(W, quantize_weights_rtn(W, 3), H)


def test_awq_is_never_worse_than_rounding_and_helps_outliers():
    rng = np.random.default_rng(3)
    W, X = rng.normal(size=(8, 16)), rng.normal(size=(64, 16))
    X[:, 2] *= 50
    s = awq_scales(W, X, 3)
    H = X.T @ X
    plain = output_error(W, quantize_weights_rtn(W, 3), H)
    assert output_error(W, quantize_weights_rtn(W * s, 3) / s, H) < 0.5 * plain
    assert s[2] == s.max() and np.exp(np.log(s).mean()) == pytest.approx(1)
    np.testing.assert_allclose((X / s) @ (W * s).T, X @ W.T, atol=1e-9)
    assert awq_scales(W, np.zeros((4, 16)), 3).tolist() == [1.0] * 16


def test_smoothing_shares_the_range_and_keeps_dead_channels():
    W = np.array([[0.5, 1.0, 0.0], [-2.0, 0.25, 0.0]])
    assert smooth_scales([8.0, 4.0, 5.0], W).tolist() == [2.0, 2.0, 1.0]
    assert smooth_scales([0.0, 4.0, 5.0], W, 1.0).tolist() == [1.0, 4.0, 1.0]
    s = smooth_scales([8.0, 9.0, 1.0], W + 1)
    np.testing.assert_allclose(np.array([8.0, 9.0, 1.0]) / s, np.abs((W + 1) * s).max(axis=0))  # alpha = 1/2: equal


@pytest.mark.parametrize(("call", "word"), [
    (lambda: weight_scales(np.ones((2, 2)), 4, axis=2), "axis"), (lambda: weight_scales(np.ones(3), 4), "matrix"),
    (lambda: weight_scales(np.ones((2, 2)), 1), "bits"), (lambda: weight_scales(np.ones((2, 2)), 4, group_size=0), "group_size"),
    (lambda: quantize_weights_rtn([[np.nan]], 4), "finite"), (lambda: weight_scales(np.zeros((0, 3)), 4), "entries"),
    (lambda: gptq(np.ones((2, 3)), np.ones((4, 2)), 4), "inputs"),
    (lambda: gptq(np.ones((2, 3)), np.ones((4, 3)), 4, order="random"), "order"),
    (lambda: smooth_scales([1.0], [[1.0]], 1.5), "alpha")])
def test_refusals(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_gptq_takes_strided_and_dead_inputs():
    W, X, _ = problem(7)
    X[:, 0] = 0
    assert np.isfinite(gptq(W[:, ::-1], X[::2, ::-1], 4)).all()
