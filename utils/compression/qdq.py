"""A quantized model as an ONNX graph: QuantizeLinear and DequantizeLinear by hand, executed with integer kernels.

ONNX Runtime replaces DequantizeLinear -> Gemm -> QuantizeLinear by one integer kernel (`QGemm`, `QLinearConv`) if it
likes what it sees. It says so only in its optimised graph, which `executed_ops` reads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import ModelProto, NodeProto, helper, numpy_helper
from torch import nn

from utils.compression.quantization.calibration import Method, calibrate_range
from utils.graphs.onnx_tools import executed_ops, expose_outputs, graph_stats, make_model, make_session
from utils.numerics.int8 import affine_qparams, quantize

__all__ = ["assert_integer_kernels", "collect_ranges", "collect_values", "digits_to_onnx", "executed_ops", "insert_qdq",
           "int32_bias", "onnx_bytes", "quantize_linear_onnx", "run_onnx", "to_dynamic", "weight_qparams"]

PASSES_ON = ("MaxPool", "Flatten", "Reshape", "Transpose")  # outputs hold only values of the input
FLOAT_KERNELS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")
Ranges = Mapping[str, tuple[float, float]]


# --- from torch, and running ------------------------------------------------------------------


def digits_to_onnx(model: nn.Module) -> ModelProto:
    """A digits network as an ONNX model: input "img" (N, 64) or (N, 1, 8, 8), output "logits", opset 17.

    The activations behind the ReLUs are called r1, r2, ..., the parameters W1, b1, W2, ... Raises ValueError for a
    module that is none of Conv2d, Linear, ReLU, MaxPool2d and Flatten.
    """
    nodes, initializers, current, layer = [], {}, "img", 0
    convolutional = isinstance(model.net[0], nn.Conv2d)
    for i, module in enumerate(model.net):
        made = "logits" if i == len(model.net) - 1 else f"t{i}"
        if isinstance(module, nn.Conv2d | nn.Linear):
            layer += 1
            names = [current, f"W{layer}", f"b{layer}"]
            initializers |= {names[1]: module.weight.detach().numpy(), names[2]: module.bias.detach().numpy()}
            nodes.append(_weighted_node(module, names, made))
        elif isinstance(module, nn.ReLU):
            made = f"r{layer}"
            nodes.append(helper.make_node("Relu", [current], [made]))
        elif isinstance(module, nn.MaxPool2d):
            size = [int(module.kernel_size)] * 2
            nodes.append(helper.make_node("MaxPool", [current], [made], kernel_shape=size, strides=size))
        elif isinstance(module, nn.Flatten):
            nodes.append(helper.make_node("Flatten", [current], [made], axis=1))
        else:
            raise ValueError(f"model must have convolutions, linear layers, ReLU, pooling, got {type(module).__name__}")
        current = made
    shape = ("N", 1, 8, 8) if convolutional else ("N", 64)
    return make_model(nodes, {"img": shape}, {"logits": ("N", 10)}, initializers)


def _weighted_node(module: nn.Module, inputs: Sequence[str], output: str) -> NodeProto:
    if isinstance(module, nn.Linear):
        return helper.make_node("Gemm", inputs, [output], transB=1)
    pads = [int(p) for p in module.padding] * 2
    return helper.make_node("Conv", inputs, [output], kernel_shape=list(module.kernel_size), pads=pads,
                            strides=list(module.stride))


def _fed(model: ModelProto, X: ArrayLike) -> dict[str, np.ndarray]:
    """X as the model's only input, float32, images in its form."""
    value = model.graph.input[0]
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
    return {value.name: np.asarray(X, dtype=np.float32).reshape(-1, *dims[1:])}


def run_onnx(model: ModelProto, X: ArrayLike, *, optimize: bool = True) -> np.ndarray:
    """The first output for X in ONNX Runtime on one thread, with its optimisations (and so its integer kernels)."""
    return make_session(model, optimize=optimize).run(None, _fed(model, X))[0]


def onnx_bytes(model: ModelProto) -> int:
    """Bytes of all initializers: weights, biases, scales and zero points, without the graph around them."""
    return graph_stats(model).initializer_bytes


# --- calibration ------------------------------------------------------------------------------


def collect_values(model: ModelProto, X: ArrayLike, tensor_names: Sequence[str]) -> dict[str, np.ndarray]:
    """What the named tensors hold when the float model runs on X; the graph's input may be named too.

    Raises KeyError for a name that the graph lacks.
    """
    fed = _fed(model, X)
    inner = [name for name in tensor_names if name not in fed]
    exposed = expose_outputs(model, inner)
    outputs = make_session(exposed).run(inner, fed) if inner else []
    return {name: (fed | dict(zip(inner, outputs)))[name] for name in tensor_names}


def collect_ranges(model: ModelProto, X: ArrayLike, tensor_names: Sequence[str], method: Method = "minmax", *,
                   bits: int = 8) -> dict[str, tuple[float, float]]:
    """(lo, hi) of each named tensor over X by `calibrate_range`; KeyError as `collect_values`.

    Static quantization needs a range for every activation tensor that becomes an integer, not for the input alone.
    """
    values = collect_values(model, X, tensor_names)
    return {name: calibrate_range([v], method, bits=bits) for name, v in values.items()}


# --- Q and DQ ---------------------------------------------------------------------------------


def weight_qparams(W: np.ndarray, *, per_channel: bool = False) -> np.ndarray:
    """Symmetric scale max|w| / 127: 0-d, or one for each row of the first axis; 1 where all weights are 0."""
    top = np.abs(W).reshape(len(W), -1).max(axis=1) if per_channel else np.abs(W).max()
    return np.where(top > 0, top / 127, 1.0).astype(np.float32)


def int32_bias(b: ArrayLike, s_x: float, s_w: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(integers, scale s_x * s_w) of a bias that is added to the int32 accumulator."""
    scale = (np.float32(s_x) * np.asarray(s_w, dtype=np.float32)).astype(np.float32)
    info = np.iinfo(np.int32)
    q = np.rint(np.asarray(b, dtype=np.float64) / np.asarray(scale, dtype=np.float64))
    return np.clip(q, info.min, info.max).astype(np.int32), scale


class _Builder:
    """Collects nodes and initializers, and knows under which name each tensor is read after quantization."""

    def __init__(self, model: ModelProto, ranges: Ranges, symmetric: bool) -> None:
        self.graph, self.symmetric = model.graph, symmetric
        self.floats = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.ranges = dict(ranges)
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.read_as: dict[str, str] = {}
        self.scales: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def activation(self, name: str) -> None:
        """Q and DQ behind the tensor `name`."""
        if name not in self.scales:
            lo, hi = self.ranges[name]
            qmin = -127 if self.symmetric else -128
            scale, zero = affine_qparams(lo, hi, qmin, 127, symmetric=self.symmetric)
            self.scales[name] = np.float32(scale), np.int8(zero)
        self._pair(name, *self.scales[name])

    def _pair(self, name: str, scale: np.ndarray, zero: np.ndarray) -> None:
        outputs = {value.name for value in self.graph.output}
        source, target = (f"{name}_float", name) if name in outputs else (name, f"{name}_dq")
        if source != name:  # the output keeps its name, so whoever made it writes to another one
            for node in self.nodes:
                node.output[:] = [source if o == name else o for o in node.output]
        self.initializers |= {f"{name}_scale": scale, f"{name}_zero": zero}
        self.nodes += [helper.make_node("QuantizeLinear", [source, f"{name}_scale", f"{name}_zero"], [f"{name}_q"]),
                       helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero"], [target])]
        self.read_as[name] = target

    def constant(self, name: str, q: np.ndarray, scale: np.ndarray, axis: int | None = None) -> str:
        """An integer initializer with a DQ behind it, with an explicit zero point; the name to read."""
        self.initializers |= {f"{name}_q": q, f"{name}_scale": scale,
                              f"{name}_zero": np.zeros(np.shape(scale), q.dtype)}
        attributes = {} if axis is None else {"axis": axis}
        self.nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero"],
                                           [f"{name}_dq"], **attributes))
        return f"{name}_dq"


def insert_qdq(model: ModelProto, ranges: Ranges, *, per_channel: bool = False, symmetric_activations: bool = False,
               quantize_bias: bool = True, keep_float: Iterable[str] = ()) -> ModelProto:
    """A copy with Q and DQ around every Conv and Gemm (transB = 1), int8 weights, and int32 biases.

    `ranges` gives (lo, hi) of the activations that become int8, the graph's input and output among them. Activations
    are asymmetric, weights symmetric with the scale max|w| / 127 of the tensor, or of each output channel. Pooling and
    flattening keep their input's parameters. `keep_float` names weights whose nodes stay as they are.
    TensorRT's parser wants zero point 0 and no integer bias: symmetric_activations=True, quantize_bias=False.
    Raises KeyError if the range of a weighted node's input is missing, ValueError for a Gemm without transB = 1.
    """
    build = _Builder(model, ranges, symmetric_activations)
    kept = set(keep_float)
    for value in model.graph.input:
        if value.name in build.ranges:
            build.activation(value.name)
    for node in model.graph.node:
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.input[:] = [build.read_as.get(name, name) for name in node.input]
        if node.op_type in ("Conv", "Gemm") and node.input[1] not in kept:
            _quantize_weights(build, node, copied, per_channel, quantize_bias)
        else:
            build.initializers |= {name: build.floats[name] for name in node.input if name in build.floats}
        build.nodes.append(copied)
        if node.op_type in PASSES_ON and node.input[0] in build.scales:
            build.scales[node.output[0]] = build.scales[node.input[0]]
            build._pair(node.output[0], *build.scales[node.output[0]])
        elif node.output[0] in build.ranges:
            build.activation(node.output[0])
    opset = graph_stats(model).opset
    return make_model(build.nodes, list(model.graph.input), list(model.graph.output), build.initializers, opset=opset,
                      ir_version=model.ir_version)


def _quantize_weights(build: _Builder, node: NodeProto, copied: NodeProto, per_channel: bool,
                      quantize_bias: bool) -> None:
    if node.op_type == "Gemm" and not any(a.name == "transB" and a.i == 1 for a in node.attribute):
        raise ValueError("model must have Gemm nodes with transB = 1, got one without")
    x, w, *bias = node.input
    if x not in build.scales:
        raise KeyError(f"ranges must hold the input {x!r} of {node.op_type}")
    s_w, axis = weight_qparams(build.floats[w], per_channel=per_channel), 0 if per_channel else None
    q = quantize(build.floats[w], s_w, 0, -127, 127, axis=axis)
    copied.input[1] = build.constant(w, q, s_w, axis)
    if bias and quantize_bias:
        copied.input[2] = build.constant(bias[0], *int32_bias(build.floats[bias[0]], build.scales[x][0], s_w), axis)
    elif bias:
        build.initializers[bias[0]] = build.floats[bias[0]]


def assert_integer_kernels(model: ModelProto) -> None:
    """Raise ValueError if ONNX Runtime still runs a convolution or matrix product of the model in float."""
    left = [op for op in executed_ops(model) if op in FLOAT_KERNELS]
    if left:
        raise ValueError(f"model must run on integer kernels, got float {', '.join(left)} in the optimised graph")


def to_dynamic(model: ModelProto, *, per_channel: bool = False) -> ModelProto:
    """ONNX Runtime's `quantize_dynamic`: int8 weights now, activation ranges in each call."""
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(max(logging.getLogger().level, logging.ERROR))  # its advice to pre-process
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "dynamic.onnx"
        onnx.save(model, source)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=per_channel)
        return onnx.load(target)


# --- one layer --------------------------------------------------------------------------------


def quantize_linear_onnx(W: np.ndarray, b: np.ndarray, x_range: tuple[float, float],
                         y_range: tuple[float, float]) -> ModelProto:
    """y = x @ W.T + b as a QDQ model: float input "x" (n, in), float output "y" (n, out), int8 inside.

    W (out, in) and b (out,) are floats. Both ranges are widened to contain 0; activations are asymmetric int8, weights
    symmetric int8 with scale max|w| / 127, the bias int32 with scale s_x * s_w. The graph runs as QGemm.
    Raises ValueError unless lo < hi in both ranges.
    """
    for name, (lo, hi) in (("x_range", x_range), ("y_range", y_range)):
        if not lo < hi:
            raise ValueError(f"{name} must not be empty, got ({lo}, {hi})")
    W, b = np.asarray(W, dtype=np.float32), np.asarray(b, dtype=np.float32)
    gemm = helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1)
    model = make_model([gemm], {"x": ("n", W.shape[1])}, {"y": ("n", W.shape[0])}, {"W": W, "b": b})
    return insert_qdq(model, {"x": x_range, "y": y_range})
