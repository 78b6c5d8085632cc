"""The cast to FP16: structure of the graph by property, values by ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import cast_report, saturating_fp16, to_fp16
from utils.graphs.onnx_tools import make_model, make_session


def run(model, **feeds):
    return make_session(model).run(None, feeds)


def image(seed=0, size=32):
    return np.random.default_rng(seed).normal(size=(2, 3, size, size)).astype(np.float32)


def no_cast_follows_a_cast(model):
    made = {o: n for n in model.graph.node if n.op_type == "Cast" for o in n.output}
    return not any(n.op_type == "Cast" and n.input[0] in made for n in model.graph.node)


def test_casts_stand_at_the_borders_only():
    before = four_layer_cnn(size=32)
    after = to_fp16(before)
    ops = [n.op_type for n in after.graph.node]
    assert ops[0] == ops[-1] == "Cast" and ops[1:-1] == [n.op_type for n in before.graph.node]
    assert {t.data_type for t in after.graph.initializer} == {TensorProto.FLOAT16}
    assert 0.5 < after.ByteSize() / before.ByteSize() < 0.52  # weights halve, the structure stays
    # FP16 has 11 bits: 2^-11 relative a rounding; some ten layers of sums of random signs stay below 10 of them
    x = image()
    want, got = run(before, x=x)[0], run(after, x=x)[0]
    assert got.dtype == np.float32 and np.abs(got - want).max() < 10 * 2**-11 * np.abs(want).max()


def test_inputs_and_outputs_can_change_their_type():
    after = to_fp16(four_layer_cnn(size=32), keep_io_types=False)
    assert [n.op_type for n in after.graph.node].count("Cast") == 0
    assert run(after, x=image().astype(np.float16))[0].dtype == np.float16


def test_the_argument_is_not_changed():
    model = four_layer_cnn((4,), size=8)
    before = model.SerializeToString()
    to_fp16(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("keep", [(), ("c1",), ("c1", "r1", "c2"), ("c0", "r3"), ("y",)])
def test_nodes_kept_in_fp32_keep_their_weights(keep):
    before = four_layer_cnn(size=32)
    after = to_fp16(before, keep_fp32_nodes=keep)
    types = {t.name: t.data_type for t in after.graph.initializer}
    assert no_cast_follows_a_cast(after)
    for k in range(4):
        assert (f"w{k}" in types) == (f"c{k}" in keep)  # a weight is stored once, in the type that is read
    assert np.abs(run(after, x=image())[0] - run(before, x=image())[0]).max() < 0.02


def test_a_weight_that_both_types_read_is_stored_twice():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="first"), helper.make_node("MatMul", ["a", "w"], ["y"], name="second")]
    model = make_model(nodes, {"x": (1, 4)}, {"y": (1, 4)}, {"w": np.eye(4, dtype=np.float32)})
    after = to_fp16(model, keep_fp32_nodes=("second",))
    assert {t.name: t.data_type for t in after.graph.initializer} == {"w": 1, "w_fp16": 10}
    assert [n.op_type for n in after.graph.node] == ["Cast", "MatMul", "Cast", "MatMul"]
    assert np.array_equal(run(after, x=np.float32([[1, 2, 3, 4]]))[0], [[1, 2, 3, 4]])


def test_an_output_that_others_read_too():
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["y"], ["z"]),
             helper.make_node("Softmax", ["y"], ["s"])]
    model = make_model(nodes, {"x": ("N", 4)}, {"y": ("N", 4), "z": ("N", 4), "s": ("N", 4)})
    after = to_fp16(model)
    assert no_cast_follows_a_cast(after) and [o.name for o in after.graph.output] == ["y", "z", "s"]
    x = np.float32([[-1, 0.5, 2, 3]])
    for want, got in zip(run(model, x=x), run(after, x=x)):
        assert got.dtype == np.float32 and np.allclose(got, want, atol=1e-3)
    half = to_fp16(model, keep_io_types=False)
    assert [v.dtype for v in run(half, x=x.astype(np.float16))] == [np.float16] * 3


def test_constants_and_casts_inside_the_graph_change_their_type():
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])
    nodes = [helper.make_node("Constant", [], ["half"], value=value), helper.make_node("Constant", [], ["two"], value_float=2.0),
             helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT), helper.make_node("Mul", ["f", "half"], ["g"]),
             helper.make_node("Mul", ["g", "two"], ["y"])]
    model = make_model(nodes, {"i": (np.int64, (3,))}, {"y": (3,)})
    after = to_fp16(model)
    assert np.array_equal(run(after, i=np.arange(3))[0], np.arange(3, dtype=np.float32))


def test_resize_keeps_its_scales_in_fp32():
    scales = {"scales": np.float32([1, 1, 2, 2])}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    model = make_model([node], {"x": (1, 1, 2, 2)}, {"y": (1, 1, 4, 4)}, scales)
    after = to_fp16(model)
    assert [n.op_type for n in after.graph.node] == ["Resize"] and run(after, x=np.ones((1, 1, 2, 2), np.float32))[0].shape == (1, 1, 4, 4)


def test_weights_saturate_and_the_report_says_so():
    w = np.float32([[1e6, -1e6, 1e-9, 65504.0, 65519.0, 2**-24, 0.0, np.inf]])
    assert saturating_fp16(w).tolist() == [[65504, -65504, 0, 65504, 65504, 2**-24, 0, 65504]]
    assert np.isnan(saturating_fp16(np.float32([np.nan]))).all()
    model = make_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": (1, 8)}, {"y": (1, 8)}, {"w": w})
    (report,) = cast_report(model)
    assert (report.name, report.size, report.saturated, report.flushed) == ("w", 8, 4, 1)
    assert cast_report(four_layer_cnn()) == []


def test_what_cannot_be_cast_is_refused():
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["t"])], "b", [], [helper.make_tensor_value_info("t", 1, [1])])
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    model = make_model([node], {"x": (1,), "c": (np.bool_, ())}, {"y": (1,)})
    with pytest.raises(ValueError, match="subgraphs"):
        to_fp16(model)
    with pytest.raises(ValueError, match="keep_fp32_nodes"):
        to_fp16(four_layer_cnn(), keep_fp32_nodes=("c9",))


def test_old_files_that_list_weights_as_inputs():
    model = four_layer_cnn((4,), size=8)
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    after = to_fp16(model)
    onnx.checker.check_model(after, full_check=True)
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    assert np.allclose(run(after, x=x)[0], run(model, x=x)[0], atol=1e-2)
