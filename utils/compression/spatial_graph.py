"""Convolutional networks as graphs of tensors: their bytes at any resolution, whole or patch by patch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from utils.cost.arena import GraphOp, TensorGraph, order_peak
from utils.cost.checks import positive
from utils.cost.flops.layer_ops import conv_out_size

if TYPE_CHECKING:
    from torch import nn

IMAGE = "image"
Span = tuple[int, int]  # rows (or columns) of a map: from the first to before the second


@dataclass(frozen=True)
class SpatialOp:
    """An operator on square maps, named like the one it makes: (side, side, channels).

    A convolution has an odd `kernel` and pads kernel // 2; its batch norm and activation are fused into it. Kernel 0
    averages the whole map. Without a kernel of its own, an addition has kernel 1 and two inputs.
    `macs_per_value` counts the multiply-accumulates of one value.
    """

    name: str
    inputs: tuple[str, ...]
    channels: int
    kernel: int = 1
    stride: int = 1
    macs_per_value: int = 0
    depthwise: bool = False


def mobilenet_v2_ops() -> tuple[SpatialOp, ...]:
    """The operators of MobileNetV2 1.0, read off the network in `utils.networks.classic`."""
    import torch
    from torch import nn

    from utils.networks.blocks import InvertedResidual
    from utils.networks.classic import mobilenet_v2

    with torch.device("meta"):
        network = mobilenet_v2()
    ops: list[SpatialOp] = []
    at, block = IMAGE, 0
    for layer in network:
        if isinstance(layer, InvertedResidual):
            block, start = block + 1, at
            parts = ("expand", "depthwise", "project")[-len(layer.body):]
            for part, unit in zip(parts, layer.body):
                at = _append(ops, f"{part} {block}", at, unit[0])
            if layer.skip:
                ops.append(SpatialOp(f"add {block}", (at, start), ops[-1].channels))
                at = ops[-1].name
        elif isinstance(layer, nn.Sequential):
            at = _append(ops, "last" if block else "stem", at, layer[0])
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            ops.append(SpatialOp("pool", (at,), ops[-1].channels, kernel=0))
            at = "pool"
        elif isinstance(layer, nn.Linear):
            ops.append(SpatialOp("classes", (at,), layer.out_features, macs_per_value=layer.in_features))
    return tuple(ops)


def _append(ops: list[SpatialOp], name: str, source: str, conv: nn.Conv2d) -> str:
    """Append a convolution that reads the map `source`; its name."""
    taps = conv.kernel_size[0] ** 2 * conv.in_channels // conv.groups
    ops.append(SpatialOp(name, (source,), conv.out_channels, conv.kernel_size[0], conv.stride[0], taps,
                         conv.groups == conv.in_channels > 1))
    return name


def map_sides(ops: Sequence[SpatialOp], resolution: int) -> dict[str, int]:
    """The side of every map, the image included, when the image has `resolution` x `resolution` pixels."""
    sides = {IMAGE: resolution}
    for op in ops:
        side = sides[op.inputs[0]]
        sides[op.name] = conv_out_size(side, op.kernel, op.stride, op.kernel // 2) if op.kernel else 1
    return sides


def tensor_graph(ops: Sequence[SpatialOp], resolution: int, *, item_bytes: int = 1, batch: int = 1,
                 inplace_depthwise: bool = False, inplace_sums: bool = False) -> TensorGraph:
    """The maps as tensors of batch * side * side * channels * item_bytes; the last one is the output.

    `inplace_depthwise` lets a depthwise convolution write channel by channel over its input, as TinyEngine does.
    `inplace_sums` lets the convolution before a residual sum add its result onto the shortcut.
    """
    positive(resolution=resolution, item_bytes=item_bytes, batch=batch)
    sides = map_sides(ops, resolution)
    reads = {op.name: op.inputs for op in ops}
    inplace = {op.name for op in ops if op.depthwise and inplace_depthwise}
    if inplace_sums:
        for op in (op for op in ops if len(op.inputs) == 2):
            convolution, shortcut = op.inputs
            reads[op.name] = shortcut, *reads.pop(convolution)
            inplace.add(op.name)
    each = batch * item_bytes
    made = tuple(GraphOp(op.name, reads[op.name], sides[op.name] ** 2 * op.channels * each, op.name in inplace)
                 for op in ops if op.name in reads)
    return TensorGraph(made, {IMAGE: 3 * resolution**2 * each}, (ops[-1].name,))


def mobilenet_v2_tensor_graph(resolution: int = 224, *, item_bytes: int = 1, batch: int = 1,
                              inplace_depthwise: bool = False) -> TensorGraph:
    """MobileNetV2 1.0 as a graph of 64 tensors beside the image: 52 convolutions, 10 sums, the pooling, the classes.

    >>> sum(mobilenet_v2_tensor_graph(item_bytes=4).size.values()) - 4 * 3 * 224**2  # the image left out
    27587104
    """
    return tensor_graph(mobilenet_v2_ops(), resolution, item_bytes=item_bytes, batch=batch,
                        inplace_depthwise=inplace_depthwise)


# --- patch by patch ------------------------------------------------------------------------------


@dataclass(frozen=True)
class PatchCost:
    """What the patch-wise start of a network needs.

    peak_bytes: the whole last map and the largest patch's own tensors. whole_bytes: the same operators on whole
    maps. recompute_ratio: multiply-accumulates of all patches over those of the whole maps.
    """

    peak_bytes: int
    whole_bytes: int
    recompute_ratio: float

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


def patch_peak_bytes(ops: Sequence[SpatialOp], resolution: int, patches: int, *, item_bytes: int = 1,
                     inplace_depthwise: bool = True) -> PatchCost:
    """Memory and extra work when the last map of `ops` is computed in `patches` x `patches` pieces.

    Each piece needs a larger piece of every earlier map, down to the image: its halo, which grows by the kernels
    behind it. Neighbouring pieces compute the overlap again. The pieces are written into the whole last map; of the
    image only the piece that is needed is held (Lin et al., MCUNetV2, 2021).
    Raises ValueError when the last map has fewer rows than there are patches in a column, or after a global pooling.
    """
    positive(resolution=resolution, patches=patches)
    if any(op.kernel == 0 for op in ops):
        raise ValueError("ops must end before a global pooling, which needs the whole map")
    sides = map_sides(ops, resolution)
    last, side = ops[-1], sides[ops[-1].name]
    if patches > side:
        raise ValueError(f"patches must be at most the last map's {side} rows, got {patches}")
    cuts = [side * i // patches for i in range(patches + 1)]
    spans = [_spans(ops, sides, (lo, hi)) for lo, hi in itertools.pairwise(cuts)]
    areas = [{name: _length(rows[name]) * _length(columns[name]) for name in rows}
             for rows, columns in itertools.product(spans, repeat=2)]
    order = [op.name for op in ops]
    working = max(order_peak(order, _patch_graph(ops, area, item_bytes, inplace_depthwise)) for area in areas)
    whole = tensor_graph(ops, resolution, item_bytes=item_bytes, inplace_depthwise=inplace_depthwise)
    return PatchCost(side**2 * last.channels * item_bytes + working, order_peak(order, whole),
                     sum(_macs(ops, area) for area in areas) / _macs(ops, {n: s**2 for n, s in sides.items()}))


def _patch_graph(ops: Sequence[SpatialOp], area: Mapping[str, int], item_bytes: int, inplace: bool) -> TensorGraph:
    """The tensors of one patch; its last map is a part of the whole one, which is counted elsewhere."""
    made = tuple(GraphOp(op.name, op.inputs, area[op.name] * op.channels * item_bytes if op is not ops[-1] else 0,
                         op.depthwise and inplace) for op in ops)
    return TensorGraph(made, {IMAGE: area[IMAGE] * 3 * item_bytes}, (ops[-1].name,))


def _macs(ops: Sequence[SpatialOp], area: Mapping[str, int]) -> int:
    return sum(area[op.name] * op.channels * op.macs_per_value for op in ops)


def _spans(ops: Sequence[SpatialOp], sides: Mapping[str, int], wanted: Span) -> dict[str, Span]:
    """For every map the rows that the rows `wanted` of the last one depend on."""
    spans: dict[str, Span] = {ops[-1].name: wanted}
    for op in reversed(ops):
        lo, hi = spans[op.name]
        pad = op.kernel // 2
        needs = max(0, lo * op.stride - pad), (hi - 1) * op.stride - pad + op.kernel
        for name in op.inputs:
            old = spans.get(name, needs)
            spans[name] = min(old[0], needs[0]), min(sides[name], max(old[1], needs[1]))
    return spans


def _length(span: Span) -> int:
    return span[1] - span[0]
