"""Training for low precision: weights end on the grid, gradients pass, FP8 products are FP8 products."""

import numpy as np
import pytest
import torch

from utils.compression.quant_methods.training import Fp8Matmul, as_fp8, qat, to_fp8, train_fp8
from utils.compression.quant_methods.weights import quantize_weights_rtn, weight_scales
from utils.networks.digits import DigitsMLP, accuracy, load_digits_split, seeded, trained_digits


@pytest.fixture(scope="module")
def data():
    X, X_test, y, y_test = load_digits_split()
    return (X[:600], y[:600]), (X_test, y_test)


@pytest.mark.parametrize(("learn_scale", "group_size"), [(False, None), (False, 32), (True, None)])
def test_qat_recovers_two_bits_and_ends_on_the_grid(data, learn_scale, group_size):
    train, test = data
    model = trained_digits("mlp", 0, 8)
    before = [p.clone() for p in model.parameters()]
    tuned = qat(model, 2, *train, epochs=4, learn_scale=learn_scale, group_size=group_size)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before))
    for layer in tuned.linears:
        assert not torch.nn.utils.parametrize.is_parametrized(layer)
        W = layer.weight.detach().double().numpy()
        part = W.reshape(len(W), -1, group_size or W.shape[1])
        top = np.abs(part).max(-1, keepdims=True)
        steps = part / np.where(top > 0, top, 1)  # 2 bits: -1, 0 and 1 times the scale
        assert np.abs(steps - np.rint(steps)).max() < 1e-5
    rounded = seeded(DigitsMLP, 0)
    rounded.load_state_dict(model.state_dict())
    with torch.no_grad():
        for layer in rounded.linears:
            layer.weight.copy_(torch.tensor(quantize_weights_rtn(layer.weight.numpy(), 2, group_size=group_size)))
    assert accuracy(tuned, *test) > accuracy(rounded, *test) + 0.02


def test_qat_grid_is_that_of_round_to_nearest(data):
    tuned = qat(trained_digits("mlp", 0, 2), 4, *data[0], epochs=1)
    for layer in tuned.linears:
        W = layer.weight.detach().double().numpy()
        np.testing.assert_allclose(quantize_weights_rtn(W, 4), W, atol=1e-5 * weight_scales(W, 4).max())


def test_fp8_product_and_its_gradients():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, generator=generator).requires_grad_()
    w = torch.randn(3, 7, generator=generator).requires_grad_()
    upstream = torch.randn(5, 3, generator=generator)
    y = Fp8Matmul.apply(x, w)
    y.backward(upstream)
    x8, w8, g8 = to_fp8(x.detach()), to_fp8(w.detach()), to_fp8(upstream, torch.float8_e5m2)
    torch.testing.assert_close(y, x8 @ w8.T)
    torch.testing.assert_close(x.grad, g8 @ w8)
    torch.testing.assert_close(w.grad, g8.T @ x8)
    # E4M3 has 3 mantissa bits: the relative error is at most 2^-4 for normal numbers (half of 2^-3).
    relative = ((x8 - x).abs() / x.abs())[x.abs() > x.abs().max() / 448 * 2**-6 * 2]
    assert relative.max() <= 2**-4 + 1e-6 and relative.max() > 2**-6
    assert torch.equal(to_fp8(torch.zeros(3)), torch.zeros(3))


def test_fp8_training_learns_and_keeps_master_weights(data):
    train, test = data
    model = train_fp8(*train, epochs=6)
    assert accuracy(model, *test) > 0.85
    weight = model.linears[0].weight
    assert not torch.equal(to_fp8(weight), weight)  # the master copy is finer than FP8
    cast = as_fp8(trained_digits("mlp", 0, 2))
    x = torch.rand(4, 64)
    with torch.no_grad():
        first = cast.linears[0](x)
        torch.testing.assert_close(first, to_fp8(x) @ to_fp8(cast.linears[0].weight).T + cast.linears[0].bias)
