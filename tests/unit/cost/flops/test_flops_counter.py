"""Counting MACs in modules and graphs: nothing may be silently zero."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from utils.cost.flops.counter import count_module_macs, count_onnx_macs
from utils.cost.flops.layer_ops import attention_ops, conv2d_ops


def test_rows_name_layers_in_order_with_shapes():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))
    table = count_module_macs(net, (2, 3, 4, 4))
    assert [(r.name, r.kind, r.macs, r.out_shape) for r in table.rows] == [
        ("0", "Conv2d", conv2d_ops(4, 4, 3, 8, 3, padding=1, batch=2).macs, (2, 8, 4, 4)),
        ("1", "BatchNorm2d", 0, (2, 8, 4, 4)),
        ("4", "Linear", 2 * 128 * 5, (2, 5)),
    ]
    assert table.macs == sum(table.macs_by_kind.values())
    assert table.unknown == table.not_called == ()
    assert table.as_dict()["macs"] == table.macs


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(3, 3))
        self.used = nn.Linear(3, 3)
        self.bypassed = nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x @ self.w) @ self.bypassed.weight


def test_what_cannot_be_counted_is_listed():
    net = nn.Sequential(Custom())
    table = count_module_macs(net, (1, 3))
    assert table.unknown == ("0",)
    assert table.not_called == ("0.bypassed",)
    with pytest.raises(ValueError, match="no rule for Custom"):
        count_module_macs(net, (1, 3), strict=True)
    ruled = count_module_macs(net, (1, 3), strict=True, rules={Custom: lambda m, inputs, out: 18})
    assert ruled.macs == 18 + 9


def test_a_rule_may_cover_a_layer_without_parameters():
    net = nn.Sequential(nn.Linear(4, 4), nn.Softmax(-1))
    assert count_module_macs(net, (2, 4), rules={nn.Softmax: lambda m, inputs, out: out.numel()}).macs == 32 + 8


def test_a_parametrized_layer_is_still_counted():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2, bias=False)))
    assert count_module_macs(net, (5, 3)).macs == 30


def test_the_model_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout()).train()
    net[1].eval()
    fused = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError):  # a wrong input shape must not leave hooks or modes behind
        count_module_macs(net, (1, 4))
    count_module_macs(net, (1, 3))
    assert net.training and net[0].training and not net[1].training
    assert not net[0]._forward_hooks
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_a_layer_called_twice_counts_twice():
    layer = nn.Linear(4, 4)
    table = count_module_macs(nn.Sequential(layer, layer), (3, 4))
    assert [(r.calls, r.macs) for r in table.rows] == [(2, 2 * 3 * 16)]


def test_multi_head_attention_by_its_parts():
    with torch.device("meta"):
        mha = nn.MultiheadAttention(8, 2, kdim=6, vdim=5, batch_first=True)
        table = count_module_macs(mha, (torch.empty(3, 4, 8), torch.empty(3, 7, 6), torch.empty(3, 7, 5)), strict=True)
    project = 3 * (4 * 8 * 8 + 7 * 6 * 8 + 7 * 5 * 8 + 4 * 8 * 8)
    assert table.macs == project + attention_ops(3, 2, 4, 7, 4).macs
    assert table.not_called == ()


def test_attention_arguments_may_be_named_and_unbatched():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.mha = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            return self.mha(attn_mask=torch.zeros(len(x), len(x)), key=x, query=x, value=x)[0]

    assert count_module_macs(Named(), (5, 8)).macs == 4 * 5 * 64 + 2 * 25 * 8


def test_the_transformer_fast_path_hides_nothing():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert count_module_macs(layer, (1, 5, 8)).macs == 4 * 5 * 64 + 2 * 25 * 8 + 2 * 5 * 8 * 16


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_multiply_every_weight_at_every_step(kind, gates):
    net = kind(3, 5, num_layers=2, bidirectional=True, batch_first=True)
    first, second = gates * 5 * (3 + 5), gates * 5 * (10 + 5)
    assert count_module_macs(net, (2, 7, 3)).macs == 2 * 7 * 2 * (first + second)


def test_transposed_convolution_and_integer_inputs():
    assert count_module_macs(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 5)).macs == 2 * 4 * 25 * 3 * 9
    net = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    assert count_module_macs(net, torch.zeros(3, 5, dtype=torch.long)).macs == 15 * 8


def _onnx(nodes, inputs, initializers=(), opset=17):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in initializers])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_onnx_operators():
    model = _onnx(
        [helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], group=2, name="conv"),
         helper.make_node("ConvTranspose", ["a", "t"], ["b"], strides=[2, 2], kernel_shape=[2, 2]),
         helper.make_node("Flatten", ["b"], ["c"]),
         helper.make_node("Gemm", ["g", "c"], ["y"], transA=1, transB=1)],
        [("x", [1, 4, 5, 5])], [("w", [6, 2, 3, 3]), ("t", [6, 1, 2, 2]), ("g", [100, 7])])
    result = count_onnx_macs(model)
    assert result["by_node"] == {"conv": 25 * 6 * 2 * 9, "ConvTranspose_1": 6 * 25 * 4, "Gemm_3": 7 * 100}
    assert result["total"] == sum(result["by_op"].values())
    assert result["unresolved"] == []


def test_onnx_matmul_broadcasts_and_symbols_can_be_bound():
    model = _onnx([helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")], [("x", ["batch", 3, 4])], [("w", [4, 5])])
    assert count_onnx_macs(model)["unresolved"] == ["mm"]
    assert count_onnx_macs(model, {"batch": 2})["total"] == 2 * 3 * 4 * 5
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"  # the caller's model is untouched


def test_onnx_nodes_without_a_rule_are_listed():
    model = _onnx([helper.make_node("Einsum", ["x", "x"], ["h"], equation="ij,kj->ik"),
                   helper.make_node("Fused", ["h"], ["y"], domain="com.example", name="fused")], [("x", [2, 3])])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    assert count_onnx_macs(model)["unresolved"] == ["Einsum_0", "fused"]


def test_module_and_graph_agree(tmp_path):
    net = nn.Sequential(nn.Conv2d(2, 6, 3, stride=2, groups=2), nn.ReLU(), nn.ConvTranspose2d(6, 3, 2), nn.Flatten(),
                        nn.Linear(3 * 5 * 5, 4)).eval()
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros(1, 2, 9, 9),), path, dynamo=False, opset_version=17)
    assert count_onnx_macs(onnx.load(path))["total"] == count_module_macs(net, (1, 2, 9, 9)).macs
