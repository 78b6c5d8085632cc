"""The counting scalar computes the right values and notes every operation."""

import numpy as np
import pytest
import torch

from utils.cost.flops.counting_float import (
    CountingFloat,
    Tally,
    count_by_execution,
    counting_array,
    naive_attention,
    naive_conv2d,
    naive_matmul,
)


def floats(x: np.ndarray) -> np.ndarray:
    return np.vectorize(float)(x)


def test_each_operation_is_noted_once():
    tally = Tally()
    a, b = CountingFloat(3, tally), CountingFloat(4, tally)
    assert [float(v) for v in (a + b, a - b, a * b, b / a, 1 + a, 1 - a, 2 * a, a.apply(abs))] == [
        7, -1, 12, 4 / 3, 4, -2, 6, 3]
    assert tally.ops().as_dict() == {"muls": 2, "adds": 4, "other": 2, "macs": 2, "flops": 8}


def test_numpy_on_object_arrays_is_counted_too():
    assert count_by_execution(np.dot, (5,), (5,)).flops == 9  # 5 products, 4 additions
    assert count_by_execution(lambda a, x: a[()] * x + a[()], (), (3,)).as_dict()["flops"] == 6  # scalar first


@pytest.mark.parametrize("skip", [False, True])
def test_naive_convolution_is_torchs(skip):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((4, 6, 5)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
    got = naive_conv2d(*(counting_array(v, Tally()) for v in (x, w, b)), stride=2, padding=2, dilation=2, groups=2,
                       skip_padding=skip)
    want = torch.nn.functional.conv2d(*map(torch.from_numpy, (x[None], w, b)), 2, 2, 2, 2)[0]
    np.testing.assert_allclose(floats(got), want.numpy(), atol=1e-14)  # 12 products of order 1: a few ulp


@pytest.mark.parametrize("causal", [False, True])
def test_naive_attention_is_torchs(causal):
    rng = np.random.default_rng(1)
    q, k, v = (rng.standard_normal((5, 4)) for _ in range(3))
    got = naive_attention(*(counting_array(a, Tally()) for a in (q, k, v)), causal)
    want = torch.nn.functional.scaled_dot_product_attention(
        *(torch.from_numpy(a)[None] for a in (q, k, v)), is_causal=causal, scale=1.0)[0]
    np.testing.assert_allclose(floats(got), want.numpy(), atol=1e-14)


def test_naive_matmul_is_numpys():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    got = naive_matmul(counting_array(a, Tally()), counting_array(b, Tally()))
    np.testing.assert_allclose(floats(got), a @ b, atol=1e-14)
