"""Masks, schedules, and training that keeps what was pruned at zero."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from utils.compression.pruning import (
    MaskedTraining,
    apply_masks,
    finetune_pruned,
    global_masks,
    magnitude_mask,
    polynomial_sparsity,
    sparsity_at,
)

# few distinct values, so that ties are common
weights = hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=5), elements=st.sampled_from([-2.0, -1, -0.5, 0, 0.5, 1, 2]))
shares = st.floats(0, 1)


@given(weights, shares)
def test_mask_prunes_exactly_so_many_and_the_smallest(w, sparsity):
    before = w.copy()
    mask = magnitude_mask(w, sparsity)
    assert mask.shape == w.shape and mask.dtype == bool and np.array_equal(w, before)
    assert np.count_nonzero(~mask) == round(sparsity * w.size)
    if mask.any() and not mask.all():
        assert abs(w[mask]).min() >= abs(w[~mask]).max()


@given(weights, shares)
def test_on_ties_the_lower_flat_index_goes_first(w, sparsity):
    flat, mask = abs(w).ravel(), magnitude_mask(w, sparsity).ravel()
    for value in np.unique(flat):
        of_this_size = mask[flat == value]
        assert np.all(np.diff(of_this_size.astype(int)) >= 0)  # pruned ones stand before kept ones


@given(weights, shares)
def test_arrays_and_tensors_get_the_same_mask(w, sparsity):
    mask = magnitude_mask(torch.from_numpy(w), sparsity)
    assert mask.dtype == torch.bool and np.array_equal(mask.numpy(), magnitude_mask(w, sparsity))


def test_rounding_is_not_truncation():
    assert np.count_nonzero(~magnitude_mask(np.arange(100.0), 0.29)) == 29  # 0.29 * 100 is 28.999...


@pytest.mark.parametrize("sparsity", [-0.01, 1.01, float("nan")])
def test_sparsity_outside_the_unit_interval(sparsity):
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\]"):
        magnitude_mask(np.ones(3), sparsity)
    with pytest.raises(ValueError, match="sparsity"):
        global_masks([torch.ones(3)], sparsity)


@given(st.lists(weights, min_size=1, max_size=4), shares)
def test_global_masks_share_one_threshold(arrays, sparsity):
    tensors = [torch.from_numpy(a) for a in arrays]
    masks = global_masks(tensors, sparsity)
    assert [m.shape for m in masks] == [t.shape for t in tensors]
    assert sum(int((~m).sum()) for m in masks) == round(sparsity * sum(t.numel() for t in tensors))
    kept = torch.cat([t[m].abs() for t, m in zip(tensors, masks)])
    pruned = torch.cat([t[~m].abs() for t, m in zip(tensors, masks)])
    if len(kept) and len(pruned):
        assert kept.min() >= pruned.max()


def test_apply_masks_sets_exact_zeros_even_of_broken_weights():
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[float("nan"), -2.0, 3.0]]))
    apply_masks(model, {"weight": torch.tensor([[0, 0, 1]])})
    assert model.weight.tolist() == [[0, 0, 3]]
    assert not torch.signbit(model.weight).any()  # 0.0, not -0.0
    assert model.weight.requires_grad


def test_apply_masks_checks_before_it_changes():
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    good = {"weight": torch.zeros(2, 2)}
    with pytest.raises(KeyError, match="wieght"):
        apply_masks(model, good | {"wieght": torch.ones(2, 2)})
    with pytest.raises(ValueError, match="shape"):
        apply_masks(model, good | {"bias": torch.ones(3)})
    assert torch.equal(model.weight, before)


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.3),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5),
}


def small_problem(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    batches = [(torch.randn(8, 4).double(), torch.randn(8, 2).double()) for _ in range(6)]
    return model, batches


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_masked_weights_are_zero_after_each_step_whatever_the_optimizer_remembers(name):
    model, batches = small_problem(0)
    optimizer = OPTIMIZERS[name](model.parameters())
    for x, y in batches:  # fills the optimizer's state
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    masks = {"0.weight": magnitude_mask(model[0].weight.detach(), 0.5), "2.weight": magnitude_mask(model[2].weight.detach(), 0.75)}
    apply_masks(model, masks)
    kept, bias = model[0].weight[masks["0.weight"]].detach().clone(), model[0].bias.detach().clone()
    seen = []

    def loss(output, target):
        seen.append(all(torch.all(model.get_parameter(n)[~m] == 0) for n, m in masks.items()))
        return nn.functional.mse_loss(output, target)

    first = loss(model(batches[0][0]), batches[0][1]).item()
    losses = finetune_pruned(model, masks, optimizer, batches, loss)
    assert len(losses) == len(batches) and losses[0] == first and len(set(losses)) > 1
    assert seen[1:] == [True] * 6 and torch.all(model[0].weight[~masks["0.weight"]] == 0)
    assert torch.all(model[0].weight[masks["0.weight"]] != kept) and torch.all(model[0].bias != bias)
    assert model[0].weight.dtype == torch.float64


def test_the_step_that_momentum_would_take():
    # Adam with lr 0.1 moves every weight by 0.1 at a constant gradient: 1 -> 0.9 -> 0.8; the masked one stays at 0.
    weight = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        weight.weight.fill_(1)
    optimizer = torch.optim.Adam(weight.parameters(), lr=0.1)

    def unit_gradient(output, _):
        return output.sum()

    ones = [(torch.ones(1, 2), None)]
    finetune_pruned(weight, {}, optimizer, ones, unit_gradient)
    masks = {"weight": torch.tensor([[1, 0]])}
    apply_masks(weight, masks)
    finetune_pruned(weight, masks, optimizer, ones, unit_gradient)
    assert weight.weight[0].tolist() == pytest.approx([0.8, 0.0], abs=1e-6)


def test_outside_the_context_nothing_is_masked():
    model, batches = small_problem(1)
    masks = {"0.weight": torch.zeros(6, 4)}
    with pytest.raises(RuntimeError), MaskedTraining(model, masks):
        assert torch.all(model[0].weight == 0)
        raise RuntimeError
    finetune_pruned(model, {}, torch.optim.SGD(model.parameters(), lr=0.1), batches, nn.functional.mse_loss)
    assert torch.any(model[0].weight != 0)


def test_two_masked_models_do_not_disturb_each_other():
    (a, batches), (b, _) = small_problem(2), small_problem(3)
    with MaskedTraining(a, {"0.weight": torch.zeros(6, 4)}), MaskedTraining(b, {"2.weight": torch.zeros(2, 6)}):
        finetune_pruned(b, {}, torch.optim.Adam(b.parameters()), batches, nn.functional.mse_loss)
    assert torch.all(a[0].weight == 0) and torch.any(b[0].weight != 0) and torch.all(b[2].weight == 0)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(-5, 5), st.integers(1, 20), st.integers(1, 5))
def test_schedule_runs_from_one_end_to_the_other(initial, final, begin, steps, power):
    levels = [polynomial_sparsity(t, initial=initial, final=final, begin=begin, steps=steps, power=power)
              for t in range(begin - 3, begin + steps + 4)]
    assert levels[:4] == [initial] * 4 and levels[-4:] == [final] * 4
    slack = 1e-12  # a few rounding errors of numbers below 1
    assert np.all(np.diff(levels) * np.sign(final - initial) >= -slack)


def test_schedule_is_cubic():
    assert [sparsity_at(t, 0, 0.8, 2, 4) for t in range(8)] == pytest.approx([0, 0, 0, 0.4625, 0.7, 0.7875, 0.8, 0.8])
    # density, on the way to nothing kept, falls as the cube of the time left
    assert 1 - sparsity_at(5, 0, 1, 0, 10) == pytest.approx(0.5**3)
    for steps in (0, -1):
        with pytest.raises(ValueError, match="steps must be positive"):
            sparsity_at(0, 0, 1, 0, steps)
