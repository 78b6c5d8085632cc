"""Small ONNX models that use every operator of the writers, in the forms that go wrong most easily."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from utils.engines.mobile_formats.example import example_cnn
from utils.graphs.onnx_tools import make_model

SEED = 3


def _conv(name: str, x: str, y: str, w: str, b: str | None = None, **attributes: Any) -> NodeProto:
    return helper.make_node("Conv", [x, w, *([b] if b else [])], [y], name=name, **attributes)


def padded_convs() -> ModelProto:
    """Strides, dilations and paddings that SAME says, that VALID says, and that neither says."""
    rng = np.random.default_rng(SEED)
    nodes = [
        _conv("same", "x", "a", "w1", "b1", strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Relu", ["a"], ["ra"], name="ra"),
        _conv("odd", "ra", "b", "w2", strides=[1, 2], pads=[2, 0, 1, 3]),
        _conv("valid", "b", "c", "w3", dilations=[2, 1]),
        _conv("auto", "c", "y", "w4", auto_pad="SAME_UPPER", strides=[2, 2]),
    ]
    weights = {"w1": rng.standard_normal((4, 3, 3, 3)), "b1": rng.standard_normal(4),
               "w2": rng.standard_normal((5, 4, 3, 2)), "w3": rng.standard_normal((4, 5, 2, 3)),
               "w4": rng.standard_normal((3, 4, 3, 3))}
    return make_model(nodes, {"x": (1, 3, 20, 18)}, {"y": (1, 3, None, None)}, _small(weights))


def depthwise() -> ModelProto:
    """A depthwise convolution with two outputs a channel, then one without a bias."""
    rng = np.random.default_rng(SEED)
    nodes = [
        _conv("dw2", "x", "a", "w1", "b1", group=3, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], name="r"),
        _conv("dw1", "r", "y", "w2", group=6, strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    weights = {"w1": rng.standard_normal((6, 1, 3, 3)), "b1": rng.standard_normal(6),
               "w2": rng.standard_normal((6, 1, 3, 3))}
    return make_model(nodes, {"x": (1, 3, 9, 10)}, {"y": (1, 6, None, None)}, _small(weights))


def branches() -> ModelProto:
    """A tensor with three readers, Add, Concat, Sigmoid, and a Relu that must not be fused: its input is an output."""
    rng = np.random.default_rng(SEED)
    nodes = [
        _conv("c", "x", "a", "w", "b", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], name="r"),
        helper.make_node("Sigmoid", ["a"], ["s"], name="s"),
        helper.make_node("Add", ["r", "s"], ["sum"], name="sum"),
        helper.make_node("Relu", ["sum"], ["rsum"], name="rsum"),
        helper.make_node("Concat", ["rsum", "a"], ["y"], name="cat", axis=1),
    ]
    weights = {"w": rng.standard_normal((4, 2, 3, 3)), "b": rng.standard_normal(4)}
    return make_model(nodes, {"x": (1, 2, 6, 5)}, {"y": (1, 8, 6, 5)}, _small(weights))


def pools() -> ModelProto:
    """Pooling of every kind; a maximum over negative numbers sees a zero of the padding at once."""
    nodes = [
        helper.make_node("MaxPool", ["x"], ["m"], name="m", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("AveragePool", ["m"], ["v"], name="v", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["v"], ["s"], name="s", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("AveragePool", ["s"], ["y"], name="y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
                         count_include_pad=1),
    ]
    return make_model(nodes, {"x": (1, 3, 24, 20)}, {"y": (1, 3, None, None)})


def flattened() -> ModelProto:
    """An image of several pixels that is flattened before a dense layer: channels first in ONNX, last in TFLite."""
    rng = np.random.default_rng(SEED)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="f"),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["g"], name="g"),
        helper.make_node("Relu", ["g"], ["r"], name="r"),
        helper.make_node("Gemm", ["r", "w2"], ["h"], name="h", transB=1),
        helper.make_node("Softmax", ["h"], ["y"], name="p", axis=-1),
    ]
    weights = {"w1": rng.standard_normal((24, 7)), "b1": rng.standard_normal(7), "w2": rng.standard_normal((5, 7))}
    return make_model(nodes, {"x": (1, 2, 3, 4)}, {"y": (1, 5)}, _small(weights))


def _small(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: (0.3 * value).astype(np.float32) for name, value in weights.items()}


ZOO = {"cnn": example_cnn, "padded_convs": padded_convs, "depthwise": depthwise, "branches": branches, "pools": pools,
       "flattened": flattened}


def zoo_feeds(model: ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    """A random image for a model's only input "x"; shifted below zero, so that padding with zeros shows."""
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    return {"x": (np.random.default_rng(seed).standard_normal(shape) - 1).astype(np.float32)}


# float32 with weights and inputs of size about 1 and sums of at most 300 products: 300 · 2^-24 = 2e-5 at worst
TOLERANCE = {"rtol": 1e-5, "atol": 2e-5}
