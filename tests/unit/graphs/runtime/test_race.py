"""The race of runtimes on a small graph: agreement by definition, differences tensor by tensor."""

import numpy as np
import pytest

from utils.graphs.runtime.race import AS_WRITTEN, race, runners, tensor_differences
from utils.graphs.simplify.examples import messy_cnn


def feed(n):
    return {"x": np.random.default_rng(n).normal(size=(n, 3, 16, 16)).astype(np.float32)}


def test_race():
    model = messy_cnn(batch="N")
    rows = race(model, feed(6), feed(1), rounds=2)
    assert [row.name for row in rows] == list(runners(model)) and len(rows) >= 4
    by_name = {row.name: row for row in rows}
    assert by_name[AS_WRITTEN].max_diff == 0 and by_name[AS_WRITTEN].agreement == 1
    assert all(row.max_diff < 1e-4 and row.agreement == 1 and row.p50_ms > 0 for row in rows)
    assert rows[0].as_dict()["name"] == rows[0].name
    with pytest.raises(ValueError, match="at least 1, got 0"):
        race(model, feed(2), feed(1), rounds=0)


def test_tensor_differences_find_the_node_that_differs(monkeypatch):
    from utils.graphs.runtime import KERNELS, Kernel

    model = messy_cnn(batch="N")
    honest = tensor_differences(model, feed(2))
    assert list(honest) == [name for node in model.graph.node for name in node.output] and max(honest.values()) < 1e-4
    monkeypatch.setitem(KERNELS, "GlobalAveragePool", Kernel(lambda x: x.max(axis=(2, 3), keepdims=True), frozenset()))
    broken = tensor_differences(model, feed(2))
    assert next(name for name, difference in broken.items() if difference > 1e-3) == "pooled"
