"""Static INT8 by ONNX Runtime's quantizer, in the Q/DQ format."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto


def static_int8(model: ModelProto, batches: Iterable[Mapping[str, np.ndarray]], *, per_channel: bool = False,
                activations: Literal["int8", "uint8"] = "int8", reduce_range: bool = False) -> ModelProto:
    """A quantized copy of the model: INT8 weights, activation ranges by minimum and maximum over the batches.

    `batches` are feeds by input name. `per_channel` gives each output channel its own weight scale, `reduce_range`
    7-bit weights (for x86 processors whose 8-bit dot products saturate). onnxruntime's own errors pass through.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> dict | None:
            batch = next(self.left, None)
            return None if batch is None else dict(batch)

    kind = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}[activations]
    noise, level = logging.getLogger(), logging.getLogger().level
    noise.setLevel(logging.ERROR)  # it advises a pre-processing that graphs with static shapes do not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
            onnx.save(model, source)
            quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                            activation_type=kind, weight_type=QuantType.QInt8, reduce_range=reduce_range,
                            calibrate_method=CalibrationMethod.MinMax)
            return onnx.load(target)
    finally:
        noise.setLevel(level)
