"""ncnn's files run by NumPy: slow, complete for what this room writes, and free of any engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from utils.engines.mobile_formats.ncnn_bin import Weights, unpack_ncnn_weights
from utils.engines.mobile_formats.ncnn_text import NcnnLayer, parse_ncnn_param
from utils.graphs.runtime import KERNELS

Array = np.ndarray


def interpret_ncnn(param: str, bin: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All blobs of a network by name, each (N, *blob shape).

    `feeds` maps the names of Input layers to arrays (N, *blob shape).
    Raises ValueError for damaged files and unknown layer types, KeyError for an input that is not given.
    """
    layers = parse_ncnn_param(param)
    weights = unpack_ncnn_weights(layers, bin)
    blobs: dict[str, Array] = {}
    for layer in layers:
        if layer.type == "Input":
            blobs[layer.outputs[0]] = np.asarray(feeds[layer.outputs[0]], np.float32)
            continue
        if layer.type not in _LAYERS:
            raise ValueError(f"param must hold known layers, got {layer.type!r} (known: {', '.join(_LAYERS)})")
        inputs = [blobs[name] for name in layer.inputs]
        made = _LAYERS[layer.type](layer, inputs, weights.get(layer.name))
        blobs.update(zip(layer.outputs, made if layer.type == "Split" else [made]))
    return blobs


def _onnx(op: str, *inputs: Array | None, **attributes: object) -> Array:
    return KERNELS[op].function(*inputs, **attributes)


def _pair(layer: NcnnLayer, key: int, default: int) -> tuple[int, int]:
    """(rows, columns) of a parameter whose columns stand at `key` and rows, if they differ, at 10 + `key`."""
    columns = int(layer.params.get(key, default))
    return int(layer.params.get(10 + key, columns)), columns


def _convolution(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    (x,), (weight, bias) = inputs, weights
    groups = int(layer.params.get(7, 1)) if layer.type == "ConvolutionDepthWise" else 1
    left = int(layer.params.get(4, 0))
    top = int(layer.params.get(14, left))
    pads = [top, left, int(layer.params.get(16, top)), int(layer.params.get(15, left))]
    kernel = _pair(layer, 1, 0)
    shaped = weight.reshape(int(layer.params[0]), x.shape[1] // groups, *kernel)  # (O, I / groups, H, W)
    return _onnx("Conv", x, shaped, bias, strides=_pair(layer, 3, 1), dilations=_pair(layer, 2, 1), pads=pads,
                 group=groups)


def _inner_product(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    (x,), (weight, bias) = inputs, weights
    rows = x.reshape(len(x), -1)  # (N, C · H · W)
    return _onnx("Gemm", rows, weight.reshape(-1, rows.shape[1]), bias, transB=1)


def _pooling(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    average = bool(layer.params.get(0, 0))
    if layer.params.get(4, 0):
        over = tuple(range(2, inputs[0].ndim))
        return inputs[0].mean(axis=over) if average else inputs[0].max(axis=over)  # (N, C): one number a channel
    if layer.params.get(5, 0) != 1:
        raise ValueError(f"param must pool with pad mode 1, got {layer.params.get(5, 0)} in {layer.name!r}")
    left = int(layer.params.get(3, 0))
    top = int(layer.params.get(13, left))
    attributes = {"kernel_shape": _pair(layer, 1, 0), "strides": _pair(layer, 2, 1),
                  "pads": [top, left, int(layer.params.get(15, top)), int(layer.params.get(14, left))]}
    if average:
        return _onnx("AveragePool", inputs[0], **attributes, count_include_pad=int(layer.params.get(6, 0)))
    return _onnx("MaxPool", inputs[0], **attributes)


def _binary(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    if layer.params.get(0, 0) != 0:
        raise ValueError(f"param must hold additions only, got BinaryOp {layer.params[0]} in {layer.name!r}")
    return inputs[0] + inputs[1]


def _softmax(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    return _onnx("Softmax", inputs[0], axis=1 + int(layer.params.get(0, 0)))


def _relu(layer: NcnnLayer, inputs: list[Array], weights: Weights | None) -> Array:
    slope = np.float32(layer.params.get(0, 0.0))
    return np.where(inputs[0] > 0, inputs[0], slope * inputs[0])


_LAYERS: dict[str, Callable] = {
    "BinaryOp": _binary,
    "Concat": lambda layer, inputs, weights: np.concatenate(inputs, axis=1 + int(layer.params.get(0, 0))),
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Flatten": lambda layer, inputs, weights: inputs[0].reshape(len(inputs[0]), -1),
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "ReLU": _relu,
    "Sigmoid": lambda layer, inputs, weights: _onnx("Sigmoid", inputs[0]),
    "Softmax": _softmax,
    "Split": lambda layer, inputs, weights: [inputs[0]] * len(layer.outputs),
}
