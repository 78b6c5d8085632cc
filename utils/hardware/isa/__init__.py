"""Instruction sets: CPUs of x86 and Arm as data, their INT8 instructions to the bit, and what saturation does.

The door of the package, without heavy imports. `real_kernels` runs torch's kernels under a chosen instruction set.

>>> round(peak_gflops_fp32(CPUS["Core i7-5960X"]))
768
"""

from utils.hardware.isa.cpus import (
    AS_OF,
    CPUS,
    CpuSpec,
    peak_gflops,
    peak_gflops_fp32,
    peak_int8_gops,
    ridge_flop_per_byte,
)
from utils.hardware.isa.gemm import avx2_dot, gemm_s8s8_x86, gemm_u8s8, s8_gemm_on_x86, smmla_gemm
from utils.hardware.isa.hosts import HostInfo, cheapest_host, detect_host, peak_bounds_gops
from utils.hardware.isa.instructions import (
    INSTRUCTIONS,
    Instruction,
    saturate_i16,
    sdot,
    smmla,
    tdpbusd,
    vpdpbusd,
    vpmaddubsw,
    vpmaddubsw_dot,
)
from utils.hardware.isa.saturation import (
    NetworkRun,
    dot_scatter,
    exact_saturation_rate,
    int8_mlp,
    saturated_pairs,
    saturation_rate,
    weight_range,
)

__all__ = [
    "AS_OF", "CPUS", "INSTRUCTIONS", "CpuSpec", "HostInfo", "Instruction", "NetworkRun", "avx2_dot", "cheapest_host",
    "detect_host", "dot_scatter", "exact_saturation_rate", "gemm_s8s8_x86", "gemm_u8s8", "int8_mlp",
    "peak_bounds_gops", "peak_gflops", "peak_gflops_fp32", "peak_int8_gops", "ridge_flop_per_byte", "s8_gemm_on_x86",
    "saturate_i16", "saturated_pairs", "saturation_rate", "sdot", "smmla", "smmla_gemm", "tdpbusd", "vpdpbusd",
    "vpmaddubsw", "vpmaddubsw_dot", "weight_range",
]
