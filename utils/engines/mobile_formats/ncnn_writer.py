"""From an ONNX model to ncnn's two files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from utils.engines.mobile_formats.ncnn_bin import Weights, pack_ncnn_weights
from utils.engines.mobile_formats.ncnn_text import NcnnLayer, format_ncnn_param, insert_splits
from utils.engines.mobile_formats.onnx_graph import Graph, Node, gemm_weights, read_graph, require_flat, window_of

if TYPE_CHECKING:
    from onnx import ModelProto

Made = tuple[NcnnLayer, Weights | None]


def onnx_to_ncnn(model: ModelProto, fp16: bool = False) -> tuple[str, bytes]:
    """(.param text, .bin bytes) of an ONNX model; with `fp16` the weights are stored as float16.

    ncnn has no batch axis: the files describe one image. A blob that several layers read gets a Split.
    Raises ValueError naming an operator, or a form of it, that is not supported.
    """
    graph = read_graph(model)
    layers = [_input(graph, name) for name in graph.inputs]
    arrays: list[Weights] = []
    for node in _without_flatten(graph):
        if node.op not in _WRITERS:
            raise ValueError(f"model must hold supported operators, got {node.op} (supported: "
                             f"{', '.join(SUPPORTED_NCNN)})")
        layer, weights = _WRITERS[node.op](graph, node)
        layers.append(layer)
        if weights is not None:
            arrays.append(weights)
    return format_ncnn_param(insert_splits(layers)), pack_ncnn_weights(arrays, fp16)


def _without_flatten(graph: Graph) -> list[Node]:
    """The nodes with Flatten left out where only InnerProduct reads it, which flattens by itself."""
    kept, alias = [], {}
    for node in graph.nodes:
        readers = [n for n in graph.nodes if node.outputs[0] in n.inputs]
        only_gemm = all(n.op == "Gemm" for n in readers) and node.outputs[0] not in graph.outputs
        if node.op == "Flatten" and only_gemm:
            require_flat(node)
            alias[node.outputs[0]] = alias.get(node.inputs[0], node.inputs[0])
        else:
            kept.append(Node(node.op, node.name, [alias.get(n, n) for n in node.inputs], node.outputs, node.attrs))
    return kept


def _input(graph: Graph, name: str) -> NcnnLayer:
    dims = graph.shapes[name][1:]  # without the batch
    keys = {1: (0,), 2: (0, 1), 3: (0, 1, 2)}.get(len(dims))
    if keys is None:
        raise ValueError(f"model must have inputs of two to four axes, got {graph.shapes[name]} for {name!r}")
    return NcnnLayer("Input", name, [], [name], dict(zip(keys, reversed(dims))))  # 0 width, 1 height, 2 channels


# --- one operator, one layer ----------------------------------------------------------------------


def _layer(kind: str, node: Node, params: dict | None = None, inputs: int = 1) -> NcnnLayer:
    return NcnnLayer(kind, node.name, node.inputs[:inputs], node.outputs[:1], params or {})


def _conv(graph: Graph, node: Node) -> Made:
    weight, bias = graph.weight(node, 1), graph.weight(node, 2)  # (O, I, H, W), (O,)
    window = window_of(node, graph.shapes[node.inputs[0]][2:], weight.shape[2:])
    groups = node.attrs.get("group", 1)
    (top, bottom), (left, right) = window.pads
    pairs = {1: window.kernel, 2: window.dilations, 3: window.strides}
    params = {0: weight.shape[0], 4: left, 5: int(bias is not None), 6: weight.size}
    params |= {key: columns for key, (_, columns) in pairs.items()}
    params |= {10 + key: rows for key, (rows, columns) in pairs.items() if rows != columns}
    params |= {14: top, 15: right, 16: bottom} if len({top, bottom, left, right}) > 1 else {}
    params |= {7: groups} if groups > 1 else {}
    kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
    return _layer(kind, node, dict(sorted(params.items()))), (weight.astype(np.float32), bias)


def _pool(average: bool) -> Callable[[Graph, Node], Made]:
    def write(graph: Graph, node: Node) -> Made:
        window = window_of(node, graph.shapes[node.inputs[0]][2:], node.attrs["kernel_shape"])
        if window.dilations != (1, 1):
            raise ValueError(f"model must have pooling without dilation, got {window.dilations} in {node.name!r}")
        (top, bottom), (left, right) = window.pads
        params = {0: int(average), 1: window.kernel[1], 2: window.strides[1], 3: left, 5: 1}  # 5=1: round sizes down
        params |= {6: 1} if average and node.attrs.get("count_include_pad", 0) else {}
        params |= {11: window.kernel[0], 12: window.strides[0], 13: top, 14: right, 15: bottom}
        return _layer("Pooling", node, params), None

    return write


def _global_average(graph: Graph, node: Node) -> Made:
    return _layer("Pooling", node, {0: 1, 4: 1}), None


def _gemm(graph: Graph, node: Node) -> Made:
    weight, bias = gemm_weights(graph, node)
    params = {0: weight.shape[0], 1: int(bias is not None), 2: weight.size}
    return _layer("InnerProduct", node, params), (weight, bias)


def _add(graph: Graph, node: Node) -> Made:
    shapes = [graph.shapes.get(name) for name in node.inputs]
    if node.inputs[0] in graph.weights or node.inputs[1] in graph.weights or shapes[0] != shapes[1]:
        raise ValueError(f"model must add tensors of one shape, got {shapes} in {node.name!r}")
    return _layer("BinaryOp", node, {0: 0}, inputs=2), None


def _concat(graph: Graph, node: Node) -> Made:
    return _layer("Concat", node, {0: _axis(graph, node)}, inputs=len(node.inputs)), None


def _softmax(graph: Graph, node: Node) -> Made:
    return _layer("Softmax", node, {0: _axis(graph, node, default=-1), 1: 1}), None  # 1=1: the axis is meant as written


def _axis(graph: Graph, node: Node, default: int = 1) -> int:
    """The axis without the batch. Raises ValueError for the batch axis itself."""
    axis = node.attrs.get("axis", default) % len(graph.shapes[node.inputs[0]])
    if axis == 0:
        raise ValueError(f"model must not work along the batch axis, got axis 0 in {node.op} {node.name!r}")
    return axis - 1


def _flatten(graph: Graph, node: Node) -> Made:
    require_flat(node)
    return _layer("Flatten", node), None


def _plain(kind: str) -> Callable[[Graph, Node], Made]:
    return lambda graph, node: (_layer(kind, node), None)


_WRITERS: dict[str, Callable[[Graph, Node], Made]] = {
    "Add": _add,
    "AveragePool": _pool(average=True),
    "Concat": _concat,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "MaxPool": _pool(average=False),
    "Relu": _plain("ReLU"),
    "Sigmoid": _plain("Sigmoid"),
    "Softmax": _softmax,
}
SUPPORTED_NCNN = tuple(_WRITERS)
