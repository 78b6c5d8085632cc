"""Memory bandwidth, all in one place: clocks, sectors, the decode bound, measurements.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.cost.bandwidth.decode import DecodeStep, critical_batch, decode_plan, decode_step, kv_bytes_per_token
from utils.cost.bandwidth.memory_clock import (
    SPECS,
    TRANSFERS_PER_CLOCK,
    MemorySpec,
    clock_card,
    identify_clock,
    infer_transfers_per_clock,
    memory_spec,
    peak_bandwidth_gb_s,
    peak_gb_s,
    pin_rate_gbit_s,
)
from utils.cost.bandwidth.streams import (
    GemmPoint,
    StreamResult,
    StrideRow,
    bandwidth_ladder,
    cuda_bandwidth,
    cuda_peak_gb_s,
    effective_gb_s,
    gemm_point,
    measure_gemm,
    stream,
    stream_gb_s,
    strided_read,
)
from utils.cost.bandwidth.warp import WARP_PRESETS, coalescing_efficiency, sectors_touched, warp_picture, warp_sectors

__all__ = [
    "SPECS", "TRANSFERS_PER_CLOCK", "WARP_PRESETS", "DecodeStep", "GemmPoint", "MemorySpec", "StreamResult",
    "StrideRow", "bandwidth_ladder", "clock_card", "coalescing_efficiency", "critical_batch", "cuda_bandwidth",
    "cuda_peak_gb_s", "decode_plan", "decode_step", "effective_gb_s", "gemm_point", "identify_clock",
    "infer_transfers_per_clock", "kv_bytes_per_token", "measure_gemm", "memory_spec",
    "peak_bandwidth_gb_s", "peak_gb_s", "pin_rate_gbit_s", "sectors_touched", "stream", "stream_gb_s",
    "strided_read", "warp_picture", "warp_sectors",
]
