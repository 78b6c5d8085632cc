"""What a module occupies, and where it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def module_bytes(m: nn.Module) -> int:
    """Bytes of a module's parameters and buffers; a storage that several of them share counts once, in full.

    A view keeps its whole storage alive, so the whole storage counts. Gradients do not. Works on the meta device too.
    """
    from utils.cost.memory import module_storage_bytes

    return module_storage_bytes(m)


def module_device(m: nn.Module) -> torch.device:
    """The one device of a module's parameters and buffers (`nn.Module` has no `.device` of its own).

    Raises ValueError for a module without parameters and buffers, or one that is spread over several devices.
    """
    devices = {tensor.device for tensor in (*m.parameters(), *m.buffers())}
    if not devices:
        raise ValueError("the module has no parameters or buffers, so it is on no device")
    if len(devices) > 1:
        told = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"the module must be on one device, it is spread over several devices: {told}")
    return devices.pop()


def module_footprint(m: nn.Module) -> tuple[int, str]:
    """Bytes that a module's parameters and buffers hold, each storage once, and the name of their device.

    Raises ValueError for a module without parameters and buffers, or one that is spread over several devices.
    """
    device = str(module_device(m))
    return module_bytes(m), device
