"""The small network of this room: one CNN, written in three formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

CNN_SIZE, CNN_CLASSES = 28, 10


def example_weights(width: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights and biases of the CNN, He-scaled normal float32: c1, c2 (OIHW) and fc (outputs, inputs)."""
    rng = np.random.default_rng(seed)
    shapes = {"c1": (8 * width, 1, 3, 3), "c2": (16 * width, 8 * width, 3, 3), "fc": (CNN_CLASSES, 16 * width)}
    weights = {}
    for name, shape in shapes.items():
        scale = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{name}_w"] = (rng.standard_normal(shape) * scale).astype(np.float32)
        weights[f"{name}_b"] = (rng.standard_normal(shape[0]) * 0.1).astype(np.float32)
    return weights


def example_cnn(width: int = 1, seed: int = 0) -> ModelProto:
    """The CNN as ONNX: Conv 1->8, Relu, Conv 8->16 stride 2, Relu, GlobalAveragePool, Flatten, Gemm 16->10.

    Input "x" (1, 1, 28, 28), output "y" (1, 10); all convolutions 3x3 with one pixel of padding on each side;
    `width` multiplies the channels.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "c1_w", "c1_b"], ["c1"], name="c1", **conv),
        helper.make_node("Relu", ["c1"], ["r1"], name="r1"),
        helper.make_node("Conv", ["r1", "c2_w", "c2_b"], ["c2"], name="c2", strides=[2, 2], **conv),
        helper.make_node("Relu", ["c2"], ["r2"], name="r2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["gap"], name="gap"),
        helper.make_node("Flatten", ["gap"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "fc_w", "fc_b"], ["y"], name="fc", transB=1),
    ]
    shape = (1, 1, CNN_SIZE, CNN_SIZE)
    return make_model(nodes, {"x": shape}, {"y": (1, CNN_CLASSES)}, example_weights(width, seed))
