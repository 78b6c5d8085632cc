"""Layouts: the numbers move to where TFLite looks for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.mobile_formats import (
    depthwise_to_1hwc,
    nchw_to_nhwc,
    nhwc_to_nchw,
    oihw_to_ohwi,
    to_tflite_layout,
)

small = st.integers(1, 5)


@given(small, small, small, small)
def test_every_number_of_an_ohwi_weight_stands_at_its_index(o, i, h, w):
    weight = np.arange(o * i * h * w, dtype=np.int32).reshape(o, i, h, w)
    moved = oihw_to_ohwi(weight)
    assert moved.shape == (o, h, w, i) and moved.dtype == weight.dtype and moved.flags.c_contiguous
    for index in np.ndindex(o, i, h, w):
        assert moved[index[0], index[2], index[3], index[1]] == weight[index]


@given(small, st.integers(1, 3), small, small)
def test_every_number_of_a_depthwise_weight_stands_at_its_index(channels, multiplier, h, w):
    weight = np.arange(channels * multiplier * h * w, dtype=np.float32).reshape(channels * multiplier, 1, h, w)
    moved = depthwise_to_1hwc(weight, multiplier)
    assert moved.shape == (1, h, w, channels * multiplier) and moved.flags.c_contiguous
    for o, _, row, column in np.ndindex(weight.shape):
        assert moved[0, row, column, o] == weight[o, 0, row, column]
    if channels > 1:
        assert np.array_equal(to_tflite_layout(weight, channels), moved)


@given(small, small, small, small)
def test_images_come_back(n, c, h, w):
    x = np.random.default_rng(0).standard_normal((n, c, h, w))
    assert np.array_equal(nhwc_to_nchw(nchw_to_nhwc(x)), x)
    assert nchw_to_nhwc(x).shape == (n, h, w, c)


def naive_nhwc(x, w, depth_multiplier=0):
    """A convolution in TFLite's layouts, written as the format's definition: loops over NHWC."""
    n, rows, columns, _ = x.shape
    kernel_h, kernel_w = w.shape[1:3]
    out = np.zeros((n, rows - kernel_h + 1, columns - kernel_w + 1, w.shape[3] if depth_multiplier else w.shape[0]))
    for b, i, j, o in np.ndindex(out.shape):
        window = x[b, i:i + kernel_h, j:j + kernel_w]  # (kh, kw, C)
        if depth_multiplier:
            out[b, i, j, o] = (window[:, :, o // depth_multiplier] * w[0, :, :, o]).sum()
        else:
            out[b, i, j, o] = (window * w[o]).sum()
    return out


@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 2, 3), 1), ((3, 1, 2, 2), 3), ((6, 1, 2, 3), 3), ((4, 1, 1, 2), 1)])
def test_both_layouts_convolve_alike(shape, groups):
    import torch

    rng = np.random.default_rng(1)
    weight = rng.standard_normal(shape)
    x = rng.standard_normal((2, shape[1] * groups, 5, 6))
    expected = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight), groups=groups).numpy()
    multiplier = 0 if groups == 1 else shape[0] // groups
    got = naive_nhwc(nchw_to_nhwc(x), to_tflite_layout(weight, groups), multiplier)
    np.testing.assert_allclose(nhwc_to_nchw(got), expected, rtol=1e-12, atol=1e-12)  # float64 sums of at most 18 products


@pytest.mark.parametrize(("shape", "groups"), [((6, 1, 3, 3), 4), ((6, 2, 3, 3), 3), ((6, 1, 3, 3), 0), ((6, 1, 3, 3), -6)])
def test_groups_that_tflite_does_not_have_are_refused(shape, groups):
    with pytest.raises(ValueError, match="groups must"):
        to_tflite_layout(np.zeros(shape), groups)


def test_wrong_ranks_are_refused():
    for function in (oihw_to_ohwi, nchw_to_nhwc, nhwc_to_nchw, to_tflite_layout):
        with pytest.raises(ValueError, match="four axes"):
            function(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="multiplier must"):
        depthwise_to_1hwc(np.zeros((5, 1, 2, 2)), 2)
    with pytest.raises(ValueError, match="one input channel"):
        depthwise_to_1hwc(np.zeros((4, 2, 2, 2)))
