"""The digits CNN in integers: its layers against a float computation, its file against ONNX Runtime's kernels."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from utils.compression.quantization.integer_cnn import activation_ranges, integer_cnn
from utils.graphs.onnx_tools import executed_ops, make_session
from utils.networks.digits import DigitsCNN, accuracy, load_digits_split, seeded, train_classifier
from utils.numerics.int8 import int_dequantize, int_quantize


@pytest.fixture(scope="module")
def trained():
    x, x_test, y, y_test = load_digits_split()
    model = train_classifier(seeded(DigitsCNN, 0), x, y, epochs=6, lr=4e-3)
    return model, x[:128], x_test, y_test


@pytest.fixture(scope="module")
def in_runtime(trained):
    """Codes of the logits by ONNX Runtime, of a network with 7-bit weights, which no CPU lets saturate."""
    model, calibration, x, _ = trained
    net = integer_cnn(model, calibration, weight_bits=7)
    file = net.to_onnx()
    return net, file, make_session(file, optimize=True).run(None, {"image": x.reshape(-1, 1, 8, 8)})[0]


def test_integer_kernels_run(in_runtime):
    ops = executed_ops(in_runtime[1])
    assert ops.count("QLinearConv") == 2 and ops.count("QGemm") == 2
    assert not {"Conv", "FusedConv", "Gemm", "FusedGemm", "DequantizeLinear", "Relu"} & set(ops)


def test_numpy_and_onnx_runtime_agree(in_runtime, trained):
    net, _, theirs = in_runtime
    ours = net.run(trained[2])
    assert ours.dtype == theirs.dtype == np.uint8
    # Their float multiplier may round an accumulator next to a tie the other way, and the next layer spreads it.
    assert np.mean(ours != theirs) < 0.002 and np.abs(ours.astype(int) - theirs).max() <= 1


def test_with_weights_only_the_arithmetic_is_float(trained):
    model, calibration, x, _ = trained
    net = integer_cnn(model, calibration)
    file = net.to_onnx(weights_only=True)
    assert not {"QLinearConv", "QGemm", "ConvInteger", "MatMulInteger"} & set(executed_ops(file))
    logits = make_session(file).run(None, {"image": x.reshape(-1, 1, 8, 8)})[0]
    rounded = DigitsCNN()
    with torch.no_grad():
        for module, layer in zip((m for m in rounded.net if hasattr(m, "weight")), net.layers):
            module.weight.copy_(torch.as_tensor(int_dequantize(layer.w_q, layer.w_qp)))
            module.bias.copy_(torch.as_tensor(layer.bias * layer.x_qp.scale * layer.w_qp.scale))
        expected = rounded(torch.as_tensor(x)).numpy()
    assert logits.dtype == np.float32 and np.allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_a_convolution_is_that_of_the_dequantized_operands(trained):
    model, calibration, _, _ = trained
    layer = integer_cnn(model, calibration).layers[1]
    codes = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 8)).astype(np.uint8)
    real = torch.as_tensor(int_dequantize(codes, layer.x_qp).astype(np.float64))
    weight = torch.as_tensor(int_dequantize(layer.w_q, layer.w_qp).astype(np.float64))
    bias = torch.as_tensor(layer.bias * layer.x_qp.scale * layer.w_qp.scale)
    expected = int_quantize(F.relu(F.conv2d(real, weight, bias, padding=1)).numpy(), layer.y_qp)
    got = layer.run(codes)
    assert got.shape == (3, 16, 8, 8) and np.abs(got.astype(int) - expected).max() <= 1
    assert np.mean(got != expected) < 0.001  # float32 scales near ties


def test_the_border_is_the_code_of_zero(trained):
    """With inputs whose zero point is not 0, a border of code 0 would be a border of negative values."""
    model, calibration, _, _ = trained
    layer = integer_cnn(model, calibration - 0.5).layers[0]
    zero = int(layer.x_qp.zero_point)
    assert 0 < zero < 255
    blank = layer.run(np.full((1, 1, 8, 8), zero, np.uint8))
    assert all(len(np.unique(channel)) == 1 for channel in blank[0])  # 0.0 everywhere, inside and at the border


def test_accuracy_and_bytes(trained):
    model, calibration, x, y = trained
    net = integer_cnn(model, calibration)
    ours = np.mean(net.run(x).argmax(1) == y)
    assert abs(ours - accuracy(model, x, y)) <= 0.01
    params = sum(p.numel() for p in model.parameters())
    channels = 8 + 16 + 32 + 10
    assert net.weight_bytes() == params + 3 * channels + 4 * channels  # biases take 4 bytes, scales 4 more
    assert net.output_qp.axis is None


def test_ranges_are_those_behind_the_relu(trained):
    model, calibration, _, _ = trained
    ranges = activation_ranges(model, calibration)
    x = torch.as_tensor(calibration).reshape(-1, 1, 8, 8)
    first = torch.relu(model.net[0](x)).detach()
    assert ranges[0] == (0.0, 1.0) and ranges[1] == (0.0, pytest.approx(float(first.max())))
    logits = model(torch.as_tensor(calibration)).detach()
    assert len(ranges) == 5 and ranges[-1] == pytest.approx((float(logits.min()), float(logits.max())), rel=1e-5)


def test_refusals(trained):
    model, calibration, _, _ = trained
    for bits in (1, 9):
        with pytest.raises(ValueError, match="weight_bits"):
            integer_cnn(model, calibration, weight_bits=bits)
    with pytest.raises(ValueError, match="empty"):
        integer_cnn(model, calibration[:0])
