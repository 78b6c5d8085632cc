"""Shape inference on symbols, values and contradictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.runtime import infer_shapes
from utils.graphs.runtime.shape_rules import broadcast, product
from utils.graphs.simplify.examples import messy_cnn

node = helper.make_node


@given(st.lists(st.lists(st.sampled_from([1, 1, 2, 3, 5]), max_size=4).map(tuple), min_size=1, max_size=3))
def test_broadcasting_of_numbers_is_numpys(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ValueError):
            broadcast(*shapes)
    else:
        assert broadcast(*shapes) == expected


def test_broadcasting_of_symbols():
    assert broadcast(("N", 1), (3,)) == ("N", 3)
    assert broadcast(("N",), ("N",)) == ("N",)
    assert broadcast(("N",), (4,)) == (4,)  # N must be 1 or 4: 4 either way
    assert broadcast(("N",), ("M",)) == (None,)
    assert broadcast((None,), (1,)) == (None,)
    assert broadcast(None, (1,)) is None
    assert (product(["N", 1]), product(["N", 2]), product([2, 0]), product(["N", 0])) == ("N", None, 0, 0)


def test_values_flow_through_shape_arithmetic():
    """x.reshape(x.shape[0], -1), as an exporter writes it: the -1 becomes a number although N stays a symbol."""
    found = infer_shapes(messy_cnn(batch="N"))
    assert found["y"].shape == ("N", 10)
    flat = next(t for name, t in found.items() if name == "flat")
    assert flat.shape[0] == "N" and isinstance(flat.shape[1], int)


def test_replaced_inputs():
    model = messy_cnn(batch="N")
    assert infer_shapes(model, {"x": (4, 3, 16, 16)})["y"].shape == (4, 10)
    assert infer_shapes(model, {"x": ("B", 3, 20, 16)})["y"].shape == ("B", 10)
    with pytest.raises(ValueError, match="rank"):
        infer_shapes(model, {"x": (4, 3)})
    with pytest.raises(ValueError, match="inputs"):
        infer_shapes(model, {"z": (4, 3)})
    with pytest.raises(ValueError, match="5 channels against weights for 3"):
        infer_shapes(model, {"x": (1, 5, 16, 16)})


@pytest.mark.parametrize("nodes, shape, weights, word", [
    ([node("MatMul", ["x", "w"], ["y"])], (2, 4), {"w": np.zeros((3, 2), np.float32)}, "4 columns against 3 rows"),
    ([node("Add", ["x", "w"], ["y"])], (2, 4), {"w": np.zeros(3, np.float32)}, "broadcast"),
    ([node("Reshape", ["x", "w"], ["y"])], (2, 4), {"w": np.array([3, 3])}, "8 elements"),
    ([node("Reshape", ["x", "w"], ["y"])], (2, 4), {"w": np.array([3, -1])}, "divide"),
    ([node("Transpose", ["x"], ["y"], perm=[0, 2, 1])], (2, 4), {}, "perm"),
    ([node("Concat", ["x", "x"], ["y"], axis=5)], (2, 4), {}, "axis 5"),
])
def test_contradictions_are_named(nodes, shape, weights, word):
    from onnx import ModelProto, TensorProto, numpy_helper

    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_empty_tensor_value_info("y")],
                              [numpy_helper.from_array(v, k) for k, v in weights.items()])
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ValueError, match=word):
        infer_shapes(model)


def test_a_declared_output_that_is_wrong_is_noticed():
    model = make_model([node("Relu", ["x"], ["y"])], {"x": (2, 4)}, {"y": (2, 4)})
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5
    with pytest.raises(ValueError, match="as the file declares"):
        infer_shapes(model)


def test_what_is_not_known_is_left_open():
    model = make_model([node("NonZero", ["x"], ["i"]), node("Cast", ["i"], ["y"], to=1)], {"x": (2, 4)}, {"y": (2, "K")})
    found = infer_shapes(model)
    assert str(found["i"]) == "?[?]" and str(found["y"]) == "float32[2, K]"
