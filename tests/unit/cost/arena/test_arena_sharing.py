"""Shared arenas by enumeration, and the best order by trying all."""

from itertools import permutations

import numpy as np
import pytest

from utils.cost.arena import best_order_peak, shared_arena, shared_arena_bytes

TWO = {"in": (2, []), "a1": (8, ["in"]), "a2": (1, ["a1"]), "b1": (8, ["in"]), "b2": (1, ["b1"]), "cat": (2, ["a2", "b2"])}


def peak_of(order, graph):
    """Run the order with a reference count for each tensor."""
    left = {n: sum(n in inputs for _, inputs in graph.values()) for n in graph}
    alive, peak = {}, 0
    for name in order:
        alive[name] = graph[name][0]
        peak = max(peak, sum(alive.values()))
        for t in set(graph[name][1]):
            left[t] -= 1
            if not left[t]:
                del alive[t]
    return peak


def test_best_order_by_trying_all():
    assert best_order_peak(TWO) == 11
    assert peak_of(["in", "a1", "b1", "a2", "b2", "cat"], TWO) == 18  # breadth first
    rng = np.random.default_rng(0)
    for _ in range(40):
        n = int(rng.integers(1, 7))
        graph = {f"n{i}": (int(rng.integers(0, 9)), [f"n{j}" for j in range(i) if rng.random() < 0.4]) for i in range(n)}
        orders = [o for o in permutations(graph) if all(o.index(t) < o.index(name) for name in graph for t in graph[name][1])]
        assert best_order_peak(graph) == min(peak_of(o, graph) for o in orders)
    assert best_order_peak({}) == 0
    with pytest.raises(ValueError, match="cycle"):
        best_order_peak({"a": (1, ["b"]), "b": (1, ["a"])})


def test_shared_arena():
    weights, arenas = {"A": 20, "B": 10, "C": 5}, {"A": 40, "B": 25, "C": 30}
    assert shared_arena(weights, arenas, [{"A", "B"}]) == 100 and shared_arena(weights, arenas, []) == 75
    assert shared_arena_bytes(arenas, [{"A", "B"}, {"B", "C"}]) == 65 and shared_arena_bytes({}, []) == 0
    with pytest.raises(ValueError, match="unknown 'D'"):
        shared_arena_bytes(arenas, [{"A", "D"}])
