"""The same questions on plain tuples and dicts: what a script or a notebook asks without building kernels."""

from __future__ import annotations

from ..sm_limits import WARP, SmLimits, block_limits
from . import diagnosis
from . import kernels as traces
from .kernels import Kernel
from .sampling import sample_series
from .smi_table import parse_nvidia_smi_table

CELL = {"name": "name", "util_pct": "util_pct", "mem_used_mib": "mem_used_mib", "mem_total_mib": "mem_total_mib",
        "volatile_uncorrected_ecc": "volatile_uncorr_ecc", "power_w": "power_w"}


def read_smi_cell(table: str) -> dict:
    """The readings of the one GPU in a boxed nvidia-smi output; None for N/A and for an ECC that is Off."""
    row = parse_nvidia_smi_table(table)[0]
    return {ours: row[theirs] for ours, theirs in CELL.items()}


def sm_activity(kernels: list[tuple[float, float, int]], start: float, end: float, num_sms: int) -> float:
    """Time-average share of the SMs that run a kernel, in percent; kernels are (start, end, SMs)."""
    return traces.sm_activity([Kernel(*k) for k in kernels], start, end, num_sms)


def blocks_per_sm(limits: dict, threads: int, regs: int, smem: int) -> int:
    """Blocks of a kernel that fit on one SM; 0 if not even one does."""
    return min(block_limits(SmLimits(**limits), regs, smem, threads).values())


def sm_occupancy(kernels: list[tuple[float, float, int, int, int, int]], start: float, end: float, num_sms: int,
                 limits: dict) -> float:
    """Time-average share of the warp slots that hold a warp, in percent.

    Kernels are (start, end, SMs, threads a block, registers a thread, shared bytes a block)."""
    running = [Kernel(a, b, sms, blocks_per_sm(limits, threads, regs, smem) * -(-threads // WARP))
               for a, b, sms, threads, regs, smem in kernels]
    return traces.sm_occupancy(running, start, end, num_sms, limits["max_threads"] // WARP)


def windowed_util(intervals: list[tuple[float, float]], period: float, start: float, end: float) -> list[float]:
    """Percent of each whole window of `period` in [start, end) in which at least one interval runs."""
    return sample_series(intervals, period, start, end).tolist()


def diagnose(m: dict) -> str:
    """The bottleneck that six readings in percent point to; the first rule that fits decides."""
    return diagnosis.diagnose(m).label
