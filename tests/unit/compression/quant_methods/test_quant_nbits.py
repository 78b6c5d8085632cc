"""Packed weights: the bytes by hand, and ONNX Runtime's kernel against the dequantized matrices."""

import numpy as np
import pytest

from utils.compression.qdq import executed_ops, onnx_bytes, run_onnx
from utils.compression.quant_methods.nbits import nbits_onnx, pack_codes, pack_layer
from utils.compression.quant_methods.weights import quantize_weights_rtn


def test_bytes_by_hand():
    q = np.array([[-7, 0, 1, 7]])
    assert pack_codes(q, 4, 4).tolist() == [[[1 | 8 << 4, 9 | 15 << 4]]]
    assert pack_codes(np.array([[-1, 0, 1, 1]]), 2, 4).tolist() == [[[1 | 2 << 2 | 3 << 4 | 3 << 6]]]
    assert pack_codes(q, 8, 4).tolist() == [[[121, 128, 129, 135]]]
    assert pack_codes(np.zeros((2, 5), int), 4, 4).shape == (2, 2, 2)
    with pytest.raises(ValueError, match="bits"):
        pack_codes(q, 3, 4)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_kernel_multiplies_the_dequantized_weights(bits):
    rng = np.random.default_rng(bits)
    Ws, biases = [rng.normal(size=(48, 64)), rng.normal(size=(5, 48))], [rng.normal(size=48), rng.normal(size=5)]
    layers = [pack_layer(W, quantize_weights_rtn(W, bits, group_size=16), b, bits, 16) for W, b in zip(Ws, biases)]
    X = rng.normal(size=(9, 64)).astype(np.float32)
    model = nbits_onnx(layers)
    assert executed_ops(model).count("MatMulNBits") == 2
    h = np.maximum(X @ quantize_weights_rtn(Ws[0], bits, group_size=16).T + biases[0], 0)
    expected = h @ quantize_weights_rtn(Ws[1], bits, group_size=16).T + biases[1]
    np.testing.assert_allclose(run_onnx(model, X), expected, atol=2e-4 * np.abs(expected).max())
    np.testing.assert_allclose(layers[0].weights, quantize_weights_rtn(Ws[0], bits, group_size=16), rtol=1e-5, atol=1e-6)
    weights = sum(W.size for W in Ws)
    assert onnx_bytes(model) == weights * bits // 8 + weights // 16 * 4 + (48 + 5) * 4


def test_weights_beside_the_grid_are_refused():
    W = np.random.default_rng(0).normal(size=(4, 32))
    with pytest.raises(ValueError, match="grid"):
        pack_layer(W, W, np.zeros(4), 4)
