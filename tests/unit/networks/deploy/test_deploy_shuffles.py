"""Channel shuffles taken out of weights and of ONNX graphs."""

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from utils.cost.flops import count_onnx_macs
from utils.graphs.onnx_tools import export_torch, make_session
from utils.graphs.simplify import simplify
from utils.networks.blocks import channel_shuffle
from utils.networks.deploy import fold_shuffle, replace_shuffles, shuffle_matrix
from utils.networks.deploy.experiment import exported


@pytest.mark.parametrize("c,groups", [(8, 2), (6, 3), (12, 4), (5, 5), (5, 1), (24, 3)])
def test_folding_equals_torchs_shuffle_exactly(c, groups):
    rng = np.random.default_rng(c)
    x = rng.integers(-50, 50, (c,)).astype(np.float64)
    w = rng.integers(-50, 50, (3, c)).astype(np.float64)  # integers: sums are exact in any order
    shuffled = torch.nn.functional.channel_shuffle(torch.from_numpy(x)[None, :, None, None], groups)[0, :, 0, 0].numpy()
    before = w.copy()
    assert np.array_equal(fold_shuffle(w, groups) @ x, w @ shuffled)
    assert np.array_equal(shuffle_matrix(c, groups) @ x, shuffled) and np.array_equal(w, before)
    assert np.array_equal(fold_shuffle(w[:, :, None, None], groups)[..., 0, 0], fold_shuffle(w, groups))


@pytest.mark.parametrize("c,groups", [(6, 4), (4, 8), (4, 0)])
def test_channels_must_be_divisible(c, groups):
    with pytest.raises(ValueError, match="divisible"):
        fold_shuffle(np.ones((2, c)), groups)


@pytest.mark.parametrize("fold,macs,convs", [(False, 313_700_056, 56 + 16), (True, 303_150_552, 56 + 15)])
def test_shufflenet_computes_the_same_without_transposes(fold, macs, convs):
    original = exported("ShuffleNetV2")
    before = original.SerializeToString()
    twin = replace_shuffles(original, fold)
    ops = Counter(node.op_type for node in twin.graph.node)
    assert ops["Transpose"] == ops["Reshape"] == 0 and ops["Conv"] == convs
    assert count_onnx_macs(original)["total"] == 144_907_992 and count_onnx_macs(twin)["total"] == macs
    x = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    a, b = (make_session(m).run(None, {"input": x})[0] for m in (original, twin))
    assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()  # float32 sums in another order
    assert original.SerializeToString() == before


class Mixed(nn.Module):
    """A shuffle, then a chosen reader."""

    def __init__(self, reader, groups=2):
        super().__init__()
        self.reader, self.groups = reader, groups

    def forward(self, x):
        return self.reader(channel_shuffle(x, self.groups))


def graph(module, c=6):
    return simplify(export_torch(module.eval(), torch.rand(1, c, 4, 5))).model


@pytest.mark.parametrize("reader,convs", [
    (nn.Conv2d(6, 4, 1), 1),  # folded
    (nn.Conv2d(6, 4, 3, padding=1), 2),  # 3x3: not folded here
    (nn.Conv2d(6, 6, 1, groups=2), 2),  # grouped
    (nn.ReLU(), 1)])
@pytest.mark.parametrize("groups", [2, 3])
def test_it_folds_into_dense_1x1_convolutions_alone(reader, convs, groups):
    model = graph(Mixed(reader, groups))
    twin = replace_shuffles(model)
    assert [n.op_type for n in twin.graph.node].count("Conv") == convs
    assert not {"Transpose", "Reshape"} & {n.op_type for n in twin.graph.node}
    x = np.random.default_rng(1).random((1, 6, 4, 5), dtype=np.float32)
    a, b = (make_session(m).run(None, {"input": x})[0] for m in (model, twin))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_shared_weight_is_not_changed_for_its_other_reader():
    model = graph(Mixed(nn.Conv2d(6, 4, 1, bias=False)))
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    model.graph.node.append(helper.make_node("Conv", [model.graph.input[0].name, conv.input[1]], ["other"], kernel_shape=[1, 1]))
    model.graph.output.append(helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1, 4, 4, 5]))
    x = np.random.default_rng(1).random((1, 6, 4, 5), dtype=np.float32)
    for a, b in zip(*(make_session(m).run(None, {"input": x}) for m in (model, replace_shuffles(model)))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


class Flip(nn.Module):
    """A reshape, transpose, reshape that is no shuffle: rows and columns change places."""

    def forward(self, x):
        return x.reshape(1, 2, 3, 4, 4).transpose(3, 4).reshape(1, 6, 4, 4)


def test_what_only_looks_like_a_shuffle_stays():
    model = simplify(export_torch(Flip(), torch.rand(1, 6, 4, 4))).model
    assert [n.op_type for n in replace_shuffles(model).graph.node] == [n.op_type for n in model.graph.node]
