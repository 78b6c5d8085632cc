"""Our tracer against torch.jit.trace on straight lines, and our guards against what TorchDynamo compiles."""

import numpy as np
import pytest
import torch

from utils.graphs.torchscript import GuardedFunction, control_flow_summary, quiet, trace

NAMES = {"aten::mul": "mul", "aten::add": "add", "aten::sub": "sub", "aten::rsub": "sub", "aten::neg": "neg",
         "aten::div": "div", "aten::matmul": "matmul", "aten::exp": "exp", "aten::tanh": "tanh", "aten::sum": "sum",
         "aten::mean": "mean", "aten::gt": "gt", "aten::where": "where"}  # fmt: skip


def torch_ops(traced):
    return [NAMES[node.kind()] for node in traced.graph.nodes() if node.kind() in NAMES]


@pytest.mark.parametrize("fn", [
    lambda lib, x, y: x * 2 + y, lambda lib, x, y: (3 - x) * -(y - 1), lambda lib, x, y: lib.tanh(x @ y) + lib.exp(x),
    lambda lib, x, y: (x * y).sum() + x.mean(), lambda lib, x, y: lib.where(x > y, x, y * 0.5),
    lambda lib, x, y: (x / (y * y + 1)) - x * 1.5])  # fmt: skip
def test_same_operations_and_values(fn):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 3))
    ours = trace(lambda a, b: fn(np, a, b), x, y)
    with quiet():
        theirs = torch.jit.trace(lambda a, b: fn(torch, a, b), (torch.from_numpy(x), torch.from_numpy(y)))
    assert ours.ops == torch_ops(theirs)
    for _ in range(3):
        a, b = rng.normal(size=(2, 3, 3))
        np.testing.assert_allclose(ours(a, b), theirs(torch.from_numpy(a), torch.from_numpy(b)).numpy(), rtol=1e-12)


def test_both_freeze_the_same_branch():
    with quiet():
        theirs = torch.jit.trace(lambda x: x * 2 if x.sum() > 0 else x - 1, torch.ones(3))
    ours = trace(lambda x: x * 2 if x.sum() > 0 else x - 1, np.ones(3))
    assert control_flow_summary(theirs) == {"aten::mul": 1} and ours.ops == ["mul"]
    for value in (1.0, -1.0, -2.0):
        np.testing.assert_array_equal(ours(np.full(3, value)), theirs(torch.full((3,), value)).numpy())


def test_dynamo_guards_on_a_python_number_and_stays_right():
    """TorchDynamo compiles anew for a flag it has not met, and for no other call; our tapes count the same."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    def fn(x, flag):
        return x * 2 if flag else x - 1

    torch._dynamo.reset()
    fast, ours = torch.compile(fn, backend=backend), GuardedFunction(lambda x, flag: fn(x, flag > 0))
    for value, flag in ((1.0, True), (2.0, True), (3.0, False), (4.0, True), (5.0, False)):
        x = np.full(2, value)
        np.testing.assert_array_equal(fast(torch.from_numpy(x), flag).numpy(), fn(x, flag))
        np.testing.assert_array_equal(ours(x, int(flag)), fn(x, flag))
    assert len(compiled) == ours.traces == 2
