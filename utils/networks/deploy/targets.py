"""Four made-up processors that differ in what they are good at. None is a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONV_KINDS = ("dense", "pointwise", "depthwise", "elementwise")

# what the exported networks of this course consist of
_PLAIN = frozenset({"Add", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "MaxPool", "Relu",
                    "Reshape", "Slice", "Split"})
_ALL = _PLAIN | {"BatchNormalization", "HardSigmoid", "Mul", "Sigmoid", "Transpose"}


@dataclass(frozen=True)
class BackendTarget:
    """What a processor runs and how fast; illustrative, not a product.

    `peak_gmac_s`: billion multiply-accumulates a second by kind of node, in floating point; INT8 is `int8_gain`
    times as fast. For "elementwise", billion elements a second. Channels are padded to multiples of
    `channel_granule`. An operator that is not in `supported_ops` runs on the host at `fallback_gmac_s` (the same
    number of elements for other nodes), after its tensors were copied there at `copy_gb_s` (1e9 bytes).
    `dispatch_us` is what starting a node costs. A value has `float_bytes` bytes, or one in INT8.
    """

    name: str
    supported_ops: frozenset[str]
    channel_granule: int
    peak_gmac_s: Mapping[str, float]
    mem_gb_s: float
    dispatch_us: float
    fallback_gmac_s: float
    copy_gb_s: float
    float_bytes: int = 2
    int8_gain: float = 2.0


def _peaks(dense: float, pointwise: float, depthwise: float, elementwise: float) -> dict[str, float]:
    return dict(zip(CONV_KINDS, (dense, pointwise, depthwise, elementwise), strict=True))


TARGETS: dict[str, BackendTarget] = {t.name: t for t in (
    BackendTarget("cpu_small", _ALL, 4, _peaks(24, 24, 8, 4), mem_gb_s=8, dispatch_us=3, fallback_gmac_s=24,
                  copy_gb_s=8, float_bytes=4, int8_gain=2.0),
    BackendTarget("npu_dense", _PLAIN, 16, _peaks(1_000, 800, 30, 20), mem_gb_s=30, dispatch_us=5, fallback_gmac_s=4,
                  copy_gb_s=1),
    BackendTarget("npu_dw", _PLAIN, 8, _peaks(600, 500, 250, 20), mem_gb_s=30, dispatch_us=5, fallback_gmac_s=4,
                  copy_gb_s=1),
    BackendTarget("gpu_tensor", _ALL, 8, _peaks(12_000, 10_000, 400, 200), mem_gb_s=300, dispatch_us=6,
                  fallback_gmac_s=20, copy_gb_s=10),
)}
