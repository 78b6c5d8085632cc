"""Neurons and filters that leave the network."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils.compression.pruning import (
    apply_masks,
    fold_constant_neurons,
    keep_neurons,
    kept_neurons,
    neuron_masks,
    neuron_scores,
    remove_neurons,
    shrink_conv_pair,
    shrink_mlp,
)
from utils.networks.digits import DigitsMLP, load_digits_split, trained_digits


def two_layers(rng, dead_share=0.4):
    h, d, o = rng.integers(1, 8, 3)
    W1, b1, W2, b2 = rng.standard_normal((h, d)), rng.standard_normal(h), rng.standard_normal((o, h)), rng.standard_normal(o)
    dead = rng.random(h) < dead_share
    W1[dead] = 0
    return W1, b1, W2, b2, dead


def forward(W1, b1, W2, b2, x):
    return np.maximum(x @ W1.T + b1, 0) @ W2.T + b2


@pytest.mark.parametrize("seed", range(30))
def test_removed_neurons_leave_their_constant(seed):
    rng = np.random.default_rng(seed)
    *layers, dead = two_layers(rng, dead_share=[0.4, 0, 1][seed % 3])
    smaller = remove_neurons(*layers, dead)
    x = rng.standard_normal((20, layers[0].shape[1]))
    kept = int((~dead).sum())
    assert [a.shape for a in smaller] == [(kept, x.shape[1]), (kept,), (len(layers[3]), kept), layers[3].shape]
    # sums of fewer than 10 numbers of size 1, in another order
    np.testing.assert_allclose(forward(*smaller, x), forward(*layers, x), rtol=0, atol=1e-12)
    for a, b in zip(fold_constant_neurons(*layers), smaller):  # all-zero rows are the dead ones
        assert np.array_equal(a, b)


def test_worked_example_and_a_living_neuron():
    W1, b1 = np.array([[1.0, 0], [0, 0], [0, -1]]), np.array([0, 0.5, 0])
    W2, b2 = np.array([[1.0, 2, 3]]), np.array([0.1])
    W1n, b1n, W2n, b2n = remove_neurons(W1, b1, W2, b2, np.array([False, True, False]))
    assert (W1n.tolist(), b1n.tolist(), W2n.tolist()) == ([[1, 0], [0, -1]], [0, 0], [[1, 3]])
    assert b2n == pytest.approx([1.1]) and forward(W1n, b1n, W2n, b2n, np.array([1, -2])) == pytest.approx([8.1])
    with pytest.raises(ValueError, match="dead"):
        remove_neurons(W1, b1, W2, b2, np.array([True, False, False]))


@pytest.fixture(scope="module")
def model():
    return trained_digits()


@pytest.fixture(scope="module")
def data():
    X, _, y, _ = load_digits_split()
    return torch.from_numpy(X[:200]), torch.from_numpy(y[:200])


@pytest.mark.parametrize("seed", range(5))
def test_small_network_equals_the_masked_one(model, data, seed):
    rng = np.random.default_rng(seed)
    keep = [torch.from_numpy(rng.permutation(n)[: rng.integers(1, n + 1)]) for n in model.hidden]
    masked = copy.deepcopy(model)
    apply_masks(masked, neuron_masks(model, keep))
    small = shrink_mlp(model, keep)
    assert small.hidden == tuple(len(k) for k in keep)
    # float32 sums of up to 128 products in another order: 128 * 2^-24 of logits around 10
    torch.testing.assert_close(small(data[0]), masked(data[0]), rtol=0, atol=1e-4)


def test_keeping_everything_changes_nothing_and_half_leaves_6570_parameters(model, data):
    whole = shrink_mlp(model, [torch.arange(128), torch.arange(64)])
    assert torch.equal(whole(data[0]), model(data[0])) and not whole.training
    half = shrink_mlp(model, kept_neurons(model, 0.5, "product"))
    assert sum(p.numel() for p in half.parameters()) == 6570  # of 17,226


@pytest.mark.parametrize("first", [[], [128], [-1], [3, 3]])
def test_invalid_keep(model, first):
    for call in (shrink_mlp, neuron_masks):
        with pytest.raises(ValueError, match="keep"):
            call(model, [torch.tensor(first, dtype=torch.long), torch.arange(4)])
        with pytest.raises(ValueError, match="keep"):
            call(model, [torch.arange(4)])


@pytest.mark.parametrize("layer", [0, 1])
def test_scores_are_those_of_the_weights(model, layer):
    into, out_of = model.linears[layer].weight.detach().numpy(), model.linears[layer + 1].weight.detach().numpy()
    norm = np.sqrt((into**2).sum(1))
    np.testing.assert_allclose(neuron_scores(model, layer, "in_norm"), norm, rtol=1e-5)
    np.testing.assert_allclose(neuron_scores(model, layer, "product"), norm * np.sqrt((out_of**2).sum(0)), rtol=1e-5)
    lots = neuron_scores(model, layer, "random", seed=3)
    assert lots.shape == (model.hidden[layer],)
    assert torch.equal(lots, neuron_scores(model, layer, "random", seed=3))
    assert not torch.equal(lots, neuron_scores(model, layer, "random", seed=4))


@pytest.mark.parametrize("layer", [0, 1])
def test_taylor_score_is_the_slope_of_each_rows_loss_in_a_gate(model, data, layer):
    X, y = data[0][:8].double(), data[1][:8]
    network = copy.deepcopy(model).double()
    scores = neuron_scores(network, layer, "taylor", X, y)
    eps = 1e-5

    def losses(neuron, gate):
        hidden = network.net[: 2 * layer + 2](X)
        hidden = torch.where(torch.arange(hidden.shape[1]) == neuron, gate * hidden, hidden)
        return F.cross_entropy(network.net[2 * layer + 2 :](hidden), y, reduction="none")

    with torch.no_grad():
        for neuron in range(0, network.hidden[layer], 7):
            slope = (losses(neuron, 1 + eps) - losses(neuron, 1 - eps)) / (2 * eps)
            # central differences: eps^2 and 1e-16 / eps
            assert float(slope.abs().mean()) == pytest.approx(float(scores[neuron]), rel=1e-5, abs=1e-9)


def test_wrong_requests_for_scores(model):
    with pytest.raises(ValueError, match="layer must be between 0 and 1"):
        neuron_scores(model, 2, "in_norm")
    with pytest.raises(ValueError, match="method"):
        neuron_scores(model, 0, "l0")
    with pytest.raises(ValueError, match="X and y"):
        neuron_scores(model, 0, "taylor")


def test_keep_neurons_takes_the_best_and_at_least_one():
    scores = torch.tensor([3.0, 1, 2, 3])
    assert keep_neurons(scores, 0.5).tolist() == [0, 3]
    assert keep_neurons(scores, 0.25).tolist() == [0, 2, 3]
    assert keep_neurons(scores, 1.0).tolist() == [0]
    assert keep_neurons(scores, 0.0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("with_bn", [True, False])
def test_small_convolutions_equal_the_silenced_ones(bias, with_bn):
    torch.manual_seed(0)
    conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=bias)
    conv2 = nn.Conv2d(8, 5, 3, dilation=2, bias=bias, padding_mode="reflect", padding=2)
    bn = nn.BatchNorm2d(8, eps=1e-3) if with_bn else None
    x = torch.randn(4, 3, 12, 12)
    if bn:
        with torch.no_grad():
            bn.weight.uniform_(-1, 1)
            bn.bias.uniform_(-1, 1)
        bn(conv1(x))
        bn.eval()
    keep = torch.tensor([6, 1, 2])
    conv1_n, bn_n, conv2_n = shrink_conv_pair(conv1, bn, conv2, keep)

    def middle(conv, norm):
        return F.relu(norm(conv(x)) if norm else conv(x))

    silent = torch.zeros(8).scatter(0, keep, 1.0)[:, None, None]
    # float32 sums of at most 72 products of size 1
    torch.testing.assert_close(conv2_n(middle(conv1_n, bn_n)), conv2(middle(conv1, bn) * silent), rtol=0, atol=1e-5)
    assert (conv1_n.out_channels, conv2_n.in_channels) == (3, 3)
    if bn:
        assert not bn_n.training and bn_n.num_features == 3 and bn_n.num_batches_tracked == 1


def test_convolutions_that_cannot_be_paired():
    plain, grouped, wide = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(8, 4, 3)
    with pytest.raises(ValueError, match="groups"):
        shrink_conv_pair(plain, None, grouped, torch.tensor([0]))
    with pytest.raises(ValueError, match="conv2"):
        shrink_conv_pair(plain, None, wide, torch.tensor([0]))
    with pytest.raises(ValueError, match="keep"):
        shrink_conv_pair(plain, None, nn.Conv2d(4, 2, 1), torch.tensor([4]))


def test_double_precision_survives():
    network = DigitsMLP((4, 3)).double()
    assert shrink_mlp(network, [torch.tensor([0, 1]), torch.tensor([2])]).net[0].weight.dtype == torch.float64
