"""Fused traffic against a union of pairs and sets of bytes, and the published example."""

import numpy as np
import pytest

from utils.cost.fusion import fused_groups, fused_traffic, traffic_bytes

CHAIN = [("c", "conv", ["x"], 1000), ("b", "elementwise", ["c"], 1000), ("r", "elementwise", ["b"], 1000),
         ("s", "elementwise", ["r", "x"], 1000), ("y", "elementwise", ["s"], 1000)]


def random_ops(rng, n):
    ops = []
    for i in range(n):
        before = [f"t{j}" for j in range(i)] + ["x", "y"]
        inputs = [str(v) for v in rng.choice(before[-4:], int(rng.integers(1, 3)), replace=False)]
        ops.append((f"t{i}", "elementwise" if rng.random() < 0.6 else str(rng.choice(["conv", "gemm"])), inputs, int(rng.integers(1, 100))))
    return ops


def by_union(ops, sizes, elem_bytes):
    """Merge by union-find over edges, then count each group's border."""
    parent = {name: name for name, *_ in ops}

    def root(a):
        while parent[a] != a:
            a = parent[a]
        return a

    used_by = {}
    for name, _, inputs, _ in ops:
        for t in set(inputs):
            used_by.setdefault(t, []).append(name)
    for name, kind, inputs, _ in ops:
        if kind == "elementwise" and inputs[0] in parent and used_by[inputs[0]] == [name]:
            parent[name] = root(inputs[0])
    count = {**sizes, **{name: n for name, _, _, n in ops}}
    moved = 0
    for group in {root(name) for name in parent}:
        inside = {name for name in parent if root(name) == group}
        moved += sum(count[t] for t in {t for name, _, inputs, _ in ops if name in inside for t in inputs} - inside)
        moved += sum(count[t] for t in inside if not used_by.get(t) or set(used_by[t]) - inside)
    return moved * elem_bytes


def test_example():
    assert fused_groups(CHAIN) == [["c", "b", "r", "s", "y"]]
    assert fused_traffic(CHAIN, {"x": 1000}) == 4000 and traffic_bytes(CHAIN, {"x": 1000}, fused=False) == 22000
    assert fused_traffic([], {}) == 0


def test_against_union_find():
    rng = np.random.default_rng(0)
    for _ in range(300):
        ops, sizes = random_ops(rng, int(rng.integers(1, 9))), {"x": 7, "y": 13}
        assert fused_traffic(ops, sizes, 4) == by_union(ops, sizes, 4) <= traffic_bytes(ops, sizes, 4, fused=False)
        assert sorted(name for group in fused_groups(ops) for name in group) == sorted(name for name, *_ in ops)


def test_unfused_by_hand():
    for kind in ("conv", "elementwise"):
        assert traffic_bytes([("a", kind, ["x", "x"], 5)], {"x": 3}, 2, fused=False) == 2 * (3 + 5)


def test_bad_input():
    with pytest.raises(KeyError):
        fused_traffic([("a", "conv", ["x"], 5)], {})
    with pytest.raises(ValueError, match="positive"):
        fused_traffic(CHAIN, {"x": 1}, 0)
