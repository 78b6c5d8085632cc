"""Filters as ONNX graphs: fixed convolutions, and a median of Min and Max nodes. What an accelerator can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from utils.hardware.classical.median import MEDIAN9_NETWORK

if TYPE_CHECKING:
    from onnx import ModelProto


def filters_to_onnx(kernels: Mapping[str, np.ndarray]) -> ModelProto:
    """One Conv node: image (1, 1, H, W) to (1, number of kernels, H, W), zeros beyond the border.

    Smaller kernels are centred in the largest. Raises ValueError for an even kernel, or for none.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    if not kernels or any(side % 2 == 0 for kernel in kernels.values() for side in np.shape(kernel)):
        raise ValueError("kernels must hold at least one odd kernel, and no even one")
    side = max(max(np.shape(kernel)) for kernel in kernels.values())
    weights = np.zeros((len(kernels), 1, side, side), np.float32)
    for i, kernel in enumerate(kernels.values()):
        top, left = (side - kernel.shape[0]) // 2, (side - kernel.shape[1]) // 2
        weights[i, 0, top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    node = helper.make_node("Conv", ["image", "kernels"], ["filtered"], pads=[side // 2] * 4)
    return make_model([node], {"image": (1, 1, "H", "W")}, {"filtered": (1, len(kernels), "H", "W")},
                      {"kernels": weights})


def median_to_onnx(height: int, width: int) -> ModelProto:
    """A 3 x 3 median, zeros beyond the border, of Pad, Slice, Min and Max; image (1, 1, height, width)."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    nodes = [helper.make_node("Pad", ["image", "one"], ["padded"], mode="constant")]
    constants = {"one": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "axes": np.array([2, 3], np.int64)}
    planes = []
    for i, (dy, dx) in enumerate((y, x) for y in range(3) for x in range(3)):
        constants |= {f"from{i}": np.array([dy, dx], np.int64), f"to{i}": np.array([dy + height, dx + width], np.int64)}
        nodes.append(helper.make_node("Slice", ["padded", f"from{i}", f"to{i}", "axes"], [f"p{i}"]))
        planes.append(f"p{i}")
    for step, (i, j) in enumerate(MEDIAN9_NETWORK):
        pair, low, high = [planes[i], planes[j]], f"low{step}", f"high{step}"
        nodes += [helper.make_node("Min", pair, [low]), helper.make_node("Max", pair, [high])]
        planes[i], planes[j] = low, high
    nodes.append(helper.make_node("Identity", [planes[4]], ["median"]))
    shape = (1, 1, height, width)
    return make_model(nodes, {"image": shape}, {"median": shape}, constants)
