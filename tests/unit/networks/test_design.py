"""Channel splits against brute force, access against real tensors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.networks import design

small = st.integers(1, 12)


@settings(deadline=None, max_examples=60)
@given(small, small, st.integers(1, 400))
def test_best_split_against_all_pairs(h, w, product):
    macs = h * w * product
    pairs = [(a, b) for a in range(1, product + 1) for b in range(a, product + 1) if a * b == product]
    elements = {(a, b): h * w * (a + b) + a * b for a, b in pairs}
    c1, c2, least = design.best_split(h, w, macs)
    assert least == elements[c1, c2] == min(elements.values())
    assert least >= design.shuffle_access_bound(h, w, macs) * (1 - 1e-12)
    assert (least == pytest.approx(design.shuffle_access_bound(h, w, macs), rel=1e-12)) == (c1 == c2)


def test_golden():
    # 51.4 million MACs on 56 x 56 (Ma et al., equation 2)
    assert [design.shuffle_access_elements(56, 56, a, b) for a, b in ((128, 128), (64, 256), (16, 1024))] == [
        819_200, 1_019_904, 3_277_824]
    assert design.shuffle_access_bound(56, 56, 51_380_224) == pytest.approx(819_200)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 9), st.integers(3, 9), small, small, st.sampled_from([1, 3]), st.integers(1, 3))
def test_access_is_the_elements_of_real_tensors(h, w, c_in, c_out, k, groups):
    c_in, c_out = c_in * groups, c_out * groups
    with torch.device("meta"):
        layer, x = torch.nn.Conv2d(c_in, c_out, k, 2, k // 2, groups=groups, bias=False), torch.empty(1, c_in, h, w)
    y = layer(x)
    told = design.access_elements(h, w, *y.shape[2:], c_in, c_out, k, groups)
    assert told == x.numel() + y.numel() + layer.weight.numel()


@pytest.mark.parametrize("bad", [lambda: design.best_split(7, 7, 50), lambda: design.best_split(7, 7, 0),
                                 lambda: design.access_elements(4, 4, 4, 4, 3, 4, 1, 2)])
def test_refused(bad):
    with pytest.raises(ValueError, match="must"):
        bad()
