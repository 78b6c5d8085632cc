"""Our simplifier against onnxsim and OnnxSlim: the same operators, node for node, on the named graphs."""

from collections import Counter

import numpy as np
import pytest

from utils.graphs.onnx_tools import export_torch
from utils.graphs.simplify import DEFAULT_PASSES, messy_cnn, rewrite_dynamic_reshape, simplify, verify
from utils.graphs.simplify.random_graphs import random_graph

onnxsim = pytest.importorskip("onnxsim")  # 0.8.1 when these graphs were chosen
ALL = (*DEFAULT_PASSES, rewrite_dynamic_reshape)


def ops(model):
    return Counter(node.op_type for node in model.graph.node)


def theirs(model):
    return onnxsim.simplify(model)[0]


@pytest.mark.parametrize("batch, nodes", [(1, 7), (3, 7), ("N", 11)])
def test_messy_cnn(batch, nodes):
    model = messy_cnn(batch=batch)
    ours = simplify(model)
    assert ops(ours.model) == ops(theirs(model)) and ours.nodes_after == nodes
    assert [n.op_type for n in ours.model.graph.node] == [n.op_type for n in theirs(model).graph.node]
    assert verify(model, ours.model).ok
    assert ours.bytes_after < ours.bytes_before < len(theirs(model).SerializeToString())


@pytest.mark.parametrize("batch", [1, "N"])
def test_messy_cnn_against_onnxslim(batch):
    onnxslim = pytest.importorskip("onnxslim")
    model = messy_cnn(batch=batch)
    assert ops(simplify(model, ALL).model) == ops(onnxslim.slim(model))


@pytest.mark.parametrize("batch", [2, "N"])
@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed, batch):
    model = random_graph(np.random.default_rng(seed), batch=batch)
    ours = simplify(model)
    assert ops(ours.model) == ops(theirs(model))
    assert ours.nodes_after < ours.nodes_before
    assert verify(model, ours.model, n=1).ok


def networks():
    import torch
    from torch import nn

    from utils.networks.digits import DigitsCNN, DigitsMLP

    torch.manual_seed(0)

    class JustReshape(nn.Module):
        """The example of onnxsim's README."""

        def forward(self, x):
            return x.view((x.shape[0], x.shape[1], x.shape[3], x.shape[2]))

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 3, padding=1)
            self.m, self.n = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

        def forward(self, x):
            return torch.relu(self.n(self.b(torch.relu(self.m(self.a(x))))) + x)

    class Shuffle(nn.Module):
        def forward(self, x):
            n, c, h, w = x.shape
            return torch.relu(x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w) * 1.0 + 0)

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), Residual(), Residual())
            self.pool, self.drop, self.head = nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Linear(8, 5)

        def forward(self, x):
            x = self.pool(self.body(x))
            return torch.softmax(self.head(self.drop(x.reshape(x.shape[0], -1))), -1)

    return {"reshape": (JustReshape(), (2, 3, 4, 5)), "cnn": (DigitsCNN(), (1, 1, 8, 8)), "mlp": (DigitsMLP(), (1, 64)),
            "residual": (Classifier(), (1, 3, 16, 16)), "shuffle": (Shuffle(), (2, 8, 4, 4))}


@pytest.mark.parametrize("batch", [None, "N"])
def test_networks_from_torch(batch):
    import torch

    torch.set_num_threads(1)
    for name, (module, shape) in networks().items():
        model = export_torch(module, torch.randn(*shape), dynamic_batch=batch)
        ours = simplify(model)
        assert ops(ours.model) == ops(theirs(model)), name
        assert verify(model, ours.model).ok, name
        assert ours.bytes_after <= ours.bytes_before, name
