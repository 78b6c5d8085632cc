"""Blocks of the light networks: their arithmetic on channels, their shapes, and what they leave untouched."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from utils.networks import blocks
from utils.networks.blocks import (
    GhostBottleneck,
    GhostModule,
    ShuffleV2Unit,
    SqueezeExcite,
    XceptionBlock,
    channel_shuffle,
    channel_shuffle_np,
    make_divisible,
)


def params(module):
    return sum(p.numel() for p in module.parameters())


@given(st.floats(0.01, 5000), st.sampled_from([1, 4, 8, 16]))
def test_make_divisible_keeps_its_three_promises(v, divisor):
    got = make_divisible(v, divisor)
    assert type(got) is int and got % divisor == 0 and got >= divisor and got >= 0.9 * v
    assert abs(got - v) <= divisor if got > divisor else got == divisor  # at most one step away


def test_make_divisible_on_the_counts_of_the_papers():
    # MobileNetV2 at width 0.75 and 0.35, as in its released checkpoints
    assert [make_divisible(c * 0.75) for c in (16, 24, 32, 64, 96, 160, 320)] == [16, 24, 24, 48, 72, 120, 240]
    assert [make_divisible(c * 0.35) for c in (16, 24, 32, 64, 96, 160, 320)] == [8, 8, 16, 24, 32, 56, 112]
    assert (make_divisible(12), make_divisible(20), make_divisible(11)) == (16, 24, 16)  # ties up; 8 is below 90 % of 11
    for bad in ((0, 8), (-1.0, 8), (8, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            make_divisible(*bad)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_shuffle_is_torchs_and_is_undone_by_the_other_factor(groups, per_group, seed):
    c = groups * per_group
    x = np.random.default_rng(seed).integers(0, 1000, (2, c, 2, 3)).astype(np.int16)
    before = x.copy()
    got = channel_shuffle_np(x, groups)
    wanted = torch.nn.functional.channel_shuffle(torch.from_numpy(x), groups)
    assert got.dtype == x.dtype and np.array_equal(got, wanted.numpy()) and np.array_equal(x, before)
    assert torch.equal(channel_shuffle(torch.from_numpy(x), groups), wanted)
    assert np.array_equal(channel_shuffle_np(got, per_group), x)
    if groups in (1, c):
        assert np.array_equal(got, x)


@pytest.mark.parametrize("shuffle", [lambda g: channel_shuffle(torch.zeros(1, 6, 1, 1), g),
                                     lambda g: channel_shuffle_np(np.zeros((1, 6, 1, 1)), g)])
def test_shuffle_refuses_a_remainder(shuffle):
    with pytest.raises(ValueError, match="divisible by groups"):
        shuffle(4)


def test_the_shuffle_unit_passes_half_of_its_channels_by():
    unit = ShuffleV2Unit(8, 8, 1).eval()
    x = torch.randn(1, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    # the left half comes out on even channels, as it was
    assert torch.equal(unit(x)[:, 0::2], x[:, :4]) and unit(x).shape == x.shape
    assert unit(x)[:, 1::2].min() >= 0  # the right half ends with ReLU
    assert ShuffleV2Unit(6, 10, 2)(x[:, :6]).shape == (1, 10, 3, 3)
    assert params(ShuffleV2Unit(24, 116, 2)) == (24 * 9 + 2 * 24 + 24 * 58 + 2 * 58) + (
        24 * 58 + 2 * 58 + 58 * 9 + 2 * 58 + 58 * 58 + 2 * 58)


def test_the_shuffle_unit_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="even"):
        ShuffleV2Unit(6, 7, 2)
    with pytest.raises(ValueError, match="equal c_in"):
        ShuffleV2Unit(6, 8, 1)


@pytest.mark.parametrize(("c_out", "ratio", "real"), [(8, 2, 4), (7, 2, 4), (9, 3, 3), (10, 3, 4), (1, 2, 1)])
def test_a_ghost_module_computes_the_ceiling_and_slices(c_out, ratio, real):
    ghost = GhostModule(5, c_out, ratio=ratio).eval()
    x = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    y = ghost(x)
    assert y.shape == (2, c_out, 4, 4) and y.min() >= 0
    assert torch.equal(y[:, :real], ghost.primary(x))  # the real maps come first
    depthwise = ghost.cheap[0]
    assert (depthwise.groups, depthwise.out_channels) == (real, real * (ratio - 1))
    assert GhostModule(5, c_out, act=None).eval()(x).min() < 0


@pytest.mark.parametrize(("c_in", "c_out", "stride", "same"), [(6, 6, 1, True), (6, 8, 1, False), (6, 6, 2, False)])
@pytest.mark.parametrize("se", [False, True])
def test_a_ghost_bottleneck_adds_its_input(c_in, c_out, stride, same, se):
    block = GhostBottleneck(c_in, 12, c_out, 3, stride, se=se).eval()
    x = torch.randn(1, c_in, 8, 8, generator=torch.Generator().manual_seed(0))
    assert block(x).shape == (1, c_out, 8 // stride, 8 // stride)
    with torch.no_grad():
        for conv in (m for m in block.body.modules() if isinstance(m, nn.Conv2d)):
            conv.weight.zero_()
    if same:
        assert torch.equal(block(x), x)
    assert isinstance(block.shortcut, nn.Identity) == same
    assert any(isinstance(m, SqueezeExcite) for m in block.modules()) == se
    assert len(block.body) == 2 + (stride > 1) + se


def test_squeeze_excite_scales_whole_channels():
    gate = SqueezeExcite(4, 2)
    x = torch.rand(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    factor = gate(x) / x
    assert torch.allclose(factor, factor[:, :, :1, :1].expand_as(factor)) and 0 <= factor.min() <= factor.max() <= 1


@pytest.mark.parametrize(("grow_first", "widths"), [(True, [(4, 6), (6, 6), (6, 6)]), (False, [(4, 4), (4, 4), (4, 6)])])
def test_an_xception_block_grows_where_it_is_told(grow_first, widths):
    block = XceptionBlock(4, 6, 3, 2, grow_first=grow_first)
    pointwise = [m for m in block.body.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert [(m.in_channels, m.out_channels) for m in pointwise] == widths
    assert block(torch.zeros(1, 4, 9, 9)).shape == (1, 6, 5, 5)
    assert isinstance(block.body[0], nn.ReLU) and isinstance(block.body[-1], nn.MaxPool2d)


def test_an_xception_block_without_change_adds_its_input_and_may_skip_the_first_relu():
    block = XceptionBlock(4, 4, 2, 1, start_with_relu=False).eval()
    assert isinstance(block.shortcut, nn.Identity) and isinstance(block.body[0], nn.Conv2d)
    x = -torch.ones(1, 4, 5, 5)
    untouched = x.clone()
    block(x)
    assert torch.equal(x, untouched)


def test_the_exercises_block_is_the_rooms_block():
    built = blocks.build_inverted_residual(24, 24, 1, 6)
    assert isinstance(built, blocks.InvertedResidual) and params(built) == 8832  # 24·144 + 9·144 + 144·24 and 2·(144+144+24)
