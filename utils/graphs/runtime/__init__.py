"""A NumPy runtime for ONNX files, and shape inference; needs neither onnx nor an inference engine."""

from utils.graphs.runtime import elementwise, linear, normalization, pooling, quantized, shaping  # noqa: F401 kernels
from utils.graphs.runtime.interpreter import NumpyRuntime, as_raw, compile_nodes, unsupported
from utils.graphs.runtime.registry import KERNELS, Kernel, operator
from utils.graphs.runtime.shapes import TensorType, infer_shapes
from utils.graphs.runtime.small import MINI_OPS, mini_runtime

__all__ = [
    "KERNELS",
    "MINI_OPS",
    "Kernel",
    "NumpyRuntime",
    "TensorType",
    "as_raw",
    "compile_nodes",
    "infer_shapes",
    "mini_runtime",
    "operator",
    "unsupported",
]
