"""QDQ graphs: they run in ONNX Runtime with integer kernels, and their numbers are what the parameters say."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from utils.compression.qdq import (
    assert_integer_kernels,
    collect_ranges,
    collect_values,
    digits_to_onnx,
    executed_ops,
    insert_qdq,
    int32_bias,
    onnx_bytes,
    quantize_linear_onnx,
    run_onnx,
    to_dynamic,
)
from utils.graphs.onnx_tools import make_model
from utils.networks.digits import load_digits_split, predict, trained_digits

NAMES = {"mlp": ["img", "r1", "r2", "logits"], "cnn": ["img", "r1", "r2", "r3", "logits"]}


@pytest.fixture(scope="module")
def images():
    X, X_test, _, y_test = load_digits_split()
    return X[:128], X_test, y_test


def constants(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_float_graph_equals_torch(kind, images):
    model = trained_digits(kind, 0, 3)
    for optimize in (False, True):
        np.testing.assert_allclose(run_onnx(digits_to_onnx(model), images[1], optimize=optimize),
                                   predict(model, images[1]).numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_quantized_graph_runs_on_integer_kernels(kind, per_channel, images):
    X_cal, X_test, _ = images
    model = trained_digits(kind, 0, 8)
    proto = digits_to_onnx(model)
    quantized = insert_qdq(proto, collect_ranges(proto, X_cal, NAMES[kind]), per_channel=per_channel)
    ops = executed_ops(quantized)
    assert ops.count("QGemm") == (3 if kind == "mlp" else 2) and ops.count("QLinearConv") == (0 if kind == "mlp" else 2)
    assert_integer_kernels(quantized)
    with pytest.raises(ValueError, match="Gemm"):
        assert_integer_kernels(proto)
    logits, reference = run_onnx(quantized, X_test), predict(model, X_test).numpy()
    assert np.mean(logits.argmax(1) == reference.argmax(1)) > 0.97
    assert onnx_bytes(quantized) < 0.32 * onnx_bytes(proto)
    assert not any(v.dtype == np.float32 and v.size > 128 for v in constants(quantized).values())


def test_reference_evaluator_agrees_within_one_output_step(images):
    proto = digits_to_onnx(trained_digits("mlp", 0, 5))
    ranges = collect_ranges(proto, images[0], NAMES["mlp"])
    quantized = insert_qdq(proto, ranges)
    quantized.opset_import[0].version, quantized.ir_version = 21, 10  # the evaluator knows DequantizeLinear from 19 on
    ours = ReferenceEvaluator(quantized).run(None, {"img": images[1][:40]})[0]
    step = max(ranges["logits"][1] - ranges["logits"][0], 0) / 255
    # The integer kernel requantizes each layer once; a tie may fall the other way and move the logits by a step or two.
    assert np.abs(ours - run_onnx(quantized, images[1][:40])).max() <= 2 * step + 1e-6


def test_parameters_by_hand(images):
    proto = digits_to_onnx(trained_digits("mlp", 0, 2))
    quantized = insert_qdq(proto, {"img": (0, 1), "r1": (0, 4), "r2": (0, 5), "logits": (-10, 6)})
    floats, found = constants(proto), constants(quantized)
    assert found["img_scale"] == np.float32(1 / 255) and found["img_zero"] == -128
    assert found["logits_scale"] == np.float32(16 / 255) and found["logits_zero"] == round(-128 + 10 / (16 / 255))
    s_w = np.float32(np.abs(floats["W2"]).max() / 127)
    assert found["W2_scale"] == s_w and found["W2_q"].dtype == np.int8 and np.abs(found["W2_q"]).max() == 127
    assert np.abs(found["W2_q"] * s_w - floats["W2"]).max() <= s_w / 2 * 1.0001
    assert found["b2_q"].dtype == np.int32 and found["b2_scale"] == np.float32(4 / 255) * s_w
    np.testing.assert_allclose(found["b2_q"] * float(found["b2_scale"]), floats["b2"], atol=float(found["b2_scale"]) / 2)
    assert {n.input[2] for n in quantized.graph.node if n.op_type == "DequantizeLinear"} <= set(found)  # zero points


def test_for_tensorrt_zero_points_are_zero_and_the_bias_is_float(images):
    proto = digits_to_onnx(trained_digits("cnn", 0, 2))
    quantized = insert_qdq(proto, collect_ranges(proto, images[0], NAMES["cnn"]), symmetric_activations=True,
                           quantize_bias=False)
    found = constants(quantized)
    assert all(not np.any(v) for name, v in found.items() if name.endswith("_zero"))
    assert found["b1"].dtype == np.float32 and not any(v.dtype == np.int32 for v in found.values())
    reference = run_onnx(proto, images[1])
    assert np.mean(run_onnx(quantized, images[1]).argmax(1) == reference.argmax(1)) > 0.95


def test_kept_layers_stay_float(images):
    proto = digits_to_onnx(trained_digits("mlp", 0, 2))
    ranges = collect_ranges(proto, images[0], NAMES["mlp"][:-1])
    kept = insert_qdq(proto, ranges, keep_float=["W3"])
    assert np.array_equal(constants(kept)["W3"], constants(proto)["W3"])
    assert executed_ops(kept).count("QGemm") == 2


def test_without_zero_points_onnx_runtime_stays_in_float(images):
    """The trap that the chapter warns of: drop the third input of the weights' DequantizeLinear."""
    quantized = quantize_linear_onnx(np.eye(3, 4), np.zeros(3), (-1, 1), (-1, 1))
    assert "QGemm" in executed_ops(quantized)
    for node in quantized.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in ("W_q", "b_q"):
            del node.input[2]
    onnx.checker.check_model(quantized)
    assert "QGemm" not in executed_ops(quantized)


def test_values_ranges_and_dynamic(images):
    proto = digits_to_onnx(trained_digits("cnn", 0, 2))
    values = collect_values(proto, images[0], ["img", "r2"])
    assert values["img"].shape == (128, 1, 8, 8) and values["r2"].shape == (128, 16, 8, 8) and values["r2"].min() == 0
    assert list(collect_values(proto, images[0], ["img"])) == ["img"]
    lo, hi = collect_ranges(proto, images[0], ["r2"])["r2"]
    assert (lo, hi) == (0.0, float(values["r2"].max()))
    with pytest.raises(KeyError):
        collect_values(proto, images[0], ["r9"])
    dynamic = to_dynamic(proto)
    assert "ConvInteger" in executed_ops(dynamic) and onnx_bytes(dynamic) < onnx_bytes(proto) / 3


def test_one_layer_example_and_errors():
    W, b = np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.1, -0.2])
    model = quantize_linear_onnx(W, b, (-1, 1), (-3.1, 3.1))
    onnx.checker.check_model(model)
    np.testing.assert_allclose(run_onnx(model, [[0.5, -0.5]]), [[1.6047, -0.0729]], atol=5e-5)
    assert executed_ops(model) == ["QuantizeLinear", "QGemm", "DequantizeLinear"]
    rng = np.random.default_rng(0)
    W, b, X = rng.normal(size=(5, 12)).T[::2].T, rng.normal(size=5), rng.uniform(-2, 3, (50, 6))
    exact = X @ W.T + b
    got = run_onnx(quantize_linear_onnx(W, b, (-2, 3), (exact.min(), exact.max())), X)
    # half a step of the output, and the inner errors: each weight and input is off by at most half a step
    step_y = (max(exact.max(), 0) - min(exact.min(), 0)) / 255
    inner = np.abs(X).sum(1).max() * np.abs(W).max() / 254 + np.abs(W).sum(1).max() * 5 / 510
    assert np.abs(got - exact).max() <= step_y / 2 + inner + 1e-5
    for bad in ((1, 1), (2, 1)):
        with pytest.raises(ValueError, match="x_range"):
            quantize_linear_onnx(W, b, bad, (0, 1))
        with pytest.raises(ValueError, match="y_range"):
            quantize_linear_onnx(W, b, (0, 1), bad)


def test_refusals():
    gemm = helper.make_node("Gemm", ["x", "W"], ["y"])
    plain = make_model([gemm], {"x": ("n", 2)}, {"y": ("n", 2)}, {"W": np.eye(2, dtype=np.float32)})
    with pytest.raises(ValueError, match="transB"):
        insert_qdq(plain, {"x": (0, 1), "y": (0, 1)})
    flat = make_model([helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)], {"x": ("n", 2)}, {"y": ("n", 2)},
                      {"W": np.eye(2, dtype=np.float32)})
    with pytest.raises(KeyError, match="ranges"):
        insert_qdq(flat, {"y": (0, 1)})
    import torch

    class Odd(torch.nn.Module):
        net = torch.nn.Sequential(torch.nn.Tanh())

    with pytest.raises(ValueError, match="Tanh"):
        digits_to_onnx(Odd())


def test_bias_saturates_at_int32():
    q, scale = int32_bias([1.0, -1.0, 1e9], 0.01, np.float32(0.02))
    assert q.tolist() == [5000, -5000, 2**31 - 1] and scale == np.float32(0.01) * np.float32(0.02)
