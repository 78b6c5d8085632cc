"""Steps of classical vision, by what they ask of an engine, and where chips usually run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["conv", "elementwise", "reduction", "gather", "data-dependent"]
AS_OF = "2026-11"
SOURCE = ("NVIDIA VPI 4.1 documentation (algorithms and back ends); SigmaStar and HiSilicon IVE interfaces; "
          "Rockchip RK3588 Brief Datasheet")


@dataclass(frozen=True)
class OpMapping:
    """A step: the kind of computation, the engines that chips have for it, and how it can be written for an NPU."""

    kind: Kind
    engines: tuple[str, ...]
    on_npu: str  # "" where there is no way


_ROWS = {
    "demosaic, denoise (ISP)": OpMapping("data-dependent", ("ISP",), ""),
    "lens correction": OpMapping("gather", ("ISP", "VIC", "GPU"), ""),
    "colour conversion": OpMapping("conv", ("2-D engine", "VIC", "GPU"), "1 × 1 convolution"),
    "resize, bilinear": OpMapping("gather", ("2-D engine", "VIC", "GPU"), "Resize, where it is supported"),
    "crop": OpMapping("gather", ("2-D engine", "VIC"), "Slice"),
    "Gaussian blur": OpMapping("conv", ("IVE", "PVA", "GPU"), "convolution with fixed weights"),
    "box filter": OpMapping("conv", ("IVE", "PVA", "GPU"), "convolution or average pooling"),
    "Sobel": OpMapping("conv", ("IVE", "PVA", "GPU"), "convolution with fixed weights"),
    "Laplacian": OpMapping("conv", ("PVA", "GPU"), "convolution with fixed weights"),
    "threshold": OpMapping("elementwise", ("IVE", "GPU"), "Greater, or a clipped line"),
    "gradient magnitude": OpMapping("elementwise", ("IVE", "GPU"), "Mul, Add, Sqrt"),
    "erosion, dilation": OpMapping("reduction", ("IVE", "PVA", "GPU"), "max pooling, with a sign"),
    "median 3 × 3": OpMapping("reduction", ("IVE", "PVA", "GPU"), "19 pairs of Min and Max"),
    "histogram": OpMapping("data-dependent", ("IVE", "GPU"), ""),
    "histogram equalisation": OpMapping("data-dependent", ("IVE", "GPU"), ""),
    "Canny edges": OpMapping("data-dependent", ("IVE", "PVA", "GPU"), ""),
    "connected components": OpMapping("data-dependent", ("IVE", "CPU"), ""),
    "Hough transform": OpMapping("data-dependent", ("CPU",), ""),
    "optical flow": OpMapping("data-dependent", ("OFA", "PVA", "GPU"), ""),
    "non-maximum suppression": OpMapping("data-dependent", ("CPU",), ""),
}
PIPELINE_OPS: Mapping[str, OpMapping] = MappingProxyType(_ROWS)


def npu_coverage(steps: Iterable[str], engines: Iterable[str] = ("NPU",)) -> float:
    """The share of steps that some of the engines can run; "NPU" takes what can be written for it.

    Raises KeyError for an unknown step, ValueError for no steps.
    """
    chosen, have = list(steps), set(engines)
    if not chosen:
        raise ValueError("steps must not be empty")
    rows = [PIPELINE_OPS[step] for step in chosen]
    return sum(bool(have & set(r.engines)) or ("NPU" in have and bool(r.on_npu)) for r in rows) / len(rows)
