"""The cast to FP16 against `onnxruntime.transformers.float16`, on a CNN and with operators that are kept."""

import numpy as np
import pytest
from onnx import helper

from utils.engines.stream_sweep import four_layer_cnn
from utils.engines.tensorrt_build import to_fp16
from utils.graphs.onnx_tools import make_model, make_session

float16 = pytest.importorskip("onnxruntime.transformers.float16", reason="this onnxruntime has no transformers tools")


def ops(model):
    return sorted(node.op_type for node in model.graph.node)


def both(model, feeds, **options):
    ours = to_fp16(model, keep_fp32_ops=options.get("op_block_list", ()))
    theirs = float16.convert_float_to_float16(model, keep_io_types=True, **options)
    runs = [make_session(m).run(None, feeds)[0] for m in (model, ours, theirs)]
    return ours, theirs, runs


def test_the_same_nodes_and_the_same_numbers_on_a_cnn():
    model = four_layer_cnn(size=32)
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    ours, theirs, (full, mine, other) = both(model, {"x": x})
    assert ops(ours) == ops(theirs) and len(ours.graph.node) == len(model.graph.node) + 2
    assert np.array_equal(mine, other)  # the same casts around the same kernels
    assert np.abs(mine - full).max() < 2e-3
    assert abs(ours.ByteSize() - theirs.ByteSize()) < 600  # names of tensors differ


def test_the_same_numbers_around_operators_that_stay():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Softmax", ["a"], ["p"]),
             helper.make_node("MatMul", ["p", "w"], ["y"])]
    w = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    model = make_model(nodes, {"x": ("N", 8)}, {"y": ("N", 8)}, {"w": w})
    x = np.random.default_rng(2).normal(size=(4, 8)).astype(np.float32)
    ours, theirs, (_, mine, other) = both(model, {"x": x}, op_block_list=["Softmax"])
    assert ops(ours).count("Cast") == 4 <= ops(theirs).count("Cast")
    assert np.array_equal(mine, other)
