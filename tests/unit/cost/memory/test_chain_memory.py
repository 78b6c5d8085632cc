"""Chains: what inference needs, against a step-by-step liveness; the hand counts of what training keeps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.memory.chain import chain_peak, inference_peak_bytes, saved_bytes


@st.composite
def chains(draw):
    sizes = draw(st.lists(st.integers(1, 100), min_size=1, max_size=10))
    pairs = [(i, j) for i in range(len(sizes)) for j in range(i + 1, len(sizes))]
    return sizes, draw(st.lists(st.sampled_from(pairs), max_size=4)) if pairs else []


def schedule(sizes, skips):
    """Free each tensor as soon as nobody needs it any more."""
    live, peak = {0}, sizes[0]
    for step in range(1, len(sizes)):
        live.add(step)
        peak = max(peak, sum(sizes[i] for i in live))
        live = {i for i in live if i == step or any(a == i and b > step for a, b in skips)}
    return peak


@given(chains())
def test_peak_of_a_greedy_schedule(chain):
    assert chain_peak(*chain) == schedule(*chain)


@given(chains())
def test_bounds(chain):
    sizes, skips = chain
    pairs = max((a + b for a, b in pairwise(sizes)), default=sizes[0])
    assert pairs <= chain_peak(sizes, skips) <= sum(sizes)
    assert chain_peak(sizes) == max(pairs, max(sizes))


def test_examples_and_the_mapping_form():
    assert (chain_peak([10, 40, 20]), chain_peak([10, 40, 20], [(0, 2)]), chain_peak([7])) == (60, 70, 7)
    assert inference_peak_bytes([10, 40, 20]) == 60 and inference_peak_bytes([10, 40, 20], {0: 2}) == 70
    # An inverted residual (MobileNetV2): a narrow input is carried around two wide tensors.
    assert chain_peak([24, 144, 144, 24], [(0, 3)]) == 24 + 144 + 144


@pytest.mark.parametrize(("sizes", "skips", "word"), [([], [], "sizes"), ([1, 2], [(1, 1)], "skips"), ([1, 2], [(0, 2)], "skips")])
def test_impossible_chains_are_refused(sizes, skips, word):
    with pytest.raises(ValueError, match=word):
        chain_peak(sizes, skips)


def test_saved_bytes_by_hand():
    assert saved_bytes([("linear", 200), ("relu",), ("linear", 50)], 32, 100) == 32 * 4 * (100 + 200)
    assert saved_bytes([("linear", 6), ("dropout", 0.1), ("linear", 4)], 8, 10) == 704  # 320 + 192 (mask) + 192
    assert saved_bytes([("relu",)], 1, 5) == 20
    with pytest.raises(ValueError, match="gelu"):
        saved_bytes([("gelu",)], 1, 5)
