"""The roofline: what arithmetic, memory and launches together allow (Williams, Waterman and Patterson, CACM 2009).

`utils.cost.roofline.op_costs` makes the operators from shapes, `utils.cost.roofline.speedup` says what a change buys,
`utils.cost.roofline.host` measures a device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from utils.cost.checks import non_negative, positive

Bound = Literal["compute", "memory", "launch"]


@dataclass(frozen=True)
class Device:
    """Peak GFLOP/s by number format ("fp32", "fp16", …), memory GB/s (1e9), fixed cost of an operator in us."""

    name: str
    peak_gflop_s: Mapping[str, float]
    mem_gb_s: float
    launch_us: float = 0.0
    cache_bytes: int = 0

    def peak(self, dtype: str) -> float:
        """Peak GFLOP/s of a number format. Raises ValueError "no peak for dtype" when it is not known."""
        if dtype not in self.peak_gflop_s:
            raise ValueError(f"dtype must be one of {', '.join(self.peak_gflop_s)}, got {dtype!r}: no peak for dtype")
        return self.peak_gflop_s[dtype]


@dataclass(frozen=True)
class OpCost:
    """One operator as it runs on a device: FLOPs (two per multiply–accumulate) and bytes across memory."""

    name: str
    kind: str
    flops: float
    bytes_read: float
    bytes_written: float

    @property
    def bytes_moved(self) -> float:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written


@dataclass(frozen=True)
class OpTime:
    """Predicted time of an operator, what bounds it, and the three times behind that (us)."""

    total_us: float
    bound: Bound
    compute_us: float
    memory_us: float
    launch_us: float

    def as_dict(self) -> dict[str, float | str]:
        """The fields as a plain dict."""
        return asdict(self)


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


def intensity(op: OpCost) -> float:
    """Arithmetic intensity in FLOP per byte that crosses memory."""
    positive(bytes_moved=op.bytes_moved)
    return op.flops / op.bytes_moved


def bound_of(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
    """(what bounds an operator, its time in us): launch + max(compute, memory).

    The label names the largest of the three; among equals compute goes before memory, memory before launch.

    >>> bound_of(1000, 4000, 1000, 100, 5)
    ('launch', 5.04)
    """
    non_negative(flops=flops, nbytes=nbytes, launch_us=launch_us)
    positive(peak_gflop_s=peak_gflop_s, bw_gb_s=bw_gb_s)
    compute_us, memory_us = flops / (1e3 * peak_gflop_s), nbytes / (1e3 * bw_gb_s)
    parts = {"compute": compute_us, "memory": memory_us, "launch": launch_us}
    return max(parts, key=parts.__getitem__), launch_us + max(compute_us, memory_us)  # max keeps the first of equals


def op_time_us(op: OpCost, device: Device, dtype: str, *, overlap: bool = False, utilization: float = 1.0) -> OpTime:
    """Predict an operator: its launch plus the longer of arithmetic and memory, which run at the same time.

    With `overlap` the launch runs ahead, as on a GPU whose queue never empties: the longest of the three remains.
    `utilization` is the reachable share of the peak. Raises ValueError "no peak for dtype".
    """
    positive(utilization=utilization)
    peak = utilization * device.peak(dtype)
    bound, total_us = bound_of(op.flops, op.bytes_moved, peak, device.mem_gb_s, device.launch_us)
    compute_us, memory_us = op.flops / (1e3 * peak), op.bytes_moved / (1e3 * device.mem_gb_s)
    if overlap:
        total_us = max(compute_us, memory_us, device.launch_us)
    return OpTime(total_us, bound, compute_us, memory_us, device.launch_us)


def predict_network(ops: Sequence[OpCost], device: Device, dtype: str, overlap: bool = False) -> list[OpTime]:
    """Predictions of operators that run one after another; the network takes their sum."""
    return [op_time_us(op, device, dtype, overlap=overlap) for op in ops]
