"""Networks as a device sees them: maps in one arena, and blocks whose element-wise operators a runtime can fuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.cost.arena import TensorUse
from utils.cost.latency import time_interleaved

if TYPE_CHECKING:
    from onnx import ModelProto


def sequential_uses(sizes: Sequence[int]) -> list[TensorUse]:
    """Tensors of a chain: the input, then what each operator makes; each lives until the next operator has run.

    Operator i runs in step i and makes tensor i + 1. The last tensor is the output.
    """
    last = len(sizes) - 2
    return [TensorUse(size, max(i - 1, 0), min(i, max(last, 0))) for i, size in enumerate(sizes)]


def mobilenet_v1_sizes(resolution: int = 224, item_bytes: int = 4) -> list[int]:
    """Bytes of MobileNetV1's image and maps; batch norm and activation are fused into their convolution."""
    import torch
    from torch import nn

    from utils.networks.classic import mobilenet_v1

    with torch.device("meta"):
        model = mobilenet_v1()
        image = torch.zeros(1, 3, resolution, resolution)
    sizes, hooks = [image.numel() * item_bytes], []
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.AdaptiveAvgPool2d, nn.Linear)):
            hooks.append(layer.register_forward_hook(lambda m, i, out: sizes.append(out.numel() * item_bytes)))
    model.eval()(image)
    for hook in hooks:
        hook.remove()
    return sizes


def fusable_blocks(blocks: int = 6, channels: int = 64, side: int = 56, seed: int = 0) -> ModelProto:
    """An ONNX chain of `blocks` times conv 3x3, mul and add (a batch norm written out), relu: 4 nodes a block."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    rng = np.random.default_rng(seed)
    nodes, weights, at = [], {}, "x"
    for i in range(blocks):
        scale = np.sqrt(2 / (9 * channels))
        weights |= {f"w{i}": (scale * rng.normal(size=(channels, channels, 3, 3))).astype(np.float32),
                    f"m{i}": rng.uniform(0.8, 1.2, (1, channels, 1, 1)).astype(np.float32),
                    f"a{i}": (0.1 * rng.normal(size=(1, channels, 1, 1))).astype(np.float32)}
        nodes += [helper.make_node("Conv", [at, f"w{i}"], [f"c{i}"], pads=[1] * 4),
                  helper.make_node("Mul", [f"c{i}", f"m{i}"], [f"s{i}"]),
                  helper.make_node("Add", [f"s{i}", f"a{i}"], [f"b{i}"]),
                  helper.make_node("Relu", [f"b{i}"], [f"r{i}"])]
        at = f"r{i}"
    shape = (1, channels, side, side)
    return make_model(nodes, {"x": shape}, {at: shape}, weights)


@dataclass(frozen=True)
class FusionRun:
    """One model without and with ONNX Runtime's optimisations: nodes, milliseconds (minimum), largest difference."""

    nodes: tuple[int, int]
    ms: tuple[float, float]
    max_abs: float
    ops: tuple[str, ...]

    @property
    def speedup(self) -> float:
        return self.ms[0] / self.ms[1]


def run_fused(model: ModelProto, rounds: int = 20) -> FusionRun:
    """Run the model both ways in turns, on one thread."""
    from utils.graphs.onnx_tools import executed_ops, make_session

    x = np.random.default_rng(1).normal(size=[d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim])
    feeds = {model.graph.input[0].name: x.astype(np.float32)}
    plain, fused = make_session(model), make_session(model, optimize=True)
    outputs = [session.run(None, feeds)[0] for session in (plain, fused)]
    times = time_interleaved({"plain": lambda: plain.run(None, feeds), "fused": lambda: fused.run(None, feeds)}, rounds)
    ops = executed_ops(model)
    return FusionRun((len(model.graph.node), len(ops)), (float(times["plain"].min()), float(times["fused"].min())),
                     float(np.abs(outputs[0] - outputs[1]).max()), tuple(ops))
