"""make_model, make_session, executed_ops, expose_outputs: small graphs through the real runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from utils.graphs.onnx_tools import executed_ops, expose_outputs, make_model, make_session


def mlp(batch="N"):
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(3, 4)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    return make_model(nodes, {"x": (batch, 3)}, {"y": (batch, 4)}, weights), weights


def run(model, x, outputs=None, **options):
    return make_session(model, **options).run(outputs, {"x": x})


def test_versions_are_pinned():
    model, _ = mlp()
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_shapes_dtypes_and_symbols():
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT64)
    model = make_model([node], {"x": (np.int32, ("N", 2))}, {"y": (np.int64, (None, 2))})
    x, y = model.graph.input[0].type.tensor_type, model.graph.output[0].type.tensor_type
    assert (x.elem_type, y.elem_type) == (TensorProto.INT32, TensorProto.INT64)
    assert x.shape.dim[0].dim_param == "N"
    assert not y.shape.dim[0].HasField("dim_value")
    assert run(model, np.ones((3, 2), np.int32))[0].dtype == np.int64


def test_two_symbolic_dims_are_dims_and_not_a_dtype():
    model = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", "T")}, {"y": ("N", "T")})
    assert [d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", "T"]


def test_value_infos_and_scalars_are_accepted():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [])
    model = make_model([helper.make_node("Mul", ["x", "two"], ["y"])], [x], [y], {"two": np.float32(2)})
    assert run(model, np.array(3, np.float32))[0] == 6


def test_other_domains():
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    model = make_model([node], {"x": (2,)}, {"y": (2,)}, opset={"": 17, "com.microsoft": 1})
    assert run(model, np.zeros(2, np.float32))[0].tolist() == [0.0, 0.0]


def test_an_invalid_graph_is_refused():
    with pytest.raises(onnx.checker.ValidationError):
        make_model([helper.make_node("Relu", ["nobody"], ["y"])], {"x": (1,)}, {"y": (1,)})


@pytest.mark.parametrize("form", ["proto", "bytes", "path", "string"])
def test_session_sources(form, tmp_path):
    model, weights = mlp()
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    source = {"proto": model, "bytes": model.SerializeToString(), "path": path, "string": str(path)}[form]
    x = np.ones((5, 3), np.float32)
    want = np.maximum(x @ weights["w"] + weights["b"], 0)
    # three products per output: a few float32 ulps of values below 10
    np.testing.assert_allclose(run(source, x)[0], want, atol=1e-5)


def test_session_threads_and_optimisation_are_set():
    model, _ = mlp()
    for optimize, level in ((False, "ORT_DISABLE_ALL"), (True, "ORT_ENABLE_ALL")):
        options = make_session(model, threads=2, optimize=optimize).get_session_options()
        assert options.intra_op_num_threads == 2
        assert options.graph_optimization_level.name == level
    with pytest.raises(ValueError, match="threads"):
        make_session(model, threads=0)


def test_executed_ops_shows_the_fusion():
    model, _ = mlp(batch=2)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Add", "Relu"]
    ops = executed_ops(model)
    assert len(ops) < 3  # MatMul + Add become one node, the activation may join it
    assert executed_ops(model.SerializeToString()) == ops


def test_exposed_tensors_carry_the_right_values():
    model, weights = mlp()
    before = model.SerializeToString()
    exposed = expose_outputs(model)
    assert model.SerializeToString() == before
    assert [value.name for value in exposed.graph.output] == ["y", "xw", "h"]
    onnx.checker.check_model(exposed)
    x = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    y, xw, h = run(exposed, x)
    np.testing.assert_allclose(xw, x @ weights["w"], atol=1e-5)
    np.testing.assert_array_equal(np.maximum(h, 0), y)


def test_exposing_chosen_names_and_types_that_cannot_be_inferred():
    model, _ = mlp()
    assert [value.name for value in expose_outputs(model, ["h", "y", "h"]).graph.output] == ["y", "h"]
    with pytest.raises(KeyError, match="nobody"):
        expose_outputs(model, ["nobody"])
    nodes = [  # onnx cannot infer the type of a com.microsoft operator: the runtime can
        helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
        helper.make_node("Relu", ["g"], ["y"]),
    ]
    model = make_model(nodes, {"x": (2,)}, {"y": (2,)}, opset={"": 17, "com.microsoft": 1})
    assert len(run(expose_outputs(model), np.ones(2, np.float32))) == 2


def test_initializers_keep_their_bits():
    values = np.array([1.5, -0.0, np.inf], np.float16)
    model = make_model([helper.make_node("Identity", ["c"], ["y"])], {}, {"y": (np.float16, (3,))}, {"c": values})
    assert numpy_helper.to_array(model.graph.initializer[0]).tobytes() == values.tobytes()
