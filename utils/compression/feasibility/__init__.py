"""Why compression is needed and why it works: both questions with numbers.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.compression.feasibility.necessity import (
    DRAM_PJ,
    FREE_SHARE_GPU,
    FREE_SHARE_SHARED,
    TARGET_DEVICES,
    BitsLimits,
    EnergyBreakdown,
    NecessityReport,
    TargetDevice,
    decode_ceiling_tokens_s,
    dram_power_w,
    energy_breakdown,
    max_bits_per_weight,
    necessity_report,
    required_bits,
)
from utils.compression.feasibility.redundancy import (
    effective_rank,
    energy_rank,
    exponent_entropy,
    lossless_bound_bits,
    random_baseline_rank,
)
from utils.compression.feasibility.tolerance import (
    LEVELS,
    CurvePoint,
    Feasibility,
    accuracy_standard_error,
    knee,
    measured_curves,
    need_vs_can,
    per_class_drop,
    predictions,
    relative_bytes,
    rounding_noise,
    spoiled,
    tolerance_curve,
)

__all__ = [
    "DRAM_PJ", "FREE_SHARE_GPU", "FREE_SHARE_SHARED", "LEVELS", "TARGET_DEVICES", "BitsLimits", "CurvePoint",
    "EnergyBreakdown", "Feasibility", "NecessityReport", "TargetDevice", "accuracy_standard_error",
    "decode_ceiling_tokens_s", "dram_power_w", "effective_rank", "energy_breakdown", "energy_rank",
    "exponent_entropy", "knee", "lossless_bound_bits", "max_bits_per_weight", "measured_curves",
    "necessity_report", "need_vs_can", "per_class_drop", "predictions", "random_baseline_rank", "relative_bytes",
    "required_bits", "rounding_noise", "spoiled", "tolerance_curve",
]
