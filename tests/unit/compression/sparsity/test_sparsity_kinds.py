"""Zero activations, absent blocks, and experts that are not asked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from utils.compression.sparsity import (
    density,
    group_conv_as_dense,
    moe_cost,
    rounded_zero_share,
    skip_zero_linear,
    zero_fraction_by_layer,
)


def test_zeros_of_each_layer_are_counted_in_one_pass():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Dropout(0.9)).train()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0], [0, 1]]))
    X = np.array([[1, -1], [-2, -3]], np.float32)
    assert zero_fraction_by_layer(model, X) == {"0": 0, "1": 0.75, "2": 0.75}  # dropout is off
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_hooks_are_undone_when_the_pass_fails():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError):
        zero_fraction_by_layer(model, np.ones((1, 3), np.float32))
    assert not model[0]._forward_hooks and model.training


def test_gelu_leaves_no_exact_zeros_where_relu_leaves_half():
    torch.manual_seed(0)
    X = torch.randn(1000, 8)
    found = {type(a).__name__: zero_fraction_by_layer(nn.Sequential(a), X)["0"] for a in (nn.ReLU(), nn.GELU(), nn.SiLU())}
    assert found["GELU"] == found["SiLU"] == 0 and found["ReLU"] == pytest.approx(0.5, abs=0.02)  # 8,000 signs


@given(st.integers(0, 5), st.integers(0, 6), st.integers(0, 99))
def test_skipping_zeros_changes_the_count_and_not_the_result(rows, cols, seed):
    rng = np.random.default_rng(seed)
    W, x = rng.integers(-3, 4, (rows, cols)), rng.integers(-1, 2, cols)
    y, macs = skip_zero_linear(W, x)
    assert np.array_equal(y, W @ x) and macs == rows * np.count_nonzero(x)


def test_skip_zero_needs_matching_lengths():
    with pytest.raises(ValueError, match="x must have"):
        skip_zero_linear(np.ones((2, 3)), np.ones(2))


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_grouped_convolution_is_block_diagonal(groups):
    torch.manual_seed(groups)
    conv, x = nn.Conv2d(6, 12, 3, groups=groups, bias=False).double(), torch.randn(2, 6, 8, 8).double()
    dense = group_conv_as_dense(conv.weight.detach().numpy(), groups)
    assert dense.shape == (12, 6, 3, 3) and density(dense) == pytest.approx(1 / groups)
    # sums of at most 54 products of order 1 in double
    torch.testing.assert_close(nn.functional.conv2d(x, torch.from_numpy(dense)), conv(x), rtol=1e-12, atol=1e-12)


def test_groups_must_divide():
    for groups in (0, 5):
        with pytest.raises(ValueError, match="groups must divide the 12"):
            group_conv_as_dense(np.ones((12, 1, 3, 3)), groups)


def test_rounding_makes_zeros_only_at_few_bits():
    row = np.array([[1.0, 0.4, 0.6, -0.07, 0.0], [0, 0, 0, 0, 0]])
    assert rounded_zero_share(row[:1], 2) == 0.6  # scale 1: everything below one half
    assert rounded_zero_share(row[:1], 4) == 0.4  # scale 1/7: -0.07 is below half a step
    assert rounded_zero_share(row[:1], 8) == 0.2
    assert rounded_zero_share(row, 8) == 0.6  # a row of zeros has no scale
    with pytest.raises(ValueError, match="bits must be at least 2"):
        rounded_zero_share(row, 1)


def test_experts_in_memory_and_in_use():
    # one layer of Mixtral-8x7B in BF16: 8 experts of 3 * 4096 * 14336 weights and a router of 4096 * 8
    expert, router = 3 * 4096 * 14336, 4096 * 8
    assert moe_cost(4096, 14336, 8, 2, 2) == (2 * (8 * expert + router), 2 * (2 * expert + router)) == (2818637824, 704708608)
    with pytest.raises(ValueError, match="top_k"):
        moe_cost(8, 8, 2, 3, 2)
