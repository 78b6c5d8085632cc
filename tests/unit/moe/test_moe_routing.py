"""Routing, capacity and the balancing losses, in torch and in NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils.moe import numpy_layer
from utils.moe.routing import capacity_mask, expert_capacity, load_balancing_loss, route_topk, router_z_loss

# few distinct values, so that ties are common
tied_logits = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 40)), elements=st.sampled_from([-1e4, -1.0, 0, 0.5, 2, 1e4]))


def slow_choice(row, k):
    return sorted(range(len(row)), key=lambda e: (-row[e], e))[:k]


@given(tied_logits, st.data())
def test_choices_are_the_best_and_ties_go_to_the_lower_index(logits, data):
    k = data.draw(st.integers(1, logits.shape[1]))
    expected = [slow_choice(row, k) for row in logits.tolist()]
    assert route_topk(torch.from_numpy(logits), k).indices.tolist() == expected
    assert numpy_layer.route_topk(logits, k)[0].tolist() == expected


@given(tied_logits, st.data())
def test_weights_are_a_distribution_over_the_chosen_and_ignore_a_shift(logits, data):
    k = data.draw(st.integers(1, logits.shape[1]))
    indices, weights = numpy_layer.route_topk(logits, k)
    # sums and quotients of at most 40 numbers below 1
    np.testing.assert_allclose(weights.sum(1), 1, rtol=0, atol=1e-14)
    assert np.all(np.diff(weights) <= 0) and np.all(weights >= 0)
    _, torch_weights, _ = route_topk(torch.from_numpy(logits), k)
    np.testing.assert_allclose(torch_weights, weights, rtol=0, atol=1e-14)
    shifted, shifted_weights = numpy_layer.route_topk(logits + 2.0**10, k)  # exact: no rounding at these values
    assert np.array_equal(shifted, indices) and np.array_equal(shifted_weights, weights)


def test_softmax_over_the_chosen_is_the_renormalized_full_softmax():
    logits = torch.randn(200, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for k in (1, 2, 5, 16):
        indices, weights, probs = route_topk(logits, k)
        chosen = probs.gather(1, indices)
        torch.testing.assert_close(weights, chosen / chosen.sum(1, keepdim=True), rtol=1e-12, atol=0)
        assert torch.equal(route_topk(logits, k, renormalize=False).weights, chosen)


def test_worked_example():
    indices, weights = numpy_layer.route_topk(np.array([[2, 1, 0], [0, 0, 3]]), 2)
    assert indices.tolist() == [[0, 1], [2, 0]]
    np.testing.assert_allclose(weights, [[0.7311, 0.2689], [0.9526, 0.0474]], rtol=0, atol=5e-5)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_must_be_a_number_of_experts(k):
    for route in (route_topk, numpy_layer.route_topk):
        with pytest.raises(ValueError, match="k must be between 1 and the number of experts"):
            route(torch.zeros(2, 3), k)


def test_bias_moves_the_choice_and_nothing_else():
    logits = torch.tensor([[2.0, 1, 0]], requires_grad=True)
    bias = torch.tensor([0.0, 0, 5], requires_grad=True)
    plain, biased = route_topk(logits, 2, renormalize=False), route_topk(logits, 2, renormalize=False, bias=bias)
    assert plain.indices.tolist() == [[0, 1]] and biased.indices.tolist() == [[2, 0]]
    assert torch.equal(biased.weights, biased.probs.gather(1, biased.indices)) and torch.equal(biased.probs, plain.probs)
    biased.weights.sum().backward()
    assert bias.grad is None and logits.grad is not None


def test_single_renormalized_weight_gives_the_router_no_gradient():
    for renormalize, reaches in ((True, False), (False, True)):
        logits = torch.randn(5, 4, requires_grad=True)
        (route_topk(logits, 1, renormalize).weights * torch.arange(5.0)[:, None]).sum().backward()
        assert bool(logits.grad.abs().sum() > 0) == reaches


choices = st.tuples(st.integers(1, 12), st.integers(1, 5), st.integers(0, 10_000)).map(
    lambda t: np.argsort(np.random.default_rng(t[2]).random((t[0], 5)) * [1, 2, 3, 4, 5], axis=1)[:, : t[1]])


@given(choices, st.integers(1, 8))
def test_capacity_gives_places_in_order_of_choice_then_token(indices, capacity):
    keep, position = capacity_mask(torch.from_numpy(indices), 5, capacity)
    queues = {e: [] for e in range(5)}
    for choice in range(indices.shape[1]):
        for token in range(len(indices)):
            queues[indices[token, choice]].append((token, choice))
    for queue in queues.values():
        for place, (token, choice) in enumerate(queue):
            assert position[token, choice] == place and bool(keep[token, choice]) == (place < capacity)
    assert np.array_equal(numpy_layer.capacity_mask(indices, 5, capacity), keep.numpy())


def test_capacity_examples():
    mask = numpy_layer.capacity_mask(np.array([[0], [0], [1], [0], [2], [0]]), 3, 2)
    assert mask.ravel().tolist() == [True, True, True, False, True, False]
    mask = numpy_layer.capacity_mask(np.array([[0, 1], [0, 2], [0, 1]]), 3, 2)
    assert mask.tolist() == [[True, True], [True, True], [False, True]]
    for masks in (numpy_layer.capacity_mask, lambda i, e, c: capacity_mask(torch.from_numpy(i), e, c)):
        with pytest.raises(ValueError, match="capacity must be at least 1"):
            masks(np.array([[0]]), 1, 0)


# ceil(factor * T * k / E); the last one is 33.000000000000004 in floating point.
@pytest.mark.parametrize(("args", "places"), [((64, 8, 1, 1.25), 10), ((64, 8, 2, 1.0), 16), ((65, 8, 1, 1.0), 9),
                                              ((1, 64, 1, 1.0), 1), ((0, 4, 1, 1.0), 1), ((30, 1, 1, 1.1), 33)])
def test_expert_capacity(args, places):
    assert expert_capacity(*args) == places


def one_hot_loss(probs, indices, num_experts):
    """The formula, assignment by assignment."""
    loss = 0.0
    for e in range(num_experts):
        f = sum(int(i == e) for row in indices for i in row) / (len(indices) * len(indices[0]))
        loss += f * sum(p[e] for p in probs) / len(probs)
    return num_experts * loss


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 10_000), st.data())
def test_balancing_loss_follows_its_formula(tokens, num_experts, seed, data):
    k = data.draw(st.integers(1, num_experts))
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(num_experts), tokens)
    indices = np.argsort(rng.random((tokens, num_experts)), axis=1)[:, :k]
    expected = one_hot_loss(probs.tolist(), indices.tolist(), num_experts)
    got = numpy_layer.load_balancing_loss(probs, indices, num_experts)
    assert type(got) is float and got == pytest.approx(expected, rel=1e-12)
    # float32: f has 24 bits
    assert float(load_balancing_loss(torch.from_numpy(probs), torch.from_numpy(indices), num_experts)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_balancing_loss_at_its_landmarks(k):
    uniform = np.full((8, 4), 0.25)
    round_robin = (np.arange(8)[:, None] + np.arange(k)) % 4
    assert numpy_layer.load_balancing_loss(uniform, round_robin, 4) == 1.0
    collapsed = np.tile([1.0, 0, 0, 0], (8, 1))
    assert numpy_layer.load_balancing_loss(collapsed, np.zeros((8, 1), int), 4) == 4.0


def test_uniform_is_not_the_minimum():
    probs = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.02, 0.5, 0.48]])
    assert numpy_layer.load_balancing_loss(probs, probs.argmax(1)[:, None], 3) == pytest.approx(0.9133, abs=5e-5)


def test_gradient_of_the_balancing_loss_flows_through_the_probabilities():
    probs = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]], dtype=torch.float64, requires_grad=True)
    indices = torch.tensor([[0], [0], [0], [1]])
    for loss_of in (load_balancing_loss, numpy_layer.load_balancing_loss):
        loss = loss_of(probs, indices, 2)
        assert loss.ndim == 0 and float(loss.detach()) == pytest.approx(1.15)
        (gradient,) = torch.autograd.grad(loss, probs)
        # d/dp_te = E f_e / T
        torch.testing.assert_close(gradient, torch.tensor([[2 * 0.75 / 4, 2 * 0.25 / 4]] * 4, dtype=torch.float64))


def test_z_loss():
    assert float(router_z_loss(torch.zeros(3, 8))) == pytest.approx(math.log(8) ** 2)
    assert float(router_z_loss(torch.tensor([[1e4, 0.0]]))) == pytest.approx(1e8)
