"""Fake quantization: the example by hand, the gradient's mask, learnt scales."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.quant_methods.ste import FakeQuant, absmax_scale, fake_quant_ste, learned_quant, symmetric_levels


def test_example_by_hand():
    x = torch.tensor([-2.0, -0.24, 0.26, 0.9, 3.0], requires_grad=True)
    y = FakeQuant.apply(x, 0.5, -2, 3)
    y.sum().backward()
    assert y.tolist() == [-1.0, 0.0, 0.5, 1.0, 1.5]
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8), st.sampled_from([0.25, 0.5, 1.0]),
       st.integers(-8, 0), st.integers(1, 8))
def test_against_python_arithmetic(values, scale, qmin, qmax):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = FakeQuant.apply(x, scale, qmin, qmax)
    weights = torch.arange(1.0, len(values) + 1, dtype=torch.float64)
    (y * weights).sum().backward()
    rounded = [round(v / scale) for v in values]  # Python's round is half to even, as the text asks
    assert y.tolist() == [min(max(q, qmin), qmax) * scale for q in rounded]
    assert x.grad.tolist() == [w if qmin <= q <= qmax else 0.0 for w, q in zip(weights.tolist(), rounded)]


def test_dtype_shape_and_no_other_gradients():
    scale = torch.tensor([[0.5], [0.25]], requires_grad=True)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x = torch.linspace(-1, 1, 6, dtype=dtype).reshape(3, 2).T.requires_grad_()
        y = FakeQuant.apply(x, scale, -7, 7)
        y.sum().backward()
        assert y.dtype == dtype and y.shape == (2, 3) and scale.grad is None and x.grad.dtype == dtype


def test_zero_point_shifts_the_range():
    x = torch.tensor([-1.0, 0.0, 2.0, 9.0])
    assert fake_quant_ste(x, 0.5, 2, 0, 15).tolist() == [-1.0, 0.0, 2.0, 6.5]
    with pytest.raises(ValueError, match="scale"):
        fake_quant_ste(x, torch.tensor([0.5, 0.0, 1.0, 1.0]), 0, -1, 1)
    with pytest.raises(ValueError, match="qmin"):
        fake_quant_ste(x, 1.0, 0, 3, 3)


def test_learnt_scale_has_the_gradient_of_lsq():
    scale = torch.tensor(0.5, requires_grad=True)
    x = torch.tensor([0.3, 5.0, -5.0], requires_grad=True)
    learned_quant(x, scale, -3, 3).sum().backward()
    # 0.3 / 0.5 = 0.6: round(0.6) - 0.6 = 0.4; beyond the ends qmax and qmin, which cancel.
    assert scale.grad.item() == pytest.approx(0.4 + 3 - 3, abs=1e-6)
    assert x.grad.tolist() == [1.0, 0.0, 0.0]


def test_scales_of_rows_and_groups():
    w = torch.tensor([[1.0, -2.0, 0.0, 0.0], [3.0, 3.0, 6.0, -9.0]])
    assert absmax_scale(w, 1).tolist() == [[2.0], [9.0]]
    assert absmax_scale(w, 3, 2)[1].tolist() == [1.0, 1.0, 3.0, 3.0]
    assert absmax_scale(w, 3, 2)[0, 2:].tolist() == [1.0, 1.0]  # an all-zero group
    with pytest.raises(ValueError, match="group_size"):
        absmax_scale(w, 1, 3)
    with pytest.raises(ValueError, match="bits"):
        symmetric_levels(1)
