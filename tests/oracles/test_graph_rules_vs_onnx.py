"""Broadcasting with symbols, live nodes, support runs and folding of tuples, against independent computations."""

from itertools import pairwise

import networkx as nx
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from utils.graphs.optimize import broadcast_dims, fold, live_nodes, support_runs

DIMS = st.lists(st.sampled_from([1, 1, 2, 3, "N", "M", None]), max_size=4)


def inferred_by_onnx(a, b):
    """The shape of Add by ONNX's own inference; a string where it refuses."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("a", a), ("b", b))]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", ends,
                              [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    try:
        made = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output[0]
    except onnx.shape_inference.InferenceError:
        return "refused"
    # a size that ONNX doesn't know gets a made-up symbol, unk__0
    symbols = [d.dim_param if not d.dim_param.startswith("unk__") else None for d in made.type.tensor_type.shape.dim]
    sizes = made.type.tensor_type.shape.dim
    return [d.dim_value if d.HasField("dim_value") else symbol or None for d, symbol in zip(sizes, symbols)]


@given(DIMS, DIMS)
@settings(max_examples=150, deadline=None)
def test_broadcasting_as_onnx_infers_it(a, b):
    expected = inferred_by_onnx(a, b)
    if expected == "refused":
        with pytest.raises(ValueError, match="axis"):
            broadcast_dims(a, b)
    else:
        assert broadcast_dims(a, b) == broadcast_dims(b, a) == expected


def test_the_axis_is_named_from_the_end():
    with pytest.raises(ValueError, match="axis -2"):
        broadcast_dims([5, 2, 7], [3, 7])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_live_nodes_are_the_ancestors(seed):
    rng = np.random.default_rng(seed)
    pairs, tensors, graph = [], ["x0", "x1"], nx.DiGraph()
    for index in range(int(rng.integers(1, 15))):
        inputs = [str(n) for n in rng.choice(tensors, rng.integers(0, 4))] + [""] * int(rng.integers(0, 2))
        made = [f"t{index}_{k}" for k in range(int(rng.integers(1, 3)))] + [""] * int(rng.integers(0, 2))
        graph.add_edges_from((name, index) for name in inputs if name)
        graph.add_node(index)
        graph.add_edges_from((index, name) for name in made if name)
        tensors += [name for name in made if name]
        pairs.append((inputs, made))
    outputs = [str(n) for n in rng.choice(tensors[2:], 2)]
    order = rng.permutation(len(pairs))
    expected = {n for out in outputs for n in nx.ancestors(graph, out) if isinstance(n, int)}
    place = {int(old): new for new, old in enumerate(order)}
    assert live_nodes([pairs[i] for i in order], outputs) == sorted(place[n] for n in expected)


def test_live_nodes_of_an_onnx_graph_and_unknown_outputs():
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Relu", ["x"], ["b"])]
    assert live_nodes(nodes, ["b"]) == [1] and live_nodes(nodes, ["x"]) == []
    for wrong in ("nowhere", ""):
        with pytest.raises(ValueError, match="outputs"):
            live_nodes([(["", "x"], ["a", ""])], [wrong])


@given(st.lists(st.sampled_from("abc"), max_size=12), st.sets(st.sampled_from("abc")))
def test_runs_are_maximal_and_cover_everything(ops, supported):
    runs = support_runs(ops, supported)
    covered = [flag for flag, start, stop in runs for _ in ops[start:stop]]
    assert covered == [op in supported for op in ops]
    assert all(a.supported != b.supported and a.stop == b.start for a, b in pairwise(runs))


def onnx_value(op, inputs, attrs):
    """One operator by ONNX's reference implementation, at an opset whose axes are inputs."""
    attrs = dict(attrs)
    feeds = {f"i{k}": np.asarray(v) for k, v in enumerate(inputs)}
    names = list(feeds)
    if op == "Unsqueeze":
        feeds["axes"] = np.array(attrs.pop("axes"), np.int64)
        names.append("axes")
    if op == "Cast":
        attrs["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attrs["to"]))
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attrs)], "g",
                              [helper.make_empty_tensor_value_info(n) for n in feeds],
                              [helper.make_empty_tensor_value_info("y")])
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])).run(None, feeds)[0]


A = np.arange(-6, 6, dtype=np.float32).reshape(2, 3, 2)
I = np.array([-7, 7, 8, -8, 0], np.int64)


@pytest.mark.parametrize(("op", "inputs", "attrs"), [
    ("Add", [A, A[:1]], {}), ("Sub", [A, A[0]], {}), ("Mul", [A, A], {}), ("Div", [A, A + 0.5], {}),
    ("Div", [I, np.array([2, -2, -3, -4, 5])], {}), ("Concat", [A, A], {"axis": -1}),
    ("Gather", [A, np.array([[1, -1]])], {}), ("Gather", [A, np.array(2)], {"axis": 1}),
    ("Unsqueeze", [A], {"axes": [0, -1]}), ("Unsqueeze", [A], {"axes": [-2, 1]}), ("Cast", [A], {"to": "int64"}),
    ("Reshape", [A, np.array([0, -1])], {}), ("Reshape", [A, np.array([3, 0, 0])], None), ("Transpose", [A], {}),
    ("Transpose", [A], {"perm": [1, 2, 0]})])
def test_folded_operators_as_onnx_computes_them(op, inputs, attrs):
    if attrs is None:  # 0 copies the size at the same place: 3 * 3 * 2 is not 12
        with pytest.raises(ValueError):
            fold([(op, ["a0", "a1"], "c", {}), ("Relu", ["c"], "y", {})], dict(zip(("a0", "a1"), inputs)), ["y"])
        return
    names = [f"a{i}" for i in range(len(inputs))]
    kept, left = fold([(op, names, "c", attrs), ("Mul", ["x", "c"], "y", {})], dict(zip(names, inputs)), ["y"])
    expected = onnx_value(op, inputs, attrs)
    assert [node[0] for node in kept] == ["Mul"] and list(left) == ["c"]
    assert left["c"].dtype == expected.dtype
    np.testing.assert_array_equal(left["c"], expected)


def test_what_must_stay_stays():
    one = np.float32(1)
    nodes = [("RandomNormal", [], "r", {"shape": [2]}), ("Add", ["r", "k"], "s", {}), ("Add", ["k", "k"], "y", {}),
             ("Mul", ["k", "k"], "m", {}), ("Add", ["s", "m"], "z", {})]
    kept, left = fold(nodes, {"k": one, "unused": one}, ["y", "z"])
    assert kept == [nodes[0], nodes[1], nodes[2], nodes[4]] and sorted(left) == ["k", "m"]


def test_a_large_result_and_its_readers_stay():
    big = np.zeros((4, 1), np.float32)
    nodes = [("Add", ["a", "b"], "c", {}), ("Mul", ["c", "a"], "d", {}), ("Add", ["x", "d"], "y", {})]
    constants = {"a": big, "b": big.T}
    assert len(fold(nodes, constants, ["y"], max_bytes=64)[0]) == 1  # 4 * 4 * 4 bytes are not above 64
    kept, left = fold(nodes, constants, ["y"], max_bytes=63)
    assert kept == nodes and sorted(left) == ["a", "b"]
