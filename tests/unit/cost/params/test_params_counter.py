"""Counting parameters in torch modules and ONNX graphs."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from utils.cost.params import count_module, count_onnx


def test_frozen_buffers_and_types():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Linear(8, 4))
    net[2].weight.requires_grad_(False)
    count = count_module(net)
    assert (count.trainable, count.frozen) == (216 + 16 + 4, 32)
    assert (count.buffers, count.buffers_float) == (17, 16)  # the step counter is an int64
    assert count.by_type == {"Conv2d": 216, "BatchNorm2d": 16, "Linear": 36}
    assert count.parameters == sum(p.numel() for p in net.parameters())
    assert count.shared == 0


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tied_weights_count_once(device):
    with torch.device(device):
        net = nn.ModuleDict({"embed": nn.Embedding(10, 4), "head": nn.Linear(4, 10, bias=False)})
        net["head"].weight = net["embed"].weight
    count = count_module(net)
    assert (count.trainable, count.shared) == (40, 40)
    assert count.by_type == {"Embedding": 40}


def test_a_module_used_twice_counts_once():
    layer = nn.Linear(4, 4)
    count = count_module(nn.Sequential(layer, layer))
    assert (count.trainable, count.shared) == (20, 20)


def test_lazy_layers_are_refused():
    with pytest.raises(ValueError, match="uninitialized"):
        count_module(nn.Sequential(nn.LazyLinear(3)))


def test_onnx_shape_constants_are_apart():
    weights = {"w": np.zeros((4, 3), np.float32), "b": np.zeros(3, np.float32), "s": np.array([1, -1]), "idle": np.float32(1)}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("Reshape", ["h", "s"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()])
    count = count_onnx(helper.make_model(graph))
    assert (count.initializers, count.elements, count.shape_elements) == (4, 16, 2)
    assert count.by_op == {"Gemm": 15, "unused": 1}


def test_exported_module_has_the_same_count(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), path, dynamo=False, opset_version=17)
    assert count_onnx(onnx.load(path)).elements == count_module(net).parameters
