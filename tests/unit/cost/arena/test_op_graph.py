"""Orders of operators: peaks against a simulation, best orders against all of them."""

import itertools

import networkx as nx
import numpy as np
import pytest

from utils.cost.arena import (
    GraphOp,
    TensorGraph,
    TensorUse,
    best_order,
    greedy_order,
    live_peak,
    order_peak,
    order_uses,
    ready_order,
)

TWO_BRANCHES = TensorGraph.of({"a": "x", "b": "x", "c": "a", "d": "b", "y": "cd"},
                              {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}, ["y"])


def random_graph(rng, n_ops, inplace=False):
    """A graph whose operators read one to three earlier tensors; one or two graph inputs, one or two outputs."""
    names = ["x", "z"][: int(rng.integers(1, 3))]
    inputs = {name: int(rng.integers(0, 9)) for name in names}
    ops = []
    for i in range(n_ops):
        read = rng.choice(names, size=min(len(names), int(rng.integers(1, 4))), replace=False)
        ops.append(GraphOp(f"t{i}", tuple(map(str, read)), int(rng.integers(0, 20)), inplace and bool(rng.integers(2))))
        names.append(f"t{i}")
    outputs = {f"t{n_ops - 1}", str(rng.choice(names))}
    return TensorGraph(tuple(ops), inputs, tuple(sorted(outputs)))


def all_orders(graph):
    dag = nx.DiGraph()
    dag.add_nodes_from(op.name for op in graph.ops)
    dag.add_edges_from((name, op.name) for op in graph.ops for name in op.inputs if name not in graph.inputs)
    return nx.all_topological_sorts(dag)


def simulated_peak(order, graph):
    """Reference counting, as an interpreter frees tensors; no in-place operators."""
    left = {name: sum(name in op.inputs for op in graph.ops) for name in graph.size}
    held = dict(graph.inputs)
    peak = sum(held.values())
    for name in order:
        held[name] = graph.size[name]
        peak = max(peak, sum(held.values()))
        for read in graph.by_name[name].inputs:
            left[read] -= 1
            if left[read] == 0 and read not in graph.outputs:
                del held[read]
        if left[name] == 0 and name not in graph.outputs:
            del held[name]
    return peak


def test_the_order_alone_saves_37_percent():
    assert order_peak("abcdy", TWO_BRANCHES) == 24
    assert order_peak("acbdy", TWO_BRANCHES) == order_peak("bdacy", TWO_BRANCHES) == 15
    order, peak = best_order(TWO_BRANCHES)
    assert peak == 15 == order_peak(order, TWO_BRANCHES)


@pytest.mark.parametrize("seed", range(60))
def test_peak_is_what_reference_counting_sees(seed):
    graph = random_graph(np.random.default_rng(seed), 7)
    for order in itertools.islice(all_orders(graph), 5):
        assert order_peak(order, graph) == simulated_peak(order, graph) == live_peak(list(order_uses(order, graph).values()))


@pytest.mark.parametrize("seed", range(40))
def test_best_is_the_best_of_all_orders(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(1, 8)), inplace=bool(seed % 2))
    order, peak = best_order(graph)
    assert peak == order_peak(order, graph) == min(order_peak(o, graph) for o in all_orders(graph))
    assert order_peak(greedy_order(graph), graph) >= peak
    assert order_peak(ready_order(graph), graph) >= peak


def test_greedy_is_not_always_best():
    graph = TensorGraph.of({"a": "x", "b": "x", "c": "b", "y": "ac"}, {"x": 1, "a": 5, "b": 20, "c": 6, "y": 1}, ["y"])
    assert order_peak(greedy_order(graph), graph) == 31 and best_order(graph) == (["b", "c", "a", "y"], 27)


def test_in_place_operators_share_a_buffer():
    ops = (GraphOp("a", ("x",), 6), GraphOp("b", ("a",), 2, True), GraphOp("y", ("b",), 4, True))
    graph = TensorGraph(ops, {"x": 3}, ("y",))
    assert order_peak("aby", graph) == 9  # x and a; b lies inside a; y reaches two bytes beyond b
    assert order_uses("aby", graph) == {"x": TensorUse(3, 0, 0), "y": TensorUse(6, 0, 2)}
    apart = TensorGraph(tuple(GraphOp(op.name, op.inputs, op.out_bytes) for op in ops), {"x": 3}, ("y",))
    assert order_peak("aby", apart) == 9 and order_uses("aby", apart)["b"] == TensorUse(2, 1, 2)


@pytest.mark.parametrize("reads_again", ["x", "a"])
def test_nothing_is_overwritten_that_somebody_needs(reads_again):
    graph = TensorGraph((GraphOp("a", ("x",), 5, True), GraphOp("b", ("a",), 5, True), GraphOp("y", ("b", reads_again), 1)),
                        {"x": 5}, ("y",))
    assert order_peak("aby", graph) == {"x": 11, "a": 11}[reads_again]  # the graph's own input is the caller's
    kept = TensorGraph((GraphOp("a", ("x",), 5), GraphOp("y", ("a",), 5, True)), {"x": 1}, ("a", "y"))
    assert order_peak("ay", kept) == 10


@pytest.mark.parametrize("seed", range(20))
def test_in_place_never_costs_more(seed):
    graph = random_graph(np.random.default_rng(seed), 7, inplace=True)
    apart = TensorGraph(tuple(GraphOp(op.name, op.inputs, op.out_bytes) for op in graph.ops), graph.inputs, graph.outputs)
    order = ready_order(graph)
    assert order_peak(order, graph) <= order_peak(order, apart)
    assert order_peak(order, graph) <= live_peak(list(order_uses(order, graph).values()))


def test_who_lives_how_long():
    graph = TensorGraph.of({"a": "x", "b": "x", "y": "a"}, {"x": 1, "u": 2, "a": 3, "b": 4, "y": 5}, ["y"])
    uses = order_uses("aby", graph)
    assert uses == {"x": TensorUse(1, 0, 1), "u": TensorUse(2, 0, 2), "a": TensorUse(3, 0, 2), "b": TensorUse(4, 1, 1),
                    "y": TensorUse(5, 2, 2)}
    assert order_peak("aby", graph) == 10  # u stays, x is still read, b counts where it is made


def test_a_dozen_operators_on_two_branches():
    chain = {f"{b}{i}": [f"{b}{i - 1}" if i else "x"] for i in range(6) for b in "pq"}
    size = {"x": 1, **{name: 20 - 3 * int(name[1]) for name in chain}}
    graph = TensorGraph.of(chain, size, ["p5", "q5"])
    order, peak = best_order(graph)
    assert peak == order_peak(order, graph) == 20 + 17 + 5 and peak < order_peak(list(chain), graph)


def test_what_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        TensorGraph.of({"a": ["b"], "b": ["a"]}, {"a": 1, "b": 1}, ["b"])
    with pytest.raises(ValueError, match="undefined 'q'"):
        TensorGraph.of({"a": ["q"]}, {"a": 1}, ["a"])
    with pytest.raises(ValueError, match="undefined 'q'"):
        TensorGraph.of({"a": ["x"]}, {"x": 1, "a": 1}, ["q"])
    with pytest.raises(ValueError, match="twice"):
        TensorGraph((GraphOp("x", ("x",), 1),), {"x": 1}, ("x",))
    with pytest.raises(ValueError, match="negative"):
        TensorGraph.of({"a": ["x"]}, {"x": 1, "a": -1}, ["a"])
    for order in ("cabdy", "abcdd", "abcd"):
        with pytest.raises(ValueError, match="order must"):
            order_peak(order, TWO_BRANCHES)
    with pytest.raises(ValueError, match="at most 18"):
        best_order(TensorGraph.of({f"t{i}": ["x"] for i in range(19)}, {"x": 1, **{f"t{i}": 1 for i in range(19)}}, []))
    assert best_order(TensorGraph((), {"x": 3}, ("x",))) == ([], 3) and order_uses([], TensorGraph((), {"x": 3}, ())) == {
        "x": TensorUse(3, 0, 0)}
