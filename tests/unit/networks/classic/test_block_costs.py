"""Costs of light blocks against real torch layers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.networks.blocks import Fire
from utils.networks.classic import cheapest_block, fire_params, separable_cost
from utils.networks.classic.light import FIRES

SMALL = st.integers(1, 40)


def macs_by_hand(weights_of, area):
    """MACs of convolutions that all write `area` pixels: every weight is used once a pixel."""
    with torch.device("meta"):
        layers = weights_of()
    return sum(layer.weight.numel() for layer in layers) * area


@given(SMALL, SMALL, st.sampled_from([1, 2, 3, 5, 7]), SMALL, SMALL)
def test_separable_cost_counts_real_layers(c_in, c_out, k, h, w):
    dense, separable, ratio = separable_cost(c_in, c_out, k, h, w)
    assert dense == macs_by_hand(lambda: [nn.Conv2d(c_in, c_out, k, bias=False)], h * w)
    assert separable == macs_by_hand(lambda: [nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False),
                                              nn.Conv2d(c_in, c_out, 1, bias=False)], h * w)
    assert ratio == pytest.approx(1 / c_out + 1 / k**2, rel=1e-12) and (ratio > 1) == (k == 1 or c_out == 1)


@pytest.mark.parametrize("place", range(5))
def test_separable_cost_refuses_what_is_below_one(place):
    values = [3, 4, 3, 7, 7]
    values[place] = 0
    with pytest.raises(ValueError, match="at least 1"):
        separable_cost(*values)


@given(SMALL, SMALL, SMALL, SMALL)
@settings(max_examples=40)
def test_fire_params_counts_the_module(c_in, squeeze, expand1, expand3):
    with torch.device("meta"):
        fire = Fire(c_in, squeeze, expand1, expand3)
    total = sum(p.numel() for p in fire.parameters())
    assert fire_params(c_in, squeeze, expand1, expand3) == total
    assert fire_params(c_in, squeeze, expand1, expand3, bias=False) == total - squeeze - expand1 - expand3


def test_eight_fires_a_stem_and_a_classifier_are_squeezenet():
    inputs = [96, *[2 * expand for _, expand in FIRES[:-1]]]
    fires = sum(fire_params(c, squeeze, expand, expand) for c, (squeeze, expand) in zip(inputs, FIRES))
    assert (3 * 96 * 49 + 96, 512 * 1000 + 1000) == (14_208, 513_000)
    assert 14_208 + fires + 513_000 == 1_248_424


def weights(kind, c_in, c_out, k):
    real = int(np.ceil(c_out / 2))
    return {"dense": c_in * c_out * k * k, "separable": c_in * k * k + c_in * c_out,
            "ghost": c_in * real * k * k + real * 9}[kind]


@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 5), st.permutations(["dense", "separable", "ghost"]),
       st.integers(1, 3), st.integers(0, 20_000))
@settings(max_examples=300)
def test_cheapest_block_is_the_first_minimum_of_what_fits(c_in, c_out, k, kinds, count, budget):
    kinds = kinds[:count]
    rows = [(weights(kind, c_in, c_out, k) * 35, i, kind) for i, kind in enumerate(kinds)
            if 4 * weights(kind, c_in, c_out, k) <= budget]
    if not rows:
        with pytest.raises(ValueError, match="no block fits"):
            cheapest_block(c_in, c_out, 5, 7, k, budget, kinds)
        return
    macs, _, kind = min(rows)
    assert cheapest_block(c_in, c_out, 5, 7, k, budget, kinds) == (kind, macs)


def test_examples_of_the_chapter():
    assert cheapest_block(64, 128, 56, 56, 3, 100_000) == ("separable", 27_496_448)
    assert cheapest_block(64, 128, 56, 56, 1, 40_000) == ("ghost", 14_651_392)
    assert cheapest_block(9, 16, 7, 7, 1, 10_000, ("ghost", "dense")) == ("ghost", 7056)  # a tie: 9 · 16 = (9 + 9) · 8
    assert cheapest_block(9, 16, 7, 7, 1, 10_000, ("dense", "ghost")) == ("dense", 7056)
    assert cheapest_block(8, 8, 1, 1, 3, 4 * (72 + 64), ("separable",)) == ("separable", 136)  # exactly full
