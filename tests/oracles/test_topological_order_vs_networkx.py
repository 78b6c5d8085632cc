"""networkx's lexicographical topological sort against topological_order on random graphs."""

import numpy as np
import pytest

from utils.graphs.onnx_tools import topological_order

networkx = pytest.importorskip("networkx")


@pytest.mark.parametrize("seed", range(40))
def test_order(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    label = rng.permutation(n)  # position in the list of the k-th node in topological order
    edges = [(a, b) for b in range(n) for a in range(b) if rng.random() < 2 / n]
    nodes = [None] * n
    for k in range(n):
        nodes[label[k]] = ([f"t{a}" for a, b in edges if b == k] or ["x"], [f"t{k}"])
    graph = networkx.DiGraph([(label[a], label[b]) for a, b in edges])
    graph.add_nodes_from(range(n))
    want = list(networkx.lexicographical_topological_sort(graph))
    assert topological_order(nodes, ["x"]) == want


@pytest.mark.parametrize("seed", range(10))
def test_cycles(seed):
    rng = np.random.default_rng(seed)
    n = 12
    edges = [(int(a), int(b)) for a, b in rng.integers(0, n, (18, 2))]
    nodes = [([f"t{a}" for a, b in edges if b == k], [f"t{k}"]) for k in range(n)]
    graph = networkx.DiGraph(edges)
    graph.add_nodes_from(range(n))
    if networkx.is_directed_acyclic_graph(graph):
        assert sorted(topological_order(nodes, [])) == list(range(n))
    else:
        with pytest.raises(ValueError, match="cycle"):
            topological_order(nodes, [])
