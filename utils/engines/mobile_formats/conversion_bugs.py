"""The classic mistakes of a conversion, made on purpose, one at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.engines.mobile_formats.example import example_cnn
from utils.engines.mobile_formats.layouts import nchw_to_nhwc, to_tflite_layout
from utils.engines.mobile_formats.ncnn_bin import pack_bin
from utils.engines.mobile_formats.ncnn_numpy import interpret_ncnn
from utils.engines.mobile_formats.ncnn_writer import onnx_to_ncnn
from utils.engines.mobile_formats.runners import run_litert, run_ncnn
from utils.engines.mobile_formats.tflite_numpy import interpret_tflite
from utils.engines.mobile_formats.tflite_writer import onnx_to_tflite
from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    from onnx import ModelProto

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class BugResult:
    """What became of one file: which engine ran it, and the largest error of its output; None if it was refused."""

    name: str
    engine: str
    max_abs: float | None
    note: str = ""


# --- TFLite ---------------------------------------------------------------------------------------


def with_same_padding(model: ModelProto) -> ModelProto:
    """The same model, but the strided convolution says SAME where it had one pixel on each side."""
    from onnx import helper

    changed = type(model)()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        strided = any(a.name == "strides" and max(a.ints) > 1 for a in node.attribute)
        if node.op_type == "Conv" and strided:
            kept = [a for a in node.attribute if a.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("auto_pad", "SAME_UPPER")])
    return changed


def reshaped_layout(weight: np.ndarray, groups: int) -> np.ndarray:
    """The right shape with the numbers in the old order."""
    return np.ascontiguousarray(weight).reshape(to_tflite_layout(weight, groups).shape)


def hwio_layout(weight: np.ndarray, groups: int) -> np.ndarray:
    """TensorFlow's order HWIO under the shape of TFLite's OHWI."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(to_tflite_layout(weight, groups).shape)


# --- ncnn -----------------------------------------------------------------------------------------


def _layers(model: ModelProto) -> list[tuple[np.ndarray, np.ndarray]]:
    from onnx import numpy_helper

    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [(weights[f"{name}_w"], weights[f"{name}_b"]) for name in ("c1", "c2", "fc")]


def _flagged_bias(model: ModelProto) -> bytes:
    return b"".join(pack_bin([(weight, None, False)]) + struct.pack("<I", 0) + bias.tobytes()
                    for weight, bias in _layers(model))


def _transposed_dense(model: ModelProto) -> bytes:
    *convs, (weight, bias) = _layers(model)
    return pack_bin([*((w, b, False) for w, b in convs), (np.ascontiguousarray(weight.T), bias, False)])


# --- running them ---------------------------------------------------------------------------------


def try_bugs(seed: int = 0) -> list[BugResult]:
    """Run the right files and every buggy one of the example CNN on one random image; errors against NumPy's right run.

    The real LiteRT and ncnn run the files where they are installed, else the readings in NumPy do.
    """
    model = example_cnn()
    x = np.random.default_rng(seed).standard_normal((1, 1, 28, 28)).astype(np.float32)
    param, right_bin = onnx_to_ncnn(model)
    ref = interpret_ncnn(param, right_bin, {"x": x})["y"]
    tflite = {
        "no mistake (TFLite)": onnx_to_tflite(model),
        "SAME for one pixel on each side": onnx_to_tflite(with_same_padding(model)),
        "weights reshaped, not transposed": onnx_to_tflite(model, layout=reshaped_layout),
        "weights HWIO, not OHWI": onnx_to_tflite(model, layout=hwio_layout),
    }
    ncnn = {
        "no mistake (ncnn)": right_bin,
        "dense weight transposed": _transposed_dense(model),
        "flag before the bias too": _flagged_bias(model),
    }
    found = [_judged(name, ref, "LiteRT", lambda data=data: run_litert(data, {"x": nchw_to_nhwc(x)}),
                     lambda data=data: interpret_tflite(data, {"x": nchw_to_nhwc(x)})) for name, data in tflite.items()]
    return found + [_judged(name, ref, "ncnn", lambda data=data: run_ncnn(param, data, {"x": x}),
                            lambda data=data: interpret_ncnn(param, data, {"x": x})) for name, data in ncnn.items()]


def _judged(name: str, ref: np.ndarray, engine: str, real: Callable[[], Arrays],
            numpy: Callable[[], Arrays]) -> BugResult:
    try:
        try:
            outputs = real()
        except EngineUnavailable:
            engine = "NumPy"
            outputs = numpy()
    except ValueError as error:
        return BugResult(name, engine, None, str(error))
    error_size = float(np.abs(outputs["y"].astype(np.float64) - ref).max())
    if not np.isfinite(error_size):
        return BugResult(name, engine, float("inf"), "the output is not finite")
    return BugResult(name, engine, error_size)
