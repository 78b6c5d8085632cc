"""Channel scaling: the function stays, the ranges become equal, and 8-bit error falls."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.compression.quant_methods.equalize import (
    apply_input_scale,
    cross_layer_equalize,
    equalize_pair,
    input_ranges,
    output_ranges,
    uglify,
    weighted_layers,
)
from utils.compression.quant_methods.weights import quantize_weights_rtn
from utils.networks.digits import DigitsCNN, DigitsMLP, seeded


def net(x, W1, b1, W2):
    return np.maximum(x @ W1.T + b1, 0) @ W2.T


@given(st.integers(0, 2**32 - 1))
def test_the_function_stays_and_ranges_meet(seed):
    rng = np.random.default_rng(seed)
    W1, b1, W2 = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=(4, 5))
    W1 *= 10 ** rng.uniform(-2, 2, (5, 1))
    W1[0] = 0  # a channel that only its bias feeds
    E1, e1, E2 = equalize_pair(W1, b1, W2)
    x = rng.normal(size=(20, 3))
    expected = net(x, W1, b1, W2)
    np.testing.assert_allclose(net(x, E1, e1, E2), expected, atol=1e-9 * max(1, np.abs(expected).max()))
    np.testing.assert_allclose(np.abs(E1).max(1)[1:], np.abs(E2).max(0)[1:])
    assert np.array_equal(E2[:, 0], W2[:, 0]) and e1[0] == b1[0]


def test_example():
    W1, b1, W2 = equalize_pair(np.array([[8.0, 0], [0, 0.5]]), np.array([4.0, 1]), np.array([[0.5, 0], [0, 2]]))
    assert W1.tolist() == [[2, 0], [0, 1]] and b1.tolist() == [1, 2] and W2.tolist() == [[2, 0], [0, 1]]


def test_eight_bit_error_falls_at_least_fivefold():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        s = 10 ** rng.uniform(-1.5, 1.5, 16)
        W1, b1, W2 = rng.normal(size=(16, 8)) * s[:, None], rng.normal(size=16) * s, rng.normal(size=(8, 16)) / s
        x = rng.normal(size=(100, 8))
        expected = net(x, W1, b1, W2)

        def error(W1, b1, W2, x=x, expected=expected):
            rounded = [quantize_weights_rtn(W, 8, axis=None) for W in (W1, W2)]
            return np.sqrt(np.mean((net(x, rounded[0], b1, rounded[1]) - expected) ** 2))

        assert error(*equalize_pair(W1, b1, W2)) < error(W1, b1, W2) / 5, seed


@settings(max_examples=5)
@given(st.integers(0, 1000), st.sampled_from([DigitsMLP, DigitsCNN]))
def test_networks_keep_their_function(seed, build):
    model = seeded(build, seed)
    x = torch.rand(6, 64, generator=torch.Generator().manual_seed(seed))
    ugly = uglify(model, 1.0, seed)
    repaired = cross_layer_equalize(ugly)
    with torch.no_grad():
        for other in (ugly, repaired):
            torch.testing.assert_close(other(x), model(x), rtol=2e-3, atol=2e-4)
    spread = output_ranges(weighted_layers(ugly)[0])
    assert spread.max() / spread.min() > 3 * np.ptp(output_ranges(weighted_layers(model)[0]))
    for first, second in zip(weighted_layers(repaired), weighted_layers(repaired)[1:]):
        np.testing.assert_allclose(output_ranges(first), input_ranges(second, first.weight.shape[0]), rtol=0.02)


def test_uglify_is_seeded_and_leaves_the_original():
    model = seeded(DigitsMLP, 0)
    before = [p.clone() for p in model.parameters()]
    a, b, c = uglify(model, 1.0, 1), uglify(model, 1.0, 1), uglify(model, 1.0, 2)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a.linears[0].weight, c.linears[0].weight)
    assert torch.equal(uglify(model, 0.0).linears[1].weight, model.linears[1].weight)


def test_input_scale_alone_needs_scaled_inputs():
    model = seeded(DigitsMLP, 3)
    layer, s = model.linears[0], np.linspace(0.5, 2, 64)
    x = torch.rand(4, 64)
    with torch.no_grad():
        expected = layer(x)
        apply_input_scale(layer, s)
        torch.testing.assert_close(layer(x / torch.tensor(s, dtype=torch.float32)), expected)


def test_depth_one_has_nothing_to_equalize():
    model = seeded(lambda: DigitsMLP(()), 0)
    assert torch.equal(cross_layer_equalize(model).linears[0].weight, model.linears[0].weight)
    assert pytest.approx(1.0) == float(output_ranges(uglify(model, 2.0).linears[0]).max() / output_ranges(model.linears[0]).max())
