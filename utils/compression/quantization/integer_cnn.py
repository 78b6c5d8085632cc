"""The digits CNN in integers: from the input's codes to the logits' codes without a float, in NumPy and as ONNX.

Weights are int8 with one scale an output channel and zero point 0; activations are uint8 with one scale a tensor,
found on calibration data. A ReLU costs nothing: it is the saturation at the zero point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from utils.compression.quantization import quantized_linear
from utils.compression.quantization.granularity import qparams_from_tensor
from utils.numerics.int8 import QParams, affine_qparams, int_quantize

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from utils.networks.digits import DigitsCNN


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A 3x3 convolution with padding 1, or a fully connected layer, in integers; maybe with a ReLU.

    w_q: int8 (c_out, c_in, 3, 3) or (n_out, n_in); bias: int32 in units of s_x s_w; x_qp, y_qp: uint8 activations.
    """

    kind: Literal["conv", "linear"]
    w_q: np.ndarray
    w_qp: QParams
    bias: np.ndarray
    relu: bool
    x_qp: QParams
    y_qp: QParams

    def run(self, codes: np.ndarray) -> np.ndarray:
        """uint8 codes (B, c_in, H, W) or (B, n_in) -> uint8 codes (B, c_out, H, W) or (B, n_out)."""
        matrix = self.w_q.reshape(len(self.w_q), -1).T  # (k, n)
        w_qp = QParams(self.w_qp.scale, self.w_qp.zero_point, self.w_qp.qmin, self.w_qp.qmax, axis=1)
        rows = codes if self.kind == "linear" else _patches(codes, int(self.x_qp.zero_point))
        y_qp = self.y_qp
        if self.relu:  # every code below that of 0.0 stands for a negative number
            y_qp = QParams(y_qp.scale, y_qp.zero_point, int(y_qp.zero_point), y_qp.qmax)
        y = quantized_linear(rows, self.x_qp, matrix, w_qp, self.bias, y_qp).astype(np.uint8)
        if self.kind == "linear":
            return y
        b, _, h, w = codes.shape
        return y.reshape(b, h, w, -1).transpose(0, 3, 1, 2)


def _patches(codes: np.ndarray, zero_code: int) -> np.ndarray:
    """(B, C, H, W) -> (B H W, 9 C): each output's receptive field; the border is the code of 0.0."""
    padded = np.pad(codes, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=zero_code)
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))  # (B, C, H, W, 3, 3)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 9 * codes.shape[1])


@dataclass(frozen=True, eq=False)
class IntegerCnn:
    """The digits CNN: two convolutions, max-pooling, two fully connected layers."""

    layers: tuple[IntegerLayer, ...]

    @property
    def output_qp(self) -> QParams:
        """How the codes of the logits stand for reals."""
        return self.layers[-1].y_qp

    def run(self, x: np.ndarray) -> np.ndarray:
        """Images (B, 64) float32 in [0, 1] -> codes of the logits (B, 10) uint8."""
        codes = int_quantize(np.asarray(x, dtype=np.float32).reshape(-1, 1, 8, 8), self.layers[0].x_qp)
        conv1, conv2, fc1, fc2 = self.layers
        codes = conv2.run(conv1.run(codes))
        b, c, h, w = codes.shape
        codes = codes.reshape(b, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))  # the largest code is the largest value
        return fc2.run(fc1.run(codes.reshape(b, -1)))

    def weight_bytes(self) -> int:
        """Bytes of weights, scales (float32) and biases (int32)."""
        return sum(layer.w_q.nbytes + 4 * layer.w_qp.scale.size + layer.bias.nbytes for layer in self.layers)

    def to_onnx(self, *, weights_only: bool = False) -> ModelProto:
        """The same network as Q/DQ pairs around Conv and Gemm: input (N, 1, 8, 8) float32, output (N, 10).

        An engine that has integer kernels fuses each pair into one; the output is uint8. With `weights_only` the
        activations are not quantized: the file is as small, the arithmetic is FP32, and the output is float32.
        """
        return _onnx_of(self.layers, weights_only)


def integer_cnn(model: DigitsCNN, calibration: np.ndarray, weight_bits: int = 8) -> IntegerCnn:
    """Quantize a trained `DigitsCNN` after training, with the ranges that activations have on `calibration` (n, 64).

    `weight_bits` of 7 keeps sums of two products within 16 bits ("reduce range"). Raises ValueError for an empty
    calibration set or weight_bits outside 2 ... 8.
    """
    if not 2 <= weight_bits <= 8:
        raise ValueError(f"weight_bits must be from 2 to 8, got {weight_bits}")
    if len(calibration) == 0:
        raise ValueError("calibration must not be empty, got no images")
    ranges = activation_ranges(model, calibration)
    modules = [m for m in model.net if hasattr(m, "weight")]
    layers = []
    for i, module in enumerate(modules):
        x_qp, y_qp = (QParams(*affine_qparams(*ranges[j], 0, 255), 0, 255) for j in (i, i + 1))
        w = module.weight.detach().numpy()
        w_qp = qparams_from_tensor(w, weight_bits, symmetric=True, axis=0)
        bias = np.rint(module.bias.detach().numpy() / (x_qp.scale * w_qp.scale)).astype(np.int32)
        layers.append(IntegerLayer("conv" if w.ndim == 4 else "linear", int_quantize(w, w_qp), w_qp, bias,
                                   i < len(modules) - 1, x_qp, y_qp))
    return IntegerCnn(tuple(layers))


def activation_ranges(model: DigitsCNN, calibration: np.ndarray) -> list[tuple[float, float]]:
    """(smallest, largest) value of the input and behind each layer with weights, after its ReLU."""
    import torch

    x = torch.as_tensor(calibration, dtype=torch.float32).reshape(-1, 1, 8, 8)
    seen = [x]
    with torch.no_grad():
        for module in model.net:
            x = module(x)
            if hasattr(module, "weight"):
                seen.append(x)
            elif isinstance(module, torch.nn.ReLU):
                seen[-1] = x
    return [(float(t.min()), float(t.max())) for t in seen]


# --- the same as an ONNX file ---------------------------------------------------------------------


def _onnx_of(layers: tuple[IntegerLayer, ...], weights_only: bool) -> ModelProto:
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    nodes: list[NodeProto] = []
    tensors: dict[str, np.ndarray] = {}
    here = "image"
    if not weights_only:
        here = _quantize_node(nodes, tensors, here, "q0", layers[0].x_qp)
    for i, layer in enumerate(layers, 1):
        here = _layer_nodes(nodes, tensors, here, i, layer, weights_only)
        if i == 2:
            nodes.append(helper.make_node("MaxPool", [here], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]))
            nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
            here = "flat"
    nodes[-1].output[0] = "logits"
    dtype = np.float32 if weights_only else np.uint8
    return make_model(nodes, {"image": ("N", 1, 8, 8)}, {"logits": (dtype, ("N", 10))}, tensors)


def _layer_nodes(nodes: list[NodeProto], tensors: dict[str, np.ndarray], here: str, i: int, layer: IntegerLayer,
                 weights_only: bool) -> str:
    """Nodes of layer number `i`; the name of what it makes."""
    from onnx import helper

    bias_qp = QParams(layer.x_qp.scale * layer.w_qp.scale, np.zeros(len(layer.bias), int), 0, 0)
    tensors[f"w{i}"], tensors[f"b{i}"] = layer.w_q, layer.bias
    if not weights_only:
        here = _dequantize_node(nodes, tensors, here, f"x{i}", layer.x_qp, np.uint8)
    weight = _dequantize_node(nodes, tensors, f"w{i}", f"wf{i}", layer.w_qp, np.int8, axis=0)
    bias = _dequantize_node(nodes, tensors, f"b{i}", f"bf{i}", bias_qp, np.int32, axis=0)
    options = {"pads": [1, 1, 1, 1]} if layer.kind == "conv" else {"transB": 1}
    op = "Conv" if layer.kind == "conv" else "Gemm"
    nodes.append(helper.make_node(op, [here, weight, bias], [f"y{i}"], **options))
    here = f"y{i}"
    if layer.relu:
        nodes.append(helper.make_node("Relu", [here], [f"r{i}"]))
        here = f"r{i}"
    return here if weights_only else _quantize_node(nodes, tensors, here, f"q{i}", layer.y_qp)


def _quantize_node(nodes: list[NodeProto], tensors: dict[str, np.ndarray], source: str, target: str,
                   qp: QParams) -> str:
    from onnx import helper

    tensors[f"{target}_scale"] = qp.scale.astype(np.float32)
    tensors[f"{target}_zero"] = qp.zero_point.astype(np.uint8)
    nodes.append(helper.make_node("QuantizeLinear", [source, f"{target}_scale", f"{target}_zero"], [target]))
    return target


def _dequantize_node(nodes: list[NodeProto], tensors: dict[str, np.ndarray], source: str, target: str, qp: QParams,
                     dtype: type, axis: int = 1) -> str:
    """Always with a zero point: without one ONNX Runtime leaves the layer in FP32."""
    from onnx import helper

    tensors[f"{target}_scale"] = qp.scale.astype(np.float32)
    tensors[f"{target}_zero"] = qp.zero_point.astype(dtype)
    inputs = [source, f"{target}_scale", f"{target}_zero"]
    nodes.append(helper.make_node("DequantizeLinear", inputs, [target], axis=axis))
    return target
