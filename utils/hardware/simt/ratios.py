"""Numbers that compare devices: lanes, clocks and bandwidth on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping

from utils.cost.checks import non_negative, positive


def peak_gflop_s(lanes: int, ghz: float, flops_per_lane_clk: float = 2) -> float:
    """Peak in GFLOP/s: a lane finishes a fused multiply-add, two operations, in a cycle.

    Raises ValueError for lanes or clocks that are not positive.

    >>> round(peak_gflop_s(2048, 1.126)), round(peak_gflop_s(8 * 2 * 8, 3.0))
    (4612, 768)
    """
    positive(lanes=lanes, ghz=ghz, flops_per_lane_clk=flops_per_lane_clk)
    return lanes * ghz * flops_per_lane_clk


def attainable_gflop_s(device: Mapping[str, float], intensity: float) -> float:
    """The lower of peak and intensity times bandwidth (Williams et al., 2009). Keys lanes, ghz, gb_s."""
    non_negative(intensity=intensity)
    return min(peak_gflop_s(device["lanes"], device["ghz"]), intensity * device["gb_s"])


def fair_speedup(gpu: Mapping[str, float], cpu: Mapping[str, float], intensity: float) -> float:
    """How much faster `gpu` can be than `cpu` for work of `intensity` FLOP per byte from memory.

    >>> gtx, i7 = {"lanes": 2048, "ghz": 1.126, "gb_s": 224}, {"lanes": 128, "ghz": 3.0, "gb_s": 68}
    >>> round(fair_speedup(gtx, i7, 1000), 3), round(fair_speedup(gtx, i7, 1), 3)
    (6.005, 3.294)
    """
    return attainable_gflop_s(gpu, intensity) / attainable_gflop_s(cpu, intensity)


def latency_hiding_warps(latency_cycles: float, cycles_between_issues: float) -> int:
    """Warps that keep an SM's scheduler busy while each waits `latency_cycles`, issuing every so many cycles.

    Little's law: in flight = rate times latency, rounded up.

    >>> latency_hiding_warps(400, 10)
    40
    """
    non_negative(latency_cycles=latency_cycles)
    positive(cycles_between_issues=cycles_between_issues)
    return math.ceil(latency_cycles / cycles_between_issues - 1e-9)


def dynamic_power_ratio(f_ratio: float, v_ratio: float) -> float:
    """Dynamic power after changing clock and voltage: it goes with f V^2 (switched capacitance is the same)."""
    positive(f_ratio=f_ratio, v_ratio=v_ratio)
    return f_ratio * v_ratio**2
