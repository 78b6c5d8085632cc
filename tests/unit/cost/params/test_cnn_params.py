"""ResNets from their table, and the width that fits a flash memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.cost.params import count_module
from utils.cost.params.cnn import largest_width, resnet_params, separable_net
from utils.networks.classic import resnet

stages = st.lists(st.integers(1, 4), min_size=4, max_size=4)


# torchvision's weights metadata, `num_params`; the last one has 10 classes instead of 1,000: 990 * 513 fewer.
@pytest.mark.parametrize(("blocks", "bottleneck", "classes", "published"), [
    ([2, 2, 2, 2], False, 1000, 11_689_512), ([3, 4, 6, 3], False, 1000, 21_797_672),
    ([3, 4, 6, 3], True, 1000, 25_557_032), ([3, 4, 23, 3], True, 1000, 44_549_160),
    ([2, 2, 2, 2], False, 10, 11_689_512 - 990 * 513),
])
def test_published_resnets(blocks, bottleneck, classes, published):
    assert resnet_params(blocks, bottleneck, classes) == published


@given(stages, st.booleans(), st.integers(1, 20))
@settings(max_examples=8, deadline=None)
def test_any_resnet_is_the_built_one(blocks, bottleneck, classes):
    import torch

    with torch.device("meta"):
        built = resnet(blocks, bottleneck, classes)
    assert resnet_params(blocks, bottleneck, classes) == count_module(built).trainable


@pytest.mark.parametrize("blocks", [[1, 1, 1], [1, 1, 1, 1, 1], [1, 0, 1, 1]])
def test_a_resnet_has_four_stages(blocks):
    with pytest.raises(ValueError, match="blocks must"):
        resnet_params(blocks, False)


def built_separable(w, n):
    """The net in torch, as it is after folding: every convolution has a bias."""
    layers, c = [nn.Conv2d(1, w, 3)], w
    for c_out in (2 * w, 2 * w, 4 * w, 4 * w):
        layers += [nn.Conv2d(c, c, 3, groups=c), nn.Conv2d(c, c_out, 1)]
        c = c_out
    return nn.Sequential(*layers, nn.Linear(c, n))


@given(st.integers(1, 24), st.integers(1, 30))
@settings(max_examples=15, deadline=None)
def test_separable_net_is_the_built_one(w, n):
    net, ours = built_separable(w, n), separable_net(w, n)
    assert ours.weights == sum(p.numel() for p in net.parameters() if p.ndim > 1)
    assert ours.channels == sum(p.numel() for p in net.parameters() if p.ndim == 1)
    assert ours.int8_bytes == ours.weights + 8 * ours.channels


@given(st.integers(0, 3_000_000), st.integers(1, 1000))
@settings(max_examples=60, deadline=None)
def test_largest_width_fits_and_the_next_does_not(flash, n):
    width = largest_width(flash, n)
    if width is not None:
        assert width % 8 == 0 and separable_net(width, n).int8_bytes <= flash
    assert separable_net((width or 0) + 8, n).int8_bytes > flash


@given(st.integers(1, 60), st.integers(1, 100))
def test_an_exact_fit_fits(steps, n):
    size = separable_net(8 * steps, n).int8_bytes
    assert largest_width(size, n) == 8 * steps
    assert largest_width(size - 1, n) == (8 * (steps - 1) or None)


def test_known_widths():
    # worked by hand: 30 w^2 + 266 w + 4 n w + 8 n bytes
    assert [largest_width(b) for b in (65_536, 262_144, 4_448, 4_447, 0)] == [40, 88, 8, None, None]
    assert [separable_net(w).int8_bytes for w in (8, 40, 88)] == [4_448, 60_320, 259_328]
    with pytest.raises(ValueError, match="flash_bytes"):
        largest_width(-1)
