"""The roofline: what arithmetic and memory together allow (Williams, Waterman and Patterson, CACM 2009)."""

from __future__ import annotations

from utils.cost.checks import non_negative, positive


def ridge(peak_gflop_s: float, mem_gb_s: float) -> float:
    """Intensity in FLOP per byte at which memory and arithmetic take equally long.

    >>> round(ridge(989_000, 3350), 1)  # H100 SXM, BF16 dense
    295.2
    """
    positive(peak_gflop_s=peak_gflop_s, mem_gb_s=mem_gb_s)
    return peak_gflop_s / mem_gb_s


def attainable_gflop_s(intensity: float, peak_gflop_s: float, mem_gb_s: float) -> float:
    """Upper bound in GFLOP/s of an operation with `intensity` FLOP per byte: min(peak, intensity * bandwidth)."""
    non_negative(intensity=intensity)
    positive(peak_gflop_s=peak_gflop_s, mem_gb_s=mem_gb_s)
    return min(peak_gflop_s, intensity * mem_gb_s)
