"""From an ONNX model to a .tflite file: every image becomes NHWC, every weight OHWI, every padding SAME or a PAD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.engines.mobile_formats.layouts import to_tflite_layout
from utils.engines.mobile_formats.onnx_graph import (
    Graph,
    Node,
    Shape,
    Window,
    gemm_weights,
    read_graph,
    require_flat,
    window_of,
)
from utils.engines.mobile_formats.padding import same_padding
from utils.engines.mobile_formats.tflite_file import TfliteFile
from utils.engines.mobile_formats.tflite_schema import NO_ACTIVATION, RELU, SAME, VALID

if TYPE_CHECKING:
    from onnx import ModelProto

Layout = Callable[[np.ndarray, int], np.ndarray]
_NO_PADS = ((0, 0), (0, 0))
LOWEST = float(np.finfo(np.float32).min)


def onnx_to_tflite(model: ModelProto, *, layout: Layout = to_tflite_layout) -> bytes:
    """The .tflite file of an ONNX model with float32 weights.

    Images are NHWC in the result, so its inputs and outputs are too. A Relu that alone reads a convolution, a Gemm,
    an Add or a Concat becomes their fused activation. Padding that SAME cannot express becomes an operator of its own.
    `layout(weight, groups)` lays out convolution weights; it is an argument so that a wrong one can be tried.
    Raises ValueError naming an operator, or a form of it, that is not supported.
    """
    return _Writer(read_graph(model), layout).write()


class _Writer:
    def __init__(self, graph: Graph, layout: Layout) -> None:
        self.graph, self.layout = graph, layout
        self.file = TfliteFile()
        self.index: dict[str, int] = {}  # ONNX tensor -> tensor of the file

    def write(self) -> bytes:
        graph = self.graph
        for name in graph.inputs:
            self.index[name] = self.activation(name)
        fused = self._fused()
        for node in graph.nodes:
            if node.outputs[0] in fused.values():
                continue
            if node.op not in _WRITERS:
                raise ValueError(f"model must hold supported operators, got {node.op} (supported: "
                                 f"{', '.join(SUPPORTED_TFLITE)})")
            made = node.outputs[0]
            _WRITERS[node.op](self, node, fused.get(made, made), RELU if made in fused else NO_ACTIVATION)
        return self.file.to_bytes([self.index[n] for n in graph.inputs], [self.index[n] for n in graph.outputs])

    def _fused(self) -> dict[str, str]:
        """The output of each node that takes over a Relu -> the output of that Relu."""
        makers = {name: node for node in self.graph.nodes for name in node.outputs}
        readers, found = self.graph.readers(), {}
        for relu in self.graph.nodes:
            maker = makers.get(relu.inputs[0]) if relu.op == "Relu" else None
            if maker is not None and maker.op in _FUSES and readers[relu.inputs[0]] == 1:
                found[relu.inputs[0]] = relu.outputs[0]
        return found

    # -- pieces --

    def activation(self, name: str, shape: Shape | None = None) -> int:
        """A new computed tensor; its shape is the ONNX tensor's in NHWC unless given."""
        return self.file.activation(name, nhwc(self.graph.shapes[name]) if shape is None else shape)

    def make(self, builtin: str, inputs: Sequence[int], output: str, options: tuple | None = None,
             version: int = 1) -> None:
        """An operator whose result is the ONNX tensor `output`."""
        self.index[output] = self.file.operator(builtin, inputs, self.activation(output), options, version)

    def same_or_valid(self, node: Node, window: Window) -> int | None:
        """The padding in TFLite's words, None where neither SAME nor VALID says it."""
        if window.pads == _NO_PADS:
            return VALID
        sizes = zip(self.graph.shapes[node.inputs[0]][2:], window.kernel, window.strides, window.dilations)
        return SAME if window.pads == tuple(same_padding(*size) for size in sizes) else None

    def pad(self, node: Node, window: Window, value: float) -> int:
        """An operator that pads the input of `node` with `value`; the tensor that it makes."""
        (top, bottom), (left, right) = window.pads
        n, rows, columns, channels = nhwc(self.graph.shapes[node.inputs[0]])
        target = self.activation(f"{node.name}/padded", (n, rows + top + bottom, columns + left + right, channels))
        pads = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
        inputs = [self.index[node.inputs[0]], self.file.constant(f"{node.name}/pads", pads)]
        if value == 0:
            return self.file.operator("PAD", inputs, target, ("PadOptions", {}))
        inputs.append(self.file.constant(f"{node.name}/fill", np.array(value, np.float32)))
        return self.file.operator("PADV2", inputs, target, ("PadV2Options", {}))


def nhwc(shape: Shape) -> Shape:
    """The shape of an NCHW image in NHWC; other shapes stay."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


# --- one operator each ----------------------------------------------------------------------------


def _conv(self: _Writer, node: Node, output: str, activation: int) -> None:
    weight, bias = self.graph.weight(node, 1).astype(np.float32), self.graph.weight(node, 2)
    shape = self.graph.shapes[node.inputs[0]]
    groups = node.attrs.get("group", 1)
    if groups not in (1, shape[1]):
        raise ValueError(f"model must have ordinary or depthwise convolutions, got {groups} groups in {node.name!r}")
    window = window_of(node, shape[2:], weight.shape[2:])
    source, padding = self.index[node.inputs[0]], self.same_or_valid(node, window)
    if padding is None:
        source, padding = self.pad(node, window, 0.0), VALID
    bias = np.zeros(weight.shape[0], np.float32) if bias is None else bias.astype(np.float32)
    inputs = [source, self.file.constant(node.inputs[1], self.layout(weight, groups)),
              self.file.constant(f"{node.name}/bias", bias)]
    options = {"padding": padding, "stride_h": window.strides[0], "stride_w": window.strides[1],
               "fused_activation_function": activation, "dilation_h_factor": window.dilations[0],
               "dilation_w_factor": window.dilations[1]}
    if groups == 1:
        self.make("CONV_2D", inputs, output, ("Conv2DOptions", options))
        return
    options["depth_multiplier"] = weight.shape[0] // groups
    version = 1 if window.dilations == (1, 1) else 2
    self.make("DEPTHWISE_CONV_2D", inputs, output, ("DepthwiseConv2DOptions", options), version)


def _pool(self: _Writer, node: Node, output: str, activation: int) -> None:
    average = node.op == "AveragePool"
    window = window_of(node, self.graph.shapes[node.inputs[0]][2:], node.attrs["kernel_shape"])
    if window.dilations != (1, 1):
        raise ValueError(f"model must have pooling without dilation, got {window.dilations} in {node.name!r}")
    source, padding = self.index[node.inputs[0]], self.same_or_valid(node, window)
    counts_padding = average and node.attrs.get("count_include_pad", 0) and window.pads != _NO_PADS
    if counts_padding or (padding is None and not average):
        # SAME leaves its padding out of averages, and a maximum must not see a zero that was never there
        source, padding = self.pad(node, window, 0.0 if average else LOWEST), VALID
    if padding is None:
        raise ValueError(f"model must pad an average as SAME does or not at all, got {window.pads} in {node.name!r}")
    options = {"padding": padding, "stride_h": window.strides[0], "stride_w": window.strides[1],
               "filter_height": window.kernel[0], "filter_width": window.kernel[1]}
    self.make("AVERAGE_POOL_2D" if average else "MAX_POOL_2D", [source], output, ("Pool2DOptions", options))


def _global_average(self: _Writer, node: Node, output: str, activation: int) -> None:
    axes = self.file.constant(f"{node.name}/axes", np.array([1, 2], np.int32))
    self.make("MEAN", [self.index[node.inputs[0]], axes], output, ("ReducerOptions", {"keep_dims": True}))


def _flatten(self: _Writer, node: Node, output: str, activation: int) -> None:
    """ONNX flattens channels first. Where an image is larger than one pixel it is turned back to NCHW for that."""
    source, shape = self.index[node.inputs[0]], self.graph.shapes[node.inputs[0]]
    require_flat(node)
    if len(shape) == 4 and shape[1] > 1 and shape[2] * shape[3] > 1:
        order = self.file.constant(f"{node.name}/order", np.array([0, 3, 1, 2], np.int32))
        turned = self.activation(f"{node.name}/nchw", shape)
        source = self.file.operator("TRANSPOSE", [source, order], turned, ("TransposeOptions", {}))
    target = list(self.graph.shapes[output])
    wanted = self.file.constant(f"{node.name}/shape", np.array(target, np.int32))
    self.make("RESHAPE", [source, wanted], output, ("ReshapeOptions", {"new_shape": target}))


def _gemm(self: _Writer, node: Node, output: str, activation: int) -> None:
    weight, bias = gemm_weights(self.graph, node)
    bias = np.zeros(weight.shape[0], np.float32) if bias is None else bias
    inputs = [self.index[node.inputs[0]], self.file.constant(node.inputs[1], weight),
              self.file.constant(f"{node.name}/bias", bias)]
    self.make("FULLY_CONNECTED", inputs, output, ("FullyConnectedOptions", {"fused_activation_function": activation}))


def _add(self: _Writer, node: Node, output: str, activation: int) -> None:
    shapes = [self.graph.shapes.get(name) for name in node.inputs]
    if any(name in self.graph.weights for name in node.inputs) or shapes[0] != shapes[1]:
        raise ValueError(f"model must add tensors of one shape, got {shapes} in {node.name!r}")
    inputs = [self.index[name] for name in node.inputs]
    self.make("ADD", inputs, output, ("AddOptions", {"fused_activation_function": activation}))


def _concat(self: _Writer, node: Node, output: str, activation: int) -> None:
    options = {"axis": _axis(self, node, 1), "fused_activation_function": activation}
    self.make("CONCATENATION", [self.index[name] for name in node.inputs], output, ("ConcatenationOptions", options))


def _softmax(self: _Writer, node: Node, output: str, activation: int) -> None:
    rank = len(self.graph.shapes[node.inputs[0]])
    if _axis(self, node, -1) != rank - 1:
        raise ValueError(f"model must apply Softmax to the channels, got another axis in {node.name!r}")
    self.make("SOFTMAX", [self.index[node.inputs[0]]], output, ("SoftmaxOptions", {"beta": 1.0}))


def _axis(self: _Writer, node: Node, default: int) -> int:
    """The attribute `axis` in the file's layout."""
    rank = len(self.graph.shapes[node.inputs[0]])
    axis = node.attrs.get("axis", default) % rank
    return {0: 0, 1: 3, 2: 1, 3: 2}[axis] if rank == 4 else axis


def _plain(builtin: str) -> Callable:
    def write(self: _Writer, node: Node, output: str, activation: int) -> None:
        self.make(builtin, [self.index[node.inputs[0]]], output)

    return write


_FUSES = ("Conv", "Gemm", "Add", "Concat")
_WRITERS: dict[str, Callable[[_Writer, Node, str, int], None]] = {
    "Add": _add,
    "AveragePool": _pool,
    "Concat": _concat,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "MaxPool": _pool,
    "Relu": _plain("RELU"),
    "Sigmoid": _plain("LOGISTIC"),
    "Softmax": _softmax,
}
SUPPORTED_TFLITE = tuple(_WRITERS)
