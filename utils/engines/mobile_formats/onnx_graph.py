"""An ONNX model as the writers here need it: plain nodes, NumPy weights, and the shape of every tensor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.mobile_formats.padding import same_padding

if TYPE_CHECKING:
    from onnx import ModelProto

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One operator: its type, a name, what it reads and makes, and its attributes as Python values."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Nodes in order, weights by name, shapes by tensor, names of the graph's inputs and outputs."""

    nodes: list[Node]
    weights: dict[str, np.ndarray]
    shapes: dict[str, Shape]
    inputs: list[str]
    outputs: list[str]

    def readers(self) -> Counter[str]:
        """How often each tensor is read, a graph output counted as one more reader."""
        return Counter([name for node in self.nodes for name in node.inputs if name] + self.outputs)

    def weight(self, node: Node, index: int) -> np.ndarray | None:
        """The constant that is input `index` of `node`, None if there is no such input.

        Raises ValueError when the input is computed: the formats here keep weights in the file.
        """
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        name = node.inputs[index]
        if name not in self.weights:
            raise ValueError(f"model must have constant weights, got a computed one in {node.op} {node.name!r}")
        return self.weights[name]


def read_graph(model: ModelProto) -> Graph:
    """Nodes, weights and shapes of an ONNX model; Constant nodes become weights.

    A symbolic batch (axis 0 of an input) becomes 1. Raises ValueError when another dimension is unknown.
    """
    import onnx
    from onnx import numpy_helper

    bound = _with_batch_one(model)
    graph = onnx.shape_inference.infer_shapes(bound, data_prop=True).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes, names = [], set()
    for index, proto in enumerate(graph.node):
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        if proto.op_type == "Constant" and "value" in attrs:
            weights[proto.output[0]] = numpy_helper.to_array(attrs["value"])
            continue
        name = proto.name or f"{proto.op_type}_{index}"
        name = f"{name}_{index}" if name in names else name  # ONNX does not ask for unique names
        names.add(name)
        nodes.append(Node(proto.op_type, name, list(proto.input), list(proto.output), attrs))
    inputs = [value.name for value in graph.input if value.name not in weights]
    shapes = _shapes([*graph.input, *graph.value_info, *graph.output])
    for name in [*inputs, *(name for node in nodes for name in node.outputs)]:
        if name not in shapes:
            raise ValueError(f"model must have known shapes, got an unknown one for {name!r}")
    return Graph(nodes, weights, shapes, inputs, [value.name for value in graph.output])


def _with_batch_one(model: ModelProto) -> ModelProto:
    bound = type(model)()
    bound.CopyFrom(model)
    for value in bound.graph.input:
        dims = value.type.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    del bound.graph.value_info[:]  # may still hold the symbol
    for value in bound.graph.output:
        value.type.tensor_type.ClearField("shape")
    return bound


def _shapes(values: Any) -> dict[str, Shape]:
    found = {}
    for value in values:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found[value.name] = tuple(d.dim_value for d in dims)
    return found


# --- attributes that several writers read ---------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """The sliding window of a convolution or pooling: everything as (rows, columns)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))


def window_of(node: Node, size: tuple[int, int], kernel: tuple[int, int]) -> Window:
    """The window of a Conv, MaxPool or AveragePool node over an image of `size` (rows, columns).

    Raises ValueError for one that is not two-dimensional, and for pooling that rounds up (ceil_mode).
    """
    if len(kernel) != 2:
        raise ValueError(f"model must have two-dimensional windows, got {tuple(kernel)} in {node.op} {node.name!r}")
    if node.attrs.get("ceil_mode", 0):
        raise ValueError(f"model must not round output sizes up, got ceil_mode in {node.op} {node.name!r}")
    strides = tuple(node.attrs.get("strides", (1, 1)))
    dilations = tuple(node.attrs.get("dilations", (1, 1)))
    auto = node.attrs.get("auto_pad", b"NOTSET").decode()
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        same = [same_padding(n, k, s, d) for n, k, s, d in zip(size, kernel, strides, dilations)]
        pads = tuple(same if auto == "SAME_UPPER" else (pair[::-1] for pair in same))
    else:
        top, left, bottom, right = node.attrs.get("pads", (0, 0, 0, 0))
        pads = ((top, bottom), (left, right))
    return Window(tuple(kernel), strides, dilations, pads)


def gemm_weights(graph: Graph, node: Node) -> tuple[np.ndarray, np.ndarray | None]:
    """Weight (outputs, inputs) and bias of a Gemm that is a fully connected layer.

    Raises ValueError for alpha or beta other than 1, a transposed input, or a bias that is not one row.
    """
    attrs = node.attrs
    if attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0 or attrs.get("transA", 0):
        raise ValueError(f"model must have plain Gemm nodes, got alpha, beta or transA in {node.name!r}")
    weight, bias = graph.weight(node, 1), graph.weight(node, 2)
    weight = weight if attrs.get("transB", 0) else weight.T
    if bias is not None and bias.size != weight.shape[0]:
        raise ValueError(f"model must have one bias for each output, got {bias.size} in Gemm {node.name!r}")
    return np.ascontiguousarray(weight, np.float32), None if bias is None else bias.astype(np.float32).reshape(-1)


def require_flat(node: Node) -> None:
    """Raise ValueError for a Flatten node that does not make one row of each image."""
    if node.attrs.get("axis", 1) != 1:
        raise ValueError(f"model must flatten from axis 1, got axis {node.attrs['axis']} in {node.name!r}")
