"""What a trace of kernels says about a GPU, from presence to work: the ladder above GPU-Util.

Each rung is a percentage of a window [start, end): the time in which any kernel runs (`utilization`), the SMs that
have one (`sm_activity`), the warp slots that are filled (`sm_occupancy`), the tensor pipes and the memory bus in use
(`tensor_activity`, `dram_activity`), and the arithmetic done over the peak (`mfu_pct`). They model the definitions
of NVML's GPM metrics and of DCGM's profiling fields; a trace is given, so nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from utils.cost.checks import positive

from .intervals import Interval, utilization


@dataclass(frozen=True)
class Kernel:
    """One kernel of a trace: when it runs (s), on how many SMs, and what it does there.

    warps_per_sm: warps resident on each of its SMs. tensor: the share (0 to 1) of the tensor pipes of its SMs that
    is in use while it runs. bytes: moved from and to device memory. flops: of the whole kernel. The last two are
    spread evenly over its time.
    """

    start_s: float
    end_s: float
    sms: int
    warps_per_sm: int = 0
    flops: float = 0.0
    tensor: float = 0.0
    bytes: float = 0.0

    @property
    def interval(self) -> Interval:
        return self.start_s, self.end_s

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


def capped_mean(loads: Iterable[tuple[float, float, float]], start: float, end: float, most: float) -> float:
    """Time average over [start, end) of the sum of the running loads (from, to, amount), never above `most`.

    >>> capped_mean([(0, 10, 6), (5, 15, 6)], 0, 20, 8)
    5.0

    Raises ValueError if end <= start.
    """
    if not end > start:
        raise ValueError(f"end must be after start, got [{start}, {end})")
    changes: dict[float, float] = {start: 0.0, end: 0.0}
    for a, b, amount in loads:
        a, b = max(a, start), min(b, end)
        if a < b:
            changes[a] = changes.get(a, 0.0) + amount
            changes[b] = changes.get(b, 0.0) - amount
    times = sorted(changes)
    area = level = 0.0
    for now, following in pairwise(times):
        level += changes[now]
        area += min(level, most) * (following - now)
    return area / (end - start)


def kernel_utilization(kernels: Iterable[Kernel], start: float, end: float) -> float:
    """GPU-Util: percent of the window with at least one kernel. Raises ValueError if end <= start."""
    return utilization([k.interval for k in kernels], start, end)


def sm_activity(kernels: Iterable[Kernel], start: float, end: float, num_sms: int) -> float:
    """Percent of SM time in which a kernel is resident; overlapping kernels add up to at most `num_sms`.

    DCGM's DCGM_FI_PROF_SM_ACTIVE and NVML's GPM SM_UTIL. Raises ValueError if end <= start or num_sms < 1.
    """
    _at_least_one(num_sms=num_sms)
    return 100.0 * capped_mean([(k.start_s, k.end_s, k.sms) for k in kernels], start, end, num_sms) / num_sms


def sm_occupancy(kernels: Iterable[Kernel], start: float, end: float, num_sms: int, max_warps: int = 64) -> float:
    """Percent of all warp slots (num_sms · max_warps) that hold a resident warp, averaged over the window.

    GPM SM_OCCUPANCY. A resident warp may be stalled: occupancy counts warps, not issued instructions. Raises
    ValueError if end <= start, num_sms < 1 or max_warps < 1.
    """
    _at_least_one(num_sms=num_sms, max_warps=max_warps)
    slots = num_sms * max_warps
    loads = [(k.start_s, k.end_s, k.sms * k.warps_per_sm) for k in kernels]
    return 100.0 * capped_mean(loads, start, end, slots) / slots


def tensor_activity(kernels: Iterable[Kernel], start: float, end: float, num_sms: int) -> float:
    """Percent of the tensor pipes' time in use, averaged over all SMs (GPM ANY_TENSOR_UTIL).

    Raises ValueError if end <= start or num_sms < 1."""
    _at_least_one(num_sms=num_sms)
    loads = [(k.start_s, k.end_s, k.sms * k.tensor) for k in kernels]
    return 100.0 * capped_mean(loads, start, end, num_sms) / num_sms


def dram_activity(kernels: Sequence[Kernel], start: float, end: float, peak_gb_s: float) -> float:
    """Percent of the peak memory traffic (GPM DRAM_BW_UTIL); `peak_gb_s` in 1e9 bytes a second.

    Raises ValueError if end <= start or the peak is not positive."""
    positive(peak_gb_s=peak_gb_s)
    loads = [(k.start_s, k.end_s, k.bytes / k.seconds) for k in kernels if k.seconds > 0]
    peak = peak_gb_s * 1e9
    return 100.0 * capped_mean(loads, start, end, peak) / peak


def mfu_pct(flops: float, seconds: float, peak_flop_s: float) -> float:
    """Model FLOPs utilisation: percent of the peak arithmetic that the model's FLOPs took (Chowdhery et al., 2022).

    Raises ValueError for a time or peak that is not positive."""
    positive(seconds=seconds, peak_flop_s=peak_flop_s)
    return 100.0 * flops / (seconds * peak_flop_s)


def flops_in(kernels: Iterable[Kernel], start: float, end: float) -> float:
    """FLOPs that the kernels do inside [start, end), each kernel's spread evenly over its time."""
    return sum(k.flops * max(0.0, min(k.end_s, end) - max(k.start_s, start)) / k.seconds
               for k in kernels if k.seconds > 0)


def _at_least_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
