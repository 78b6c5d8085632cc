"""NVIDIA GPUs as data: units, clocks, dense peaks by number format, memory.

Peaks are dense; a chip with 2:4 sparse tensor cores says so in `sparse_factor` and its sparse figures are
never stored. "fp16", "bf16" and "fp8" accumulate in FP32, as frameworks do; GeForce chips halve that rate and
list the faster FP16 accumulation as "fp16_acc16" and "fp8_acc16".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

AS_OF = "2026-11"


@dataclass(frozen=True)
class GpuSpec:
    """One GPU. Clocks are boost clocks unless `note` says otherwise; None means that it has no such thing.

    `fma_per_tensor_clk` counts dense FP16 multiply–accumulates of one tensor core in one cycle, at its
    fastest accumulation. `nvlink_gb_s` is both directions together, as NVIDIA states it. `board_w` is the power
    limit of the card or module in watts, as its data sheet states it.
    """

    name: str
    arch: str
    year: int
    cc: str
    sms: int
    fp32_per_sm: int
    clock_ghz: float
    tensor_per_sm: int
    fma_per_tensor_clk: int
    tensor_clock_ghz: float | None
    peak_tflop_s: Mapping[str, float]
    sparse_factor: int
    mem_type: str
    mem_gb: int
    mem_gb_s: float
    nvlink_gb_s: float | None
    source: str
    note: str = ""
    board_w: int | None = None


def _gpu(name: str, arch: str, year: int, cc: str, units: tuple[int, int, float],
         tensor: tuple[int, int, float] | None, peaks: dict[str, float], memory: tuple[str, int, float],
         source: str, *, sparse_factor: int = 1, nvlink_gb_s: float | None = None, note: str = "",
         board_w: int | None = None) -> GpuSpec:
    """A row from its groups: (SMs, FP32 lanes a SM, GHz), (tensor cores a SM, FMA a clock, GHz), memory."""
    return GpuSpec(name, arch, year, cc, *units, *(tensor or (0, 0, None)), MappingProxyType(peaks), sparse_factor,
                   *memory, nvlink_gb_s, source, note, board_w)


_HOPPER = {"fp64": 33.5, "fp64_tensor": 66.9, "fp32": 66.9, "tf32": 494.7, "fp16": 989.0, "bf16": 989.0,
           "fp8": 1979.0, "int8": 1979.0}
_A100 = {"fp64": 9.7, "fp64_tensor": 19.5, "fp32": 19.5, "tf32": 156.0, "fp16": 312.0, "bf16": 312.0, "int8": 624.0,
         "int4": 1248.0}

_ROWS = (
    _gpu("GTX 980", "Maxwell", 2014, "5.2", (16, 128, 1.126), None, {"fp32": 4.6}, ("gddr5", 4, 224.0),
         "GeForce GTX 980 whitepaper", note="base clock, which the whitepaper's 4.6 TFLOP/s uses", board_w=165),
    _gpu("P100", "Pascal", 2016, "6.0", (56, 64, 1.480), None, {"fp64": 5.3, "fp32": 10.6, "fp16": 21.2},
         ("hbm2", 16, 720.0), "Tesla P100 whitepaper and technical overview (SXM2)", nvlink_gb_s=160.0,
         note="715 MHz x 2 x 4096 bit gives 732 GB/s, which other NVIDIA tables print", board_w=300),
    _gpu("V100", "Volta", 2017, "7.0", (80, 64, 1.53), (8, 64, 1.53), {"fp64": 7.8, "fp32": 15.7, "fp16": 125.0},
         ("hbm2", 32, 898.0), "V100 whitepaper and data sheet (SXM2)", nvlink_gb_s=300.0,
         note="877 MHz x 2 x 4096 bit; the data sheet rounds to 900 GB/s", board_w=300),
    _gpu("T4", "Turing", 2018, "7.5", (40, 64, 1.59), (8, 64, 1.59),
         {"fp32": 8.1, "fp16": 65.0, "int8": 130.0, "int4": 260.0}, ("gddr6", 16, 320.0), "T4 data sheet", board_w=70),
    _gpu("RTX 2070", "Turing", 2018, "7.5", (36, 64, 1.62), (8, 64, 1.62),
         {"fp32": 7.5, "fp16": 29.9, "fp16_acc16": 59.7, "int8": 119.4}, ("gddr6", 8, 448.0),
         "Turing whitepaper (units and reference clock; peaks computed from them)",
         note="reference card; the Founders Edition boosts to 1.71 GHz", board_w=175),
    _gpu("A100 40GB", "Ampere", 2020, "8.0", (108, 64, 1.41), (4, 256, 1.41), _A100, ("hbm2", 40, 1555.0),
         "A100 whitepaper and data sheet (SXM4)", sparse_factor=2, nvlink_gb_s=600.0, board_w=400),
    _gpu("A100 80GB", "Ampere", 2020, "8.0", (108, 64, 1.41), (4, 256, 1.41), _A100, ("hbm2e", 80, 2039.0),
         "A100 whitepaper and data sheet (SXM4)", sparse_factor=2, nvlink_gb_s=600.0, board_w=400),
    _gpu("RTX 3090", "Ampere", 2020, "8.6", (82, 128, 1.695), (4, 128, 1.695),
         {"fp32": 35.6, "tf32": 35.6, "fp16": 71.0, "fp16_acc16": 142.0, "bf16": 71.0, "int8": 284.0},
         ("gddr6x", 24, 936.0), "GA102 whitepaper, appendix A", sparse_factor=2, nvlink_gb_s=112.5, board_w=350),
    _gpu("H100 SXM", "Hopper", 2022, "9.0", (132, 128, 1.98), (4, 512, 1.83), _HOPPER, ("hbm3", 80, 3350.0),
         "H100 whitepaper and data sheet; the sheet prints the sparse 1,979 for BF16", sparse_factor=2,
         nvlink_gb_s=900.0, board_w=700),
    _gpu("RTX 4090", "Ada", 2022, "8.9", (128, 128, 2.52), (4, 128, 2.52),
         {"fp32": 82.6, "tf32": 82.6, "fp16": 165.2, "fp16_acc16": 330.3, "bf16": 165.2, "fp8": 330.3,
          "fp8_acc16": 660.6, "int8": 660.6}, ("gddr6x", 24, 1008.0), "Ada whitepaper, appendix A", sparse_factor=2,
         board_w=450),
    _gpu("L4", "Ada", 2023, "8.9", (58, 128, 2.04), (4, 128, 2.04),
         {"fp32": 30.3, "tf32": 60.0, "fp16": 121.0, "bf16": 121.0, "fp8": 242.5, "int8": 242.5},
         ("gddr6", 24, 300.0), "L4 data sheet (prints sparse figures: 242 FP16, 485 INT8)", sparse_factor=2,
         board_w=72),
    _gpu("H200", "Hopper", 2023, "9.0", (132, 128, 1.98), (4, 512, 1.83), _HOPPER, ("hbm3e", 141, 4800.0),
         "H200 data sheet (SXM)", sparse_factor=2, nvlink_gb_s=900.0, board_w=700),
    _gpu("B200", "Blackwell", 2024, "10.0", (148, 128, 1.98), (4, 1024, 1.86),
         {"fp64": 37.0, "fp32": 75.0, "tf32": 1100.0, "fp16": 2250.0, "bf16": 2250.0, "fp8": 4500.0, "int8": 4500.0,
          "fp4": 9000.0}, ("hbm3e", 180, 8000.0), "Blackwell data sheet, HGX B200 (half of its sparse figures)",
         sparse_factor=2, nvlink_gb_s=1800.0,
         note="8 TB/s as announced; later prints say 7.7 TB/s and the driver's 3996 MHz x 2 x 7680 bit gives 7.67",
         board_w=1000),
    _gpu("RTX 5090", "Blackwell", 2025, "12.0", (170, 128, 2.407), (4, 128, 2.407),
         {"fp32": 104.8, "tf32": 104.8, "fp16": 209.5, "fp16_acc16": 419.0, "bf16": 209.5, "fp8": 419.0,
          "fp8_acc16": 838.0, "int8": 838.0, "fp4": 1676.0}, ("gddr7", 32, 1792.0),
         "RTX Blackwell whitepaper, appendix A", sparse_factor=2, board_w=575),
)

GPUS: Mapping[str, GpuSpec] = MappingProxyType({gpu.name: gpu for gpu in _ROWS})
