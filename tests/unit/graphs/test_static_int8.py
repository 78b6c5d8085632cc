"""Static INT8 of ONNX models."""

import logging

import numpy as np
import pytest
from onnx import helper, numpy_helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.static_int8 import static_int8


def gemm():
    w = np.array([[1.0, -100.0], [0.25, 50.0]], np.float32)  # columns are output channels
    return make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ("N", 2)}, {"y": ("N", 2)}, {"w": w})


FEEDS = [{"x": np.array([[1.0, 2.0]], np.float32)}, {"x": np.array([[-4.0, 3.0]], np.float32)}]


def weight(model):
    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name.startswith("w") and t.name.endswith("quantized"))


def test_the_result_runs_and_is_near():
    before = gemm().SerializeToString()
    model = gemm()
    quantized = static_int8(model, FEEDS)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {n.op_type for n in quantized.graph.node}
    x = FEEDS[1]["x"]
    a, b = (make_session(m).run(None, {"x": x})[0] for m in (model, quantized))
    assert np.abs(a - b).max() < 0.02 * np.abs(a).max() and model.SerializeToString() == before


@pytest.mark.parametrize("per_channel,first", [(False, [1, -127]), (True, [127, -127])])
def test_a_scale_per_channel_keeps_small_columns(per_channel, first):
    assert weight(static_int8(gemm(), FEEDS, per_channel=per_channel))[0].tolist() == first


def test_activations_may_be_unsigned_and_weights_short():
    model = static_int8(gemm(), FEEDS, activations="uint8", reduce_range=True)
    points = [t for t in model.graph.initializer if "zero_point" in t.name and t.name.startswith("x")]
    assert [numpy_helper.to_array(t).dtype for t in points] == [np.uint8] and np.abs(weight(model)).max() <= 64


def test_the_level_of_the_log_is_put_back():
    level = logging.getLogger().level
    with pytest.raises(Exception):  # noqa: B017 - onnxruntime's own, for feeds without the input
        static_int8(gemm(), [{"other": np.ones((1, 2), np.float32)}])
    assert logging.getLogger().level == level
