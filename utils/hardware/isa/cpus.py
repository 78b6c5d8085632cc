"""CPUs of both instruction sets as data, and the peaks that follow from cores, clock and vector units.

A figure that its maker does not state, or that was not confirmed, is None. Clocks are nominal: wide vectors and
matrix units often run slower, so a peak is a ceiling and not a forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from utils.cost.checks import positive
from utils.cost.roofline import ridge

Isa = Literal["x86-64", "AArch64"]
Confidence = Literal["checked", "reported"]

AS_OF = "2026-11"


@dataclass(frozen=True)
class CpuSpec:
    """One socket. `vector_bits` and `fma_units` are those of a core; `ghz` is the clock that the peaks are meant at.

    int8_ops_per_cycle_core: operations (two to a multiply–accumulate) of the fastest INT8 instruction, named in
    `int8_by`; None where it was not confirmed. tdp_w: the power that the maker names for cooling.
    confidence: "checked" was read in the maker's own text, "reported" is quoted by others.
    """

    name: str
    isa: Isa
    core: str
    cores: int
    ghz: float
    vector_bits: int
    fma_units: int
    int8_ops_per_cycle_core: int | None
    int8_by: str
    mem_gb_s: float
    tdp_w: float | None
    source: str
    confidence: Confidence
    note: str = ""
    as_of: str = AS_OF


_ROWS = (
    CpuSpec("Raspberry Pi 5", "AArch64", "Cortex-A76", 4, 2.4, 128, 2, 64, "SDOT", 32 * 4267 / 8000, None,
            "Raspberry Pi 5 announcement (2023): four Cortex-A76 at 2.4 GHz, 32-bit LPDDR4X-4267; Arm, Cortex-A76 "
            "software optimization guide: two 128-bit pipes", "reported"),
    CpuSpec("Intel N100", "x86-64", "Gracemont", 4, 3.4, 128, 2, None, "VPDPBUSD", 4800 * 8 / 1000, 6.0,
            "Intel N100 (2023) as notebookcheck.net quotes it: 4 cores, up to 3.4 GHz, one channel DDR5-4800, 6 W; "
            "two 128-bit FMA pipes as others describe the core", "reported",
            "the clock is the highest turbo, which 6 W do not sustain"),
    CpuSpec("Core i7-5960X", "x86-64", "Haswell", 8, 3.0, 256, 2, None, "VPMADDUBSW", 68.0, 140.0,
            "Intel Core i7-5960X (2014) as reviews quote it: 8 cores at 3.0 GHz, 140 W, 68 GB/s", "reported",
            "no dot-product instruction"),
    CpuSpec("Graviton3", "AArch64", "Neoverse V1", 64, 2.6, 256, 2, 256, "SMMLA", 8 * 4800 * 8 / 1000, None,
            "WikiChip, AWS Graviton3: 64 cores at 2.6 GHz, eight channels DDR5-4800; LLVM's Neoverse V1 model, made "
            "from Arm's optimization guide: two 256-bit SVE or four 128-bit pipes", "reported"),
    CpuSpec("A64FX", "AArch64", "A64FX", 48, 2.2, 512, 2, None, "SDOT", 1024.0, None,
            "Fujitsu at Hot Chips 2018: 512-bit SVE, two pipes a core, 1024 GB/s of HBM2; 48 cores at up to 2.2 GHz "
            "in Fugaku", "reported"),
    CpuSpec("EPYC 9654", "x86-64", "Zen 4", 96, 2.4, 256, 2, 128, "VPDPBUSD", 12 * 4800 * 8 / 1000, 360.0,
            "AMD EPYC 9654 (2022) as hpctech.co.jp lists it: 96 cores at 2.4 GHz, twelve channels DDR5-4800, 360 W, "
            "AVX-512 on a 256-bit data path", "reported",
            "INT8: timed on a Zen 4 core, a 512-bit VPDPBUSD takes as long as two 256-bit FMAs"),
    CpuSpec("Xeon Platinum 8480+", "x86-64", "Golden Cove", 56, 2.0, 512, 2, 2048, "TDPBUSD (AMX)",
            8 * 4800 * 8 / 1000, 350.0,
            "Intel, 4th generation Xeon (2023): 56 cores at 2.0 GHz, eight channels DDR5-4800, 350 W; 2,048 INT8 "
            "operations a cycle with AMX and 256 with VNNI as PyTorch's AMX recipe quotes Intel", "reported",
            "AVX-512 and AMX run below the nominal clock under load"),
)

CPUS: Mapping[str, CpuSpec] = MappingProxyType({row.name: row for row in _ROWS})


def peak_gflops(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
                ops_per_lane: float = 2) -> float:
    """Peak of a CPU in GFLOP/s (GOP/s for integers) from what its cores do in one cycle.

    Lanes of a vector, times the vector units of a core, times the operations of a lane (2 for a fused
    multiply–add), times cores, times GHz. Raises ValueError unless all are positive.

    >>> round(peak_gflops(4, 2.4, 128, 32, 2), 1)
    153.6
    """
    positive(cores=cores, ghz=ghz, vector_bits=vector_bits, elem_bits=elem_bits, units=units, ops_per_lane=ops_per_lane)
    lanes = vector_bits / elem_bits
    return cores * ghz * lanes * units * ops_per_lane


def peak_gflops_fp32(spec: CpuSpec) -> float:
    """FP32 peak in GFLOP/s at the nominal clock, all cores with fused multiply–adds."""
    return peak_gflops(spec.cores, spec.ghz, spec.vector_bits, 32, spec.fma_units)


def peak_int8_gops(spec: CpuSpec) -> float | None:
    """INT8 peak in GOP/s (two operations to a multiply–accumulate); None where the rate of a core is not known."""
    if spec.int8_ops_per_cycle_core is None:
        return None
    return spec.cores * spec.ghz * spec.int8_ops_per_cycle_core


def ridge_flop_per_byte(spec: CpuSpec) -> float:
    """FLOP per byte of DRAM traffic from which FP32 arithmetic, and not memory, is the limit."""
    return ridge(peak_gflops_fp32(spec), spec.mem_gb_s)
