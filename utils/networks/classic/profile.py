"""Where a network's parameters, MACs and activations sit: counted by hooks on the real network, on meta tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from utils.cost.flops import count_module_macs
from utils.cost.params import count_module
from utils.networks.classic.light import ghostnet, mobilenet_v1, mobilenet_v2, shufflenet_v2, squeezenet, xception


@dataclass(frozen=True)
class Family:
    """A light network: how to build it at a width, the widths that exist (empty: any), its standard resolution."""

    build: Callable[[float], nn.Sequential]
    widths: tuple[float, ...]
    resolution: int = 224


LIGHTWEIGHT: dict[str, Family] = {
    "SqueezeNet 1.0": Family(lambda width: squeezenet("1_0"), (1.0,)),
    "SqueezeNet 1.1": Family(lambda width: squeezenet("1_1"), (1.0,)),
    "Xception": Family(lambda width: xception(), (1.0,), 299),
    "MobileNetV1": Family(mobilenet_v1, ()),
    "MobileNetV2": Family(mobilenet_v2, ()),
    "ShuffleNetV2": Family(lambda width: shufflenet_v2(f"{width:.1f}"), (0.5, 1.0, 1.5, 2.0)),
    "GhostNet": Family(ghostnet, ()),
}


def build_light(name: str, width: float = 1.0) -> nn.Sequential:
    """The light network `name` at a width multiplier.

    Raises KeyError for an unknown name and ValueError for a width that the network does not have.
    """
    family = LIGHTWEIGHT[name]
    if family.widths and width not in family.widths:
        raise ValueError(f"width must be one of {', '.join(map(str, family.widths))} for {name}, got {width}")
    return family.build(width)


def count_parameters(m: nn.Module) -> int:
    """Parameters, trainable or not, tied ones once."""
    return count_module(m).parameters


def count_buffers(m: nn.Module) -> int:
    """Floating-point buffers: the running means and variances of batch norm, without its step counter."""
    return count_module(m).buffers_float


def count_macs(m: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-accumulates of one forward pass in eval mode, by hooks; `input_shape` is (N, C, H, W)."""
    return count_module_macs(m, input_shape, strict=True).macs


@dataclass(frozen=True)
class StageCost:
    """The layers whose maps share a side length (pixels).

    `max_map_bytes` is the largest FP32 map that a convolution or linear layer writes in this stage, for one image, and
    `map_bytes` all of them together.
    """

    side: int
    params: int
    macs: int
    max_map_bytes: int
    map_bytes: int


@cache
def stage_profile(name: str, width: float = 1.0, resolution: int = 224) -> tuple[StageCost, ...]:
    """Costs of a light network by stage, one image, from large maps to small; the head has side 1.

    A block belongs to the stage of its output; a stage without layers (a lone pool) is left out. The sums are the
    network's `count_parameters` and `count_macs`.
    Raises KeyError and ValueError as `build_light`.
    """
    with torch.device("meta"):
        net = build_light(name, width).eval()
        sides, x = [], torch.zeros(1, 3, resolution, resolution)
        for block in net:
            x = block(x)
            sides.append(x.shape[-1] if x.dim() == 4 else 1)
        table = count_module_macs(net, (1, 3, resolution, resolution), strict=True)
    stages = {side: [0, 0, 0, 0] for side in sorted(set(sides), reverse=True)}
    for block, side in zip(net, sides):
        stages[side][0] += count_module(block).parameters
    for row in table.rows:
        stage = stages[sides[int(row.name.split(".")[0])]]
        stage[1] += row.macs
        if row.kind not in ("Conv2d", "Linear"):  # a batch norm is folded into its convolution and writes nothing
            continue
        written = 4 * torch.Size(row.out_shape).numel()
        stage[2] = max(stage[2], written)
        stage[3] += written
    return tuple(StageCost(side, *costs) for side, costs in stages.items() if any(costs))
