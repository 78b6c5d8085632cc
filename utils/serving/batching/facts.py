"""What products say about fixed and free batch sizes, read on a day; they change within months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

READ = date(2026, 11, 27)  # when the pages were read


@dataclass(frozen=True)
class Fact:
    """One statement of a vendor's documentation, its source, and the day it was read."""

    product: str
    fact: str
    source: str
    as_of: date = READ


FACTS = (
    Fact("TensorRT", "a free dimension needs an optimisation profile (min, opt, max); kernels are the fastest for opt "
         "and valid from min to max; outside is a runtime error",
         "NVIDIA, TensorRT 11.4 Python API, IOptimizationProfile"),
    Fact("TensorRT", "context memory: STATIC, the default, is the maximum over all profiles; ON_PROFILE_CHANGE "
         "allocates anew when a profile is selected; USER_MANAGED leaves it to the caller",
         "NVIDIA, TensorRT 11.4 Python API, ExecutionContextAllocationStrategy"),
    Fact("Triton", "dynamic_batching { } makes batches as large as possible and does not delay; for stateless models",
         "NVIDIA, Triton user guide, Batchers"),
    Fact("ONNX Runtime", "the CPU arena is on by default and may keep more than is needed; it shrinks on request",
         "microsoft/onnxruntime issue 11627, onnxruntime_run_options_config_keys.h"),
    Fact("NNAPI (Android)", "no dynamic input shapes: fix them with onnxruntime.tools.make_dynamic_shape_fixed",
         "ONNX Runtime, Making dynamic input shapes fixed"),
    Fact("Core ML", "takes dynamic shapes by default, perhaps more slowly; up to 128 enumerated shapes perform best",
         "ONNX Runtime, ORTCoreMLExecutionProviderOptions; Apple, coremltools, Flexible Input Shapes"),
    Fact("Edge TPU", "tensor sizes must be constant at compile time", "Axis, ARTPEC-7 optimization tips"),
)
