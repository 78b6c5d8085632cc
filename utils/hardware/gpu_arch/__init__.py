"""NVIDIA's GPUs as data (products, generations, the units of an SM) and what may be computed from it.

This module only gathers names; each lives in the file that its import line says.

>>> round(ridge_flop_per_byte(GPUS["H100 SXM"], "bf16"))
295
"""

from utils.hardware.gpu_arch.features import (
    FEATURE_MIN_CC,
    FEATURES,
    TENSOR_TYPES,
    Feature,
    best_dtype,
    parse_cc,
    supports,
)
from utils.hardware.gpu_arch.generations import GENERATIONS, Generation
from utils.hardware.gpu_arch.gpus import AS_OF, GPUS, GpuSpec
from utils.hardware.gpu_arch.live import LiveDevice, differing_limits, live_device_props
from utils.hardware.gpu_arch.peaks import (
    ArchRow,
    arch_timeline,
    fp32_tflops,
    peak_tflops,
    ridge_flop_per_byte,
    tensor_fp16_tflops,
)
from utils.hardware.gpu_arch.sm_units import SM_UNITS, SmUnits, lane_cycles
from utils.hardware.gpu_arch.waves import (
    PoolRow,
    Waves,
    pool_waves,
    wave_efficiency,
    wave_quantization,
    wave_sweep,
)
from utils.hardware.sm_limits import (
    SM_LIMITS,
    OccupancyGrid,
    OccupancyResult,
    SmLimits,
    active_blocks,
    occupancy,
    occupancy_grid,
)

__all__ = [
    "AS_OF", "FEATURES", "FEATURE_MIN_CC", "GENERATIONS", "GPUS", "SM_LIMITS", "SM_UNITS", "TENSOR_TYPES", "ArchRow",
    "Feature", "Generation", "GpuSpec", "LiveDevice", "OccupancyGrid", "OccupancyResult", "PoolRow", "SmLimits",
    "SmUnits", "Waves", "active_blocks", "arch_timeline", "best_dtype", "differing_limits", "fp32_tflops",
    "lane_cycles", "live_device_props", "occupancy", "occupancy_grid", "parse_cc", "peak_tflops", "pool_waves",
    "ridge_flop_per_byte", "supports", "tensor_fp16_tflops", "wave_efficiency", "wave_quantization", "wave_sweep",
]
