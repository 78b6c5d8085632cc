"""Operators of ONNX graphs, and their segments."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from utils.graphs.onnx_tools import export_torch, make_model
from utils.networks.classic import count_macs, mobilenet_v2, shufflenet_v2
from utils.networks.deploy import TARGETS, islands, onnx_op_sequence, segments
from utils.networks.deploy.experiment import exported

NPU = TARGETS["npu_dense"].supported_ops


def small(outputs=("z",)):
    """x -> Conv -> Relu -> Sigmoid -> Add(with the Relu's) -> z"""
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], name="conv"), helper.make_node("Relu", ["a"], ["r"], name="relu"),
             helper.make_node("Sigmoid", ["r"], ["s"], name="sigmoid"), helper.make_node("Add", ["r", "s"], ["z"], name="add")]
    return make_model(nodes, {"x": (1, 3, 5, 5)}, dict.fromkeys(outputs, (1, 4, 5, 5)),
                      {"w": np.ones((4, 3, 1, 1), np.float32)})


def test_a_nodes_work_by_hand():
    conv, relu, sigmoid, add = onnx_op_sequence(small())
    assert (conv.kind, conv.macs, conv.channels) == ("pointwise", 25 * 4 * 3, (3, 4))
    assert (conv.values_in, conv.weights, conv.values_out) == (75, 12, 100)
    assert relu.fused and not (conv.fused or sigmoid.fused or add.fused)
    assert (add.kind, add.values_in, add.values_out, add.macs) == ("elementwise", 200, 100, 0)


def test_an_activation_is_not_fused_when_the_convolution_has_another_reader_or_is_an_output():
    assert not onnx_op_sequence(small(outputs=("z", "a")))[1].fused
    model = small()
    model.graph.node[3].input[1] = "a"
    assert not onnx_op_sequence(model)[1].fused


@pytest.mark.parametrize("build,name", [(shufflenet_v2, "ShuffleNetV2"), (mobilenet_v2, "MobileNetV2")])
def test_macs_are_those_that_torch_hooks_count(build, name):
    assert sum(node.macs for node in onnx_op_sequence(exported(name))) == count_macs(build(), (1, 3, 224, 224))


def test_kinds_of_mobilenet_v2():
    kinds = [node.kind for node in onnx_op_sequence(exported("MobileNetV2"))]
    # 17 blocks have a depthwise layer each; the stem and the classifier are dense
    assert kinds.count("depthwise") == 17 and kinds.count("dense") == 2 and kinds.count("pointwise") == 52 - 17 - 1


def test_segments_of_a_graph_with_one_fallback():
    first, fallback, last = segments(onnx_op_sequence(small()), {"Conv", "Relu", "Add"})
    assert [node.op for node in fallback.nodes] == ["Sigmoid"] and not fallback.on_device
    assert (fallback.values_entering, fallback.values_leaving) == (100, 100)
    assert (first.values_entering, first.values_leaving) == (75, 100)  # the ReLU's map, though two nodes read it
    assert (last.values_entering, last.values_leaving) == (200, 100)


def test_shufflenet_has_an_island_for_each_unit_and_branches_of_repvgg_fall_back_too():
    def counted(name):
        return islands([node.op for node in onnx_op_sequence(exported(name))], NPU)

    assert counted("ShuffleNetV2") == (17, 16)  # 16 units
    assert counted("MobileNetV2") == counted("RepVGG-A0") == (1, 0)
    assert counted("RepVGG-A0 with branches") == (18, 17)  # 22 blocks, of which 5 have no identity branch


@given(st.lists(st.sampled_from("abc"), max_size=30), st.sets(st.sampled_from("abcd")))
def test_islands_are_counted_as_by_borders(ops, supported):
    flags = [op in supported for op in ops]
    borders = sum(a != b for a, b in pairwise(flags))
    on, off = islands(ops, supported)
    assert on + off == (borders + 1 if ops else 0) and abs(on - off) <= 1
    assert (on > 0) == any(flags) and (off > 0) == (not all(flags))


def test_unknown_shapes_are_refused_with_what_to_do():
    model = export_torch(mobilenet_v2(0.25).eval(), torch.zeros(1, 3, 32, 32), dynamic_batch="N")
    with pytest.raises(ValueError, match="make_static"):
        onnx_op_sequence(model)

