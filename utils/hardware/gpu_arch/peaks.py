"""What units and clocks give: peaks, ridge points, and the timeline of products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from utils.cost.checks import positive
from utils.cost.roofline import ridge
from utils.hardware.gpu_arch.gpus import GPUS, GpuSpec


def peak_tflops(sms: int, lanes_per_sm: int, ghz: float, fma: bool = True) -> float:
    """Peak in TFLOP/s (1e12) of `sms` SMs with `lanes_per_sm` units at `ghz`; a fused multiply-add counts two.

    A tensor core counts as so many lanes as it does multiply-adds in a cycle. Raises ValueError unless all three
    numbers are positive.

    >>> round(peak_tflops(80, 64, 1.53), 3)  # V100, FP32
    15.667
    """
    positive(sms=sms, lanes_per_sm=lanes_per_sm, ghz=ghz)
    return sms * lanes_per_sm * ghz * (2 if fma else 1) / 1000


def fp32_tflops(gpu: GpuSpec) -> float:
    """FP32 peak in TFLOP/s, from the lanes and their clock."""
    return peak_tflops(gpu.sms, gpu.fp32_per_sm, gpu.clock_ghz)


def tensor_fp16_tflops(gpu: GpuSpec) -> float | None:
    """Dense FP16 peak of the tensor cores in TFLOP/s, at their fastest accumulation; None if there are none."""
    if gpu.tensor_clock_ghz is None:
        return None
    return peak_tflops(gpu.sms, gpu.tensor_per_sm * gpu.fma_per_tensor_clk, gpu.tensor_clock_ghz)


def ridge_flop_per_byte(gpu: GpuSpec, dtype: str) -> float:
    """Ridge point in FLOP per byte: the dense peak of a number format over the memory's bandwidth.

    Raises KeyError for a format that the GPU has no peak for.
    """
    return ridge(1000 * gpu.peak_tflop_s[dtype], gpu.mem_gb_s)


@dataclass(frozen=True)
class ArchRow:
    """A product on the timeline. FP16 with FP32 accumulation where there are tensor cores, else the fastest of the
    lanes (`tensor` is False then); bandwidth in GB/s, ridge in FLOP per byte, efficiency in TFLOP/s per watt."""

    name: str
    arch: str
    year: int
    stacked: bool
    tensor: bool
    fp16_tflop_s: float
    mem_gb_s: float
    ridge: float
    tflop_s_per_w: float | None

    def as_dict(self) -> dict:
        """The fields by name: plain data."""
        return asdict(self)


def arch_timeline(gpus: Iterable[GpuSpec] = tuple(GPUS.values())) -> list[ArchRow]:
    """The products in order of year; `stacked` says that the memory is HBM."""
    rows = []
    for gpu in gpus:
        dtype = "fp16" if "fp16" in gpu.peak_tflop_s else "fp32"
        peak = gpu.peak_tflop_s[dtype]
        rows.append(ArchRow(gpu.name, gpu.arch, gpu.year, gpu.mem_type.startswith("hbm"), gpu.tensor_per_sm > 0, peak,
                            gpu.mem_gb_s, ridge_flop_per_byte(gpu, dtype), peak / gpu.board_w if gpu.board_w else None))
    return sorted(rows, key=lambda row: row.year)
