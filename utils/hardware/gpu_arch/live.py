"""The GPU of this machine beside the tables; nothing here imports torch until it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from utils.hardware.sm_limits import SM_LIMITS

# The field of SmLimits, and how torch names it. torch does not tell block slots, reserved bytes and units.
_LIMITS = {"max_threads": "max_threads_per_multi_processor", "regs": "regs_per_multiprocessor",
           "smem_bytes": "shared_memory_per_multiprocessor", "smem_optin_block_bytes": "shared_memory_per_block_optin"}


@dataclass(frozen=True)
class LiveDevice:
    """What torch tells of a GPU: name, compute capability, SMs, bytes of memory and L2, and limits by field name."""

    name: str
    cc: str
    sms: int
    memory_bytes: int
    l2_bytes: int | None
    limits: dict[str, int]


def live_device_props(props: Any = None) -> LiveDevice | None:
    """The first GPU of this machine; None without CUDA. `props` stands in for torch's device properties.

    A limit that this version of torch does not tell is left out.
    """
    if props is None:
        import torch

        if not torch.cuda.is_available():
            return None
        props = torch.cuda.get_device_properties(0)
    limits = {ours: getattr(props, theirs) for ours, theirs in _LIMITS.items() if hasattr(props, theirs)}
    return LiveDevice(props.name, f"{props.major}.{props.minor}", props.multi_processor_count, props.total_memory,
                      getattr(props, "L2_cache_size", None), limits)


def differing_limits(device: LiveDevice) -> dict[str, tuple[int, int]] | None:
    """Field: (what the device tells, what the table says) where they differ; None for a capability that the table
    does not have."""
    if device.cc not in SM_LIMITS:
        return None
    table = SM_LIMITS[device.cc].as_dict()
    return {name: (told, table[name]) for name, told in device.limits.items() if told != table[name]}
