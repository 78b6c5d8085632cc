"""Classical image algorithms on edge hardware: which are convolutions, what they cost, and where they run.

| module | what it holds |
|---|---|
| filters | linear shift-invariant filters: the test, the kernel, its rank and cost |
| median | a 3 x 3 median of minimum and maximum alone |
| onnx_filters | the same as ONNX graphs for an accelerator |
| mapping | steps of a vision pipeline, by what they need of an engine |
| latency | a pipeline of which a part is accelerated |
| hog | histograms of oriented gradients |
| contest | a classical and a learned recogniser of digits, side by side |
"""

from utils.hardware.classical.filters import (
    KERNELS,
    LsiReport,
    correlate_wrap,
    impulse_kernel,
    is_linear_shift_invariant,
    is_lsi,
    kernel_from_impulse,
    macs_per_pixel,
    separable_cost,
    separable_terms,
)
from utils.hardware.classical.hog import hog
from utils.hardware.classical.latency import end_to_end_ms
from utils.hardware.classical.mapping import PIPELINE_OPS, OpMapping, npu_coverage
from utils.hardware.classical.median import MEDIAN9_NETWORK, median9

__all__ = [
    "KERNELS", "MEDIAN9_NETWORK", "PIPELINE_OPS", "LsiReport", "OpMapping", "correlate_wrap", "end_to_end_ms", "hog",
    "impulse_kernel", "is_linear_shift_invariant", "is_lsi", "kernel_from_impulse", "macs_per_pixel", "median9",
    "npu_coverage", "separable_cost", "separable_terms",
]
