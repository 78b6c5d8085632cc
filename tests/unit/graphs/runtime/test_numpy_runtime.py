"""The runtime's own promises: feeds, outputs, errors, versions, model functions, the small runtime."""

import numpy as np
import onnx
import pytest
from onnx import helper

from utils.graphs.onnx_tools import make_model, make_session
from utils.graphs.protobuf import parse_model
from utils.graphs.runtime import KERNELS, MINI_OPS, NumpyRuntime, infer_shapes, mini_runtime, operator
from utils.graphs.runtime.shape_rules import RULES

node = helper.make_node


def chain():
    nodes = [node("Add", ["r", "b"], ["y"]), node("Relu", ["x"], ["r"])]  # not in order: the runtime sorts them
    graph = make_model([nodes[1], nodes[0]], {"x": ("N", 2)}, {"y": ("N", 2)}, {"b": np.float32([1, 2])})
    swapped = onnx.ModelProto()
    swapped.CopyFrom(graph)
    swapped.graph.node.reverse()
    return swapped


def test_order_outputs_and_trace():
    runtime = NumpyRuntime(chain())
    x = np.float32([[-1, 3]])
    assert (runtime.inputs, runtime.outputs) == (["x"], ["y"])
    assert runtime.run({"x": x})["y"].tolist() == [[1, 5]]
    assert list(runtime.run({"x": x}, ["r", "x"])) == ["r", "x"]
    assert runtime.run({"x": x}, trace=True)["r"].tolist() == [[0, 3]]
    assert x.tolist() == [[-1, 3]]


def test_models_come_as_objects_bytes_and_files(tmp_path):
    model, x = chain(), {"x": np.float32([[1, 1]])}
    onnx.save(model, tmp_path / "m.onnx")
    data = model.SerializeToString()
    for form in (model, data, parse_model(data), tmp_path / "m.onnx", str(tmp_path / "m.onnx")):
        assert NumpyRuntime(form).run(x)["y"].tolist() == [[2, 3]]


@pytest.mark.parametrize("feeds, outputs, error, word", [
    ({}, None, ValueError, "no 'x'"), ({"x": np.zeros((1, 2), np.float32), "z": np.zeros(1)}, None, ValueError, "unknown 'z'"),
    ({"x": np.zeros((1, 2))}, None, TypeError, "float32, got float64"),
    ({"x": np.zeros((1, 3), np.float32)}, None, ValueError, "shape"),
    ({"x": np.zeros(2, np.float32)}, None, ValueError, "shape"),
    ({"x": np.zeros((1, 2), np.float32)}, ["nowhere"], ValueError, "nowhere"),
])
def test_bad_feeds(feeds, outputs, error, word):
    with pytest.raises(error, match=word):
        NumpyRuntime(chain()).run(feeds, outputs)


def test_one_symbol_means_one_size():
    model = make_model([node("Add", ["a", "b"], ["y"])], {"a": ("N",), "b": ("N",)}, {"y": ("N",)})
    with pytest.raises(ValueError, match="shape"):
        NumpyRuntime(model).run({"a": np.ones(3, np.float32), "b": np.ones(1, np.float32)})


def test_everything_unknown_is_named_at_once():
    nodes = [node("NonMaxSuppression", ["x", "x"], ["a"]), node("Odd", ["x"], ["b"], domain="my"), node("Relu", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("y", 1, [1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("my", 1)])
    with pytest.raises(NotImplementedError, match=r"NonMaxSuppression, my\.Odd"):
        NumpyRuntime(model)


def test_a_failing_kernel_names_its_node_and_shapes():
    model = make_model([node("MatMul", ["x", "w"], ["y"], name="head")], {"x": ("N", None)}, {"y": ("N", 2)},
                       {"w": np.ones((3, 2), np.float32)})
    with pytest.raises(ValueError, match=r"MatMul 'head'.*\(1, 4\), \(3, 2\)"):
        NumpyRuntime(model).run({"x": np.ones((1, 4), np.float32)})


@pytest.mark.parametrize("opset, total", [(11, 6), (13, 24)])
def test_softmax_changed_its_meaning_in_opset_13(opset, total):
    """On (2, 3, 4, 1) with the default axis: one sum a sample up to opset 12, one a last axis from 13 on."""
    model = make_model([node("Softmax", ["x"], ["y"])], {"x": (6, 4, 1)}, {"y": (6, 4, 1)}, opset=opset)
    x = {"x": np.random.default_rng(0).normal(size=(6, 4, 1)).astype(np.float32)}
    got = NumpyRuntime(model).run(x)["y"]
    assert got.sum() == pytest.approx(total, rel=1e-5)
    np.testing.assert_allclose(got, make_session(model).run(None, x)[0], rtol=1e-5)


@pytest.mark.parametrize("opset, inputs, attributes", [
    (11, ["x"], {"axes": [0]}), (13, ["x", "axes"], {}),
])
def test_attributes_that_became_inputs(opset, inputs, attributes):
    weights = {"axes": np.array([0], np.int64)} if len(inputs) == 2 else {}
    model = make_model([node("Unsqueeze", inputs, ["y"], **attributes)], {"x": (3,)}, {"y": (1, 3)}, weights, opset=opset)
    assert NumpyRuntime(model).run({"x": np.zeros(3, np.float32)})["y"].shape == (1, 3)
    assert str(infer_shapes(model)["y"]) == "float32[1, 3]"


def test_a_model_function_runs_by_its_body():
    body = [node("Mul", ["a", "a"], ["s"]), node("LeakyRelu", ["s"], ["out"])]
    body[1].attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    function = helper.make_function("my", "Square", ["a"], ["out"], body, [helper.make_opsetid("", 17)], ["slope"])
    graph = helper.make_graph([node("Square", ["x"], ["y"], domain="my", slope=0.5)], "g",
                              [helper.make_tensor_value_info("x", 1, [2])], [helper.make_tensor_value_info("y", 1, [2])])
    model = helper.make_model(graph, functions=[function], ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("my", 1)])
    x = {"x": np.float32([2, -3])}
    np.testing.assert_array_equal(NumpyRuntime(model).run(x)["y"], make_session(model).run(None, x)[0])


def test_an_input_with_a_default_may_be_fed():
    model = chain()
    model.graph.input.append(helper.make_tensor_value_info("b", 1, [2]))
    runtime = NumpyRuntime(model)
    assert runtime.inputs == ["x"]
    assert runtime.run({"x": np.zeros((1, 2), np.float32), "b": np.float32([7, 8])})["y"].tolist() == [[7, 8]]


def test_a_kernel_of_your_own():
    try:
        @operator("Twice")
        def twice(x, *, times=2):
            return x * x.dtype.type(times)

        graph = helper.make_graph([node("Twice", ["x"], ["y"], times=3)], "g", [helper.make_tensor_value_info("x", 1, [1])],
                                  [helper.make_tensor_value_info("y", 1, [1])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        assert NumpyRuntime(model).run({"x": np.float32([2])})["y"].tolist() == [6]
    finally:
        KERNELS.pop("Twice", None)


def test_every_kernel_has_a_shape_rule():
    made_by_value = {"Constant", "Einsum"}  # a Constant is always known; Einsum's rule is left to its output
    assert set(KERNELS) - set(RULES) <= made_by_value


# -- the small runtime ----------------------------------------------------------------------------


def test_mini_runtime_runs_and_refuses():
    gemm = [("Gemm", ["a", "b", "c"], ["y"], {"transB": 1})]
    arrays = {name: np.float32(value) for name, value in {"a": [[1, 2]], "b": [[3, 4]], "c": [10]}.items()}
    assert mini_runtime(gemm, {"b": arrays["b"], "c": arrays["c"]}, {"a": arrays["a"]}, ["y"])[0].tolist() == [[21]]
    with pytest.raises(NotImplementedError, match="Conv"):
        mini_runtime([("Conv", ["a", "b"], ["y"], {})], {}, arrays, ["y"])
    assert len(MINI_OPS) == 9 and set(MINI_OPS) <= set(KERNELS)
