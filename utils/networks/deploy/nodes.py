"""An ONNX graph as the list of operators that run, with their work; and cut into what a device runs and what not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto

from utils.cost.flops import count_onnx_macs
from utils.graphs.optimize.support import support_runs

CONSTANT = "Constant"
ACTIVATIONS = ("Clip", "Relu")


@dataclass(frozen=True)
class NodeInfo:
    """One node: what it is, what it computes, and how many values it touches.

    `kind` is "dense", "pointwise" (dense 1x1), "depthwise" or "elementwise" (everything else). `macs` counts
    multiply-accumulates. `inputs` and `outputs` name tensors that are computed, not weights. `values_in`, `weights`
    and `values_out` count elements. `channels` is (in, out) of a convolution or Gemm, (0, 0) elsewhere. `fused` marks
    a ReLU or Clip that alone reads a convolution: engines compute it with the convolution.
    """

    name: str
    op: str
    kind: str
    macs: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values_in: int
    weights: int
    values_out: int
    channels: tuple[int, int] = (0, 0)
    fused: bool = False


@dataclass(frozen=True)
class Segment:
    """A maximal run of nodes on the device, or of nodes that fall back to the host.

    `values_entering` and `values_leaving` count the elements of the tensors that cross its two borders.
    """

    on_device: bool
    nodes: tuple[NodeInfo, ...]
    values_entering: int
    values_leaving: int


def onnx_op_sequence(model: ModelProto) -> list[NodeInfo]:
    """The nodes of a model without constants, in the file's order, in which they can run (ONNX asks for that).

    Raises ValueError for a tensor whose shape ONNX's inference can't tell: fix the input shapes and simplify first.
    """
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in (*graph.input, *graph.value_info, *graph.output)}
    weights = {t.name: tuple(t.dims) for t in graph.initializer}
    constants = {name for node in graph.node if node.op_type == CONSTANT for name in node.output}
    macs = count_onnx_macs(model)["by_node"]
    fused = _fused(graph.node, {v.name for v in graph.output})
    found = []
    for i, node in enumerate(graph.node):
        if node.op_type == CONSTANT:
            continue
        name = node.name or f"{node.op_type}_{i}"
        inputs = tuple(t for t in node.input if t and t not in weights and t not in constants)
        outputs = tuple(t for t in node.output if t)
        size = {t: _values(t, shapes) for t in (*inputs, *outputs)}
        kind, channels = _kind(node, weights)
        found.append(NodeInfo(name, node.op_type, kind, macs.get(name, 0), inputs, outputs,
                              sum(size[t] for t in inputs), sum(math.prod(weights.get(t, (0,))) for t in node.input),
                              sum(size[t] for t in outputs), channels, node.output[0] in fused))
    return found


def _values(tensor: str, shapes: Mapping[str, list[int]]) -> int:
    if not all(shapes.get(tensor, [0])):
        raise ValueError(f"every tensor must have a known shape, got none for {tensor!r}: fix the input shapes "
                         "(make_static) and simplify first")
    return math.prod(shapes[tensor])


def _fused(nodes: Sequence[NodeProto], graph_outputs: Collection[str]) -> set[str]:
    """Outputs of the activations that alone read a convolution."""
    convs = {node.output[0] for node in nodes if node.op_type == "Conv"} - set(graph_outputs)
    reads = Counter(name for node in nodes for name in node.input)
    return {node.output[0] for node in nodes
            if node.op_type in ACTIVATIONS and node.input[0] in convs and reads[node.input[0]] == 1}


def _kind(node: NodeProto, weights: Mapping[str, tuple[int, ...]]) -> tuple[str, tuple[int, int]]:
    """Kind and (in, out) channels."""
    shape = weights.get(node.input[1], ()) if len(node.input) > 1 else ()
    if node.op_type == "Gemm" and shape:
        return "dense", shape
    if node.op_type != "Conv" or not shape:
        return "elementwise", (0, 0)
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    c_out, per_group, *kernel = shape
    if groups > 1 and per_group == 1:
        return "depthwise", (groups, c_out)
    return "pointwise" if math.prod(kernel) == 1 else "dense", (groups * per_group, c_out)


def segments(nodes: Sequence[NodeInfo], supported: Collection[str]) -> list[Segment]:
    """Cut nodes, in the order in which they run, into runs that a device supports and runs that it does not.

    A tensor leaves a segment when a later node reads it, or nothing reads it (then it is an output of the network).
    A node with several outputs is taken to make equal parts, as Split does in these networks.
    """
    runs = support_runs([node.op for node in nodes], supported)
    made_at = {name: i for i, node in enumerate(nodes) for name in node.outputs}
    size = {name: node.values_out // len(node.outputs) for node in nodes for name in node.outputs}
    last_read: dict[str, int] = {}
    for i, node in enumerate(nodes):
        last_read.update(dict.fromkeys(node.inputs, i))
        if len(node.inputs) == 1:  # the network's inputs, which no node makes
            size.setdefault(node.inputs[0], node.values_in)
    found = []
    for run in runs:
        inside = tuple(nodes[run.start:run.stop])
        read = dict.fromkeys(name for node in inside for name in node.inputs)
        entering = [name for name in read if made_at.get(name, -1) < run.start]
        leaving = [name for node in inside for name in node.outputs if last_read.get(name, len(nodes)) >= run.stop]
        found.append(Segment(run.supported, inside, sum(size[n] for n in entering), sum(size[n] for n in leaving)))
    return found


def islands(ops: list[str], supported: set[str]) -> tuple[int, int]:
    """(segments on the device, segments that fall back): maximal runs of operators in the order in which they run.

    >>> islands(["Conv", "Relu", "Reshape", "Transpose", "Reshape", "Conv"], {"Conv", "Relu"})
    (2, 1)
    """
    runs = support_runs(ops, supported)
    on_device = sum(run.supported for run in runs)
    return on_device, len(runs) - on_device
