"""From an ONNX graph to a list of steps: what is fused, merged and left out, and where each tensor lives.

Nothing here is timed or run; `mini_engine` does that, and `views` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.engines.tensorrt_optimizer.fusion import DEFAULT_PATTERNS, fuse_vertical
from utils.engines.tensorrt_optimizer.layers import FusedLayer, Layer, layers_of
from utils.engines.tensorrt_optimizer.planning import MemoryPlan, plan_memory
from utils.engines.tensorrt_optimizer.siblings import ConvParams, merge_sibling_convs
from utils.graphs.order import topological_order

if TYPE_CHECKING:
    from onnx import ModelProto

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Options:
    """Which optimisations to apply."""

    vertical: bool = True
    horizontal: bool = True
    concat: bool = True


ALL = Options()


@dataclass(frozen=True)
class Step:
    """One kernel. `layer` says what was fused into it; `conv` is set for a convolution, whose output channels
    `parts` go to `outputs`; `residual` is a tensor that is added before the Relu."""

    name: str
    op: str
    reads: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    conv: ConvParams | None = None
    parts: tuple[slice, ...] = ()
    residual: str = ""


@dataclass(frozen=True)
class Program:
    """Steps in an order in which they can run, shapes and constants by name.

    `places` maps a tensor that is a slice of another one (a branch of a concatenation that was left out) to
    (the other tensor, its first channel there).
    """

    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape]
    constants: Mapping[str, np.ndarray]
    places: Mapping[str, tuple[str, int]]
    layers_before: int

    def root(self, name: str) -> tuple[str, int]:
        """The tensor that owns the memory of `name`, and the channel at which `name` begins in it."""
        start = 0
        while name in self.places:
            name, offset = self.places[name]
            start += offset
        return name, start

    def step_bytes(self, step: Step, item_bytes: int = 4) -> int:
        """Bytes that a kernel reads and writes: activations, weights, results, each once."""
        elems = sum(math.prod(self.shapes[name]) for name in (*step.reads, *step.outputs))
        if step.conv is not None:
            return (elems + step.conv.weight.size + (0 if step.conv.bias is None else step.conv.bias.size)) * item_bytes
        constants = {n for layer in step.layers for n in layer.inputs if n in self.constants}
        return (elems + sum(self.constants[n].size for n in constants)) * item_bytes

    def dram_bytes(self, item_bytes: int = 4) -> int:
        """Bytes that all kernels move, if nothing stays in a cache from one to the next."""
        return sum(self.step_bytes(step, item_bytes) for step in self.steps)

    def memory_plan(self, item_bytes: int = 4, alignment: int = 64) -> MemoryPlan:
        """Offsets of inputs, outputs and everything between in one arena."""
        lives: dict[str, list[int]] = {}
        for name in self.inputs:
            lives[name] = [0]
        for index, step in enumerate(self.steps):
            for name in (*step.reads, *step.outputs):
                lives.setdefault(self.root(name)[0], []).append(index)
        for name in self.outputs:
            lives[self.root(name)[0]].append(max(0, len(self.steps) - 1))
        return plan_memory({name: (math.prod(self.shapes[name]) * item_bytes, min(at), max(at))
                            for name, at in lives.items()}, alignment)


def compile_model(model: ModelProto, options: Options = ALL) -> Program:
    """The steps of an ONNX model with static shapes.

    Raises ValueError for a symbolic shape, a type other than float32 of an activation, and a node with several used
    outputs.
    """
    from onnx import numpy_helper

    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    layers, shapes = layers_of(model), _static_shapes(model, constants)
    inputs = tuple(v.name for v in model.graph.input if v.name not in constants)
    outputs = tuple(v.name for v in model.graph.output)
    for name in (*inputs, *outputs):
        if name not in shapes:
            raise ValueError(f"model must have static shapes, got an unknown or symbolic one for {name!r}")
    patterns = DEFAULT_PATTERNS if options.vertical else ()
    fused = fuse_vertical(layers, outputs, patterns, lambda chain: _admits(chain, constants, shapes))
    steps = [_step(chain, constants, shapes) for chain in fused]
    if options.horizontal:
        steps = _merge_siblings(steps)
    places: dict[str, tuple[str, int]] = {}
    if options.concat:
        steps, places = _without_concats(steps, (*inputs, *constants), outputs, shapes)
    order = topological_order(_ordering_pairs(steps, places), inputs)
    return Program(tuple(steps[i] for i in order), inputs, outputs, shapes, constants, places, len(layers))


def _static_shapes(model: ModelProto, constants: Mapping[str, np.ndarray]) -> dict[str, Shape]:
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, Shape] = {name: value.shape for name, value in constants.items()}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if value.name in constants or not all(d.HasField("dim_value") for d in kind.shape.dim):
            continue
        if kind.elem_type != onnx.TensorProto.FLOAT:
            raise ValueError(f"model must compute in float32, got another type for {value.name!r}")
        shapes[value.name] = tuple(d.dim_value for d in kind.shape.dim)
    for node in graph.node:
        for name in filter(None, node.output[:1]):
            if name not in shapes:
                raise ValueError(f"model must have static shapes, got an unknown or symbolic one for {name!r}")
    return shapes


# -- one kernel -----------------------------------------------------------------------------------


def _is_plain_conv(layer: Layer, constants: Mapping[str, np.ndarray]) -> bool:
    """A 2-D convolution with constant weights and the same padding on both sides: the tactics know those."""
    if layer.op != "Conv" or any(name not in constants for name in layer.inputs[1:] if name):
        return False
    weight, pads = constants[layer.inputs[1]], layer.attrs.get("pads", [0, 0, 0, 0])
    auto_pad = layer.attrs.get("auto_pad", b"NOTSET")
    return weight.ndim == 4 and list(pads[:2]) == list(pads[2:]) and auto_pad in (b"NOTSET", "NOTSET")


def _admits(chain: Sequence[Layer], constants: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> bool:
    """Whether the kernel of the chain's convolution can take the rest of the chain along."""
    if not _is_plain_conv(chain[0], constants):
        return False
    for layer, before in zip(chain[1:], chain):
        statistics = layer.inputs[1:5] if layer.op == "BatchNormalization" else ()
        if layer.attrs.get("training_mode", 0) or any(name not in constants for name in statistics):
            return False
        if layer.op == "Add":
            other = [name for name in layer.inputs if name != before.output]
            if len(other) != 1 or other[0] in constants or shapes[other[0]] != shapes[before.output]:
                return False
        if layer.inputs[0] != before.output and layer.op != "Add":
            return False
    return True


def _step(chain: FusedLayer, constants: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> Step:
    reads = tuple(name for name in chain.inputs if name not in constants)
    if not _is_plain_conv(chain.layers[0], constants):
        return Step(chain.name, chain.op, reads, (chain.output,), chain.layers)
    conv, residual = _conv_of(chain, constants)
    parts = (slice(0, len(conv.weight)),)
    return Step(chain.name, chain.op, reads, (chain.output,), chain.layers, conv, parts, residual)


def _conv_of(chain: FusedLayer, constants: Mapping[str, np.ndarray]) -> tuple[ConvParams, str]:
    """The convolution with batch norm folded into its weights, and the tensor that is added to it ("" for none)."""
    from utils.graphs.simplify import fold_conv_bn

    first = chain.layers[0]
    weight = constants[first.inputs[1]]
    bias = constants[first.inputs[2]] if len(first.inputs) > 2 and first.inputs[2] else None
    residual, made = "", first.output
    for layer in chain.layers[1:]:
        if layer.op == "BatchNormalization":
            stats = [constants[name] for name in layer.inputs[1:5]]
            weight, bias = fold_conv_bn(weight, bias, *stats, layer.attrs.get("epsilon", 1e-5))
        if layer.op == "Add":
            residual = next(name for name in layer.inputs if name != made)
        made = layer.output
    attrs = first.attrs
    conv = ConvParams(first.inputs[0], weight, bias, tuple(attrs.get("strides", (1, 1))),
                      tuple(attrs.get("pads", (0, 0, 0, 0))), tuple(attrs.get("dilations", (1, 1))),
                      attrs.get("group", 1), chain.layers[-1].op == "Relu")
    return conv, residual


# -- horizontal fusion ----------------------------------------------------------------------------


def _merge_siblings(steps: Sequence[Step]) -> list[Step]:
    """Convolutions that read one tensor in one way become one step, in the place of the first of them."""
    families: dict[tuple, list[int]] = {}
    for index, step in enumerate(steps):
        if step.conv is not None and step.conv.groups == 1 and not step.residual:
            families.setdefault(tuple(step.conv.signature.values()), []).append(index)
    merged: list[Step | None] = list(steps)
    for members in families.values():
        if len(members) > 1:
            merged[members[0]] = _merged([steps[i] for i in members])
            for index in members[1:]:
                merged[index] = None
    return [step for step in merged if step is not None]


def _merged(family: Sequence[Step]) -> Step:
    conv, parts = merge_sibling_convs([step.conv for step in family])
    name = " || ".join(step.name for step in family)
    return Step(name, family[0].op, family[0].reads, tuple(step.outputs[0] for step in family),
                tuple(layer for step in family for layer in step.layers), conv, tuple(parts))


# -- concatenations that need not run ---------------------------------------------------------------


def _without_concats(
    steps: Sequence[Step], given: Sequence[str], outputs: Sequence[str], shapes: Mapping[str, Shape]
) -> tuple[list[Step], dict[str, tuple[str, int]]]:
    """Drop every concatenation over channels whose inputs can be written into its output at once."""
    places: dict[str, tuple[str, int]] = {}
    kept = []
    for step in steps:
        layer = step.layers[0]
        if step.op != "Concat" or not _may_vanish(layer, given, outputs, shapes, places):
            kept.append(step)
            continue
        start = 0
        for name in layer.inputs:
            places[name] = (layer.output, start)
            start += shapes[name][1]
    return kept, places


def _may_vanish(layer: Layer, given: Sequence[str], outputs: Sequence[str], shapes: Mapping[str, Shape],
                places: Mapping[str, tuple[str, int]]) -> bool:
    rank = len(shapes[layer.output])
    over_channels = rank >= 2 and layer.attrs["axis"] % rank == 1
    distinct = len(set(layer.inputs)) == len(layer.inputs)
    # A tensor that comes from outside, leaves the graph or is a slice already has a place of its own.
    return over_channels and distinct and not any(n in given or n in outputs or n in places for n in layer.inputs)


def _ordering_pairs(steps: Sequence[Step], places: Mapping[str, tuple[str, int]]) -> list[tuple]:
    """What each step reads and makes, where a concatenation that was left out is read as all of its slices."""
    parts: dict[str, list[str]] = {}
    for name, (whole, _) in places.items():
        parts.setdefault(whole, []).append(name)

    def leaves(name: str) -> list[str]:
        return [leaf for part in parts[name] for leaf in leaves(part)] if name in parts else [name]

    return [([leaf for name in step.reads for leaf in leaves(name)], step.outputs) for step in steps]
