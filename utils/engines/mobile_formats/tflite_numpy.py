"""A .tflite file read, told and run by NumPy, free of any engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.engines.mobile_formats.flatbuffer import read_flatbuffer
from utils.engines.mobile_formats.layouts import nchw_to_nhwc, nhwc_to_nchw
from utils.engines.mobile_formats.padding import same_padding
from utils.engines.mobile_formats.tflite_schema import BUILTINS, FLOAT32, IDENTIFIER, INT32, RELU, SAME, SCHEMA
from utils.graphs.runtime import KERNELS

Array = np.ndarray
_DTYPES = {FLOAT32: "<f4", INT32: "<i4"}
_NAMES = {code: name for name, code in BUILTINS.items()}


@dataclass(frozen=True)
class TfliteOperator:
    """One operator: its name, the tensors that it reads and makes, and its options."""

    builtin: str
    inputs: tuple[str, ...]
    output: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class TfliteModel:
    """A file's only subgraph: operators in order, shapes and constants by tensor name, inputs and outputs."""

    operators: tuple[TfliteOperator, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_tflite(data: bytes) -> TfliteModel:
    """The graph of a .tflite file of one subgraph with float32 and int32 tensors.

    Raises ValueError for a damaged file and for operators or dtypes that this room does not know.
    """
    model = read_flatbuffer(SCHEMA, "Model", data, IDENTIFIER)
    if len(model["subgraphs"] or []) != 1:
        raise ValueError(f"data must hold one subgraph, got {len(model['subgraphs'] or [])}")
    graph = model["subgraphs"][0]
    try:
        tensors = graph["tensors"] or []
        names = [tensor["name"] or str(index) for index, tensor in enumerate(tensors)]
        constants = {name: _constant(tensor, model["buffers"][tensor["buffer"]])
                     for name, tensor in zip(names, tensors) if model["buffers"][tensor["buffer"]]["data"] is not None}
        operators = tuple(_operator(entry, model["operator_codes"], names) for entry in graph["operators"] or [])
        inputs, outputs = (tuple(names[i] for i in graph[key] or []) for key in ("inputs", "outputs"))
    except (IndexError, TypeError) as error:
        raise ValueError(f"data must refer to its own tensors, codes and buffers: {error}") from error
    shapes = {name: tuple(tensor["shape"] or ()) for name, tensor in zip(names, tensors)}
    return TfliteModel(operators, shapes, constants, inputs, outputs)


def _constant(tensor: Mapping[str, Any], buffer: Mapping[str, Any]) -> Array:
    if tensor["type"] not in _DTYPES:
        raise ValueError(f"data must hold float32 and int32 tensors, got type {tensor['type']} in {tensor['name']!r}")
    return np.frombuffer(buffer["data"].tobytes(), _DTYPES[tensor["type"]]).reshape(tensor["shape"] or ())


def _operator(entry: Mapping[str, Any], codes: list[Mapping[str, Any]], names: list[str]) -> TfliteOperator:
    code = codes[entry["opcode_index"]]
    number = max(code["builtin_code"], code["deprecated_builtin_code"])  # old files have the second one only
    if number not in _NAMES:
        raise ValueError(f"data must hold known operators, got number {number} (known: {', '.join(BUILTINS)})")
    options = entry["builtin_options"][1] if entry["builtin_options"] else {}
    inputs = tuple(names[i] for i in entry["inputs"] or [] if i >= 0)  # -1: an optional input that is not there
    return TfliteOperator(_NAMES[number], inputs, names[(entry["outputs"] or [])[0]], options)


def interpret_tflite(data: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All computed tensors of a .tflite file by name, in its own layout (images are NHWC).

    Raises ValueError as `read_tflite` does, KeyError for an input that is not given.
    """
    model = read_tflite(data)
    values: dict[str, Array] = dict(model.constants)
    made: dict[str, Array] = {name: np.asarray(feeds[name], np.float32) for name in model.inputs}
    values.update(made)
    for op in model.operators:
        inputs = [values[name] for name in op.inputs]
        result = _OPERATORS[op.builtin](op.options, inputs)
        if op.options.get("fused_activation_function", 0) == RELU:
            result = np.maximum(result, 0)
        values[op.output] = made[op.output] = np.ascontiguousarray(result, np.float32)
    return made


# --- one operator each ----------------------------------------------------------------------------


def _onnx(op: str, *inputs: Array, **attributes: object) -> Array:
    return KERNELS[op].function(*inputs, **attributes)


def _window(options: Mapping[str, Any], size: tuple[int, int], kernel: tuple[int, int]) -> dict[str, Any]:
    """Strides and pads of a windowed operator as ONNX attributes."""
    strides = options["stride_h"], options["stride_w"]
    dilations = options.get("dilation_h_factor", 1), options.get("dilation_w_factor", 1)
    pairs = [(0, 0), (0, 0)]
    if options["padding"] == SAME:
        pairs = [same_padding(*axis) for axis in zip(size, kernel, strides, dilations)]
    (top, bottom), (left, right) = pairs
    return {"strides": strides, "dilations": dilations, "pads": [top, left, bottom, right]}


def _conv(options: Mapping[str, Any], inputs: list[Array]) -> Array:
    x, weight, bias = inputs  # NHWC, OHWI
    window = _window(options, x.shape[1:3], weight.shape[1:3])
    return nchw_to_nhwc(_onnx("Conv", nhwc_to_nchw(x), weight.transpose(0, 3, 1, 2), bias, **window))


def _depthwise(options: Mapping[str, Any], inputs: list[Array]) -> Array:
    x, weight, bias = inputs  # NHWC, 1HWC
    window = _window(options, x.shape[1:3], weight.shape[1:3])
    return nchw_to_nhwc(_onnx("Conv", nhwc_to_nchw(x), weight.transpose(3, 0, 1, 2), bias, group=x.shape[3], **window))


def _pool(op: str) -> Callable[[Mapping[str, Any], list[Array]], Array]:
    def run(options: Mapping[str, Any], inputs: list[Array]) -> Array:
        kernel = options["filter_height"], options["filter_width"]
        window = _window(options, inputs[0].shape[1:3], kernel)
        return nchw_to_nhwc(_onnx(op, nhwc_to_nchw(inputs[0]), kernel_shape=kernel, **window))

    return run


def _fully_connected(options: Mapping[str, Any], inputs: list[Array]) -> Array:
    x, weight, bias = inputs
    return _onnx("Gemm", x.reshape(-1, weight.shape[1]), weight, bias, transB=1)


def _pad(options: Mapping[str, Any], inputs: list[Array]) -> Array:
    fill = inputs[2].item() if len(inputs) > 2 else 0.0
    return np.pad(inputs[0], inputs[1], constant_values=fill)


def _softmax(options: Mapping[str, Any], inputs: list[Array]) -> Array:
    return _onnx("Softmax", np.float32(options["beta"]) * inputs[0], axis=-1)


_OPERATORS: dict[str, Callable[[Mapping[str, Any], list[Array]], Array]] = {
    "ADD": lambda options, inputs: inputs[0] + inputs[1],
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "CONCATENATION": lambda options, inputs: np.concatenate(inputs, axis=options["axis"]),
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "LOGISTIC": lambda options, inputs: _onnx("Sigmoid", inputs[0]),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": lambda options, inputs: inputs[0].mean(axis=tuple(inputs[1]), keepdims=options["keep_dims"]),
    "PAD": _pad,
    "PADV2": _pad,
    "RELU": lambda options, inputs: np.maximum(inputs[0], 0),
    "RESHAPE": lambda options, inputs: inputs[0].reshape(inputs[1]),
    "SOFTMAX": _softmax,
    "TRANSPOSE": lambda options, inputs: inputs[0].transpose(inputs[1]),
}
