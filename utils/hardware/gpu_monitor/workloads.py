"""Five loads of one GPU that nvidia-smi can hardly tell apart, as traces, and the ladder of metrics over a trace.

The rates of a load (warps, tensor share, traffic, arithmetic) are assumed, in the order of magnitude that such a
load has on an H100; the traces are models, not measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from utils.cost.checks import non_negative, positive

from ..gpu_arch import GPUS, GpuSpec
from ..sm_limits import SM_LIMITS
from .kernels import (
    Kernel,
    dram_activity,
    flops_in,
    kernel_utilization,
    mfu_pct,
    sm_activity,
    sm_occupancy,
    tensor_activity,
)

GPU = GPUS["H100 SXM"]
LADDER = ("GPU-Util", "SM activity", "occupancy", "tensor activity", "DRAM activity", "MFU")


@dataclass(frozen=True)
class Workload:
    """A periodic load: a kernel of `kernel_s`, then a gap; with `off_s`, bursts of `on_s` and pauses of `off_s`.

    While a kernel runs it takes `sms` SMs with `warps_per_sm` warps each, the share `tensor` (0 to 1) of their tensor
    pipes, and moves and computes at `gb_s` and `tflop_s` (of the whole GPU).
    """

    kernel_s: float
    gap_s: float
    sms: int
    warps_per_sm: int
    tensor: float = 0.0
    gb_s: float = 0.0
    tflop_s: float = 0.0
    on_s: float = float("inf")
    off_s: float = 0.0

    def trace(self, seconds: float, phase_s: float = 0.0) -> list[Kernel]:
        """Kernels of the load from 0 to `seconds`, which began `phase_s` before.

        Raises ValueError for a kernel length that is not positive or a negative gap, pause or phase."""
        positive(kernel_s=self.kernel_s, seconds=seconds, on_s=self.on_s)
        non_negative(gap_s=self.gap_s, off_s=self.off_s, phase_s=phase_s)
        found, burst = [], -phase_s
        while burst < seconds:
            stop = min(burst + self.on_s, seconds)
            count = int((stop - burst) / (self.kernel_s + self.gap_s)) + 1
            for i in range(count):
                start_s = burst + i * (self.kernel_s + self.gap_s)
                end_s = min(start_s + self.kernel_s, stop)
                if start_s < end_s and end_s > 0:
                    found.append(self._kernel(start_s, end_s))
            burst += self.on_s + self.off_s
        return found

    def _kernel(self, start_s: float, end_s: float) -> Kernel:
        seconds = end_s - start_s
        return Kernel(start_s, end_s, self.sms, self.warps_per_sm, self.tflop_s * 1e12 * seconds, self.tensor,
                      self.gb_s * 1e9 * seconds)


# Decoding: one token of Llama-3-8B in BF16 reads 15.01 GB of weights and takes 2 FLOPs for each of 8.03 billion
# parameters; 5 ms a token are 3,002 GB/s and 3.2 TFLOP/s.
WORKLOADS: Mapping[str, Workload] = MappingProxyType({
    "spin kernel": Workload(0.1, 0.0, 1, 1),
    "LLM decoding, batch 1": Workload(0.005, 0.0, GPU.sms, 16, 0.03, 15.01 / 0.005, 2 * 8.03e-3 / 0.005),
    "small kernels": Workload(0.002, 0.0, 12, 8, 0.0, 40.0, 1.0),
    "large matrix products": Workload(0.02, 0.0, GPU.sms, 12, 0.8, 800.0, 742.0),
    "waiting for data": Workload(0.02, 0.0, GPU.sms, 12, 0.8, 800.0, 742.0, on_s=0.3, off_s=0.7),
})


def metric_ladder(kernels: Sequence[Kernel], start: float, end: float, gpu: GpuSpec = GPU) -> dict[str, float]:
    """The six rungs (LADDER) of a trace over [start, end) on a GPU, each in percent; MFU against the BF16 peak.

    Raises ValueError if end <= start or the GPU has no BF16 peak."""
    if "bf16" not in gpu.peak_tflop_s:
        raise ValueError(f"gpu must have a BF16 peak, got {gpu.name}")
    values = (
        kernel_utilization(kernels, start, end), sm_activity(kernels, start, end, gpu.sms),
        sm_occupancy(kernels, start, end, gpu.sms, SM_LIMITS[gpu.cc].max_warps),
        tensor_activity(kernels, start, end, gpu.sms), dram_activity(kernels, start, end, gpu.mem_gb_s),
        mfu_pct(flops_in(kernels, start, end), end - start, gpu.peak_tflop_s["bf16"] * 1e12),
    )
    return dict(zip(LADDER, values))
