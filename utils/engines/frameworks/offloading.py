"""Is it worth sending a group to the accelerator? Its gain has to pay for the copies and for the start (simulated)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from utils.engines.frameworks.convex import ACCEL, Partition

BYTES_PER_MS = 1e6  # of one GB/s


def offload_gain(
    groups: list[tuple[str, list[int]]],
    cpu_ms: Sequence[float],
    accel_ms: Sequence[float],
    in_bytes: Sequence[float],
    out_bytes: Sequence[float],
    link_gb_s: float,
    launch_ms: float,
) -> tuple[list[bool], float]:
    """Which groups to offload, and the time of all groups together in ms.

    An "accel" group is offloaded if accel_ms + launch_ms + (in_bytes + out_bytes) / link is below its cpu_ms; "cpu"
    groups never are. The four lists have one entry a group. GB/s are 1e9 bytes a second.
    Raises ValueError for lists of another length and for a link that is not positive.
    """
    for name, values in (("cpu_ms", cpu_ms), ("accel_ms", accel_ms), ("in_bytes", in_bytes), ("out_bytes", out_bytes)):
        if len(values) != len(groups):
            raise ValueError(f"{name} must have one entry a group, got {len(values)} for {len(groups)} groups")
    if not link_gb_s > 0:
        raise ValueError(f"link_gb_s must be positive, got {link_gb_s}")
    decisions, total_ms = [], 0.0
    for (device, _), cpu, accel, into, out in zip(groups, cpu_ms, accel_ms, in_bytes, out_bytes):
        away_ms = accel + launch_ms + (into + out) / (link_gb_s * BYTES_PER_MS)
        decisions.append(device == ACCEL and away_ms < cpu)
        total_ms += away_ms if decisions[-1] else cpu
    return decisions, total_ms


@dataclass(frozen=True)
class DeviceCosts:
    """A model of CPU and accelerator: what a node costs on either (ms), the link (GB/s), the start of a group (ms)."""

    cpu_ms: Sequence[float]
    accel_ms: Sequence[float]
    link_gb_s: float
    launch_ms: float


@dataclass(frozen=True)
class OffloadPlan:
    """Which groups run on the accelerator, the total, and the totals of the two simple policies, all in ms."""

    decisions: tuple[bool, ...]
    total_ms: float
    cpu_only_ms: float
    offload_all_ms: float

    def as_dict(self) -> dict:
        """The fields as plain data."""
        return asdict(self)


def best_offload(partition: Partition, costs: DeviceCosts, sizes: Mapping[str, int]) -> OffloadPlan:
    """The cheapest choice of groups to offload; `sizes` gives each tensor's bytes.

    Each group decides alone: its inputs come from host memory and its outputs go back there, as between the
    subgraphs of an execution provider and the CPU's. A small group stays on the CPU, the effect of a provider's
    minimal subgraph size.
    """
    groups = partition.as_groups()
    cpu = [sum(costs.cpu_ms[i] for i in members) for _, members in groups]
    accel = [sum(costs.accel_ms[i] for i in members) for _, members in groups]
    into, out = zip(*partition.transfer_bytes(sizes)) if groups else ((), ())
    decisions, total_ms = offload_gain(groups, cpu, accel, into, out, costs.link_gb_s, costs.launch_ms)
    all_ms = sum(a + costs.launch_ms + (i + o) / (costs.link_gb_s * BYTES_PER_MS) if device == ACCEL else c
                 for (device, _), c, a, i, o in zip(groups, cpu, accel, into, out))
    return OffloadPlan(tuple(decisions), total_ms, float(sum(cpu)), float(all_ms))
