"""The sparse layer against its dense reference, its NumPy twin, and the laws of capacity and balance."""

from functools import partial

import numpy as np
import pytest
import torch

from utils.moe.layer import FeedForward, MoELayer, dense_reference, moe_upcycle
from utils.moe.numpy_layer import moe_forward, relu_experts


def layer_of(k, *, seed=0, dtype=torch.float64, **options):
    torch.manual_seed(seed)
    return MoELayer(6, 10, 5, k, **options).to(dtype), torch.randn(4, 7, 6, dtype=dtype)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("renormalize", [None, True, False])
@pytest.mark.parametrize("shared", [0, 2])
def test_sparse_equals_dense_reference(k, renormalize, shared):
    layer, x = layer_of(k, renormalize=renormalize, shared_experts=shared)
    assert layer(x).shape == x.shape
    # float64 sums of 10 products
    torch.testing.assert_close(layer(x), dense_reference(layer, x), rtol=0, atol=1e-12)


def test_all_experts_with_softmax_weights_are_the_classical_mixture():
    layer, x = layer_of(5)
    gates = layer.router(x).softmax(-1)  # (4, 7, E)
    mixture = sum(gates[..., e, None] * expert(x) for e, expert in enumerate(layer.experts))
    torch.testing.assert_close(layer(x), mixture, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("k", "factor"), [(1, None), (1, 0.7), (2, 1.0), (3, 0.4)])
def test_layer_equals_its_numpy_twin(k, factor):
    layer, x = layer_of(k, capacity_factor=factor, renormalize=True)
    with torch.no_grad():
        for expert in layer.experts:
            expert.up.bias.zero_()
            expert.down.bias.zero_()
        y = layer(x).reshape(-1, 6)
    w1 = np.stack([e.up.weight.detach().numpy().T for e in layer.experts])
    w2 = np.stack([e.down.weight.detach().numpy().T for e in layer.experts])
    got, dropped = moe_forward(x.reshape(-1, 6).numpy(), layer.router.weight.detach().numpy().T, relu_experts(w1, w2), k, factor)
    np.testing.assert_allclose(got, y, rtol=0, atol=1e-12)
    assert dropped == pytest.approx(layer.stats.dropped_fraction)
    assert (dropped > 0) == (factor is not None)


def test_each_expert_computes_with_its_own_tokens_only():
    layer, x = layer_of(2)
    rows = []
    for expert in layer.experts:
        expert.register_forward_hook(lambda m, args, out: rows.append(len(args[0])))
    layer(x)
    assert sum(rows) == 28 * 2 and rows == [n for n in layer.stats.load.tolist() if n]


def test_numpy_layer_hands_each_expert_its_own_tokens_only():
    rng = np.random.default_rng(0)
    x, router = rng.standard_normal((40, 4)), rng.standard_normal((4, 8))
    for factor, most in ((None, 40), (0.5, 5)):  # ceil(0.5 * 40 * 2 / 8)
        seen = []
        spy = partial(lambda kept, rows: kept.append(rows) or rows, seen)
        _, dropped = moe_forward(x, router, [spy] * 8, 2, factor)
        assert sum(map(len, seen)) == round(80 * (1 - dropped)) and max(map(len, seen)) <= most
        assert all(len(np.unique(rows, axis=0)) == len(rows) for rows in seen)


def test_unchosen_experts_may_hold_anything():
    layer, x = layer_of(1)
    idle = int(torch.bincount(layer.route(x[0, :1]).indices.ravel(), minlength=5).argmin())
    y = layer(x[:1, :1])
    with torch.no_grad():
        layer.experts[idle].up.weight.fill_(float("nan"))
    assert torch.equal(layer(x[:1, :1]), y)


def test_renaming_the_experts_changes_nothing():
    rng = np.random.default_rng(1)
    x, router = rng.standard_normal((12, 4)), rng.standard_normal((4, 6))
    w1, w2 = rng.standard_normal((6, 4, 8)), rng.standard_normal((6, 8, 4))
    order = rng.permutation(6)
    for factor in (None, 0.5):
        y, dropped = moe_forward(x, router, relu_experts(w1, w2), 2, factor)
        renamed, dropped_too = moe_forward(x, router[:, order], relu_experts(w1[order], w2[order]), 2, factor)
        np.testing.assert_allclose(renamed, y, rtol=0, atol=1e-12)  # two summands may swap
        assert dropped == dropped_too and y.dtype == np.float64


def test_worked_example_with_two_experts():
    # gates softmax(1, 0) = 0.7311, 0.2689; the experts give 2 x and -x
    y, dropped = moe_forward(np.array([[1.0]]), np.array([[1.0, 0.0]]), [lambda x: 2 * x, lambda x: -x], 2)
    assert y[0, 0] == pytest.approx(1.1933, abs=2e-4) and dropped == 0


def test_dropped_tokens_get_zero_and_the_rest_is_untouched():
    layer, x = layer_of(1, capacity_factor=0.5)
    y = layer(x).reshape(-1, 6)
    free = dense_reference(layer, x).reshape(-1, 6)
    zero = (y == 0).all(1)
    assert 0 < layer.stats.dropped_fraction < 1 and int(zero.sum()) == round(28 * layer.stats.dropped_fraction)
    torch.testing.assert_close(y[~zero], free[~zero], rtol=0, atol=1e-12)


def test_stats_describe_the_pass():
    layer, x = layer_of(2, capacity_factor=1.0)
    layer(x)
    assert int(layer.stats.load.sum()) == 28 * 2  # before dropping
    capacity = 12  # ceil(28 * 2 / 5)
    dropped = int((layer.stats.load - capacity).clamp(min=0).sum())
    assert layer.stats.dropped_fraction == pytest.approx(dropped / 56)
    assert layer.stats.aux_loss.requires_grad and layer.stats.z_loss.requires_grad


def test_renormalization_defaults_to_more_than_one_expert():
    assert [layer_of(k)[0].renormalize for k in (1, 2)] == [False, True]
    for k, renormalize, reaches in ((1, None, True), (1, True, False), (2, None, True)):
        layer, x = layer_of(k, renormalize=renormalize)
        layer(x).square().sum().backward()
        gradient = layer.router.weight.grad
        # d softmax(z) / dz of one logit is p - p^2 with p = 1: exactly 0
        assert bool(gradient is not None and gradient.abs().sum() > 0) == reaches


def test_balancing_loss_belongs_to_aux_alone():
    for balance in ("none", "aux", "bias"):
        layer, x = layer_of(1, balance=balance)
        layer(x)
        assert bool(layer.balancing_loss(0.1) > 0) == (balance == "aux")
    layer, x = layer_of(1, balance="aux")
    layer(x)
    assert float(layer.balancing_loss(0.5).detach()) == pytest.approx(0.5 * float(layer.stats.aux_loss.detach()))


def test_bias_moves_against_the_load_and_evens_it_out():
    layer, _ = layer_of(1, balance="bias", bias_rate=0.003)
    x = torch.randn(1, 500, 6, dtype=torch.float64) + 1  # off centre, so that some experts are preferred
    layer(x)
    first = layer.stats.load.float()
    layer.update_bias()
    assert torch.equal(torch.sign(layer.selection_bias), torch.sign(first.mean() - first).double())
    for _ in range(300):
        layer(x)
        layer.update_bias()
    assert layer.stats.load.float().std() < 0.5 * first.std()
    assert all(p.grad is None for p in layer.parameters()) and not layer.selection_bias.requires_grad


def test_other_policies_leave_the_bias_alone():
    layer, x = layer_of(1, balance="aux")
    layer(x)
    layer.update_bias()
    assert torch.all(layer.selection_bias == 0)


@pytest.mark.parametrize(("options", "word"), [({"k": 0}, "k must be"), ({"k": 6}, "k must be"), ({"k": 1, "balance": "even"}, "balance")])
def test_impossible_layers(options, word):
    with pytest.raises(ValueError, match=word):
        MoELayer(6, 10, 5, **options)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_upcycled_layer_starts_as_the_block_it_came_from(k):
    torch.manual_seed(0)
    block, x = FeedForward(6, 10), torch.randn(9, 6)
    layer = moe_upcycle(block, 4, k=k)
    # weights that sum to 1 up to k roundings of float32
    torch.testing.assert_close(layer(x), block(x), rtol=1e-5, atol=1e-6)
    noisy = moe_upcycle(block, 4, noise=0.1, k=k, seed=3)
    assert not torch.allclose(noisy(x), block(x), atol=1e-4)
    weights = [[e.up.weight for e in moe_upcycle(block, 4, noise=0.1, k=k, seed=seed).experts] for seed in (3, 3, 4)]
    assert torch.equal(weights[0][1], weights[1][1]) and not torch.equal(weights[0][1], weights[2][1])
    assert not torch.equal(weights[0][0], weights[0][1])  # each expert its own noise
    with torch.no_grad():
        layer.experts[0].up.weight.zero_()
    assert block.up.weight.abs().sum() > 0  # the experts are copies


def test_upcycling_noise_is_relative_to_the_weights():
    block = FeedForward(32, 64)
    layer = moe_upcycle(block, 8, noise=0.1)
    added = torch.stack([e.up.weight - block.up.weight for e in layer.experts])
    # 16,384 draws: a standard deviation known to 0.6 %; five of those
    assert float((added.std() / block.up.weight.std()).detach()) == pytest.approx(0.1, rel=0.03)
