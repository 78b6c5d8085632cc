"""Three graphs to compile: an Inception block, a residual block, and a plain chain of convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto


class Graph:
    """Collects nodes and weights; every method returns the name of the tensor that it made."""

    def __init__(self, seed: int) -> None:
        self.rng, self.nodes, self.weights = np.random.default_rng(seed), [], {}

    def node(self, op: str, inputs: list[str], name: str, **attrs: object) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attrs))
        return name

    def array(self, name: str, *shape: int, low: float = -1.0) -> str:
        self.weights[name] = self.rng.uniform(low, 1.0, shape).astype(np.float32)
        return name

    def conv(self, x: str, name: str, c_in: int, c_out: int, k: int) -> str:
        """Stride 1, output as large as the input; a Relu behind it keeps the size of the values."""
        weight = self.rng.standard_normal((c_out, c_in, k, k)) * np.sqrt(2 / (c_in * k * k))
        self.weights[f"{name}_w"] = weight.astype(np.float32)
        return self.node("Conv", [x, f"{name}_w"], name, kernel_shape=[k, k], pads=[k // 2] * 4)

    def norm(self, x: str, name: str, c: int) -> str:
        stats = [self.array(f"{name}_{part}", c, low=low)
                 for part, low in (("scale", 0.5), ("shift", -1.0), ("mean", -1.0), ("var", 0.5))]
        return self.node("BatchNormalization", [x, *stats], name)

    def conv_bn_relu(self, x: str, tag: str, c_in: int, c_out: int, k: int) -> str:
        return self.node("Relu", [self.norm(self.conv(x, f"conv{tag}", c_in, c_out, k), f"bn{tag}", c_out)],
                         f"relu{tag}")

    def model(self, x_shape: tuple[int, ...], y: str, y_shape: tuple[int, ...]) -> ModelProto:
        from utils.graphs.onnx_tools import make_model

        return make_model(self.nodes, {"x": x_shape}, {y: y_shape}, self.weights)


def inception_block(size: int = 28, c_in: int = 64, batch: int = 1, seed: int = 0) -> ModelProto:
    """Four branches over one input, concatenated: 1x1, 1x1 then 3x3, 1x1 then 5x5, pool then 1x1; 20 operators.

    The form is that of Szegedy et al. (2014); the 1x1 convolutions of the input make 16, 24 and 8 channels.
    """
    g = Graph(seed)
    branches = [
        g.conv_bn_relu("x", "_1x1", c_in, 16, 1),
        g.conv_bn_relu(g.conv_bn_relu("x", "_reduce3", c_in, 24, 1), "_3x3", 24, 32, 3),
        g.conv_bn_relu(g.conv_bn_relu("x", "_reduce5", c_in, 8, 1), "_5x5", 8, 16, 5),
        g.conv_bn_relu(g.node("MaxPool", ["x"], "pool", kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]), "_pool",
                       c_in, 16, 1),
    ]
    y = g.node("Concat", branches, "concat", axis=1)
    return g.model((batch, c_in, size, size), y, (batch, 80, size, size))


def residual_block(size: int = 28, c: int = 64, batch: int = 1, seed: int = 0) -> ModelProto:
    """Two 3x3 convolutions whose input is added to their result before the last Relu; 7 operators."""
    g = Graph(seed)
    second = g.conv(g.conv_bn_relu("x", "1", c, c, 3), "conv2", c, c, 3)
    total = g.node("Add", [g.norm(second, "bn2", c), "x"], "add")
    return g.model((batch, c, size, size), g.node("Relu", [total], "relu2"), (batch, c, size, size))


def plain_chain(depth: int = 20, size: int = 28, c: int = 16, batch: int = 1, seed: int = 0) -> ModelProto:
    """`depth` times a 3x3 convolution and a Relu, all tensors of one size."""
    g = Graph(seed)
    x = "x"
    for i in range(depth):
        x = g.node("Relu", [g.conv(x, f"conv{i}", c, c, 3)], f"relu{i}")
    return g.model((batch, c, size, size), x, (batch, c, size, size))


BLOCKS = {"Inception block": inception_block, "residual block": residual_block}
