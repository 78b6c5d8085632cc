"""What mobile engines read: ncnn's .param and .bin, TFLite's FlatBuffer. Written, read and run without the engines.

| module | what it holds |
|---|---|
| layouts, padding | where a weight lies in memory; SAME padding |
| ncnn_text, ncnn_bin | the two files of ncnn, in both directions |
| flatbuffer, tflite_schema, tflite_file | the container format, TFLite's tables, a file in the making |
| onnx_graph, ncnn_writer, tflite_writer | from ONNX to both formats |
| ncnn_numpy, tflite_numpy | both formats run by NumPy |
| runners | the real ncnn, LiteRT and MNN |
| comparing, footprint | differences layer by layer; operators, build sizes and delegates |
| example, zoo | the small CNN of chapters 20 and 29; models that use every operator |
| conversion_bugs, experiment | the classic mistakes, made on purpose; all engines on one network |
| projects | the five projects that the interview document names |
"""

from utils.engines.mobile_formats.comparing import LayerDiff, layerwise_diff
from utils.engines.mobile_formats.conversion_bugs import BugResult, try_bugs, with_same_padding
from utils.engines.mobile_formats.example import example_cnn, example_weights
from utils.engines.mobile_formats.flatbuffer import build_flatbuffer, read_flatbuffer
from utils.engines.mobile_formats.footprint import (
    Footprint,
    coverage,
    delegate_coverage,
    layer_macs,
    op_footprint,
)
from utils.engines.mobile_formats.layouts import (
    depthwise_to_1hwc,
    nchw_to_nhwc,
    nhwc_to_nchw,
    oihw_to_ohwi,
    to_tflite_layout,
)
from utils.engines.mobile_formats.ncnn_bin import pack_bin, pack_ncnn_weights, unpack_ncnn_weights
from utils.engines.mobile_formats.ncnn_numpy import interpret_ncnn
from utils.engines.mobile_formats.ncnn_text import (
    NcnnLayer,
    format_ncnn_param,
    insert_splits,
    parse_ncnn_param,
    parse_param,
)
from utils.engines.mobile_formats.ncnn_writer import SUPPORTED_NCNN, onnx_to_ncnn
from utils.engines.mobile_formats.padding import same_padding, same_pads, window_positions
from utils.engines.mobile_formats.projects import AS_OF, PROJECTS, Project
from utils.engines.mobile_formats.runners import (
    LiteRtRunner,
    MnnRunner,
    NcnnRunner,
    Runner,
    run_litert,
    run_mnn,
    run_ncnn,
)
from utils.engines.mobile_formats.tflite_numpy import TfliteModel, TfliteOperator, interpret_tflite, read_tflite
from utils.engines.mobile_formats.tflite_writer import SUPPORTED_TFLITE, onnx_to_tflite

__all__ = [
    "AS_OF",
    "PROJECTS",
    "SUPPORTED_NCNN",
    "SUPPORTED_TFLITE",
    "BugResult",
    "Footprint",
    "LayerDiff",
    "LiteRtRunner",
    "MnnRunner",
    "NcnnLayer",
    "NcnnRunner",
    "Project",
    "Runner",
    "TfliteModel",
    "TfliteOperator",
    "build_flatbuffer",
    "coverage",
    "delegate_coverage",
    "depthwise_to_1hwc",
    "example_cnn",
    "example_weights",
    "format_ncnn_param",
    "insert_splits",
    "interpret_ncnn",
    "interpret_tflite",
    "layer_macs",
    "layerwise_diff",
    "nchw_to_nhwc",
    "nhwc_to_nchw",
    "oihw_to_ohwi",
    "onnx_to_ncnn",
    "onnx_to_tflite",
    "op_footprint",
    "pack_bin",
    "pack_ncnn_weights",
    "parse_ncnn_param",
    "parse_param",
    "read_flatbuffer",
    "read_tflite",
    "run_litert",
    "run_mnn",
    "run_ncnn",
    "same_padding",
    "same_pads",
    "to_tflite_layout",
    "try_bugs",
    "unpack_ncnn_weights",
    "window_positions",
    "with_same_padding",
]
