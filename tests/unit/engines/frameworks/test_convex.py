"""Partition: convex, complete, near the minimum by a search over all orders, and the bytes that cross."""

from functools import lru_cache

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.frameworks import partition, partition_graph, run_until_stuck, validate_groups

NMS = [("conv", ["x"], ["a"]), ("relu", ["a"], ["b"]), ("nms", ["b"], ["c"]), ("conv", ["b"], ["d"]), ("conv", ["c"], ["e"]),
       ("add", ["d", "e"], ["y"])]
ALL = {"conv", "relu", "add"}


@st.composite
def graphs(draw, most=7):
    """Nodes of operators A and C; each reads some earlier tensors, or the graph's input."""
    nodes = []
    for i in range(draw(st.integers(1, most))):
        reads = draw(st.lists(st.sampled_from([f"t{j}" for j in range(i)]), unique=True)) if i else []
        nodes.append((draw(st.sampled_from("AC")), reads or ["x"], [f"t{i}"]))
    return nodes


def edges(nodes):
    maker = {out: i for i, (_, _, outs) in enumerate(nodes) for out in outs}
    return {(maker[name], i) for i, (_, reads, _) in enumerate(nodes) for name in reads if name in maker}


def fewest_groups(nodes):
    """The fewest changes of device over all orders in which the nodes can run, plus one: a search over executed sets."""
    before = [{a for a, b in edges(nodes) if b == i} for i in range(len(nodes))]

    @lru_cache(None)
    def best(done, device):
        ways = [best(done | {i}, op) + (op != device) for i, (op, _, _) in enumerate(nodes) if i not in done and before[i] <= done]
        return min(ways, default=0)

    return best(frozenset(), "")


def test_the_example():
    assert partition_graph(NMS, ALL) == [("accel", [0, 1, 3]), ("cpu", [2]), ("accel", [4, 5])]
    assert partition_graph([], ALL) == []
    assert partition_graph(NMS, set()) == [("cpu", [0, 1, 2, 3, 4, 5])]
    assert partition_graph(NMS, ALL | {"nms"}) == [("accel", [0, 1, 2, 3, 4, 5])]


@given(graphs())
def test_groups_are_convex_and_at_most_one_above_the_minimum(nodes):
    groups = partition_graph(nodes, {"A"})
    validate_groups(nodes, {"A"}, groups)
    graph = nx.DiGraph(edges(nodes))
    graph.add_nodes_from(range(len(nodes)))
    for _, members in groups:  # what lies after a member and before a member is a member
        after = set().union(*(nx.descendants(graph, i) for i in members)) | set(members)
        before = set().union(*(nx.ancestors(graph, i) for i in members)) | set(members)
        assert after & before == set(members)
    least = fewest_groups(nodes)
    both = [run_until_stuck(nodes, {"A"}, first) for first in ("accel", "cpu")]
    for schedule in both:
        validate_groups(nodes, {"A"}, schedule)
    assert min(map(len, both)) == least and least <= len(groups) <= least + 1


def test_one_group_more_than_the_minimum_happens():
    nodes = [("C", ["x"], ["a"]), ("A", ["a"], ["b"]), ("A", ["x"], ["c"])]  # the levels start on the accelerator
    assert len(partition_graph(nodes, {"A"})) == 3 and fewest_groups(nodes) == 2


@pytest.mark.parametrize("groups, word", [
    ([("accel", [0, 1, 3, 4, 5]), ("cpu", [2])], "order"), ([("accel", [0, 1, 3]), ("cpu", [2])], "once"),
    ([("accel", [0, 1, 2, 3]), ("accel", [4, 5])], "devices")])
def test_validation_finds_what_is_wrong(groups, word):
    with pytest.raises(ValueError, match=word):
        validate_groups(NMS, ALL, groups)


def test_tensors_and_bytes_that_cross():
    parts = partition(NMS, ALL, ["y"])
    assert [(g.reads, g.writes) for g in parts.groups] == [(("x",), ("b", "d")), (("b",), ("c",)), (("c", "d"), ("y",))]
    assert parts.boundary_tensors == ("x", "b", "d", "c", "y")
    sizes = {name: 10**k for k, name in enumerate("xabcdey")}
    assert parts.transfer_bytes(sizes) == [(1, 100 + 10_000), (0, 0), (1000 + 10_000, 1_000_000)]
    assert parts.as_groups() == partition_graph(NMS, ALL) and parts.operators[2] == "nms"
    with pytest.raises(KeyError):
        parts.transfer_bytes({"x": 1})


@given(graphs())
def test_a_group_reads_what_others_hand_on(nodes):
    parts = partition(nodes, {"A"}, [nodes[-1][2][0]])
    handed = {name for g in parts.groups for name in g.writes}
    for g in parts.groups:
        assert set(g.reads) <= handed | {"x"}
    assert partition(nodes, {"A"}, [], weights=["x"]).groups[0].reads == tuple(n for n in parts.groups[0].reads if n != "x")


def test_wide_graphs_are_quick():
    rng = np.random.default_rng(0)
    nodes = [(str(rng.choice(["A", "C"])), [f"t{j}" for j in rng.integers(0, i, 3)] if i else ["x"], [f"t{i}"]) for i in range(3000)]
    groups = partition_graph(nodes, {"A"})
    assert sum(len(members) for _, members in groups) == 3000
