"""From several readings to a bottleneck: rules of thumb in a fixed order, each with its evidence and a next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KEYS = ("gpu_util", "sm_active", "tensor_active", "dram_active", "pcie_pct", "cpu_util")
NEXT_STEPS = {
    "idle": "nothing runs: look whether requests arrive at all, then at the process on the host",
    "communication-bound": "move less over the bus: keep data on the device, overlap copies, or compress them",
    "host-bound": "the CPU cannot feed the GPU: more loader workers, less Python between the launches",
    "launch-bound": "gaps between launches: CUDA graphs, fusion, larger batches, fewer synchronisations",
    "underfilled": "kernels too small for this GPU: larger batches, more streams, or several processes (MPS, MIG)",
    "memory-bound": "bytes limit: quantise, fuse, batch more sequences over the same weights",
    "compute-bound": "arithmetic limits: lower precision, a smaller model, or a faster GPU",
}


@dataclass(frozen=True)
class Diagnosis:
    """A label, the readings that led to it, and what to try next."""

    label: str
    evidence: str
    next_step: str


def check_metrics(metrics: Mapping[str, float]) -> None:
    """Raise ValueError naming the first of KEYS that is missing or outside 0 to 100."""
    for key in KEYS:
        if key not in metrics:
            raise ValueError(f"{key} is missing: give all of {', '.join(KEYS)} in percent")
        if not 0 <= metrics[key] <= 100:
            raise ValueError(f"{key} must be from 0 to 100, got {metrics[key]}")


def diagnose(metrics: Mapping[str, float]) -> Diagnosis:
    """What holds a workload back, from six percentages (KEYS); the first rule that fits decides.

    The thresholds are the course's, not NVIDIA's. Raises ValueError naming a key that is missing or out of range.
    """
    check_metrics(metrics)
    label, used = _first_rule(metrics)
    return Diagnosis(label, ", ".join(f"{key} {metrics[key]:g} %" for key in used), NEXT_STEPS[label])


def _first_rule(m: Mapping[str, float]) -> tuple[str, tuple[str, ...]]:
    rules = (
        (m["gpu_util"] < 5, "idle", ("gpu_util",)),
        (m["pcie_pct"] >= 70, "communication-bound", ("pcie_pct",)),
        (m["gpu_util"] < 60 and m["cpu_util"] >= 80, "host-bound", ("gpu_util", "cpu_util")),
        (m["gpu_util"] < 60, "launch-bound", ("gpu_util", "cpu_util")),
        (m["sm_active"] < 30, "underfilled", ("gpu_util", "sm_active")),
        (m["dram_active"] >= 60 and m["tensor_active"] < 40, "memory-bound", ("dram_active", "tensor_active")),
        (m["tensor_active"] >= 40, "compute-bound", ("tensor_active",)),
        (m["dram_active"] >= 40, "memory-bound", ("dram_active", "tensor_active")),
        (True, "underfilled", ("dram_active", "tensor_active")),
    )
    return next((label, used) for fits, label, used in rules if fits)
