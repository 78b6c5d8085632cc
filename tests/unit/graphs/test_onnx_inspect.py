"""topological_order over random graphs, graph_stats on known ones."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from utils.graphs.onnx_tools import graph_stats, make_model, topological_order


@st.composite
def shuffled_dags(draw):
    """Nodes of a random DAG in random order; node k makes "t<k>" and reads earlier tensors, "x" or nothing."""
    n = draw(st.integers(1, 12))
    nodes = []
    for k in range(n):
        names = ["x", ""] + [f"t{j}" for j in range(k)]
        nodes.append((draw(st.lists(st.sampled_from(names), max_size=3)), [f"t{k}"]))
    return draw(st.permutations(nodes))


def lowest_ready_first(nodes, available):
    """The obviously right version: scan from the front for a node whose inputs exist, again and again."""
    exists, left, order = set(available) | {""}, list(range(len(nodes))), []
    while left:
        index = next(i for i in left if set(nodes[i][0]) <= exists)
        left.remove(index)
        order.append(index)
        exists |= set(nodes[index][1])
    return order


@settings(deadline=None)
@given(shuffled_dags())
def test_order_equals_the_repeated_scan(nodes):
    assert topological_order(nodes, ["x"]) == lowest_ready_first(nodes, ["x"])


@settings(deadline=None)
@given(shuffled_dags())
def test_an_ordered_list_is_left_as_it_is(nodes):
    ordered = [nodes[i] for i in topological_order(nodes, ["x"])]
    assert topological_order(ordered, ["x"]) == list(range(len(ordered)))


def test_onnx_nodes_and_optional_inputs():
    nodes = [
        helper.make_node("Clip", ["a", "", "hi"], ["y"]),
        helper.make_node("Mul", ["x", "x"], ["a"]),  # one input used twice is one dependency
    ]
    order = topological_order(nodes, ["x", "hi"])
    assert order == [1, 0]
    model = make_model([nodes[i] for i in order], {"x": (2,)}, {"y": (2,)}, {"hi": np.float32(1)})
    onnx.checker.check_model(model, full_check=True)


def test_a_long_chain_needs_no_recursion():
    nodes = [([f"t{k}"], [f"t{k + 1}"]) for k in range(5000)][::-1]
    assert topological_order(nodes, ["t0"]) == list(range(5000))[::-1]


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        ([(["b"], ["a"]), (["a"], ["b"])], "cycle"),
        ([(["a"], ["a"])], "cycle"),
        ([(["nobody"], ["a"])], "undefined"),
        ([(["x"], ["a"]), (["x"], ["a"])], "twice"),
        ([(["x"], ["a", "a"])], "twice"),
        ([([], ["x"])], "twice"),
    ],
)
def test_errors(nodes, word):
    with pytest.raises(ValueError, match=word):
        topological_order(nodes, ["x"])


def test_nothing_to_order():
    assert topological_order([], []) == []


def test_stats(tmp_path):
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    model = make_model(nodes, {"x": ("N", 8)}, {"y": (None, 4)}, {"w": np.ones((4, 8), np.float16)}, opset=15)
    # the checker does not type-check Gemm's operands, so the weights may be half precision here
    got = graph_stats(model)
    assert (got.opset, got.ir_version, got.nodes) == (15, 8, 3)
    assert got.op_counts == {"Gemm": 1, "Relu": 2}
    assert got.initializer_bytes == 4 * 8 * 2
    assert got.inputs == {"x": ("N", 8)}
    assert got.outputs == {"y": (None, 4)}
    onnx.save(model, tmp_path / "m.onnx")
    assert graph_stats(tmp_path / "m.onnx") == graph_stats(str(tmp_path / "m.onnx")) == got
    assert got.as_dict()["nodes"] == 3


def test_stats_leave_out_inputs_that_are_weights():
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = make_model([node], {"x": (2,), "w": (2,)}, {"y": (2,)}, {"w": np.ones(2, np.float32)})
    assert graph_stats(model).inputs == {"x": (2,)}
