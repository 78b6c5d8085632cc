"""Input shapes: read from models and files, and bound; ONNX Runtime and ONNX's own inference are the judges."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.static_shapes import make_static, network_inputs


def chain():
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in (("x", "a"), ("a", "y"))]
    return make_model(nodes, {"x": ("N", 64)}, {"y": ("N", 64)})


def joined():
    return make_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ("N", 3), "b": ("N", "M")}, {"y": ("N", "M")})


def test_network_inputs_of_a_model_and_of_a_file(tmp_path):
    node = helper.make_node("Add", ["x", "w"], ["y"])
    weights = {"w": np.zeros((1, 3), np.float32)}
    model = make_model([node], {"x": ("N", 3)}, {"y": ("N", 3)}, weights)
    model.graph.input.append(helper.make_tensor_value_info("w", 1, [1, 3]))  # as old exporters did
    assert network_inputs(model) == {"x": ("N", 3)}
    onnx.save(model, tmp_path / "m.onnx")
    assert network_inputs(tmp_path / "m.onnx") == network_inputs(str(tmp_path / "m.onnx")) == {"x": ("N", 3)}
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    assert network_inputs(model) == {"x": ("?", 3)}


def test_a_symbol_is_bound_everywhere():
    bound = make_static(joined(), {"a": (5, 3)})
    assert network_inputs(bound) == {"a": (5, 3), "b": (5, "M")}
    assert bound.graph.output[0].type.tensor_type.shape.dim[0].dim_value == 5
    assert network_inputs(joined()) == {"a": ("N", 3), "b": ("N", "M")}  # the argument is not changed


def test_the_bound_model_computes_the_same_and_every_shape_is_known():
    model = make_model([helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Transpose", ["r"], ["t"]),
                        helper.make_node("MatMul", ["r", "t"], ["y"])], {"x": ("N", "K")}, {"y": ("N", "N")})
    bound = make_static(model, {"x": (4, 6)})
    inferred = onnx.shape_inference.infer_shapes(bound, strict_mode=True)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.graph.value_info}
    assert shapes == {"r": [4, 6], "t": [6, 4]}
    x = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    before, after = (onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
                     for m in (model, bound))
    np.testing.assert_array_equal(before.run(None, {"x": x})[0], after.run(None, {"x": x})[0])
    assert after.get_inputs()[0].shape == [4, 6] and after.get_outputs()[0].shape == [4, 4]
    with pytest.raises(Exception, match="Got invalid dimensions"):
        after.run(None, {"x": x[:2]})


@pytest.mark.parametrize("model, shapes, word", [
    (chain(), {"z": (1, 64)}, "inputs"), (chain(), {"x": (1,)}, "dimensions"), (chain(), {"x": (1, 65)}, "keep"),
    (joined(), {"a": (1, 3), "b": (2, 3)}, "symbol")])
def test_what_does_not_fit_is_refused(model, shapes, word):
    with pytest.raises(ValueError, match=word):
        make_static(model, shapes)
