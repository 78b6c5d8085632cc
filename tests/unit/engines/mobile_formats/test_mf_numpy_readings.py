"""Both formats, written from ONNX and run by NumPy, against ONNX Runtime on the ONNX file."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import helper

from utils.engines.mobile_formats import (
    SUPPORTED_NCNN,
    SUPPORTED_TFLITE,
    example_cnn,
    nchw_to_nhwc,
    onnx_to_ncnn,
    onnx_to_tflite,
    parse_ncnn_param,
)
from utils.engines.mobile_formats.comparing import layerwise_diff
from utils.engines.mobile_formats.ncnn_numpy import interpret_ncnn
from utils.engines.mobile_formats.tflite_numpy import interpret_tflite, read_tflite
from utils.engines.mobile_formats.zoo import TOLERANCE, ZOO, zoo_feeds
from utils.graphs.onnx_tools import expose_outputs, make_model, make_session


def reference(model, feeds):
    """All tensors of the model by ONNX Runtime."""
    session = make_session(expose_outputs(model))
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds)))


def as_nhwc(feeds):
    return {name: nchw_to_nhwc(value) if value.ndim == 4 else value for name, value in feeds.items()}


@pytest.mark.parametrize("name", ZOO)
def test_ncnn_files_give_what_onnx_runtime_gives(name):
    model = ZOO[name]()
    feeds = zoo_feeds(model)
    expected = reference(model, feeds)
    got = interpret_ncnn(*onnx_to_ncnn(model), feeds)
    for diff in layerwise_diff(expected, got, {k: k for k in expected if k in got}, **TOLERANCE):
        assert diff.ok, diff
    assert model.graph.output[0].name in got


@pytest.mark.parametrize("name", ZOO)
def test_tflite_files_give_what_onnx_runtime_gives(name):
    model = ZOO[name]()
    feeds = zoo_feeds(model)
    expected = reference(model, feeds)
    got = interpret_tflite(onnx_to_tflite(model), as_nhwc(feeds))
    for diff in layerwise_diff(expected, got, {k: k for k in expected if k in got}, "NHWC", **TOLERANCE):
        assert diff.ok, diff
    assert model.graph.output[0].name in got


GOLDEN_PARAM = """7767517
7 7
Input            x            0 1 x 0=28 1=28 2=1
Convolution      c1           1 1 x c1 0=8 1=3 2=1 3=1 4=1 5=1 6=72
ReLU             r1           1 1 c1 r1
Convolution      c2           1 1 r1 c2 0=16 1=3 2=1 3=2 4=1 5=1 6=1152
ReLU             r2           1 1 c2 r2
Pooling          gap          1 1 r2 gap 0=1 4=1
InnerProduct     fc           1 1 gap y 0=10 1=1 2=160
"""


def test_the_files_of_the_example_are_what_the_real_engines_ran():
    """Golden files: ncnn 1.0.20261020 and ai-edge-litert 2.3.0 ran them on 2026-11-27 with errors below 1e-6."""
    param, weights = onnx_to_ncnn(example_cnn())
    assert param == GOLDEN_PARAM
    assert len(weights) == 4 * (3 + 72 + 8 + 1152 + 16 + 160 + 10) == 5684
    data = onnx_to_tflite(example_cnn())
    assert len(data) == 7416
    assert hashlib.sha256(data).hexdigest() == SHA256


SHA256 = "4c4aeb92c9081749b4416a60a5695ac2ee9629b47d6f1782e5c1792652509f98"


def test_what_the_tflite_file_of_the_example_holds():
    model = read_tflite(onnx_to_tflite(example_cnn()))
    assert [op.builtin for op in model.operators] == ["CONV_2D", "PAD", "CONV_2D", "MEAN", "RESHAPE", "FULLY_CONNECTED"]
    assert model.shapes["c2_w"] == (16, 3, 3, 8) and model.shapes["x"] == (1, 28, 28, 1)
    assert [op.options["padding"] for op in model.operators if op.builtin == "CONV_2D"] == [0, 1]  # SAME, then VALID
    assert model.inputs == ("x",) and model.outputs == ("y",)


def test_half_precision_weights_are_rounded_and_nothing_else():
    model = example_cnn()
    feeds = zoo_feeds(model)
    param, full = onnx_to_ncnn(model)
    same, half = onnx_to_ncnn(model, fp16=True)
    assert param == same and len(half) == 4 * 3 + 2 * (72 + 1152 + 160) + 4 * 34
    rounded = type(model)()
    rounded.CopyFrom(model)
    for tensor in rounded.graph.initializer:
        if tensor.name.endswith("_w"):
            value = onnx.numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    got = interpret_ncnn(same, half, feeds)["y"]
    np.testing.assert_array_equal(got, interpret_ncnn(*onnx_to_ncnn(rounded), feeds)["y"])
    assert np.abs(got - interpret_ncnn(param, full, feeds)["y"]).max() > 1e-5


def test_a_symbolic_batch_becomes_one_image():
    model = example_cnn()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    assert onnx_to_tflite(model) == onnx_to_tflite(example_cnn())
    assert onnx_to_ncnn(model) == onnx_to_ncnn(example_cnn())


def test_names_may_be_missing_or_repeated():
    model = example_cnn()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Relu" else "same"
    feeds = zoo_feeds(model)
    expected = interpret_ncnn(*onnx_to_ncnn(example_cnn()), feeds)["y"]
    assert np.array_equal(interpret_ncnn(*onnx_to_ncnn(model), feeds)["y"], expected)
    assert np.allclose(interpret_tflite(onnx_to_tflite(model), as_nhwc(feeds))["y"], expected, **TOLERANCE)
    assert len({layer.name for layer in parse_ncnn_param(onnx_to_ncnn(model)[0])}) == 7


def one(op, shape, out, weights=None, **attributes):
    node = helper.make_node(op, ["x", *(weights or {})], ["y"], name="node", **attributes)
    return make_model([node], {"x": shape}, {"y": out}, weights)


IMAGE = (1, 4, 6, 6)
REFUSED = {  # (model, words, which writers)
    "an unknown operator": (one("Tanh", IMAGE, IMAGE), "Tanh", "nt"),
    "groups": (one("Conv", IMAGE, IMAGE, {"w": np.ones((4, 2, 1, 1), np.float32)}, group=2), "groups", "t"),
    "a constant summand": (one("Add", IMAGE, IMAGE, {"w": np.ones((1, 4, 1, 1), np.float32)}), "one shape", "nt"),
    "rounding up": (one("MaxPool", IMAGE, (1, 4, 3, 3), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), "ceil_mode", "nt"),
    "dilated pooling": (one("MaxPool", IMAGE, (1, 4, 4, 4), kernel_shape=[2, 2], dilations=[2, 2]), "dilation", "nt"),
    "an average that leaves padding out": (one("AveragePool", IMAGE, (1, 4, 3, 3), kernel_shape=[3, 3], strides=[2, 2],
                                               pads=[1, 1, 1, 1]), "SAME", "t"),
    "softmax over rows": (one("Softmax", IMAGE, IMAGE, axis=2), "channels", "t"),
    "softmax over the batch": (one("Softmax", (1, 4), (1, 4), axis=0), "batch", "n"),
    "another flatten": (one("Flatten", IMAGE, (4, 36), axis=2), "axis", "nt"),
    "alpha": (one("Gemm", (1, 4), (1, 4), {"w": np.eye(4, dtype=np.float32)}, alpha=2.0), "alpha", "nt"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_format_cannot_say_is_refused(name):
    model, words, writers = REFUSED[name]
    for letter, write in (("n", onnx_to_ncnn), ("t", onnx_to_tflite)):
        if letter in writers:
            with pytest.raises(ValueError, match=words):
                write(model)


def test_both_writers_know_the_same_operators():
    assert set(SUPPORTED_NCNN) == set(SUPPORTED_TFLITE)
    used = {node.op_type for make in ZOO.values() for node in make().graph.node}
    assert used == set(SUPPORTED_NCNN)


def test_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="Tanh"):
        interpret_ncnn("7767517\n2 2\nInput x 0 1 x\nTanH t 1 1 x y\n".replace("TanH", "Tanh"), b"", {"x": np.ones((1, 3))})
    with pytest.raises(ValueError, match="BinaryOp 2"):
        interpret_ncnn("7767517\n3 3\nInput x 0 1 x\nInput z 0 1 z\nBinaryOp t 2 1 x z y 0=2\n", b"",
                       {"x": np.ones((1, 3)), "z": np.ones((1, 3))})
    with pytest.raises(KeyError):
        interpret_ncnn(GOLDEN_PARAM, onnx_to_ncnn(example_cnn())[1], {})
