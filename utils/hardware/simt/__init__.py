"""What an algorithm engineer computes about hardware: fair ratios, warps that diverge, sectors, and a decision.

| module | what it holds |
|---|---|
| ratios | peaks and a fair ratio of two devices, warps that hide a latency, power of a clock |
| divergence | cycles of warps whose threads take different paths |
| machine | a small machine that runs a program with branches on the lanes of one warp |
| sectors | 32-byte sectors of strided loads |
| decision | requirements against measurements |
"""

from utils.hardware.simt.decision import Decision, decide, go_no_go
from utils.hardware.simt.divergence import divergence_cycles, lane_timeline, predicate, warp_issue_cycles
from utils.hardware.simt.machine import Issue, SimtMachine, simt_run
from utils.hardware.simt.ratios import (
    attainable_gflop_s,
    dynamic_power_ratio,
    fair_speedup,
    latency_hiding_warps,
    peak_gflop_s,
)
from utils.hardware.simt.sectors import bus_efficiency, sector_map, strided_sectors

__all__ = [
    "Decision", "Issue", "SimtMachine", "attainable_gflop_s", "bus_efficiency", "decide", "divergence_cycles",
    "dynamic_power_ratio", "fair_speedup", "go_no_go", "lane_timeline", "latency_hiding_warps", "peak_gflop_s",
    "predicate", "sector_map", "simt_run", "strided_sectors", "warp_issue_cycles",
]
