"""Accelerators by kind: what each is, its peak from its cells, and the energy of arithmetic and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from utils.cost.checks import non_negative, positive
from utils.cost.edge_metrics import ENERGY_PJ_45NM

AS_OF = "2026-11"


@dataclass(frozen=True)
class ChipKind:
    """One accelerator as an example of its kind. `stated` is the maker's figure in words, with its number format."""

    name: str
    kind: str
    place: Literal["edge", "data centre"]
    stated: str
    programmed: str
    source: str


_ROWS = (
    ChipKind("RK3588's NPU", "NPU in an SoC", "edge", "6 TOPS INT8", "RKNN, from ONNX",
             "Rockchip's figure as board makers quote it"),
    ChipKind("Edge TPU", "systolic array", "edge", "4 TOPS INT8, 2 TOPS per watt", "LiteRT, compiled ahead of time",
             "Google Coral documentation"),
    ChipKind("Hailo-8", "dataflow chip", "edge", "26 TOPS INT8, no external DRAM", "Hailo's compiler, from ONNX",
             "CNX Software, 2020, after Hailo"),
    ChipKind("Myriad X", "VPU", "edge", "vision DSPs and a neural engine; line ended", "OpenVINO up to 2022.3",
             "OpenVINO release notes"),
    ChipKind("Ascend 310", "NPU", "edge", "16 TOPS INT8, 8 W", "CANN", "HiSilicon, 2018"),
    ChipKind("TPU v1", "systolic array", "data centre", "92 TOPS INT8, 34 GB/s", "TensorFlow, inside Google",
             "Jouppi et al., ISCA 2017"),
    ChipKind("TPU v5e", "systolic arrays", "data centre", "197 TFLOP/s BF16, 393 TOPS INT8, 819 GB/s",
             "JAX, PyTorch/XLA, vLLM", "Google Cloud documentation"),
    ChipKind("TPU7x (Ironwood)", "systolic arrays", "data centre", "2,307 TFLOP/s BF16, 4,614 FP8, 192 GiB",
             "JAX, PyTorch/XLA, vLLM", "Google Cloud documentation"),
    ChipKind("Ascend 910", "NPU", "data centre", "256 TFLOP/s FP16, up to 350 W", "CANN, MindSpore", "Huawei, 2018"),
    ChipKind("Bow IPU", "many cores, each with SRAM", "data centre", "350 TFLOP/s FP16", "Poplar",
             "Graphcore; owned by SoftBank since July 2024"),
)
CHIP_KINDS: Mapping[str, ChipKind] = MappingProxyType({row.name: row for row in _ROWS})


def peak_tops(rows: int, cols: int, ghz: float) -> float:
    """Peak of an array of rows x cols multiply-accumulate cells in TOPS (1e12 operations a second, two a MAC).

    Raises ValueError unless all three are positive.

    >>> peak_tops(256, 256, 0.7)
    91.7504
    """
    positive(rows=rows, cols=cols, ghz=ghz)
    return rows * cols * 2 * ghz / 1000


def fpga_peak_tops(dsps: int, macs_per_dsp: int, ghz: float) -> float:
    """Peak of an FPGA's DSP slices in TOPS; two INT8 MACs can share one slice and one operand (Xilinx WP486, 2017).

    >>> fpga_peak_tops(6840, 2, 0.5)
    13.68
    """
    positive(dsps=dsps, macs_per_dsp=macs_per_dsp, ghz=ghz)
    return dsps * macs_per_dsp * 2 * ghz / 1000


@dataclass(frozen=True)
class EnergyReport:
    """Microjoules of one inference: arithmetic, on-chip memory, DRAM."""

    compute_uj: float
    sram_uj: float
    dram_uj: float

    @property
    def total_uj(self) -> float:
        return self.compute_uj + self.sram_uj + self.dram_uj


def energy_uj(macs: float, sram_bytes: float, dram_bytes: float,
              table: Mapping[str, float] = ENERGY_PJ_45NM) -> EnergyReport:
    """First-order energy of INT8 inference at 45 nm: each operation and each byte has its price (Horowitz, 2014).

    Raises ValueError for negative counts.
    """
    non_negative(macs=macs, sram_bytes=sram_bytes, dram_bytes=dram_bytes)
    mac = table["int8_mul"] + table["int8_add"]
    sram, dram = (table[f"{kind}_32bit"] / 4 for kind in ("sram", "dram"))  # a byte
    return EnergyReport(macs * mac / 1e6, sram_bytes * sram / 1e6, dram_bytes * dram / 1e6)


def inference_uj(macs: float, dram_bytes: float, pj_mac: float, pj_dram_byte: float) -> tuple[float, float]:
    """(compute, memory) in microjoules: picojoules of a whole multiply-accumulate and of a byte from DRAM.

    >>> inference_uj(300.8e6, 3_504_872, 0.23, 160)
    (69.184, 560.77952)
    """
    return macs * pj_mac / 1e6, dram_bytes * pj_dram_byte / 1e6
