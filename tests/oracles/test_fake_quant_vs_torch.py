"""Fake quantization against torch's own, value and gradient. torch multiplies by 1/scale, so ties are avoided."""

import pytest
import torch

from utils.compression.quant_methods.ste import fake_quant_ste


@pytest.mark.parametrize(("scale", "zero_point", "qmin", "qmax"), [
    (0.1, 0, -7, 7), (0.031, 12, 0, 255), (0.5, -3, -128, 127), (0.25, 3, 0, 3)])
def test_value_and_gradient(scale, zero_point, qmin, qmax):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2000, generator=generator, dtype=torch.float32) * 3
    upstream = torch.randn(2000, generator=generator)
    off = values / scale - torch.floor(values / scale)
    values = values[(off - 0.5).abs() > 1e-3]
    upstream = upstream[: len(values)]
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    y, z = (fake_quant_ste(ours, scale, zero_point, qmin, qmax),
            torch.fake_quantize_per_tensor_affine(theirs, scale, zero_point, qmin, qmax))
    y.backward(upstream)
    z.backward(upstream)
    torch.testing.assert_close(y, z, rtol=1e-6, atol=1e-6)
    assert torch.equal(ours.grad, theirs.grad)
