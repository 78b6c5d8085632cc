"""Tensors of ONNX graphs: their bytes and lifetimes."""

import numpy as np
import onnx
import pytest
from onnx import helper

from utils.cost.arena import (
    GraphOp,
    TensorUse,
    graph_from_onnx,
    live_peak,
    named_uses_from_onnx,
    order_peak,
    uses_from_onnx,
)
from utils.graphs.onnx_tools import make_model

node = helper.make_node


def residual(dtype=np.float32, batch=2):
    nodes = [node("Relu", ["x"], ["a"]), node("MatMul", ["a", "w"], ["b"]), node("Add", ["b", "x"], ["c"]),
             node("Tanh", ["c"], ["y"])]
    return make_model(nodes, {"x": (dtype, (batch, 3))}, {"y": (dtype, (batch, 3))}, {"w": np.zeros((3, 3), dtype)})


def test_lifetimes_without_the_weights():
    assert named_uses_from_onnx(residual()) == {
        "x": TensorUse(24, 0, 2), "a": TensorUse(24, 0, 1), "b": TensorUse(24, 1, 2), "c": TensorUse(24, 2, 3),
        "y": TensorUse(24, 3, 3)}
    assert live_peak(uses_from_onnx(residual())) == 72


@pytest.mark.parametrize(("dtype", "item"), [(np.float64, 8), (np.float16, 2)])
def test_bytes_follow_the_type_unless_they_are_given(dtype, item):
    assert {u.size for u in uses_from_onnx(residual(dtype))} == {6 * item}
    assert {u.size for u in uses_from_onnx(residual(dtype), dtype_bytes=1)} == {6}


def test_the_graph_knows_what_may_happen_in_place():
    graph = graph_from_onnx(residual())
    assert graph.ops == (GraphOp("a", ("x",), 24, True), GraphOp("b", ("a",), 24), GraphOp("c", ("b", "x"), 24, True),
                         GraphOp("y", ("c",), 24, True))
    assert graph.inputs == {"x": 24} and graph.outputs == ("y",)
    # x is the caller's and read again, so the first Relu needs its own 24 bytes; x + a + b is the peak.
    assert order_peak("abcy", graph) == 72


def test_a_broadcast_sum_is_not_in_place():
    model = make_model([node("Relu", ["x"], ["a"]), node("Add", ["a", "k"], ["y"])], {"x": (1, 3), "k": (4, 3)}, {"y": (4, 3)})
    assert not graph_from_onnx(model).by_name["y"].inplace_ok


def test_constants_are_no_tensors_of_the_run():
    shape = onnx.numpy_helper.from_array(np.array([6], np.int64))
    model = make_model([node("Constant", [], ["s"], value=shape), node("Reshape", ["x", "s"], ["y"])], {"x": (2, 3)}, {"y": (6,)})
    assert named_uses_from_onnx(model) == {"x": TensorUse(24, 0, 0), "y": TensorUse(24, 0, 0)}
    assert graph_from_onnx(model).ops == (GraphOp("y", ("x",), 24, True),)


def test_what_is_made_of_constants_is_one():
    nodes = [node("Identity", ["w"], ["v"]), node("RandomNormal", [], ["r"], shape=[2, 2]), node("MatMul", ["x", "v"], ["h"]),
             node("Add", ["h", "r"], ["y"])]
    model = make_model(nodes, {"x": (2, 2)}, {"y": (2, 2)}, {"w": np.zeros((2, 2), np.float32)})
    assert list(named_uses_from_onnx(model)) == ["x", "r", "h", "y"]


def test_unread_outputs_of_an_operator():
    model = make_model([node("Split", ["x"], ["a", "b"], num_outputs=2), node("Relu", ["a"], ["y"])], {"x": (4, 2)},
                       {"y": (2, 2)}, opset=18)
    assert named_uses_from_onnx(model)["b"] == TensorUse(16, 0, 0)
    assert [op.name for op in graph_from_onnx(model).ops] == ["a", "y"]


def test_what_is_refused():
    with pytest.raises(ValueError, match="symbolic one for 'x'"):
        uses_from_onnx(residual(batch="N"))
    both = make_model([node("Split", ["x"], ["a", "b"], num_outputs=2), node("Add", ["a", "b"], ["y"])], {"x": (4, 2)},
                      {"y": (2, 2)}, opset=18)
    with pytest.raises(ValueError, match="one output an operator, got 2 of Split"):
        graph_from_onnx(both)
